//! Domain names as they stand on the wire, uncompressed (RFC 1035 §3.1).
//!
//! ```text
//! *( length:1 (1..=63) octets ) 0        at most 255 octets
//! ```

use std::fmt;

use thiserror::Error;

use crate::wire::dns::reader::Reader;

/// Octets of a name, its root label included (RFC 1035 §2.3.4).
pub const NAME_BYTES_MAX: usize = 255;
/// Octets of a label (RFC 1035 §2.3.4).
const LABEL_BYTES_MAX: u8 = 63;
/// The two high bits that mark a compression pointer (RFC 1035 §4.1.4).
const POINTER: u8 = 0xc0;

/// A whole, uncompressed name, borrowed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Name<'a>(&'a [u8]);

impl<'a> Name<'a> {
    /// The root.
    pub const ROOT: Name<'static> = Name(&[0]);

    /// Reads a name that is not compressed: the first in a message has nothing
    /// to point at, so a pointer there is refused.
    pub(super) fn read(reader: &mut Reader<'a>) -> Option<Self> {
        let mut ahead = *reader;
        loop {
            let length = ahead.u8()?;
            if length > LABEL_BYTES_MAX {
                return None;
            }
            ahead.take(usize::from(length))?;
            let bytes = ahead.position() - reader.position();
            if bytes > NAME_BYTES_MAX {
                return None;
            }
            if length == 0 {
                return reader.take(bytes).map(Self);
            }
        }
    }

    /// The octets, root label included.
    pub const fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// The labels, leftmost first, without the root.
    pub fn labels(self) -> impl Iterator<Item = &'a [u8]> {
        let mut reader = Reader::new(self.0, 0);
        std::iter::from_fn(move || {
            let length = reader.u8().filter(|length| *length > 0)?;
            reader.take(usize::from(length))
        })
    }

    /// Where `ancestor` begins in this name: at 0 if they are equal, `None` if
    /// the name is not at or below it. ASCII letters fold (RFC 4343).
    pub fn ancestor_at(self, ancestor: Name<'_>) -> Option<usize> {
        let at = self.0.len().checked_sub(ancestor.0.len())?;
        let tail = self.0.get(at..)?;
        let mut start = 0;
        while start < at {
            start += usize::from(*self.0.get(start)?) + 1;
        }
        // Length octets are below "A", so folding leaves them alone.
        (start == at && tail.eq_ignore_ascii_case(ancestor.0)).then_some(at)
    }
}

impl fmt::Debug for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Name(")?;
        for label in self.labels() {
            write!(f, "{}.", label.escape_ascii())?;
        }
        write!(f, ")")
    }
}

/// Steps over a name that may be compressed, without following it: names
/// behind the question are of no interest to a server of queries.
pub(super) fn skip(reader: &mut Reader<'_>) -> Option<()> {
    let mut bytes = 0;
    loop {
        let length = reader.u8()?;
        if length & POINTER == POINTER {
            return reader.u8().map(|_| ());
        }
        if length > LABEL_BYTES_MAX {
            return None;
        }
        bytes += usize::from(length) + 1;
        if bytes > NAME_BYTES_MAX {
            return None;
        }
        if length == 0 {
            return Some(());
        }
        reader.take(usize::from(length))?;
    }
}

/// A whole, uncompressed name, owned. Made from configuration.
#[derive(Clone, PartialEq, Eq)]
pub struct NameBuf(Box<[u8]>);

impl NameBuf {
    /// Parses dot-separated labels of letters, digits, "-" and "_", with or
    /// without the final dot; "." is the root.
    ///
    /// # Errors
    /// [`NameInvalid`] names the text.
    pub fn parse(text: &str) -> Result<Self, NameInvalid> {
        let refuse = || NameInvalid(text.to_owned());
        let mut bytes = Vec::with_capacity(text.len() + 2);
        let trimmed = text.strip_suffix('.').unwrap_or(text);
        if text != "." {
            for label in trimmed.split('.') {
                let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
                let length = u8::try_from(label.len()).map_err(|_| refuse())?;
                if !(1..=LABEL_BYTES_MAX).contains(&length) || !label.bytes().all(plain) {
                    return Err(refuse());
                }
                bytes.push(length);
                bytes.extend_from_slice(label.as_bytes());
            }
        }
        bytes.push(0);
        if bytes.len() > NAME_BYTES_MAX {
            return Err(refuse());
        }
        Ok(Self(bytes.into_boxed_slice()))
    }

