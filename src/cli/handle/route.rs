//! Where a question goes next: what an answer says about who answers.

use std::net::SocketAddr;

use crate::cli::handle::exchange::Transport;
use crate::crypto::{DigestAlgorithm, digest};
use crate::model::data::{HashOption, InterfaceKind, InterfaceProtocol, Server, Site};
use crate::wire::handle::{Content, HandleValue, List, Response, ResponseCode};

/// Types whose data is a site, the ones that lead on first.
const SITE_TYPES: [&[u8]; 4] = [
    b"HS_NA_DELEGATE",
    b"HS_SITE.PREFIX",
    b"HS_SITE",
    b"HS_SITE.6",
];
/// Types whose data is a handle that has a site.
const SERVICE_TYPES: [&[u8]; 2] = [b"HS_SERV.PREFIX", b"HS_SERV"];
/// The prefix of the records of prefixes.
const PREFIX_RECORDS: &[u8] = b"0.NA/";

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Question {
    /// The handle.
    pub(super) handle: Vec<u8>,
    /// Types, in bytes.
    pub(super) types: Vec<Vec<u8>>,
    /// Indexes.
    pub(super) indexes: Vec<u32>,
}

impl Question {
    pub(super) fn new(handle: &[u8], types: &[String], indexes: &[u32]) -> Self {
        Self {
            handle: handle.to_vec(),
            types: types.iter().map(|text| text.clone().into_bytes()).collect(),
            indexes: indexes.to_vec(),
        }
    }

    /// For the site of the service at `handle`.
    pub(super) fn of_site(handle: Vec<u8>) -> Self {
        let types = SITE_TYPES.iter().chain(&SERVICE_TYPES);
        Self {
            handle,
            types: types.map(|name| name.to_vec()).collect(),
            indexes: Vec::new(),
        }
    }
}

/// What follows from an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Nothing: it is the answer.
    Done,
    /// The same server is asked for the site of the service at this handle.
    LookUp(Vec<u8>),
    /// A server of this site is asked for the subject.
    Ask(Box<Site>),
}

/// What follows from the answer to `question`, which is the subject of the trace
/// or was asked for its sake.
pub(super) fn next(
    subject: &Question,
    question: &Question,
    code: ResponseCode,
    response: &Response<'_>,
) -> Next {
    match &response.content {
        Content::Referral(referral) => match site_or_service(referral.values) {
            Some(next) => next,
            None if referral.handle.is_empty() => Next::Done,
            None => Next::LookUp(referral.handle.to_vec()),
        },
        // The record of a service was asked for: it leads on.
        Content::Resolution(answer) if question != subject => {
            site_or_service(answer.values).unwrap_or(Next::Done)
        }
        // A server at the root knows who is responsible.
        Content::Error(_) if code == ResponseCode::SERVER_NOT_RESPONSIBLE => {
            match record_of_prefix(&question.handle) {
                Some(handle) if question == subject => Next::LookUp(handle),
                Some(_) | None => Next::Done,
            }
        }
        _ => Next::Done,
    }
}

/// The first site among the values, or else the first handle of a service.
fn site_or_service<'a>(values: List<'a, HandleValue<'a>>) -> Option<Next> {
    let of_type = |types: &[&[u8]]| {
        let found = types.iter().find_map(|name| {
            let is_it = |value: &HandleValue<'a>| value.value_type.eq_ignore_ascii_case(name);
            values.iter().find(is_it)
        });
        found.map(|value| value.data)
    };
    let site = of_type(&SITE_TYPES).and_then(|data| Site::decode(data).ok());
    let service = || of_type(&SERVICE_TYPES).map(|data| Next::LookUp(data.to_vec()));
    site.map(|site| Next::Ask(Box::new(site))).or_else(service)
}

/// `0.NA/a.b` for `a.b/c` and for `a.b`; none for a record of a prefix itself.
fn record_of_prefix(handle: &[u8]) -> Option<Vec<u8>> {
    let is_record = handle
        .get(..PREFIX_RECORDS.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(PREFIX_RECORDS));
    if is_record {
        return None;
    }
    let prefix = handle.split(|byte| *byte == b'/').next()?;
    Some([PREFIX_RECORDS, prefix].concat())
}

/// The server of the site that answers for `handle`, where it takes questions:
/// over the transport that is wanted, else over UDP, else over TCP.
pub(super) fn server(
    site: &Site,
    handle: &[u8],
    wanted: Option<Transport>,
) -> Option<(SocketAddr, Transport)> {
    let server = site.servers.get(place(site, handle)?)?;
    let over = |transport| address(server, transport).map(|address| (address, transport));
    match wanted {
        Some(transport) => over(transport),
        None => over(Transport::Udp).or_else(|| over(Transport::Tcp)),
    }
}

fn address(server: &Server, transport: Transport) -> Option<SocketAddr> {
    let protocol = match transport {
        Transport::Udp => InterfaceProtocol::Udp,
        Transport::Tcp => InterfaceProtocol::Tcp,
    };
    let takes_questions =
        |kind| matches!(kind, InterfaceKind::Query | InterfaceKind::AdminAndQuery);
    let interface = server
        .interfaces
        .iter()
        .find(|interface| interface.protocol == protocol && takes_questions(interface.kind));
    interface.map(|interface| SocketAddr::new(server.address, interface.port))
}

