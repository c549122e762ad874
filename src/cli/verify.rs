//! `verify`: proves that an identifier is registered as the node resolves it, by
//! the tree over the node's log.

use serde_json::json;

use crate::cli::audit::{Held, consistent, count, hashes};
use crate::cli::client::Connection;
use crate::cli::failure::{Exit, Failure};
use crate::cli::output::{Output, Rows};
use crate::cli::shape::{RecordShape, ValueShape, identifier_of, to_proto};
use crate::merkle::{Leaf, leaf_hash, sha256, verify_inclusion};
use crate::model::{Identifier, Record};
use crate::store::proven_record;
use crate::wire::proto::v1;

/// Arguments of `verify`.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  idnode verify 88.118.7/DZ47-63
  idnode verify 88.118.7/DZ47-63 --checkpoint log.checkpoint
  idnode verify 88.118.7/DZ47-63 --log-key node.example+1f3a9c02+AbC…")]
pub struct Arguments {
    /// The identifier
    identifier: String,
    /// What is trusted.
    #[command(flatten)]
    held: Held,
}

/// Verifies that an identifier is registered with the values that it resolves to.
///
/// # Errors
/// What the node answered, or why it did not; [`Exit::Failed`] by what is not
/// proven.
pub async fn run(
    arguments: Arguments,
    connection: &Connection,
    output: &Output,
) -> Result<(), Failure> {
    let Arguments { identifier, held } = arguments;
    let identifier = Identifier::parse(&identifier)?;
    let client = connection.client(output).await?;
    let witness = held.witness()?;
    let request = client.request(v1::ProveRecordRequest {
        identifier: identifier.to_string(),
    });
    let proof = client.answer(client.audit().prove_record(request)).await?;
    let checkpoint = proof.checkpoint.clone().unwrap_or_default();
    let tree = consistent(&client, &witness, &checkpoint).await?;
    let inclusion = proof.inclusion.clone().unwrap_or_default();
    let leaf = Leaf::decode(&proof.leaf).map_err(|error| unproven(&error))?;
    let index = leaf.position.checked_sub(1).unwrap_or(u64::MAX);
    verify_inclusion(
        (index, &leaf_hash(&proof.leaf)),
        (tree.size, &tree.root),
        &hashes(&inclusion.hashes)?,
    )
    .map_err(|error| unproven(&error))?;
    let proven = proven(&identifier, &leaf, &proof)?;
    held.keep(&checkpoint.note)?;
    output.say(witness.meaning());
    let shown = RecordShape::shown(proof.record.unwrap_or_default());
    let (position, size) = (count(leaf.position)?, count(tree.size)?);
    let value = json!({
        "identifier": shown.identifier,
        "position": position,
        "origin": tree.origin,
        "size": size,
        "proven_values": proven,
        "record": shown,
    });
    output.show(&value, || {
        let indices: Vec<String> = proven.iter().map(ToString::to_string).collect();
        Rows::of_pairs([
            ("identifier", shown.identifier.clone()),
            ("registered by change", position.to_string()),
            ("of the log", tree.origin.clone()),
            ("which has", format!("{size} changes")),
            ("proven values", indices.join(", ")),
        ])
    })
}

/// Checks what the node says of the record against the leaf; gives the indices of
/// the values that are proven.
fn proven(
    identifier: &Identifier,
    leaf: &Leaf<'_>,
    proof: &v1::RecordProof,
) -> Result<Vec<u32>, Failure> {
    let shown = proof.record.clone().unwrap_or_default();
    let said = Identifier::parse(identifier_of(&shown.name))?;
    let is_asked = |other: &Identifier| {
        other
            .to_string()
            .eq_ignore_ascii_case(&identifier.to_string())
    };
    if leaf.outcome != 0 || !is_asked(&said) {
        return Err(unproven(
            &"the leaf is of another identifier, or of no change",
        ));
    }
    let mut forms = Vec::new();
    if !proof.public_form.is_empty() {
        forms.push((
            &proof.public_form,
            sha256(&[&proof.public_form]),
            leaf.public,
        ));
    }
    if !proof.whole_form.is_empty() {
        let digest = sha256(&[&proof.whole_form]);
        forms.push((
            &proof.whole_form,
            sha256(&[&proof.salt, &digest]),
            leaf.private,
        ));
    }
    let mut proven = Vec::new();
    for (form, found, expected) in forms {
        if found != expected {
            return Err(unproven(&"the record is not the one that was registered"));
        }
        let record = proven_record(leaf.subject, form).map_err(|error| unproven(&error))?;
        if !is_asked(&record.identifier) || record.revision != leaf.position {
            return Err(unproven(&"the record is not of this leaf"));
        }
        proven.extend(same_values(&record, &shown));
    }
    proven.sort_unstable();
    proven.dedup();
    let missing = shown
        .values
        .iter()
        .find(|value| !proven.contains(&value.index));
    match missing {
        None => Ok(proven),
        Some(value) => {
            let text = format!("value {} is not as it was registered", value.index);
            Err(unproven(&text))
        }
    }
}

/// The indices of the values that the node shows as they are registered.
fn same_values(record: &Record, shown: &v1::Record) -> Vec<u32> {
    let registered: Vec<ValueShape> = record.values.iter().cloned().map(comparable).collect();
    let shown = shown.values.iter().filter(|value| {
        let mut shape = ValueShape::shown((*value).clone());
        shape.update_time = None;
        registered.contains(&shape)
    });
    shown.map(|value| value.index).collect()
}

fn comparable(value: crate::model::Value) -> ValueShape {
    ValueShape::shown(to_proto(value))
}

fn unproven(what: &dyn std::fmt::Display) -> Failure {
    let text = format!("the node does not prove what it resolves: {what}");
    Failure::new(Exit::Failed, text)
}
