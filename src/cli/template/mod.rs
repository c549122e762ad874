//! `template`: shows, makes and revises templates, and checks files by them.

mod check;
pub mod data;

use std::path::PathBuf;

use serde_json::json;

use crate::cli::client::{Client, Connection};
use crate::cli::failure::Failure;
use crate::cli::output::{Output, Rows};
use crate::cli::records::{WriteArguments, note_dry_run};
use crate::model::template::draft::{DraftItem, DraftKind};
use crate::model::template::{Draft, Version};
use crate::model::{FirmId, TemplateId};
use crate::wire::proto::v1;

/// Templates that one call of `list` asks for.
const PAGE_SIZE: i32 = 500;
/// Bytes of a file of a template; a larger one is none.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// What can be done with templates.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// List the templates of sectors, or of a firm
    #[command(before_help = "\
Examples:
  idnode template list
  idnode template list --firm f3c9a127 -o json")]
    List {
        /// Those of this firm
        #[arg(long)]
        firm: Option<String>,
    },
    /// Show a template and its items
    #[command(before_help = "\
Examples:
  idnode template show valves
  idnode template show valves --version 1 -o json > valves.json")]
    Show {
        /// The template
        template: String,
        /// This version; the latest if absent
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
        version: Option<u32>,
    },
    /// Make a template from a file, as `show -o json` writes it
    #[command(before_help = "\
Examples:
  idnode template create f3c9a127-breaker breaker.json --firm f3c9a127
  idnode template create bearings bearings.json --dry-run")]
    Create {
        /// The template; of a firm it begins with the firm's id and \"-\"
        template: String,
        /// What its first version says
        file: PathBuf,
        /// Whose it is; of a sector if absent
        #[arg(long)]
        firm: Option<String>,
        /// What every change takes.
        #[command(flatten)]
        write: WriteArguments,
    },
    /// Make the next version of a template from a file
    #[command(before_help = "\
Examples:
  idnode template revise f3c9a127-breaker breaker.json
  idnode template revise f3c9a127-breaker breaker.json --etag r1842 --dry-run")]
    Revise {
        /// The template
        template: String,
        /// What the version says: every item of the version before, and more
        file: PathBuf,
        /// Change it only if this is its etag still
        #[arg(long)]
        etag: Option<String>,
        /// What every change takes.
        #[command(flatten)]
        write: WriteArguments,
    },
    /// Make the next version of a template, without an item for new records
    #[command(before_help = "\
Examples:
  idnode template disable-item f3c9a127-breaker 2103
  idnode template disable-item f3c9a127-breaker trip_curve")]
    DisableItem {
        /// The template
        template: String,
        /// The item's index or name
        item: String,
        /// Change it only if this is its etag still
        #[arg(long)]
        etag: Option<String>,
        /// What every change takes.
        #[command(flatten)]
        write: WriteArguments,
    },
    /// Print a template as JSON Schema
    #[command(before_help = "\
Examples:
  idnode template schema valves > valves.schema.json")]
    Schema {
        /// The template
        template: String,
        /// This version; the latest if absent
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
        version: Option<u32>,
    },
    /// Check a file by a template, and register nothing
    #[command(before_help = "\
Examples:
  idnode template check valves products.csv --prefix 88.118.7
  idnode template check valves documents.json --report faults.csv")]
    Check(check::Arguments),
}

/// Does what `command` says.
///
/// # Errors
/// What the node answered, or why it did not.
pub async fn run(
    command: Command,
    connection: &Connection,
    output: &Output,
) -> Result<(), Failure> {
    match command {
        Command::List { firm } => list(firm, connection, output).await,
        Command::Show { template, version } => {
            let client = connection.client(output).await?;
            show(fetch(&client, &template, version).await?, output)
        }
        Command::Create { .. } | Command::Revise { .. } | Command::DisableItem { .. } => {
            change(command, connection, output).await
        }
        Command::Schema { template, version } => {
            let client = connection.client(output).await?;
            let request = client.request(v1::GetTemplateSchemaRequest {
                name: name_of(&template)?,
                version: version.unwrap_or_default(),
            });
            let call = client.templates();
            let answer = client.answer({ call }.get_template_schema(request)).await?;
            output.data(&format!("{}\n", answer.schema))
        }
        Command::Check(arguments) => check::run(arguments, connection, output).await,
    }
}

