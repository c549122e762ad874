//! Who may read, on the command line and in JSON: `firm:ID`, `group:ID`, or
//! `nobody` beside the owner.

use std::str::FromStr;

use crate::model::{Reader, Readers, Refusal};
use crate::wire::proto::v1;

/// What stands for no reader at all.
const NOBODY: &str = "nobody";

/// One reader as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReaderArgument {
    /// Nobody beside the owner.
    Nobody,
    /// A firm or a group.
    Reader(Reader),
}

impl FromStr for ReaderArgument {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == NOBODY {
            return Ok(Self::Nobody);
        }
        let reader = Reader::parse(text).map_err(|refusal| refusal.to_string())?;
        Ok(Self::Reader(reader))
    }
}

/// The readers that arguments name; `None` without arguments.
///
/// # Errors
/// [`Reason::ReadersTooMany`](crate::model::Reason::ReadersTooMany).
pub fn of_arguments(arguments: &[ReaderArgument]) -> Result<Option<Box<Readers>>, Refusal> {
    if arguments.is_empty() {
        return Ok(None);
    }
    let named = arguments.iter().filter_map(|argument| match argument {
        ReaderArgument::Nobody => None,
        ReaderArgument::Reader(reader) => Some(reader.clone()),
    });
    Readers::new(named).map(|readers| Some(Box::new(readers)))
}

/// The readers that texts name.
///
/// # Errors
/// [`Reason::FieldInvalid`](crate::model::Reason::FieldInvalid) and the like for
/// the field `readers`.
pub fn of_texts(texts: &[String]) -> Result<Box<Readers>, Refusal> {
    let readers: Result<Vec<_>, Refusal> = texts.iter().map(|text| Reader::parse(text)).collect();
    let readers = readers.and_then(Readers::new);
    readers
        .map(Box::new)
        .map_err(|refusal| refusal.field("readers"))
}

/// The readers as the API has them.
pub fn to_proto(readers: &Readers) -> v1::Readers {
    v1::Readers {
        firms: readers.firms().iter().map(ToString::to_string).collect(),
        groups: readers.groups().iter().map(ToString::to_string).collect(),
    }
}

/// The readers as texts, firms first.
pub fn texts(readers: v1::Readers) -> Vec<String> {
    let v1::Readers { firms, groups } = readers;
    let firms = firms.into_iter().map(|id| format!("firm:{id}"));
    let groups = groups.into_iter().map(|id| format!("group:{id}"));
    firms.chain(groups).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(arguments: &[&str], expected: Option<&[&str]>) {
        let arguments: Vec<ReaderArgument> = arguments
            .iter()
            .map(|text| text.parse().expect("a reader"))
            .collect();
        let readers = of_arguments(&arguments).expect("few");
        let seen = readers.map(|readers| texts(to_proto(&readers)));
        let owned = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
        assert_eq!(seen, expected.map(owned));
    }

    #[test]
    fn nobody_is_not_the_same_as_nothing_said() {
        check(&[], None);
        check(&["nobody"], Some(&[]));
        check(
            &["group:b", "nobody", "firm:a"],
            Some(&["firm:a", "group:b"]),
        );
        assert!("somebody".parse::<ReaderArgument>().is_err());
        assert!("firm:".parse::<ReaderArgument>().is_err());
    }

    #[test]
    fn texts_go_there_and_back() {
        let given = ["firm:a".to_owned(), "group:b".to_owned()];
        let readers = of_texts(&given).expect("readers");
        assert_eq!(texts(to_proto(&readers)), given);
        let refusal = of_texts(&["nobody".to_owned()]).expect_err("a list says it by being empty");
        assert_eq!(refusal.field_path(), "readers");
    }
}
