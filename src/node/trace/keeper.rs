//! The graph in memory, as the node keeps it: filled from the store in a thread of
//! its own, told by the writer of what is durable.

use std::io;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;

use crate::cluster::{BACKGROUND, stand_back};
use crate::model::Identifier;
use crate::node::Node;
use crate::node::trace::kept::KeptTraces;
use crate::store::links::{EdgeRow, GraphChange};
use crate::store::{Error, Store};
use crate::trace::{Change, Direction, Edge, Graph, Node as Number, TermsId, Times, Walks};

/// The graph, if one is kept.
#[derive(Debug, Default)]
pub(in crate::node) struct Keeper {
    graph: OnceLock<Graph>,
    /// Answers of traces over it, if any are kept.
    kept: OnceLock<Option<KeptTraces>>,
    closed: AtomicBool,
    pub(super) walks: Walks,
}

impl Keeper {
    /// The graph, once it can be walked.
    pub(in crate::node) fn ready(&self) -> Option<&Graph> {
        self.graph.get().filter(|graph| graph.ready())
    }

    /// Answers of traces, if any are kept.
    pub(super) fn kept(&self) -> Option<&KeptTraces> {
        self.kept.get()?.as_ref()
    }

    /// Tells the graph of changes that are durable, before they are acknowledged.
    ///
    /// A graph that comes later reads them from the store: they are there before
    /// this looks for one.
    pub(in crate::node) fn publish(&self, changes: Vec<GraphChange>) {
        let graph = self.graph.get().filter(|_| !changes.is_empty());
        if let Some(graph) = graph {
            let changes: Vec<_> = changes.into_iter().map(change).collect();
            graph.publish(&changes);
        }
    }

    /// Ends the thread that keeps the graph.
    pub(in crate::node) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        if let Some(graph) = self.graph.get() {
            graph.close();
        }
    }

    /// What the graph in memory has otherwise than the store, if anything; `None`
    /// too where there is none.
    pub(in crate::node) fn compare(&self, store: &Store) -> Result<Option<String>, Error> {
        let Some(graph) = self.ready() else {
            return Ok(None);
        };
        for direction in [Direction::Down, Direction::Up] {
            let is_down = direction == Direction::Down;
            let mut comparing = Comparing {
                graph,
                direction,
                next: 0,
                differs: None,
            };
            store.each_list(is_down, &mut |number, stored| {
                comparing.list(number, stored)
            })?;
            if comparing.differs.is_none() {
                let _ended = comparing.list(store.node_count(), &[]);
            }
            let differs = comparing.differs;
            if let Some((number, kept, stored)) = differs {
                let name = store.node_name(number)?;
                return Ok(Some(format!(
                    "{name} has {kept} links in memory, and {stored} in the store"
                )));
            }
        }
        Ok(None)
    }

    fn step(&self) -> ControlFlow<()> {
        match self.closed.load(Ordering::Acquire) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }

    /// Loads the graph from the store, unless the keeper is closed meanwhile.
    fn load(&self, store: &Store, graph: &Graph) -> Result<(), Error> {
        let mut loader = graph.load();
        store.each_node(&mut |number, identifier| {
            let suffix = identifier.suffix().as_str();
            loader.node(Number(number), &identifier.prefix().to_string(), suffix);
            self.step()
        })?;
        store.each_edge(&mut |row| {
            loader.edge(edge(row));
            self.step()
        })?;
        if self.step().is_continue() {
            loader.finish();
        }
        Ok(())
    }
}

impl Node {
    /// Keeps the graph of links in memory from now on, once, as long as it takes at
    /// most `bytes_max` bytes, and answers of traces over it up to `answer_bytes_max`.
    /// Traces read the store until it is loaded, and where it does not fit. The thread
    /// ends after [`Node::close`].
    ///
    /// # Errors
    /// If there is no thread to be had.
    pub fn keep_graph(
        &self,
        bytes_max: usize,
        answer_bytes_max: u64,
    ) -> io::Result<Option<JoinHandle<()>>> {
        let keeper = Arc::clone(&self.inner.graph);
        if bytes_max == 0 || keeper.graph.set(Graph::new(bytes_max)).is_err() {
            return Ok(None);
        }
        keeper
            .kept
            .get_or_init(|| KeptTraces::new(answer_bytes_max));
        let store = Arc::clone(&self.inner.store);
        let work = move || {
            let Some(graph) = keeper.graph.get() else {
                return;
            };
            match keeper.load(&store, graph) {
                Ok(()) if graph.ready() => {
                    stand_back(BACKGROUND);
                    graph.keep_merged();
                }
                Ok(()) if keeper.step().is_continue() => {
                    tracing::warn!(bytes_max, "the links do not fit into trace.memory_bytes");
                }
                Ok(()) => {}
                Err(error) => tracing::error!(%error, "the links cannot be loaded"),
            }
        };
        let thread = std::thread::Builder::new().name("graph".into());
        thread.spawn(work).map(Some)
    }

    /// How many answers of traces are kept, and their bytes.
    pub fn kept_traces_size(&self) -> (usize, u64) {
        let kept = self.inner.graph.kept();
        kept.map(KeptTraces::size).unwrap_or_default()
    }

    /// Whether traces go over the graph in memory.
    pub fn graph_is_ready(&self) -> bool {
        self.inner.graph.ready().is_some()
    }
}

/// An identifier as a node of the graph is named.
fn named(number: u32, identifier: &Identifier) -> Change {
    Change::Node {
        node: Number(number),
        prefix: identifier.prefix().to_string().into(),
        suffix: identifier.suffix().as_str().into(),
    }
}

fn change(change: GraphChange) -> Change {
    match change {
        GraphChange::Node(number, identifier) => named(number, &identifier),
        GraphChange::Put(row) => Change::Put(edge(row)),
        GraphChange::Remove {
            input,
            output,
            terms,
        } => Change::Remove {
            input: Number(input),
            output: Number(output),
            terms: TermsId(terms),
        },
    }
}

/// Compares lists in the order of their nodes.
struct Comparing<'a> {
    graph: &'a Graph,
    direction: Direction,
    next: u32,
    /// The node whose lists differ, and how many edges they have.
    differs: Option<(u32, usize, usize)>,
}

impl Comparing<'_> {
    /// Compares the list of a node, and those between the last one and it, which are
    /// empty.
    fn list(&mut self, number: u32, stored: &[EdgeRow]) -> ControlFlow<()> {
        for at in self.next..=number {
            let stored = if at == number { stored } else { &[] };
            let Ok(kept) = self.graph.edges(Number(at), self.direction) else {
                return ControlFlow::Break(());
            };
            if !kept.iter().copied().eq(stored.iter().map(|row| edge(*row))) {
                self.differs = Some((at, kept.len(), stored.len()));
                return ControlFlow::Break(());
            }
        }
        self.next = number.saturating_add(1);
        ControlFlow::Continue(())
    }
}

/// A stored edge as the graph has it.
pub(super) fn edge(row: EdgeRow) -> Edge {
    let EdgeRow {
        input,
        output,
        terms,
        times,
    } = row;
    Edge {
        input: Number(input),
        output: Number(output),
        terms: TermsId(terms),
        times: Times {
            from: times.from,
            since: times.since,
            until: times.until,
            ended: times.ended,
        },
    }
}
