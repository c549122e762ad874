//! A supply chain of the size of a city's, the same in every run: eleven levels
//! from raw batches to pallets, with lots that go into thousands of things.

use crate::demo::random::Random;

/// Levels: raw batch, material lot, basic part, part serial, sub-component,
/// component, sub-assembly, assembly, finished good, carton, pallet.
const LEVELS: usize = 11;
/// Thousandths of all nodes that are on each level.
const SHARES: [u64; LEVELS] = [10, 30, 80, 150, 180, 170, 140, 100, 90, 40, 10];
/// The level of finished goods: the last that is made of things; those above are
/// packed.
const FINISHED: usize = 8;
/// Inputs of a node at most, before the half chance of one more.
const INPUTS_MAX: f64 = 40.0;
/// Firms of a level.
const FIRMS: u32 = 100;
const SEED: u64 = 42;

/// The graph of so many nodes, numbered from 0, level by level.
#[derive(Clone, Debug)]
pub struct ChainGraph {
    /// Where each level begins, and one more.
    starts: [u32; LEVELS + 1],
}

/// Edges as pairs of input and output, ascending by output.
#[derive(Debug)]
pub struct Edges<'a> {
    graph: &'a ChainGraph,
    random: Random,
    level: usize,
    /// The next node of the level.
    index: u32,
    /// Inputs of the node before, last ones first.
    inputs: Vec<u32>,
}

impl ChainGraph {
    /// The graph of about `nodes` nodes; at least a thousand.
    pub fn new(nodes: u32) -> Self {
        let nodes = u64::from(nodes.max(1_000));
        let mut share = 0;
        let mut starts = [0; LEVELS + 1];
        for (start, more) in starts.iter_mut().skip(1).zip(SHARES) {
            share += more;
            *start = u32::try_from(nodes * share / 1_000).unwrap_or(u32::MAX);
        }
        Self { starts }
    }

    /// Firms of each level, which its first nodes have in turn.
    pub const FIRMS_OF_LEVEL: usize = FIRMS as usize;

    /// How many levels there are.
    pub const fn levels(&self) -> usize {
        LEVELS
    }

    /// Nodes there are.
    pub const fn node_count(&self) -> u32 {
        let [.., end] = self.starts;
        end
    }

    /// The nodes of a level.
    pub fn level(&self, level: usize) -> std::ops::Range<u32> {
        let end = self.node_count();
        let start = |at: usize| self.starts.get(at).copied().unwrap_or(end);
        start(level)..start(level + 1)
    }

    /// The level of a node.
    pub fn level_of(&self, node: u32) -> usize {
        let begun = self.starts.iter().skip(1).take_while(|end| **end <= node);
        begun.count().min(LEVELS - 1)
    }

    /// The number of the firm that made a node: a hundred on each level.
    pub fn owner(&self, node: u32) -> u32 {
        let level = self.level_of(node);
        let first = u32::try_from(level).unwrap_or_default() * FIRMS;
        first + (node - self.level(level).start.min(node)) % FIRMS
    }

    /// A node's prefix and suffix: `88.104.1431` and `000123456`.
    pub fn identifier(&self, node: u32) -> (String, String) {
        let prefix = format!(
            "88.{}.{}",
            100 + self.level_of(node),
            1_000 + self.owner(node)
        );
        (prefix, format!("{node:09}"))
    }

    /// All edges, made one by one.
    pub const fn edges(&self) -> Edges<'_> {
        Edges {
            graph: self,
            random: Random::new(SEED),
            level: 1,
            index: 0,
            inputs: Vec::new(),
        }
    }
}

impl Iterator for Edges<'_> {
    type Item = (u32, u32);

    fn next(&mut self) -> Option<(u32, u32)> {
        loop {
            if let Some(input) = self.inputs.pop() {
                return Some((input, self.graph.level(self.level).start + self.index - 1));
            }
            let length = count(&self.graph.level(self.level));
            if self.index < length {
                self.index += 1;
                self.draw_inputs();
            } else {
                self.level += 1;
                self.index = 0;
                if self.level >= LEVELS {
                    return None;
                }
            }
        }
    }
}

