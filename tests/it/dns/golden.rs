//! Octets of other implementations: queries of three tools, and answers of a
//! server with a zone file of the same records.

use super::{Fixture, ask, query, shown};

/// Lines of words, without those that begin with "#".
fn rows(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split(' ').collect())
}

fn octets(hex: &str) -> Vec<u8> {
    data_encoding::HEXLOWER.decode(hex.as_bytes()).expect("hex")
}

#[tokio::test]
async fn answers_queries_of_the_tools_in_use() {
    let fixture = Fixture::new().await;
    let dns = fixture.answerer();
    for row in rows(include_str!("../../data/dns/queries.hex")) {
        let packet = octets(row[1]);
        let answer = shown(&ask(&dns, &packet).expect("an answer"));
        assert!(
            answer.starts_with("NoError aa [86400 10 10 "),
            "{row:?}: {answer}"
        );
    }
    fixture.close().await;
}

#[tokio::test]
async fn answers_octet_for_octet_as_a_server_with_a_zone_file() {
    let fixture = Fixture::new().await;
    let dns = fixture.answerer();
    for row in rows(include_str!("../../data/dns/answers.hex")) {
        let mut expected = octets(row[2]);
        let name = "000123.20250108.DZ47-63._id.7.118.88.id.example.";
        let record_type = row[0].parse().expect("a number");
        let mut packet = query(name, record_type, (row[1] == "edns").then_some(1232));
        packet[..2].copy_from_slice(&expected[..2]);
        if row[1] == "edns" {
            let flags_at = packet.len() - 4;
            packet[flags_at] = 0x80;
        }
        if record_type == 1 {
            // The serial: five numbers of four octets end an SOA.
            let at = expected.len() - 20;
            let serial = u32::try_from(fixture.node.applied_position()).expect("small");
            expected[at..at + 4].copy_from_slice(&serial.to_be_bytes());
        }
        for turn in ["fresh", "kept"] {
            let answer = ask(&dns, &packet).expect("an answer");
            assert_eq!(
                data_encoding::HEXLOWER.encode(&answer),
                data_encoding::HEXLOWER.encode(&expected),
                "{row:?}, {turn}"
            );
        }
    }
    fixture.close().await;
}
