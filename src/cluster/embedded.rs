//! The embedded log: a bounded queue before one writer thread.
//!
//! The writer takes what has queued up, decides it as one group, and answers when the
//! group is synced; while it syncs, the next group queues up. That is the group commit:
//! one sync for as many entries as came meanwhile.
//!
//! A group of many is written by a thread of its own, and what comes meanwhile is
//! decided already:
//!
//! ```text
//! writer     decide 1 │ decide 2 ······ │ decide 3 ······ │
//! committer           │ write 1         │ write 2         │ write 3
//! ```
//! A small group is written where it was decided: to wake another thread would take
//! longer. If few have come meanwhile, the next one waits a little for more: who waits for
//! a disk waits about as long for another, and a sync costs as much for many as for one.
//! A caller who is alone has nothing waiting when its sync is done, and so never waits.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use crate::cluster::Config;
use crate::cluster::niceness::{WRITING, stand_back};
use crate::model::{Fault, Reason, Refusal};

/// Entries of a group that another thread writes; smaller ones are written at once.
const HANDED_MIN: usize = 256;
/// Messages that wait, for which it is not worth to wait for more.
const SHARING_MAX: usize = 16;

/// Decides entries in their order.
pub trait Decide<E>: Send + 'static {
    /// A group that was decided, and is not written.
    type Group: Group;

    /// Decides entries behind those before them. They become durable together with
    /// all since the last [`close`](Decide::close).
    fn decide(&mut self, entries: Vec<E>);

    /// Ends the group.
    fn close(&mut self) -> Self::Group;

    /// How long the last group took to be written.
    fn last_took(&self) -> Duration;
}

/// Entries that were decided, and share one sync.
pub trait Group: Send + 'static {
    /// What an entry comes to.
    type Outcome: Send + 'static;

    /// Whether further entries may be decided before it is written.
    fn may_be_followed(&self) -> bool;

    /// Writes it, and gives what each entry came to, in their order. Every group is
    /// written, one after the other in their order.
    fn commit(self) -> Vec<Self::Outcome>;
}

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
    /// A group was written by the committer.
    Done,
    Close,
}

