//! `trace`: follows links from an identifier, and shows what is found as a tree, a
//! table, rows for a spreadsheet, or a graph.

pub mod compare;
pub mod dot;
pub mod end;
pub mod found;
pub mod group;
pub mod paths;
pub mod rows;
pub mod stream;
pub mod tree;

use std::path::Path;

use serde::Serialize;

use crate::cli::client::{Connection, read_key};
use crate::cli::failure::Failure;
use crate::cli::link::time;
use crate::cli::output::{Form, Output, Rows};
use crate::model::{Identifier, LinkKind, Refusal};
use crate::wire::proto::v1;

/// How a trace can look.
const FORMS: &[Form] = &[
    Form::Tree,
    Form::Table,
    Form::Json,
    Form::Ndjson,
    Form::Csv,
    Form::Dot,
];

/// Arguments of `trace`.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  idnode trace 88.118.7/LOT-AGS.20250108.000003 --down
  idnode trace 88.118.7/LOT-AGS.20250108.000003 --down -o csv > recall.csv
  idnode trace 88.118.7/LOT-AGS.20250108.000003 --down --group-by firm
  idnode trace 88.118.7/BOX-1 --up --depth 3 --kinds contains,made_from
  idnode trace 88.118.7/BOX-1 --up --all-links -o dot | dot -Tsvg
  idnode trace 88.118.7/LOT-AGS.20250108.000003 --down --to 88.118.9/PLT-7
  idnode trace 88.118.7/BOX-1 --up --compare-as-of 2025-01-08

A trace is breadth first and names each identifier once, unless all links are asked for. A hop that may not be seen stands as
(hidden). It ends with 7 if it ended before it had found everything, unless --max-rows ended it.")]
#[command(group = clap::ArgGroup::new("direction").required(true).args(["up", "down"]))]
#[command(group = clap::ArgGroup::new("question").args(["group_by", "to", "compare", "compare_as_of"]))]
pub struct Arguments {
    /// The identifier to begin at
    identifier: String,
    /// Upstream: what it is made of, and where that came from
    #[arg(long)]
    up: bool,
    /// Downstream: what it went into, and where that went
    #[arg(long)]
    down: bool,
    #[command(flatten)]
    lens: Lens,
    /// Rows at most; of --group-by groups, of --to paths
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..=1_000_000))]
    max_rows: Option<i32>,
    /// Also show the links that lead to identifiers which are shown already
    #[arg(long, conflicts_with = "question")]
    all_links: bool,
    /// Nodes that a branch may pass one behind the other, where links lead to other
    /// nodes; 0: only this one is asked
    #[arg(long, value_name = "N", default_value_t = 4,
          value_parser = clap::value_parser!(i32).range(0..=8))]
    onward: i32,
    /// The file with a key to show at another node, by the name that this node has for
    /// it; can be repeated
    #[arg(long, value_name = "NODE=FILE")]
    key_for: Vec<String>,
    /// In a tree, show so many of what stands below one identifier; 0: all
    #[arg(long, value_name = "N", default_value_t = 12)]
    fold: usize,
    /// Count what is found, for each firm or each package
    #[arg(long, value_enum, value_name = "WHAT")]
    group_by: Option<GroupBy>,
    /// Show the shortest paths to this identifier
    #[arg(long, value_name = "IDENTIFIER")]
    to: Option<String>,
    /// Show what differs from the trace of this identifier
    #[arg(long, value_name = "IDENTIFIER")]
    compare: Option<String>,
    /// Show what differs from the trace as it was then: a time, or a date (UTC)
    #[arg(long, value_name = "TIME")]
    compare_as_of: Option<String>,
    /// How the answer looks
    #[arg(
        short = 'o',
        value_name = "FORM",
        value_parser = Form::parser(FORMS),
        default_value = "tree"
    )]
    form: Form,
}

/// Which links are followed, and how far.
#[derive(Clone, Debug, clap::Args)]
struct Lens {
    /// Hops at most; as many as there are if absent
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..=1000))]
    depth: Option<i32>,
    /// Only links of these kinds, with "," between; all that lead up or down if absent
    #[arg(long, value_name = "KIND", value_delimiter = ',')]
    kinds: Vec<String>,
    /// As the links stood then: a time, or a date (UTC)
    #[arg(long, value_name = "TIME")]
    as_of: Option<String>,
    /// Only links that hold at some time from then on …
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// … and before then
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
}

