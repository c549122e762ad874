//! Links that nobody may see: they do not show in a trace, and how much they show in
//! the time that it takes.

use std::ops::ControlFlow;
use std::time::Duration;

use idnode::model::link::{Behind, Facts};
use idnode::model::{Caller, FirmRole, Identifier, LinkKind, LinkName, Visibility};
use idnode::node::{
    FoundRow, LinkAction, Node, OnConflict, TraceDirection, TraceQuery, TraceTaker,
};
use idnode::store::Batch;
use tokio::time::Instant;

use super::tracing::{Question, Traced, query, who};
use super::world::{fill, member};
use crate::registry::block_on;

/// What is found is asserted, the ratio of medians told: the node of a hidden link is
/// found and its links are judged, which takes some microseconds, and where nothing is
/// linked there is neither; but either is told after a round number of milliseconds.
#[test]
fn hidden_links_are_as_none_but_for_some_time() {
    block_on(async {
        let folder = tempfile::tempdir().expect("folder");
        let mut traced = Traced::open(folder.path());
        let mut batch = Batch::new(&traced.store);
        fill(&mut batch);
        batch.commit().expect("written");
        for number in 0..500 {
            for target in 0..3 {
                let name = LinkName {
                    source: Identifier::parse(&format!("88.118.7/KEPT.{number}")).expect("one"),
                    kind: LinkKind::parse("made_from").expect("a kind"),
                    target: Identifier::parse(&format!("88.118.7/PART.{target}")).expect("one"),
                    owner: None,
                };
                let action = LinkAction::State {
                    facts: Facts::default(),
                    visibility: Visibility::Owner,
                    behind: Behind::Nothing,
                    on_conflict: OnConflict::Fail,
                    etag: None,
                };
                traced.write(&who(Some("a")), name, action).await;
            }
        }
        for is_in_memory in [false, true] {
            if is_in_memory {
                traced.keep_graph().await;
            }
            for caller in [Caller::ANONYMOUS, member("c", FirmRole::Owner)] {
                let mut ratios: Vec<f64> = (0..5)
                    .map(|_| {
                        let median = |name| median(&traced.node, &caller, name);
                        median("KEPT").as_secs_f64() / median("NONE").as_secs_f64()
                    })
                    .collect();
                ratios.sort_by(f64::total_cmp);
                let who = caller.name();
                eprintln!("hidden over absent, {who}, in memory {is_in_memory}: {ratios:?}");
            }
        }
        traced.close().await;
    });
}

/// Counts rows.
#[derive(Default)]
struct Counting {
    rows: usize,
    more: usize,
}

impl TraceTaker for Counting {
    fn row(&mut self, row: FoundRow<'_>) {
        self.rows += 1;
        self.more += usize::from(row.more);
    }

    fn pause(&mut self) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

/// The median time of a trace up from each of 500 identifiers.
fn median(node: &Node, caller: &Caller, name: &str) -> Duration {
    let question = Question {
        start: 0,
        direction: TraceDirection::Up,
        kinds: Vec::new(),
        depth_max: 0,
        window: None,
        as_of: None,
    };
    let mut times: Vec<Duration> = (0..4000)
        .map(|number| {
            let text = format!("88.118.7/{name}.{}", number % 500);
            let query = TraceQuery {
                start: Identifier::parse(&text).expect("an identifier"),
                ..query(&question, 0)
            };
            let mut counting = Counting::default();
            let began = Instant::now();
            let mut tracing = node.begin_trace(caller, &query).expect("begins");
            let progress = tracing.go(query.until, &mut counting).expect("traces");
            // As long as whoever asked waits.
            let took = began.elapsed() + progress.quiet;
            assert_eq!((counting.rows, counting.more), (1, 0));
            took
        })
        .collect();
    times.sort_unstable();
    times[times.len() / 2]
}