/// Which of the site's servers keeps `handle`: the absolute value of the last
/// four bytes of the MD5 of the part that counts, in upper case, modulo their
/// number (RFC 3651 §3.2.2; Handle protocol as deployed).
fn place(site: &Site, handle: &[u8]) -> Option<usize> {
    if site.servers.len() < 2 {
        return Some(0);
    }
    let slash = handle.iter().position(|byte| *byte == b'/');
    let (prefix, suffix) = handle.split_at(slash.unwrap_or(handle.len()));
    let part = match site.hash_option {
        HashOption::Prefix => prefix,
        HashOption::Suffix => suffix.get(1..).unwrap_or_default(),
        HashOption::All => handle,
    };
    let digest = digest(DigestAlgorithm::Md5, &[&part.to_ascii_uppercase()]);
    let last = digest.as_ref().last_chunk::<4>()?;
    let number = i32::from_be_bytes(*last).unsigned_abs();
    usize::try_from(number)
        .ok()?
        .checked_rem(site.servers.len())
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::model::data::Interface;
    use crate::wire::handle::{
        ErrorResponse, Permissions, ReferralResponse, ResolutionResponse, Ttl,
    };

    fn site(servers: u8) -> Site {
        let interface = |kind, protocol| Interface {
            kind,
            protocol,
            port: 2641,
        };
        let server = |number: u8| Server {
            id: number.into(),
            address: Ipv4Addr::new(127, 0, 0, number).into(),
            public_key: None,
            interfaces: vec![
                interface(InterfaceKind::Admin, InterfaceProtocol::Udp),
                interface(InterfaceKind::AdminAndQuery, InterfaceProtocol::Tcp),
            ],
        };
        Site {
            protocol: (2, 11),
            serial: 1,
            is_primary: true,
            is_multi_primary: false,
            hash_option: HashOption::All,
            hash_filter: Vec::new(),
            attributes: Vec::new(),
            servers: (1..=servers).map(server).collect(),
        }
    }

    fn value<'a>(value_type: &'a str, data: &'a [u8]) -> HandleValue<'a> {
        HandleValue {
            index: 1,
            timestamp_secs: 0,
            ttl: Ttl::Relative(0),
            permissions: Permissions(0x0e),
            value_type: value_type.as_bytes(),
            data,
            references: List::EMPTY,
        }
    }

    fn check(asked: &str, code: ResponseCode, content: Content<'_>, expected: &Next) {
        let subject = Question::new(b"88.118.7/A", &[], &[]);
        let question = match asked {
            "" => subject.clone(),
            handle => Question::of_site(handle.into()),
        };
        let response = Response {
            digest: None,
            content,
        };
        assert_eq!(&next(&subject, &question, code, &response), expected);
    }

    #[test]
    fn follows_what_an_answer_refers_to() {
        let encoded = site(1).encode();
        let ask = Next::Ask(Box::new(site(1)));
        let referral =
            |handle: &'static [u8], values| Content::Referral(ReferralResponse { handle, values });
        let with_site = [value("URL", b"x"), value("HS_SITE.PREFIX", &encoded)];
        let code = ResponseCode::PREFIX_REFERRAL;
        check("", code, referral(b"", (&with_site).into()), &ask);
        let looked_up = Next::LookUp(b"0.SERV/1".to_vec());
        check("", code, referral(b"0.SERV/1", List::EMPTY), &looked_up);
        let with_service = [value("HS_SERV.PREFIX", b"0.SERV/1")];
        check("", code, referral(b"", (&with_service).into()), &looked_up);
        check("", code, referral(b"", List::EMPTY), &Next::Done);
    }

    #[test]
    fn asks_who_is_responsible_and_goes_there() {
        let error = Content::Error(ErrorResponse {
            message: b"",
            indexes: List::EMPTY,
        });
        let elsewhere = ResponseCode::SERVER_NOT_RESPONSIBLE;
        let record = Next::LookUp(b"0.NA/88.118.7".to_vec());
        check("", elsewhere, error, &record);
        check("0.NA/88.118.7", elsewhere, error, &Next::Done);
        check("", ResponseCode::HANDLE_NOT_FOUND, error, &Next::Done);
        let encoded = site(1).encode();
        let values = [value("hs_site", &encoded)];
        let answer = Content::Resolution(ResolutionResponse {
            handle: b"0.NA/88.118.7",
            values: (&values).into(),
        });
        let success = ResponseCode::SUCCESS;
        check(
            "0.NA/88.118.7",
            success,
            answer,
            &Next::Ask(Box::new(site(1))),
        );
        check("", success, answer, &Next::Done);
    }

    #[test]
    fn chooses_a_server_and_a_way_to_it() {
        let tcp = |number| {
            let address = SocketAddr::from(([127, 0, 0, number], 2641));
            Some((address, Transport::Tcp))
        };
        let one = site(1);
        assert_eq!(server(&one, b"88.118.7/A", None), tcp(1));
        assert_eq!(server(&one, b"88.118.7/A", Some(Transport::Tcp)), tcp(1));
        assert_eq!(server(&one, b"88.118.7/A", Some(Transport::Udp)), None);
        assert_eq!(server(&site(0), b"88.118.7/A", None), None);
        // The last four bytes of the MD5 of "88.118.7/E", "E" and "88.118.7" are
        // -464452879, -1557228326 and 1843094404.
        let mut many = site(7);
        assert_eq!(server(&many, b"88.118.7/E", None), tcp(3));
        assert_eq!(server(&many, b"88.118.7/e", None), tcp(3));
        many.hash_option = HashOption::Suffix;
        assert_eq!(server(&many, b"88.118.7/e", None), tcp(4));
        many.hash_option = HashOption::Prefix;
        assert_eq!(server(&many, b"88.118.7/e", None), tcp(5));
    }
}
