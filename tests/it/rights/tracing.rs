//! Traces against a plain reference: random graphs with cycles, diamonds, hidden
//! links and times, asked by everyone, over the lists in the store and over the
//! graph in memory.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::thread::JoinHandle;
use std::time::Duration;

use idnode::cluster;
use idnode::model::link::{Behind, Facts};
use idnode::model::{
    Caller, FirmRole, Identifier, LinkKind, LinkName, Reader, Readers, Timestamp, Visibility,
};
use idnode::node::{
    Change, Clock, LinkAction, LinkChange, Metrics, Node, OnConflict, TraceDirection, TraceQuery,
    TraceRow, Write,
};
use idnode::store::{self, Batch, Store};
use proptest::prelude::*;
use proptest::test_runner::Config as Cases;
use tokio::time::Instant;

use super::expected::{Expected, expected};
use super::world::{fill, firm, member};
use crate::registry::{block_on, operator};
use crate::support::wait_until;

/// Identifiers of firm "a", of "c", of nobody, and of another node.
const NAMES: [&str; 12] = [
    "88.118.7/N0",
    "88.118.7/N1",
    "88.118.7/N2",
    "88.118.7/N3",
    "88.118.9/N0",
    "88.118.9/N1",
    "88.118.9/N2",
    "88.118.9/N3",
    "88.118.99/N0",
    "88.118.99/N1",
    "88.200.1/N0",
    "88.200.1/N1",
];
pub(super) const KINDS: [&str; 4] = ["made_from", "packed_in", "up-welded_from", "same_as"];
/// Links that each case states.
const LINKS: usize = 60;
/// Traces that each case asks for, of each caller and each source of links: more
/// than 10,000 in all, pages apart.
const TRACES: usize = 48;
const BEGINNING: u64 = 1_800_000_000_000;
static NOW: AtomicU64 = AtomicU64::new(BEGINNING);

fn now() -> Timestamp {
    Timestamp::from_millis(NOW.load(Ordering::Relaxed))
}

/// A node whose clock goes on by ten seconds with each change.
pub(super) struct Traced {
    pub(super) node: Node,
    pub(super) store: Arc<Store>,
    threads: Vec<JoinHandle<()>>,
}

/// Time that passes, as for a node that serves.
fn elapsed() -> Duration {
    static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);
    BEGAN.elapsed()
}

impl Traced {
    pub(super) fn open(folder: &Path) -> Self {
        let config = store::Config {
            data_dir: folder.to_owned(),
            cache_bytes: 8 << 20,
            write_buffer_bytes: 1 << 20,
            disk_reserve_bytes: 0,
            ..store::Config::default()
        };
        let store = Arc::new(Store::open(config, store::Metrics::new()).expect("opens"));
        let clock = Clock { now, elapsed };
        let log = cluster::Config::default();
        let chance = |octets: &mut [u8]| octets.fill(7);
        let (node, writer) =
            Node::start(Arc::clone(&store), &log, (clock, chance), Metrics::new()).expect("starts");
        let threads = vec![writer];
        Self {
            node,
            store,
            threads,
        }
    }

    pub(super) async fn keep_graph(&mut self) {
        let kept = self.node.keep_graph(64 << 20, 16 << 20).expect("a thread");
        self.threads.extend(kept);
        wait_until("the graph", async || self.node.graph_is_ready()).await;
    }

    pub(super) async fn write(&self, caller: &Caller, name: LinkName, action: LinkAction) {
        let change = Change::Link(LinkChange { name, action });
        let write = Write {
            change,
            request_id: None,
        };
        self.node.execute(caller, write).await.expect("written");
        NOW.fetch_add(10_000, Ordering::Relaxed);
    }

    pub(super) async fn close(self) {
        self.node.close().await;
        for thread in self.threads {
            thread.join().expect("ends");
        }
        assert_eq!(self.store.check_counts().expect("reads"), None);
        assert_eq!(self.store.check_links().expect("reads"), None);
    }
}

/// A link as the reference keeps it.
#[derive(Clone, Debug)]
pub(super) struct Stated {
    pub(super) source: usize,
    pub(super) target: usize,
    pub(super) kind: usize,
    pub(super) owner: Option<&'static str>,
    pub(super) visibility: Visibility,
    pub(super) behind: Behind,
    pub(super) from: u64,
    pub(super) until: u64,
    pub(super) after: After,
}

/// What happens to a link later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum After {
    Nothing,
    Confirmed,
    Disputed,
    Withdrawn,
}

