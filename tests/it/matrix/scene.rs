//! Two firms, their principals, and those of the node: who calls in the matrix.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use idnode::access::NewSecret;
use idnode::model::{
    Credential, FirmId, FirmRole, NodeRole, Party as Whose, Prefix, PrefixEntry, PrefixState,
    Principal, PrincipalId, PrincipalState, Scope, SuffixCase, Timestamp,
};
use idnode::store::{self, AnyEntry, Batch, PrefixRow};
use idnode::wire::proto::v1;
use tonic::transport::{Channel, Endpoint};

use crate::support::{Clients, TestNode, firm, record, text};
use idnode::model::FirmState;

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
    /// Who has a share link of the firm.
    Guest,
}

impl Party {
    /// All of them, in the order of the letters of a row.
    pub(super) const ALL: [Self; 13] = [
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
        Self::Guest,
    ];

    /// Whose principal it is; `None` for whoever shows no key.
    fn whose(self) -> Option<Whose> {
        let member = |id, role| Whose::Firm {
            firm: FirmId::parse(id).unwrap(),
            role,
        };
        Some(match self {
            Self::Anonymous | Self::Guest => return None,
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
/// A record that the firm keeps to itself.
pub(super) const RESTRICTED: &str = "88.118.7/restricted";
/// An identifier with a link that the firms at its ends see.
pub(super) const AT_ENDS: &str = "88.118.7/at_ends";
/// An identifier with a link that the firm keeps to itself.
pub(super) const OWN: &str = "88.118.7/own";
/// A template of the firm.
pub(super) const TEMPLATE: &str = "templates/f-1-t";
/// A principal of the firm that is kept: the key of its reader.
pub(super) const PRINCIPAL: &str = "principals/k-reader";
/// An etag that nothing has: what asks for it by right is refused as stale, and
/// changes nothing.
pub(super) const STALE: &str = "rffffff";

/// A node with all that the matrix asks for.
pub(super) struct Scene {
    keys: Vec<(Party, String)>,
    certificate: String,
    group: String,
    share: String,
    channel: Channel,
    /// Last: it waits for the connections of those above.
    _node: TestNode,
}

impl Scene {
    pub(super) async fn new() -> Self {
        let mut keys = Vec::new();
        let node = TestNode::start().await;
        let node = node.seed_by(|batch| keys = fill(batch)).await;
        let clients = node.clients();
        let values = vec![text(1, "URL", "https://a.example/")];
        create(&clients, record(PUBLIC, values.clone())).await;
        let restricted = v1::Record {
            readers: Some(v1::Readers::default()),
            ..record(RESTRICTED, values)
        };
        create(&clients, restricted).await;
        let owner = keys.iter().find(|(party, _)| *party == Party::Owner);
        let owner = node.clients_with(&owner.unwrap().1);
        let template = v1::CreateTemplateRequest {
            template: Some(template(TEMPLATE, FIRM)),
            ..v1::CreateTemplateRequest::default()
        };
        owner.templates().create_template(template).await.unwrap();
        let group = v1::CreateGroupRequest {
            group: Some(group()),
            ..v1::CreateGroupRequest::default()
        };
        let group = owner.sharing().create_group(group).await.unwrap();
        let share = v1::CreateShareRequest {
            share: Some(share()),
            ..v1::CreateShareRequest::default()
        };
        let share = owner.sharing().create_share(share).await.unwrap();
        let share = share.into_inner();
        for (source, visibility) in LINKS {
            let link = v1::StateLinkRequest {
                link: Some(link(source, visibility)),
                ..v1::StateLinkRequest::default()
            };
            owner.links().state_link(link).await.unwrap();
        }
        keys.push((Party::Guest, share.token));
        let endpoint = Endpoint::from_shared(format!("http://{}", node.http)).unwrap();
        let certificate = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        Self {
            keys,
            group: group.into_inner().name,
            share: share.share.unwrap().name,
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

    /// The name of a group of the firm.
    pub(super) fn group(&self) -> String {
        self.group.clone()
    }

    /// The name of a share of the firm.
    pub(super) fn share(&self) -> String {
        self.share.clone()
    }

    /// What a caller proves itself with.
    pub(super) fn bearer(&self, party: Party) -> Option<&str> {
        let key = self.keys.iter().find(|(other, _)| *other == party);
        key.map(|(_, key)| key.as_str())
    }
}

async fn create(clients: &Clients, record: v1::Record) {
    let request = v1::CreateRecordRequest {
        record: Some(record),
        ..v1::CreateRecordRequest::default()
    };
    clients.registry().create_record(request).await.unwrap();
}

/// A template, to be made.
pub(super) fn template(name: &str, firm: &str) -> v1::Template {
    let firm = match firm {
        "" => String::new(),
        firm => format!("firms/{firm}"),
    };
    v1::Template {
        name: name.into(),
        firm,
        label: "模板".into(),
        items: vec![v1::TemplateItem {
            index: 2000,
            name: "name".into(),
            label: "产品名称".into(),
            kind: Some(v1::template_item::Kind::Text(v1::TextKind::default())),
            ..v1::TemplateItem::default()
        }],
        ..v1::Template::default()
    }
}

/// What the firm states links of, and who sees them.
const LINKS: [(&str, v1::link::Visibility); 3] = [
    (PUBLIC, v1::link::Visibility::Public),
    (AT_ENDS, v1::link::Visibility::Ends),
    (OWN, v1::link::Visibility::Owner),
];

/// A link of the firm to an identifier of the other.
pub(super) fn link(source: &str, visibility: v1::link::Visibility) -> v1::Link {
    v1::Link {
        name: Some(link_name(source)),
        visibility: visibility.into(),
        ..v1::Link::default()
    }
}

/// What such a link is called.
pub(super) fn link_name(source: &str) -> v1::LinkName {
    v1::LinkName {
        source: source.into(),
        kind: "contains".into(),
        target: "88.118.8/part".into(),
        owner: format!("firms/{FIRM}"),
    }
}

/// A group of the firm, to be made.
pub(super) fn group() -> v1::Group {
    v1::Group {
        owner: format!("firms/{FIRM}"),
        display_name: "Buyers".into(),
        members: vec![format!("firms/{OTHER_FIRM}")],
        ..v1::Group::default()
    }
}

/// A share of the firm, to be made: of nothing that other rows ask for.
pub(super) fn share() -> v1::Share {
    let tomorrow = now() + Duration::from_secs(86_400);
    v1::Share {
        owner: format!("firms/{FIRM}"),
        purpose: "the matrix".into(),
        targets: vec!["88.118.7/shared.*".into()],
        expire_time: Some(tomorrow.into()),
        ..v1::Share::default()
    }
}

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + SystemTime::UNIX_EPOCH.elapsed().unwrap()
}

/// Puts firms, their prefixes and everybody's keys into a store.
fn fill(batch: &mut Batch<'_>) -> Vec<(Party, String)> {
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
        labels_max: Some(0),
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
