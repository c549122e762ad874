//! The node's settings: one struct for each module that has any, composed here.
//!
//! A setting is taken from the first that names it: flag, environment, file,
//! default. What each key means stands in `config/idnode.toml`, which is
//! compiled in; a test holds it equal to [`Config::default`].

mod check;
mod load;
mod problem;

use serde::{Deserialize, Serialize};

pub use load::{Loaded, Sources, load};
pub use problem::{Error, Origin, Problem};

use crate::access;
use crate::access::limits;
use crate::cluster;
use crate::face::dns;
use crate::face::grpc;
use crate::face::handle;
use crate::face::http;
use crate::net::tls;
use crate::node;
use crate::store;
use crate::telemetry;

/// `config/idnode.toml`: every key with its comment and default.
pub const DEFAULT_FILE: &str = include_str!("../../config/idnode.toml");

/// Keys that a running node takes over when it reloads (SIGHUP).
const RELOADABLE: &[&str] = &["telemetry.filter"];

/// All settings of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Section `[http]`.
    pub http: http::Config,
    /// Section `[tls]`.
    pub tls: tls::Config,
    /// Section `[grpc]`.
    pub grpc: grpc::Config,
    /// Section `[dns]`.
    pub dns: dns::Config,
    /// Section `[handle]`.
    pub handle: handle::Config,
    /// Section `[access]`.
    pub access: access::Config,
    /// Section `[limits]`.
    pub limits: limits::Config,
    /// Section `[store]`.
    pub store: store::Config,
    /// Section `[audit]`.
    pub audit: node::config::Config,
    /// Section `[trace]`.
    pub trace: node::config::TraceConfig,
    /// Section `[log]`.
    pub log: cluster::Config,
    /// Section `[telemetry]`.
    pub telemetry: telemetry::Config,
}

/// What differs between two configurations, as `section.key`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// What a running node can take over.
    pub reloadable: Vec<String>,
    /// What takes effect at the next start only.
    pub needs_restart: Vec<String>,
}

impl Config {
    /// Every setting as a table of sections, as a file would spell it.
    pub fn to_table(&self) -> toml::Table {
        // No setting is a map with other than text keys, nor above i64::MAX in
        // anything that `load` let through; the rest serializes.
        toml::Table::try_from(self).unwrap_or_default()
    }

    /// Which settings `new` changes, and whether a running node can take them.
    pub fn reloadable_difference(&self, new: &Self) -> Difference {
        let mut difference = Difference::default();
        let new_table = new.to_table();
        for (section, keys) in self.to_table() {
            let Some(keys) = keys.as_table() else {
                continue;
            };
            for (key, value) in keys {
                let other = new_table.get(&section).and_then(|keys| keys.get(key));
                if other == Some(value) {
                    continue;
                }
                let path = format!("{section}.{key}");
                if RELOADABLE.contains(&path.as_str()) {
                    difference.reloadable.push(path);
                } else {
                    difference.needs_restart.push(path);
                }
            }
        }
        difference
    }

    /// Checks what single keys cannot show: names, duplicates, bounds against
    /// each other. Reads nothing outside. Empty if all is well.
    pub fn check(&self) -> Vec<Problem> {
        check::rules(self)
    }

    /// Checks that the folders of the store exist or can be made, and can be
    /// written by this process. Empty if all is well.
    pub fn check_paths(&self) -> Vec<Problem> {
        check::paths(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(table: &toml::Table) -> Vec<String> {
        let mut paths = Vec::new();
        for (section, value) in table {
            let keys = value.as_table().expect("a section").keys();
            paths.extend(keys.map(|key| format!("{section}.{key}")));
        }
        paths.sort();
        paths
    }

    #[test]
    fn the_compiled_in_file_is_the_default_and_names_every_key() {
        let parsed: Config = toml::from_str(DEFAULT_FILE).expect("the file parses");
        assert_eq!(parsed, Config::default());
        let named: toml::Table = toml::from_str(DEFAULT_FILE).expect("the file parses");
        assert_eq!(keys(&named), keys(&Config::default().to_table()));
    }

    #[test]
    fn the_default_passes_its_own_check() {
        assert_eq!(Config::default().check(), []);
    }

    #[test]
    fn tells_apart_what_a_running_node_takes_over() {
        let mut new = Config::default();
        assert_eq!(
            Config::default().reloadable_difference(&new),
            Difference::default()
        );
        new.telemetry.filter = "debug".into();
        new.dns.udp_threads = 4;
        let difference = Config::default().reloadable_difference(&new);
        assert_eq!(difference.reloadable, ["telemetry.filter"]);
        assert_eq!(difference.needs_restart, ["dns.udp_threads"]);
    }
}
