//! Which answers a change makes stale.

use crate::model::{Identifier, OwnerName, Prefix, SuffixCase};

/// Octets that the shortest zone, the root, takes in a name: an identifier that
/// has no owner name below it has none anywhere.
pub(super) const SHORTEST_ZONE_BYTES: usize = 1;

/// What a change touched, in the terms in which answers are stamped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Touched {
    /// Canonical prefixes of which everything is stale that is stamped with
    /// them, their identifiers included.
    pub prefixes: Vec<String>,
    /// The canonical prefix of `subjects`.
    pub prefix: String,
    /// Suffixes, and labels of escaped names joined by dots, lower case.
    pub subjects: Vec<String>,
}

impl Touched {
    /// A changed record, with its owner name if that is escaped. `shape`: it came
    /// or went, so that the names above it in the DNS may have become or ceased
    /// to be non-terminals.
    pub(super) fn record(
        identifier: &Identifier,
        escaped: Option<&OwnerName>,
        shape: bool,
    ) -> Self {
        let prefix = identifier.prefix().canonical();
        let suffix = identifier.suffix().canonical(SuffixCase::Folded);
        let mut subjects = Vec::with_capacity(4);
        if let Some(name) = escaped {
            let labels = name.suffix_labels();
            let last = if shape { labels.len() } else { 1 };
            subjects.extend((0..last).filter_map(|from| Some(labels.get(from..)?.join("."))));
        }
        if shape {
            let dots = suffix.bytes().enumerate().filter(|(_, byte)| *byte == b'.');
            let above = dots.filter_map(|(at, _)| suffix.get(..at));
            subjects.extend(above.filter(|text| !text.is_empty()).map(str::to_owned));
        }
        subjects.push(suffix);
        Self {
            prefixes: Vec::new(),
            prefix,
            subjects,
        }
    }

    /// Also what hangs on whether the prefix has any identifier at all: it was
    /// the first or the last.
    pub(super) fn marker(&mut self) {
        self.prefixes.push(self.prefix.clone());
    }

    /// What either touched; both are of prefixes.
    #[must_use]
    pub(super) fn and(mut self, other: Self) -> Self {
        self.prefixes.extend(other.prefixes);
        self.subjects.extend(other.subjects);
        self
    }

    /// A changed prefix: its own answers and those of the names above it, and
    /// those from the records of all these, which are there while it is active.
    pub(super) fn prefix(canonical: &str) -> Self {
        let dots = canonical
            .bytes()
            .enumerate()
            .filter(|(_, byte)| *byte == b'.');
        let above = dots.filter_map(|(at, _)| canonical.get(..at));
        let prefixes: Vec<_> = above.chain([canonical]).map(str::to_owned).collect();
        Self {
            subjects: prefixes.clone(),
            prefix: Prefix::of_prefixes().canonical(),
            prefixes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_record_touches_every_name_above_it() {
        let id = Identifier::parse("88.118.7/DZ.A.1").expect("identifier");
        let touched = Touched::record(&id, None, true);
        for subject in ["dz", "dz.a", "dz.a.1"] {
            assert!(touched.subjects.iter().any(|s| s == subject), "{subject}");
        }
        assert!(touched.prefixes.is_empty());
        let changed = Touched::record(&id, None, false);
        assert!(!changed.subjects.iter().any(|s| s == "dz"));
        let prefix = Touched::prefix("88.118.7");
        assert_eq!(prefix.prefixes, ["88", "88.118", "88.118.7"]);
        assert_eq!(
            (prefix.prefix.as_str(), prefix.subjects),
            ("0.na", prefix.prefixes)
        );
    }
}
