//! `key`, `person`, `certificate`, `operator`: keeping principals. What they
//! share: how a principal is shown, what confines one, and what becomes of it.

pub mod certificate;
pub mod key;
pub mod operator;
pub mod person;
mod shape;

use std::path::{Path, PathBuf};

use prost_types::{FieldMask, Timestamp};

pub use shape::PrincipalShape;

use crate::cli::client::{Client, Connection};
use crate::cli::failure::{Exit, Failure};
use crate::cli::output::{Output, Rows};
use crate::crypto::key_file;
use crate::wire::proto::v1;
use crate::wire::proto::v1::principal::Kind;

/// Principals that one call of `list` asks for.
const PAGE_SIZE: i32 = 500;

/// What becomes of a principal, whatever its kind.
#[derive(Debug, clap::Subcommand)]
pub enum Keep {
    /// Show one
    #[command(before_help = "\
Examples:
  idnode key show 1f0a9c22d01b8e77
  idnode person show 1f0a9c22d01b8e77
  idnode certificate show c-9f86d081884c7d659a2feaa0c55ad015a3bf4f1b
  idnode operator show 1f0a9c22d01b8e77 -o json")]
    Show {
        /// Its id
        id: String,
    },
    /// Change its name, its role or what it is confined to
    #[command(before_help = "\
Examples:
  idnode key update 1f0a9c22d01b8e77 --network 10.1.0.0/16
  idnode person update 1f0a9c22d01b8e77 --role registrar
  idnode certificate update c-9f86d081884c7d659a2feaa0c55ad015a3bf4f1b --name meter-7
  idnode operator update 1f0a9c22d01b8e77 --expires 2027-01-01")]
    Update {
        /// Its id
        id: String,
        /// Its name for people
        #[arg(long)]
        name: Option<String>,
        /// Its role in its firm
        #[arg(long, value_enum)]
        role: Option<Role>,
        /// What it is confined to; what is not given confines no longer
        #[command(flatten)]
        scope: ScopeArguments,
        /// Let it go unconfined
        #[arg(long, conflicts_with_all = ["prefixes", "verbs", "networks", "expires"])]
        unconfined: bool,
        /// Change it only if this is its etag still
        #[arg(long)]
        etag: Option<String>,
    },
    /// Make it count no longer, until it is enabled
    #[command(before_help = "\
Examples:
  idnode key disable 1f0a9c22d01b8e77 --reason 'audit'
  idnode person disable 1f0a9c22d01b8e77 --reason 'on leave'
  idnode certificate disable c-9f86d081884c7d659a2feaa0c55ad015a3bf4f1b --reason 'stolen?'
  idnode operator disable 1f0a9c22d01b8e77 --reason 'on leave'")]
    Disable {
        /// Its id
        id: String,
        /// Why; for owners, operators and the audit trail
        #[arg(long)]
        reason: String,
    },
    /// Make it count again
    #[command(before_help = "\
Examples:
  idnode key enable 1f0a9c22d01b8e77
  idnode person enable 1f0a9c22d01b8e77
  idnode certificate enable c-9f86d081884c7d659a2feaa0c55ad015a3bf4f1b
  idnode operator enable 1f0a9c22d01b8e77")]
    Enable {
        /// Its id
        id: String,
    },
    /// Revoke it, for good
    #[command(before_help = "\
Examples:
  idnode key revoke 1f0a9c22d01b8e77
  idnode person revoke 1f0a9c22d01b8e77
  idnode certificate revoke c-9f86d081884c7d659a2feaa0c55ad015a3bf4f1b
  idnode operator revoke 1f0a9c22d01b8e77")]
    Revoke {
        /// Its id
        id: String,
    },
}

/// A role in a firm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Role {
    /// Reads what the firm keeps
    Reader,
    /// Registers and changes identifiers
    Registrar,
    /// Decides who may do and see what
    Owner,
}

impl From<Role> for v1::FirmRole {
    fn from(role: Role) -> Self {
        match role {
            Role::Reader => Self::Reader,
            Role::Registrar => Self::Registrar,
            Role::Owner => Self::Owner,
        }
    }
}

/// What a scope may confine to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Verb {
    /// Read records, also what the public may not
    Read,
    /// List and export records
    List,
    /// Register and change records
    Write,
    /// Keep the firm's principals, groups, shares and templates
    Manage,
}

impl From<Verb> for v1::Verb {
    fn from(verb: Verb) -> Self {
        match verb {
            Verb::Read => Self::Read,
            Verb::List => Self::List,
            Verb::Write => Self::Write,
            Verb::Manage => Self::Manage,
        }
    }
}

