//! Whether the letters of a suffix fold when identifiers are compared.

/// The case rule of a prefix for the suffixes below it.
///
/// ASCII letters of the prefix itself always fold (RFC 3651 §2.1.1, as the
/// global Handle registry does); this is the owner's choice for the suffix.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SuffixCase {
    /// `ABC` and `abc` are one identifier. The default, as in Handle servers.
    #[default]
    Folded,
    /// `ABC` and `abc` are two identifiers.
    Sensitive,
}
