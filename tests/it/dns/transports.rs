//! UDP and TCP: sizes, framing, pipelining, and tools in use.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::process::Command;
use std::time::Duration;

use idnode::face::dns::Config;

use super::{Fixture, ask, config, exchange, query, shown, with_face};
use crate::support;

const LARGE: &str = "large._id.7.118.88.id.example.";

fn connect(to: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(to).expect("connected");
    let patience = Some(Duration::from_secs(20));
    stream.set_read_timeout(patience).expect("set");
    stream
}

fn framed(packet: &[u8]) -> Vec<u8> {
    let length = u16::try_from(packet.len()).expect("short").to_be_bytes();
    [&length, packet].concat()
}

fn read_frame(stream: &mut TcpStream) -> Vec<u8> {
    let mut length = [0; 2];
    stream.read_exact(&mut length).expect("a length");
    let mut frame = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut frame).expect("a frame");
    frame
}

/// Blocking clients run beside the runtime that serves.
async fn beside(run: impl FnOnce() + Send + 'static) {
    tokio::task::spawn_blocking(run).await.expect("no panic");
}

#[tokio::test]
async fn cuts_over_udp_and_says_all_over_tcp() {
    let fixture = Fixture::new().await;
    with_face(&fixture, &config(), |to| {
        beside(move || {
            let socket = UdpSocket::bind("127.0.0.1:0").expect("bound");
            for edns in [None, Some(0), Some(1232), Some(65_535)] {
                let packet = query(LARGE, 16, edns);
                let answer = exchange(&socket, to, &packet);
                assert_eq!(shown(&answer), "NoError aa tc");
                assert!(answer.len() <= packet.len(), "no larger than the question");
            }
            let mut stream = connect(to);
            stream
                .write_all(&framed(&query(LARGE, 16, None)))
                .expect("sent");
            let answer = read_frame(&mut stream);
            assert!(answer.len() > 4000 && shown(&answer).matches("DESC=").count() == 40);
        })
    })
    .await;
    fixture.close().await;
}

#[tokio::test]
async fn answers_frames_that_are_split_and_frames_that_come_together() {
    let fixture = Fixture::new().await;
    with_face(&fixture, &config(), |to| {
        beside(move || {
            let mut stream = connect(to);
            for octet in framed(&query("id.example.", 2, None)) {
                stream.write_all(&[octet]).expect("sent");
            }
            let expected = "NoError aa [3600 ns1.id.example.]";
            assert_eq!(shown(&read_frame(&mut stream)), expected);
            let mut together = Vec::new();
            for id in 0..100 {
                let mut packet = query(LARGE, 16, None);
                packet[1] = id;
                together.extend(framed(&packet));
            }
            let mut writer = stream.try_clone().expect("cloned");
            let writing = std::thread::spawn(move || writer.write_all(&together));
            for id in 0..100 {
                assert_eq!(read_frame(&mut stream)[1], id, "in order");
            }
            writing.join().expect("no panic").expect("sent");
        })
    })
    .await;
    fixture.close().await;
}

#[tokio::test]
async fn the_longest_idle_connection_gives_way() {
    let fixture = Fixture::new().await;
    let config = Config {
        tcp_connections_max: 2,
        ..config()
    };
    with_face(&fixture, &config, |to| {
        beside(move || {
            let ask = |stream: &mut TcpStream| {
                let packet = query("id.example.", 2, None);
                stream.write_all(&framed(&packet)).expect("sent");
                read_frame(stream);
            };
            let (mut first, mut second) = (connect(to), connect(to));
            ask(&mut first);
            ask(&mut second);
            ask(&mut first);
            let mut third = connect(to);
            ask(&mut third);
            ask(&mut first);
            assert_eq!(second.read(&mut [0; 1]).expect("closed"), 0);
            // A frame longer than any question ends its connection.
            third.write_all(&[0xff, 0xff]).expect("sent");
            assert_eq!(third.read(&mut [0; 1]).expect("closed"), 0);
        })
    })
    .await;
    fixture.close().await;
}

#[tokio::test]
async fn refuses_by_the_book() {
    let fixture = Fixture::new().await;
    let dns = fixture.answerer();
    let sound = query("id.example.", 6, Some(1232));
    let changed = |at: usize, octets: &[u8]| {
        let mut packet = sound.clone();
        packet[at..at + octets.len()].copy_from_slice(octets);
        packet
    };
    let check = |packet: &[u8], expected: Option<&str>| {
        let answer = ask(&dns, packet);
        assert_eq!(answer.as_deref().map(shown).as_deref(), expected);
        answer
    };
    let class_at = sound.len() - 13;
    let version_at = sound.len() - 5;
    check(&changed(2, &[0x81]), None);
    check(&sound[..11], None);
    let notimp = check(&changed(2, &[0x29]), Some("NotImp"));
    assert_eq!(notimp.map(|answer| answer.len()), Some(12));
    check(&changed(4, &[0, 0]), Some("FormErr"));
    check(&changed(4, &[0, 2]), Some("FormErr"));
    check(&sound[..sound.len() - 1], Some("FormErr"));
    check(&changed(class_at, &[0, 3]), Some("Refused"));
    let badvers = check(&changed(version_at, &[1]), Some("BADSIG"));
    assert_eq!(badvers.map(|answer| answer.len()), Some(sound.len()));
    let dnssec_ok = ask(&dns, &changed(version_at + 1, &[0x80])).expect("an answer");
    assert_eq!(dnssec_ok[dnssec_ok.len() - 4], 0x80, "DO is echoed");
    let mut version = query("version.bind.", 16, None);
    let last = version.len() - 1;
    version[last] = 3;
    check(&version, Some("Refused"));
    let telling = Config {
        tell_version: true,
        ..config()
    };
    let telling = idnode::face::dns::Answerer::new(&telling, fixture.node.clone()).expect("valid");
    let told = shown(&ask(&telling, &version).expect("an answer"));
    assert!(told.starts_with("NoError aa [0 idnode "), "{told}");
    fixture.close().await;
}

/// Tools that operators use agree.
#[tokio::test]
async fn dig_and_kdig_read_the_answers() {
    let fixture = Fixture::new().await;
    with_face(&fixture, &config(), |to| {
        beside(move || {
            for (tool, transport) in [("dig", "+notcp"), ("dig", "+tcp"), ("kdig", "+tcp")] {
                let Some(path) = support::tool(tool) else {
                    continue;
                };
                let asked = Command::new(path)
                    .args(["@127.0.0.1", "-p", &to.port().to_string(), transport])
                    .args(["+norec", "000123.20250108.dz47-63._id.7.118.88.id.example."])
                    .arg("URI")
                    .output()
                    .expect("runs");
                let text = String::from_utf8_lossy(&asked.stdout);
                assert!(text.contains(r#"1 1 "https://a.example/""#), "{text}");
                assert!(
                    !text.contains("WARNING") && !text.contains("malformed"),
                    "{text}"
                );
            }
        })
    })
    .await;
    fixture.close().await;
}