impl<E: Send + 'static, R: Send + 'static> Log<E, R> {
    /// Starts the writer. `weigh` gives an entry's bytes. `decider` is given entries
    /// in log order. It is given none, as a group of their own, when it was woken, and
    /// once at the end. A panic in it ends the process: its state would be unknown.
    ///
    /// # Errors
    /// The operating system's, if it gives no thread.
    pub fn start<D>(
        config: &Config,
        weigh: fn(&E) -> usize,
        decider: D,
    ) -> std::io::Result<(Self, JoinHandle<()>)>
    where
        D: Decide<E, Group: Group<Outcome = R>>,
    {
        let queue_count_max = config.queue_count_max.clamp(1, Semaphore::MAX_PERMITS);
        let (queue, waiting) = mpsc::channel(queue_count_max.saturating_add(1));
        let committer = Committer::start(queue.downgrade())?;
        let writer = Writer {
            waiting,
            weigh,
            decider,
            committer,
            group_max: (config.group_count_max.max(1), config.group_bytes_max.max(1)),
            share_max: Duration::from_micros(config.share_micros_max),
            open: Open::default(),
            is_woken: false,
        };
        let writer = std::thread::Builder::new()
            .name("idnode-writer".into())
            .spawn(move || {
                stand_back(WRITING);
                writer.run();
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

/// Who waits for the entries of a group: how many are whose.
type Replies<R> = Vec<(usize, oneshot::Sender<Vec<R>>, OwnedSemaphorePermit)>;

/// The group that is being decided.
struct Open<R> {
    count: usize,
    bytes: usize,
    replies: Replies<R>,
}

impl<R> Default for Open<R> {
    fn default() -> Self {
        Self {
            count: 0,
            bytes: 0,
            replies: Vec::new(),
        }
    }
}

/// The writer's thread.
struct Writer<E, R, D: Decide<E>> {
    waiting: mpsc::Receiver<Message<E, R>>,
    weigh: fn(&E) -> usize,
    decider: D,
    committer: Committer<D::Group, R>,
    group_max: (usize, usize),
    /// How long to wait for more to share a sync.
    share_max: Duration,
    open: Open<R>,
    /// Whether a group without entries is due.
    is_woken: bool,
}

impl<E, R, D> Writer<E, R, D>
where
    E: Send + 'static,
    R: Send + 'static,
    D: Decide<E, Group: Group<Outcome = R>>,
{
    fn run(mut self) {
        let _guard = AbortOnPanic;
        loop {
            let is_closed = self.gather();
            if self.committer.is_busy() && !self.is_full() && !is_closed {
                // More may come before this group can be written.
                continue;
            }
            self.committer.wait();
            self.end_group();
            // On its own: what it was woken for waits for no change, and no caller for it.
            if std::mem::take(&mut self.is_woken) {
                self.committer.wait();
                self.decider.decide(Vec::new());
                let _none = self.decider.close().commit();
            }
            if is_closed {
                return self.committer.end();
            }
        }
    }

    fn is_full(&self) -> bool {
        let (count_max, bytes_max) = self.group_max;
        self.open.count >= count_max || self.open.bytes >= bytes_max
    }

    /// Waits for a first message, takes those behind it that are there, and decides
    /// their entries. Returns whether the log is closed.
    fn gather(&mut self) -> bool {
        let mut all = Vec::new();
        let mut next = self.waiting.blocking_recv();
        let is_closed = loop {
            match next {
                Some(Message::Append {
                    entries,
                    reply,
                    room,
                }) => {
                    self.open.count += entries.len();
                    self.open.bytes += entries.iter().map(self.weigh).sum::<usize>();
                    self.open.replies.push((entries.len(), reply, room));
                    if !entries.is_empty() {
                        all.push(entries);
                    }
                }
                Some(Message::Wake) => self.is_woken = true,
                Some(Message::Done) => {}
                Some(Message::Close) => {
                    self.waiting.close();
                    self.is_woken = true;
                    break true;
                }
                None => break true,
            }
            if self.is_full() {
                break false;
            }
            next = match self.waiting.try_recv() {
                Ok(message) => Some(message),
                Err(_) => break false,
            };
        };
        for entries in all {
            self.decider.decide(entries);
        }
        is_closed
    }

    /// Writes the group that is open, or has it written.
    fn end_group(&mut self) {
        let Open { count, replies, .. } = std::mem::take(&mut self.open);
        if count == 0 {
            return;
        }
        let group = self.decider.close();
        if count >= HANDED_MIN && group.may_be_followed() {
            self.committer.hand(group, replies);
        } else {
            commit(group, replies);
            if (1..SHARING_MAX).contains(&self.waiting.len()) {
                std::thread::park_timeout(self.decider.last_took().min(self.share_max));
            }
        }
    }
}

/// Writes a group, and answers those who wait for it.
fn commit<G: Group>(group: G, replies: Replies<G::Outcome>) {
    let mut outcomes = group.commit().into_iter();
    for (count, reply, room) in replies {
        drop(room);
        // Whoever asked may be gone; what was applied stays applied.
        let _gone = reply.send(outcomes.by_ref().take(count).collect()).is_err();
    }
}

/// The thread that writes groups of many, one at a time.
struct Committer<G, R> {
    work: SyncSender<(G, Replies<R>)>,
    done: Receiver<()>,
    is_busy: bool,
    thread: JoinHandle<()>,
}

impl<G, R> Committer<G, R>
where
    R: Send + 'static,
    G: Group<Outcome = R>,
{
    /// Starts it. It wakes the writer through `queue` when it is done.
    fn start<E: Send + 'static>(queue: mpsc::WeakSender<Message<E, R>>) -> std::io::Result<Self> {
        let (work, handed) = sync_channel::<(G, Replies<R>)>(1);
        let (tell, done) = sync_channel(1);
        let thread = std::thread::Builder::new()
            .name("idnode-commit".into())
            .spawn(move || {
                let _guard = AbortOnPanic;
                stand_back(WRITING);
                for (group, replies) in handed {
                    commit(group, replies);
                    // The writer that has ended waits for nothing.
                    let _ended = tell.send(()).is_err();
                    // If the queue is full, the writer is awake.
                    let _woken = queue.upgrade().map(|queue| queue.try_send(Message::Done));
                }
            })?;
        Ok(Self {
            work,
            done,
            is_busy: false,
            thread,
        })
    }

    /// Whether it is at work.
    fn is_busy(&mut self) -> bool {
        self.is_busy &= self.done.try_recv() == Err(TryRecvError::Empty);
        self.is_busy
    }

    /// Waits until it is not.
    fn wait(&mut self) {
        if self.is_busy {
            // It ends with the process if it panics.
            let _done = self.done.recv();
            self.is_busy = false;
        }
    }

    /// Gives it a group, when it is not at work.
    fn hand(&mut self, group: G, replies: Replies<R>) {
        self.is_busy = self.work.send((group, replies)).is_ok();
    }

    /// Lets it end.
    fn end(self) {
        drop(self.work);
        let _ended = self.thread.join();
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
    use parking_lot::Mutex;

    use super::*;

    /// Decides nothing; what it is made of is done as each group is written.
    struct Doing<F> {
        apply: Arc<Mutex<F>>,
        entries: Vec<u64>,
    }

    fn doing<F: FnMut(Vec<u64>) -> Vec<u64>>(apply: F) -> Doing<F> {
        Doing {
            apply: Arc::new(Mutex::new(apply)),
            entries: Vec::new(),
        }
    }

    impl<F: FnMut(Vec<u64>) -> Vec<u64> + Send + 'static> Decide<u64> for Doing<F> {
        type Group = Self;

        fn decide(&mut self, entries: Vec<u64>) {
            self.entries.extend(entries);
        }

        fn close(&mut self) -> Self {
            Self {
                apply: Arc::clone(&self.apply),
                entries: std::mem::take(&mut self.entries),
            }
        }

        fn last_took(&self) -> Duration {
            Duration::from_millis(500)
        }
    }

    impl<F: FnMut(Vec<u64>) -> Vec<u64> + Send + 'static> Group for Doing<F> {
        type Outcome = u64;

        fn may_be_followed(&self) -> bool {
            true
        }

        fn commit(self) -> Vec<u64> {
            self.apply.lock()(self.entries)
        }
    }

    #[test]
    fn whoever_writes_stands_back_behind_readers() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&seen);
        let decider = doing(move |entries: Vec<u64>| {
            let nice = rustix::process::getpriority_process(None).expect("told");
            let name = std::thread::current().name().map(str::to_owned);
            told.lock().push((name, nice));
            entries
        });
        let (log, writer) = Log::start(&Config::default(), |_| 1, decider).expect("starts");
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.expect("starts").block_on(async {
            for count in [1, HANDED_MIN as u64] {
                log.append((0..count).collect()).await.expect("applied");
            }
            log.close().await;
        });
        writer.join().expect("ends");
        let seen = seen.lock();
        let own = rustix::process::getpriority_process(None).expect("told");
        let expected = (own + WRITING).min(19);
        for thread in ["idnode-writer", "idnode-commit"] {
            let is_nice = |(name, nice): &(Option<String>, i32)| {
                name.as_deref() == Some(thread) && *nice == expected
            };
            assert!(seen.iter().any(is_nice), "{thread} in {seen:?}");
        }
    }

