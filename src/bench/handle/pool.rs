//! Requests to a Handle server, encoded before the clock runs, and what their
//! answers must be.

use crate::bench::encoded::{Datagram, Encoded, Expect, Outcome, Questions};
use crate::bench::workload::Workload;
use crate::wire::handle::{
    ENVELOPE_BYTES, Envelope, Flags, Fragments, HEADER_BYTES, Header, Malformed, MessageWriter,
    OpCode, ResolutionRequest, ResponseCode, Version,
};

/// Where the request id stands in an envelope (RFC 3652 §2.1.1).
const REQUEST_ID_AT: usize = 8;
/// Where the response code stands in a message.
const RESPONSE_CODE_AT: usize = ENVELOPE_BYTES + 4;
/// Where the body begins: a handle, in requests and in answers.
const BODY_AT: usize = ENVELOPE_BYTES + HEADER_BYTES;
/// When the requests expire: as late as deployed servers can read.
const EXPIRES_SECS: u32 = 0x7fff_ffff;

/// Resolution requests. Their order is that in which they are asked.
#[derive(Debug, Default)]
pub struct HandlePool {
    requests: Encoded,
    /// Whether the requests are for values of one type, so that a handle may
    /// have none.
    has_type: bool,
}

impl HandlePool {
    /// `count` questions of `workload`, for values of this type if there is one.
    ///
    /// # Errors
    /// [`Malformed::Above`] if the type is longer than a message.
    pub fn of_workload(
        workload: &Workload,
        value_type: Option<&str>,
        count: u64,
    ) -> Result<Self, Malformed> {
        let mut pool = Self {
            has_type: value_type.is_some(),
            ..Self::default()
        };
        for number in 0..count {
            let asked = workload.asked(number);
            let identifier = workload.demo.identifier(asked.position).to_string();
            let request = request(identifier.as_bytes(), value_type)?;
            let expect = Expect::of(asked.exists);
            pool.requests
                .push(expect, |out| out.extend_from_slice(&request));
        }
        Ok(pool)
    }

    /// How many requests there are.
    pub fn count(&self) -> usize {
        self.requests.count()
    }

    /// Appends the request at `index` with this id.
    pub(super) fn write(&self, index: usize, request_id: u32, out: &mut Vec<u8>) {
        if let Some(datagram) = self.datagram(index, request_id) {
            datagram
                .parts()
                .into_iter()
                .for_each(|part| out.extend_from_slice(part));
        }
    }
}

/// An encoded request for the values of a handle, or those of one type.
///
/// # Errors
/// [`Malformed::Above`] if it is longer than a message.
pub(in crate::bench) fn request(
    handle: &[u8],
    value_type: Option<&str>,
) -> Result<Vec<u8>, Malformed> {
    let header = Header::request(OpCode::RESOLUTION, Flags::RESOLUTION, EXPIRES_SECS);
    let types = value_type.map(str::as_bytes);
    let body = ResolutionRequest {
        handle,
        indexes: Default::default(),
        types: types.as_slice().into(),
        auth: None,
    };
    let mut request = Vec::new();
    let envelope = Envelope::new(Version::CURRENT, 0);
    let mut writer = MessageWriter::begin(&mut request, &envelope, &header);
    body.encode(writer.body());
    writer.finish(&[])?;
    Ok(request)
}

impl Questions for HandlePool {
    const NAME: &'static str = "handle udp";
    /// Deployed servers and clients take the id as a signed number.
    const NUMBER_BITS: u32 = u32::BITS - 1;

    fn count(&self) -> usize {
        self.requests.count()
    }