/// What things are counted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum GroupBy {
    /// The firm that holds their prefix
    Firm,
    /// The carton, pallet or shipment that they are packed in
    Package,
}

impl Arguments {
    /// The trace that is asked for.
    fn request(&self) -> Result<v1::TraceRequest, Refusal> {
        let direction = match self.up {
            true => v1::TraceDirection::Up,
            false => v1::TraceDirection::Down,
        };
        let Lens {
            depth,
            kinds,
            as_of,
            from,
            until,
        } = &self.lens;
        let [as_of, valid_from, valid_until] = [("as_of", as_of), ("from", from), ("until", until)]
            .map(|(field, text)| text.as_deref().map(|text| time(field, text)).transpose());
        let kinds: Result<Vec<_>, Refusal> = kinds
            .iter()
            .map(|kind| LinkKind::parse(kind.trim()))
            .collect();
        Ok(v1::TraceRequest {
            start: Identifier::parse(&self.identifier)?.to_string(),
            direction: direction.into(),
            kinds: kinds?.iter().map(ToString::to_string).collect(),
            depth_max: depth.unwrap_or(0),
            valid_from: valid_from?,
            valid_until: valid_until?,
            as_of: as_of?,
            page_size: self.max_rows.unwrap_or(0),
            all_links: self.all_links,
            as_columns: true,
            ..v1::TraceRequest::default()
        })
    }

    /// The same, as it goes on at other nodes.
    fn onward(&self, request: v1::TraceRequest) -> Result<v1::TraceRequest, Failure> {
        let key = |text: &String| {
            let (node, file) = text.split_once('=').ok_or_else(|| {
                let text = format!("--key-for {text:?} is no NODE=FILE");
                Failure::usage(text).hint("as --key-for 88.200=key-there")
            })?;
            let key = read_key(Path::new(file))?;
            Ok((node.to_owned(), key.trim().to_owned()))
        };
        let keys: Result<_, Failure> = self.key_for.iter().map(key).collect();
        Ok(v1::TraceRequest {
            onward_hops_max: self.onward,
            onward_keys: keys?,
            ..request
        })
    }
}

/// Follows links.
///
/// # Errors
/// What the node answered, or why it did not;
/// [`Exit::Partial`](crate::cli::failure::Exit::Partial) if the trace ended before
/// it had found everything.
pub async fn run(
    arguments: Arguments,
    connection: &Connection,
    output: &Output,
) -> Result<(), Failure> {
    let request = arguments.onward(arguments.request()?)?;
    let second = match (&arguments.compare, &arguments.compare_as_of) {
        (Some(start), _) => Some(v1::TraceRequest {
            start: Identifier::parse(start)?.to_string(),
            ..request.clone()
        }),
        (None, Some(as_of)) => Some(v1::TraceRequest {
            as_of: Some(time("compare_as_of", as_of)?),
            ..request.clone()
        }),
        (None, None) => None,
    };
    let end = arguments.to.as_deref().map(Identifier::parse).transpose()?;
    let client = connection.client(output).await?;
    let max_rows = arguments.max_rows.unwrap_or(0);
    match (second, end, arguments.group_by) {
        (Some(second), _, _) => compare::run((request, second), &client, output).await,
        (None, Some(end), _) => paths::run((request, &end, max_rows), &client, output).await,
        (None, None, Some(by)) => group::run((request, by, max_rows), &client, output).await,
        (None, None, None) => stream::run((request, arguments.fold), &client, output).await,
    }
}

/// Shows a list: `whole` as JSON, its `items` one a line, or `table`.
fn show_list<T: Serialize>(
    (whole, items): (&serde_json::Value, &[T]),
    table: impl FnOnce() -> Rows,
    output: &Output,
) -> Result<(), Failure> {
    match output.form() {
        Form::Ndjson => items.iter().try_for_each(|item| output.line(item)),
        Form::Dot => Err(Failure::usage("of this there is no graph")
            .hint("ask for -o table, json, ndjson or csv")),
        Form::Table | Form::Tree | Form::Json | Form::Csv => output.show(whole, table),
    }
}
