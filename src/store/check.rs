//! Whether the store agrees with itself.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use crate::model::Reader;
use crate::model::owner_name::label_count;
use crate::store::codec::restricted::{self, Restricted};
use crate::store::columns::Column;
use crate::store::uniques_check::UniquesCheck;
use crate::store::{Counts, Error, Store, TrailReport, codec, scan};

impl Store {
    /// Recounts every identifier, decodes every row, and compares with the
    /// counts, with the index of unique values, and with the audit trail, which has
    /// one entry for each position.
    /// What does not agree, if anything. Reads everything.
    ///
    /// # Errors
    /// [`Error::Engine`].
    pub fn check_counts(&self) -> Result<Option<String>, Error> {
        let mut found: BTreeMap<Vec<u8>, Found> = BTreeMap::new();
        let mut uniques = UniquesCheck::new(self);
        let mut fault = None;
        scan::each(self, Column::Records, b"", None, &mut |key, value| {
            count(&mut found, key).active += 1;
            note_labels(&mut found, key);
            fault = match codec::record::decode(key, value) {
                Ok(record) => uniques.record(key, &record)?,
                Err(error) => Some(format!("record {}: {error}", String::from_utf8_lossy(key))),
            };
            Ok(flow(fault.as_ref()))
        })?;
        if fault.is_some() {
            return Ok(fault);
        }
        scan::each(self, Column::Tombstones, b"", None, &mut |key, value| {
            count(&mut found, key).deleted += 1;
            if let Err(error) = codec::record::decode_tombstone(key, value) {
                fault = Some(format!(
                    "tombstone {}: {error}",
                    String::from_utf8_lossy(key)
                ));
                return Ok(ControlFlow::Break(()));
            }
            Ok(ControlFlow::Continue(()))
        })?;
        if fault.is_none() {
            fault = self.check_restricted(&mut found, &mut uniques)?;
        }
        if fault.is_none() {
            fault = uniques.end()?;
        }
        if fault.is_some() {
            return Ok(fault);
        }
        for (canonical, row) in self.prefixes().after(None) {
            let counted = found.remove(canonical.as_bytes()).unwrap_or_default();
            let (counts, counted, labels) = (row.counts, counted.counts, counted.labels);
            if counted != counts {
                return Ok(Some(format!(
                    "prefix {canonical} counts {counts:?}, and has {counted:?}"
                )));
            }
            if let Some(most) = row.labels_max.filter(|most| *most < labels) {
                return Ok(Some(format!(
                    "prefix {canonical} has names of {most} labels at most, and one of {labels}"
                )));
            }
        }
        if let Some(stray) = found.keys().next() {
            let stray = String::from_utf8_lossy(stray);
            return Ok(Some(format!(
                "prefix {stray} has identifiers and is not registered"
            )));
        }
        fault_of(self.check_own())
    }

    /// Counts restricted identifiers, and compares the grants with the readers of
    /// their records.
    fn check_restricted(
        &self,
        found: &mut BTreeMap<Vec<u8>, Found>,
        uniques: &mut UniquesCheck<'_>,
    ) -> Result<Option<String>, Error> {
        let mut fault = None;
        let mut granted_count = 0u64;
        let column = Column::Restricted;
        scan::each(self, column, &[restricted::ROW], None, &mut |key, row| {
            let key = key.get(1..).unwrap_or_default();
            let shown = String::from_utf8_lossy(key);
            for open in [Column::Records, Column::Tombstones] {
                if self.get(open, key)?.is_some() {
                    fault = Some(format!("{shown} is restricted, and is not"));
                }
            }
            match restricted::decode(key, row) {
                Ok(Restricted::Active(record)) => {
                    let counts = count(found, key);
                    counts.active += 1;
                    counts.restricted_active += 1;
                    note_labels(found, key);
                    fault = fault.take().or(uniques.record(key, &record)?);
                    for reader in record.readers.iter().flat_map(|readers| readers.each()) {
                        granted_count += 1;
                        if !self.is_granted(&reader, key)? {
                            fault = Some(format!("record {shown} is not granted to {reader}"));
                        }
                    }
                }
                Ok(Restricted::Deleted(_)) => {
                    let counts = count(found, key);
                    counts.deleted += 1;
                    counts.restricted_deleted += 1;
                }
                Err(error) => fault = Some(format!("restricted {shown}: {error}")),
            }
            Ok(flow(fault.as_ref()))
        })?;
        let mut grant_count = 0u64;
        scan::each(
            self,
            column,
            b"",
            Some(&[restricted::ROW_END]),
            &mut |_, _| {
                grant_count += 1;
                Ok(ControlFlow::Continue(()))
            },
        )?;
        if fault.is_none() && grant_count != granted_count {
            fault = Some(format!(
                "restricted records have {granted_count} readers, and {grant_count} are granted"
            ));
        }
        Ok(fault)
    }

    fn is_granted(&self, reader: &Reader, key: &[u8]) -> Result<bool, Error> {
        let grant = restricted::grant_key(reader, key);
        Ok(self.get(Column::Restricted, &grant)?.is_some())
    }
}

/// What a check of the trail found, if anything.
pub(super) fn fault_of(checked: Result<TrailReport, Error>) -> Result<Option<String>, Error> {
    match checked {
        Ok(_) => Ok(None),
        Err(error @ Error::Engine(_)) => Err(error),
        Err(error) => Ok(Some(error.to_string())),
    }
}

/// Goes on until there is a fault.
const fn flow(fault: Option<&String>) -> ControlFlow<()> {
    match fault {
        Some(_) => ControlFlow::Break(()),
        None => ControlFlow::Continue(()),
    }
}

/// What is found of the identifiers below a prefix.
#[derive(Clone, Copy, Debug, Default)]
struct Found {
    counts: Counts,
    /// The most labels of a suffix.
    labels: u16,
}

fn count<'f>(found: &'f mut BTreeMap<Vec<u8>, Found>, key: &[u8]) -> &'f mut Counts {
    &mut found.entry(prefix_of(key).to_vec()).or_default().counts
}

fn note_labels(found: &mut BTreeMap<Vec<u8>, Found>, key: &[u8]) {
    let prefix = prefix_of(key);
    let suffix = key.get(prefix.len() + 1..).unwrap_or_default();
    let labels = label_count(&String::from_utf8_lossy(suffix));
    if let Some(found) = found.get_mut(prefix) {
        found.labels = found.labels.max(labels);
    }
}

/// The canonical prefix of a key.
fn prefix_of(key: &[u8]) -> &[u8] {
    key.split(|byte| *byte == b'/').next().unwrap_or_default()
}
