//! Questions to a name server, encoded before the clock runs.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::Path;

use crate::bench::encoded::{Datagram, Encoded, Expect, Outcome, Questions};
use crate::bench::error::Error;
use crate::bench::message::{Head, NOERROR, NXDOMAIN, put_question};
use crate::bench::workload::Workload;
use crate::model::{OwnerName, SuffixCase};

/// A type of record that identifiers have in the DNS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// What resolvers ask for: from an identifier to a URI by rule.
    Naptr,
    /// The URI alone.
    Uri,
    /// Every value as text.
    Txt,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Naptr, Self::Uri, Self::Txt];

    /// Its number (IANA, DNS parameters).
    pub(super) const fn number(self) -> u16 {
        match self {
            Self::Naptr => 35,
            Self::Uri => 256,
            Self::Txt => 16,
        }
    }

    /// Its name.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Naptr => "NAPTR",
            Self::Uri => "URI",
            Self::Txt => "TXT",
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The kind of the question with this number: half ask for NAPTR, a
    /// quarter each for URI and TXT.
    const fn of(number: u64) -> Self {
        match number % 4 {
            0 | 2 => Self::Naptr,
            1 => Self::Uri,
            _ => Self::Txt,
        }
    }
}

/// Questions, encoded one behind the other, each without its id. Their order is
/// that in which they are asked.
#[derive(Debug, Default)]
pub struct Pool(Encoded);

impl Pool {
    /// `count` questions of `workload` below `zone`. Identifiers that have no
    /// name in the DNS are passed over.
    pub fn of_workload(workload: &Workload, zone: &str, count: u64) -> Self {
        let mut pool = Self::default();
        for (name, kind, expect) in questions(workload, zone, count) {
            pool.push(&name, kind, expect);
        }
        pool
    }

    /// The questions of a file: a name and a type on each line, as `dnsperf`
    /// takes them. Whether a name exists the file does not say, so that either
    /// answer is right.
    ///
    /// # Errors
    /// [`Error::File`]; [`Error::NamesLine`] for a line that is no question.
    pub fn of_file(path: &Path) -> Result<Self, Error> {
        let failed = |source| Error::File {
            path: path.to_owned(),
            source,
        };
        let mut pool = Self::default();
        let lines = BufReader::new(File::open(path).map_err(failed)?).lines();
        for (number, line) in (1..).zip(lines) {
            let text = line.map_err(failed)?;
            let parts = text.split_once(' ');
            let parsed = parts.and_then(|(name, kind)| Some((name, Kind::named(kind)?)));
            let Some((name, kind)) = parsed.filter(|(name, _)| fits(name)) else {
                return Err(Error::NamesLine { line: number, text });
            };
            pool.push(name, kind, Expect::Unknown);
        }
        Ok(pool)
    }

    /// How many questions there are.
    pub fn count(&self) -> usize {
        self.0.count()
    }

    fn push(&mut self, name: &str, kind: Kind, expect: Expect) {
        self.0
            .push(expect, |out| put_question(name, kind.number(), out));
    }
}

impl Questions for Pool {
    const NAME: &'static str = "dns";
    const NUMBER_BITS: u32 = u16::BITS;

    fn count(&self) -> usize {
        self.0.count()
    }

    fn datagram(&self, index: usize, number: u32) -> Option<Datagram<'_>> {
        let (question, _) = self.0.question(index)?;
        let id = u16::try_from(number).ok()?;
        Some(Datagram::new(&[], &id.to_be_bytes(), question))
    }

    fn answered(datagram: &[u8]) -> Option<(u32, usize)> {
        Head::read(datagram).map(|head| (head.id.into(), 1))
    }

    fn outcome(&self, index: usize, datagram: &[u8]) -> Option<Outcome> {
        let head = Head::read(datagram)?;
        let (_, expect) = self.0.question(index)?;
        let Head {
            rcode,
            truncated,
            answer_count,
            ..
        } = head;
        let found = rcode == NOERROR && (answer_count > 0 || truncated);
        let known = found || rcode == NXDOMAIN;
        Some(if known && expect.is_met(found) {
            Outcome::Right { found, truncated }
        } else {
            Outcome::Wrong(format!(
                "question {index}: {expect:?} expected, rcode {rcode} with {answer_count} answers"
            ))
        })
    }
}

/// Writes `count` questions of `workload` below `zone` to `path`, as
/// [`Pool::of_file`] reads them.
///
/// # Errors
/// [`Error::File`].
pub fn write_names(workload: &Workload, zone: &str, count: u64, path: &Path) -> Result<(), Error> {
    let write = || {
        let mut file = BufWriter::new(File::create(path)?);
        for (name, kind, _) in questions(workload, zone, count) {
            writeln!(file, "{name} {}", kind.name())?;
        }
        file.flush()
    };
    write().map_err(|source| Error::File {
        path: path.to_owned(),
        source,
    })
}

fn questions(
    workload: &Workload,
    zone: &str,
    count: u64,
) -> impl Iterator<Item = (String, Kind, Expect)> {
    let zone_bytes = zone_bytes(zone);
    (0..count).filter_map(move |number| {
        let asked = workload.asked(number);
        let identifier = workload.demo.identifier(asked.position);
        let name = OwnerName::of(&identifier, SuffixCase::Folded, zone_bytes)?;
        let expect = Expect::of(asked.exists);
        Some((name.below(zone), Kind::of(number), expect))
    })
}

/// Octets of a zone's name on the wire, its root label included.
pub(super) fn zone_bytes(zone: &str) -> usize {
    match zone.trim_end_matches('.') {
        "" => 1,
        zone => zone.len() + 2,
    }
}

fn fits(name: &str) -> bool {
    let labels = || name.trim_end_matches('.').split('.');
    name.len() <= 254 && labels().all(|label| (1..=63).contains(&label.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::Demo;

    #[test]
    fn a_file_holds_the_questions_of_the_workload() {
        let workload = Workload {
            demo: Demo::new(1, 1_000),
            seed: 3,
            existing: 0.5,
        };
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("names");
        write_names(&workload, "id.example.", 100, &path).expect("written");
        let (made, read) = (
            Pool::of_workload(&workload, "id.example.", 100),
            Pool::of_file(&path).expect("read"),
        );
        assert_eq!((made.count(), read.count()), (100, 100));

        let octets = |pool: &Pool, at| pool.0.question(at).map(|(octets, _)| octets.to_vec());
        assert!((0..100).all(|at| octets(&made, at) == octets(&read, at)));
        assert!(made.0.question(100).is_none());
        let exists = |at| made.0.question(at).is_some_and(|q| q.1 == Expect::Found);
        let found = (0..100).filter(|at| exists(*at));
        assert!((30..70).contains(&found.count()));
    }

    #[test]
    fn refuses_lines_that_are_no_question() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("names");
        for wrong in [
            "a.example.",
            "a.example. MX",
            "a..example. TXT",
            &format!("{} TXT", "x".repeat(64)),
        ] {
            std::fs::write(&path, format!("a.example. URI\n{wrong}\n")).expect("written");
            let seen = Pool::of_file(&path);
            assert!(
                matches!(seen, Err(Error::NamesLine { line: 2, .. })),
                "{wrong}"
            );
        }
    }
}
