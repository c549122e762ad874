//! The embedded log: a bounded queue before one writer thread.
//!
//! The writer takes what has queued up, applies it as one group, and answers
//! when the group is synced; while it syncs, the next group queues up. That is
//! the group commit: one sync for as many entries as came meanwhile.

use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use crate::cluster::Config;
use crate::model::{Fault, Reason, Refusal};

/// Why an entry was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The queue is full.
    #[error("{0} entries are waiting")]
    Full(usize),
    /// The log is closed.
    #[error("the log is closed")]
    Closed,
}

impl Error {
    /// The fault.
    pub fn fault(&self) -> Fault {
        self.refusal().fault()
    }

    /// What a caller is told.
    pub fn refusal(&self) -> Refusal {
        match self {
            Self::Full(count) => Refusal::new(Reason::Overloaded).limit(count),
            Self::Closed => Refusal::new(Reason::ShuttingDown),
        }
    }
}

/// Orders entries of type `E` and gives what each came to, an `R`.
pub struct Log<E, R> {
    queue: mpsc::Sender<Message<E, R>>,
    room: Arc<Semaphore>,
    queue_count_max: usize,
}

impl<E, R> std::fmt::Debug for Log<E, R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Log({} of {} free)",
            self.room.available_permits(),
            self.queue_count_max
        )
    }
}

enum Message<E, R> {
    Append {
        entries: Vec<E>,
        reply: oneshot::Sender<Vec<R>>,
        room: OwnedSemaphorePermit,
    },
    Wake,
    Close,
}

impl<E: Send + 'static, R: Send + 'static> Log<E, R> {
    /// Starts the writer. `weigh` gives an entry's bytes. `apply` is given each group in log order and returns
    /// what each entry came to, in the same order, once the group is durable. It is
    /// given a group without entries when it was woken, and once at the end.
    /// A panic in it ends the process: its state would be unknown.
    ///
    /// # Errors
    /// The operating system's, if it gives no thread.
    pub fn start(
        config: &Config,
        weigh: fn(&E) -> usize,
        mut apply: impl FnMut(Vec<E>) -> Vec<R> + Send + 'static,
    ) -> std::io::Result<(Self, JoinHandle<()>)> {
        let queue_count_max = config.queue_count_max.clamp(1, Semaphore::MAX_PERMITS);
        let group_max = (config.group_count_max.max(1), config.group_bytes_max.max(1));
        let (queue, mut waiting) = mpsc::channel(queue_count_max.saturating_add(1));
        let writer = std::thread::Builder::new()
            .name("idnode-writer".into())
            .spawn(move || {
                let _guard = AbortOnPanic;
                let mut group = Group::default();
                loop {
                    let closed = group.gather(&mut waiting, weigh, group_max);
                    group.run(&mut apply);
                    if closed {
                        return;
                    }
                }
            })?;
        let room = Arc::new(Semaphore::new(queue_count_max));
        Ok((
            Self {
                queue,
                room,
                queue_count_max,
            },
            writer,
        ))
    }

    /// Appends entries that stand together; refuses if there is no room.
    ///
    /// # Errors
    /// [`Error::Full`], [`Error::Closed`].
    pub async fn append(&self, entries: Vec<E>) -> Result<Vec<R>, Error> {
        let count = self.count(&entries);
        let room = Arc::clone(&self.room);
        let room = room
            .try_acquire_many_owned(count)
            .map_err(|error| match error {
                tokio::sync::TryAcquireError::Closed => Error::Closed,
                tokio::sync::TryAcquireError::NoPermits => Error::Full(self.queue_count_max),
            })?;
        self.submit(entries, room).await
    }

