//! Random octets for the audit trail, drawn for many entries at once: to draw 16
//! costs as much as a tenth of a change.

use std::fmt;

use parking_lot::Mutex;

use crate::node::Chance;
use crate::store::codec_types::{SALT_BYTES, Salt};

/// Salts drawn at once.
const SALTS: usize = 256;

/// Where salts come from.
pub(super) struct Salts {
    chance: Chance,
    drawn: Mutex<Vec<Salt>>,
}

impl Salts {
    pub(super) const fn new(chance: Chance) -> Self {
        Self {
            chance,
            drawn: Mutex::new(Vec::new()),
        }
    }

    /// A salt that was not given before.
    pub(super) fn next(&self) -> Salt {
        let mut drawn = self.drawn.lock();
        drawn.pop().unwrap_or_else(|| {
            let mut octets = [0; SALTS * SALT_BYTES];
            (self.chance)(&mut octets);
            let (salts, _) = octets.as_chunks::<SALT_BYTES>();
            drawn.extend_from_slice(salts);
            drawn.pop().unwrap_or_default()
        })
    }
}

impl fmt::Debug for Salts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Salts")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU8, Ordering};

    use super::*;

    #[test]
    fn gives_each_salt_once() {
        static DRAWN: AtomicU8 = AtomicU8::new(0);
        let salts = Salts::new(|octets| {
            let round = DRAWN.fetch_add(1, Ordering::Relaxed);
            for (octet, at) in octets.iter_mut().zip(0u32..) {
                let low = u8::try_from(at / 16 % 256).expect("small");
                *octet = if at % 16 == 0 { round } else { low };
            }
        });
        let mut given: Vec<Salt> = (0..3 * SALTS).map(|_| salts.next()).collect();
        assert_eq!(DRAWN.load(Ordering::Relaxed), 3);
        given.sort_unstable();
        given.dedup();
        assert_eq!(given.len(), 3 * SALTS);
    }
}
