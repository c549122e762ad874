//! Templates from outside: over gRPC, by the members of a firm, and with the
//! command line.

mod firm;
mod sector;
mod uniques;

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use idnode::cluster;
use idnode::model::template::draft::{Draft, DraftItem, DraftKind};
use idnode::model::template::{Template, Version};
use idnode::model::{
    Caller, Credential, Firm, FirmId, FirmRole, FirmState, Identifier, Member, Party, Permissions,
    Prefix, PrefixEntry, PrefixState, Principal, PrincipalId, PrincipalState, Reason, Refusal,
    Scope, SuffixCase, TemplateId, Timestamp, Ttl, Value, ValueType, Who,
};
use idnode::node::{
    AnyEntry, Applied, Change, Clock, Metrics, Node, OfficeChange, RecordAction, TemplateAction,
    Write,
};
use idnode::store::{self, Batch, Counts, PrefixRow, Store};

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

/// A node without faces, with two firms and a prefix of each: `88.1.1` of the firm
/// `f1`, `88.1.2` of `f2`.
struct Office {
    node: Node,
    store: Arc<Store>,
    writer: JoinHandle<()>,
}

impl Office {
    fn open(folder: &std::path::Path) -> Self {
        let config = store::Config {
            data_dir: folder.to_owned(),
            cache_bytes: 8 << 20,
            write_buffer_bytes: 1 << 20,
            disk_reserve_bytes: 0,
            ..store::Config::default()
        };
        let store = Arc::new(Store::open(config, store::Metrics::new()).expect("opens"));
        let clock = Clock {
            now: || NOW,
            elapsed: || Duration::ZERO,
        };
        let log = cluster::Config::default();
        let (node, writer) =
            Node::start(Arc::clone(&store), &log, (clock, |_| ()), Metrics::new()).expect("starts");
        Self {
            node,
            store,
            writer,
        }
    }

    /// The same with the two firms.
    fn new(folder: &std::path::Path) -> Self {
        let office = Self::open(folder);
        let mut batch = Batch::new(&office.store);
        for number in 1..=2 {
            let id = firm(number);
            batch
                .put_entry(AnyEntry::Firm(Arc::new(firm_entry(&id))))
                .expect("put");
            for role in [FirmRole::Reader, FirmRole::Registrar, FirmRole::Owner] {
                let principal = AnyEntry::Principal(Arc::new(principal(&id, role)));
                batch.put_entry(principal).expect("put");
            }
            let entry = prefix_entry(number, id);
            let row = PrefixRow {
                entry: Arc::new(entry.clone()),
                counts: Counts::default(),
                labels_max: Some(0),
            };
            batch
                .put_prefix(&entry.prefix.canonical(), row)
                .expect("put");
        }
        batch.commit().expect("commits");
        office
    }

    async fn close(self) {
        self.node.close().await;
        self.writer.join().expect("the writer ends");
        assert_eq!(self.store.check_counts().expect("reads"), None);
    }

    async fn reopen(self, folder: &std::path::Path) -> Self {
        self.close().await;
        Self::open(folder)
    }

    async fn write(&self, caller: &Caller, change: Change) -> Result<Applied, Refusal> {
        let write = Write {
            change,
            request_id: None,
        };
        self.node.execute(caller, write).await
    }

    async fn template(
        &self,
        caller: &Caller,
        id: &str,
        action: TemplateAction,
    ) -> Result<Arc<Template>, Refusal> {
        let id = TemplateId::parse(id).expect("id");
        let change = Change::Office(OfficeChange::Template { id, action });
        match self.write(caller, change).await? {
            Applied::Entry(AnyEntry::Template(template)) => Ok(template),
            other => panic!("{other:?}"),
        }
    }

    async fn record(
        &self,
        caller: &Caller,
        identifier: &str,
        action: RecordAction,
    ) -> Result<Vec<Value>, Refusal> {
        let identifier = Identifier::parse(identifier).expect("identifier");
        match self
            .write(caller, Change::Record { identifier, action })
            .await?
        {
            Applied::Record { record, .. } => Ok(record.values.clone()),
            other => panic!("{other:?}"),
        }
    }