async fn change(command: Command, connection: &Connection, output: &Output) -> Result<(), Failure> {
    match command {
        Command::Create {
            template,
            file,
            firm,
            write,
        } => {
            let firm = firm.as_deref().map(FirmId::parse).transpose()?;
            let mut message = read(&template, &file)?;
            message.firm = firm.map_or_else(String::new, |firm| format!("firms/{firm}"));
            let client = connection.client(output).await?;
            let request = client.request(v1::CreateTemplateRequest {
                template: Some(message),
                request_id: write.request_id()?,
                validate_only: write.dry_run,
            });
            let call = client.templates();
            let made = client.answer({ call }.create_template(request)).await?;
            note_dry_run(write.dry_run, output);
            show(made, output)
        }
        Command::Revise {
            template,
            file,
            etag,
            write,
        } => {
            let mut message = read(&template, &file)?;
            message.etag = etag.unwrap_or_default();
            let client = connection.client(output).await?;
            let request = client.request(v1::ReviseTemplateRequest {
                template: Some(message),
                request_id: write.request_id()?,
                validate_only: write.dry_run,
            });
            let call = client.templates();
            let made = client.answer({ call }.revise_template(request)).await?;
            note_dry_run(write.dry_run, output);
            show(made, output)
        }
        Command::DisableItem {
            template,
            item,
            etag,
            write,
        } => {
            let client = connection.client(output).await?;
            let index = index_of(&client, &template, &item).await?;
            let request = client.request(v1::DisableItemRequest {
                name: name_of(&template)?,
                index,
                etag: etag.unwrap_or_default(),
                request_id: write.request_id()?,
                validate_only: write.dry_run,
            });
            let call = client.templates();
            let made = client.answer({ call }.disable_item(request)).await?;
            note_dry_run(write.dry_run, output);
            show(made, output)
        }
        Command::List { .. }
        | Command::Show { .. }
        | Command::Schema { .. }
        | Command::Check(_) => Ok(()),
    }
}

/// Asks for a version of a template; the latest if none is named.
///
/// # Errors
/// What the node answered, or why it did not.
pub async fn fetch(
    client: &Client,
    template: &str,
    version: Option<u32>,
) -> Result<v1::Template, Failure> {
    let request = client.request(v1::GetTemplateRequest {
        name: name_of(template)?,
        version: version.unwrap_or_default(),
    });
    let call = client.templates();
    client.answer({ call }.get_template(request)).await
}

/// Template and version of `valves` or `valves@2`.
///
/// # Errors
/// If the text is neither.
pub fn parse_version(text: &str) -> Result<(String, Option<u32>), Failure> {
    let (id, version) = match text.split_once('@') {
        Some((id, version)) => (id, Some(version)),
        None => (text, None),
    };
    TemplateId::parse(id)?;
    let version = version.map(str::parse).transpose();
    match version {
        Ok(Some(0)) | Err(_) => Err(Failure::usage(format!(
            "{text}: a version is a number from 1, as in {id}@2"
        ))),
        Ok(version) => Ok((id.to_owned(), version)),
    }
}

async fn list(
    firm: Option<String>,
    connection: &Connection,
    output: &Output,
) -> Result<(), Failure> {
    let firm = firm.as_deref().map(FirmId::parse).transpose()?;
    let parent = firm.map_or_else(String::new, |firm| format!("firms/{firm}"));
    let client = connection.client(output).await?;
    let mut templates = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = client.request(v1::ListTemplatesRequest {
            parent: parent.clone(),
            page_size: PAGE_SIZE,
            page_token,
        });
        let call = client.templates();
        let page = client.answer({ call }.list_templates(request)).await?;
        templates.extend(page.templates);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    let shapes: Vec<_> = templates
        .iter()
        .map(|template| {
            json!({
                "template": data::id_of(&template.name),
                "firm": template.firm.strip_prefix("firms/").unwrap_or_default(),
                "latest_version": template.latest_version,
                "label": template.label,
                "industry": template.industry,
                "etag": template.etag,
            })
        })
        .collect();
    output.show(&json!({"templates": shapes}), || {
        let mut rows = Rows::with_header(["TEMPLATE", "VERSION", "INDUSTRY", "LABEL"]);
        for template in &templates {
            rows.push([
                data::id_of(&template.name).to_owned(),
                template.latest_version.to_string(),
                template.industry.clone(),
                template.label.clone(),
            ]);
        }
        rows
    })
}

fn show(template: v1::Template, output: &Output) -> Result<(), Failure> {
    let version = data::version_of(template.clone())?;
    let shape = data::shape(template)?;
    output.show(&shape, || table(&version))
}

