//! Principals as messages and back.

use std::time::Duration;

use data_encoding::HEXLOWER;
use ipnet::IpNet;
use prost_types::Timestamp as ProtoTime;

use crate::face::grpc::{convert, name};
use crate::model::principal::Label;
use crate::model::{
    Credential, FirmId, FirmRole, NodeRole, Party, Principal, PrincipalId, PrincipalState, Reason,
    Refusal, Scope, Timestamp, Verb,
};
use crate::node::{Account, etag};
use crate::wire::proto::v1;
use crate::wire::proto::v1::principal::{Kind, State};

/// What a client says of a principal, each field judged for itself.
pub(super) struct Fields {
    /// Its name for people.
    pub(super) name: Result<Label, Refusal>,
    /// Its role in its firm, if that is given.
    pub(super) role: Option<FirmRole>,
    /// What it is confined to.
    pub(super) scope: Result<Scope, Refusal>,
    firm: Result<Option<FirmId>, Refusal>,
    node_role: Option<NodeRole>,
}

/// The id of `principals/{principal}`, given in `name`.
///
/// # Errors
/// `FieldRequired`, `FieldInvalid`, `IdInvalid`.
pub(super) fn id_of(text: &str) -> Result<PrincipalId, Refusal> {
    let form = "the form is principals/{principal}";
    let id = name::behind(text, "name", "principals/", form)?;
    PrincipalId::parse(id).map_err(|refusal| refusal.field("name"))
}

/// The id of `firms/{firm}`, given in `field`; `None` if it is empty.
///
/// # Errors
/// `FieldInvalid`, `IdInvalid`.
pub(super) fn firm_of(text: &str, field: &'static str) -> Result<Option<FirmId>, Refusal> {
    if text.is_empty() {
        return Ok(None);
    }
    let id = name::behind(text, field, "firms/", "the form is firms/{firm}")?;
    let id = FirmId::parse(id).map_err(|refusal| refusal.field(field))?;
    Ok(Some(id))
}

/// Reads what is given of a principal.
///
/// # Errors
/// `FieldInvalid` for a role that is none.
pub(super) fn fields(message: &v1::Principal) -> Result<Fields, Refusal> {
    let unknown = |field: &'static str, number: i32| {
        let refusal = Refusal::new(Reason::FieldInvalid).field(field);
        refusal.value(number).limit("no such role")
    };
    let node_role = match v1::NodeRole::try_from(message.node_role) {
        Ok(v1::NodeRole::Unspecified) => None,
        Ok(v1::NodeRole::SystemAdministrator) => Some(NodeRole::SystemAdministrator),
        Ok(v1::NodeRole::SecurityAdministrator) => Some(NodeRole::SecurityAdministrator),
        Ok(v1::NodeRole::Auditor) => Some(NodeRole::Auditor),
        Err(_) => return Err(unknown("principal.node_role", message.node_role)),
    };
    let role = match v1::FirmRole::try_from(message.firm_role) {
        Ok(v1::FirmRole::Unspecified) => None,
        Ok(v1::FirmRole::Reader) => Some(FirmRole::Reader),
        Ok(v1::FirmRole::Registrar) => Some(FirmRole::Registrar),
        Ok(v1::FirmRole::Owner) => Some(FirmRole::Owner),
        Err(_) => return Err(unknown("principal.firm_role", message.firm_role)),
    };
    let name = Label::parse(&message.display_name);
    Ok(Fields {
        name: name.map_err(|refusal| refusal.field("principal.display_name")),
        role,
        scope: scope(message.scope.as_ref()),
        firm: firm_of(&message.firm, "principal.firm"),
        node_role,
    })
}

/// Reads a principal that is to be made.
///
/// # Errors
/// `FieldRequired`, `FieldInvalid`, and those of its parts.
pub(super) fn account(message: Option<v1::Principal>) -> Result<Account, Refusal> {
    let message = message.ok_or_else(|| Refusal::new(Reason::FieldRequired).field("principal"))?;
    let Fields {
        name,
        role,
        scope,
        firm,
        node_role,
    } = fields(&message)?;
    let required = |field: &'static str| Refusal::new(Reason::FieldRequired).field(field);
    let party = match (firm?, role, node_role) {
        (Some(firm), Some(role), None) => Party::Firm { firm, role },
        (None, None, Some(role)) => Party::Node(role),
        (Some(_), None, None) => return Err(required("principal.firm_role")),
        (None, _, None) => return Err(required("principal.firm")),
        (_, _, Some(_)) => {
            return Err(Refusal::new(Reason::FieldInvalid)
                .field("principal.node_role")
                .value("given")
                .limit("a principal is the node's, or a firm's with a role there"));
        }
    };
    Ok(Account {
        party,
        name: name?,
        scope: scope?,
    })
}

