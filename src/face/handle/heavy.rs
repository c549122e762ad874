//! Work that takes milliseconds of a core: signatures, key exchanges, stretched
//! secrets. Anybody can ask for it, so it has as many places as there are cores
//! and a short queue, of which one source has a share; it runs where it holds up
//! nobody else.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::thread;

use parking_lot::Mutex;
use tokio::sync::Semaphore;

/// The part of the queue that one source may fill.
const SOURCE_SHARE: usize = 4;

/// The places and the queue before them.
#[derive(Clone, Debug)]
pub(super) struct Heavy {
    queue: Arc<Semaphore>,
    places: Arc<Semaphore>,
    by_source: Arc<Mutex<HashMap<IpAddr, usize>>>,
    source_max: usize,
}

impl Heavy {
    /// A place for each core, and a queue of `waiting_max`.
    pub(super) fn new(waiting_max: usize) -> Self {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        Self::with_places(waiting_max, cores)
    }

    fn with_places(waiting_max: usize, places: usize) -> Self {
        Self {
            queue: Arc::new(Semaphore::new(waiting_max)),
            places: Arc::new(Semaphore::new(places)),
            by_source: Arc::default(),
            source_max: (waiting_max / SOURCE_SHARE).max(1),
        }
    }

    /// What `work` for `source` comes to; `None` when too much waits, or it
    /// panicked. Work that has begun keeps its place to its end, whether or not
    /// anybody still waits for it.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        source: IpAddr,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let share = Share::take(self, source)?;
        let queued = Arc::clone(&self.queue).try_acquire_owned().ok()?;
        let place = Arc::clone(&self.places).acquire_owned().await.ok()?;
        let held = (share, queued, place);
        let done = tokio::task::spawn_blocking(move || {
            let outcome = work();
            drop(held);
            outcome
        });
        done.await.ok()
    }
}

/// One place of a source's share of the queue.
struct Share {
    by_source: Arc<Mutex<HashMap<IpAddr, usize>>>,
    source: IpAddr,
}

impl Share {
    fn take(heavy: &Heavy, source: IpAddr) -> Option<Self> {
        let mut by_source = heavy.by_source.lock();
        let count = by_source.entry(source).or_default();
        if *count >= heavy.source_max {
            return None;
        }
        *count += 1;
        Some(Self {
            by_source: Arc::clone(&heavy.by_source),
            source,
        })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut by_source = self.by_source.lock();
        if let Some(count) = by_source.get_mut(&self.source) {
            *count -= 1;
            if *count == 0 {
                by_source.remove(&self.source);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::sync::mpsc;
    use std::time::Duration;

    use tokio::time::timeout;
    use tokio_util::task::TaskTracker;

    use super::*;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
    const THERE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
    const PATIENCE: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn refuses_what_it_cannot_queue_and_keeps_places_of_the_forgotten() {
        let heavy = Heavy::with_places(2, 1);
        let (release, released) = mpsc::channel::<()>();
        let begun = Arc::new(Semaphore::new(0));
        let (own, has_begun) = (heavy.clone(), Arc::clone(&begun));
        let tasks = TaskTracker::new();
        let first = tasks.spawn(async move {
            let work = move || {
                has_begun.add_permits(1);
                released.recv().is_err()
            };
            own.run(HERE, work).await
        });
        begun.acquire().await.expect("open").forget();
        assert_eq!(heavy.run(HERE, || 2).await, None, "beyond its share");
        // Nobody waits for it any more, and it still has its place.
        first.abort();
        let waits = timeout(Duration::from_millis(50), heavy.run(THERE, || 3)).await;
        assert!(waits.is_err(), "the only place is taken");
        drop(release);
        let served = timeout(PATIENCE, heavy.run(THERE, || 4)).await;
        assert_eq!(served.expect("in time"), Some(4));
        assert_eq!(heavy.run(HERE, || 5).await, Some(5));
    }
}
