//! `HS_NAMESPACE`: what is said of a prefix, in XML (RFC 3651 §3.2.6).

use quick_xml::Reader;
use quick_xml::XmlVersion;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesRef, BytesStart, Event};

use crate::model::data::bytes::{Flaw, utf8};
use crate::model::fault::Refusal;
use crate::model::limits::{NAMESPACE_ATTRIBUTES_MAX, NAMESPACE_DEPTH_MAX};

/// What is said of a prefix: the content of an `HS_NAMESPACE`.
///
/// ```xml
/// <namespace>
///   <status>active</status>
///   <contact>admin@example.com</contact>
///   <template delimiter="@">…</template>
/// </namespace>
/// ```
///
/// Well-formed XML without a document type, entities of its own, elements deeper
/// than [`NAMESPACE_DEPTH_MAX`] or more than [`NAMESPACE_ATTRIBUTES_MAX`]
/// attributes of one element. What is not named here is kept and not looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Namespace {
    xml: String,
    status: Option<String>,
    contact: Option<String>,
    template_delimiter: Option<String>,
}

impl Namespace {
    /// Decodes the data of an `HS_NAMESPACE`.
    ///
    /// # Errors
    /// [`Reason::ValueDataInvalid`](crate::model::Reason::ValueDataInvalid).
    pub fn decode(data: &[u8]) -> Result<Self, Refusal> {
        Self::read(data).map_err(|flaw| flaw.refusal("HS_NAMESPACE"))
    }

    /// Encodes the data of an `HS_NAMESPACE`: the XML as it was given.
    pub fn encode(&self) -> Vec<u8> {
        self.xml.clone().into_bytes()
    }

    /// The XML.
    pub fn xml(&self) -> &str {
        &self.xml
    }

    /// The text of `status`.
    pub fn status(&self) -> Option<&str> {
        self.status.as_deref()
    }

    /// The text of `contact`.
    pub fn contact(&self) -> Option<&str> {
        self.contact.as_deref()
    }

    /// What parts the base of an identifier from what a template computes; not
    /// empty.
    pub fn template_delimiter(&self) -> Option<&str> {
        self.template_delimiter.as_deref()
    }

    pub(super) fn read(data: &[u8]) -> Result<Self, Flaw> {
        let xml = utf8("", data)?;
        let mut walk = Walk::default();
        let mut reader = Reader::from_str(xml);
        reader.config_mut().check_comments = true;
        loop {
            // The parser's own text would repeat the input.
            let event = reader.read_event().map_err(|_| {
                let at = reader.error_position();
                Flaw::new("", format!("its XML is malformed at byte {at}"))
            })?;
            if matches!(event, Event::Eof) {
                break;
            }
            walk.step(event)?;
        }
        let Walk {
            open,
            roots,
            status,
            contact,
            template_delimiter,
            ..
        } = walk;
        if let Some(name) = open.last() {
            return Err(Flaw::new(name.known(), "an element is not closed"));
        }
        if roots != 1 {
            return Err(Flaw::new("", "one element <namespace> is needed"));
        }
        Ok(Self {
            xml: xml.to_owned(),
            status: kept(&status),
            contact: kept(&contact),
            template_delimiter,
        })
    }
}

/// The elements whose content is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Element {
    Namespace,
    Status,
    Contact,
    Template,
    Other,
}

impl Element {
    /// Its name, if it is known.
    const fn known(self) -> &'static str {
        match self {
            Self::Namespace => "namespace",
            Self::Status => "status",
            Self::Contact => "contact",
            Self::Template => "template",
            Self::Other => "",
        }
    }
}

/// Where in the document the reader stands, and what it found.
#[derive(Debug, Default)]
struct Walk {
    open: Vec<Element>,
    roots: usize,
    status: String,
    contact: String,
    template_delimiter: Option<String>,
}

impl Walk {
    fn step(&mut self, event: Event<'_>) -> Result<(), Flaw> {
        match event {
            Event::Start(start) => {
                let element = self.enter(&start)?;
                self.open.push(element);
                if self.open.len() > NAMESPACE_DEPTH_MAX {
                    let rule = format!("elements are deeper than {NAMESPACE_DEPTH_MAX}");
                    return Err(Flaw::new("", rule));
                }
            }
            Event::Empty(start) => {
                self.enter(&start)?;
            }
            Event::End(_) => {
                self.open.pop();
            }
            Event::Text(text) => self.text(&text.xml10_content())?,
            Event::CData(text) => self.text(&text.xml10_content())?,
            Event::GeneralRef(reference) => {
                let text = resolved(&reference)?;
                self.text(&text)?;
            }
            Event::DocType(_) => {
                return Err(Flaw::new("", "a document type is not allowed"));
            }
            Event::Decl(_) | Event::PI(_) | Event::Comment(_) | Event::Eof => {}
        }
        Ok(())
    }

