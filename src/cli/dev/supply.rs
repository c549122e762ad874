//! The supply chain of the demo: its firms come by their prefixes as firms do, and
//! each registers its things and states its links with its own key.

use std::collections::BTreeMap;
use std::path::Path;

use crate::cli::client::Client;
use crate::cli::dev::{apply, import, write_key};
use crate::cli::failure::{Exit, Failure};
use crate::cli::link::LinkShape;
use crate::cli::shape::checked;
use crate::demo::{Answer, Demo, Firm, Story, Supply, SupplyLink};
use crate::wire::proto::v1;
use crate::wire::proto::v1::batch_write_links_request::Item;
use crate::wire::proto::v1::batch_write_links_request::item::Change;
use crate::wire::proto::v1::import_records_request::OnConflict;

/// The file with the key of a firm's owner, below the data folder.
pub(super) fn key_file(firm: &Firm) -> String {
    format!("firm-{}.key", firm.prefix())
}

/// A firm that has its prefix.
struct Member {
    /// `firms/…`
    name: String,
    /// Asks with its owner's key.
    client: Client,
}

/// Loads the chain. `client` asks as a system administrator, `security` as a
/// security administrator; the firms' keys go to files in `data`.
///
/// # Errors
/// What the node answered, or why it did not; if a key cannot be written.
pub(super) async fn load(
    demo: &Demo,
    (client, security): (&Client, &Client),
    data: &Path,
) -> Result<(), Failure> {
    let supply = demo.supply();
    let mut members = Vec::new();
    for firm in supply.firms() {
        let application = demo.application_of(firm);
        let (name, key) = apply(client, &application).await?;
        write_key(&key, &data.join(key_file(firm)))?;
        activate(&name, client, security).await?;
        let client = client.with_key(&key)?;
        members.push(Member { name, client });
    }
    register(&supply, &members).await?;
    state(&supply, &members).await?;
    answer(&supply, &members).await
}

/// Leads a firm that has applied to its prefix.
async fn activate(name: &str, client: &Client, security: &Client) -> Result<(), Failure> {
    let request = client.request(v1::VerifyFirmRequest {
        name: name.to_owned(),
        ..v1::VerifyFirmRequest::default()
    });
    client.answer(client.firms().verify_firm(request)).await?;
    let request = security.request(v1::ApproveFirmRequest {
        name: name.to_owned(),
        ..v1::ApproveFirmRequest::default()
    });
    security
        .answer(security.firms().approve_firm(request))
        .await?;
    let request = client.request(v1::ActivateFirmRequest {
        name: name.to_owned(),
        ..v1::ActivateFirmRequest::default()
    });
    client.answer(client.firms().activate_firm(request)).await?;
    Ok(())
}

async fn register(supply: &Supply, members: &[Member]) -> Result<(), Failure> {
    let mut records: BTreeMap<usize, Vec<v1::Record>> = BTreeMap::new();
    for (firm, identifier, values) in supply.records() {
        records.entry(firm).or_default().push(v1::Record {
            name: format!("records/{identifier}"),
            values: checked(values)?,
            ..v1::Record::default()
        });
    }
    for (firm, records) in records {
        if let Some(member) = members.get(firm) {
            import(&member.client, records).await?;
        }
    }
    Ok(())
}

async fn state(supply: &Supply, members: &[Member]) -> Result<(), Failure> {
    for (firm, member) in members.iter().enumerate() {
        let own = supply.links().iter().filter(|link| link.firm == firm);
        let links: Result<Vec<_>, Failure> = own
            .map(|link| LinkShape::of_demo(link).stated().map_err(Failure::from))
            .collect();
        let links = links?;
        if links.is_empty() {
            continue;
        }
        let request = v1::ImportLinksRequest {
            on_conflict: OnConflict::Skip.into(),
            validate_only: false,
            links,
        };
        let client = &member.client;
        let mut links = client.links();
        let call = links.import_links(tokio_stream::iter([request]));
        let mut answers = client.answer(call).await?;
        while let Some(answer) = client.wait(answers.message()).await? {
            let mut rejections = answer.rejections.into_iter();
            if let Some(error) = rejections.find_map(|rejection| rejection.error) {
                return Err(refused(&error));
            }
        }
    }
    Ok(())
}

/// Has the firms at the other ends say what they say of the links.
async fn answer(supply: &Supply, members: &[Member]) -> Result<(), Failure> {
    let mut answers: BTreeMap<usize, Vec<Item>> = BTreeMap::new();
    for link in supply.links() {
        let Some(owner) = members.get(link.firm) else {
            continue;
        };
        let name = Some(name_of(link, owner));
        let (firm, change) = match &link.answer {
            None => continue,
            Some(Answer::Confirmed { firm }) => {
                let confirm = v1::ConfirmLinkRequest {
                    name,
                    ..v1::ConfirmLinkRequest::default()
                };
                (*firm, Change::Confirm(confirm))
            }
            Some(Answer::Disputed { firm, reason }) => {
                let dispute = v1::DisputeLinkRequest {
                    name,
                    reason: (*reason).to_owned(),
                    ..v1::DisputeLinkRequest::default()
                };
                (*firm, Change::Dispute(dispute))
            }
        };
        let item = Item {
            change: Some(change),
        };
        answers.entry(firm).or_default().push(item);
    }
    for (firm, items) in answers {
        let Some(Member { client, .. }) = members.get(firm) else {
            continue;
        };
        let request = client.request(v1::BatchWriteLinksRequest {
            items,
            ..v1::BatchWriteLinksRequest::default()
        });
        let mut links = client.links();
        let written = client.answer(links.batch_write_links(request)).await?;
        for result in written.results {
            let outcome = result.outcome;
            if let Some(v1::batch_write_links_response::result::Outcome::Error(error)) = outcome {
                return Err(refused(&error));
            }
        }
    }
    Ok(())
}

fn name_of(link: &SupplyLink, owner: &Member) -> v1::LinkName {
    v1::LinkName {
        source: link.source.to_string(),
        kind: link.kind.to_string(),
        target: link.target.to_string(),
        owner: owner.name.clone(),
    }
}

fn refused(error: &v1::ItemError) -> Failure {
    let text = format!("the demo data is refused: {}", error.message);
    Failure::new(Exit::Failed, text)
}

/// The story of the chain: what to ask of it.
pub(super) fn story(supply: &Supply, data: &Path, http: &str) -> String {
    let Story { lot, pallet } = supply.story();
    let maker = supply
        .firms()
        .iter()
        .find(|firm| firm.name.contains("断路器"));
    let key = maker.map(|firm| data.join(key_file(firm)).display().to_string());
    format!(
        "A lot of silver is bad. Where did it go, at which firms, and how?

  idnode trace {lot} --down --server http://{http}
  idnode trace {lot} --down --group-by firm --server http://{http}
  idnode trace {lot} --down --to {pallet} --server http://{http}

As a maker of breakers sees it: add --key-file {key}

",
        key = key.unwrap_or_default()
    )
}
