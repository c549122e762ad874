//! From a packet to its answer.
//!
//! An answer that is kept is copied and a few octets of it are set: nothing is
//! allocated. Whatever is malformed gets an answer no longer than it was.

use std::time::Duration;

use crate::face::dns::cache::{Encoded, Key, Octets, Shape};
use crate::face::dns::config::Config;
use crate::face::dns::convert::{RecordSet, record_set};
use crate::face::dns::lookup::{Looked, Reply, look};
use crate::face::dns::metrics::{Dropped, Tally};
use crate::face::dns::place::Place;
use crate::face::dns::zones::Zones;
use crate::node::{Answers, Node};
use crate::wire::dns::{
    Class, Edns, ExtendedError, Flags, Full, HEADER_BYTES, Header, Layout, Name, NameInvalid,
    Owner, Query, Question, Rcode, Rdata, Record, RecordType, Section, Unsound, Writer,
};

/// Octets of the largest answer over UDP, whatever a client says it can take:
/// it crosses the paths in use today without fragments (DNS Flag Day 2020).
pub(super) const PAYLOAD_BYTES: u16 = 1232;
/// Octets of an answer to a client without EDNS (RFC 1035 §4.2.1).
const PLAIN_BYTES: u16 = 512;
/// Octets of the largest message.
const MESSAGE_BYTES_MAX: usize = 65_535;
/// Octets that most answers fit, for a buffer on the stack.
const MESSAGE_BYTES_TYPICAL: usize = 4096;
/// What the node tells of itself where it may.
const VERSION: &str = concat!("idnode ", env!("CARGO_PKG_VERSION"));

/// How a query came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// In a datagram.
    Udp,
    /// In a frame of a connection.
    Tcp,
}

/// Answers queries. Shared by all threads.
#[derive(Debug)]
pub struct Answerer {
    node: Node,
    zones: Zones,
    answers: Answers,
    tell_version: bool,
}

/// What to write: a response code and the data of the answer section.
#[derive(Debug)]
struct Plan<'a> {
    rcode: Rcode,
    error: Option<ExtendedError>,
    answers: Vec<(u32, Rdata<'a>)>,
}

impl Answerer {
    /// An answerer for the zones of `config`.
    ///
    /// # Errors
    /// The name in the settings that is none.
    pub fn new(config: &Config, node: Node) -> Result<Self, NameInvalid> {
        Ok(Self {
            node,
            zones: Zones::new(config)?,
            answers: Answers::new(config.answer_cache_bytes),
            tell_version: config.tell_version,
        })
    }

    /// The zones it answers for.
    pub(super) fn zones(&self) -> &Zones {
        &self.zones
    }

    /// The answers it keeps.
    pub(super) fn answers(&self) -> &Answers {
        &self.answers
    }

    /// The node.
    pub(super) fn node(&self) -> &Node {
        &self.node
    }

    /// Time since some fixed moment, for durations.
    pub(super) fn elapsed(&self) -> Duration {
        self.node.elapsed()
    }

    /// Writes the answer to `packet` into `out` and returns its length; `None`
    /// where silence is due: to what is shorter than a header, and to answers.
    pub fn answer(
        &self,
        packet: &[u8],
        transport: Transport,
        out: &mut [u8],
        tally: &mut Tally,
    ) -> Option<usize> {
        let query = match Query::read(packet) {
            Ok(query) => query,
            Err(unsound) => return answer_unsound(&unsound, out, tally),
        };
        let edns_version = query.edns.map_or(0, |edns| edns.version);
        if edns_version > 0 {
            return brief(&query, Rcode::BadVers, None, out, tally);
        }
        let limit = limit(&query, transport).min(out.len());
        let out = out.get_mut(..limit)?;
        let key = Key::of(&query)?;
        if let Some(kept) = self.answers.find(key.as_bytes()) {
            let current = |stamp| self.node.is_current(stamp);
            if kept.marks.iter().flatten().all(current) {
                let answer = (Octets::Kept(&kept), Shape::of_word(kept.own));
                if let Ok(bytes) = self.deliver(answer, &query, out, tally) {
                    tally.cache(true);
                    return bytes;
                }
            }
        }
        self.answer_anew(&query, &key, out, tally)
    }

