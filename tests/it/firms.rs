//! Firms, from their application to their retirement: who does what, what anyone
//! else sees, and what becomes of their people's data.

mod cli;
mod face;
mod hostile;
mod life;
mod people;
mod roles;
mod routed;

use std::cell::Cell;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use idnode::cluster;
use idnode::model::firm::{
    CitizenNumber, Contact, CreditCode, DocumentKind, Email, Facts, Firm, FirmState, Hosting,
    Industry, LegalPerson, Personal, Phone, Region, StepKind, Text, WantedPrefix,
};
use idnode::model::{
    Caller, FirmId, FirmRole, Member, NodeRole, Operator, Party, Principal, PrincipalId, Reason,
    Refusal, Scope, Timestamp, Who,
};
use idnode::node::{
    Application, Change, Clock, FirmAction, Metrics, Node, OfficeChange, Paper, RequestId, Write,
    firm_of,
};
use idnode::store::{self, Store};
use zeroize::Zeroizing;

/// What a paper of the tests is made of.
const LICENCE: &[u8] = b"%PDF-1.7 a business licence, all canary-5f1c";
/// People that must be found nowhere in the clear.
const LEGAL_PERSON: &str = "李金丝雀";
const PHONE: &str = "0577-62770001";
const EMAIL: &str = "canary@f7.wenzhou.example";
const CITIZEN: &str = "11010519491231002X";
/// Two codes with right check characters.
const CODE: &str = "91350100M000100Y43";
const OTHER_CODE: &str = "914403001922038216";

thread_local! {
    /// The time at which the test's own thread asks.
    static NOW: Cell<u64> = const { Cell::new(1_800_000_000_000) };
}

/// Lets days go by.
fn wait_days(days: u64) {
    NOW.set(NOW.get() + days * 86_400_000);
}

/// Octets that do not repeat.
fn chance(out: &mut [u8]) {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    for part in out.chunks_mut(8) {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let octets = number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
        part.copy_from_slice(&octets[..part.len()]);
    }
}

/// A node without faces.
struct Office {
    node: Node,
    store: Arc<Store>,
    writer: JoinHandle<()>,
}

impl Office {
    fn open(folder: &Path) -> Self {
        let config = store::Config {
            data_dir: folder.to_owned(),
            cache_bytes: 8 << 20,
            write_buffer_bytes: 1 << 20,
            disk_reserve_bytes: 0,
            ..store::Config::default()
        };
        let store = Arc::new(Store::open(config, store::Metrics::new()).expect("opens"));
        let clock = Clock {
            now: || Timestamp::from_millis(NOW.get()),
            elapsed: || Duration::ZERO,
        };
        let log = cluster::Config::default();
        let started = Node::start(Arc::clone(&store), &log, (clock, chance), Metrics::new());
        let (node, writer) = started.expect("starts");
        Self {
            node,
            store,
            writer,
        }
    }

    async fn close(self) {
        self.node.close().await;
        self.writer.join().expect("the writer ends");
    }

    /// Begins an application; the firm and its owner.
    async fn apply(&self, facts: Facts) -> (FirmId, Caller) {
        let application = Application {
            facts,
            people: people(),
        };
        let applied = self.node.apply_firm(&Caller::ANONYMOUS, application).await;
        let (firm, key) = applied.expect("applies");
        assert_eq!(firm.state, FirmState::Draft);
        (firm.id.clone(), self.owner(&firm.id, &key))
    }

    /// The owner whose key was shown.
    fn owner(&self, firm: &FirmId, key: &str) -> Caller {
        let id = key.split('_').nth(1).expect("a key");
        let directory = self.store.directory();
        let principal = directory.find::<Principal>(id).expect("kept");
        let party = Party::Firm {
            firm: firm.clone(),
            role: FirmRole::Owner,
        };
        assert_eq!(principal.party, party);
        member(firm, id, FirmRole::Owner)
    }

    async fn make(&self, caller: &Caller, change: Change) -> Result<Arc<Firm>, Refusal> {
        self.make_once(caller, change, None).await
    }

    async fn make_once(
        &self,
        caller: &Caller,
        change: Change,
        request_id: Option<&str>,
    ) -> Result<Arc<Firm>, Refusal> {
        let request_id = request_id.map(|id| RequestId::parse(id).expect("an id"));
        let write = Write { change, request_id };
        firm_of(self.node.execute(caller, write).await?)
    }

