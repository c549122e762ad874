//! Writes an answer into a buffer of the caller's, without allocating.
//!
//! Names are compressed (RFC 1035 §4.1.4) against two places only: the name of
//! the question at octet 12, and the zone's name inside it. That covers every
//! owner that is written, and name servers within the zone.

use thiserror::Error;

use crate::wire::dns::edns::{DNSSEC_OK, EXTENDED_ERROR, Edns, ExtendedError};
use crate::wire::dns::header::{Flags, HEADER_BYTES, Header, Rcode};
use crate::wire::dns::name::Name;
use crate::wire::dns::question::{Class, Question, RecordType};
use crate::wire::dns::rdata::Rdata;

/// The mark of a compression pointer (RFC 1035 §4.1.4).
const POINTER: u16 = 0xc000;
/// Octets that a pointer can reach.
const POINTER_MAX: u16 = 0x3fff;

/// The message does not fit the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the message does not fit the buffer")]
pub struct Full;

/// A section behind the question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// Records that answer the question.
    Answer,
    /// Records that point at an authority: the SOA of negative answers.
    Authority,
}

/// Whose a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The name of the question.
    Question,
    /// The zone given to [`Writer::set_zone`].
    Zone,
}

/// A record to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Whose it is.
    pub owner: Owner,
    /// Its class.
    pub class: Class,
    /// Seconds for which a resolver may keep it.
    pub ttl_secs: u32,
    /// Its data.
    pub rdata: Rdata<'a>,
}

/// Where things stand in a finished message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// Octets of the message.
    pub bytes: usize,
    /// Where the serial of the last SOA record stands; 0 without one.
    pub serial_at: usize,
    /// Where the OPT record stands; 0 without one.
    pub opt_at: usize,
}

/// A message being written: header, question, records in the order of their
/// sections, and the OPT record at the end.
#[derive(Debug)]
pub struct Writer<'b> {
    buffer: &'b mut [u8],
    header: Header,
    zone: Option<(Name<'b>, u16)>,
    layout: Layout,
}

impl<'b> Writer<'b> {
    /// Begins a message; its header is written by [`Writer::finish`].
    ///
    /// # Errors
    /// [`Full`] below 12 octets.
    pub fn new(buffer: &'b mut [u8], id: u16, flags: Flags) -> Result<Self, Full> {
        if buffer.len() < HEADER_BYTES {
            return Err(Full);
        }
        let header = Header {
            id,
            flags,
            counts: [0; 4],
        };
        let layout = Layout {
            bytes: HEADER_BYTES,
            ..Layout::default()
        };
        Ok(Self {
            buffer,
            header,
            zone: None,
            layout,
        })
    }

    /// Echoes the question, octet for octet.
    ///
    /// # Errors
    /// [`Full`].
    pub fn question(&mut self, question: &Question<'_>) -> Result<(), Full> {
        self.put(question.as_bytes())?;
        self.count(0)
    }

    /// Names the zone of the answer, which begins `at` octets into the name of
    /// the question.
    pub fn set_zone(&mut self, zone: Name<'b>, at: usize) {
        self.zone = u16::try_from(HEADER_BYTES + at)
            .ok()
            .map(|offset| (zone, offset));
    }

    /// Writes a record. Records of the answer section come first.
    ///
    /// # Errors
    /// [`Full`]; what was written of the record is then not part of the message.
    pub fn record(&mut self, section: Section, record: &Record<'_>) -> Result<(), Full> {
        let before = self.layout;
        let written = self.put_record(record).and_then(|()| {
            self.count(match section {
                Section::Answer => 1,
                Section::Authority => 2,
            })
        });
        if written.is_err() {
            self.layout = before;
        }
        written
    }

    /// Writes the OPT record of an answer to a client that speaks EDNS: what
    /// `edns` says (our payload size, and the client's DO as RFC 3225 §3 wants
    /// it echoed), version 0, the upper bits of `rcode` and at most one extended
    /// error.
    ///
    /// # Errors
    /// [`Full`].
    pub fn opt(
        &mut self,
        edns: &Edns,
        rcode: Rcode,
        error: Option<ExtendedError>,
    ) -> Result<(), Full> {
        let opt_at = self.layout.bytes;
        let [_, upper] = (rcode.number() >> 4).to_be_bytes();
        let dnssec_ok = if edns.dnssec_ok { DNSSEC_OK } else { 0 };
        self.put(Name::ROOT.as_bytes())?;
        self.put_u16(RecordType::OPT.0)?;
        self.put_u16(edns.payload_bytes)?;
        self.put(&[upper, 0])?;
        self.put_u16(dnssec_ok)?;
        match error {
            None => self.put_u16(0)?,
            Some(error) => error.with_text(|text| self.put_error(error.number(), text))?,
        }
        self.layout.opt_at = opt_at;
        self.count(3)
    }