    /// Appends entries that stand together; waits for room.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub async fn append_when_room(&self, entries: Vec<E>) -> Result<Vec<R>, Error> {
        let count = self.count(&entries);
        let room = Arc::clone(&self.room);
        let room = room
            .acquire_many_owned(count)
            .await
            .map_err(|_| Error::Closed)?;
        self.submit(entries, room).await
    }

    /// Has the writer apply a group, even one without entries, soon. Returns at
    /// once; a queue that is full wakes it anyway.
    pub fn wake(&self) {
        let _full_or_closed = self.queue.try_send(Message::Wake).is_err();
    }

    /// Takes no further entries and lets the writer finish those that wait.
    pub async fn close(&self) {
        self.room.close();
        // The writer is gone already if this fails.
        let _gone = self.queue.send(Message::Close).await.is_err();
    }

    /// Permits for `entries`; never more than there are, lest it wait forever.
    fn count(&self, entries: &[E]) -> u32 {
        u32::try_from(entries.len().clamp(1, self.queue_count_max)).unwrap_or(u32::MAX)
    }

    async fn submit(&self, entries: Vec<E>, room: OwnedSemaphorePermit) -> Result<Vec<R>, Error> {
        let (reply, outcome) = oneshot::channel();
        let message = Message::Append {
            entries,
            reply,
            room,
        };
        self.queue.send(message).await.map_err(|_| Error::Closed)?;
        outcome.await.map_err(|_| Error::Closed)
    }
}

/// Entries that share one sync.
struct Group<E, R> {
    entries: Vec<E>,
    /// Whether it is applied even without entries.
    is_woken: bool,
    replies: Vec<(usize, oneshot::Sender<Vec<R>>, OwnedSemaphorePermit)>,
}

impl<E, R> Default for Group<E, R> {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            is_woken: false,
            replies: Vec::new(),
        }
    }
}

impl<E, R> Group<E, R> {
    /// Waits for a first message and takes those behind it that are there.
    /// Returns whether the log is closed.
    fn gather(
        &mut self,
        waiting: &mut mpsc::Receiver<Message<E, R>>,
        weigh: fn(&E) -> usize,
        (count_max, bytes_max): (usize, usize),
    ) -> bool {
        let mut bytes = 0;
        let mut next = waiting.blocking_recv();
        loop {
            match next {
                Some(Message::Append {
                    entries,
                    reply,
                    room,
                }) => {
                    self.replies.push((entries.len(), reply, room));
                    bytes += entries.iter().map(weigh).sum::<usize>();
                    if self.entries.is_empty() {
                        self.entries = entries;
                    } else {
                        self.entries.extend(entries);
                    }
                }
                Some(Message::Wake) => self.is_woken = true,
                Some(Message::Close) => {
                    waiting.close();
                    self.is_woken = true;
                    return true;
                }
                None => return true,
            }
            if self.entries.len() >= count_max || bytes >= bytes_max {
                return false;
            }
            next = match waiting.try_recv() {
                Ok(message) => Some(message),
                Err(_) => return false,
            };
        }
    }

    fn run(&mut self, apply: &mut impl FnMut(Vec<E>) -> Vec<R>) {
        if !self.entries.is_empty() {
            self.run_entries(apply);
        }
        // On its own: what it was woken for waits for no change, and no caller for it.
        if std::mem::take(&mut self.is_woken) {
            let _none = apply(Vec::new());
        }
    }

    fn run_entries(&mut self, apply: &mut impl FnMut(Vec<E>) -> Vec<R>) {
        let mut outcomes = apply(std::mem::take(&mut self.entries)).into_iter();
        for (count, reply, room) in self.replies.drain(..) {
            drop(room);
            // Whoever asked may be gone; what was applied stays applied.
            let _gone = reply.send(outcomes.by_ref().take(count).collect()).is_err();
        }
    }
}

struct AbortOnPanic;

