//! People, keys and certificates: who they are taken for, and who keeps them.

mod cli;
mod counted;
mod keys;
pub(crate) mod people;
mod tls;

use std::sync::Arc;

use idnode::model::FirmState;
use idnode::store::AnyEntry;
use idnode::wire::proto::v1;
use tonic::{Response, Status};

use super::support::{self, Clients, TestNode, reason};

/// A node with the firms `f-1` and `f-2`, and a key of an owner of each.
struct World {
    owner: Clients,
    owner_id: String,
    other_owner: Clients,
    /// Last: it waits for the connections of those above.
    node: TestNode,
}

impl World {
    async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    async fn start_with(change: impl FnOnce(&mut idnode::config::Config)) -> Self {
        let node = TestNode::start_with(change).await;
        let node = node.seed(["f-1", "f-2"].map(firm)).await;
        let security = node.security();
        let own = create_key(&security, of_firm("f-1", v1::FirmRole::Owner)).await;
        let other = create_key(&security, of_firm("f-2", v1::FirmRole::Owner)).await;
        drop(security);
        let (own, other) = (own.unwrap(), other.unwrap());
        Self {
            owner: node.clients_with(&own.key),
            owner_id: own.principal.unwrap().name,
            other_owner: node.clients_with(&other.key),
            node,
        }
    }

    /// A person of `f-1`, who has no one-time code, and its first password.
    async fn person(&self, login: &str) -> (v1::Principal, String) {
        let request = v1::CreatePersonRequest {
            principal: Some(v1::Principal {
                display_name: login.into(),
                ..of_firm("f-1", v1::FirmRole::Registrar)
            }),
            one_time_code: false,
        };
        let made = self.owner.accounts().create_person(request).await.unwrap();
        let made = made.into_inner();
        assert_eq!(made.one_time_code_uri, "");
        (made.principal.unwrap(), made.first_password)
    }
}

fn firm(id: &str) -> AnyEntry {
    AnyEntry::Firm(Arc::new(support::firm(id, FirmState::Active)))
}

/// A principal of a firm, to be made.
fn of_firm(firm: &str, role: v1::FirmRole) -> v1::Principal {
    v1::Principal {
        firm: format!("firms/{firm}"),
        firm_role: role.into(),
        display_name: "for the tests".into(),
        ..v1::Principal::default()
    }
}

/// A principal of the node, to be made.
fn of_node(role: v1::NodeRole) -> v1::Principal {
    v1::Principal {
        node_role: role.into(),
        display_name: "zhao".into(),
        ..v1::Principal::default()
    }
}

async fn create_key(
    clients: &Clients,
    principal: v1::Principal,
) -> Result<v1::CreateKeyResponse, Status> {
    let request = v1::CreateKeyRequest {
        principal: Some(principal),
    };
    let made = clients.accounts().create_key(request).await;
    made.map(Response::into_inner)
}

/// Who the node takes `clients` for; the reason if it refuses them.
async fn who(clients: &Clients) -> Result<String, String> {
    let answer = clients.accounts().who_am_i(v1::WhoAmIRequest {}).await;
    let actor = answer.map(|answer| answer.into_inner().actor);
    actor.map_err(|status| reason(&status))
}

async fn sign_in(
    clients: &Clients,
    login: &str,
    [password, code, new]: [&str; 3],
) -> Result<v1::SignInResponse, String> {
    let request = v1::SignInRequest {
        login: login.into(),
        password: password.into(),
        one_time_code: code.into(),
        new_password: new.into(),
    };
    let answer = clients.accounts().sign_in(request).await;
    let answer = answer.map(Response::into_inner);
    answer.map_err(|status| reason(&status))
}

/// The reason of a refusal; empty for an answer.
fn refused<T>(answer: Result<T, Status>) -> String {
    answer
        .err()
        .map(|status| reason(&status))
        .unwrap_or_default()
}
