//! How far threads stand back behind those that answer.

/// Of a thread that decides or writes changes: where a core is wanted, it has a third of
/// what another thread has there. A write waits for the disk anyway, and most of what is
/// read is read in less than a slice of time that the scheduler gives.
pub(super) const WRITING: i32 = 5;
/// Of a thread that nobody waits for: a tenth.
pub const BACKGROUND: i32 = 10;

/// Has the calling thread stand back by so many steps from where the process is (`nice`,
/// up to 19; Linux has them for each thread). If the system refuses, it stays there.
pub fn stand_back(steps: i32) {
    if let Err(error) = rustix::process::nice(steps) {
        tracing::debug!(%error, steps, "a thread stays as nice as it was");
    }
}
