//! `link state`.

use crate::cli::client::Connection;
use crate::cli::failure::Failure;
use crate::cli::import::OnConflict;
use crate::cli::link::{LinkShape, NameArguments, show, state_link};
use crate::cli::output::Output;
use crate::cli::records::{WriteArguments, note_dry_run};
use crate::wire::proto::v1;
use crate::wire::proto::v1::import_records_request as proto;

/// Arguments of `link state`.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  idnode link state 88.118.7/BOX-1 contains 88.118.8/DZ47-63.000123 --visibility public
  idnode link state 88.118.8/CT-1 made_from 88.118.9/AGS-7 --quantity 2.5 --unit kg \\
    --batch 20250108-02 --from 2025-01-08 --evidence https://a.example/inspection/7
  idnode link state 88.118.8/CT-1 made_from 88.118.9/AGS-7 --reader-firm oujiang --behind through")]
pub struct Arguments {
    #[command(flatten)]
    name: NameArguments,
    #[command(flatten)]
    facts: FactArguments,
    #[command(flatten)]
    seen: SeenArguments,
    /// What happens if it is stated already
    #[arg(long, value_enum, default_value_t)]
    on_conflict: OnConflict,
    /// State it otherwise only if this is its etag still
    #[arg(long)]
    etag: Option<String>,
    #[command(flatten)]
    write: WriteArguments,
}

/// What a link states.
#[derive(Debug, clap::Args)]
struct FactArguments {
    /// How much: a decimal number
    #[arg(long, value_name = "NUMBER")]
    quantity: Option<String>,
    /// Of what; pieces if absent
    #[arg(long, requires = "quantity")]
    unit: Option<String>,
    /// Batch number
    #[arg(long)]
    batch: Option<String>,
    /// From when it holds: a time, or a date (UTC)
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Until when it holds, exclusively
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// A URL, identifier, digest or event id that shows it. May be repeated
    #[arg(long, value_name = "WHAT")]
    evidence: Vec<String>,
}

/// Who sees a link.
#[derive(Debug, clap::Args)]
struct SeenArguments {
    /// Who sees it beside its owner; the firms at its ends if absent
    #[arg(long, value_enum)]
    visibility: Option<Visibility>,
    /// A firm that sees it. May be repeated
    #[arg(long, value_name = "FIRM")]
    reader_firm: Vec<String>,
    /// A group of the owner's that sees it. May be repeated
    #[arg(long, value_name = "GROUP")]
    reader_group: Vec<String>,
    /// What a trace tells of it to others
    #[arg(long, value_enum, default_value_t)]
    behind: Behind,
}

/// Who sees a link beside its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Visibility {
    /// Everyone
    Public,
    /// The firms that hold the prefixes at its ends
    Ends,
    /// The firms and groups that are named as readers
    Readers,
    /// Nobody
    Owner,
}

/// What a trace tells of a link to who does not see it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Behind {
    /// That there is more, not visible to the caller
    #[default]
    More,
    /// Nothing
    Nothing,
    /// That there is a hop, without a name, and what is visible behind it
    Through,
}

impl Arguments {
    /// The link as a file would have it.
    fn shape(&self) -> LinkShape {
        let NameArguments {
            source,
            kind,
            target,
            owner,
        } = self.name.clone();
        let visibility = self.seen.visibility.map(|visibility| match visibility {
            Visibility::Public => "public",
            Visibility::Ends => "ends",
            Visibility::Readers => "readers",
            Visibility::Owner => "owner",
        });
        let behind = match self.seen.behind {
            Behind::More => "more",
            Behind::Nothing => "nothing",
            Behind::Through => "through",
        };
        let firms = self.seen.reader_firm.iter().map(|id| format!("firm:{id}"));
        let groups = self
            .seen
            .reader_group
            .iter()
            .map(|id| format!("group:{id}"));
        let readers: Vec<String> = firms.chain(groups).collect();
        LinkShape {
            source,
            kind,
            target,
            owner,
            quantity: self.facts.quantity.clone(),
            unit: self.facts.unit.clone(),
            batch: self.facts.batch.clone(),
            valid_from: self.facts.from.clone(),
            valid_until: self.facts.until.clone(),
            evidence: self.facts.evidence.clone(),
            visibility: visibility.map(str::to_owned),
            readers: (!readers.is_empty()).then_some(readers),
            behind: Some(behind.to_owned()),
            etag: self.etag.clone(),
            ..LinkShape::default()
        }
    }
}

/// States a link.
///
/// # Errors
/// What the node answered, or why it did not.
pub(super) async fn run(
    arguments: Arguments,
    connection: &Connection,
    output: &Output,
) -> Result<(), Failure> {
    let link = arguments.shape().stated()?;
    let on_conflict = match arguments.etag {
        // Who names a revision means to replace it.
        Some(_) => OnConflict::Update,
        None => arguments.on_conflict,
    };
    let validate_only = arguments.write.dry_run;
    let request = v1::StateLinkRequest {
        link: Some(link),
        on_conflict: proto::OnConflict::from(on_conflict).into(),
        request_id: arguments.write.request_id()?,
        validate_only,
    };
    let client = connection.client(output).await?;
    let link = state_link(&client, request).await?;
    note_dry_run(validate_only, output);
    show(link, output)
}
