//! How a principal is shown, and the secrets that are made for it, once.

use std::path::Path;

use prost_types::Timestamp;
use serde::Serialize;

use crate::cli::failure::Failure;
use crate::cli::output::{Output, Rows};
use crate::cli::principal::write_secret;
use crate::wire::proto::v1;
use crate::wire::proto::v1::principal::{Kind, State};

/// A principal in JSON. The shape is stable; `docs/cli.md` documents it.
#[derive(Clone, Debug, Serialize)]
pub struct PrincipalShape {
    pub(super) id: String,
    pub(super) kind: &'static str,
    pub(super) name: String,
    firm: String,
    pub(super) role: &'static str,
    pub(super) state: &'static str,
    disable_reason: String,
    prefixes: Vec<String>,
    verbs: Vec<&'static str>,
    networks: Vec<String>,
    pub(super) expire_time: Option<String>,
    one_time_code: bool,
    first_password: bool,
    previous_secret_expire_time: Option<String>,
    fingerprint: String,
    locked_for_secs: i64,
    etag: String,
    create_time: Option<String>,
    update_time: Option<String>,
}

impl From<v1::Principal> for PrincipalShape {
    fn from(principal: v1::Principal) -> Self {
        let (kind, state) = (kind_word(principal.kind()), state_word(principal.state()));
        let role = role_word(principal.node_role(), principal.firm_role());
        let v1::Principal {
            name: id,
            kind: _,
            firm,
            node_role: _,
            firm_role: _,
            display_name: name,
            scope,
            state: _,
            disable_reason,
            one_time_code,
            first_password,
            previous_secret_expire_time,
            fingerprint,
            etag,
            create_time,
            update_time,
            locked_for,
        } = principal;
        let scope = scope.unwrap_or_default();
        let behind = |text: &str, what| text.strip_prefix(what).unwrap_or(text).to_owned();
        let shown = |time: Option<Timestamp>| time.map(|time| time.to_string());
        Self {
            id: behind(&id, "principals/"),
            kind,
            name,
            firm: behind(&firm, "firms/"),
            role,
            state,
            disable_reason,
            verbs: scope.verbs().map(verb_word).collect(),
            prefixes: scope
                .prefixes
                .iter()
                .map(|p| behind(p, "prefixes/"))
                .collect(),
            networks: scope.networks,
            expire_time: shown(scope.expire_time),
            one_time_code,
            first_password,
            previous_secret_expire_time: shown(previous_secret_expire_time),
            fingerprint,
            locked_for_secs: locked_for.map_or(0, |left| left.seconds),
            etag,
            create_time: shown(create_time),
            update_time: shown(update_time),
        }
    }
}

const fn kind_word(kind: Kind) -> &'static str {
    match kind {
        Kind::Unspecified => "unknown",
        Kind::Person => "person",
        Kind::Key => "key",
        Kind::Certificate => "certificate",
    }
}

const fn state_word(state: State) -> &'static str {
    match state {
        State::Unspecified => "unknown",
        State::Active => "active",
        State::Disabled => "disabled",
        State::Revoked => "revoked",
    }
}

const fn role_word(node_role: v1::NodeRole, firm_role: v1::FirmRole) -> &'static str {
    match (node_role, firm_role) {
        (v1::NodeRole::SystemAdministrator, _) => "system-administrator",
        (v1::NodeRole::SecurityAdministrator, _) => "security-administrator",
        (v1::NodeRole::Auditor, _) => "auditor",
        (v1::NodeRole::Unspecified, v1::FirmRole::Reader) => "reader",
        (v1::NodeRole::Unspecified, v1::FirmRole::Registrar) => "registrar",
        (v1::NodeRole::Unspecified, v1::FirmRole::Owner) => "owner",
        (v1::NodeRole::Unspecified, v1::FirmRole::Unspecified) => "unknown",
    }
}

const fn verb_word(verb: v1::Verb) -> &'static str {
    match verb {
        v1::Verb::Unspecified => "unknown",
        v1::Verb::Read => "read",
        v1::Verb::List => "list",
        v1::Verb::Write => "write",
        v1::Verb::Manage => "manage",
    }
}

impl PrincipalShape {
    /// What is to be told of it, by name; what is not there is left out.
    pub fn pairs(&self) -> Vec<(&'static str, String)> {
        let yes = |flag: bool| {
            if flag {
                "yes".to_owned()
            } else {
                String::new()
            }
        };
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let locked = match self.locked_for_secs {
            0 => String::new(),
            secs => format!("{secs} s"),
        };
        let pairs = [
            ("id", self.id.clone()),
            ("kind", self.kind.to_owned()),
            ("name", self.name.clone()),
            ("firm", self.firm.clone()),
            ("role", self.role.to_owned()),
            ("state", self.state.to_owned()),
            ("disabled because", self.disable_reason.clone()),
            ("prefixes", self.prefixes.join(" ")),
            ("verbs", self.verbs.join(" ")),
            ("networks", self.networks.join(" ")),
            ("expires", text(&self.expire_time)),
            ("one-time code", yes(self.one_time_code)),
            ("first password", yes(self.first_password)),
            (
                "secret before counts until",
                text(&self.previous_secret_expire_time),
            ),
            ("fingerprint", self.fingerprint.clone()),
            ("locked out for", locked),
            ("etag", self.etag.clone()),
        ];
        pairs
            .into_iter()
            .filter(|(_, text)| !text.is_empty())
            .collect()
    }

    /// Shows it.
    ///
    /// # Errors
    /// If the standard output cannot be written.
    pub fn show(&self, output: &Output) -> Result<(), Failure> {
        output.show(self, || Rows::of_pairs(self.pairs()))
    }

    /// Shows it and the secrets that were made for it, which are there this once;
    /// or puts the one that is a key into a new file.
    pub(super) fn show_with(
        &self,
        secrets: &[(&'static str, &str)],
        path: Option<&Path>,
        output: &Output,
    ) -> Result<(), Failure> {
        let mut json = serde_json::to_value(self)
            .map_err(|error| Failure::io("cannot write JSON", &error.into()))?;
        let mut pairs = self.pairs();
        for (name, secret) in secrets.iter().filter(|(_, secret)| !secret.is_empty()) {
            let shown = match path {
                Some(path) => {
                    write_secret(path, secret)?;
                    path.display().to_string()
                }
                None => (*secret).to_owned(),
            };
            let field = if path.is_some() { "key_file" } else { name };
            if let Some(fields) = json.as_object_mut() {
                fields.insert(field.to_owned(), shown.clone().into());
            }
            pairs.push((field, shown));
        }
        if path.is_none() {
            output.say("what is secret is shown this once, so keep it");
        }
        output.show(&json, || Rows::of_pairs(pairs))
    }
}
