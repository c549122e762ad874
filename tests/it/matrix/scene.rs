//! Two firms, their principals, and those of the node: who calls in the matrix.

use std::sync::Arc;

use idnode::access::NewSecret;
use idnode::model::{
    Credential, FirmId, FirmRole, NodeRole, Party as Whose, Prefix, PrefixEntry, PrefixState,
    Principal, PrincipalId, PrincipalState, Scope, SuffixCase, Timestamp,
};
use idnode::store::{self, AnyEntry, Batch, PrefixRow, Store};
use tonic::transport::{Channel, Endpoint};

use idnode::model::FirmState;
use crate::support::{Clients, TestNode, firm, record, text};

/// Who calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Party {
    /// Nobody in particular.
    Anonymous,
    /// An owner of the firm, whose key has expired.
    Expired,
    /// An owner of the firm, whose key was revoked.
    Revoked,
    /// A reader of another firm.
    OtherReader,
    /// A registrar of another firm.
    OtherRegistrar,
    /// An owner of another firm.
    OtherOwner,
    /// A reader of the firm.
    Reader,
    /// A registrar of the firm.
    Registrar,
    /// An owner of the firm.
    Owner,
    /// A system administrator.
    System,
    /// A security administrator.
    Security,
    /// An auditor.
    Auditor,
}

impl Party {
    /// All of them, in the order of the letters of a row.
    pub(super) const ALL: [Self; 12] = [
        Self::Anonymous,
        Self::Expired,
        Self::Revoked,
        Self::OtherReader,
        Self::OtherRegistrar,
        Self::OtherOwner,
        Self::Reader,
        Self::Registrar,
        Self::Owner,
        Self::System,
        Self::Security,
        Self::Auditor,
    ];

    /// Whose principal it is; `None` for whoever shows no key.
    fn whose(self) -> Option<Whose> {
        let member = |id, role| Whose::Firm {
            firm: FirmId::parse(id).unwrap(),
            role,
        };
        Some(match self {
            Self::Anonymous => return None,
            Self::Expired | Self::Revoked | Self::Owner => member(FIRM, FirmRole::Owner),
            Self::OtherReader => member(OTHER_FIRM, FirmRole::Reader),
            Self::OtherRegistrar => member(OTHER_FIRM, FirmRole::Registrar),
            Self::OtherOwner => member(OTHER_FIRM, FirmRole::Owner),
            Self::Reader => member(FIRM, FirmRole::Reader),
            Self::Registrar => member(FIRM, FirmRole::Registrar),
            Self::System => Whose::Node(NodeRole::SystemAdministrator),
            Self::Security => Whose::Node(NodeRole::SecurityAdministrator),
            Self::Auditor => Whose::Node(NodeRole::Auditor),
        })
    }

    /// Under which id the node keeps it.
    fn id(self) -> PrincipalId {
        let name = format!("{self:?}").to_ascii_lowercase();
        PrincipalId::parse(&format!("k-{name}")).unwrap()
    }
}

/// The firm that is asked for.
pub(super) const FIRM: &str = "f-1";
const OTHER_FIRM: &str = "f-2";
/// Its prefix.
pub(super) const PREFIX: &str = "88.118.7";
/// A record that anyone may read.
pub(super) const PUBLIC: &str = "88.118.7/public";
/// A principal of the firm that is kept: the key of its reader.
pub(super) const PRINCIPAL: &str = "principals/k-reader";
/// An etag that nothing has: what asks for it by right is refused as stale, and
/// changes nothing.
pub(super) const STALE: &str = "rffffff";

/// A node with all that the matrix asks for.
pub(super) struct Scene {
    keys: Vec<(Party, String)>,
    certificate: String,
    channel: Channel,
    /// Last: it waits for the connections of those above.
    _node: TestNode,
}

impl Scene {
    pub(super) async fn new() -> Self {
        let mut keys = Vec::new();
        let node = TestNode::start_on(|config| keys = fill(config)).await;
        let clients = node.clients();
        let values = vec![text(1, "URL", "https://a.example/")];
        create(&clients, PUBLIC, values).await;
        let endpoint = Endpoint::from_shared(format!("http://{}", node.http)).unwrap();
        let certificate = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        Self {
            keys,
            certificate: certificate.cert.pem(),
            channel: endpoint.connect_lazy(),
            _node: node,
        }
    }

    pub(super) fn channel(&self) -> &Channel {
        &self.channel
    }

    /// A certificate of a client, PEM.
    pub(super) fn certificate(&self) -> String {
        self.certificate.clone()
    }

    /// What a caller proves itself with.
    pub(super) fn bearer(&self, party: Party) -> Option<&str> {
        let key = self.keys.iter().find(|(other, _)| *other == party);
        key.map(|(_, key)| key.as_str())
    }
}

async fn create(clients: &Clients, identifier: &str, values: Vec<idnode::wire::proto::v1::Value>) {
    let request = idnode::wire::proto::v1::CreateRecordRequest {
        record: Some(record(identifier, values)),
        ..Default::default()
    };
    clients.registry().create_record(request).await.unwrap();
}

/// Puts firms, their prefixes and everybody's keys into an empty store.
fn fill(config: &store::Config) -> Vec<(Party, String)> {
    let store = Store::open(config.clone(), store::Metrics::new()).unwrap();
    let mut batch = Batch::new(&store);
    for (id, prefix) in [(FIRM, PREFIX), (OTHER_FIRM, "88.118.8")] {
        let entry = AnyEntry::Firm(Arc::new(firm(id, FirmState::Active)));
        batch.put_entry(entry).unwrap();
        batch.put_prefix(prefix, held(prefix, id)).unwrap();
    }
    let mut keys = Vec::new();
    for (number, party) in (1..).zip(Party::ALL) {
        let Some(whose) = party.whose() else {
            continue;
        };
        let secret = NewSecret::new(&party.id(), &[number; 32]);
        let principal = principal(party, whose, &secret);
        let entry = AnyEntry::Principal(Arc::new(principal));
        batch.put_entry(entry).unwrap();
        keys.push((party, secret.text.to_string()));
    }
    batch.commit().unwrap();
    keys
}

fn held(prefix: &str, firm: &str) -> PrefixRow {
    PrefixRow {
        entry: Arc::new(PrefixEntry {
            prefix: Prefix::parse(prefix).unwrap(),
            firm: "A firm".into(),
            holder: Some(FirmId::parse(firm).unwrap()),
            state: PrefixState::Active,
            case: SuffixCase::Folded,
            quota: None,
            revision: 1,
            created: Timestamp::from_millis(1),
            changed: Timestamp::from_millis(1),
        }),
        counts: store::Counts::default(),
    }
}

fn principal(party: Party, whose: Whose, secret: &NewSecret) -> Principal {
    let expires = (party == Party::Expired).then(|| Timestamp::from_millis(1));
    Principal {
        id: party.id(),
        party: whose,
        name: format!("{party:?}"),
        credential: Credential::Key {
            hash: secret.hash,
            previous: None,
        },
        scope: Scope {
            expires,
            ..Scope::default()
        },
        state: if party == Party::Revoked {
            PrincipalState::Revoked
        } else {
            PrincipalState::Active
        },
        revision: 1,
        created: Timestamp::from_millis(1),
        changed: Timestamp::from_millis(1),
    }
}
