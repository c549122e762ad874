//! Firms that serve their identifiers themselves: clients are told where.

use idnode::model::Identifier;
use idnode::model::data::Site;
use idnode::model::firm::{Ports, Server, Servers};
use idnode::node::{Query, Referral};

use super::*;

fn routed() -> Facts {
    let server = Server {
        address: "192.0.2.7".parse().expect("an address"),
        ports: Ports {
            tcp: Some(2641),
            udp: Some(2641),
            http: None,
        },
    };
    Facts {
        hosting: Hosting::Routed(Servers::new(vec![server]).expect("a server")),
        ..facts(CODE, "88.118.7")
    }
}

/// The address that a client is referred to.
fn referred(office: &Office) -> Option<String> {
    let identifier = Identifier::parse("88.118.7/1").expect("an identifier");
    let referral = office.node.referral(&identifier).expect("reads");
    referral.map(|referral| match referral {
        Referral::Service {
            prefix_record,
            values,
        } => {
            assert_eq!(prefix_record.to_string(), "0.NA/88.118.7");
            let site = Site::decode(&values[0].data).expect("an HS_SITE");
            site.servers[0].address.to_string()
        }
        Referral::Prefix { .. } => panic!("the prefix is known"),
    })
}

/// The address that the prefix's own record tells.
fn resolved(office: &Office) -> Option<String> {
    let identifier = Identifier::parse("0.NA/88.118.7").expect("an identifier");
    let query = Query::all(identifier);
    let record = office.node.resolve(&Caller::ANONYMOUS, &query).ok()?;
    let site = record
        .values
        .iter()
        .find(|value| value.value_type.as_str() == "HS_SITE")?;
    let site = Site::decode(&site.data).expect("an HS_SITE");
    Some(site.servers[0].address.to_string())
}

#[tokio::test]
async fn clients_are_told_of_its_servers_while_it_is_active() {
    let folder = tempfile::tempdir().expect("a folder");
    let office = Office::open(folder.path());
    office.node.set_site(b"here".to_vec());
    let (id, _) = office.firm(routed(), &TO_ACTIVE[..3]).await;
    assert_eq!((referred(&office), resolved(&office)), (None, None));
    let told = || (Some("192.0.2.7".to_owned()), Some("192.0.2.7".to_owned()));
    for (kind, expected) in [
        (StepKind::Activate, told()),
        (StepKind::Suspend, (None, None)),
        (StepKind::Reinstate, told()),
        (StepKind::Retire, (None, None)),
    ] {
        let by = if kind == StepKind::Activate {
            system()
        } else {
            security()
        };
        office.step(&by, &id, kind).await.expect("an arrow");
        assert_eq!((referred(&office), resolved(&office)), expected, "{kind:?}");
    }
    office.close().await;
}