    fn datagram(&self, index: usize, number: u32) -> Option<Datagram<'_>> {
        let (request, _) = self.requests.question(index)?;
        let (start, rest) = request.split_at_checked(REQUEST_ID_AT)?;
        let rest = rest.get(4..)?;
        Some(Datagram::new(start, &number.to_be_bytes(), rest))
    }

    fn answered(datagram: &[u8]) -> Option<(u32, usize)> {
        let piece = Piece::read(datagram)?;
        Some((piece.envelope.request_id, piece.of))
    }

    /// The first packet has header, handle and count of values; one that was cut
    /// has its header at least.
    fn outcome(&self, index: usize, datagram: &[u8]) -> Option<Outcome> {
        let Piece {
            envelope, is_cut, ..
        } = Piece::read(datagram)?;
        if envelope.sequence > 0 {
            return None;
        }
        let (request, expect) = self.requests.question(index)?;
        let code = ResponseCode(number_at(datagram, RESPONSE_CODE_AT)?);
        let found = match code {
            ResponseCode::SUCCESS if is_cut || value_count(request, datagram) > 0 => true,
            // It exists, and has no value of the type.
            ResponseCode::VALUES_NOT_FOUND => self.has_type,
            ResponseCode::HANDLE_NOT_FOUND => false,
            other => {
                return Some(Outcome::Wrong(format!(
                    "request {index}: answered with {other}"
                )));
            }
        };
        Some(if expect.is_met(found) {
            Outcome::Right {
                found,
                truncated: is_cut,
            }
        } else {
            Outcome::Wrong(format!(
                "request {index}: {expect:?} expected, answered with {code}"
            ))
        })
    }
}

/// A datagram of an answer, or all of an answer that came over TCP.
struct Piece {
    envelope: Envelope,
    /// How many datagrams the answer has.
    of: usize,
    /// It is the only one, and cut off: the server sends the rest to whoever
    /// asks over TCP.
    is_cut: bool,
}

impl Piece {
    fn read(datagram: &[u8]) -> Option<Self> {
        let envelope = Envelope::decode(datagram).ok()?;
        let fragments = Fragments::of(&envelope).ok()?;
        let piece_bytes = datagram.get(ENVELOPE_BYTES..)?.len();
        let is_whole = piece_bytes == fragments.message_bytes();
        let has_place = is_whole || fragments.place(&envelope, piece_bytes).is_ok();
        let is_cut = !has_place && envelope.truncated && envelope.sequence == 0;
        let of = if is_cut || is_whole {
            1
        } else {
            fragments.count()
        };
        (has_place || is_cut).then_some(Self {
            envelope,
            of,
            is_cut,
        })
    }
}

/// How many values an answer has; none if it is about another handle than its
/// request.
fn value_count(request: &[u8], answer: &[u8]) -> u32 {
    let count = || {
        let handle_bytes = usize::try_from(number_at(request, BODY_AT)?).ok()?;
        let handle_end = BODY_AT + 4 + handle_bytes;
        let is_same = request.get(BODY_AT..handle_end)? == answer.get(BODY_AT..handle_end)?;
        number_at(answer, handle_end).filter(|_| is_same)
    };
    count().unwrap_or_default()
}

