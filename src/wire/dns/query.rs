//! Reads a query from a packet (RFC 1035 §4.1, RFC 6891 §6.1.1).

use crate::wire::dns::edns::Edns;
use crate::wire::dns::header::{Flags, HEADER_BYTES, Header, Opcode};
use crate::wire::dns::name;
use crate::wire::dns::question::{Question, RecordType};
use crate::wire::dns::reader::Reader;

/// A sound query, borrowed from its packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Query<'a> {
    /// Its header.
    pub header: Header,
    /// Its one question.
    pub question: Question<'a>,
    /// Its OPT record.
    pub edns: Option<Edns>,
}

/// Why a packet is no query, and what an answer may repeat of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsound<'a> {
    /// Shorter than a header: there is nothing to answer.
    Short,
    /// An answer itself: answering it could go on for ever.
    Response,
    /// Of another operation than a standard query.
    OtherOpcode(Header),
    /// Without a sound question, or with none or several.
    NoQuestion(Header),
    /// With a sound question, but broken behind it.
    BehindQuestion(Header, Question<'a>),
}

impl<'a> Query<'a> {
    /// Reads the query that `packet` is.
    ///
    /// Refused are: names that are compressed in the question; records that do
    /// not fit; octets behind the last record; more than one OPT record, one
    /// outside the additional section, with an owner other than the root or
    /// with broken options. Other records are stepped over, whatever they say.
    ///
    /// # Errors
    /// [`Unsound`], which says how much of the packet can be relied on.
    pub fn read(packet: &'a [u8]) -> Result<Self, Unsound<'a>> {
        let header = Header::read(packet).ok_or(Unsound::Short)?;
        if header.flags.contains(Flags::RESPONSE) {
            return Err(Unsound::Response);
        }
        if header.flags.opcode() != Opcode::QUERY {
            return Err(Unsound::OtherOpcode(header));
        }
        let [
            question_count,
            answer_count,
            authority_count,
            additional_count,
        ] = header.counts;
        let mut reader = Reader::new(packet, HEADER_BYTES);
        let question = Question::read(packet, &mut reader)
            .filter(|_| question_count == 1)
            .ok_or(Unsound::NoQuestion(header))?;
        let behind = Unsound::BehindQuestion(header, question);
        for _ in 0..u32::from(answer_count) + u32::from(authority_count) {
            match read_record(&mut reader).ok_or(behind)? {
                Additional::Opt(_) => return Err(behind),
                Additional::Other => {}
            }
        }
        let mut edns = None;
        for _ in 0..additional_count {
            match read_record(&mut reader).ok_or(behind)? {
                Additional::Opt(opt) if edns.is_none() => edns = Some(opt),
                Additional::Opt(_) => return Err(behind),
                Additional::Other => {}
            }
        }
        if !reader.is_at_end() {
            return Err(behind);
        }
        Ok(Self {
            header,
            question,
            edns,
        })
    }
}

enum Additional {
    Opt(Edns),
    Other,
}

/// Each record takes at least eleven octets, so counts that lie end the loop
/// with the packet.
fn read_record(reader: &mut Reader<'_>) -> Option<Additional> {
    let start = reader.position();
    name::skip(reader)?;
    let owner_bytes = reader.position() - start;
    let record_type = RecordType(reader.u16()?);
    if record_type == RecordType::OPT {
        return Edns::read(reader)
            .filter(|_| owner_bytes == 1)
            .map(Additional::Opt);
    }
    let _class_and_ttl = reader.take(6)?;
    let length = usize::from(reader.u16()?);
    reader.take(length)?;
    Some(Additional::Other)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::dns::question::Class;

    const QUESTION: &[u8] = b"\x01a\x02iD\x07example\0\x00\x23\x00\x01";
    const OPT: &[u8] = b"\0\x00\x29\x10\x00\x00\x00\x80\x00\x00\x00";

    fn packet(flags: u16, counts: [u16; 4], rest: &[&[u8]]) -> Vec<u8> {
        let header = Header {
            id: 7,
            flags: Flags(flags),
            counts,
        };
        let mut packet = header.to_bytes().to_vec();
        packet.extend(rest.concat());
        packet
    }

    #[derive(Debug, PartialEq)]
    enum Seen {
        Plain,
        Edns(u16, u8, bool),
        Short,
        Response,
        OtherOpcode,
        NoQuestion,
        BehindQuestion,
    }

    fn check(packet: &[u8], expected: &Seen) {
        let seen = match Query::read(packet) {
            Ok(Query { edns: None, .. }) => Seen::Plain,
            Ok(Query { edns: Some(e), .. }) => Seen::Edns(e.payload_bytes, e.version, e.dnssec_ok),
            Err(Unsound::Short) => Seen::Short,
            Err(Unsound::Response) => Seen::Response,
            Err(Unsound::OtherOpcode(_)) => Seen::OtherOpcode,
            Err(Unsound::NoQuestion(_)) => Seen::NoQuestion,
            Err(Unsound::BehindQuestion(..)) => Seen::BehindQuestion,
        };
        assert_eq!(&seen, expected, "{}", packet.escape_ascii());
    }

    #[test]
    fn reads_the_question_in_place() {
        let packet = packet(0x0100, [1, 0, 0, 0], &[QUESTION]);
        let query = Query::read(&packet).expect("sound");
        assert_eq!(query.question.as_bytes(), QUESTION);
        assert_eq!(query.question.record_type, RecordType::NAPTR);
        assert_eq!(query.question.class, Class::IN);
        assert_eq!(query.header.id, 7);
    }

    #[test]
    fn tells_how_far_a_packet_is_sound() {
        let one = [1, 0, 0, 0];
        check(b"", &Seen::Short);
        check(&[0; 11], &Seen::Short);
        check(&packet(0, one, &[QUESTION]), &Seen::Plain);
        check(&packet(0x8000, one, &[QUESTION]), &Seen::Response);
        check(&packet(0x2800, one, &[QUESTION]), &Seen::OtherOpcode);
        check(&packet(0, [0; 4], &[]), &Seen::NoQuestion);
        check(
            &packet(0, [2, 0, 0, 0], &[QUESTION, QUESTION]),
            &Seen::NoQuestion,
        );
        check(
            &packet(0, one, &[b"\xc0\x0c\0\x01\0\x01"]),
            &Seen::NoQuestion,
        );
        check(&packet(0, one, &[&QUESTION[..10]]), &Seen::NoQuestion);
        check(&packet(0, one, &[QUESTION, b"x"]), &Seen::BehindQuestion);
        check(&packet(0, [1, 9, 0, 0], &[QUESTION]), &Seen::BehindQuestion);
    }

    #[test]
    fn reads_one_opt_record() {
        let one = [1, 0, 0, 1];
        let opt = Seen::Edns(4096, 0, true);
        check(&packet(0, one, &[QUESTION, OPT]), &opt);
        check(
            &packet(0, [1, 0, 0, 2], &[QUESTION, OPT, OPT]),
            &Seen::BehindQuestion,
        );
        check(
            &packet(0, [1, 1, 0, 0], &[QUESTION, OPT]),
            &Seen::BehindQuestion,
        );
        check(
            &packet(0, one, &[QUESTION, b"\x01a", OPT]),
            &Seen::BehindQuestion,
        );
        let options = |octets: &'static [u8]| [&OPT[..9], octets].concat();
        let unknown = options(b"\0\x06\xff\xfe\x00\x02xy");
        check(&packet(0, one, &[QUESTION, &unknown]), &opt);
        let broken = options(b"\0\x06\xff\xfe\x00\x03xy");
        check(&packet(0, one, &[QUESTION, &broken]), &Seen::BehindQuestion);
        let other: &[u8] = b"\xc0\x0c\0\x01\0\x01\0\0\0\0\0\x04abcd";
        check(
            &packet(0, [1, 1, 1, 2], &[QUESTION, other, other, OPT, other]),
            &opt,
        );
    }

    proptest! {
        #[test]
        fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            let _read = Query::read(&bytes);
            let mut sound_start = packet(0, [1, 0, 0, 1], &[QUESTION]);
            sound_start.extend(bytes);
            let _read = Query::read(&sound_start);
        }
    }
}
