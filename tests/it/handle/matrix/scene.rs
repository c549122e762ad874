//! Who asks in the table, and what became of them since they proved who they are.

use std::sync::Arc;

use idnode::model::data::{AdminPermissions, PublicKey, ReferenceList};
use idnode::model::{
    FirmId, FirmState, Prefix, PrefixEntry, PrefixState, Reference, SuffixCase, Timestamp,
};
use idnode::store::{AnyEntry, Batch, Counts, PrefixRow};
use idnode::wire::handle::{Flags, OpCode, ResponseCode};
use idnode::wire::proto::v1::{self, Value, value};

use crate::handle::{Fixture, SECRET, admin, assert_code, create, resolution, secret};
use crate::support::handle::{HandleClient, Identity, Key, PrivateKey, Reply, Session, Signing};
use crate::support::{Clients, firm, text, wait_until};

/// Of what the callers ask.
pub(super) const FLAGS: Flags = Flags::RESOLUTION.without(Flags::PUBLIC_ONLY);
/// The prefix that is administered.
pub(super) const PREFIX: &str = "88.118.7";
/// The firm that is suspended, and its prefix.
const FIRM: &str = "f-1";
const FIRMS_PREFIX: &str = "88.118.8";
/// A record with a list of administrators.
const TEAM: &str = "TEST/TEAM";
/// Seconds after which the short session ends.
const SHORT_SECS: u32 = 2;

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Party {
    /// Nobody in particular.
    Anonymous,
    /// Who holds the secret of `300:` this: whom no HS_ADMIN names, whom one lets add
    /// values only, whom one lets do all, or who operates the node.
    Holder(&'static str),
    /// Who proved itself in a session before this became of it.
    InSession(Fate),
    /// Who proved itself in a session that has been unused for too long since.
    SessionOver,
    /// Who proved itself before this became of it, and does so again.
    Again(Fate),
}

/// What becomes of an identity whom an HS_ADMIN lets do all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// The value that is its key is removed: an HS_SECKEY.
    KeyRemoved,
    /// The value that is its key becomes another key: an HS_PUBKEY.
    KeyReplaced,
    /// The record that its key stands in is deleted.
    RecordDeleted,
    /// The HS_ADMIN that names it is removed.
    Unnamed,
    /// The HS_VLIST that an HS_ADMIN names has it no longer.
    Unlisted,
    /// The firm that holds the prefix of its record is suspended.
    FirmSuspended,
}

impl Party {
    /// All of them, in the order of the letters of a row.
    pub(super) const ALL: [Self; 18] = [
        Self::Anonymous,
        Self::Holder("TEST/STRANGER"),
        Self::Holder("TEST/LITTLE"),
        Self::Holder("TEST/FULL"),
        Self::Holder("TEST/ADMIN"),
        Self::InSession(Fate::KeyRemoved),
        Self::InSession(Fate::KeyReplaced),
        Self::InSession(Fate::RecordDeleted),
        Self::InSession(Fate::Unnamed),
        Self::InSession(Fate::Unlisted),
        Self::InSession(Fate::FirmSuspended),
        Self::SessionOver,
        Self::Again(Fate::KeyRemoved),
        Self::Again(Fate::KeyReplaced),
        Self::Again(Fate::RecordDeleted),
        Self::Again(Fate::Unnamed),
        Self::Again(Fate::Unlisted),
        Self::Again(Fate::FirmSuspended),
    ];

    /// The record that its key stands in.
    const fn handle(self) -> Option<&'static str> {
        match self {
            Self::Anonymous => None,
            Self::Holder(handle) => Some(handle),
            Self::SessionOver => Some("TEST/FULL"),
            Self::InSession(fate) | Self::Again(fate) => Some(fate.handle()),
        }
    }

    /// Whether it proves itself whenever it is asked to.
    const fn proves(self) -> bool {
        matches!(self, Self::Holder(_) | Self::Again(_))
    }
}

impl Fate {
    const ALL: [Self; 6] = [
        Self::KeyRemoved,
        Self::KeyReplaced,
        Self::RecordDeleted,
        Self::Unnamed,
        Self::Unlisted,
        Self::FirmSuspended,
    ];

