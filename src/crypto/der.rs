//! The little of DER (ITU-T X.690) that is read here: elements, and a sequence of
//! two integers that are not negative. Signatures with DSA (RFC 3279 §2.2.2) and
//! SM2 have it, and public keys of RSA (RFC 8017 §A.1.1).

/// The two integers, without leading zeros; `None` for anything else, such as
/// lengths in more octets than needed, or octets behind the sequence.
pub(super) fn two_integers(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (sequence, behind) = element(SEQUENCE, der)?;
    let (first, rest) = element(INTEGER, sequence)?;
    let (second, rest) = element(INTEGER, rest)?;
    if !behind.is_empty() || !rest.is_empty() {
        return None;
    }
    Some((unsigned(first)?, unsigned(second)?))
}

const INTEGER: u8 = 0x02;
/// The tag of a sequence.
pub(super) const SEQUENCE: u8 = 0x30;

/// The content of the element that `bytes` begin with, and what is behind it;
/// `None` for another tag, or a length above 64 KiB or in more octets than needed.
pub(super) fn element(tag: u8, bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (found, rest) = bytes.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match *first {
        short @ 0..=0x7f => (usize::from(short), rest),
        0x81 => {
            let (length, rest) = rest.split_first()?;
            (usize::from(*length), rest)
        }
        0x82 => {
            let (length, rest) = rest.split_first_chunk()?;
            (usize::from(u16::from_be_bytes(*length)), rest)
        }
        _ => return None,
    };
    let shortest = match *first {
        0x81 => 0x80,
        0x82 => 0x100,
        _ => 0,
    };
    if *found != tag || length < shortest {
        return None;
    }
    rest.split_at_checked(length)
}

/// The content of an integer without the octet that keeps it from being
/// negative.
fn unsigned(content: &[u8]) -> Option<&[u8]> {
    match content {
        [0] => Some(&[]),
        [0, rest @ ..] if rest.first() >= Some(&0x80) => Some(rest),
        [0x01..=0x7f, ..] => Some(content),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(der: &[u8], expected: Option<(&[u8], &[u8])>) {
        assert_eq!(two_integers(der), expected, "{der:02x?}");
    }

    #[test]
    fn reads_what_is_in_its_shortest_form_only() {
        check(&[0x30, 6, 2, 1, 1, 2, 1, 0x7f], Some((&[1], &[0x7f])));
        check(&[0x30, 7, 2, 1, 0, 2, 2, 0, 0x80], Some((&[], &[0x80])));
        // Negative, or with a zero too many.
        check(&[0x30, 6, 2, 1, 0x80, 2, 1, 1], None);
        check(&[0x30, 7, 2, 2, 0, 1, 2, 1, 1], None);
        check(&[0x30, 5, 2, 0, 2, 1, 1], None);
        // Too short, too long, another tag.
        check(&[0x30, 6, 2, 1, 1, 2, 1], None);
        check(&[0x30, 6, 2, 1, 1, 2, 1, 1, 0], None);
        check(&[0x30, 7, 2, 1, 1, 2, 1, 1, 0], None);
        check(&[0x31, 6, 2, 1, 1, 2, 1, 1], None);
        check(&[0x30, 6, 3, 1, 1, 2, 1, 1], None);
        // Lengths in more octets than needed, or of no end.
        check(&[0x30, 0x81, 6, 2, 1, 1, 2, 1, 1], None);
        check(&[0x30, 0x82, 0, 6, 2, 1, 1, 2, 1, 1], None);
        check(&[0x30, 0x80, 2, 1, 1, 2, 1, 1, 0, 0], None);
        check(&[], None);
    }

    #[test]
    fn reads_long_integers() {
        let integer = vec![1; 300];
        let mut der = vec![0x30, 0x82, 0x01, 0x33, 2, 0x82, 0x01, 0x2c];
        der.extend_from_slice(&integer);
        der.extend_from_slice(&[2, 1, 3]);
        check(&der, Some((&integer, &[3])));
    }
}