    /// The name, borrowed.
    pub fn as_name(&self) -> Name<'_> {
        Name(&self.0)
    }
}

impl fmt::Debug for NameBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_name().fmt(f)
    }
}

/// A text that is no domain name.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "{0:?} is no domain name: labels of 1 to 63 letters, digits, \"-\" and \"_\", 255 octets in all"
)]
pub struct NameInvalid(String);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name(text: &str) -> NameBuf {
        NameBuf::parse(text).expect("valid")
    }

    #[test]
    fn parses_names_and_refuses_others() {
        assert_eq!(name(".").as_name(), Name::ROOT);
        assert_eq!(
            name("Id.example").as_name().as_bytes(),
            b"\x02Id\x07example\0"
        );
        assert_eq!(name("a."), name("a"));
        for text in ["", "a..b", "a b", "ä.", &"x".repeat(64), &"a.".repeat(128)] {
            assert!(NameBuf::parse(text).is_err(), "{text:?}");
        }
        assert!(NameBuf::parse(&"a.".repeat(127)).is_ok(), "255 octets");
    }

    #[test]
    fn finds_ancestors_at_label_boundaries_only() {
        let zone = name("id.example.");
        let at = |text: &str| name(text).as_name().ancestor_at(zone.as_name());
        assert_eq!(at("ID.Example."), Some(0));
        assert_eq!(at("88.id.example."), Some(3));
        assert_eq!(at("example."), None);
        assert_eq!(at("grid.example."), None);
        assert_eq!(at("id.example.org."), None);
        // The length octet of "Cid" folds like nothing else: "\x03Cid" is no "id".
        assert_eq!(at("x.cid.example."), None);
        assert_eq!(name("a.").as_name().ancestor_at(Name::ROOT), Some(2));
    }

    #[test]
    fn refuses_pointers_long_labels_and_long_names() {
        let read = |bytes: &[u8]| Name::read(&mut Reader::new(bytes, 0)).map(|n| n.0.len());
        assert_eq!(read(b"\x01a\0rest"), Some(3));
        assert_eq!(read(b"\x01a"), None, "cut");
        assert_eq!(read(b"\x01a\xc0\x00"), None, "a pointer");
        assert_eq!(read(b"\x41a\0"), None, "a label type of RFC 2673");
        let long: Vec<u8> = b"\x01a".repeat(127).into_iter().chain([0]).collect();
        assert_eq!(read(&long), Some(255));
        let longer: Vec<u8> = b"\x01a".repeat(128).into_iter().chain([0]).collect();
        assert_eq!(read(&longer), None);
        let mut pointed = Reader::new(b"\x01a\xc0\x00x", 0);
        assert_eq!(skip(&mut pointed), Some(()));
        assert_eq!(pointed.position(), 4);
    }

    proptest! {
        #[test]
        fn goes_there_and_back(labels in prop::collection::vec("[a-zA-Z0-9_-]{1,20}", 0..8)) {
            let text = labels.join(".") + ".";
            let owned = name(&text);
            let read = Name::read(&mut Reader::new(owned.as_name().as_bytes(), 0));
            prop_assert_eq!(read, Some(owned.as_name()));
            let back: Vec<String> = owned
                .as_name()
                .labels()
                .map(|label| String::from_utf8_lossy(label).into_owned())
                .collect();
            prop_assert_eq!(back, labels);
        }

        #[test]
        fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let mut reader = Reader::new(&bytes, 0);
            if let Some(name) = Name::read(&mut reader) {
                prop_assert!(name.0.len() <= NAME_BYTES_MAX);
                prop_assert_eq!(name.labels().map(|l| l.len() + 1).sum::<usize>() + 1, name.0.len());
            }
            let _skipped = skip(&mut Reader::new(&bytes, 0));
        }
    }
}
