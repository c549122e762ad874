//! Two firms, their people, and those of the node: who calls in the matrix.

use tonic::transport::{Channel, Endpoint};

use crate::support::TestNode;

/// Who calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Party {
    /// Nobody in particular.
    Anonymous,
    /// Whoever has a key that nobody gave out.
    Unknown,
    /// A system administrator.
    SystemAdministrator,
}

impl Party {
    /// All of them, in the order of the letters of a row.
    pub(super) const ALL: [Self; 3] = [Self::Anonymous, Self::Unknown, Self::SystemAdministrator];
}

/// The prefix of the firm whose records are asked for.
pub(super) const PREFIX: &str = "88.118.7";
/// A record that anyone may read.
pub(super) const PUBLIC: &str = "88.118.7/public";

/// A node with all that the matrix asks for.
pub(super) struct Scene {
    node: TestNode,
    channel: Channel,
}

impl Scene {
    pub(super) async fn new() -> Self {
        let node = TestNode::start().await;
        let clients = node.clients();
        clients.home_prefix(PREFIX).await;
        clients.create(PUBLIC, "https://a.example/").await.unwrap();
        let endpoint = Endpoint::from_shared(format!("http://{}", node.http)).unwrap();
        Self {
            channel: endpoint.connect_lazy(),
            node,
        }
    }

    pub(super) fn channel(&self) -> &Channel {
        &self.channel
    }

    /// The node.
    pub(super) fn node(&self) -> &TestNode {
        &self.node
    }

    /// What a caller proves itself with.
    pub(super) fn bearer(&self, party: Party) -> Option<&str> {
        match party {
            Party::Anonymous => None,
            Party::Unknown => Some("idnode_00000000_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
            Party::SystemAdministrator => Some(&self.node.key),
        }
    }
}