fn scope(message: Option<&v1::Scope>) -> Result<Scope, Refusal> {
    let Some(message) = message else {
        return Ok(Scope::default());
    };
    let v1::Scope {
        prefixes,
        verbs,
        networks,
        expire_time,
    } = message;
    let prefixes = prefixes.iter().map(|text| {
        let prefix = name::prefix(text, "principal.scope.prefixes")?;
        Ok(prefix.canonical())
    });
    let networks = networks.iter().map(|text| network(text));
    let expires = expire_time.as_ref().map(moment).transpose()?;
    let mut scope = Scope {
        prefixes: prefixes.collect::<Result<_, Refusal>>()?,
        verbs: verbs
            .iter()
            .map(|number| verb(*number))
            .collect::<Result<_, _>>()?,
        networks: networks.collect::<Result<_, _>>()?,
        expires,
    };
    // One spelling for one scope.
    scope.prefixes.sort();
    scope.prefixes.dedup();
    scope.verbs.sort();
    scope.verbs.dedup();
    scope.networks.sort();
    scope.networks.dedup();
    Ok(scope)
}

fn verb(number: i32) -> Result<Verb, Refusal> {
    match v1::Verb::try_from(number) {
        Ok(v1::Verb::Read) => Ok(Verb::Read),
        Ok(v1::Verb::List) => Ok(Verb::List),
        Ok(v1::Verb::Write) => Ok(Verb::Write),
        Ok(v1::Verb::Manage) => Ok(Verb::Manage),
        Ok(v1::Verb::Unspecified) | Err(_) => Err(Refusal::new(Reason::FieldInvalid)
            .field("principal.scope.verbs")
            .value(number)
            .limit("the verbs are READ, LIST, WRITE and MANAGE")),
    }
}

/// A network, or an address, which is one of itself.
fn network(text: &str) -> Result<IpNet, Refusal> {
    let parsed = text.parse::<IpNet>().map(|net| net.trunc());
    let parsed = parsed.or_else(|error| match text.parse::<std::net::IpAddr>() {
        Ok(address) => Ok(IpNet::from(address)),
        Err(_) => Err(error),
    });
    parsed.map_err(|_| {
        Refusal::new(Reason::FieldInvalid)
            .field("principal.scope.networks")
            .value(text)
            .limit("the form is 10.1.0.0/16 or 2001:db8::/32")
    })
}

fn moment(time: &ProtoTime) -> Result<Timestamp, Refusal> {
    let millis = u64::try_from(time.seconds).ok().and_then(|secs| {
        let whole = secs.checked_mul(1000)?;
        whole.checked_add(u64::try_from(time.nanos).ok()? / 1_000_000)
    });
    // The last moment that RFC 3339 can write.
    let millis = millis.filter(|millis| *millis < 253_402_300_800_000);
    millis.map(Timestamp::from_millis).ok_or_else(|| {
        Refusal::new(Reason::FieldInvalid)
            .field("principal.scope.expire_time")
            .value(format!("{}s", time.seconds))
            .limit("from 1970 to 9999")
    })
}

/// How long a secret is to overlap with the one behind it.
///
/// # Errors
/// `FieldInvalid` if it is negative.
pub(super) fn overlap(asked: prost_types::Duration) -> Result<Duration, Refusal> {
    Duration::try_from(asked).map_err(|_| {
        Refusal::new(Reason::FieldInvalid)
            .field("overlap")
            .value(format!("{}s", asked.seconds))
            .limit("0 or more")
    })
}

/// A duration as a message.
pub(super) fn duration(time: Duration) -> prost_types::Duration {
    prost_types::Duration {
        seconds: i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
        nanos: 0,
    }
}

/// A principal as a message.
pub(super) fn principal(principal: &Principal, locked_for: Option<Duration>) -> v1::Principal {
    let Principal {
        id,
        party,
        name,
        credential,
        scope,
        state,
        revision,
        created,
        changed,
    } = principal;
    let (firm, firm_role, node_role) = match party {
        Party::Node(role) => (String::new(), v1::FirmRole::Unspecified, node_role(*role)),
        Party::Firm { firm, role } => (
            format!("firms/{firm}"),
            firm_role(*role),
            v1::NodeRole::Unspecified,
        ),
    };
    let (state, disable_reason) = match state {
        PrincipalState::Active => (State::Active, String::new()),
        PrincipalState::Disabled { reason } => (State::Disabled, reason.clone()),
        PrincipalState::Revoked => (State::Revoked, String::new()),
    };
    let mut message = v1::Principal {
        name: format!("principals/{id}"),
        firm,
        node_role: node_role.into(),
        firm_role: firm_role.into(),
        display_name: name.clone(),
        scope: scope_message(scope),
        state: state.into(),
        disable_reason,
        etag: etag(*revision),
        create_time: Some(convert::time(*created)),
        update_time: Some(convert::time(*changed)),
        locked_for: locked_for.map(duration),
        ..v1::Principal::default()
    };
    match credential {
        Credential::Password {
            hash: _,
            one_time_code,
            is_first,
            used_step: _,
        } => {
            message.kind = Kind::Person.into();
            message.one_time_code = *one_time_code;
            message.first_password = *is_first;
        }
        Credential::Key { hash: _, previous } => {
            message.kind = Kind::Key.into();
            let until = previous.map(|(_, until)| convert::time(until));
            message.previous_secret_expire_time = until;
        }
        Credential::Certificate { fingerprint } => {
            message.kind = Kind::Certificate.into();
            message.fingerprint = HEXLOWER.encode(fingerprint);
        }
    }
    message
}

