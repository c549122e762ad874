//! A kept answer on our own path, and the same answer with hickory-proto.

use std::sync::Arc;
use std::time::Duration;

use divan::Bencher;
use hickory_proto::op::{Edns, Message, MessageType, OpCode};
use hickory_proto::rr::rdata::NAPTR;
use hickory_proto::rr::{Name, RData, Record};
use idnode::cluster;
use idnode::face::dns::{Answerer, Config, Tally, Transport};
use idnode::model::{
    Caller, Identifier, Permissions, Prefix, SuffixCase, Timestamp, Ttl, Value, ValueType,
};
use idnode::node::{self, Change, Clock, Node, PrefixAction, RecordAction, Write};
use idnode::store::{self, Store};

/// `000123.20250108.dz47-63._id.7.118.88.id.example. NAPTR`, EDNS 1232.
fn query() -> Vec<u8> {
    let mut packet = vec![0x12, 0x34, 0x01, 0, 0, 1, 0, 0, 0, 0, 0, 1];
    for label in "000123.20250108.dz47-63._id.7.118.88.id.example".split('.') {
        packet.push(u8::try_from(label.len()).expect("short"));
        packet.extend(label.bytes());
    }
    packet.extend([0, 0, 35, 0, 1, 0, 0, 41, 4, 0xd0, 0, 0, 0, 0, 0, 0]);
    packet
}

fn answerer(folder: &std::path::Path, dns: &Config) -> Answerer {
    let config = store::Config {
        data_dir: folder.to_owned(),
        cache_bytes: 8 << 20,
        write_buffer_bytes: 1 << 20,
        disk_reserve_bytes: 0,
        ..store::Config::default()
    };
    let store = Arc::new(Store::open(config, store::Metrics::new()).expect("opens"));
    let clock = Clock {
        now: || Timestamp::from_millis(1_800_000_000_000),
        elapsed: || Duration::ZERO,
    };
    let log = cluster::Config::default();
    let (node, _writer) =
        Node::start(store, &log, (clock, |_| ()), node::Metrics::new()).expect("starts");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    let operator = Caller::system_administrator("bench");
    for change in [prefix(), record()] {
        let write = Write {
            change,
            request_id: None,
        };
        runtime
            .block_on(node.execute(&operator, write))
            .expect("written");
    }
    Answerer::new(dns, node).expect("valid names")
}

fn prefix() -> Change {
    Change::Prefix {
        prefix: Prefix::parse("88.118.7").expect("a prefix"),
        action: PrefixAction::Create {
            firm: "bench".into(),
            case: SuffixCase::Folded,
            quota: None,
            home: true,
        },
    }
}

fn record() -> Change {
    let url = Value {
        index: 1,
        value_type: ValueType::parse("URL").expect("a type"),
        data: b"https://products.example/000123".to_vec(),
        ttl: Ttl::DEFAULT,
        permissions: Permissions::DEFAULT,
        readers: None,
        changed: Timestamp::default(),
        references: Vec::new(),
    };
    Change::Record {
        identifier: Identifier::parse("88.118.7/DZ47-63.20250108.000123").expect("identifier"),
        action: RecordAction::Create {
            values: vec![url],
            readers: None,
            reuse_deleted: false,
        },
    }
}

fn measure(bencher: Bencher<'_, '_>, answerer: &Answerer) {
    let packet = query();
    let (mut out, mut tally) = ([0; 1232], Tally::default());
    bencher.bench_local(|| {
        let packet = divan::black_box(&packet);
        answerer
            .answer(packet, Transport::Udp, &mut out, &mut tally)
            .expect("an answer")
    });
}

#[divan::bench]
fn dns_kept_answer(bencher: Bencher<'_, '_>) {
    let folder = tempfile::tempdir().expect("a folder");
    measure(bencher, &answerer(folder.path(), &Config::default()));
}

#[divan::bench]
fn dns_fresh_answer(bencher: Bencher<'_, '_>) {
    let folder = tempfile::tempdir().expect("a folder");
    let config = Config {
        answer_cache_bytes: 0,
        ..Config::default()
    };
    measure(bencher, &answerer(folder.path(), &config));
}

#[divan::bench]
fn dns_hickory_decode_build_encode(bencher: Bencher<'_, '_>) {
    let packet = query();
    let regexp = b"!^.*$!https://products.example/000123!".as_slice();
    bencher.bench_local(|| {
        let query = Message::from_vec(divan::black_box(&packet)).expect("readable");
        let mut answer = Message::new(query.metadata.id, MessageType::Response, OpCode::Query);
        answer.metadata.authoritative = true;
        answer.metadata.recursion_desired = query.metadata.recursion_desired;
        let question = query.queries.first().expect("a question").clone();
        let naptr = NAPTR::new(
            10,
            10,
            b"u".as_slice().into(),
            b"ID2U+url".as_slice().into(),
            regexp.into(),
            Name::root(),
        );
        answer.add_answer(Record::from_rdata(
            question.name().clone(),
            86_400,
            RData::NAPTR(naptr),
        ));
        answer.add_query(question);
        let mut edns = Edns::new();
        edns.set_max_payload(1232);
        answer.set_edns(edns);
        answer.to_vec().expect("encoded")
    });
}
