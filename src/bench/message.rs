//! As much of DNS messages (RFC 1035 §4.1) as a client needs: a question with
//! EDNS(0), and the records of an answer.

/// Octets of a message's header.
pub(super) const HEADER_BYTES: usize = 12;
/// UDP payload that the questions offer (RFC 6891 §6.2.3).
const PAYLOAD_BYTES: u16 = 1232;
/// Truncation (RFC 1035 §4.1.1), in the third octet.
const TC: u8 = 0x02;
/// Response (RFC 1035 §4.1.1), in the third octet.
const QR: u8 = 0x80;

/// Rcodes that are told apart (RFC 1035 §4.1.1).
pub(super) const NOERROR: u8 = 0;
/// The name does not exist.
pub(super) const NXDOMAIN: u8 = 3;

/// What the header of an answer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) id: u16,
    pub(super) rcode: u8,
    pub(super) truncated: bool,
    pub(super) answer_count: u16,
}

impl Head {
    /// Reads the header; `None` if it is none of an answer.
    pub(super) fn read(message: &[u8]) -> Option<Self> {
        let header = message.first_chunk::<HEADER_BYTES>()?;
        let [id0, id1, flags, rcode, _, _, an0, an1, ..] = *header;
        (flags & QR != 0).then_some(Self {
            id: u16::from_be_bytes([id0, id1]),
            rcode: rcode & 0x0f,
            truncated: flags & TC != 0,
            answer_count: u16::from_be_bytes([an0, an1]),
        })
    }
}

/// Appends a question for `name` (labels of letters, digits, "-" and "_",
/// dots between, with or without the final one) without its id, the first two
/// octets.
pub(super) fn put_question(name: &str, type_number: u16, out: &mut Vec<u8>) {
    // No flags; one question, no answer, no authority, one additional.
    out.extend_from_slice(&[0, 0, 0, 1, 0, 0, 0, 0, 0, 1]);
    for label in name.trim_end_matches('.').split('.') {
        out.push(u8::try_from(label.len()).unwrap_or_default());
        out.extend_from_slice(label.as_bytes());
    }
    out.push(0);
    out.extend_from_slice(&type_number.to_be_bytes());
    out.extend_from_slice(&[0, 1]);
    // OPT (RFC 6891 §6.1.2): root, type 41, payload, no flags, no options.
    out.extend_from_slice(&[0, 0, 41]);
    out.extend_from_slice(&PAYLOAD_BYTES.to_be_bytes());
    out.extend_from_slice(&[0, 0, 0, 0, 0, 0]);
}

/// One record of an answer section.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Answer {
    pub(super) type_number: u16,
    pub(super) ttl_secs: u32,
    pub(super) data: Vec<u8>,
}

/// The records of the answer section; `None` if the message is malformed.
pub(super) fn answers(message: &[u8]) -> Option<Vec<Answer>> {
    let head = Head::read(message)?;
    let questions = u16::from_be_bytes([*message.get(4)?, *message.get(5)?]);
    let mut rest = message.get(HEADER_BYTES..)?;
    for _ in 0..questions {
        rest = past_name(rest)?.get(4..)?;
    }
    let mut answers = Vec::new();
    for _ in 0..head.answer_count {
        let (fixed, behind) = past_name(rest)?.split_first_chunk::<10>()?;
        let [t0, t1, _, _, l0, l1, l2, l3, n0, n1] = *fixed;
        let length = usize::from(u16::from_be_bytes([n0, n1]));
        let (data, behind) = behind.split_at_checked(length)?;
        answers.push(Answer {
            type_number: u16::from_be_bytes([t0, t1]),
            ttl_secs: u32::from_be_bytes([l0, l1, l2, l3]),
            data: data.to_vec(),
        });
        rest = behind;
    }
    Some(answers)
}

/// What follows the name at the start of `bytes`; a pointer ends a name (RFC
/// 1035 §4.1.4).
fn past_name(mut bytes: &[u8]) -> Option<&[u8]> {
    loop {
        let (length, behind) = bytes.split_first()?;
        match *length {
            0 => return Some(behind),
            1..=63 => bytes = behind.get(usize::from(*length)..)?,
            0xc0.. => return behind.get(1..),
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use hickory_proto::op::Message;
    use hickory_proto::rr::RecordType;

    use super::*;

    #[test]
    fn asks_what_an_independent_codec_understands() {
        let mut message = vec![0x12, 0x34];
        put_question("a-1._id.7.118.88.id.example.", 35, &mut message);
        let parsed = Message::from_vec(&message).expect("well-formed");
        let question = &parsed.queries[0];
        assert_eq!(question.name().to_string(), "a-1._id.7.118.88.id.example.");
        assert_eq!(question.query_type(), RecordType::NAPTR);
        assert_eq!(
            parsed.edns.as_ref().map(|edns| edns.max_payload()),
            Some(1232)
        );
    }

    #[test]
    fn reads_answers_and_refuses_cut_ones() {
        let mut message = vec![0, 7, 0x84, 0, 0, 1, 0, 1, 0, 0, 0, 0];
        message.extend_from_slice(&[1, b'a', 0, 0, 16, 0, 1]);
        message.extend_from_slice(&[0xc0, 12, 0, 16, 0, 1, 0, 0, 0, 60, 0, 2, 1, b'x']);
        let expected = Answer {
            type_number: 16,
            ttl_secs: 60,
            data: vec![1, b'x'],
        };
        assert_eq!(answers(&message), Some(vec![expected]));
        for end in 0..message.len() {
            assert_eq!(answers(&message[..end]), None, "{end}");
        }
    }
}