fn number_at(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_be_bytes(*four))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::demo::Demo;
    use crate::wire::handle::{
        Content, ErrorResponse, HandleValue, List, Message, Permissions, ResolutionResponse,
        Response, Ttl,
    };

    /// Answers a request: with a value, or with another code.
    pub(crate) fn answer(request: &[u8], code: ResponseCode) -> Vec<u8> {
        let envelope = Envelope::decode(request).expect("an envelope");
        let message = Message::decode(&request[ENVELOPE_BYTES..]).expect("a message");
        let asked = ResolutionRequest::decode(message.body).expect("a resolution");
        let value = HandleValue {
            index: 1,
            timestamp_secs: 0,
            ttl: Ttl::Relative(60),
            permissions: Permissions(0x0e),
            value_type: b"URL",
            data: &[b'x'; 1000],
            references: List::EMPTY,
        };
        let values = [value];
        let content = match code {
            ResponseCode::SUCCESS => Content::Resolution(ResolutionResponse {
                handle: asked.handle,
                values: (&values).into(),
            }),
            _ => Content::Error(ErrorResponse {
                message: b"",
                indexes: List::EMPTY,
            }),
        };
        let mut header = message.header;
        header.response_code = code;
        let mut out = Vec::new();
        let mut writer = MessageWriter::begin(&mut out, &envelope.reply(), &header);
        let digest = None;
        Response { digest, content }.encode(envelope.version, writer.body());
        writer.finish(&[]).expect("short").to_vec()
    }

    pub(crate) fn pool(existing: f64, value_type: Option<&str>) -> HandlePool {
        let workload = Workload {
            demo: Demo::new(1, 500),
            seed: 1,
            existing,
        };
        HandlePool::of_workload(&workload, value_type, 50).expect("short")
    }

    fn check(existing: f64, value_type: Option<&str>, code: ResponseCode, found: Option<bool>) {
        let pool = pool(existing, value_type);
        let mut request = Vec::new();
        pool.write(7, 0x0102_0304, &mut request);
        let answer = answer(&request, code);
        assert_eq!(
            Envelope::decode(&answer).expect("whole").request_id,
            0x0102_0304
        );
        let expected = found.map(|found| Outcome::Right {
            found,
            truncated: false,
        });
        let outcome = pool.outcome(7, &answer);
        match expected {
            Some(_) => assert_eq!(outcome, expected),
            None => assert!(matches!(outcome, Some(Outcome::Wrong(_))), "{outcome:?}"),
        }
    }

    #[test]
    fn judges_answers() {
        let url = Some("URL");
        check(1.0, None, ResponseCode::SUCCESS, Some(true));
        check(1.0, None, ResponseCode::HANDLE_NOT_FOUND, None);
        check(1.0, None, ResponseCode::VALUES_NOT_FOUND, None);
        check(1.0, url, ResponseCode::VALUES_NOT_FOUND, Some(true));
        check(1.0, None, ResponseCode::SERVER_TOO_BUSY, None);
        check(0.0, None, ResponseCode::HANDLE_NOT_FOUND, Some(false));
        check(0.0, None, ResponseCode::SUCCESS, None);
        check(0.0, url, ResponseCode::VALUES_NOT_FOUND, None);
    }

    #[test]
    fn the_answer_is_about_the_handle_that_was_asked_for() {
        let pool = pool(1.0, None);
        let (mut one, mut other) = (Vec::new(), Vec::new());
        pool.write(0, 1, &mut one);
        pool.write(1, 1, &mut other);
        let answer = answer(&one, ResponseCode::SUCCESS);
        assert_eq!(value_count(&one, &answer), 1);
        assert_eq!(value_count(&other, &answer), 0);
        assert_eq!(value_count(&one, &answer[..60]), 0);
    }

    #[test]
    fn an_answer_may_be_cut() {
        let pool = pool(1.0, None);
        let mut request = Vec::new();
        pool.write(0, 7, &mut request);
        let mut answer = answer(&request, ResponseCode::SUCCESS);
        answer.truncate(3 * request.len());
        assert_eq!(HandlePool::answered(&answer), None);
        // TRUNCATED.
        answer[2] |= 0x20;
        assert_eq!(HandlePool::answered(&answer), Some((7, 1)));
        let right = Outcome::Right {
            found: true,
            truncated: true,
        };
        assert_eq!(pool.outcome(0, &answer), Some(right));
    }

    #[test]
    fn asks_for_a_type() {
        let mut request = Vec::new();
        pool(1.0, Some("URL")).write(0, 9, &mut request);
        let message = Message::decode(&request[ENVELOPE_BYTES..]).expect("a message");
        let body = ResolutionRequest::decode(message.body).expect("a resolution");
        assert!(body.types.iter().eq([b"URL".as_slice()]));
        assert!(body.indexes.is_empty());
    }
}
