//! Lists: a count, and the items one behind the other.
//!
//! ```text
//! count:4  *item
//! ```

use std::fmt;
use std::iter::FusedIterator;
use std::slice;

use crate::wire::handle::ARRAY_ITEMS_MAX;
use crate::wire::handle::malformed::Malformed;
use crate::wire::handle::reader::{Reader, put_bytes, put_size, put_u32};

/// What a list is made of.
pub trait Item<'a>: Copy {
    /// What the list is called in errors.
    const LIST: &'static str;
    /// The bytes of the smallest item.
    const BYTES_MIN: usize;
    /// The most items of a list.
    const COUNT_MAX: usize = ARRAY_ITEMS_MAX;

    /// Reads one item.
    ///
    /// # Errors
    /// What the item breaks.
    fn read(reader: &mut Reader<'a>) -> Result<Self, Malformed>;

    /// Appends the item.
    fn write(&self, out: &mut Vec<u8>);
}

/// An index of a value.
impl Item<'_> for u32 {
    const LIST: &'static str = "indexes";
    const BYTES_MIN: usize = 4;

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        reader.u32(Self::LIST)
    }

    fn write(&self, out: &mut Vec<u8>) {
        put_u32(out, *self);
    }
}

/// A type, or a handle.
impl<'a> Item<'a> for &'a [u8] {
    const LIST: &'static str = "strings";
    const BYTES_MIN: usize = 4;

    fn read(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        reader.bytes(Self::LIST)
    }

    fn write(&self, out: &mut Vec<u8>) {
        put_bytes(out, self);
    }
}

/// A list, either as it stands in a message or as a slice of the caller's:
/// decoding allocates nothing, and what is to be sent is named in place with
/// [`From`].
#[derive(Clone, Copy)]
pub struct List<'a, T>(Source<'a, T>);

#[derive(Clone, Copy)]
enum Source<'a, T> {
    /// Sound bytes of this many items.
    Wire(usize, &'a [u8]),
    Given(&'a [T]),
}

impl<'a, T: Item<'a>> List<'a, T> {
    /// The list without items.
    pub const EMPTY: Self = Self(Source::Wire(0, &[]));

    /// Reads a list and checks each item of it, without allocating.
    ///
    /// # Errors
    /// [`Malformed::Above`] and [`Malformed::Crowded`] for a count beyond the
    /// limit or the bytes left; what an item breaks.
    pub fn read(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        let items = reader.size(T::LIST, T::COUNT_MAX)?;
        let start = reader.rest();
        if items.saturating_mul(T::BYTES_MIN) > start.len() {
            return Err(Malformed::Crowded {
                field: T::LIST,
                items,
                item_bytes_min: T::BYTES_MIN,
                left_bytes: start.len(),
            });
        }
        for _ in 0..items {
            T::read(reader)?;
        }
        let taken = start.len() - reader.rest().len();
        let bytes = start.get(..taken).unwrap_or(start);
        Ok(Self(Source::Wire(items, bytes)))
    }

    /// Appends the count and the items.
    pub fn write(&self, out: &mut Vec<u8>) {
        put_size(out, self.len());
        match self.0 {
            Source::Wire(_, bytes) => out.extend_from_slice(bytes),
            Source::Given(items) => items.iter().for_each(|item| item.write(out)),
        }
    }

    /// How many items there are.
    pub const fn len(&self) -> usize {
        match self.0 {
            Source::Wire(count, _) => count,
            Source::Given(items) => items.len(),
        }
    }

    /// Whether there is no item.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The items in their order.
    pub fn iter(&self) -> Items<'a, T> {
        Items(match self.0 {
            Source::Wire(count, bytes) => Rest::Wire(count, Reader::new(bytes)),
            Source::Given(items) => Rest::Given(items.iter()),
        })
    }
}

impl<'a, T: Item<'a>> From<&'a [T]> for List<'a, T> {
    fn from(items: &'a [T]) -> Self {
        Self(Source::Given(items))
    }
}

impl<'a, T: Item<'a>, const N: usize> From<&'a [T; N]> for List<'a, T> {
    fn from(items: &'a [T; N]) -> Self {
        Self(Source::Given(items))
    }
}

impl<'a, T: Item<'a>> Default for List<'a, T> {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl<'a, T: Item<'a>> IntoIterator for List<'a, T> {
    type Item = T;
    type IntoIter = Items<'a, T>;

    fn into_iter(self) -> Items<'a, T> {
        self.iter()
    }
}

/// Lists are equal when their items are, wherever these stand.
impl<'a, T: Item<'a> + PartialEq> PartialEq for List<'a, T> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl<'a, T: Item<'a> + Eq> Eq for List<'a, T> {}

impl<'a, T: Item<'a> + fmt::Debug> fmt::Debug for List<'a, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// The items of a [`List`].
#[derive(Clone, Debug)]
pub struct Items<'a, T>(Rest<'a, T>);

#[derive(Clone, Debug)]
enum Rest<'a, T> {
    Wire(usize, Reader<'a>),
    Given(slice::Iter<'a, T>),
}

impl<'a, T: Item<'a>> Iterator for Items<'a, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        match &mut self.0 {
            Rest::Wire(0, _) => None,
            Rest::Wire(count, reader) => {
                *count -= 1;
                // Each item was read once when the list was.
                T::read(reader).ok()
            }
            Rest::Given(items) => items.next().copied(),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let count = match &self.0 {
            Rest::Wire(count, _) => *count,
            Rest::Given(items) => items.len(),
        };
        (count, Some(count))
    }
}

impl<'a, T: Item<'a>> ExactSizeIterator for Items<'a, T> {}
impl<'a, T: Item<'a>> FusedIterator for Items<'a, T> {}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8], expected: Result<&[u32], &str>) {
        let mut reader = Reader::new(bytes);
        let list = List::<u32>::read(&mut reader);
        match (list, expected) {
            (Ok(list), Ok(items)) => {
                assert_eq!(list, List::from(items));
                assert_eq!(list.iter().len(), items.len());
            }
            (Err(error), Err(text)) => assert_eq!(error.to_string(), text),
            (found, _) => panic!("{found:?} instead of {expected:?}"),
        }
    }

    #[test]
    fn reads_as_many_items_as_there_can_be() {
        check(b"\0\0\0\0", Ok(&[]));
        check(b"\0\0\0\x02\0\0\0\x07\xff\xff\xff\xff", Ok(&[7, u32::MAX]));
        check(b"\0\0\0\x01\0\0\0\x07rest", Ok(&[7]));
        check(b"\0\0\0", Err("indexes: needs 4 bytes, 3 are left"));
        check(
            b"\0\0\0\x02\0\0\0\x07",
            Err("indexes: 2 items of at least 4 bytes do not fit in the 4 left"),
        );
        check(
            b"\x00\x10\x00\x00\0\0\0\x07",
            Err("indexes: 1048576 items of at least 4 bytes do not fit in the 4 left"),
        );
        check(
            b"\x00\x10\x00\x01\0\0\0\x07",
            Err("indexes: 1048577 is above the limit of 1048576"),
        );
        check(
            b"\xff\xff\xff\xff\0\0\0\x07",
            Err("indexes: 4294967295 is above the limit of 1048576"),
        );
    }

    #[test]
    fn checks_each_item_when_the_list_is_read() {
        let bytes = b"\0\0\0\x02\0\0\0\x01a\0\0\0\x02b";
        let list = List::<&[u8]>::read(&mut Reader::new(bytes));
        assert_eq!(
            list.expect_err("cut").to_string(),
            "strings: needs 2 bytes, 1 are left"
        );
    }
}
