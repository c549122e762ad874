//! Private keys as PEM text (RFC 7468 §10).

use data_encoding::BASE64;
use zeroize::Zeroizing;

/// Columns of a line (RFC 7468 §2).
const COLUMNS: usize = 64;
/// Characters of text that is looked at; a key of 8192 bits has some 6500.
const CHARACTERS_MAX: usize = 16 * 1024;

/// `der` between lines that name it `label`.
pub(super) fn encode(label: &str, der: &[u8]) -> Zeroizing<String> {
    // Room for everything, so that growing leaves no copy of the key behind.
    let encoded = Zeroizing::new(BASE64.encode(der));
    let room = encoded.len() + encoded.len() / COLUMNS + 2 * label.len() + 64;
    let mut text = Zeroizing::new(String::with_capacity(room));
    text.push_str("-----BEGIN ");
    text.push_str(label);
    text.push_str("-----\n");
    let mut rest = encoded.as_str();
    while !rest.is_empty() {
        let (line, behind) = rest.split_at_checked(COLUMNS).unwrap_or((rest, ""));
        text.push_str(line);
        text.push('\n');
        rest = behind;
    }
    text.push_str("-----END ");
    text.push_str(label);
    text.push_str("-----\n");
    text
}

/// What stands between the first lines that name it `label`; any ends of lines
/// and any text around them. `None` if there is none, or it is damaged, or it has
/// headers, which is how keys were encrypted (RFC 1421 §4.6).
pub(super) fn decode(label: &str, text: &str) -> Option<Zeroizing<Vec<u8>>> {
    if text.len() > CHARACTERS_MAX {
        return None;
    }
    let (_, behind) = text.split_once(&format!("-----BEGIN {label}-----"))?;
    let (body, _) = behind.split_once(&format!("-----END {label}-----"))?;
    let mut encoded = Zeroizing::new(Vec::with_capacity(body.len()));
    encoded.extend(body.bytes().filter(|byte| !byte.is_ascii_whitespace()));
    BASE64.decode(&encoded).ok().map(Zeroizing::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(der: &[u8]) {
        let text = encode("PRIVATE KEY", der);
        assert!(text.lines().all(|line| line.len() <= COLUMNS));
        let around = format!("a key:\r\n{}and no more", text.replace('\n', "\r\n"));
        for text in [text.as_str(), &around] {
            assert_eq!(*decode("PRIVATE KEY", text).expect("a key"), der);
            assert_eq!(decode("RSA PRIVATE KEY", text), None);
        }
    }

    #[test]
    fn every_length_goes_there_and_back() {
        (0..200).for_each(|length| check(&vec![0xa5; length]));
    }

    #[test]
    fn refuses_what_is_damaged_or_encrypted() {
        let text = encode("RSA PRIVATE KEY", &[1; 100]);
        let headers = "KEY-----\nProc-Type: 4,ENCRYPTED\n\n";
        for damaged in [
            text.replace("-----END", "-----AND"),
            text.replacen('A', "*", 1),
            text.replacen("AQEB", "AQE", 1),
            text.replacen("KEY-----\n", headers, 1),
            " ".repeat(CHARACTERS_MAX) + &text,
        ] {
            assert_eq!(decode("RSA PRIVATE KEY", &damaged), None, "{damaged}");
        }
    }
}
