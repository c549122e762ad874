//! The only place where faults become response codes (RFC 1035 §4.1.1).

use crate::model::Fault;
use crate::wire::dns::{ExtendedError, Rcode};

/// The response code of a fault, and the extended error that explains it.
///
/// What is barred does not exist for the DNS: a resolver asks elsewhere on
/// REFUSED, and there is nobody else to ask.
pub(super) const fn status(fault: Fault) -> (Rcode, Option<ExtendedError>) {
    match fault {
        Fault::Invalid => (Rcode::FormErr, None),
        Fault::Missing => (Rcode::NxDomain, None),
        Fault::Denied => (Rcode::NxDomain, Some(ExtendedError::Prohibited)),
        Fault::Unauthenticated => (Rcode::Refused, None),
        Fault::Conflict | Fault::Exhausted | Fault::Unavailable | Fault::Broken => {
            (Rcode::ServFail, None)
        }
    }
}
