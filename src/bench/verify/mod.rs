//! Every record of the data, resolved and compared with the generator: over
//! gRPC, and over DNS where it has a name.

mod dns;
mod grpc;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

use crate::bench::clock;
use crate::bench::error::Error;
use crate::bench::target::Target;
use crate::demo::Demo;

/// Differing identifiers above which there is no point in going on.
const DIFFERENT_MAX: usize = 10_000;
/// Differences that are told in words.
const TOLD_MAX: usize = 10;

/// How a node is compared with the generator.
#[derive(Clone, Debug)]
pub struct Verifying {
    /// The node's DNS face.
    pub dns: SocketAddr,
    /// The zone that it is authoritative for.
    pub zone: String,
    /// Threads that ask over DNS.
    pub threads: usize,
}

/// What the comparison came to.
#[derive(Clone, Debug, Serialize)]
pub struct Verdict {
    /// Identifiers that say the same everywhere.
    pub equal: u64,
    /// Identifiers that do not.
    pub different: u64,
    /// Identifiers that have a name in the DNS.
    pub dns_names: u64,
    /// Questions that were asked over DNS.
    pub dns_questions: u64,
    /// Questions that had to be asked again over TCP.
    pub dns_over_tcp: u64,
    /// Seconds that gRPC took.
    pub grpc_seconds: f64,
    /// Seconds that DNS took.
    pub dns_seconds: f64,
    /// The first differences, in words.
    pub differences: Vec<String>,
}

/// Resolves every identifier of `demo` and compares.
///
/// # Errors
/// [`Error::TooDifferent`] above 10,000 differences; [`Error::Refused`] if a
/// stream breaks; [`Error::Udp`] if the DNS face answers nothing.
pub async fn verify(target: &Target, demo: Demo, how: &Verifying) -> Result<Verdict, Error> {
    let differences = Arc::new(Differences::default());
    let demo = Arc::new(demo);
    let start = clock::now();
    grpc::compare(target, &demo, &how.zone, &differences).await?;
    let middle = clock::now();
    let (data, found, dns) = (Arc::clone(&demo), Arc::clone(&differences), how.clone());
    let compared = tokio::task::spawn_blocking(move || dns::compare(&data, &dns, &found));
    let counts = compared.await.map_err(|_| Error::Worker)??;
    let end = clock::now();
    let found = differences
        .found
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    let different = u64::try_from(found.positions.len()).unwrap_or(u64::MAX);
    Ok(Verdict {
        equal: demo.identifiers().saturating_sub(different),
        different,
        dns_names: counts.names,
        dns_questions: counts.questions,
        dns_over_tcp: counts.over_tcp,
        grpc_seconds: middle.saturating_duration_since(start).as_secs_f64(),
        dns_seconds: end.saturating_duration_since(middle).as_secs_f64(),
        differences: found.told.clone(),
    })
}

/// What differs, from all workers.
#[derive(Debug, Default)]
struct Differences {
    found: Mutex<Found>,
}

#[derive(Debug, Default)]
struct Found {
    positions: BTreeSet<u64>,
    told: Vec<String>,
}

impl Differences {
    /// Notes that the identifier at `position` differs.
    fn note(&self, position: u64, what: String) -> Result<(), Error> {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.positions.insert(position);
        if found.told.len() < TOLD_MAX {
            found.told.push(what);
        }
        if found.positions.len() <= DIFFERENT_MAX {
            return Ok(());
        }
        Err(Error::TooDifferent {
            limit: DIFFERENT_MAX,
            first: found.told.first().cloned().unwrap_or_default(),
        })
    }
}
