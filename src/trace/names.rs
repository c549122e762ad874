//! What nodes are called: interned prefixes, and suffixes one behind the other.
//!
//! Everything stands in blocks, so that growing copies nothing and leaves little
//! unused: 8 bytes for a node, and one beside its suffix, two from 64 bytes on and three
//! from 4,096 on.

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::Arc;

use crate::trace::edge::Node;

/// Nodes of a block.
const BLOCK_NODES: usize = 4_096;
/// Bytes of a block of text: as many as 16 bits count.
const BLOCK_BYTES: usize = 1 << 16;
/// Of an octet of a length: the bits of the length, and whether another octet follows.
const LENGTH_BITS: u8 = 0x3f;
const MORE_LENGTH: u8 = 0x40;
/// Octets of a length at most.
const LENGTH_BYTES_MAX: usize = 3;
const SUFFIX_BYTES_MAX: usize = BLOCK_BYTES - LENGTH_BYTES_MAX;
/// The prefix of a node that has no name.
const NO_PREFIX: u32 = u32::MAX;
/// Names that are looked up at once.
const AT_ONCE: usize = 16;
/// What a prefix takes beside its text: its places in list and table.
const PREFIX_BYTES: usize = 72;

/// Names by node.
#[derive(Debug, Default)]
pub(super) struct Names {
    prefixes: Vec<Arc<str>>,
    prefix_numbers: HashMap<Arc<str>, u32>,
    /// Bytes of all prefixes.
    prefix_bytes: usize,
    nodes: Vec<Option<Box<[Name]>>>,
    blocks: usize,
    text: Vec<String>,
}

/// What a node is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Called<'a> {
    /// Its prefix.
    pub prefix: &'a str,
    /// The number of its prefix in the graph.
    pub prefix_number: u32,
    /// Its suffix.
    pub suffix: &'a str,
}

/// Which prefix, and where the suffix is: its block above 16 bits of place, where
/// its length stands before it: six bits an octet, the low ones first, and a seventh that
/// says whether there is another. So a block is text.
#[derive(Clone, Copy, Debug)]
struct Name {
    prefix: u32,
    suffix: u32,
}

impl Names {
    /// Names `node`, unless it has a name. `None` where there is no room: too
    /// long a suffix, or more than 4 GiB of them.
    pub(super) fn set(&mut self, node: Node, prefix: &str, suffix: &str) -> Option<()> {
        if self.name(node).is_some() {
            return Some(());
        }
        let suffix = self.keep(suffix)?;
        let prefix = self.prefix(prefix)?;
        let (block, index) = place(node);
        if self.nodes.len() <= block {
            self.nodes.resize_with(block + 1, || None);
        }
        let names = self.nodes.get_mut(block)?.get_or_insert_with(|| {
            self.blocks += 1;
            let none = Name {
                prefix: NO_PREFIX,
                suffix: 0,
            };
            vec![none; BLOCK_NODES].into_boxed_slice()
        });
        *names.get_mut(index)? = Name { prefix, suffix };
        Some(())
    }

    /// The prefix and the suffix of `node`.
    #[cfg(test)]
    pub(super) fn of(&self, node: Node) -> Option<(&str, &str)> {
        let called = self.text(self.name(node)?)?;
        Some((called.prefix, called.suffix))
    }

    /// Calls `each` with every item and what the node of it is called. Several names
    /// are looked up at once, since each waits for memory twice.
    pub(super) fn each<T>(
        &self,
        items: &[T],
        node_of: impl Fn(&T) -> Option<Node>,
        mut each: impl FnMut(&T, Option<Called<'_>>),
    ) {
        for items in items.chunks(AT_ONCE) {
            let mut names = [None; AT_ONCE];
            for (name, item) in names.iter_mut().zip(items) {
                *name = node_of(item).and_then(|node| self.name(node));
            }
            let first = |name: &Name| {
                let text = self.text.get((name.suffix >> 16) as usize)?;
                let text = text.as_bytes();
                text.get((name.suffix & 0xffff) as usize).copied()
            };
            let touched = names.iter().flatten().filter_map(first);
            black_box(touched.fold(0, u8::wrapping_add));
            for (name, item) in names.iter().zip(items) {
                each(item, name.and_then(|name| self.text(name)));
            }
        }
    }

    fn text(&self, name: Name) -> Option<Called<'_>> {
        let prefix = self.prefixes.get(name.prefix as usize)?;
        let text = self.text.get((name.suffix >> 16) as usize)?;
        let mut from = (name.suffix & 0xffff) as usize;
        let (mut length, mut shift) = (0_usize, 0);
        loop {
            let octet = *text.as_bytes().get(from)?;
            from += 1;
            length |= usize::from(octet & LENGTH_BITS) << shift;
            if octet & MORE_LENGTH == 0 {
                break;
            }
            shift += LENGTH_BITS.count_ones();
        }
        Some(Called {
            prefix,
            prefix_number: name.prefix,
            suffix: text.get(from..from + length)?,
        })
    }

