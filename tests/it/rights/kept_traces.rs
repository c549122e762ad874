//! Answers of traces that are kept: current as long as the same trace finds the same,
//! and told apart from a walk by nobody's hidden links.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use idnode::model::link::Behind;
use idnode::model::{Caller, FirmRole, PrefixEntry, Visibility};
use idnode::node::{Found, FoundRow, Node, TraceDirection, TraceEnd, TraceQuery, TraceTaker};
use idnode::store::{Batch, PrefixRow};
use proptest::prelude::*;
use proptest::test_runner::Config as Cases;

use super::tracing::{
    ASKING, After, Asking, Question, Stated, Traced, any_question, any_stated, build, query,
};
use super::world::{OTHER_PREFIX, fill, firm, member};
use crate::registry::block_on;

/// Writes rows down, as a face would.
#[derive(Default)]
struct Writing(String);

impl TraceTaker for Writing {
    fn row(&mut self, row: FoundRow<'_>) {
        self.0 += &format!("{:?}\n", row.into_row());
    }

    fn pause(&mut self) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

/// Traces anew.
fn walked(node: &Node, caller: &Caller, query: &TraceQuery) -> String {
    let mut writing = Writing::default();
    let mut tracing = node.begin_trace(caller, query).expect("begins");
    tracing.go(query.until, &mut writing).expect("traces");
    writing.0
}

/// Asks as a face does. Returns the answer, and whether it was kept.
fn ask(node: &Node, caller: &Caller, query: &TraceQuery) -> (String, bool) {
    match node.find_trace(caller, query).expect("finds") {
        Found::Kept(kept) => {
            let text = String::from_utf8(kept.octets.to_vec()).expect("text");
            assert_eq!(usize::try_from(kept.row_count), Ok(text.lines().count()));
            (text, true)
        }
        Found::New(mut tracing) => {
            let mut writing = Writing::default();
            let progress = tracing.go(query.until, &mut writing).expect("traces");
            let octets = || Some(writing.0.clone().into());
            tracing.keep(&progress.end, (writing.0.len(), octets));
            (writing.0, false)
        }
    }
}

/// A node with firms and a graph in memory.
async fn traced(folder: &Path) -> Traced {
    let mut traced = Traced::open(folder);
    let mut batch = Batch::new(&traced.store);
    fill(&mut batch);
    batch.commit().expect("written");
    traced.keep_graph().await;
    traced
}

/// Links of firms "a" and "c" that all of `ASKING` see or not.
fn stated(source: usize, target: usize, owner: &'static str, visibility: Visibility) -> Stated {
    Stated {
        source,
        target,
        kind: 0,
        owner: Some(owner),
        visibility,
        behind: Behind::Nothing,
        from: 0,
        until: 0,
        after: After::Nothing,
    }
}

/// Everything upstream of an identifier.
fn upstream(start: usize) -> TraceQuery {
    let question = Question {
        start,
        direction: TraceDirection::Up,
        kinds: Vec::new(),
        depth_max: 0,
        window: None,
        as_of: None,
    };
    query(&question, 0)
}

/// Whether each asks for what was kept.
fn kept_for(node: &Node, query: &TraceQuery) -> Vec<Asking> {
    let is_kept = |asking: &Asking| {
        let (text, is_kept) = ask(node, &asking.caller(), query);
        assert_eq!(text, walked(node, &asking.caller(), query), "{asking:?}");
        is_kept
    };
    ASKING.into_iter().filter(is_kept).collect()
}

#[test]
fn a_change_that_one_may_not_know_of_leaves_an_answer() {
    block_on(async {
        let folder = tempfile::tempdir().expect("folder");
        let traced = traced(folder.path()).await;
        let node = &traced.node;
        let query = upstream(0);
        // The start and what it was made of, for everyone.
        build(&traced, &[stated(0, 1, "a", Visibility::Public)]).await;
        // The first time it is remembered, the second time kept.
        assert_eq!(kept_for(node, &query), []);
        assert_eq!(kept_for(node, &query), []);
        assert_eq!(kept_for(node, &query), ASKING);
        // Elsewhere, and downstream of what was found.
        let elsewhere = [
            stated(5, 6, "c", Visibility::Public),
            stated(2, 1, "a", Visibility::Public),
        ];
        build(&traced, &elsewhere).await;
        assert_eq!(kept_for(node, &query), ASKING);
        // Seen by its owner and the operators.
        build(&traced, &[stated(1, 2, "a", Visibility::Owner)]).await;
        let others = [Asking::Anyone, Asking::Firm("b"), Asking::Firm("c")];
        assert_eq!(kept_for(node, &query), others);
        assert_eq!(kept_for(node, &query), ASKING);
        // Seen by the firms at its ends.
        build(&traced, &[stated(1, 4, "a", Visibility::Ends)]).await;
        let others = [Asking::Anyone, Asking::Firm("b")];
        assert_eq!(kept_for(node, &query), others);
        assert_eq!(kept_for(node, &query), ASKING);
        traced.close().await;
    });
}

#[test]
fn an_answer_ends_with_the_rights_that_it_rests_on() {
    block_on(async {
        let folder = tempfile::tempdir().expect("folder");
        let traced = traced(folder.path()).await;
        let node = &traced.node;
        let links = [
            stated(0, 1, "a", Visibility::Public),
            stated(1, 4, "a", Visibility::Ends),
        ];
        build(&traced, &links).await;
        let query = upstream(0);
        kept_for(node, &query);
        kept_for(node, &query);
        assert_eq!(kept_for(node, &query), ASKING);
        let reader = member("c", FirmRole::Reader);
        assert_eq!(ask(node, &reader, &query).0.lines().count(), 3);
        // Counts of identifiers are nobody's rights.
        let row = |change: &dyn Fn(&mut PrefixRow)| {
            let mut batch = Batch::new(&traced.store);
            let mut row = batch.prefix(OTHER_PREFIX).expect("it is there");
            change(&mut row);
            batch.put_prefix(OTHER_PREFIX, row).expect("put");
            batch.commit().expect("written");
        };
        row(&|row| row.counts.active += 1);
        assert_eq!(kept_for(node, &query), ASKING);
        row(&|row| {
            row.counts.active -= 1;
            row.entry = Arc::new(PrefixEntry {
                holder: Some(firm("b")),
                ..PrefixEntry::clone(&row.entry)
            });
        });
        assert_eq!(kept_for(node, &query), []);
        assert_eq!(ask(node, &reader, &query).0.lines().count(), 2);
        let other = member("b", FirmRole::Reader);
        assert_eq!(ask(node, &other, &query).0.lines().count(), 3);
        traced.close().await;
    });
}

#[test]
fn what_is_not_the_whole_is_not_kept() {
    block_on(async {
        let folder = tempfile::tempdir().expect("folder");
        let traced = traced(folder.path()).await;
        let node = &traced.node;
        let links = [
            stated(0, 1, "a", Visibility::Public),
            stated(1, 2, "a", Visibility::Public),
        ];
        build(&traced, &links).await;
        let whole = upstream(0);
        let caller = Caller::ANONYMOUS;
        let page = TraceQuery {
            rows_max: 2,
            ..whole.clone()
        };
        let rest = TraceQuery {
            skip: 2,
            ..whole.clone()
        };
        // Also once the whole is kept.
        for _ in 0..2 {
            for (query, count) in [(&page, 2), (&rest, 1), (&page, 2), (&rest, 1)] {
                let (text, is_kept) = ask(node, &caller, query);
                assert_eq!((text.lines().count(), is_kept), (count, false));
            }
            let (text, _) = ask(node, &caller, &whole);
            assert_eq!(text.lines().count(), 3);
        }
        assert!(ask(node, &caller, &whole).1);
        // Alone, it is told after some time, and so never at once.
        let alone = upstream(9);
        for _ in 0..2 {
            assert!(!ask(node, &caller, &alone).1);
        }
        let tracing = node.begin_trace(&caller, &whole).expect("begins");
        let octets = || Some("nothing was walked".into());
        tracing.keep(&TraceEnd::default(), (18, octets));
        assert_eq!(
            ask(node, &caller, &whole),
            (walked(node, &caller, &whole), true)
        );
        traced.close().await;
    });
}

async fn runs(links: &[Stated], questions: &[Question]) -> Result<(), TestCaseError> {
    let folder = tempfile::tempdir().expect("folder");
    let traced = traced(folder.path()).await;
    let node = &traced.node;
    let (mut kept_count, mut built) = (0, BTreeSet::new());
    for link in links {
        if !built.insert((link.source, link.kind, link.target)) {
            continue;
        }
        build(&traced, std::slice::from_ref(link)).await;
        for question in questions {
            let query = query(question, 0);
            for asking in ASKING {
                let caller = asking.caller();
                let (text, is_kept) = ask(node, &caller, &query);
                let expected = walked(node, &caller, &query);
                prop_assert_eq!(text, expected, "{:?} {:?} {}", asking, question, is_kept);
                kept_count += usize::from(is_kept);
            }
        }
    }
    // The second time it is kept, if it can be; else there is nothing that this could
    // have found.
    for question in questions.iter().flat_map(|question| [question; 3]) {
        for asking in ASKING {
            let (_, is_kept) = ask(node, &asking.caller(), &query(question, 0));
            kept_count += usize::from(is_kept);
        }
    }
    prop_assert!(kept_count > 0 || node.kept_traces_size().0 == 0);
    traced.close().await;
    Ok(())
}

proptest! {
    #![proptest_config(Cases { cases: 16, ..Cases::default() })]

    #[test]
    fn a_kept_answer_is_what_a_walk_finds(
        links in prop::collection::vec(any_stated(), 1..50),
        questions in prop::collection::vec(any_question(), 12),
    ) {
        block_on(runs(&links, &questions))?;
    }
}
