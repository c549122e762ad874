//! Why bytes are not a message.

use thiserror::Error;

/// What is wrong with bytes that should be a message: the field, what stands
/// there, and the rule that it breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Malformed {
    /// The field needs more bytes than there are.
    #[error("{field}: needs {needed_bytes} bytes, {left_bytes} are left")]
    Short {
        /// The field that is read.
        field: &'static str,
        /// The bytes that it takes.
        needed_bytes: usize,
        /// The bytes that are left.
        left_bytes: usize,
    },
    /// A list says that it has more items than the bytes left can hold.
    #[error(
        "{field}: {items} items of at least {item_bytes_min} bytes do not fit in the {left_bytes} left"
    )]
    Crowded {
        /// The list that is read.
        field: &'static str,
        /// The items that it should have.
        items: usize,
        /// The bytes of the smallest item.
        item_bytes_min: usize,
        /// The bytes that are left.
        left_bytes: usize,
    },
    /// A number is above its limit.
    #[error("{field}: {value} is above the limit of {limit}")]
    Above {
        /// The field that is read.
        field: &'static str,
        /// What stands there.
        value: u64,
        /// The most that may.
        limit: u64,
    },
    /// A number is not the one that what stands elsewhere wants.
    #[error("{field}: {value} instead of {expected}")]
    Mismatch {
        /// The field that is read.
        field: &'static str,
        /// What stands there.
        value: u64,
        /// What should.
        expected: u64,
    },
    /// A code is none of those that exist.
    #[error("{field}: {value:#x} is not one of {known}")]
    Unknown {
        /// The field that is read.
        field: &'static str,
        /// What stands there; of a text, its length.
        value: u64,
        /// The codes that exist.
        known: &'static str,
    },
    /// Bytes stand behind the end.
    #[error("{field}: {left_bytes} bytes are left over")]
    Trailing {
        /// What has ended.
        field: &'static str,
        /// The bytes behind it.
        left_bytes: usize,
    },
}
