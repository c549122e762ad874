//! What principals may be confined to, by whom: nobody gives more than it has.

use std::collections::BTreeSet;

use crate::model::limits::SCOPE_ITEMS_MAX;
use crate::model::{Caller, Party, Reason, Refusal, Scope, Who};

/// Checks that `caller` may confine a principal of `party` to `scope`, and to no
/// less.
///
/// # Errors
/// [`Reason::FieldInvalid`], [`Reason::ScopeExceeded`].
pub(super) fn check_scope(caller: &Caller, party: &Party, scope: &Scope) -> Result<(), Refusal> {
    let lists = [
        ("principal.scope.prefixes", scope.prefixes.len()),
        ("principal.scope.verbs", scope.verbs.len()),
        ("principal.scope.networks", scope.networks.len()),
    ];
    for (field, count) in lists {
        if count > SCOPE_ITEMS_MAX {
            return Err(Refusal::new(Reason::FieldInvalid)
                .field(field)
                .value(count)
                .limit(format!("at most {SCOPE_ITEMS_MAX}")));
        }
    }
    let is_of_node = matches!(party, Party::Node(_));
    if is_of_node && !(scope.prefixes.is_empty() && scope.verbs.is_empty()) {
        return Err(Refusal::new(Reason::FieldInvalid)
            .field("principal.scope")
            .value("prefixes or verbs")
            .limit("a principal of the node is confined by its role"));
    }
    check_covered(caller, scope)
}

/// Refuses `scope` where it allows more than the caller's own.
///
/// # Errors
/// [`Reason::ScopeExceeded`].
pub(super) fn check_covered(caller: &Caller, scope: &Scope) -> Result<(), Refusal> {
    let Who::Member(member) = &caller.who else {
        return Ok(());
    };
    let Scope {
        prefixes,
        verbs,
        networks,
        expires,
    } = &*member.scope;
    let are_within = |own: &[String], asked: &[String]| {
        let own = own.iter().collect::<BTreeSet<_>>();
        own.is_empty() || (!asked.is_empty() && asked.iter().all(|item| own.contains(item)))
    };
    let verbs_within = verbs.is_empty()
        || (!scope.verbs.is_empty() && scope.verbs.iter().all(|verb| verbs.contains(verb)));
    let networks_within = networks.is_empty()
        || (!scope.networks.is_empty()
            && scope
                .networks
                .iter()
                .all(|asked| networks.iter().any(|own| own.contains(asked))));
    let expires_within = expires.is_none_or(|own| scope.expires.is_some_and(|asked| asked <= own));
    let broader = [
        ("prefixes", are_within(prefixes, &scope.prefixes)),
        ("verbs", verbs_within),
        ("networks", networks_within),
        ("expire_time", expires_within),
    ]
    .into_iter()
    .find(|(_, is_within)| !is_within);
    match broader {
        None => Ok(()),
        Some((what, _)) => Err(Refusal::new(Reason::ScopeExceeded)
            .field(format!("principal.scope.{what}"))
            .limit(what)),
    }
}