impl Drop for AbortOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!("the writer panicked; the process ends, the log is the truth");
            std::process::abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(queue_count_max: usize, group_count_max: usize) -> Config {
        Config {
            queue_count_max,
            group_count_max,
            ..Config::default()
        }
    }

    #[tokio::test]
    async fn keeps_the_order_and_shares_groups() {
        let (groups, seen) = std::sync::mpsc::channel();
        let mut sum = 0;
        let (log, writer) = Log::start(
            &config(100, 8),
            |_| 1,
            move |entries: Vec<u64>| {
                groups.send(entries.len()).expect("the test listens");
                entries
                    .into_iter()
                    .map(|n| {
                        sum += n;
                        sum
                    })
                    .collect()
            },
        )
        .expect("starts");
        let (a, b) = tokio::join!(log.append(vec![1, 2]), log.append_when_room(vec![3]));
        assert_eq!((a, b), (Ok(vec![1, 3]), Ok(vec![6])));
        log.close().await;
        assert_eq!(log.append(vec![1]).await, Err(Error::Closed));
        writer.join().expect("ends");
        assert_eq!(seen.iter().sum::<usize>(), 3);
    }

    #[tokio::test]
    async fn is_woken_though_entries_came_beside_it() {
        let (groups, seen) = std::sync::mpsc::channel();
        let (gate, opened) = std::sync::mpsc::channel::<()>();
        let apply = move |entries: Vec<u64>| {
            groups.send(entries.len()).expect("the test listens");
            opened.recv().expect("the test opens");
            entries
        };
        let (log, writer) = Log::start(&config(100, 8), |_| 1, apply).expect("starts");
        log.wake();
        assert_eq!(seen.recv(), Ok(0));
        // While that one is at work, these two queue up, and are taken together.
        let appended = log.append(vec![1]);
        let wake = async {
            log.wake();
            (0..4).for_each(|_| gate.send(()).expect("it waits"));
        };
        assert_eq!(tokio::join!(appended, wake).0, Ok(vec![1]));
        assert_eq!((seen.recv(), seen.recv()), (Ok(1), Ok(0)));
        log.close().await;
        writer.join().expect("ends");
    }

    #[tokio::test]
    async fn applies_groups_without_entries_when_woken_and_at_the_end() {
        let (groups, seen) = std::sync::mpsc::channel();
        let apply = move |entries: Vec<u64>| {
            groups.send(entries.len()).expect("the test listens");
            entries
        };
        let (log, writer) = Log::start(&config(100, 8), |_| 1, apply).expect("starts");
        log.wake();
        assert_eq!(seen.recv(), Ok(0));
        assert_eq!(log.append(vec![1]).await, Ok(vec![1]));
        assert_eq!(seen.recv(), Ok(1));
        log.close().await;
        log.wake();
        writer.join().expect("ends");
        assert_eq!(seen.iter().collect::<Vec<_>>(), [0]);
    }

    #[tokio::test]
    async fn refuses_above_its_bound() {
        let (release, gate) = std::sync::mpsc::channel::<()>();
        let (log, _writer) = Log::start(
            &config(2, 1),
            |_| 1,
            move |entries: Vec<u64>| {
                gate.recv().expect("released");
                entries
            },
        )
        .expect("starts");
        let first = log.append(vec![1, 2]);
        tokio::pin!(first);
        assert!(futures_are_pending(&mut first).await);
        assert_eq!(log.append(vec![3]).await, Err(Error::Full(2)));
        release.send(()).expect("the writer waits");
        assert_eq!(first.await, Ok(vec![1, 2]));
    }

    #[tokio::test]
    async fn a_group_ends_where_its_bytes_do() {
        let (release, gate) = std::sync::mpsc::channel::<()>();
        let (groups, seen) = std::sync::mpsc::channel();
        let config = Config {
            group_bytes_max: 10,
            ..config(100, 100)
        };
        let weigh = |entry: &u64| usize::try_from(*entry).expect("small");
        let (log, _writer) = Log::start(&config, weigh, move |entries: Vec<u64>| {
            gate.recv().expect("released");
            groups.send(entries.len()).expect("the test listens");
            entries
        })
        .expect("starts");
        let first = log.append(vec![1]);
        tokio::pin!(first);
        assert!(futures_are_pending(&mut first).await);
        let mut rest: Vec<_> = (0..6).map(|_| Box::pin(log.append(vec![4]))).collect();
        for waiting in &mut rest {
            let mut waiting = waiting.as_mut();
            assert!(futures_are_pending(&mut waiting).await);
        }
        (0..3).for_each(|_| release.send(()).expect("the writer waits"));
        first.await.expect("applied");
        for waiting in rest {
            waiting.await.expect("applied");
        }
        assert_eq!(seen.iter().take(3).collect::<Vec<_>>(), [1, 3, 3]);
    }

    async fn futures_are_pending<F: Future>(future: &mut std::pin::Pin<&mut F>) -> bool {
        tokio::time::timeout(std::time::Duration::from_millis(20), future.as_mut())
            .await
            .is_err()
    }
}