/// An edge as the reference knows it: spans of time that it was on record.
#[derive(Clone, Debug)]
pub(super) struct Plain {
    pub(super) stated: Stated,
    pub(super) since: u64,
    pub(super) ended: Option<u64>,
}

/// A prefix with its firm.
fn holder(name: usize) -> Option<&'static str> {
    match name {
        0..=3 => Some("a"),
        4..=7 => Some("c"),
        _ => None,
    }
}

pub(super) fn any_stated() -> impl Strategy<Value = Stated> {
    let readers = |texts: &[&str]| {
        let readers = texts
            .iter()
            .map(|text| Reader::parse(text).expect("a reader"));
        Visibility::Readers(Readers::new(readers).expect("few"))
    };
    let visibility = prop_oneof![
        3 => Just(Visibility::Public),
        2 => Just(Visibility::Ends),
        1 => Just(readers(&["firm:b"])),
        1 => Just(readers(&["group:g"])),
        1 => Just(readers(&["firm:c"])),
        1 => Just(Visibility::Owner),
    ];
    let behind = prop_oneof![
        Just(Behind::More),
        Just(Behind::Nothing),
        Just(Behind::Through)
    ];
    let after = prop_oneof![
        3 => Just(After::Nothing), 1 => Just(After::Confirmed), 1 => Just(After::Disputed), 1 => Just(After::Withdrawn)
    ];
    let who = prop_oneof![Just(None), Just(Some("a")), Just(Some("c"))];
    let ends = (0..NAMES.len(), 0..NAMES.len(), 0..KINDS.len(), who);
    let times = (0u64..4, 0u64..4);
    (ends, visibility, behind, times, after).prop_map(|(ends, visibility, behind, times, after)| {
        let (source, target, kind, who) = ends;
        let owner = who.filter(|who| [source, target].map(holder).contains(&Some(*who)));
        let (from, length) = times;
        Stated {
            source,
            target: if source == target {
                (target + 1) % NAMES.len()
            } else {
                target
            },
            kind,
            owner,
            visibility,
            behind,
            from,
            until: if length == 0 { 0 } else { from + length },
            after,
        }
    })
}

/// Days from 2027-01-01 on, as far as the random times go.
fn day(number: u64) -> Timestamp {
    Timestamp::from_millis(BEGINNING + number * 86_400_000)
}

fn identifier(name: usize) -> Identifier {
    Identifier::parse(NAMES[name]).expect("an identifier")
}

pub(super) fn who(owner: Option<&str>) -> Caller {
    owner.map_or_else(operator, |owner| member(owner, FirmRole::Registrar))
}

