//! Putting demo data into a node of this process.

use crate::demo::Demo;
use crate::model::limits::BATCH_ITEMS_MAX;
use crate::model::{Caller, Reason, Refusal, SuffixCase};
use crate::node::{Change, Node, OnConflict, PrefixAction, RecordAction, Write};

/// Registers the prefixes and identifiers of `demo`, as any client could. What
/// is there already stays.
///
/// # Errors
/// The first refusal.
pub(super) async fn load(node: &Node, demo: &Demo) -> Result<(), Refusal> {
    let operator = Caller::Operator {
        key_id: "demo".into(),
    };
    for (prefix, firm) in demo.prefixes() {
        let action = PrefixAction::Create {
            firm: firm.to_owned(),
            case: SuffixCase::Folded,
            quota: None,
            home: true,
        };
        let write = Write {
            change: Change::Prefix { prefix, action },
            request_id: None,
        };
        match node.execute(&operator, write).await {
            Err(refusal) if refusal.reason() != Reason::PrefixExists => return Err(refusal),
            _ => {}
        }
    }
    let mut writes = Vec::with_capacity(BATCH_ITEMS_MAX);
    for position in 0..demo.identifiers() {
        let (identifier, values) = demo.record(position);
        let action = RecordAction::Import {
            values,
            on_conflict: OnConflict::Skip,
        };
        writes.push(Write {
            change: Change::Record { identifier, action },
            request_id: None,
        });
        if writes.len() == BATCH_ITEMS_MAX {
            send(node, &operator, &mut writes).await?;
        }
    }
    send(node, &operator, &mut writes).await
}

async fn send(node: &Node, caller: &Caller, writes: &mut Vec<Write>) -> Result<(), Refusal> {
    if writes.is_empty() {
        return Ok(());
    }
    for outcome in node.execute_many(caller, std::mem::take(writes)).await? {
        outcome?;
    }
    Ok(())
}