    const fn handle(self) -> &'static str {
        match self {
            Self::KeyRemoved => "TEST/REMOVED",
            Self::KeyReplaced => "TEST/REPLACED",
            Self::RecordDeleted => "TEST/DELETED",
            Self::Unnamed => "TEST/UNNAMED",
            Self::Unlisted => "TEST/UNLISTED",
            Self::FirmSuspended => "88.118.8/APP",
        }
    }

    /// The index of the HS_ADMIN that names it.
    const fn admin_index(self) -> u32 {
        110 + self as u32
    }

    /// The HS_ADMIN that names it.
    fn admin(self) -> Value {
        let index = self.admin_index();
        match self {
            Self::Unlisted => admin(index, 0x0fff, 200, TEAM),
            _ => admin(index, 0x0fff, 300, self.handle()),
        }
    }

    /// Has it come, by who operates the node.
    async fn befall(self, fixture: &Fixture) {
        let clients = fixture.node.clients();
        match self {
            Self::KeyRemoved => remove_value(&clients, self.handle(), 300).await,
            Self::KeyReplaced => {
                let key = PrivateKey::new(Signing::RsaSha256).public_pem();
                modify(&clients, self.handle(), text(300, "HS_PUBKEY", &key)).await;
            }
            Self::RecordDeleted => {
                let delete = v1::DeleteRecordRequest {
                    name: format!("records/{}", self.handle()),
                    ..v1::DeleteRecordRequest::default()
                };
                clients.registry().delete_record(delete).await.unwrap();
            }
            Self::Unnamed => {
                let record = format!("0.NA/{PREFIX}");
                remove_value(&clients, &record, self.admin_index()).await;
            }
            Self::Unlisted => modify(&clients, TEAM, list_of("300:TEST/FULL")).await,
            Self::FirmSuspended => {
                let suspend = v1::SuspendFirmRequest {
                    name: format!("firms/{FIRM}"),
                    reason: "a test".into(),
                    ..v1::SuspendFirmRequest::default()
                };
                let security = fixture.node.security();
                security.firms().suspend_firm(suspend).await.unwrap();
            }
        }
    }
}

/// The record that a caller changes.
pub(super) fn target(caller: usize) -> String {
    format!("{PREFIX}/OLD-{caller}")
}

/// Asks for a value that the public may not read.
pub(super) fn hidden() -> Vec<u8> {
    let mut body = Vec::new();
    resolution(&target(0), &[3], &[])(&mut body);
    body
}

/// A node with all that the table asks for.
pub(super) struct Scene {
    fixture: Fixture,
    /// The key pair of the identity whose key is replaced.
    pair: PrivateKey,
    /// The session of each caller that has one.
    sessions: [Option<Session>; Party::ALL.len()],
}

impl Scene {
    pub(super) async fn new() -> Self {
        let mut fixture = Fixture::new().await;
        fixture.node = fixture.node.seed_by(put_firm).await;
        let pair = PrivateKey::new(Signing::RsaSha256);
        fill(&fixture.node.clients(), &pair).await;
        let mut scene = Self {
            fixture,
            pair,
            sessions: std::array::from_fn(|_| None),
        };
        let site_key = scene.fixture.site_key().await;
        for (caller, party) in Party::ALL.into_iter().enumerate() {
            match party {
                Party::Anonymous | Party::Holder(_) => {}
                Party::InSession(_) => scene.open(caller, 86_400, &site_key).await,
                Party::SessionOver => scene.open(caller, SHORT_SECS, &site_key).await,
                Party::Again(_) => {
                    let reply = scene.ask(caller, OpCode::RESOLUTION, &hidden()).await;
                    assert_code(&reply, ResponseCode::SUCCESS);
                }
            }
        }
        for fate in Fate::ALL {
            fate.befall(&scene.fixture).await;
        }
        scene.outlast().await;
        scene
    }

    /// Asks as a caller: in its session, if it has one.
    pub(super) async fn ask(&mut self, caller: usize, op_code: OpCode, body: &[u8]) -> Reply {
        let mut client = HandleClient::connect(self.fixture.address()).await;
        let party = Party::ALL[caller];
        client.identity = self.identity(party).filter(|_| party.proves());
        client.session = self.sessions[caller].take();
        let encode = |out: &mut Vec<u8>| out.extend_from_slice(body);
        let reply = client.ask(op_code, FLAGS, encode).await;
        self.sessions[caller] = client.session.take();
        reply
    }

    /// Sets a caller's session up and has it prove itself there. A short one may be
    /// over before: then it is done again.
    async fn open(&mut self, caller: usize, timeout_secs: u32, site_key: &PublicKey) {
        let identity = self.identity(Party::ALL[caller]).expect("a holder");
        wait_until("a session that is proven", async || {
            let mut client = HandleClient::connect_as(self.fixture.address(), &identity).await;
            let claimed = (identity.handle.as_str(), identity.index);
            let set_up = client.set_up_session_for(claimed, timeout_secs, site_key, false);
            set_up.await;
            let encode = |out: &mut Vec<u8>| out.extend_from_slice(&hidden());
            let reply = client.ask(OpCode::RESOLUTION, FLAGS, encode).await;
            self.sessions[caller] = client.session.take();
            reply.code() == ResponseCode::SUCCESS
        })
        .await;
    }