    async fn step(
        &self,
        caller: &Caller,
        id: &FirmId,
        kind: StepKind,
    ) -> Result<Arc<Firm>, Refusal> {
        self.make(caller, step(id, kind)).await
    }

    async fn attach(&self, owner: &Caller, id: &FirmId) -> Result<Arc<Firm>, Refusal> {
        let change = self.attachment(owner, id, LICENCE)?;
        self.make(owner, change).await
    }

    fn attachment(&self, caller: &Caller, id: &FirmId, contents: &[u8]) -> Result<Change, Refusal> {
        let paper = Paper {
            kind: DocumentKind::BusinessLicence,
            name: Text::parse("营业执照.pdf", "name").expect("a name"),
            contents: Zeroizing::new(contents.to_vec()),
        };
        self.node.firm_attachment(caller, id.clone(), paper, None)
    }

    /// A firm in the state that these steps lead to.
    async fn firm(&self, facts: Facts, kinds: &[StepKind]) -> (FirmId, Caller) {
        let (id, owner) = self.apply(facts).await;
        self.attach(&owner, &id).await.expect("attaches");
        for kind in kinds {
            let by = match kind {
                StepKind::Submit => owner.clone(),
                StepKind::Verify | StepKind::Activate => system(),
                StepKind::Reject
                | StepKind::Approve
                | StepKind::Suspend
                | StepKind::Reinstate
                | StepKind::Retire
                | StepKind::Erase => security(),
                StepKind::Apply => panic!("it was applied for"),
            };
            self.step(&by, &id, *kind).await.expect("an arrow");
        }
        (id, owner)
    }
}

/// Steps that lead to an active firm.
const TO_ACTIVE: [StepKind; 4] = [
    StepKind::Submit,
    StepKind::Verify,
    StepKind::Approve,
    StepKind::Activate,
];

fn step(id: &FirmId, kind: StepKind) -> Change {
    change(
        id,
        FirmAction::Step {
            kind,
            note: "because".into(),
            etag: None,
        },
    )
}

fn change(id: &FirmId, action: FirmAction) -> Change {
    Change::Office(OfficeChange::Firm {
        id: id.clone(),
        action,
    })
}

fn operator(role: NodeRole) -> Caller {
    Caller::of(Who::Operator(Operator {
        id: format!("{role:?}").into(),
        role,
    }))
}

fn system() -> Caller {
    operator(NodeRole::SystemAdministrator)
}

fn security() -> Caller {
    operator(NodeRole::SecurityAdministrator)
}

fn auditor() -> Caller {
    operator(NodeRole::Auditor)
}

fn member(firm: &FirmId, principal: &str, role: FirmRole) -> Caller {
    Caller::of(Who::Member(Member {
        principal: PrincipalId::parse(principal).expect("an id"),
        firm: firm.clone(),
        role,
        scope: Arc::new(Scope::default()),
    }))
}

fn from(source: &str) -> Caller {
    let source: IpAddr = source.parse().expect("an address");
    Caller::anonymous(source)
}

/// Facts of a firm with this code that would like this prefix.
fn facts(code: &str, prefix: &str) -> Facts {
    Facts {
        name: Text::parse("温州霁澜川电器有限公司", "name").expect("a name"),
        credit_code: CreditCode::parse(code).expect("a code"),
        region: Region::parse("330382").expect("a division"),
        address: Text::parse("柳市镇电器大道 1 号", "address").expect("an address"),
        industry: Industry::parse("C3823").expect("a class"),
        wanted_prefix: WantedPrefix::parse(prefix).expect("a prefix"),
        hosting: Hosting::Hosted,
    }
}

fn people() -> Personal {
    let name = Text::parse(LEGAL_PERSON, "name").expect("a name");
    Personal {
        legal_person: LegalPerson {
            name: name.clone(),
            citizen_number: CitizenNumber::parse(CITIZEN).ok(),
        },
        contact: Contact {
            name,
            phone: Phone::parse(PHONE).expect("a number"),
            email: Email::parse(EMAIL).expect("an address"),
        },
    }
}

#[track_caller]
fn assert_refused<T: std::fmt::Debug>(result: Result<T, Refusal>, expected: Reason) -> Refusal {
    let refusal = result.expect_err(expected.code());
    assert_eq!(refusal.reason(), expected, "{refusal}");
    refusal
}
