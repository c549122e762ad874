//! `HS_SIGNATURE` and `HS_CERT`: signed statements as JSON Web Signatures
//! (RFC 7515).

use data_encoding::BASE64URL_NOPAD;

use crate::model::data::bytes::{Flaw, utf8};
use crate::model::fault::Refusal;

/// A signed statement: the content of an `HS_SIGNATURE` and an `HS_CERT`, in the
/// compact form or as JSON. Only that it is one is checked, not its signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jws(String);

impl Jws {
    /// Decodes the data of an `HS_SIGNATURE` or `HS_CERT`.
    ///
    /// # Errors
    /// [`Reason::ValueDataInvalid`](crate::model::Reason::ValueDataInvalid).
    pub fn decode(data: &[u8]) -> Result<Self, Refusal> {
        Self::read(data).map_err(|flaw| flaw.refusal("HS_SIGNATURE"))
    }

    /// Encodes the data: the text as it was given.
    pub fn encode(&self) -> Vec<u8> {
        self.0.clone().into_bytes()
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn read(data: &[u8]) -> Result<Self, Flaw> {
        let text = utf8("", data)?;
        if is_compact(text.trim()) || is_json(text) {
            return Ok(Self(text.to_owned()));
        }
        Err(Flaw::new(
            "",
            "is neither header.payload.signature nor its JSON form",
        ))
    }
}

/// Three parts in Base64, the first a JSON object (RFC 7515 §3.1).
fn is_compact(text: &str) -> bool {
    let parts = text
        .split('.')
        .map(|part| BASE64URL_NOPAD.decode(part.as_bytes()));
    let Ok(parts) = parts.collect::<Result<Vec<_>, _>>() else {
        return false;
    };
    let [header, _, _] = parts.as_slice() else {
        return false;
    };
    serde_json::from_slice::<serde_json::Value>(header).is_ok_and(|header| header.is_object())
}

/// An object with a payload and at least one signature (RFC 7515 §3.2).
fn is_json(text: &str) -> bool {
    let Ok(object) = serde_json::from_str::<serde_json::Value>(text) else {
        return false;
    };
    let has = |name| object.get(name).is_some();
    has("payload") && (has("signature") || has("signatures"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: bool) {
        assert_eq!(Jws::decode(text.as_bytes()).is_ok(), expected, "{text}");
    }

    #[test]
    fn knows_both_forms_and_nothing_else() {
        check("eyJhbGciOiJSUzI1NiJ9.e30.AQAB", true);
        check("eyJhbGciOiJSUzI1NiJ9.e30.", true);
        check(
            r#"{"payload":"e30","signatures":[{"signature":"AQAB"}]}"#,
            true,
        );
        check(
            r#"{"payload":"e30","protected":"e30","signature":"AQAB"}"#,
            true,
        );
        check("", false);
        check("eyJhbGciOiJSUzI1NiJ9.e30", false);
        check("eyJhbGciOiJSUzI1NiJ9.e30.AQAB.AQAB", false);
        check("W10.e30.AQAB", false);
        check("eyJhbGciOiJSUzI1NiJ9.e3 0.AQAB", false);
        check(r#"{"payload":"e30"}"#, false);
        check("[]", false);
    }
}