    async fn create(
        &self,
        caller: &Caller,
        identifier: &str,
        values: Vec<Value>,
    ) -> Result<Vec<Value>, Refusal> {
        let action = RecordAction::Create {
            values,
            readers: None,
            reuse_deleted: false,
        };
        self.record(caller, identifier, action).await
    }
}

fn firm(number: u32) -> FirmId {
    FirmId::parse(&format!("f{number}")).expect("id")
}

/// The member of a firm with this role.
fn member(number: u32, role: FirmRole) -> Caller {
    let firm = firm(number);
    Caller::of(Who::Member(Member {
        principal: principal_id(&firm, role),
        firm,
        role,
        scope: Arc::new(Scope::default()),
    }))
}

fn owner(number: u32) -> Caller {
    member(number, FirmRole::Owner)
}

fn administrator() -> Caller {
    Caller::system_administrator("test")
}

fn principal_id(firm: &FirmId, role: FirmRole) -> PrincipalId {
    let role = format!("{role:?}").to_lowercase();
    PrincipalId::parse(&format!("{firm}-{role}")).expect("id")
}

fn principal(firm: &FirmId, role: FirmRole) -> Principal {
    Principal {
        id: principal_id(firm, role),
        party: Party::Firm {
            firm: firm.clone(),
            role,
        },
        name: "a key of the tests".to_owned(),
        credential: Credential::Key {
            hash: [7; 32],
            previous: None,
        },
        scope: Scope::default(),
        state: PrincipalState::Active,
        revision: 0,
        created: NOW,
        changed: NOW,
    }
}

fn firm_entry(id: &FirmId) -> Firm {
    crate::support::firm(id.as_str(), FirmState::Active)
}

fn prefix_entry(number: u32, holder: FirmId) -> PrefixEntry {
    PrefixEntry {
        prefix: Prefix::parse(&format!("88.1.{number}")).expect("prefix"),
        firm: "A firm of the tests".to_owned(),
        holder: Some(holder),
        state: PrefixState::Active,
        case: SuffixCase::Folded,
        quota: None,
        revision: 0,
        created: NOW,
        changed: NOW,
    }
}

fn value(index: u32, value_type: &str, data: &str) -> Value {
    Value {
        index,
        value_type: ValueType::parse(value_type).expect("type"),
        data: data.into(),
        ttl: Ttl::DEFAULT,
        permissions: Permissions::DEFAULT,
        changed: Timestamp::default(),
        references: Vec::new(),
        readers: None,
    }
}

fn under(template: &str) -> Value {
    value(1000, "TEMPLATE", template)
}

fn version_value(number: &str) -> Value {
    value(1001, "TEMPLATE_VERSION", number)
}

fn text_item(index: u32, name: &str) -> DraftItem {
    DraftItem {
        index,
        name: name.to_owned(),
        label: "数据项".to_owned(),
        note: String::new(),
        kind: DraftKind::Text {
            length_min: None,
            length_max: Some(10),
            pattern: None,
        },
        required: false,
        unique: false,
        disabled: false,
        list: None,
        readers: None,
    }
}

fn draft(items: Vec<DraftItem>) -> Draft {
    Draft {
        label: "断路器".to_owned(),
        items,
        ..Draft::default()
    }
}

fn version(items: Vec<DraftItem>) -> Box<Version> {
    Box::new(Version::new(&draft(items)).expect("sound"))
}

/// A template with a required name and a unique serial.
fn breaker() -> Box<Version> {
    let mut name = text_item(2000, "name");
    name.required = true;
    let mut serial = text_item(2005, "serial");
    serial.unique = true;
    version(vec![name, serial, text_item(2010, "note")])
}

#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T, Refusal>, reason: Reason) -> Refusal {
    let refusal = result.expect_err("refused");
    assert_eq!(refusal.reason(), reason, "{refusal}");
    refusal
}
