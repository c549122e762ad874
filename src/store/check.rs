//! Whether the store agrees with itself.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use crate::store::columns::Column;
use crate::store::{Error, Store, codec, scan};

impl Store {
    /// Recounts every identifier, decodes every row, and compares with the
    /// counts and with the audit trail, which has one entry for each position.
    /// What does not agree, if anything. Reads everything.
    ///
    /// # Errors
    /// [`Error::Engine`].
    pub fn check_counts(&self) -> Result<Option<String>, Error> {
        let mut found: BTreeMap<Vec<u8>, (u64, u64)> = BTreeMap::new();
        let mut fault = None;
        scan::each(self, Column::Records, b"", None, &mut |key, value| {
            count(&mut found, key).0 += 1;
            if let Err(error) = codec::record::decode(key, value) {
                fault = Some(format!("record {}: {error}", String::from_utf8_lossy(key)));
                return Ok(ControlFlow::Break(()));
            }
            Ok(ControlFlow::Continue(()))
        })?;
        scan::each(self, Column::Tombstones, b"", None, &mut |key, value| {
            count(&mut found, key).1 += 1;
            if let Err(error) = codec::record::decode_tombstone(key, value) {
                fault = Some(format!(
                    "tombstone {}: {error}",
                    String::from_utf8_lossy(key)
                ));
                return Ok(ControlFlow::Break(()));
            }
            Ok(ControlFlow::Continue(()))
        })?;
        if fault.is_some() {
            return Ok(fault);
        }
        for (canonical, row) in self.prefixes().after(None) {
            let counted = found.remove(canonical.as_bytes()).unwrap_or_default();
            if counted != (row.active, row.deleted) {
                return Ok(Some(format!(
                    "prefix {canonical} counts {} active and {} deleted, and has {} and {}",
                    row.active, row.deleted, counted.0, counted.1
                )));
            }
        }
        if let Some(stray) = found.keys().next() {
            let stray = String::from_utf8_lossy(stray);
            return Ok(Some(format!(
                "prefix {stray} has identifiers and is not registered"
            )));
        }
        match self.check_trail() {
            Ok(_) => Ok(None),
            Err(error @ Error::Engine(_)) => Err(error),
            Err(error) => Ok(Some(error.to_string())),
        }
    }
}

fn count<'f>(found: &'f mut BTreeMap<Vec<u8>, (u64, u64)>, key: &[u8]) -> &'f mut (u64, u64) {
    let prefix = key.split(|byte| *byte == b'/').next().unwrap_or_default();
    found.entry(prefix.to_vec()).or_default()
}
