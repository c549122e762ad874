//! A bounded number of futures in work at once, begun and ended in their order.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Futures in work. Each is polled only after those before it were, so that what
/// the first poll of each does happens in their order.
pub(super) struct Flight<T> {
    slots: VecDeque<Slot<T>>,
}

enum Slot<T> {
    Flying(Pin<Box<dyn Future<Output = T> + Send>>),
    Landed(T),
}

impl<T> Flight<T> {
    pub(super) fn new() -> Self {
        Self {
            slots: VecDeque::new(),
        }
    }

    /// How many are in work or wait to be taken.
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Adds a future behind all others; it begins when [`Flight::next`] is polled.
    pub(super) fn push(&mut self, future: impl Future<Output = T> + Send + 'static) {
        self.slots.push_back(Slot::Flying(Box::pin(future)));
    }

    /// The output of the first; pending while there is none. Cancelled, it loses
    /// nothing.
    pub(super) async fn next(&mut self) -> T {
        std::future::poll_fn(|context| self.poll(context)).await
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<T> {
        for slot in &mut self.slots {
            if let Slot::Flying(future) = slot
                && let Poll::Ready(output) = future.as_mut().poll(context)
            {
                *slot = Slot::Landed(output);
            }
        }
        match self.slots.pop_front() {
            Some(Slot::Landed(output)) => Poll::Ready(output),
            Some(flying) => {
                self.slots.push_front(flying);
                Poll::Pending
            }
            None => Poll::Pending,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn begins_all_in_order_and_ends_them_in_order() {
        let begun = Arc::new(Mutex::new(Vec::new()));
        let mut flight = Flight::new();
        let mut senders = Vec::new();
        for number in 0..3 {
            let (tx, rx) = oneshot::channel::<()>();
            senders.push(tx);
            let begun = Arc::clone(&begun);
            flight.push(async move {
                begun.lock().expect("unpoisoned").push(number);
                rx.await.expect("sent");
                number
            });
        }
        // The last is ready first, and still comes last.
        for tx in senders.into_iter().rev() {
            tx.send(()).expect("awaited");
        }
        assert_eq!(flight.next().await, 0);
        assert_eq!(*begun.lock().expect("unpoisoned"), [0, 1, 2]);
        assert_eq!((flight.next().await, flight.next().await), (1, 2));
        assert_eq!(flight.len(), 0);
    }
}
