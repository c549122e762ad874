//! The DNS face over real sockets, read with an independent decoder.

mod golden;
mod mutations;
mod names;
mod transports;

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use hickory_proto::op::Message;
use idnode::cluster;
use idnode::face::dns::{Answerer, Config, Dns, Metrics, Tally, Transport};
use idnode::model::{
    Caller, Identifier, Permissions, Prefix, SuffixCase, Timestamp, Ttl, Value, ValueType,
};
use idnode::node::{self, Change, Clock, Node, PrefixAction, RecordAction, Write};
use idnode::store::{self, Store};
use tokio_util::sync::CancellationToken;

/// A node with some identifiers and no face.
struct Fixture {
    node: Node,
    writer: JoinHandle<()>,
    _folder: tempfile::TempDir,
}

impl Fixture {
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let config = store::Config {
            data_dir: folder.path().to_owned(),
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
        let (node, writer) = Node::start(
            store,
            &cluster::Config::default(),
            (clock, |_| ()),
            node::Metrics::new(),
        )
        .expect("starts");
        let fixture = Self {
            node,
            writer,
            _folder: folder,
        };
        fixture.fill().await;
        fixture
    }

    async fn fill(&self) {
        self.prefix("88.118.7", SuffixCase::Folded).await;
        self.prefix("88.118.8", SuffixCase::Sensitive).await;
        self.prefix("88.119.1", SuffixCase::Folded).await;
        let mut private = value(9, "SECRET", "x");
        private.permissions = Permissions::from_bits(Permissions::ADMIN_READ);
        let values = vec![
            value(1, "URL", "https://a.example/"),
            value(2, "DESC", "断路器"),
            private,
        ];
        self.create("88.118.7/DZ47-63.20250108.000123", values.clone())
            .await;
        self.create("88.118.7/批次 A/1", values.clone()).await;
        self.create("88.118.8/Abc", values).await;
        let many = (1..=40).map(|index| value(index, "DESC", &"x".repeat(100)));
        self.create("88.118.7/large", many.collect()).await;
    }

    async fn write(&self, change: Change) {
        let operator = Caller::system_administrator("test");
        let write = Write {
            change,
            request_id: None,
        };
        self.node.execute(&operator, write).await.expect("written");
    }

    async fn prefix(&self, prefix: &str, case: SuffixCase) {
        self.change_prefix(
            prefix,
            PrefixAction::Create {
                firm: "温州测试有限公司".into(),
                case,
                quota: None,
                home: true,
            },
        )
        .await;
    }

    async fn change_prefix(&self, prefix: &str, action: PrefixAction) {
        let prefix = Prefix::parse(prefix).expect("a prefix");
        self.write(Change::Prefix { prefix, action }).await;
    }

    async fn create(&self, identifier: &str, values: Vec<Value>) {
        let action = RecordAction::Create {
            values,
            readers: None,
            reuse_deleted: false,
        };
        self.change(identifier, action).await;
    }

    async fn change(&self, identifier: &str, action: RecordAction) {
        let identifier = Identifier::parse(identifier).expect("an identifier");
        self.write(Change::Record { identifier, action }).await;
    }

    fn answerer(&self) -> Answerer {
        Answerer::new(&config(), self.node.clone()).expect("valid names")
    }

    async fn close(self) {
        self.node.close().await;
        self.writer.join().expect("the writer ends");
    }
}

fn config() -> Config {
    Config {
        listen: vec!["127.0.0.1:0".parse().expect("an address")],
        name_servers: vec!["ns1.id.example.".into()],
        handle_port: 2641,
        udp_threads: 1,
        ..Config::default()
    }
}

fn value(index: u32, value_type: &str, data: &str) -> Value {
    Value {
        index,
        value_type: ValueType::parse(value_type).expect("a type"),
        data: data.into(),
        ttl: Ttl::DEFAULT,
        permissions: Permissions::DEFAULT,
        readers: None,
        changed: Timestamp::default(),
        references: Vec::new(),
    }
}

/// A served face; asked while `run` runs.
async fn with_face<F>(fixture: &Fixture, config: &Config, run: impl FnOnce(SocketAddr) -> F)
where
    F: Future<Output = ()>,
{
    let face = Dns::bind(config, fixture.node.clone(), Metrics::new()).expect("bound");
    let address = face.addresses()[0];
    let shutdown = CancellationToken::new();
    let serving = face.run(shutdown.clone());
    let asking = async {
        run(address).await;
        shutdown.cancel();
    };
    let (served, ()) = tokio::join!(serving, asking);
    served.expect("no error");
}

/// A query as it goes onto the wire; `edns` is the payload size, then options.
pub(crate) fn query(name: &str, record_type: u16, edns: Option<u16>) -> Vec<u8> {
    let mut packet = vec![0x12, 0x34, 0x01, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.').filter(|label| !label.is_empty()) {
        packet.push(u8::try_from(label.len()).expect("short"));
        packet.extend(label.bytes());
    }
    packet.push(0);
    packet.extend(record_type.to_be_bytes());
    packet.extend([0, 1]);
    if let Some(bytes) = edns {
        packet[11] = 1;
        packet.extend([0, 0, 41]);
        packet.extend(bytes.to_be_bytes());
        packet.extend([0, 0, 0, 0, 0, 0]);
    }
    packet
}

/// The answer of `answerer` to a packet over UDP.
fn ask(answerer: &Answerer, packet: &[u8]) -> Option<Vec<u8>> {
    let mut out = [0; 1232];
    let mut tally = Tally::default();
    let bytes = answerer.answer(packet, Transport::Udp, &mut out, &mut tally)?;
    Some(out[..bytes].to_vec())
}

/// What an answer says, in one line: code, flags, answers, authorities.
pub(crate) fn shown(answer: &[u8]) -> String {
    let message = Message::from_vec(answer).expect("the independent decoder reads it");
    let meta = message.metadata;
    let mut line = format!("{:?}", meta.response_code);
    for (set, name) in [
        (meta.authoritative, " aa"),
        (meta.truncation, " tc"),
        (meta.recursion_available, " ra"),
    ] {
        line.push_str(if set { name } else { "" });
    }
    for record in &message.answers {
        line.push_str(&format!(" [{} {}]", record.ttl, record.data));
    }
    for record in &message.authorities {
        line.push_str(&format!(" ({} {})", record.name, record.record_type()));
    }
    if let Some(edns) = &message.edns {
        for (code, _) in &edns.options().options {
            line.push_str(&format!(" +{}", u16::from(*code)));
        }
    }
    line
}

fn exchange(socket: &UdpSocket, to: SocketAddr, packet: &[u8]) -> Vec<u8> {
    socket
        .set_read_timeout(Some(Duration::from_secs(20)))
        .expect("set");
    socket.send_to(packet, to).expect("sent");
    let mut answer = vec![0; 65_535];
    let bytes = socket.recv(&mut answer).expect("answered");
    answer.truncate(bytes);
    answer
}