/// What a principal is confined to.
#[derive(Debug, Default, clap::Args)]
pub struct ScopeArguments {
    /// Only below this prefix. May be repeated
    #[arg(long = "prefix", value_name = "PREFIX")]
    prefixes: Vec<String>,
    /// Only this. May be repeated
    #[arg(long = "verb", value_name = "VERB", value_enum)]
    verbs: Vec<Verb>,
    /// Only from this network, as 10.1.0.0/16, or address. May be repeated
    #[arg(long = "network", value_name = "NETWORK")]
    networks: Vec<String>,
    /// Only until then: 2027-01-01, or 2027-01-01T08:00:00+08:00
    #[arg(long, value_name = "TIME", value_parser = time)]
    expires: Option<Timestamp>,
}

impl ScopeArguments {
    fn is_empty(&self) -> bool {
        let Self {
            prefixes,
            verbs,
            networks,
            expires,
        } = self;
        prefixes.is_empty() && verbs.is_empty() && networks.is_empty() && expires.is_none()
    }
}

impl From<ScopeArguments> for v1::Scope {
    fn from(arguments: ScopeArguments) -> Self {
        let ScopeArguments {
            prefixes,
            verbs,
            networks,
            expires,
        } = arguments;
        let name = |prefix: String| match prefix.strip_prefix("prefixes/") {
            Some(_) => prefix,
            None => format!("prefixes/{prefix}"),
        };
        let verb = |verb| i32::from(v1::Verb::from(verb));
        Self {
            prefixes: prefixes.into_iter().map(name).collect(),
            verbs: verbs.into_iter().map(verb).collect(),
            networks,
            expire_time: expires,
        }
    }
}

/// A day, whose beginning in UTC it is, or a time as RFC 3339 writes it.
fn time(text: &str) -> Result<Timestamp, String> {
    let whole = match text.contains('T') {
        true => text.to_owned(),
        false => format!("{text}T00:00:00Z"),
    };
    let fail = |_| "must be a day as 2027-01-01, or a time as 2027-01-01T08:00:00Z".to_owned();
    whole.parse().map_err(fail)
}

/// Whose a principal is to be, and with which role.
#[derive(Debug, clap::Args)]
pub struct Membership {
    /// Its role in the firm
    #[arg(long, value_enum)]
    role: Role,
    /// The firm; the caller's own if absent
    #[arg(long, value_name = "FIRM")]
    firm: Option<String>,
    /// What it is confined to.
    #[command(flatten)]
    scope: ScopeArguments,
}

impl Membership {
    /// The principal that is to be made, named `name`.
    ///
    /// # Errors
    /// What the node answered; if the caller has no firm of its own.
    async fn principal(self, name: String, client: &Client) -> Result<v1::Principal, Failure> {
        let Self { role, firm, scope } = self;
        Ok(v1::Principal {
            firm: firm_or_own(firm, client).await?,
            firm_role: v1::FirmRole::from(role).into(),
            display_name: name,
            scope: (!scope.is_empty()).then(|| scope.into()),
            ..v1::Principal::default()
        })
    }
}

/// `firms/{firm}`: the one named, else the caller's own.
///
/// # Errors
/// What the node answered; if the caller has none.
async fn firm_or_own(firm: Option<String>, client: &Client) -> Result<String, Failure> {
    if let Some(firm) = firm {
        return Ok(match firm.strip_prefix("firms/") {
            Some(_) => firm,
            None => format!("firms/{firm}"),
        });
    }
    let request = client.request(v1::WhoAmIRequest {});
    let answer = client.answer(client.accounts().who_am_i(request)).await?;
    let own = answer.principal.map(|principal| principal.firm);
    own.filter(|firm| !firm.is_empty())
        .ok_or_else(|| Failure::usage("the caller has no firm").hint("name one: --firm FIRM"))
}

/// `principals/{id}`.
fn name_of(id: &str) -> String {
    match id.strip_prefix("principals/") {
        Some(_) => id.to_owned(),
        None => format!("principals/{id}"),
    }
}

/// Refuses a file that is there, before a secret is made that could go nowhere.
fn check_free(path: Option<&PathBuf>) -> Result<(), Failure> {
    match path {
        Some(path) if path.symlink_metadata().is_ok() => Err(exists(path)),
        Some(_) | None => Ok(()),
    }
}

fn write_secret(path: &Path, secret: &str) -> Result<(), Failure> {
    key_file::create(path, secret).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => exists(path),
        _ => Failure::io(&format!("cannot write {}", path.display()), &error),
    })
}