fn scope_message(scope: &Scope) -> Option<v1::Scope> {
    let Scope {
        prefixes,
        verbs,
        networks,
        expires,
    } = scope;
    let message = v1::Scope {
        prefixes: prefixes.iter().map(|p| format!("prefixes/{p}")).collect(),
        verbs: verbs
            .iter()
            .map(|verb| verb_message(*verb).into())
            .collect(),
        networks: networks.iter().map(ToString::to_string).collect(),
        expire_time: expires.map(convert::time),
    };
    (*scope != Scope::default()).then_some(message)
}

const fn node_role(role: NodeRole) -> v1::NodeRole {
    match role {
        NodeRole::SystemAdministrator => v1::NodeRole::SystemAdministrator,
        NodeRole::SecurityAdministrator => v1::NodeRole::SecurityAdministrator,
        NodeRole::Auditor => v1::NodeRole::Auditor,
    }
}

const fn firm_role(role: FirmRole) -> v1::FirmRole {
    match role {
        FirmRole::Reader => v1::FirmRole::Reader,
        FirmRole::Registrar => v1::FirmRole::Registrar,
        FirmRole::Owner => v1::FirmRole::Owner,
    }
}

const fn verb_message(verb: Verb) -> v1::Verb {
    match verb {
        Verb::Read => v1::Verb::Read,
        Verb::List => v1::Verb::List,
        Verb::Write => v1::Verb::Write,
        Verb::Manage => v1::Verb::Manage,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<&str>) {
        let seen = network(text).ok().map(|net| net.to_string());
        assert_eq!(seen.as_deref(), expected, "{text}");
    }

    #[test]
    fn reads_networks_and_addresses() {
        check("10.1.0.0/16", Some("10.1.0.0/16"));
        check("10.1.2.3/16", Some("10.1.0.0/16"));
        check("10.1.2.3", Some("10.1.2.3/32"));
        check("2001:db8::1", Some("2001:db8::1/128"));
        for bad in ["", "10.1.0.0/33", "10.1", "all", "10.1.0.0/16 "] {
            check(bad, None);
        }
    }

    fn reason(message: v1::Principal) -> Option<(Reason, String)> {
        let refusal = account(Some(message)).err()?;
        Some((refusal.reason(), refusal.field_path().to_owned()))
    }

    #[test]
    fn a_principal_is_the_nodes_or_a_firms() {
        let of_firm = v1::Principal {
            firm: "firms/f-1".into(),
            firm_role: v1::FirmRole::Owner.into(),
            display_name: "王".into(),
            ..v1::Principal::default()
        };
        assert_eq!(reason(of_firm.clone()), None);
        let refused = |change: fn(&mut v1::Principal), reason_expected, field: &str| {
            let mut changed = of_firm.clone();
            change(&mut changed);
            assert_eq!(reason(changed), Some((reason_expected, field.to_owned())));
        };
        use Reason::{FieldInvalid, FieldRequired, IdInvalid, LabelInvalid};
        refused(|p| p.firm_role = 0, FieldRequired, "principal.firm_role");
        refused(|p| p.firm_role = 9, FieldInvalid, "principal.firm_role");
        refused(|p| p.node_role = 9, FieldInvalid, "principal.node_role");
        refused(|p| p.node_role = 1, FieldInvalid, "principal.node_role");
        refused(|p| p.firm.clear(), FieldRequired, "principal.firm");
        refused(|p| p.firm = "f-1".into(), FieldInvalid, "principal.firm");
        refused(|p| p.firm = "firms/F".into(), IdInvalid, "principal.firm");
        refused(
            |p| p.display_name = "a\u{7}".into(),
            LabelInvalid,
            "principal.display_name",
        );
        let with_scope = |scope: v1::Scope| v1::Principal {
            scope: Some(scope),
            ..of_firm.clone()
        };
        let field = |scope| reason(with_scope(scope)).map(|(_, field)| field);
        let expired = v1::Scope {
            expire_time: Some(ProtoTime {
                seconds: -1,
                nanos: 0,
            }),
            ..v1::Scope::default()
        };
        let expected = Some("principal.scope.expire_time".to_owned());
        assert_eq!(field(expired), expected);
        let verbs = v1::Scope {
            verbs: vec![0],
            ..v1::Scope::default()
        };
        assert_eq!(field(verbs), Some("principal.scope.verbs".to_owned()));
    }
}