    fn answer_anew(
        &self,
        query: &Query<'_>,
        key: &Key,
        out: &mut [u8],
        tally: &mut Tally,
    ) -> Option<usize> {
        let Question {
            name,
            record_type,
            class,
            ..
        } = query.question;
        if class == Class::CH {
            return self.tell(query, out, tally);
        }
        if class != Class::IN || matches!(record_type, RecordType::AXFR | RecordType::IXFR) {
            return brief(query, Rcode::Refused, None, out, tally);
        }
        let Some((zone, zone_at)) = self.zones.find(name) else {
            let error = Some(ExtendedError::NotAuthoritative);
            return brief(query, Rcode::Refused, error, out, tally);
        };
        tally.cache(false);
        let Looked {
            reply,
            marks,
            keeps,
        } = look(&self.node, zone, &self.place(name, zone_at));
        if let Reply::Failed(rcode) = reply {
            return brief(query, rcode, None, out, tally);
        }
        let set = match &reply {
            Reply::Found(record) => record_set(record, record_type, self.node.now()),
            Reply::Apex | Reply::Service | Reply::Empty | Reply::Missing(_) | Reply::Failed(_) => {
                RecordSet::default()
            }
        };
        let plan = self.plan(&reply, &set, record_type);
        let encoded = self.encode(query, (zone, zone_at), &plan)?;
        if keeps && !set.ages {
            let own = encoded.shape.to_word();
            self.answers
                .keep(key.as_bytes(), own, &encoded.bytes, &marks);
        }
        let answer = (Octets::New(&encoded.bytes), encoded.shape);
        self.deliver(answer, query, out, tally).ok().flatten()
    }

    /// Where a name stands; a service that nobody offers stands nowhere.
    fn place(&self, name: Name<'_>, zone_at: usize) -> Place {
        match Place::of(name, zone_at) {
            Place::Service(_) | Place::ServiceParent(_) if self.zones.handle_port().is_none() => {
                Place::Nowhere
            }
            place => place,
        }
    }

    fn plan<'a>(&'a self, reply: &Reply, set: &'a RecordSet, record_type: RecordType) -> Plan<'a> {
        let zones = &self.zones;
        let (own, negative) = (zones.own_ttl_secs(), zones.negative_ttl_secs());
        let is_any = record_type == RecordType::ANY;
        let has_any = matches!(reply, Reply::Apex | Reply::Service | Reply::Found(_));
        let answers = match reply {
            _ if is_any && has_any => Zones::any()
                .map(|any| (negative, any))
                .into_iter()
                .collect(),
            Reply::Apex => self.apex(record_type),
            Reply::Service if record_type == RecordType::SRV => {
                let target = zones.primary();
                let service = Rdata::Srv {
                    priority: 0,
                    weight: 1,
                    port: zones.handle_port().unwrap_or_default(),
                    target,
                };
                vec![(own, service)]
            }
            Reply::Found(_) => {
                let ttl_secs = zones.bounded(set.ttl_secs.unwrap_or_default());
                let rdata = set.data.iter().filter_map(|data| data.as_rdata());
                rdata.map(|rdata| (ttl_secs, rdata)).collect()
            }
            Reply::Service | Reply::Empty | Reply::Missing(_) | Reply::Failed(_) => Vec::new(),
        };
        let (rcode, error) = match reply {
            Reply::Missing(error) => (Rcode::NxDomain, *error),
            Reply::Failed(rcode) => (*rcode, None),
            Reply::Apex | Reply::Service | Reply::Found(_) | Reply::Empty => (Rcode::NoError, None),
        };
        Plan {
            rcode,
            error,
            answers,
        }
    }

    fn apex(&self, record_type: RecordType) -> Vec<(u32, Rdata<'_>)> {
        let own = self.zones.own_ttl_secs();
        match record_type {
            RecordType::SOA => {
                vec![(
                    self.zones.negative_ttl_secs(),
                    self.zones.soa(self.serial()),
                )]
            }
            RecordType::NS => {
                let hosts = self.zones.name_servers();
                hosts.map(|host| (own, Rdata::Ns(host))).collect()
            }
            RecordType::TXT if self.tell_version => {
                vec![(own, Rdata::Txt(VERSION.as_bytes()))]
            }
            _ => Vec::new(),
        }
    }

    /// The serial of every zone: the log position modulo 2^32.
    fn serial(&self) -> u32 {
        let position = self.node.applied_position() & u64::from(u32::MAX);
        u32::try_from(position).unwrap_or_default()
    }

