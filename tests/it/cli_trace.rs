//! `idnode handle trace` against Handle servers that answer as they are told.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, OnceLock};
use std::thread;

use idnode::model::data::{HashOption, Interface, InterfaceKind, InterfaceProtocol, Server, Site};
use idnode::wire::handle::{
    Content, ENVELOPE_BYTES, Envelope, ErrorResponse, HandleValue, List, Marking, Message,
    MessageWriter, PACKET_BYTES_MAX, Permissions, ReferralResponse, ResolutionRequest,
    ResolutionResponse, Response, ResponseCode, Ttl, packets,
};

/// What a server says.
#[derive(Clone)]
enum Say {
    /// A value of this type, with this data.
    Value(&'static str, Vec<u8>),
    /// A referral with such a value.
    Refer(&'static str, Vec<u8>),
    /// A code, and no more.
    Code(ResponseCode),
    /// Over UDP, a part of an answer that says so.
    Cut,
    /// Over UDP, nothing.
    Nothing,
}

/// Starts a server on UDP and TCP that answers each handle as `say` says. It
/// ends with the process.
fn server(say: impl Fn(&str) -> Say + Send + Sync + 'static) -> SocketAddr {
    let (udp, tcp) = (0..100)
        .find_map(|_| {
            let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
            let tcp = TcpListener::bind(udp.local_addr().unwrap()).ok()?;
            Some((udp, tcp))
        })
        .expect("a port that both have free");
    let address = udp.local_addr().unwrap();
    let say = Arc::new(say);
    let over_tcp = Arc::clone(&say);
    thread::spawn(move || serve_udp(&udp, &*say));
    thread::spawn(move || {
        for stream in tcp.incoming() {
            let mut stream = stream.unwrap();
            let mut request = vec![0; ENVELOPE_BYTES];
            stream.read_exact(&mut request).unwrap();
            let bytes = Envelope::decode(&request).unwrap().message_len().unwrap();
            request.resize(ENVELOPE_BYTES + bytes, 0);
            stream.read_exact(&mut request[ENVELOPE_BYTES..]).unwrap();
            let answer = match over_tcp(&asked(&request)) {
                Say::Cut | Say::Nothing => Say::Value("URL", b"https://a.example/tcp".to_vec()),
                other => other,
            };
            stream.write_all(&written(&request, &answer)).unwrap();
        }
    });
    address
}

fn serve_udp(socket: &UdpSocket, say: &dyn Fn(&str) -> Say) {
    let mut buffer = [0; PACKET_BYTES_MAX];
    loop {
        let (bytes, client) = socket.recv_from(&mut buffer).unwrap();
        let request = &buffer[..bytes];
        let answer = match say(&asked(request)) {
            Say::Nothing => continue,
            Say::Cut => {
                let mut cut = written(request, &Say::Value("DESC", vec![b'x'; 600]));
                // TRUNCATED, of which the node sends no more than this.
                cut[2] |= 0x20;
                cut.truncate(3 * bytes);
                socket.send_to(&cut, client).unwrap();
                continue;
            }
            other => written(request, &other),
        };
        // The last packet first: they come in any order.
        let pieces = packets(&answer, Marking::Marked).unwrap();
        let mut pieces = pieces
            .map(|packet| packet.write(&mut [0; PACKET_BYTES_MAX]).to_vec())
            .collect::<Vec<_>>();
        pieces.reverse();
        for piece in pieces {
            socket.send_to(&piece, client).unwrap();
        }
    }
}

fn asked(request: &[u8]) -> String {
    let message = Message::decode(&request[ENVELOPE_BYTES..]).unwrap();
    let body = ResolutionRequest::decode(message.body).unwrap();
    String::from_utf8(body.handle.to_vec()).unwrap()
}

fn written(request: &[u8], say: &Say) -> Vec<u8> {
    let envelope = Envelope::decode(request).unwrap();
    let message = Message::decode(&request[ENVELOPE_BYTES..]).unwrap();
    let body = ResolutionRequest::decode(message.body).unwrap();
    let value = |value_type: &'static str, data| HandleValue {
        index: 1,
        timestamp_secs: 1_700_000_000,
        ttl: Ttl::Relative(86_400),
        permissions: Permissions(0x0e),
        value_type: value_type.as_bytes(),
        data,
        references: List::EMPTY,
    };
    let values = match say {
        Say::Value(value_type, data) | Say::Refer(value_type, data) => [value(value_type, data)],
        Say::Code(_) | Say::Cut | Say::Nothing => [value("", &[])],
    };
    let values = List::from(&values);
    let handle = body.handle;
    let (code, content) = match say {
        Say::Value(..) => {
            let content = Content::Resolution(ResolutionResponse { handle, values });
            (ResponseCode::SUCCESS, content)
        }
        Say::Refer(..) => {
            let handle = b"";
            let content = Content::Referral(ReferralResponse { handle, values });
            (ResponseCode::PREFIX_REFERRAL, content)
        }
        Say::Code(code) => {
            let (message, indexes) = (&b"so it is"[..], List::EMPTY);
            (*code, Content::Error(ErrorResponse { message, indexes }))
        }
        Say::Cut | Say::Nothing => panic!("said elsewhere"),
    };
    let mut header = message.header;
    header.response_code = code;
    let mut out = Vec::new();
    let mut writer = MessageWriter::begin(&mut out, &envelope.reply(), &header);
    let (digest, version) = (None, envelope.version);
    Response { digest, content }.encode(version, writer.body());
    writer.finish(&[]).unwrap().to_vec()
}

/// The data of a site with one server, at `address`.
fn site(address: SocketAddr) -> Vec<u8> {
    let interface = |protocol| Interface {
        kind: InterfaceKind::AdminAndQuery,
        protocol,
        port: address.port(),
    };
    let server = Server {
        id: 1,
        address: address.ip(),
        public_key: None,
        interfaces: [InterfaceProtocol::Tcp, InterfaceProtocol::Udp]
            .map(interface)
            .to_vec(),
    };
    let site = Site {
        protocol: (2, 11),
        serial: 1,
        is_primary: true,
        is_multi_primary: false,
        hash_option: HashOption::All,
        hash_filter: Vec::new(),
        attributes: Vec::new(),
        servers: vec![server],
    };
    site.encode()
}

fn trace(server: SocketAddr, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_idnode"))
        .args(["handle", "trace", "88.118.7/A", "--handle"])
        .arg(server.to_string())
        .args(arguments)
        .env_clear()
        .stdin(Stdio::null())
        .output()
        .expect("the binary runs")
}

fn check(server: SocketAddr, arguments: &[&str], exit: i32, parts: &[&str]) -> String {
    let output = trace(server, arguments);
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    let all = format!("{out}{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(exit), "{all}");
    // The parts follow each other.
    let mut rest = all.as_str();
    for part in parts {
        let (_, behind) = rest
            .split_once(part)
            .unwrap_or_else(|| panic!("{part} in {all}"));
        rest = behind;
    }
    out
}

fn a_page() -> Say {
    Say::Value("URL", b"https://a.example/".to_vec())
}

#[test]
fn shows_the_question_and_the_answer() {
    let server = server(|_| a_page());
    let sent = format!("UDP> {server} 81 bytes: 020b020b");
    let received = format!("UDP< {server} ");
    let parts = [
        &sent,
        "env v2.11 suggests v2.11",
        "hdr opCode=1(RESOLUTION) responseCode=0(REQUEST)",
        "handle='88.118.7/A'",
        "indexes=[7]",
        "types=['URL']",
        &received,
        "responseCode=1(SUCCESS)",
        "type='URL' data[18]='https://a.example/'",
    ];
    check(server, &["--type", "URL", "--index", "7"], 0, &parts);
    let over_tcp = format!("TCP> {server} ");
    let out = check(server, &["--tcp"], 0, &[&over_tcp, "https://a.example/"]);
    assert!(!out.contains("UDP"), "{out}");
}

#[test]
fn puts_an_answer_in_pieces_together() {
    let server = server(|_| Say::Value("DESC", b"0123456789".repeat(120)));
    let parts = [
        "packet 3 of 3",
        "packet 2 of 3",
        "packet 1 of 3",
        "UDP= ",
        "data[1200]='0123",
    ];
    check(server, &["--udp"], 0, &parts);
}

#[test]
fn asks_over_tcp_where_udp_does_not_do() {
    for say in [Say::Cut, Say::Nothing] {
        let server = server(move |_| say.clone());
        let parts = [
            "UDP> ",
            "# no whole answer over UDP",
            "TCP> ",
            "https://a.example/tcp",
        ];
        check(server, &[], 0, &parts);
    }
    let server = server(|_| Say::Cut);
    let text = "no whole answer over UDP";
    check(server, &["--udp"], 6, &["UDP> ", text]);
}

#[test]
fn follows_a_referral() {
    let second = server(|_| a_page());
    let first = server(move |_| Say::Refer("HS_SITE.PREFIX", site(second)));
    let (to_first, to_second) = (format!("UDP> {first}"), format!("UDP> {second}"));
    let parts = [
        &to_first,
        "303(PREFIX_REFERRAL)",
        "# referred to",
        &to_second,
        "https://a.example/",
    ];
    check(first, &[], 0, &parts);
    let over_tcp = format!("TCP> {second}");
    check(first, &["--tcp"], 0, &[&over_tcp, "https://a.example/"]);
}

#[test]
fn asks_a_server_that_is_not_responsible_who_is() {
    let second = server(|_| a_page());
    let root = server(move |handle| match handle {
        "0.NA/88.118.7" => Say::Value("HS_SITE", site(second)),
        _ => Say::Code(ResponseCode::SERVER_NOT_RESPONSIBLE),
    });
    let to_second = format!("UDP> {second}");
    let parts = [
        "301(SERVER_NOT_RESP)",
        "message='so it is'",
        "handle='0.NA/88.118.7'",
        "type='HS_SITE'",
        &to_second,
        "https://a.example/",
    ];
    check(root, &[], 0, &parts);
}

#[test]
fn ends_where_referrals_do_not() {
    let lost = server(move |_| Say::Refer("HS_SERV.PREFIX", b"0.SERV/1".to_vec()));
    let text = "referred further after 8 questions";
    check(lost, &[], 1, &["# referred to 0.SERV/1", text]);
    let own = Arc::new(OnceLock::new());
    let told = Arc::clone(&own);
    let round = server(move |_| Say::Refer("HS_SITE", site(*told.get().unwrap())));
    own.set(round).unwrap();
    let text = format!("{round} refers to itself");
    check(round, &[], 1, &[&text]);
    let nobody = UdpSocket::bind("127.0.0.1:0").unwrap();
    let nobody = nobody.local_addr().unwrap();
    let away = server(move |_| Say::Refer("HS_SITE", site(nobody)));
    let text = format!("no answer from {nobody}");
    check(away, &[], 6, &[&text]);
}

#[test]
fn tells_by_its_exit_code_what_was_answered() {
    let missing = server(|_| Say::Code(ResponseCode::HANDLE_NOT_FOUND));
    check(
        missing,
        &[],
        3,
        &["message='so it is'", "the answer is 100(HANDLE_NOT_FOUND)"],
    );
    let busy = server(|_| Say::Code(ResponseCode::SERVER_TOO_BUSY));
    check(busy, &[], 1, &["the answer is 3(SERVER_TOO_BUSY)"]);
}

#[test]
fn programs_get_every_packet() {
    let server = server(|_| a_page());
    let out = check(server, &["-o", "json"], 0, &[]);
    let json: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    let packets = json["packets"].as_array().expect("a list");
    assert_eq!(packets.len(), 2);
    assert_eq!(packets[0]["direction"], "sent");
    assert_eq!(packets[1]["direction"], "received");
    assert_eq!(packets[1]["transport"], "UDP");
    assert_eq!(packets[1]["server"], server.to_string());
    let hex = packets[1]["bytes_hex"].as_str().expect("hexadecimal");
    assert!(hex.starts_with("020b020b00000000"), "{hex}");
    let lines = packets[1]["lines"].as_array().expect("a list");
    assert!(
        lines.iter().any(|line| line == "handle='88.118.7/A'"),
        "{lines:?}"
    );
}