impl Edges<'_> {
    /// The inputs of the node before `index`, each once.
    fn draw_inputs(&mut self) {
        if self.level > FINISHED {
            self.inputs = self.packed();
        } else {
            let drawn = (1.0 - self.fraction()).powf(-1.0 / 1.5).floor();
            let more = u32::from(self.fraction() < 0.5);
            let number = floor(drawn.clamp(1.0, INPUTS_MAX)) + more;
            for _ in 0..number {
                let input = self.input();
                self.inputs.push(input);
            }
        }
        self.inputs.sort_unstable_by(|a, b| b.cmp(a));
        self.inputs.dedup();
    }

    /// What lies in a carton or on a pallet: an equal share of the level below.
    fn packed(&self) -> Vec<u32> {
        let below = self.graph.level(self.level - 1);
        let (here, there) = (count(&self.graph.level(self.level)), count(&below));
        // Thing i lies in i * here / there.
        let first = |index: u32| {
            let first = (u64::from(index) * u64::from(there)).div_ceil(u64::from(here));
            below.start + u32::try_from(first).unwrap_or(there)
        };
        (first(self.index - 1)..first(self.index)).collect()
    }

    fn input(&mut self) -> u32 {
        let drawn = self.fraction();
        let level = if drawn < 0.85 {
            self.level - 1
        } else if drawn < 0.95 {
            self.level.saturating_sub(2)
        } else {
            0
        };
        let nodes = self.graph.level(level);
        let length = f64::from(count(&nodes));
        let index = if self.fraction() < 0.15 {
            self.fraction().powi(4) * length
        } else {
            let here = f64::from(self.index - 1) / f64::from(count(&self.graph.level(self.level)));
            let beside = here + (self.fraction() - 0.5) * 0.01;
            beside.rem_euclid(1.0) * length
        };
        nodes.start + floor(index).min(count(&nodes) - 1)
    }

    /// From 0 up to 1.
    fn fraction(&mut self) -> f64 {
        // 53 bits: as many as a double holds exactly.
        #[expect(clippy::cast_precision_loss, reason = "53 bits fit a double")]
        let drawn = (self.random.draw() >> 11) as f64 / (1u64 << 53) as f64;
        drawn
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "neither negative nor as large as the number of nodes"
)]
const fn floor(number: f64) -> u32 {
    number as u32
}

const fn count(range: &std::ops::Range<u32>) -> u32 {
    range.end - range.start
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_the_proportions_of_a_citys_graph() {
        let graph = ChainGraph::new(100_000);
        assert_eq!(graph.node_count(), 100_000);
        let (mut edges, mut fan_out) = (0u32, vec![0u32; 100_000]);
        let mut before = None;
        for (input, output) in graph.edges() {
            assert!(before < Some((output, input)), "each edge once");
            before = Some((output, input));
            assert!(graph.level_of(input) < graph.level_of(output));
            edges += 1;
            fan_out[input as usize] += 1;
        }
        assert!((268_000..280_000).contains(&edges), "{edges} edges");
        // The share of the most popular lot falls with the fourth root of the size.
        let most = fan_out.iter().max().unwrap();
        assert!((500..800).contains(most), "{most} at most");
        let goods = graph.level(FINISHED);
        assert!(goods.map(|good| fan_out[good as usize]).all(|n| n == 1));
    }

    #[test]
    fn names_nodes_by_level_and_firm() {
        let graph = ChainGraph::new(1_000_000);
        let (prefix, suffix) = graph.identifier(999_999);
        assert_eq!(
            (prefix.as_str(), suffix.as_str()),
            ("88.110.2099", "000999999")
        );
        let (prefix, _) = graph.identifier(0);
        assert_eq!(prefix, "88.100.1000");
        assert_eq!(graph.level(8), 860_000..950_000);
    }
}