    /// Encodes an answer without the parts that differ from query to query.
    fn encode(
        &self,
        query: &Query<'_>,
        zone: (Name<'_>, usize),
        plan: &Plan<'_>,
    ) -> Option<Encoded> {
        let mut small = [0; MESSAGE_BYTES_TYPICAL];
        let encoded = |buffer: &[u8], layout: Layout| {
            Some(Encoded {
                bytes: buffer.get(..layout.bytes)?.into(),
                shape: Shape::new(layout, plan.rcode)?,
            })
        };
        if let Ok(layout) = self.write(query, zone, plan, &mut small) {
            return encoded(&small, layout);
        }
        let mut large = vec![0; MESSAGE_BYTES_MAX];
        if let Ok(layout) = self.write(query, zone, plan, &mut large) {
            return encoded(&large, layout);
        }
        // Larger than any message: not even TCP carries it (RFC 2181 §9).
        let flags = Flags::RESPONSE
            .with(Flags::AUTHORITATIVE)
            .with(Flags::TRUNCATED);
        let layout = write_brief(query, 0, flags, (plan.rcode, None), &mut small).ok()?;
        encoded(&small, layout)
    }

    fn write(
        &self,
        query: &Query<'_>,
        zone: (Name<'_>, usize),
        plan: &Plan<'_>,
        buffer: &mut [u8],
    ) -> Result<Layout, Full> {
        let flags = Flags::RESPONSE.with(Flags::AUTHORITATIVE);
        let mut writer = Writer::new(buffer, 0, flags)?;
        writer.question(&query.question)?;
        writer.set_zone(zone.0, zone.1);
        let record = |owner, ttl_secs, rdata| Record {
            owner,
            class: Class::IN,
            ttl_secs,
            rdata,
        };
        for (ttl_secs, rdata) in &plan.answers {
            let answer = record(Owner::Question, *ttl_secs, *rdata);
            writer.record(Section::Answer, &answer)?;
        }
        if plan.answers.is_empty() {
            let soa = self.zones.soa(self.serial());
            let authority = record(Owner::Zone, self.zones.negative_ttl_secs(), soa);
            writer.record(Section::Authority, &authority)?;
        }
        if query.edns.is_some() {
            writer.opt(&ours(false), plan.rcode, plan.error)?;
        }
        Ok(writer.finish(plan.rcode))
    }

    /// Copies an answer to `out` and sets what is this query's own; without its
    /// records and with TC if it does not fit. Its length.
    ///
    /// # Errors
    /// If it gave way meanwhile.
    fn deliver(
        &self,
        (octets, shape): (Octets<'_>, Shape),
        query: &Query<'_>,
        out: &mut [u8],
        tally: &mut Tally,
    ) -> Result<Option<usize>, Gone> {
        let rcode = shape.rcode;
        let Some(place) = out.get_mut(..octets.len()) else {
            tally.respond(rcode, query.question.record_type);
            tally.truncate();
            let flags = query
                .header
                .flags
                .answering()
                .with(Flags::AUTHORITATIVE)
                .with(Flags::TRUNCATED);
            let layout = write_brief(query, query.header.id, flags, (rcode, None), out);
            return Ok(layout.ok().map(|layout| layout.bytes));
        };
        if !octets.copy(place) {
            return Err(Gone);
        }
        tally.respond(rcode, query.question.record_type);
        Ok(self.personal(place, shape, query))
    }

    /// Sets in an answer what is this query's own. Its length.
    fn personal(&self, answer: &mut [u8], shape: Shape, query: &Query<'_>) -> Option<usize> {
        let echoed = query.header.flags.only(Flags::ECHOED).0.to_be_bytes();
        put(answer, 0, &query.header.id.to_be_bytes())?;
        for (at, bits) in (2..).zip(echoed) {
            *answer.get_mut(at)? |= bits;
        }
        put(answer, HEADER_BYTES, query.question.as_bytes())?;
        if shape.serial_at > 0 {
            let serial = self.serial().to_be_bytes();
            put(answer, shape.serial_at.into(), &serial)?;
        }
        let dnssec_ok = query.edns.is_some_and(|edns| edns.dnssec_ok);
        if shape.opt_at > 0 && dnssec_ok {
            *answer.get_mut(usize::from(shape.opt_at) + DNSSEC_OK_AT)? |= 0x80;
        }
        Some(answer.len())
    }

    /// Answers CHAOS `version.bind` and `version.server` TXT (RFC 4892) where
    /// it may; REFUSED otherwise.
    fn tell(&self, query: &Query<'_>, out: &mut [u8], tally: &mut Tally) -> Option<usize> {
        let Question {
            name, record_type, ..
        } = query.question;
        let asks = |asked: &[u8]| name.as_bytes().eq_ignore_ascii_case(asked);
        let is_version = asks(b"\x07version\x04bind\0") || asks(b"\x07version\x06server\0");
        if !(self.tell_version && is_version && record_type == RecordType::TXT) {
            return brief(query, Rcode::Refused, None, out, tally);
        }
        tally.respond(Rcode::NoError, record_type);
        let flags = query.header.flags.answering().with(Flags::AUTHORITATIVE);
        let mut writer = Writer::new(out, query.header.id, flags).ok()?;
        writer.question(&query.question).ok()?;
        let version = Record {
            owner: Owner::Question,
            class: Class::CH,
            ttl_secs: 0,
            rdata: Rdata::Txt(VERSION.as_bytes()),
        };
        writer.record(Section::Answer, &version).ok()?;
        if let Some(edns) = query.edns {
            let opt = ours(edns.dnssec_ok);
            writer.opt(&opt, Rcode::NoError, None).ok()?;
        }
        Some(writer.finish(Rcode::NoError).bytes)
    }
}

/// An answer that was kept gave way.
struct Gone;

/// Where DO stands within an OPT record: behind owner, type, class, two octets.
const DNSSEC_OK_AT: usize = 7;

/// Octets that an answer to `query` may take.
fn limit(query: &Query<'_>, transport: Transport) -> usize {
    match (transport, query.edns) {
        (Transport::Tcp, _) => MESSAGE_BYTES_MAX,
        (Transport::Udp, None) => usize::from(PLAIN_BYTES),
        (Transport::Udp, Some(edns)) => {
            usize::from(edns.payload_bytes.clamp(PLAIN_BYTES, PAYLOAD_BYTES))
        }
    }
}

fn ours(dnssec_ok: bool) -> Edns {
    Edns {
        payload_bytes: PAYLOAD_BYTES,
        version: 0,
        dnssec_ok,
    }
}

fn put(bytes: &mut [u8], at: usize, part: &[u8]) -> Option<()> {
    let place = bytes.get_mut(at..at + part.len())?;
    place.copy_from_slice(part);
    Some(())
}

/// An answer without records to a sound query.
pub(super) fn brief(
    query: &Query<'_>,
    rcode: Rcode,
    error: Option<ExtendedError>,
    out: &mut [u8],
    tally: &mut Tally,
) -> Option<usize> {
    tally.respond(rcode, query.question.record_type);
    let flags = query.header.flags.answering();
    let layout = write_brief(query, query.header.id, flags, (rcode, error), out).ok()?;
    Some(layout.bytes)
}

/// An answer without records to a sound query, whose sender is to come over TCP.
pub(super) fn brief_truncated(
    query: &Query<'_>,
    out: &mut [u8],
    tally: &mut Tally,
) -> Option<usize> {
    tally.respond(Rcode::NoError, query.question.record_type);
    tally.truncate();
    let flags = query.header.flags.answering().with(Flags::TRUNCATED);
    let layout = write_brief(query, query.header.id, flags, (Rcode::NoError, None), out).ok()?;
    Some(layout.bytes)
}

fn write_brief(
    query: &Query<'_>,
    id: u16,
    flags: Flags,
    (rcode, error): (Rcode, Option<ExtendedError>),
    out: &mut [u8],
) -> Result<Layout, Full> {
    let mut writer = Writer::new(out, id, flags)?;
    writer.question(&query.question)?;
    if let Some(edns) = query.edns {
        writer.opt(&ours(edns.dnssec_ok), rcode, error)?;
    }
    Ok(writer.finish(rcode))
}

/// An answer that repeats of a malformed packet only what is sound.
fn answer_unsound(unsound: &Unsound<'_>, out: &mut [u8], tally: &mut Tally) -> Option<usize> {
    let (header, question, rcode) = match unsound {
        Unsound::Short => {
            tally.drop_packet(Dropped::Malformed);
            return None;
        }
        Unsound::Response => {
            tally.drop_packet(Dropped::Response);
            return None;
        }
        Unsound::OtherOpcode(header) => (header, None, Rcode::NotImp),
        Unsound::NoQuestion(header) => (header, None, Rcode::FormErr),
        Unsound::BehindQuestion(header, question) => (header, Some(question), Rcode::FormErr),
    };
    tally.respond(rcode, question.map_or(RecordType(0), |q| q.record_type));
    let Header { id, flags, .. } = *header;
    let mut writer = Writer::new(out, id, flags.answering()).ok()?;
    if let Some(question) = question {
        writer.question(question).ok()?;
    }
    Some(writer.finish(rcode).bytes)
}