    /// Tells how many entries a group has, and waits before it is done.
    fn gated() -> (
        impl FnMut(Vec<u64>) -> Vec<u64>,
        Receiver<usize>,
        SyncSender<()>,
    ) {
        let (groups, seen) = sync_channel(100);
        let (gate, opened) = sync_channel(100);
        let apply = move |entries: Vec<u64>| {
            groups.send(entries.len()).expect("the test listens");
            opened.recv().expect("the test opens");
            entries
        };
        (apply, seen, gate)
    }

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
            doing(move |entries: Vec<u64>| {
                groups.send(entries.len()).expect("the test listens");
                entries
                    .into_iter()
                    .map(|n| {
                        sum += n;
                        sum
                    })
                    .collect()
            }),
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
        let (apply, seen, gate) = gated();
        let (log, writer) = Log::start(&config(100, 8), |_| 1, doing(apply)).expect("starts");
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
        let (log, writer) = Log::start(&config(100, 8), |_| 1, doing(apply)).expect("starts");
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
    async fn what_comes_while_many_are_written_is_one_group() {
        let (apply, seen, gate) = gated();
        let (log, writer) = Log::start(&config(4_000, 2_000), |_| 1, doing(apply)).expect("starts");
        let many = (0..1_000).collect::<Vec<u64>>();
        let mut first = Box::pin(log.append(many.clone()));
        assert!(futures_are_pending(first.as_mut()).await);
        assert_eq!(seen.recv(), Ok(1_000));
        // The writer takes each of these by itself: the committer is at work.
        let mut rest = Vec::new();
        for one in 0..3 {
            rest.push(Box::pin(log.append(vec![one; 10])));
            let last = rest.last_mut().expect("there");
            assert!(futures_are_pending(last.as_mut()).await);
        }
        log.wake();
        (0..4).for_each(|_| gate.send(()).expect("it waits"));
        assert_eq!(first.await, Ok(many));
        for (waiting, one) in rest.into_iter().zip(0..) {
            assert_eq!(waiting.await, Ok(vec![one; 10]));
        }
        log.close().await;
        writer.join().expect("ends");
        assert_eq!(seen.iter().collect::<Vec<_>>(), [30, 0, 0]);
    }