fn table(version: &Version) -> Rows {
    let header = ["INDEX", "NAME", "LABEL", "KIND", "RULES"];
    let mut rows = Rows::with_header(header);
    let Draft { items, .. } = version.draft();
    for item in items {
        rows.push([
            item.index.to_string(),
            item.name.clone(),
            item.label.clone(),
            kind_of(&item),
            rules_of(&item),
        ]);
    }
    rows
}

fn kind_of(item: &DraftItem) -> String {
    let kind = match &item.kind {
        DraftKind::Text { .. } => "text",
        DraftKind::Integer { .. } => "integer",
        DraftKind::Decimal { .. } => "decimal",
        DraftKind::Date { .. } => "date",
        DraftKind::DateTime { .. } => "date and time",
        DraftKind::Boolean {} => "boolean",
        DraftKind::Code { .. } => "code",
        DraftKind::Url {} => "url",
        DraftKind::Digest { .. } => "digest",
        DraftKind::Reference { .. } => "reference",
        DraftKind::Composition {} => "composition",
    };
    if item.list.is_some() {
        format!("list of {kind}")
    } else {
        kind.to_owned()
    }
}

/// What an item asks for, in few words.
fn rules_of(item: &DraftItem) -> String {
    let mut rules = Vec::new();
    for (is_so, word) in [
        (item.disabled, "disabled"),
        (item.required, "required"),
        (item.unique, "unique"),
    ] {
        if is_so {
            rules.push(word.to_owned());
        }
    }
    match &item.kind {
        DraftKind::Text {
            length_max,
            pattern,
            ..
        } => {
            rules.extend(length_max.map(|most| format!("at most {most} characters")));
            rules.extend(pattern.clone());
        }
        DraftKind::Decimal { min, max, unit, .. } => {
            rules.extend(bounds(min.as_deref(), max.as_deref()));
            rules.extend((!unit.is_empty()).then(|| unit.clone()));
        }
        DraftKind::Integer { min, max } => {
            let (min, max) = (min.map(|n| n.to_string()), max.map(|n| n.to_string()));
            rules.extend(bounds(min.as_deref(), max.as_deref()));
        }
        DraftKind::Date { min, max } | DraftKind::DateTime { min, max } => {
            rules.extend(bounds(min.as_deref(), max.as_deref()));
        }
        DraftKind::Code { codes } => {
            let codes: Vec<&str> = codes.iter().map(|code| code.code.as_str()).collect();
            rules.push(codes.join(" | "));
        }
        DraftKind::Digest { algorithms } => rules.push(algorithms.join(" | ")),
        DraftKind::Reference { prefixes } => rules.extend(prefixes.iter().cloned()),
        DraftKind::Boolean {} | DraftKind::Url {} | DraftKind::Composition {} => {}
    }
    rules.join(", ")
}

fn bounds(min: Option<&str>, max: Option<&str>) -> Option<String> {
    match (min, max) {
        (Some(min), Some(max)) => Some(format!("{min} to {max}")),
        (Some(min), None) => Some(format!("from {min}")),
        (None, Some(max)) => Some(format!("to {max}")),
        (None, None) => None,
    }
}

/// The index of an item that is named by its index or its name.
async fn index_of(client: &Client, template: &str, item: &str) -> Result<u32, Failure> {
    if let Ok(index) = item.parse() {
        return Ok(index);
    }
    let fetched = fetch(client, template, None).await?;
    let found = fetched.items.iter().find(|known| known.name == item);
    let missing = || {
        Failure::usage(format!("template {template} has no item {item}"))
            .hint(format!("see its items: idnode template show {template}"))
    };
    Ok(found.ok_or_else(missing)?.index)
}

fn read(template: &str, file: &std::path::Path) -> Result<v1::Template, Failure> {
    use std::io::Read;
    let id = TemplateId::parse(template)?;
    let fail =
        |error: std::io::Error| Failure::usage(format!("cannot read {}: {error}", file.display()));
    let mut text = String::new();
    let opened = std::fs::File::open(file).map_err(fail)?;
    let bytes = opened.take(FILE_BYTES_MAX + 1).read_to_string(&mut text);
    if u64::try_from(bytes.map_err(fail)?).unwrap_or(u64::MAX) > FILE_BYTES_MAX {
        let text = format!("{} is larger than {FILE_BYTES_MAX} bytes", file.display());
        return Err(Failure::usage(text));
    }
    Ok(data::message(id.as_str(), data::draft_of_file(&text)?))
}

fn name_of(template: &str) -> Result<String, Failure> {
    Ok(format!("templates/{}", TemplateId::parse(template)?))
}