/// States the links, and keeps of each what the reference needs.
pub(super) async fn build(traced: &Traced, links: &[Stated]) -> Vec<Plain> {
    let mut plain: BTreeMap<(usize, usize, usize, Option<&str>), Plain> = BTreeMap::new();
    for stated in links {
        // What the operators state without a firm at an end is nobody's.
        let owner = stated.owner.or_else(|| {
            let ends = [stated.source, stated.target];
            ends.into_iter().find_map(holder)
        });
        let known = [stated.source, stated.target].iter().any(|end| *end < 10);
        let key = (stated.source, stated.kind, stated.target, owner);
        if !known || plain.contains_key(&key) {
            continue;
        }
        let name = LinkName {
            source: identifier(stated.source),
            kind: LinkKind::parse(KINDS[stated.kind]).expect("a kind"),
            target: identifier(stated.target),
            owner: owner.map(firm),
        };
        let action = LinkAction::State {
            facts: Facts {
                valid_from: (stated.from > 0).then(|| day(stated.from)),
                valid_until: (stated.until > 0).then(|| day(stated.until)),
                ..Facts::default()
            },
            visibility: stated.visibility.clone(),
            behind: stated.behind,
            on_conflict: OnConflict::Fail,
            etag: None,
        };
        let since = now().millis();
        traced.write(&who(stated.owner), name.clone(), action).await;
        let mut ended = None;
        let action = match stated.after {
            After::Nothing => None,
            After::Confirmed => Some(LinkAction::Confirm { etag: None }),
            After::Disputed => Some(LinkAction::Dispute {
                reason: "wrong".into(),
                etag: None,
            }),
            After::Withdrawn => {
                ended = Some(now().millis());
                Some(LinkAction::Withdraw {
                    reason: String::new(),
                    etag: None,
                })
            }
        };
        if let Some(action) = action {
            traced.write(&operator(), name, action).await;
        }
        let stated = Stated {
            owner,
            ..stated.clone()
        };
        plain.insert(
            key,
            Plain {
                stated,
                since,
                ended,
            },
        );
    }
    plain.into_values().collect()
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asking {
    Anyone,
    Firm(&'static str),
    Operator,
}

pub(super) const ASKING: [Asking; 5] = [
    Asking::Anyone,
    Asking::Firm("a"),
    Asking::Firm("b"),
    Asking::Firm("c"),
    Asking::Operator,
];

impl Asking {
    pub(super) fn caller(self) -> Caller {
        match self {
            Self::Anyone => Caller::ANONYMOUS,
            Self::Firm(id) => member(id, FirmRole::Reader),
            Self::Operator => operator(),
        }
    }

    pub(super) fn sees(self, stated: &Stated) -> bool {
        let firm = match self {
            Self::Operator => return true,
            Self::Anyone => return stated.visibility == Visibility::Public,
            Self::Firm(firm) => Some(firm),
        };
        if stated.owner == firm {
            return true;
        }
        match &stated.visibility {
            Visibility::Public => true,
            Visibility::Ends => [stated.source, stated.target].map(holder).contains(&firm),
            Visibility::Readers(readers) => readers.each().any(|reader| {
                let text = reader.to_string();
                // The group "g" is of firm "a", with "b" in it.
                firm.is_some_and(|firm| text == format!("firm:{firm}"))
                    || text == "group:g" && firm == Some("b") && stated.owner == Some("a")
            }),
            Visibility::Owner => false,
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Question {
    pub(super) start: usize,
    pub(super) direction: TraceDirection,
    pub(super) kinds: Vec<usize>,
    pub(super) depth_max: u16,
    pub(super) window: Option<(u64, u64)>,
    /// Which change it asks about; one beyond the last is now.
    pub(super) as_of: Option<u64>,
}

pub(super) fn any_question() -> impl Strategy<Value = Question> {
    let direction = prop_oneof![Just(TraceDirection::Up), Just(TraceDirection::Down)];
    let kinds = prop_oneof![
        3 => Just(Vec::new()),
        1 => Just(vec![0, 1]),
        1 => Just(vec![3]),
        1 => Just(vec![0, 2, 3]),
    ];
    let window = prop_oneof![2 => Just(None), 1 => (0u64..6, 1u64..3).prop_map(Some)];
    let depth = prop_oneof![2 => Just(0u16), 1 => 1u16..4];
    let as_of = prop_oneof![2 => Just(None), 1 => (0u64..150).prop_map(Some)];
    (0..NAMES.len(), direction, kinds, depth, window, as_of).prop_map(
        |(start, direction, kinds, depth_max, window, as_of)| Question {
            start,
            direction,
            kinds,
            depth_max,
            window: window.map(|(from, length)| (from, from + length)),
            as_of,
        },
    )
}

pub(super) fn query(question: &Question, began: u64) -> TraceQuery {
    let at = |change: u64| Timestamp::from_millis(began + change * 10_000);
    TraceQuery {
        start: identifier(question.start),
        further: Vec::new(),
        direction: question.direction,
        kinds: question
            .kinds
            .iter()
            .map(|kind| LinkKind::parse(KINDS[*kind]).expect("a kind"))
            .collect(),
        depth_max: question.depth_max,
        all_links: false,
        valid_from: question.window.map(|(from, _)| day(from)),
        valid_until: question.window.map(|(_, until)| day(until)),
        as_of: question.as_of.map(at),
        skip: 0,
        rows_max: 1000,
        until: Duration::MAX,
        form: 0,
    }
}

fn rows(node: &Node, caller: &Caller, query: &TraceQuery) -> Vec<TraceRow> {
    let mut rows = Vec::new();
    let mut take = |part: Vec<TraceRow>| {
        rows.extend(part);
        ControlFlow::Continue(())
    };
    let end = node.trace(caller, query, &mut take).expect("traces");
    assert_eq!(end.truncated, None);
    assert_eq!(usize::try_from(end.row_count), Ok(rows.len()));
    rows
}

/// Asks, and compares with the reference; also page by page.
fn agrees(
    node: &Node,
    links: &[Plain],
    question: &Question,
    began: u64,
) -> Result<(), TestCaseError> {
    for asking in ASKING {
        let query = query(question, began);
        let found = rows(node, &asking.caller(), &query);
        let expected = expected(links, asking, question, began);
        let named: Vec<&String> = found
            .iter()
            .filter_map(|row| row.identifier.as_ref())
            .collect();
        let set: BTreeSet<&str> = named.iter().map(|name| name.as_str()).collect();
        prop_assert_eq!(set.len(), named.len(), "each once");
        let wanted: BTreeSet<&str> = expected.named.iter().map(|name| NAMES[*name]).collect();
        prop_assert_eq!(set, wanted, "{:?} {:?}", asking, question);
        let more = found.iter().filter(|row| row.more).count();
        prop_assert_eq!(more, expected.more_count, "{:?} {:?}", asking, question);
        for row in &found {
            let parent = &found[row.parent as usize];
            prop_assert!(row.depth == 0 || parent.depth + 1 == row.depth);
            let hides_terms = row.identifier.is_none() || row.depth == 0;
            prop_assert_eq!(row.terms.is_none(), hides_terms);
        }
        let mut paged = Vec::new();
        while paged.len() < found.len() {
            let skip = u32::try_from(paged.len()).expect("few");
            let mut take = |part: Vec<TraceRow>| {
                paged.extend(part);
                ControlFlow::Continue(())
            };
            let page = TraceQuery {
                skip,
                rows_max: 3,
                ..query.clone()
            };
            node.trace(&asking.caller(), &page, &mut take)
                .expect("traces");
        }
        prop_assert_eq!(&paged, &found);
        let all_links = true;
        let all = rows(node, &asking.caller(), &TraceQuery { all_links, ..query });
        all_links_are_told(&all, &found, &expected)?;
    }
    Ok(())
}

/// Compares a trace with all links with the same without.
fn all_links_are_told(
    all: &[TraceRow],
    found: &[TraceRow],
    expected: &Expected,
) -> Result<(), TestCaseError> {
    let first = all.iter().filter(|row| !row.again);
    let what = |row: &TraceRow| (row.identifier.clone(), row.depth, row.more);
    let firsts: Vec<_> = first.map(what).collect();
    prop_assert_eq!(firsts, found.iter().map(what).collect::<Vec<_>>());
    let ends = all
        .iter()
        .skip(1)
        .filter_map(|row| row.identifier.as_deref());
    let mut ends: Vec<&str> = ends.collect();
    let mut wanted: Vec<&str> = expected.ends.iter().map(|name| NAMES[*name]).collect();
    ends.sort_unstable();
    wanted.sort_unstable();
    prop_assert_eq!(ends, wanted);
    for row in all {
        let parent = &all[row.parent as usize];
        prop_assert!(row.depth == 0 || parent.depth + 1 == row.depth && !parent.again);
        prop_assert!(!row.again || row.terms.is_some() && !row.more);
    }
    Ok(())
}

async fn runs(links: &[Stated], questions: &[Question]) -> Result<(), TestCaseError> {
    let folder = tempfile::tempdir().expect("folder");
    let mut traced = Traced::open(folder.path());
    let mut batch = Batch::new(&traced.store);
    fill(&mut batch);
    batch.commit().expect("written");
    let began = now().millis();
    let (first, rest) = links.split_at(links.len() / 2);
    let mut all = build(&traced, first).await;
    traced.keep_graph().await;
    // The second half is told to the graph that the first was loaded into.
    let built: HashSet<_> = first
        .iter()
        .map(|link| (link.source, link.kind, link.target))
        .collect();
    let rest: Vec<Stated> = rest
        .iter()
        .filter(|link| !built.contains(&(link.source, link.kind, link.target)))
        .cloned()
        .collect();
    all.extend(build(&traced, &rest).await);
    let checked = traced.node.check_links(&operator()).expect("checks");
    prop_assert_eq!(checked.fault, None);
    for question in questions {
        agrees(&traced.node, &all, question, began)?;
    }
    traced.close().await;

    let traced = Traced::open(folder.path());
    for question in questions {
        agrees(&traced.node, &all, question, began)?;
    }
    traced.close().await;
    Ok(())
}

proptest! {
    #![proptest_config(Cases { cases: 24, ..Cases::default() })]

    #[test]
    fn any_trace_finds_what_a_plain_search_does(
        links in prop::collection::vec(any_stated(), 1..LINKS),
        questions in prop::collection::vec(any_question(), TRACES),
    ) {
        block_on(runs(&links, &questions))?;
    }
}