    /// Ends the message with its response code and says where things stand.
    pub fn finish(mut self, rcode: Rcode) -> Layout {
        self.header.flags = self.header.flags.with_rcode(rcode);
        let bytes = self.header.to_bytes();
        if let Some(start) = self.buffer.first_chunk_mut::<HEADER_BYTES>() {
            *start = bytes;
        }
        self.layout
    }

    /// Writes the length of the options and the only one of them.
    fn put_error(&mut self, number: u16, text: &[u8]) -> Result<(), Full> {
        let bytes = u16::try_from(text.len()).map_err(|_| Full)?;
        self.put_u16(bytes.saturating_add(6))?;
        self.put_u16(EXTENDED_ERROR)?;
        self.put_u16(bytes.saturating_add(2))?;
        self.put_u16(number)?;
        self.put(text)
    }

    fn put_record(&mut self, record: &Record<'_>) -> Result<(), Full> {
        let Record {
            owner,
            class,
            ttl_secs,
            rdata,
        } = record;
        match (owner, self.zone) {
            (Owner::Zone, Some((_, offset))) => self.put_u16(POINTER | offset)?,
            (Owner::Zone, None) | (Owner::Question, _) => {
                let [high, low] = POINTER.to_be_bytes();
                let twelve = u8::try_from(HEADER_BYTES).map_err(|_| Full)?;
                self.put(&[high, low | twelve])?;
            }
        }
        self.put_u16(rdata.record_type().0)?;
        self.put_u16(class.0)?;
        self.put_u32(*ttl_secs)?;
        let length_at = self.layout.bytes;
        self.put_u16(0)?;
        let start = self.layout.bytes;
        rdata.write(self)?;
        let length = u16::try_from(self.layout.bytes - start).map_err(|_| Full)?;
        let place = self.buffer.get_mut(length_at..start).ok_or(Full)?;
        place.copy_from_slice(&length.to_be_bytes());
        Ok(())
    }

    /// Writes a name, its tail as a pointer where it ends in the zone's.
    pub(super) fn put_compressed(&mut self, name: Name<'_>) -> Result<(), Full> {
        let place = self
            .zone
            .filter(|(zone, offset)| *zone != Name::ROOT && *offset <= POINTER_MAX)
            .and_then(|(zone, offset)| Some((name.ancestor_at(zone)?, offset)));
        match place {
            Some((at, offset)) => {
                self.put(name.as_bytes().get(..at).ok_or(Full)?)?;
                self.put_u16(POINTER | offset)
            }
            None => self.put(name.as_bytes()),
        }
    }

    pub(super) fn put_serial(&mut self, serial: u32) -> Result<(), Full> {
        self.layout.serial_at = self.layout.bytes;
        self.put_u32(serial)
    }

    pub(super) fn put_u16(&mut self, number: u16) -> Result<(), Full> {
        self.put(&number.to_be_bytes())
    }

    pub(super) fn put_u32(&mut self, number: u32) -> Result<(), Full> {
        self.put(&number.to_be_bytes())
    }

    pub(super) fn put(&mut self, bytes: &[u8]) -> Result<(), Full> {
        let end = self.layout.bytes.checked_add(bytes.len()).ok_or(Full)?;
        let place = self.buffer.get_mut(self.layout.bytes..end).ok_or(Full)?;
        place.copy_from_slice(bytes);
        self.layout.bytes = end;
        Ok(())
    }

