//! What the process does when it is told to stop or to reload.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::cli::failure::{Exit, Failure};
use crate::cli::output::Output;

/// Runs `work` until it ends by itself or by a signal. SIGINT and SIGTERM
/// cancel `shutdown` and let `work` drain; the second of them ends the wait at
/// once. SIGHUP calls `reload`.
///
/// # Errors
/// What `work` failed with; [`Exit::Failed`] if signals cannot be heard, or if
/// the second signal cut the drain short.
pub async fn until_done(
    work: impl Future<Output = Result<(), Failure>>,
    shutdown: CancellationToken,
    output: &Output,
    mut reload: impl FnMut(),
) -> Result<(), Failure> {
    let deaf = |error| Failure::io("cannot listen for signals", &error);
    let mut interrupt = signal(SignalKind::interrupt()).map_err(deaf)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(deaf)?;
    let mut hang_up = signal(SignalKind::hangup()).map_err(deaf)?;
    tokio::pin!(work);
    loop {
        tokio::select! {
            ended = &mut work => return ended,
            Some(()) = hang_up.recv() => {
                reload();
                continue;
            }
            Some(()) = interrupt.recv() => {}
            Some(()) = terminate.recv() => {}
        }
        if shutdown.is_cancelled() {
            return Err(Failure::new(
                Exit::Failed,
                "stopped before all work was done",
            ));
        }
        output.say("stopping once work is done; a second signal stops at once");
        shutdown.cancel();
    }
}