    /// Waits until the short session is over. What does not match a session's key is
    /// no use of it.
    async fn outlast(&mut self) {
        let caller = Party::ALL.iter().position(|p| *p == Party::SessionOver);
        let caller = caller.expect("a caller");
        let mut client = HandleClient::connect(self.fixture.address()).await;
        client.session = self.sessions[caller].take();
        wait_until("the end of a session", async || {
            let bare = client.message(OpCode::GET_SITE_INFO, FLAGS, &[], false);
            client.exchange(&bare).await.code() != ResponseCode::INVALID_CREDENTIAL
        })
        .await;
        self.sessions[caller] = client.session.take();
    }

    fn identity(&self, party: Party) -> Option<Identity> {
        let key = match party {
            Party::InSession(Fate::KeyReplaced) | Party::Again(Fate::KeyReplaced) => {
                Key::Pair(self.pair.clone())
            }
            _ => Key::Secret(SECRET.to_vec(), 0x13),
        };
        Some(Identity {
            handle: party.handle()?.into(),
            index: 300,
            key,
        })
    }
}

/// Puts a firm that is active, and its prefix.
fn put_firm(batch: &mut Batch<'_>) {
    let entry = AnyEntry::Firm(Arc::new(firm(FIRM, FirmState::Active)));
    batch.put_entry(entry).unwrap();
    let row = PrefixRow {
        entry: Arc::new(PrefixEntry {
            prefix: Prefix::parse(FIRMS_PREFIX).unwrap(),
            firm: "A firm".into(),
            holder: Some(FirmId::parse(FIRM).unwrap()),
            state: PrefixState::Active,
            case: SuffixCase::Folded,
            quota: None,
            revision: 1,
            created: Timestamp::from_millis(1),
            changed: Timestamp::from_millis(1),
        }),
        counts: Counts::default(),
        labels_max: Some(0),
    };
    batch.put_prefix(FIRMS_PREFIX, row).unwrap();
}

/// Registers the identities, and what they ask for.
async fn fill(clients: &Clients, pair: &PrivateKey) {
    for prefix in [PREFIX, "88.118.9"] {
        clients.home_prefix(prefix).await;
    }
    for identity in ["TEST/STRANGER", "TEST/LITTLE", "TEST/FULL"] {
        create(clients, identity, vec![secret(300, SECRET)]).await;
    }
    for fate in Fate::ALL {
        let key = match fate {
            Fate::KeyReplaced => text(300, "HS_PUBKEY", &pair.public_pem()),
            _ => secret(300, SECRET),
        };
        let values = vec![text(1, "DESC", "an application"), key];
        create(clients, fate.handle(), values).await;
    }
    let list = list_of(&format!("300:{}", Fate::Unlisted.handle()));
    create(clients, TEAM, vec![list]).await;
    let admins = || {
        vec![
            admin(100, 0x0fff, 300, "TEST/FULL"),
            admin(101, AdminPermissions::ADD_VALUE, 300, "TEST/LITTLE"),
        ]
    };
    let mut of_prefix = admins();
    of_prefix.extend(Fate::ALL.map(Fate::admin));
    create(clients, &format!("0.NA/{PREFIX}"), of_prefix).await;
    for caller in 0..Party::ALL.len() {
        let mut values = admins();
        values.push(text(1, "URL", "https://a.example/"));
        values.push(Value {
            r#type: "DESC".into(),
            ..secret(3, b"hidden")
        });
        create(clients, &target(caller), values).await;
    }
}

/// An HS_VLIST of one.
fn list_of(member: &str) -> Value {
    let list = ReferenceList {
        references: vec![Reference::parse(member).unwrap()],
    };
    Value {
        index: 200,
        r#type: "HS_VLIST".into(),
        data: Some(value::Data::Binary(list.encode().into())),
        ..Value::default()
    }
}

async fn remove_value(clients: &Clients, identifier: &str, index: u32) {
    let remove = v1::RemoveValuesRequest {
        name: format!("records/{identifier}"),
        indices: vec![index],
        ..v1::RemoveValuesRequest::default()
    };
    clients.registry().remove_values(remove).await.unwrap();
}

async fn modify(clients: &Clients, identifier: &str, value: Value) {
    let modify = v1::ModifyValuesRequest {
        name: format!("records/{identifier}"),
        values: vec![value],
        ..v1::ModifyValuesRequest::default()
    };
    clients.registry().modify_values(modify).await.unwrap();
}
