//! A queue that can be away.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;

use crate::domain::work::Stream;
use crate::queue::in_process::InProcessQueue;
use crate::queue::{Entry, Error, Queue, Taken};

pub(in crate::dispatch) struct TestQueue {
    inner: InProcessQueue,
    away: AtomicBool,
    /// Answers are on their way while this is false.
    answers: watch::Sender<bool>,
    /// Entries taken, answered or not.
    pub(in crate::dispatch) taken: AtomicUsize,
    /// Calls that failed because it was away.
    pub(in crate::dispatch) failed: AtomicUsize,
    /// What a worker that died had taken, for whoever reclaims it.
    pub(in crate::dispatch) pending: Mutex<Vec<Taken>>,
    pub(in crate::dispatch) acked: Mutex<Vec<Taken>>,
}

impl TestQueue {
    pub(super) fn new() -> Self {
        Self {
            inner: InProcessQueue::new(10_000),
            away: AtomicBool::new(false),
            answers: watch::Sender::new(true),
            taken: AtomicUsize::new(0),
            failed: AtomicUsize::new(0),
            pending: Mutex::default(),
            acked: Mutex::default(),
        }
    }

    pub(in crate::dispatch) fn goes(&self, away: bool) {
        self.away.store(away, Ordering::SeqCst);
    }

    /// Holds its answers, or lets them go.
    pub(in crate::dispatch) fn answers(&self, whether: bool) {
        self.answers.send_replace(whether);
    }

    async fn answered<T>(&self, answer: T) -> Result<T, Error> {
        match self.answers.subscribe().wait_for(|answers| *answers).await {
            Ok(_) => Ok(answer),
            Err(closed) => Err(Error::Unavailable(Box::new(closed))),
        }
    }

    fn reached(&self) -> Result<&InProcessQueue, Error> {
        if self.away.load(Ordering::SeqCst) {
            self.failed.fetch_add(1, Ordering::SeqCst);
            return Err(Error::Unavailable("away".into()));
        }
        Ok(&self.inner)
    }
}

#[async_trait]
impl Queue for TestQueue {
    async fn publish(&self, entries: &[Entry]) -> Result<(), Error> {
        self.reached()?.publish(entries).await?;
        self.answered(()).await
    }

    async fn take(&self, max: usize, wait: Duration) -> Result<Vec<Taken>, Error> {
        let taken = self.reached()?.take(max, wait).await?;
        self.taken.fetch_add(taken.len(), Ordering::SeqCst);
        self.answered(taken).await
    }

    async fn ack(&self, taken: &[Taken]) -> Result<(), Error> {
        self.reached()?.ack(taken).await?;
        self.answered(()).await?;
        self.acked.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(taken);
        Ok(())
    }

    async fn reclaim(&self, max: usize, _idle: Duration) -> Result<Vec<Taken>, Error> {
        self.reached()?;
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        let max = max.min(pending.len());
        Ok(pending.drain(..max).collect())
    }

    async fn len(&self, stream: Stream) -> Result<usize, Error> {
        let len = self.reached()?.len(stream).await?;
        self.answered(len).await
    }

    async fn ping(&self) -> Result<(), Error> {
        self.reached()?.ping().await
    }

    async fn tidy(&self) -> Result<(), Error> {
        self.reached()?.tidy().await
    }

    fn window(&self) -> usize {
        self.inner.window()
    }
}
