//! Fields of messages, read where they lie: for messages that are read often and of
//! which little is wanted.

/// The fields of an encoded message, in their order.
#[derive(Clone, Debug)]
pub struct Fields<'a>(&'a [u8]);

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content<'a> {
    /// A number, as it stands: not yet that of a signed type.
    Number(u64),
    /// A string, bytes, or a message.
    Octets(&'a [u8]),
}

impl<'a> Fields<'a> {
    /// Those of the message `octets`.
    pub const fn of(octets: &'a [u8]) -> Self {
        Self(octets)
    }

    fn field(&mut self) -> Option<(u32, Content<'a>)> {
        const VARINT: u64 = 0;
        const LENGTH_DELIMITED: u64 = 2;
        let key = self.varint()?;
        let number = u32::try_from(key >> 3).ok()?;
        let content = match key & 7 {
            VARINT => Content::Number(self.varint()?),
            LENGTH_DELIMITED => {
                let length = usize::try_from(self.varint()?).ok()?;
                let (octets, behind) = self.0.split_at_checked(length)?;
                self.0 = behind;
                Content::Octets(octets)
            }
            _ => return None,
        };
        Some((number, content))
    }

    /// A number of at most nine octets: a signed one below zero has more.
    fn varint(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..63).step_by(7) {
            let (octet, behind) = self.0.split_first()?;
            self.0 = behind;
            number |= u64::from(octet & 0x7f) << shift;
            if octet & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }
}

/// Number and content of each field; `None` for what is no field, or one of another wire
/// type, which ends them.
impl<'a> Iterator for Fields<'a> {
    type Item = Option<(u32, Content<'a>)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_none() {
            self.0 = &[];
        }
        Some(field)
    }
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;
    use crate::wire::proto::v1;

    #[test]
    fn gives_fields_until_one_is_none() {
        let row = v1::TraceRow {
            identifier: "88.1/a".to_owned(),
            parent: 300,
            more: true,
            ..v1::TraceRow::default()
        };
        let octets = row.encode_to_vec();
        let fields: Vec<_> = Fields::of(&octets).collect();
        let identifier = Content::Octets(b"88.1/a".as_slice());
        let expected = [
            (1, identifier),
            (3, Content::Number(300)),
            (5, Content::Number(1)),
        ];
        assert_eq!(fields, expected.map(Some));
        // A length beyond the end, a number that does not end, one of ten octets, a
        // fixed-size field.
        let broken: [&[u8]; 4] = [b"\x0a\x07abc", b"\x08\x80", &[0x80; 11], b"\x0d1234"];
        for octets in broken {
            assert_eq!(Fields::of(octets).collect::<Vec<_>>(), [None], "{octets:?}");
        }
    }
}