    fn count(&mut self, section: usize) -> Result<(), Full> {
        let count = self.header.counts.get_mut(section).ok_or(Full)?;
        *count = count.checked_add(1).ok_or(Full)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use hickory_proto::op::Message;
    use hickory_proto::rr::rdata::opt::EdnsCode;
    use hickory_proto::rr::{RData, Record as Decoded, RecordType as DecodedType};
    use proptest::prelude::*;

    use super::*;
    use crate::wire::dns::name::NameBuf;
    use crate::wire::dns::query::Query;
    use crate::wire::dns::rdata::CharacterString;

    const ZONE: &str = "id.example.";

    fn query(name: &str) -> Vec<u8> {
        let header = Header {
            id: 0x1234,
            flags: Flags::RECURSION_DESIRED,
            counts: [1, 0, 0, 0],
        };
        let name = NameBuf::parse(name).expect("a name");
        let mut packet = header.to_bytes().to_vec();
        packet.extend(name.as_name().as_bytes());
        packet.extend([0, 35, 0, 1]);
        packet
    }

    fn string(text: &[u8]) -> CharacterString<'_> {
        CharacterString::new(text).expect("short")
    }

    /// An answer with these records, as the independent decoder reads it.
    fn written(records: &[(Section, Rdata<'_>)]) -> Message {
        let packet = query("X.88.Id.example.");
        let query = Query::read(&packet).expect("sound");
        let zone = NameBuf::parse(ZONE).expect("a name");
        let mut buffer = vec![0; 65_535];
        let flags = query.header.flags.answering().with(Flags::AUTHORITATIVE);
        let mut writer = Writer::new(&mut buffer, query.header.id, flags).expect("room");
        writer.question(&query.question).expect("room");
        writer.set_zone(zone.as_name(), 5);
        for (section, rdata) in records {
            let owner = match section {
                Section::Answer => Owner::Question,
                Section::Authority => Owner::Zone,
            };
            let record = Record {
                owner,
                class: Class::IN,
                ttl_secs: 60,
                rdata: *rdata,
            };
            writer.record(*section, &record).expect("room");
        }
        let bytes = writer.finish(Rcode::NoError).bytes;
        Message::from_vec(&buffer[..bytes]).expect("the independent decoder reads it")
    }

    fn check(rdata: Rdata<'_>, expected: &str) {
        let message = written(&[(Section::Answer, rdata)]);
        let [record] = &message.answers[..] else {
            panic!("one record");
        };
        assert_eq!(
            record.name.to_string(),
            "X.88.Id.example.",
            "the spelling asked"
        );
        assert_eq!(record.ttl, 60);
        let Decoded { data, .. } = record;
        let shown = match data {
            RData::Unknown { code, rdata } => {
                format!("{} {}", u16::from(*code), rdata.anything.escape_ascii())
            }
            other => format!("{} {other}", other.record_type()),
        };
        assert_eq!(shown, expected);
    }

    #[test]
    fn writes_each_type_as_its_standard_has_it() {
        let host = NameBuf::parse("ns1.id.example.").expect("a name");
        let elsewhere = NameBuf::parse("ns.example.net.").expect("a name");
        check(
            Rdata::Naptr {
                order: 10,
                preference: 20,
                flags: string(b"u"),
                services: string(b"ID2U+url"),
                regexp: string(b"!^.*$!https://a.example/!"),
                replacement: Name::ROOT,
            },
            r#"NAPTR 10 20 "u" "ID2U+url" "!^.*$!https://a.example/!" ."#,
        );
        check(
            Rdata::Uri {
                priority: 1,
                weight: 2,
                target: b"https://a.example/",
            },
            r"256 \x00\x01\x00\x02https://a.example/",
        );
        check(Rdata::Txt(b"DESC=x"), "TXT DESC=x");
        check(Rdata::Ns(host.as_name()), "NS ns1.Id.example.");
        check(Rdata::Ns(elsewhere.as_name()), "NS ns.example.net.");
        check(
            Rdata::Srv {
                priority: 0,
                weight: 1,
                port: 2641,
                target: host.as_name(),
            },
            "SRV 0 1 2641 ns1.id.example.",
        );
        check(
            Rdata::Hinfo {
                cpu: string(b"RFC8482"),
                os: string(b""),
            },
            "HINFO RFC8482 ",
        );
    }

    #[test]
    fn writes_the_soa_of_a_negative_answer_as_the_zones() {
        let host = NameBuf::parse("ns1.id.example.").expect("a name");
        let soa = Rdata::Soa {
            primary: host.as_name(),
            mailbox: host.as_name(),
            serial: 0x0102_0304,
            timers: [1, 2, 3, 4],
        };
        let message = written(&[(Section::Authority, soa)]);
        assert!(message.answers.is_empty());
        let [record] = &message.authorities[..] else {
            panic!("one record");
        };
        assert_eq!(record.name.to_string(), "Id.example.");
        let RData::SOA(soa) = &record.data else {
            panic!("an SOA");
        };
        assert_eq!(soa.mname.to_string(), "ns1.Id.example.");
        assert_eq!((soa.serial, soa.refresh, soa.minimum), (0x0102_0304, 1, 4));
    }

    #[test]
    fn writes_opt_with_the_upper_bits_and_an_extended_error() {
        let packet = query("a.");
        let query = Query::read(&packet).expect("sound");
        let mut buffer = [0; 512];
        let flags = query.header.flags.answering();
        let mut writer = Writer::new(&mut buffer, 9, flags).expect("room");
        writer.question(&query.question).expect("room");
        let edns = Edns {
            payload_bytes: 1232,
            version: 0,
            dnssec_ok: true,
        };
        let error = Some(ExtendedError::Prohibited);
        writer.opt(&edns, Rcode::BadVers, error).expect("room");
        let layout = writer.finish(Rcode::BadVers);
        assert_eq!(layout.opt_at, packet.len());
        let message = Message::from_vec(&buffer[..layout.bytes]).expect("readable");
        assert_eq!(u16::from(message.metadata.response_code), 16);
        let opt = message.edns.expect("OPT");
        assert_eq!((opt.max_payload(), opt.version()), (1232, 0));
        assert!(opt.flags().dnssec_ok);
        assert!(opt.option(EdnsCode::Unknown(15)).is_some());
    }

    #[test]
    fn leaves_out_the_record_that_does_not_fit() {
        let packet = query("a.");
        let query = Query::read(&packet).expect("sound");
        let record = |text| Record {
            owner: Owner::Question,
            class: Class::IN,
            ttl_secs: 60,
            rdata: Rdata::Txt(text),
        };
        let mut buffer = [0; 64];
        let mut writer = Writer::new(&mut buffer, 9, Flags::RESPONSE).expect("room");
        writer.question(&query.question).expect("room");
        writer
            .record(Section::Answer, &record(b"short"))
            .expect("room");
        assert_eq!(
            writer.record(Section::Answer, &record(&[b'x'; 40])),
            Err(Full)
        );
        let layout = writer.finish(Rcode::NoError);
        let message = Message::from_vec(&buffer[..layout.bytes]).expect("readable");
        assert_eq!(message.answers.len(), 1);
        assert!(Writer::new(&mut [0; 11], 9, Flags::RESPONSE).is_err());
    }

    proptest! {
        #[test]
        fn text_of_any_length_survives(text in prop::collection::vec(any::<u8>(), 0..2000)) {
            let message = written(&[(Section::Answer, Rdata::Txt(&text))]);
            let RData::TXT(decoded) = &message.answers[0].data else {
                panic!("a TXT");
            };
            let strings = &decoded.txt_data;
            prop_assert!(strings.iter().rev().skip(1).all(|s| s.len() == 255));
            prop_assert_eq!(strings.concat(), text);
        }

        #[test]
        fn uris_and_rules_survive(
            target in prop::collection::vec(any::<u8>(), 1..600),
            text in prop::collection::vec(any::<u8>(), 0..=255),
            order: u16,
        ) {
            let uri = Rdata::Uri { priority: order, weight: 1, target: &target };
            let naptr = Rdata::Naptr {
                order,
                preference: 1,
                flags: string(b"u"),
                services: string(&text),
                regexp: string(&text),
                replacement: Name::ROOT,
            };
            let message = written(&[(Section::Answer, uri), (Section::Answer, naptr)]);
            let RData::Unknown { code, rdata } = &message.answers[0].data else {
                panic!("a type the decoder keeps raw");
            };
            prop_assert_eq!(*code, DecodedType::from(256));
            prop_assert_eq!(&rdata.anything[4..], &target[..]);
            let RData::NAPTR(rule) = &message.answers[1].data else {
                panic!("a NAPTR");
            };
            prop_assert_eq!(rule.order, order);
            prop_assert_eq!(&rule.regexp[..], &text[..]);
            prop_assert_eq!(&rule.services[..], &text[..]);
        }
    }
}
