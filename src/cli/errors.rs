//! `errors`: what the reasons of refusals mean, from the one list that every
//! face uses.

use serde::Serialize;
use serde_json::json;

use crate::cli::failure::{Exit, Failure, known, next_step};
use crate::cli::output::{Output, Rows};
use crate::model::{Fault, Language, Reason};

/// What can be asked.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Explain one reason
    #[command(before_help = "\
Examples:
  idnode errors lookup STALE_ETAG")]
    Lookup {
        /// The reason, as an answer names it
        reason: String,
    },
    /// List every reason
    #[command(before_help = "\
Examples:
  idnode errors list
  idnode errors list -o json")]
    List,
}

/// A reason in JSON. The shape is stable; `docs/cli.md` documents it.
#[derive(Debug, Serialize)]
struct ReasonShape {
    reason: &'static str,
    grpc_code: &'static str,
    exit_code: u8,
    message: &'static str,
    message_zh: &'static str,
    next_step: &'static str,
}

impl From<Reason> for ReasonShape {
    fn from(reason: Reason) -> Self {
        Self {
            reason: reason.code(),
            grpc_code: grpc_code(reason.fault()),
            exit_code: Exit::from(reason.fault()).code(),
            message: reason.template(Language::English),
            message_zh: reason.template(Language::Chinese),
            next_step: next_step(reason).unwrap_or_default(),
        }
    }
}

/// Does what `command` says.
///
/// # Errors
/// [`Exit::Missing`] for a reason that there is not.
pub fn run(command: &Command, output: &Output) -> Result<(), Failure> {
    match command {
        Command::Lookup { reason } => lookup(reason, output),
        Command::List => list(output),
    }
}

fn lookup(text: &str, output: &Output) -> Result<(), Failure> {
    let code = text.trim().to_ascii_uppercase().replace('-', "_");
    let Some(reason) = known(&code) else {
        let failure = Failure::new(Exit::Missing, format!("there is no reason {text:?}"));
        let alike = Reason::ALL
            .iter()
            .map(|r| (strsim::jaro_winkler(&code, r.code()), r.code()))
            .max_by(|(a, _), (b, _)| a.total_cmp(b));
        return Err(match alike {
            Some((likeness, alike)) if likeness > 0.8 => {
                failure.hint(format!("did you mean {alike}?"))
            }
            _ => failure.hint("see all: idnode errors list"),
        });
    };
    let shape = ReasonShape::from(reason);
    output.show(&shape, || {
        Rows::of_pairs([
            ("reason", shape.reason.to_owned()),
            ("gRPC code", shape.grpc_code.to_owned()),
            ("exit code", shape.exit_code.to_string()),
            ("English", shape.message.to_owned()),
            ("中文", shape.message_zh.to_owned()),
            ("next step", shape.next_step.to_owned()),
        ])
    })
}

fn list(output: &Output) -> Result<(), Failure> {
    let shapes: Vec<_> = Reason::ALL.iter().copied().map(ReasonShape::from).collect();
    output.show(&json!({"reasons": shapes}), || {
        let mut rows = Rows::with_header(["REASON", "GRPC CODE", "EXIT", "TEXT"]);
        for shape in &shapes {
            let text = match output.language() {
                Language::English => shape.message,
                Language::Chinese => shape.message_zh,
            };
            rows.push([
                shape.reason.to_owned(),
                shape.grpc_code.to_owned(),
                shape.exit_code.to_string(),
                text.to_owned(),
            ]);
        }
        rows
    })
}

/// The gRPC code by which a fault is told when its reason has no closer one.
fn grpc_code(fault: Fault) -> &'static str {
    match fault {
        Fault::Invalid => "INVALID_ARGUMENT",
        Fault::Unauthenticated => "UNAUTHENTICATED",
        Fault::Denied => "PERMISSION_DENIED",
        Fault::Missing => "NOT_FOUND",
        Fault::Conflict => "FAILED_PRECONDITION",
        Fault::Exhausted => "RESOURCE_EXHAUSTED",
        Fault::Unavailable => "UNAVAILABLE",
        Fault::Broken => "INTERNAL",
    }
}
