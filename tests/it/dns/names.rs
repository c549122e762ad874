//! What each name answers, and for how long an answer is kept.

use idnode::face::dns::Answerer;
use idnode::model::SuffixCase;
use idnode::node::{PrefixAction, RecordAction};

use super::{Fixture, ask, query, shown, value};

const TXT: u16 = 16;
const NAPTR: u16 = 35;
const NODATA: &str = "NoError aa (id.example. SOA)";
const MISSING: &str = "NXDomain aa (id.example. SOA)";

/// Asks twice, so that the second answer is the kept one.
fn check(answerer: &Answerer, name: &str, record_type: u16, expected: &str) {
    for turn in ["first", "second"] {
        let packet = query(name, record_type, None);
        let answer = ask(answerer, &packet).expect("an answer");
        assert_eq!(shown(&answer), expected, "{name} {record_type}, {turn}");
        assert_eq!(answer[..2], packet[..2], "the id");
        assert_eq!(answer[12..packet.len()], packet[12..], "the question");
    }
}

#[tokio::test]
async fn answers_as_the_names_stand() {
    let fixture = Fixture::new().await;
    let dns = fixture.answerer();
    let plain = "000123.20250108.DZ47-63._ID.7.118.88.id.example.";
    check(
        &dns,
        plain,
        NAPTR,
        r#"NoError aa [86400 10 10 "u" "ID2U+url" "!^.*$!https://a.example/!" .]"#,
    );
    check(
        &dns,
        plain,
        TXT,
        "NoError aa [86400 URL=https://a.example/] [86400 DESC=断路器]",
    );
    check(&dns, plain, 1, NODATA);
    check(&dns, plain, 255, "NoError aa [300 RFC8482 ]");
    check(
        &dns,
        "20250108.dz47-63._id.7.118.88.id.example.",
        TXT,
        NODATA,
    );
    check(
        &dns,
        "x.20250108.dz47-63._id.7.118.88.id.example.",
        TXT,
        MISSING,
    );
    for existing in [
        "_id.7.118.88",
        "_b32.7.118.88",
        "7.118.88",
        "118.88",
        "88",
        "_tcp.7.118.88",
    ] {
        check(&dns, &format!("{existing}.id.example."), TXT, NODATA);
    }
    for missing in [
        "_id.1.119.88",
        "6.118.88",
        "89",
        "_id",
        "a_b",
        "x.7.118.88",
        "_sip._tcp.7.118.88",
    ] {
        check(&dns, &format!("{missing}.id.example."), TXT, MISSING);
    }
    check(
        &dns,
        "_hdl._tcp.7.118.88.id.example.",
        33,
        "NoError aa [3600 0 1 2641 ns1.id.example.]",
    );
    check(&dns, "id.example.", 2, "NoError aa [3600 ns1.id.example.]");
    check(&dns, "id.example.", TXT, NODATA);
    check(&dns, "id.example.org.", TXT, "Refused");
    check(&dns, "id.example.", 252, "Refused");
    fixture.close().await;
}

#[tokio::test]
async fn knows_one_name_for_an_identifier() {
    let fixture = Fixture::new().await;
    let dns = fixture.answerer();
    let below = |label: &str, prefix: &str| format!("{label}._b32.{prefix}.88.id.example.");
    let escaped = |text: &str| {
        data_encoding::BASE32HEX_NOPAD
            .encode(text.as_bytes())
            .to_ascii_lowercase()
    };
    let found = "NoError aa [86400 URL=https://a.example/] [86400 DESC=断路器]";
    check(&dns, &below(&escaped("批次 a/1"), "7.118"), TXT, found);
    check(&dns, &below(&escaped("批次 A/1"), "7.118"), TXT, MISSING);
    check(&dns, &below(&escaped("large"), "7.118"), TXT, MISSING);
    check(&dns, &below(&escaped("Abc"), "8.118"), TXT, found);
    check(&dns, &below(&escaped("abc"), "8.118"), TXT, MISSING);
    check(&dns, "abc._id.8.118.88.id.example.", TXT, MISSING);
    fixture.close().await;
}

#[tokio::test]
async fn the_record_of_an_active_prefix_has_a_name() {
    let fixture = Fixture::new().await;
    let dns = fixture.answerer();
    let all = |expected: &str, names: &[&str]| {
        for name in names {
            check(&dns, &format!("{name}.na.0.id.example."), TXT, expected);
        }
    };
    let there = ["7.118.88._id", "118.88._id", "88._id", "_id"];
    all(MISSING, &there);
    fixture.prefix("0.NA", SuffixCase::Folded).await;
    all(MISSING, &there);
    fixture.node.set_site(vec![0xff]);
    all(NODATA, &there);
    all(MISSING, &["6.118.88._id", "1.7.118.88._id", "8._id"]);
    let suspend = PrefixAction::Suspend {
        reason: "a test".into(),
        etag: None,
    };
    fixture.change_prefix("88.118.7", suspend).await;
    all(MISSING, &["7.118.88._id"]);
    all(NODATA, &["8.118.88._id", "118.88._id"]);
    fixture.close().await;
}

