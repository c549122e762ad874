//! The one place of the load generator that reads the clock.

use std::time::Instant;

/// Now. Monotonic.
#[expect(
    clippy::disallowed_methods,
    reason = "a load generator measures; its threads have no runtime whose clock they could ask"
)]
pub(super) fn now() -> Instant {
    Instant::now()
}