fn exists(path: &Path) -> Failure {
    let text = format!("{} exists already", path.display());
    Failure::new(Exit::Conflict, text).hint("a secret is never overwritten: name another file")
}

/// Does what `command` says.
///
/// # Errors
/// What the node answered, or why it did not.
async fn keep(command: Keep, connection: &Connection, output: &Output) -> Result<(), Failure> {
    let client = connection.client(output).await?;
    let mut accounts = client.accounts();
    let principal = match command {
        Keep::Show { id } => {
            let request = client.request(v1::GetPrincipalRequest { name: name_of(&id) });
            client.answer(accounts.get_principal(request)).await?
        }
        Keep::Update {
            id,
            name,
            role,
            scope,
            unconfined,
            etag,
        } => {
            let mut paths = Vec::new();
            let mut principal = v1::Principal {
                name: name_of(&id),
                etag: etag.unwrap_or_default(),
                ..v1::Principal::default()
            };
            if let Some(name) = name {
                principal.display_name = name;
                paths.push("display_name".to_owned());
            }
            if let Some(role) = role {
                principal.firm_role = v1::FirmRole::from(role).into();
                paths.push("firm_role".to_owned());
            }
            if unconfined || !scope.is_empty() {
                principal.scope = Some(scope.into());
                paths.push("scope".to_owned());
            }
            if paths.is_empty() {
                return Err(Failure::usage("nothing is to change")
                    .hint("give --name, --role, or what it is confined to"));
            }
            let request = client.request(v1::UpdatePrincipalRequest {
                principal: Some(principal),
                update_mask: Some(FieldMask { paths }),
            });
            client.answer(accounts.update_principal(request)).await?
        }
        Keep::Disable { id, reason } => {
            let request = client.request(v1::DisablePrincipalRequest {
                name: name_of(&id),
                reason,
                etag: String::new(),
            });
            client.answer(accounts.disable_principal(request)).await?
        }
        Keep::Enable { id } => {
            let request = client.request(v1::EnablePrincipalRequest {
                name: name_of(&id),
                etag: String::new(),
            });
            client.answer(accounts.enable_principal(request)).await?
        }
        Keep::Revoke { id } => {
            let request = client.request(v1::RevokePrincipalRequest {
                name: name_of(&id),
                etag: String::new(),
            });
            client.answer(accounts.revoke_principal(request)).await?
        }
    };
    PrincipalShape::from(principal).show(output)
}

/// Arguments of every `list`.
#[derive(Debug, clap::Args)]
pub struct ListArguments {
    /// The firm; the caller's own if absent
    #[arg(long, value_name = "FIRM")]
    firm: Option<String>,
    /// Also list what was revoked
    #[arg(long)]
    show_revoked: bool,
}

/// Lists the principals of `parent` of one kind, or of every kind.
///
/// # Errors
/// What the node answered, or why it did not.
async fn list(
    parent: String,
    (kind, show_revoked): (Option<Kind>, bool),
    client: &Client,
    output: &Output,
) -> Result<(), Failure> {
    let mut accounts = client.accounts();
    let mut shapes = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = client.request(v1::ListPrincipalsRequest {
            parent: parent.clone(),
            page_size: PAGE_SIZE,
            page_token,
            show_revoked,
        });
        let page = client.answer(accounts.list_principals(request)).await?;
        let wanted = page
            .principals
            .into_iter()
            .filter(|principal| kind.is_none_or(|kind| principal.kind() == kind));
        shapes.extend(wanted.map(PrincipalShape::from));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    output.show(&serde_json::json!({"principals": shapes}), || {
        let mut rows = Rows::with_header(["id", "kind", "name", "role", "state", "expires"]);
        for shape in &shapes {
            rows.push([
                shape.id.clone(),
                shape.kind.to_owned(),
                shape.name.clone(),
                shape.role.to_owned(),
                shape.state.to_owned(),
                shape.expire_time.clone().unwrap_or_default(),
            ]);
        }
        rows
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_days_and_times() {
        let shown = |text: &str| time(text).map(|time| time.to_string()).ok();
        assert_eq!(shown("2027-01-01").as_deref(), Some("2027-01-01T00:00:00Z"));
        let in_china = shown("2027-01-01T08:00:00+08:00");
        assert_eq!(in_china.as_deref(), Some("2027-01-01T00:00:00Z"));
        for wrong in ["", "tomorrow", "2027-13-01", "2027-01-01T", "1d"] {
            assert_eq!(shown(wrong), None, "{wrong}");
        }
    }
}
