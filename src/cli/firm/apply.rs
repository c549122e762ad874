//! `firm apply`: begins an application, adds its documents and hands it in.

use std::io::Read;
use std::path::PathBuf;
use std::str::FromStr;

use serde::Serialize;

use crate::cli::client::{Client, Connection};
use crate::cli::failure::Failure;
use crate::cli::firm::form::Form;
use crate::cli::firm::shape::{FirmShape, kind_name};
use crate::cli::output::Output;
use crate::cli::records::note_dry_run;
use crate::crypto::key_file;
use crate::model::limits::DOCUMENT_BYTES_MAX;
use crate::wire::proto::v1;

/// Arguments of `apply`.
#[derive(Debug, clap::Args)]
pub struct ApplyArguments {
    /// The form; "-" reads it from the standard input
    #[arg(value_name = "FORM")]
    file: PathBuf,
    /// A document to add at once. May be repeated
    #[arg(long = "document", value_name = "KIND=PATH")]
    documents: Vec<DocumentArgument>,
    /// Hand the application in at once
    #[arg(long)]
    submit: bool,
    /// Write the owner's key to this file, which is not there yet; without it
    /// the key is printed
    #[arg(long, value_name = "FILE")]
    owner_key_file: Option<PathBuf>,
    /// Judge the application, and keep nothing of it
    #[arg(long, conflicts_with_all = ["documents", "submit", "owner_key_file"])]
    dry_run: bool,
}

/// `KIND=PATH`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentArgument {
    kind: v1::FirmDocumentKind,
    path: PathBuf,
}

impl FromStr for DocumentArgument {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let form = "must be KIND=PATH, as business-licence=licence.pdf";
        let (name, path) = text.split_once('=').ok_or(form)?;
        let kinds = [
            v1::FirmDocumentKind::BusinessLicence,
            v1::FirmDocumentKind::Authorization,
            v1::FirmDocumentKind::Identification,
            v1::FirmDocumentKind::Other,
        ];
        let kind = kinds.into_iter().find(|kind| kind_name(*kind) == name);
        let names = || kinds.map(kind_name).join(", ");
        let kind = kind.ok_or_else(|| format!("kind {name:?} is none of {}", names()))?;
        if path.is_empty() {
            return Err(form.to_owned());
        }
        Ok(Self {
            kind,
            path: path.into(),
        })
    }
}

impl DocumentArgument {
    /// Kind, name of the file and contents, as a request has them.
    ///
    /// # Errors
    /// [`Exit::Usage`](crate::cli::failure::Exit::Usage) if it cannot be read.
    pub(super) fn read(&self) -> Result<(i32, String, Vec<u8>), Failure> {
        let Self { kind, path } = self;
        let what = format!("cannot read the document {}", path.display());
        let fail = |error: std::io::Error| Failure::usage(format!("{what}: {error}"));
        let mut content = Vec::new();
        // One byte more than may be, so that the node's own rule speaks.
        let limit = u64::try_from(DOCUMENT_BYTES_MAX).unwrap_or(u64::MAX) + 1;
        let file = std::fs::File::open(path).map_err(fail)?;
        file.take(limit).read_to_end(&mut content).map_err(fail)?;
        let name = path.file_name().unwrap_or_default();
        Ok(((*kind).into(), name.to_string_lossy().into_owned(), content))
    }
}

/// What `apply` answers.
#[derive(Serialize)]
struct Applied {
    firm: FirmShape,
    /// Empty if it was written to a file, or nothing was kept.
    owner_key: String,
}

/// Begins an application.
///
/// # Errors
/// What the node answered, or why it did not.
pub(super) async fn apply(
    arguments: ApplyArguments,
    connection: &Connection,
    output: &Output,
) -> Result<(), Failure> {
    let ApplyArguments {
        file,
        documents,
        submit,
        owner_key_file,
        dry_run,
    } = arguments;
    let (facts, people) = Form::read(&file)?.messages();
    // Before anything is sent: what cannot be read is found out first.
    let documents = documents.iter().map(DocumentArgument::read);
    let documents = documents.collect::<Result<Vec<_>, _>>()?;
    if let Some(path) = owner_key_file.as_deref().filter(|path| path.exists()) {
        let text = format!("{} is there already", path.display());
        return Err(Failure::usage(text));
    }
    let client = connection.client(output).await?;
    let request = client.request(v1::ApplyFirmRequest {
        facts,
        people,
        validate_only: dry_run,
    });
    let answer = client.answer(client.firms().apply_firm(request)).await?;
    note_dry_run(dry_run, output);
    let mut firm = answer.firm.unwrap_or_default();
    let mut owner_key = answer.owner_key;
    let owner = if dry_run {
        client
    } else {
        client.with_key(&owner_key)?
    };
    if let Some(path) = &owner_key_file {
        let written = key_file::create(path, &format!("{owner_key}\n"));
        let what = format!("cannot write the owner's key to {}", path.display());
        match written {
            Ok(()) => owner_key.clear(),
            // It is shown this once: it must not be lost.
            Err(error) => output.say(&format!("{what}: {error}; it is printed instead")),
        }
    }
    let name = firm.name.clone();
    let filled = fill_in(&owner, &name, documents, submit, &mut firm).await;
    let shape = FirmShape::from(firm);
    let id = shape.firm.clone();
    let applied = Applied {
        firm: shape,
        owner_key,
    };
    show_applied(&applied, output)?;
    if !dry_run {
        let next = if submit { "show" } else { "submit" };
        output.say(&format!(
            "keep the owner's key; next: idnode firm {next} {id}"
        ));
    }
    filled
}

/// Adds documents to a new application, and hands it in if it is to be.
async fn fill_in(
    owner: &Client,
    name: &str,
    documents: Vec<(i32, String, Vec<u8>)>,
    submit: bool,
    firm: &mut v1::Firm,
) -> Result<(), Failure> {
    for (kind, file_name, content) in documents {
        let request = owner.request(v1::AttachDocumentRequest {
            name: name.to_owned(),
            kind,
            file_name,
            content,
            ..v1::AttachDocumentRequest::default()
        });
        *firm = owner.answer(owner.firms().attach_document(request)).await?;
    }
    if submit {
        let request = owner.request(v1::SubmitFirmRequest {
            name: name.to_owned(),
            ..v1::SubmitFirmRequest::default()
        });
        *firm = owner.answer(owner.firms().submit_firm(request)).await?;
    }
    Ok(())
}

fn show_applied(applied: &Applied, output: &Output) -> Result<(), Failure> {
    output.show(applied, || {
        let Applied { firm, owner_key } = applied;
        let mut rows = firm.rows();
        if !owner_key.is_empty() {
            rows.push(["owner's key".to_owned(), owner_key.clone()]);
        }
        rows
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn reads_kind_and_path() {
        let argument = "business-licence=a=b.pdf".parse::<DocumentArgument>();
        let argument = argument.expect("a document");
        assert_eq!(argument.kind, v1::FirmDocumentKind::BusinessLicence);
        assert_eq!(argument.path, Path::new("a=b.pdf"));
        for wrong in [
            "",
            "licence.pdf",
            "unknown=x.pdf",
            "passport=x.pdf",
            "other=",
        ] {
            assert!(wrong.parse::<DocumentArgument>().is_err(), "{wrong}");
        }
    }
}
