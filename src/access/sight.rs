//! Which restricted records a caller sees, known before any of them is read.

use crate::model::Caller;
use crate::store::Sight;

/// Which restricted records `caller` sees.
pub fn sight(caller: &Caller) -> Sight {
    if caller.is_operator() {
        Sight::Everything
    } else {
        Sight::Nothing
    }
}