    #[tokio::test]
    async fn few_that_came_meanwhile_wait_for_more() {
        let (apply, seen, gate) = gated();
        let config = Config {
            share_micros_max: 10_000_000,
            ..config(100, 100)
        };
        let (log, writer) = Log::start(&config, |_| 1, doing(apply)).expect("starts");
        let mut first = Box::pin(log.append(vec![1]));
        assert!(futures_are_pending(first.as_mut()).await);
        let mut second = Box::pin(log.append(vec![2]));
        assert!(futures_are_pending(second.as_mut()).await);
        gate.send(()).expect("it waits");
        // Within the time that the first one took, another comes.
        assert_eq!(first.await, Ok(vec![1]));
        let third = log.append(vec![3]);
        gate.send(()).expect("it will wait");
        assert_eq!(tokio::join!(second, third), (Ok(vec![2]), Ok(vec![3])));
        gate.send(()).expect("it will wait");
        log.close().await;
        writer.join().expect("ends");
        assert_eq!(seen.iter().collect::<Vec<_>>(), [1, 2, 0]);
    }

    #[tokio::test]
    async fn groups_of_many_keep_their_order() {
        let mut last = 0;
        let apply = move |entries: Vec<u64>| {
            for entry in &entries {
                assert_eq!(*entry, last);
                last += 1;
            }
            entries
        };
        let (log, writer) = Log::start(&config(9_000, 600), |_| 1, doing(apply)).expect("starts");
        let mut waiting = Vec::new();
        let mut next = 0;
        for round in 0..40_u64 {
            let end = next + 1 + round * 97 % 700;
            waiting.push(log.append_when_room((next..end).collect()));
            next = end;
        }
        let (mut begin, all) = (0, futures_util::future::join_all(waiting).await);
        for outcome in all {
            let outcome = outcome.expect("applied");
            let end = begin + u64::try_from(outcome.len()).expect("few");
            assert_eq!(outcome, (begin..end).collect::<Vec<u64>>());
            begin = end;
        }
        assert_eq!(begin, next);
        log.close().await;
        writer.join().expect("ends");
    }

    #[tokio::test]
    async fn refuses_above_its_bound() {
        let (release, gate) = std::sync::mpsc::channel::<()>();
        let (log, _writer) = Log::start(
            &config(2, 1),
            |_| 1,
            doing(move |entries: Vec<u64>| {
                gate.recv().expect("released");
                entries
            }),
        )
        .expect("starts");
        let first = log.append(vec![1, 2]);
        tokio::pin!(first);
        assert!(futures_are_pending(first.as_mut()).await);
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
        let apply = move |entries: Vec<u64>| {
            gate.recv().expect("released");
            groups.send(entries.len()).expect("the test listens");
            entries
        };
        let (log, _writer) = Log::start(&config, weigh, doing(apply)).expect("starts");
        let first = log.append(vec![1]);
        tokio::pin!(first);
        assert!(futures_are_pending(first.as_mut()).await);
        let mut rest: Vec<_> = (0..6).map(|_| Box::pin(log.append(vec![4]))).collect();
        for waiting in &mut rest {
            assert!(futures_are_pending(waiting.as_mut()).await);
        }
        (0..3).for_each(|_| release.send(()).expect("the writer waits"));
        first.await.expect("applied");
        for waiting in rest {
            waiting.await.expect("applied");
        }
        assert_eq!(seen.iter().take(3).collect::<Vec<_>>(), [1, 3, 3]);
    }

    async fn futures_are_pending<F: Future>(future: std::pin::Pin<&mut F>) -> bool {
        tokio::time::timeout(Duration::from_millis(20), future)
            .await
            .is_err()
    }
}
