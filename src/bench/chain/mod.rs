//! Links and traces on the benchmark graph of a supply chain, beside another
//! database that gets the same edges and the same questions as files.

mod load;
mod question;
mod rows;
mod write;

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;

use crate::bench::error::Error;
use crate::demo::ChainGraph;

pub use load::{Loaded, load_chain};
pub use question::{Asked, TraceReport, trace_chain};
pub use write::{Written, write_links};

/// The day of the first link, in seconds since 1970-01-01: 2023-01-02.
const FIRST_DAY_SECS: i64 = 19_359 * DAY_SECS;
const DAY_SECS: i64 = 86_400;
/// Days over which the things of the graph were made.
const DAYS: u32 = 1_000;
/// Half of the links hold before then.
const WINDOW_DAY: u32 = DAYS / 2;

/// The questions of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum QuerySet {
    /// The bill of materials of finished goods.
    Bom,
    /// What basic parts went into.
    WhereUsed,
    /// Where material lots went.
    Lots,
    /// The same, along links that hold in the first half of the time.
    LotsWindow,
    /// The same, counted for each prefix.
    LotsGrouped,
    /// Where raw batches went.
    Batches,
    /// What pallets hold, down to the raw batches.
    Pallets,
    /// Where the raw batch went that went furthest.
    Hottest,
}

impl QuerySet {
    /// Every set.
    pub const ALL: [Self; 8] = [
        Self::Bom,
        Self::WhereUsed,
        Self::Lots,
        Self::LotsWindow,
        Self::LotsGrouped,
        Self::Batches,
        Self::Pallets,
        Self::Hottest,
    ];

    /// Its name, as files have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bom => "bom",
            Self::WhereUsed => "where-used",
            Self::Lots => "lots",
            Self::LotsWindow => "lots-window",
            Self::LotsGrouped => "lots-grouped",
            Self::Batches => "batches",
            Self::Pallets => "pallets",
            Self::Hottest => "hottest",
        }
    }

    /// Whether it goes upstream.
    const fn is_up(self) -> bool {
        matches!(self, Self::Bom | Self::Pallets)
    }

    /// The level of its starts, and how many there are at most.
    const fn starts(self) -> (usize, usize) {
        match self {
            Self::Bom => (8, 2_000),
            Self::WhereUsed => (2, 2_000),
            Self::Lots | Self::LotsWindow | Self::LotsGrouped => (1, 1_000),
            Self::Batches => (0, 500),
            Self::Pallets => (10, 1_000),
            Self::Hottest => (0, 1),
        }
    }

    /// The nodes to begin at: spread evenly over their level.
    fn nodes(self, graph: &ChainGraph) -> Vec<u32> {
        let (level, count_max) = self.starts();
        let level = graph.level(level);
        let count = count_max.min(level.len());
        let step = level.len() / count.max(1);
        level.step_by(step.max(1)).take(count).collect()
    }
}

/// The day on which a thing was made, from which its links to what it was made of
/// hold.
const fn day(node: u32) -> u32 {
    node.wrapping_mul(2_654_435_761) % DAYS
}

fn file(path: PathBuf) -> impl FnOnce(std::io::Error) -> Error {
    |source| Error::File { path, source }
}

/// Writes the graph and the questions for another database below `folder`:
/// `edges.tsv` (input, output, day), `nodes.tsv` (node, prefix) and for each set
/// `SET.starts`. Gives how many edges there are.
///
/// # Errors
/// [`Error::File`].
pub fn write_chain(nodes: u32, folder: &Path) -> Result<u64, Error> {
    use std::io::Write;

    let graph = ChainGraph::new(nodes);
    let create = |name: &str| {
        let path = folder.join(name);
        let created = std::fs::File::create(&path).map_err(file(path.clone()))?;
        Ok::<_, Error>((std::io::BufWriter::new(created), path))
    };
    let (mut out, path) = create("edges.tsv")?;
    let mut count = 0;
    for (input, output) in graph.edges() {
        count += 1;
        writeln!(out, "{input}\t{output}\t{}", day(output)).map_err(file(path.clone()))?;
    }
    out.flush().map_err(file(path))?;
    let (mut out, path) = create("nodes.tsv")?;
    for node in 0..graph.node_count() {
        let (prefix, _) = graph.identifier(node);
        writeln!(out, "{node}\t{prefix}").map_err(file(path.clone()))?;
    }
    out.flush().map_err(file(path))?;
    for set in QuerySet::ALL {
        let (mut out, path) = create(&format!("{}.starts", set.name()))?;
        for node in set.nodes(&graph) {
            writeln!(out, "{node}").map_err(file(path.clone()))?;
        }
        out.flush().map_err(file(path))?;
    }
    Ok(count)
}

/// Microseconds of a duration.
fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
