//! Results of resolution that are kept: nobody gets what was kept for another, and
//! nobody an old one.

use idnode::model::FirmRole;
use idnode::wire::proto::v1;
use idnode::wire::proto::v1::resolve_result::Outcome;
use tonic::Code;

use super::world::{PREFIX, fill, key_of};
use crate::support::{Clients, TestNode, record, text};

/// The texts of a record as one caller sees them, alone and in a batch; `None` if
/// it is not there.
async fn seen(clients: &Clients, identifier: &str) -> Option<Vec<String>> {
    let mut resolution = clients.resolution();
    let request = v1::ResolveRequest {
        identifier: identifier.to_owned(),
        ..v1::ResolveRequest::default()
    };
    let alone = match resolution.resolve(request).await {
        Ok(answer) => answer.into_inner().record,
        Err(status) => {
            assert_eq!(status.code(), Code::NotFound);
            None
        }
    };
    let batch = v1::BatchResolveRequest {
        identifiers: vec![identifier.to_owned()],
        ..v1::BatchResolveRequest::default()
    };
    let mut results = resolution.batch_resolve(batch).await.unwrap().into_inner();
    let of_batch = match results.results.pop().unwrap().outcome.unwrap() {
        Outcome::Record(record) => Some(record),
        Outcome::Error(error) => {
            assert_eq!(error.code, i32::from(Code::NotFound));
            None
        }
    };
    assert_eq!(alone, of_batch);
    let texts = |record: v1::Record| {
        let data = record.values.into_iter().filter_map(|value| value.data);
        data.map(|data| match data {
            v1::value::Data::Text(text) => text,
            v1::value::Data::Binary(_) => panic!("all are texts"),
        })
        .collect()
    };
    alone.map(texts)
}

/// Who may see a record.
#[derive(Clone, Copy, Debug)]
enum Sight {
    Nobody,
    Firm,
    Everyone,
}

/// Has the record be there as `sight` and `has_aside` say; returns all its texts.
async fn put(
    operator: &Clients,
    identifier: &str,
    (at, sight, has_aside): (usize, Sight, bool),
) -> Option<Vec<String>> {
    let name = format!("records/{identifier}");
    let mut registry = operator.registry();
    let hidden = Some(v1::Readers::default());
    let readers = match sight {
        Sight::Nobody => {
            let request = v1::DeleteRecordRequest {
                name,
                ..v1::DeleteRecordRequest::default()
            };
            // The first time there is nothing to delete.
            let _gone = registry.delete_record(request).await;
            return None;
        }
        Sight::Firm => hidden.clone(),
        Sight::Everyone => None,
    };
    let mut texts = vec![format!("https://a.example/{at}")];
    let mut values = vec![text(1, "URL", &texts[0])];
    if has_aside {
        texts.push(format!("https://aside.example/{at}"));
        values.push(v1::Value {
            readers: hidden,
            ..text(7, "URL", &texts[1])
        });
    }
    let told = v1::Record {
        readers: readers.clone(),
        ..record(identifier, values)
    };
    let create = v1::CreateRecordRequest {
        record: Some(told.clone()),
        reuse_deleted: true,
        ..v1::CreateRecordRequest::default()
    };
    if registry.create_record(create).await.is_err() {
        // It is there.
        let update = v1::UpdateRecordRequest {
            record: Some(told),
            ..v1::UpdateRecordRequest::default()
        };
        registry.update_record(update).await.unwrap();
        let set = v1::SetReadersRequest {
            name,
            readers,
            ..v1::SetReadersRequest::default()
        };
        registry.set_readers(set).await.unwrap();
    }
    Some(texts)
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gets_what_was_kept_for_another() {
    let node = TestNode::start().await.seed_by(fill).await;
    let owner = node.clients_with(&key_of("a", FirmRole::Owner));
    let other = node.clients_with(&key_of("b", FirmRole::Owner));
    let (anyone, operator) = (node.anonymous(), node.clients());
    // What comes behind what, so that each was kept before the next.
    let states = [
        (Sight::Nobody, false),
        (Sight::Everyone, false),
        (Sight::Firm, false),
        (Sight::Nobody, false),
        (Sight::Firm, true),
        (Sight::Everyone, true),
        (Sight::Everyone, false),
        (Sight::Nobody, false),
        (Sight::Everyone, true),
    ];
    let identifier = format!("{PREFIX}/Kept-result");
    for (at, (sight, has_aside)) in states.into_iter().enumerate() {
        let whole = put(&operator, &identifier, (at, sight, has_aside)).await;
        let outside = match sight {
            Sight::Firm => None,
            Sight::Nobody | Sight::Everyone => whole.as_ref().map(|texts| texts[..1].to_vec()),
        };
        // Each twice: what one was told is kept when the next one asks.
        for round in 0..2 {
            let state = format!("state {at} {sight:?} {has_aside}, round {round}");
            let mut asking = [(&owner, &whole), (&other, &outside), (&anyone, &outside)];
            asking.rotate_left(at % 3);
            // What one who may see more was told is not for others either.
            let _all = seen(&operator, &identifier).await;
            for (clients, expected) in asking {
                assert_eq!(seen(clients, &identifier).await, *expected, "{state}");
            }
        }
    }
}
