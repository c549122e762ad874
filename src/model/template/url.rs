//! Addresses of the web as items have them.

/// The form of an address for JSON Schema, in the dialect of ECMA-262.
pub(super) const ECMA: &str = "^https?://[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5})?([\\/?#]([A-Za-z0-9._~:\\/?#\\[\\]@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*)?$";

/// Whether `text` is an address of HTTP or HTTPS in ASCII (RFC 3986 §3): a host
/// by name or IPv4 address, perhaps a port, path, query and fragment. Names of
/// users are not taken: they serve to make one host look like another.
pub(super) fn is_sound(text: &str) -> bool {
    let rest = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"));
    let Some(rest) = rest else { return false };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(end).unwrap_or((rest, ""));
    let (host, port) = match authority.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    };
    is_host(host) && port.is_none_or(is_port) && is_path(path)
}

fn is_host(host: &str) -> bool {
    let bytes = host.as_bytes();
    let is_inner = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
    let ends = bytes.first().zip(bytes.last());
    ends.is_some_and(|(a, b)| a.is_ascii_alphanumeric() && b.is_ascii_alphanumeric())
        && bytes.iter().all(is_inner)
}

fn is_port(port: &str) -> bool {
    (1..=5).contains(&port.len()) && port.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_path(path: &str) -> bool {
    let mut rest = path.bytes();
    while let Some(byte) = rest.next() {
        let sound = match byte {
            b'%' => {
                let digits = [rest.next(), rest.next()];
                digits
                    .iter()
                    .all(|d| d.is_some_and(|d| d.is_ascii_hexdigit()))
            }
            _ => byte.is_ascii_alphanumeric() || b"._~:/?#[]@!$&'()*+,;=-".contains(&byte),
        };
        if !sound {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn takes_what_a_browser_opens() {
        for text in [
            "https://f7.wenzhou.example/p/DZ47-63/20250108/000123",
            "http://192.0.2.7:8080?q=%E6%B8%A9#a",
            "https://example.com",
        ] {
            assert!(is_sound(text), "{text}");
        }
        for text in [
            "ftp://example.com/",
            "example.com",
            "https://",
            "https:///p",
            "https://温州.example/",
            "https://example.com/温州",
            "https://user@example.com/",
            "https://example.com:/",
            "https://example.com:123456/",
            "https://example.com/ a",
            "https://example.com/%4",
            "https://example.com/<script>",
            "https://-a.example/",
            "HTTPS://example.com/",
            "javascript:alert(1)",
        ] {
            assert!(!is_sound(text), "{text}");
        }
    }

    proptest! {
        #[test]
        fn agrees_with_its_pattern(rest in "[a./:?#%0f@<\\[é -]{0,12}", tls: bool) {
            let text = format!("http{}://{rest}", if tls { "s" } else { "" });
            let pattern = regex::Regex::new(ECMA).expect("pattern");
            prop_assert_eq!(is_sound(&text), pattern.is_match(&text), "{}", text);
        }
    }
}