    /// The number of the prefix of `node`.
    pub(super) fn prefix_number(&self, node: Node) -> Option<u32> {
        self.name(node).map(|name| name.prefix)
    }

    /// The prefix with a number.
    pub(super) fn numbered(&self, prefix: u32) -> Option<Arc<str>> {
        self.prefixes.get(prefix as usize).cloned()
    }

    /// Bytes that it takes, as allocated.
    pub(super) fn bytes(&self) -> usize {
        let list = self.nodes.capacity() * size_of::<Option<Box<[Name]>>>();
        let nodes = self.blocks * BLOCK_NODES * size_of::<Name>();
        let text = self.text.len() * (BLOCK_BYTES + size_of::<String>());
        list + nodes + text + self.prefix_bytes + self.prefixes.len() * PREFIX_BYTES
    }

    fn name(&self, node: Node) -> Option<Name> {
        let (block, index) = place(node);
        let name = self.nodes.get(block)?.as_ref()?.get(index)?;
        (name.prefix != NO_PREFIX).then_some(*name)
    }

    fn prefix(&mut self, prefix: &str) -> Option<u32> {
        if let Some(&number) = self.prefix_numbers.get(prefix) {
            return Some(number);
        }
        let number = u32::try_from(self.prefixes.len()).ok()?;
        let text: Arc<str> = Arc::from(prefix);
        self.prefixes.push(Arc::clone(&text));
        self.prefix_numbers.insert(text, number);
        self.prefix_bytes += prefix.len();
        Some(number)
    }

    fn keep(&mut self, suffix: &str) -> Option<u32> {
        if suffix.len() > SUFFIX_BYTES_MAX {
            return None;
        }
        let is_full = |block: &String| block.len() + LENGTH_BYTES_MAX + suffix.len() > BLOCK_BYTES;
        if self.text.last().is_none_or(is_full) {
            self.text.push(String::with_capacity(BLOCK_BYTES));
        }
        let block = u16::try_from(self.text.len() - 1).ok()?;
        let text = self.text.last_mut()?;
        let at = u16::try_from(text.len()).ok()?;
        let mut length = suffix.len();
        loop {
            let low = u8::try_from(length & usize::from(LENGTH_BITS)).ok()?;
            length >>= LENGTH_BITS.count_ones();
            let more = if length > 0 { MORE_LENGTH } else { 0 };
            text.push(char::from(low | more));
            if length == 0 {
                break;
            }
        }
        text.push_str(suffix);
        Some(u32::from(block) << 16 | u32::from(at))
    }
}

const fn place(node: Node) -> (usize, usize) {
    let node = node.0 as usize;
    (node / BLOCK_NODES, node % BLOCK_NODES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_each_node_once_in_at_most_24_bytes() {
        let mut names = Names::default();
        for node in 0..100_000 {
            let prefix = format!("88.104.{}", 1000 + node % 1_100);
            let suffix = format!("{node:09}");
            names.set(Node(node), &prefix, &suffix).unwrap();
        }
        assert_eq!(names.of(Node(99_999)), Some(("88.104.1999", "000099999")));
        names.set(Node(7), "1", "2").unwrap();
        assert_eq!(names.of(Node(7)), Some(("88.104.1007", "000000007")));
        assert_eq!(names.of(Node(100_000)), None);
        assert!(names.bytes() < 24 * 100_000, "{}", names.bytes());
    }

    #[test]
    fn takes_long_suffixes_as_far_as_a_block_goes() {
        let mut names = Names::default();
        let longest = "x".repeat(SUFFIX_BYTES_MAX);
        names.set(Node(u32::MAX), "1", &longest).unwrap();
        names.set(Node(0), "1", "").unwrap();
        assert_eq!(names.of(Node(u32::MAX)), Some(("1", longest.as_str())));
        assert_eq!(names.of(Node(0)), Some(("1", "")));
        assert_eq!(names.set(Node(1), "1", &format!("{longest}x")), None);
        assert_eq!(names.of(Node(1)), None);
    }

    #[test]
    fn suffixes_of_every_length_come_back() {
        let mut names = Names::default();
        let suffix = |length: u32| "é1".repeat(length as usize / 3 + 1);
        let lengths = (0..300).chain((3_500..70_000).step_by(2_221)).zip(0..);
        for (length, node) in lengths.clone() {
            names.set(Node(node), "1", &suffix(length));
        }
        for (length, node) in lengths {
            let suffix = suffix(length);
            let fits = suffix.len() <= SUFFIX_BYTES_MAX;
            let expected = fits.then_some(("1", suffix.as_str()));
            assert_eq!(names.of(Node(node)), expected, "{length}");
        }
    }
}
