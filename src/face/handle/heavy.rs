//! Work that takes milliseconds of a core: signatures, key exchanges, stretched
//! secrets. Anybody can ask for it, so it has as many places as there are cores
//! and a short queue, and runs where it holds up nobody else.

use std::thread;

use tokio::sync::Semaphore;

/// Requests that wait for a place.
const WAITING_MAX: usize = 256;

/// The places and the queue before them.
#[derive(Debug)]
pub(super) struct Heavy {
    queue: Semaphore,
    places: Semaphore,
}

impl Heavy {
    /// A place for each core.
    pub(super) fn new() -> Self {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        Self {
            queue: Semaphore::new(WAITING_MAX),
            places: Semaphore::new(cores),
        }
    }

    /// What `work` comes to; `None` when too much waits, or it panicked.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let _queued = self.queue.try_acquire().ok()?;
        let _place = self.places.acquire().await.ok()?;
        tokio::task::spawn_blocking(work).await.ok()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::mpsc;

    use tokio_util::task::TaskTracker;

    use super::*;

    #[tokio::test]
    async fn refuses_what_it_cannot_queue() {
        let heavy = Arc::new(Heavy {
            queue: Semaphore::new(1),
            places: Semaphore::new(1),
        });
        let (release, released) = mpsc::channel::<()>();
        let tasks = TaskTracker::new();
        let (first, begun) = (Arc::clone(&heavy), Arc::new(Semaphore::new(0)));
        let has_begun = Arc::clone(&begun);
        let task = tasks.spawn(async move {
            let work = move || {
                has_begun.add_permits(1);
                released.recv().is_err()
            };
            first.run(work).await
        });
        begun.acquire().await.expect("open").forget();
        assert_eq!(heavy.run(|| 2).await, None);
        drop(release);
        assert_eq!(task.await.expect("no panic"), Some(true));
        assert_eq!(heavy.run(|| 3).await, Some(3));
    }
}