    fn enter(&mut self, start: &BytesStart<'_>) -> Result<Element, Flaw> {
        let element = match (self.open.len(), start.name().as_ref()) {
            (0, "namespace") => Element::Namespace,
            (0, _) => return Err(Flaw::new("", "the element is not <namespace>")),
            (1, "status") => Element::Status,
            (1, "contact") => Element::Contact,
            (1, "template") => Element::Template,
            _ => Element::Other,
        };
        if element == Element::Namespace {
            self.roots += 1;
        }
        for (at, attribute) in start.attributes().enumerate() {
            if at == NAMESPACE_ATTRIBUTES_MAX {
                let rule = format!("an element has more than {at} attributes");
                return Err(Flaw::new(element.known(), rule));
            }
            let malformed = || Flaw::new(element.known(), "an attribute is malformed");
            let attribute = attribute.map_err(|_| malformed())?;
            let value = attribute.normalized_value(XmlVersion::Implicit1_0);
            let value = value.map_err(|_| malformed())?;
            if element == Element::Template && attribute.key.as_ref() == "delimiter" {
                if value.is_empty() {
                    return Err(Flaw::new("template", "its delimiter is empty"));
                }
                self.template_delimiter = Some(value.into_owned());
            }
        }
        Ok(element)
    }

    fn text(&mut self, text: &str) -> Result<(), Flaw> {
        match self.open.last() {
            Some(Element::Status) => self.status.push_str(text),
            Some(Element::Contact) => self.contact.push_str(text),
            Some(Element::Namespace | Element::Template | Element::Other) => {}
            None if text.trim().is_empty() => {}
            None => return Err(Flaw::new("", "text stands outside of <namespace>")),
        }
        Ok(())
    }
}

/// What a reference stands for: a character, or one of the five predefined
/// entities.
fn resolved(reference: &BytesRef<'_>) -> Result<String, Flaw> {
    let unknown = || Flaw::new("", "a reference is unknown");
    if let Some(character) = reference.resolve_char_ref().map_err(|_| unknown())? {
        return Ok(character.to_string());
    }
    let text = resolve_predefined_entity(reference);
    text.map(str::to_owned).ok_or_else(unknown)
}

/// Text that says something.
fn kept(text: &str) -> Option<String> {
    let trimmed = text.trim();
    (!trimmed.is_empty()).then(|| trimmed.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = "<?xml version=\"1.0\"?>\n<namespace>\n  <!-- a --> <status> active </status>\n\
        <contact>a&amp;b&#64;example.com</contact><template delimiter=\"@\"><status>no</status>\
        </template><locations/></namespace>\n";

    fn check(xml: &str, expected: Result<[Option<&str>; 3], &str>) {
        let seen = Namespace::decode(xml.as_bytes());
        let seen = seen.as_ref().map(|seen| {
            assert_eq!(seen.encode(), xml.as_bytes());
            [seen.status(), seen.contact(), seen.template_delimiter()]
        });
        match (seen, expected) {
            (Ok(seen), Ok(expected)) => assert_eq!(seen, expected, "{xml}"),
            (Err(refusal), Err(part)) => {
                assert!(refusal.to_string().contains(part), "{xml}: {refusal}");
            }
            (seen, _) => panic!("{xml}: {seen:?}"),
        }
    }

    #[test]
    fn reads_what_is_said_of_a_prefix() {
        let found = [Some("active"), Some("a&b@example.com"), Some("@")];
        check(WHOLE, Ok(found));
        check("<namespace/>", Ok([None; 3]));
        check(
            "<namespace><template delimiter='--'/></namespace>",
            Ok([None, None, Some("--")]),
        );
        check(
            "<namespace><status><![CDATA[<x>]]></status></namespace>",
            Ok([Some("<x>"), None, None]),
        );
    }

    #[test]
    fn refuses_what_is_no_namespace() {
        check("", Err("one element <namespace>"));
        check("active", Err("text stands outside"));
        check("<ns/>", Err("the element is not <namespace>"));
        check("<namespace/><namespace/>", Err("one element <namespace>"));
        check("<namespace><status></namespace>", Err("malformed at byte"));
        check(
            "<namespace><status>",
            Err("status: an element is not closed"),
        );
        check(
            "<namespace></namespace></namespace>",
            Err("malformed at byte"),
        );
        check(
            "<namespace a='1' a='2'/>",
            Err("namespace: an attribute is malformed"),
        );
        check(
            "<namespace><template delimiter=''/></namespace>",
            Err("delimiter is empty"),
        );
        check("<namespace>&x;</namespace>", Err("a reference is unknown"));
        check("<namespace>&#0;</namespace>", Err("a reference is unknown"));
        check(
            "<!DOCTYPE namespace [<!ENTITY x 'y'>]><namespace/>",
            Err("a document type"),
        );
        let not_utf8 = Namespace::decode(b"<namespace>\xff</namespace>").expect_err("not UTF-8");
        assert!(not_utf8.to_string().contains("is not UTF-8"));
    }

    #[test]
    fn bounds_depth_and_attributes() {
        let nested = |count: usize| {
            format!(
                "{}{}",
                "<namespace>".repeat(count),
                "</namespace>".repeat(count)
            )
        };
        check(&nested(NAMESPACE_DEPTH_MAX), Ok([None; 3]));
        check(&nested(NAMESPACE_DEPTH_MAX + 1), Err("deeper than 64"));
        let wide = |count: usize| {
            let attributes = (0..count).map(|at| format!(" a{at}='x'"));
            format!("<namespace{}/>", attributes.collect::<String>())
        };
        check(&wide(NAMESPACE_ATTRIBUTES_MAX), Ok([None; 3]));
        check(
            &wide(NAMESPACE_ATTRIBUTES_MAX + 1),
            Err("more than 32 attributes"),
        );
    }
}
