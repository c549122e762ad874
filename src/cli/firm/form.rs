//! The application form: a TOML file, since people's data has no place among a
//! command's words, where every process of the machine can read them.

use std::fmt;
use std::io::Read;
use std::path::Path;

use serde::Deserialize;
use zeroize::Zeroizing;

use crate::cli::failure::Failure;
use crate::wire::proto::v1;

/// Bytes of a form; a larger file is none.
const FORM_BYTES_MAX: u64 = 64 * 1024;

/// An empty form.
pub(super) const EMPTY: &str = r#"# A firm's application for a prefix. Fill it in, then:
#   idnode firm apply THIS-FILE --document business-licence=licence.pdf --submit

[facts]
# As on the business licence.
name = ""
# Unified social credit code (GB 32100-2015), 18 characters.
credit_code = ""
# Administrative division (GB/T 2260), six digits: 330382.
region = ""
address = ""
# Industry (GB/T 4754-2017): C3823.
industry = ""
# The prefix that the firm would like: 88.118.7.
wanted_prefix = ""

# Servers of the firm's own; without any, this node serves its identifiers.
# [[facts.servers]]
# address = "192.0.2.7"
# tcp_port = 2641
# udp_port = 2641
# http_port = 8000

# Kept encrypted, shown to the firm's owner and its reviewers, erased on demand.
[people]
legal_person = ""
# Only if the node's operators ask for it (GB 11643-1999).
citizen_number = ""
contact = ""
phone = ""
email = ""
"#;

/// A form that was filled in. What `edit` is given may lack a part.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Form {
    facts: Option<Facts>,
    people: Option<People>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Facts {
    name: String,
    credit_code: String,
    region: String,
    address: String,
    industry: String,
    wanted_prefix: String,
    #[serde(default)]
    servers: Vec<Server>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Server {
    address: String,
    #[serde(default)]
    tcp_port: u16,
    #[serde(default)]
    udp_port: u16,
    #[serde(default)]
    http_port: u16,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct People {
    legal_person: String,
    #[serde(default)]
    citizen_number: String,
    contact: String,
    phone: String,
    email: String,
}

/// Shows no people.
impl fmt::Debug for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Form").finish_non_exhaustive()
    }
}

impl Form {
    /// Reads a form; "-" is the standard input.
    ///
    /// # Errors
    /// [`Exit::Usage`](crate::cli::failure::Exit::Usage) with what is wrong, and
    /// where.
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let what = format!("cannot read the form {}", path.display());
        let fail = |error: std::io::Error| Failure::usage(format!("{what}: {error}"));
        let mut text = Zeroizing::new(String::new());
        let read = if path == Path::new("-") {
            let mut stdin = std::io::stdin().lock().take(FORM_BYTES_MAX);
            stdin.read_to_string(&mut text)
        } else {
            let file = std::fs::File::open(path).map_err(fail)?;
            file.take(FORM_BYTES_MAX).read_to_string(&mut text)
        };
        read.map_err(fail)?;
        Self::parse(&text).map_err(|flaw| {
            Failure::usage(format!("{what}: {flaw}")).hint("an empty form: idnode firm form")
        })
    }

    /// Parses a form. What is wrong is told by line, and repeats none of it.
    fn parse(text: &str) -> Result<Self, String> {
        toml::from_str(text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start));
            let line = before.map_or(1, |before| before.matches('\n').count() + 1);
            format!("line {line}: {}", error.message())
        })
    }

    /// Facts and people as the node takes them.
    pub(super) fn messages(self) -> (Option<v1::FirmFacts>, Option<v1::FirmPeople>) {
        let Self { facts, people } = self;
        (facts.map(Into::into), people.map(Into::into))
    }
}

impl From<Facts> for v1::FirmFacts {
    fn from(facts: Facts) -> Self {
        let Facts {
            name,
            credit_code,
            region,
            address,
            industry,
            wanted_prefix,
            servers,
        } = facts;
        Self {
            display_name: name,
            credit_code,
            region,
            address,
            industry,
            wanted_prefix,
            servers: servers.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<Server> for v1::FirmServer {
    fn from(server: Server) -> Self {
        let Server {
            address,
            tcp_port,
            udp_port,
            http_port,
        } = server;
        Self {
            address,
            tcp_port: tcp_port.into(),
            udp_port: udp_port.into(),
            http_port: http_port.into(),
        }
    }
}

impl From<People> for v1::FirmPeople {
    fn from(people: People) -> Self {
        let People {
            legal_person,
            citizen_number,
            contact,
            phone,
            email,
        } = people;
        Self {
            legal_person,
            citizen_number,
            contact,
            phone,
            email,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_empty_form_is_a_form() {
        let (facts, people) = Form::parse(EMPTY).expect("a form").messages();
        assert_eq!(facts, Some(v1::FirmFacts::default()));
        assert_eq!(people, Some(v1::FirmPeople::default()));
        let with_servers = EMPTY.replace("# [[", "[[").replace("# address", "address");
        let with_servers = with_servers.replace("# tcp_port", "tcp_port");
        let (facts, _) = Form::parse(&with_servers).expect("a form").messages();
        let servers = facts.expect("facts").servers;
        assert_eq!((servers.len(), servers[0].tcp_port), (1, 2641));
    }

    #[test]
    fn tells_the_line_and_repeats_no_person() {
        let check = |text: &str, expected: &str| {
            let flaw = Form::parse(text).expect_err("no form");
            assert!(flaw.starts_with(expected), "{flaw}");
            assert!(!flaw.contains("李某某"), "{flaw}");
        };
        check(
            "[people]\nlegal_persn = \"李某某\"\n",
            "line 2: unknown field",
        );
        check(
            "[people]\nlegal_person = \"李某某\"\n",
            "line 1: missing field",
        );
        check("[people]\nlegal_person = 李某某\n", "line 2:");
        check("[facts]\nname = 7\n", "line 2:");
    }
}