#[tokio::test]
async fn a_change_shows_at_once_in_answers_that_were_kept() {
    let fixture = Fixture::new().await;
    let dns = fixture.answerer();
    let name = "new.a._id.7.118.88.id.example.";
    let above = "a._id.7.118.88.id.example.";
    check(&dns, name, TXT, MISSING);
    check(&dns, above, TXT, MISSING);
    let serial = |answer: Vec<u8>| {
        let message = hickory_proto::op::Message::from_vec(&answer).expect("readable");
        let hickory_proto::rr::RData::SOA(soa) = &message.authorities[0].data else {
            panic!("an SOA");
        };
        soa.serial
    };
    let elsewhere = query("89.id.example.", TXT, None);
    let before = serial(ask(&dns, &elsewhere).expect("an answer"));
    fixture
        .create("88.118.7/a.new", vec![value(1, "DESC", "x")])
        .await;
    check(&dns, name, TXT, "NoError aa [86400 DESC=x]");
    check(&dns, above, TXT, NODATA);
    let after = serial(ask(&dns, &elsewhere).expect("an answer"));
    assert_eq!(after, before + 1, "the serial of a kept answer");
    let modify = RecordAction::ModifyValues {
        values: vec![value(1, "DESC", "y")],
        etag: None,
    };
    fixture.change("88.118.7/a.new", modify).await;
    check(&dns, name, TXT, "NoError aa [86400 DESC=y]");
    let delete = RecordAction::Delete { etag: None };
    fixture.change("88.118.7/a.new", delete).await;
    check(&dns, name, TXT, MISSING);
    check(&dns, above, TXT, MISSING);
    let empty = "_id.1.119.88.id.example.";
    check(&dns, empty, TXT, MISSING);
    fixture
        .create("88.119.1/a", vec![value(1, "DESC", "x")])
        .await;
    check(&dns, empty, TXT, NODATA);
    fixture.close().await;
}

#[tokio::test]
async fn a_name_of_more_labels_than_any_before_it_has_names_above() {
    let fixture = Fixture::new().await;
    let dns = fixture.answerer();
    let all = |expected: [&str; 5]| {
        let labels = ["a", "b.a", "c.b.a", "d.c.b.a", "e.d.c.b.a"];
        for (labels, expected) in labels.into_iter().zip(expected) {
            check(
                &dns,
                &format!("{labels}._id.1.119.88.id.example."),
                TXT,
                expected,
            );
        }
    };
    let found = "NoError aa [86400 DESC=x]";
    all([MISSING; 5]);
    let of = |suffix: &str| format!("88.119.1/{suffix}");
    fixture.create(&of("a"), vec![value(1, "DESC", "x")]).await;
    all([found, MISSING, MISSING, MISSING, MISSING]);
    fixture
        .create(&of("A.b.c.d"), vec![value(1, "DESC", "x")])
        .await;
    all([found, NODATA, NODATA, found, MISSING]);
    let delete = RecordAction::Delete { etag: None };
    fixture.change(&of("a.b.c.d"), delete).await;
    all([found, MISSING, MISSING, MISSING, MISSING]);
    fixture.close().await;
}

#[tokio::test]
async fn a_suspended_prefix_answers_prohibited() {
    let fixture = Fixture::new().await;
    let dns = fixture.answerer();
    let name = "large._id.7.118.88.id.example.";
    let shown_with_edns = |name: &str| {
        let answer = ask(&dns, &query(name, TXT, Some(1232))).expect("an answer");
        shown(&answer)
    };
    assert_eq!(shown_with_edns(name), "NoError aa tc");
    let suspend = PrefixAction::Suspend {
        reason: "test".into(),
        etag: None,
    };
    fixture.change_prefix("88.118.7", suspend).await;
    let prohibited = format!("{MISSING} +15");
    for name in [name, "7.118.88.id.example.", "_id.7.118.88.id.example."] {
        assert_eq!(shown_with_edns(name), prohibited, "{name}");
        assert_eq!(shown_with_edns(name), prohibited, "{name}, kept");
    }
    assert_eq!(shown_with_edns("118.88.id.example."), NODATA);
    assert_eq!(shown_with_edns("elsewhere."), "Refused +15");
    let activate = PrefixAction::Activate { etag: None };
    fixture.change_prefix("88.118.7", activate).await;
    assert_eq!(shown_with_edns(name), "NoError aa tc");
    fixture.close().await;
}
