//! Panics: counted and logged, as they cost the task in which they happen.

use std::any::Any;
use std::panic::{self, PanicHookInfo};

use metrics::{counter, describe_counter};
use tracing::Level;

/// Counts every panic of the process as `idnode_panics_total` of the recorder in
/// force, and logs it. Where nothing is logged, as in tests, it is told as it was
/// before.
pub fn count_panics() {
    describe_counter!("idnode_panics_total", "panics, each of which ended a task");
    let counter = counter!("idnode_panics_total");
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |panic: &PanicHookInfo<'_>| {
        counter.increment(1);
        if !tracing::enabled!(Level::ERROR) {
            return before(panic);
        }
        let place = panic.location().map(ToString::to_string);
        tracing::error!(
            place = place.as_deref().unwrap_or_default(),
            message = message(panic.payload()),
            "panic"
        );
    }));
}

fn message(payload: &dyn Any) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a value that is no text")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_a_panic_says() {
        assert_eq!(message(&"broken"), "broken");
        assert_eq!(message(&"broken".to_owned()), "broken");
        assert_eq!(message(&7), "a value that is no text");
    }
}
