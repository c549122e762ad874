//! What a trace must find, by a plain search of all links.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use idnode::model::link::Behind;
use idnode::node::TraceDirection;

use super::tracing::{Asking, KINDS, Plain, Question, Stated};

/// What a trace must find: named identifiers, and identifiers behind which there is
/// more.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Expected {
    pub(super) named: BTreeSet<usize>,
    pub(super) more_count: usize,
    depth_of: BTreeMap<usize, u16>,
    /// Where each link leads that is seen.
    pub(super) ends: Vec<usize>,
}

pub(super) fn expected(
    links: &[Plain],
    asking: Asking,
    question: &Question,
    began: u64,
) -> Expected {
    let seconds = |millis: u64| millis / 1000;
    let counts = |plain: &&Plain| {
        let Plain {
            stated,
            since,
            ended,
        } = plain;
        let is_asked_for = match question.kinds.as_slice() {
            [] => stated.kind != 3,
            kinds => kinds.contains(&stated.kind),
        };
        let as_of = question.as_of;
        let stands = match as_of.map(|change| seconds(began + change * 10_000)) {
            None => ended.is_none(),
            Some(at) => seconds(*since) <= at && ended.is_none_or(|ended| seconds(ended) > at),
        };
        let holds = question.window.is_none_or(|(from, until)| {
            stated.from < until && (stated.until == 0 || stated.until > from)
        });
        is_asked_for && stands && holds
    };
    let step = |near: usize, plain: &Plain| {
        let Stated {
            source,
            target,
            kind,
            ..
        } = plain.stated;
        let (input, output) = if KINDS[kind] == "packed_in" {
            (source, target)
        } else {
            (target, source)
        };
        match question.direction {
            TraceDirection::Up => (near == output).then_some(input),
            TraceDirection::Down => (near == input).then_some(output),
        }
    };
    let depth_max = Some(question.depth_max).filter(|depth| *depth > 0);
    let depth_max = depth_max.unwrap_or(u16::MAX);
    let mut found = Expected::default();
    found.named.insert(question.start);
    found.depth_of.insert(question.start, 0);
    let mut waiting = VecDeque::from([(question.start, 0u16)]);
    while let Some((near, depth)) = waiting.pop_front() {
        if depth >= depth_max {
            continue;
        }
        let mut more = false;
        for plain in links.iter().filter(counts) {
            let Some(far) = step(near, plain) else {
                continue;
            };
            let is_seen = asking.sees(&plain.stated);
            if is_seen {
                found.named.insert(far);
                found.ends.push(far);
            } else if plain.stated.behind == Behind::More {
                more = true;
            }
            let leads_on = is_seen || plain.stated.behind == Behind::Through;
            if leads_on && !found.depth_of.contains_key(&far) {
                found.depth_of.insert(far, depth + 1);
                waiting.push_back((far, depth + 1));
            }
        }
        found.more_count += usize::from(more);
    }
    found
}
