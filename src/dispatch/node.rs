//! What the steps of one node share: everything that was handed in, and what they keep in memory.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use chrono::TimeDelta;
use futures_util::future::BoxFuture;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::commit::Pending;
use super::directory::Directory;
use super::hold_back::HoldBack;
use super::job::Held;
use super::lane::Lanes;
use super::message::Messages;
use super::outage::Outage;
use super::recorder::Event;
use super::stop::StopSet;
use super::store_clock::StoreClock;
use super::{RetrySettings, Settings};
use crate::domain::Timestamp;
use crate::domain::clock::{Clock, Ids, Rng};
use crate::domain::retry::RetryPolicy;
use crate::queue::{Queue, Taken};
use crate::store::analytics::Retention;
use crate::store::{self, Store};

/// How long published work has to be taken before the scheduler publishes it again.
pub const GUARD: Duration = Duration::from_secs(30);
/// The wait before the store or the queue is asked again.
pub const BACKOFF: Duration = Duration::from_millis(200);
/// How long a node that stops for good may go on writing what it knows, and handing back what it holds.
pub const LAST_MOMENT: Duration = Duration::from_secs(5);

/// Where the path's tasks run: whoever made it can wait for them all, or end them wherever they are.
pub trait Tasks: Send + Sync {
    /// Starts a task.
    fn spawn(&self, task: BoxFuture<'static, ()>);
}

/// What the path is made of. Nothing of it is made by the path.
pub struct Parts {
    /// The truth.
    pub store: Arc<dyn Store>,
    /// The ready window.
    pub queue: Arc<dyn Queue>,
    /// The apps.
    pub directory: Arc<Directory>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Ids.
    pub ids: Arc<dyn Ids>,
    /// Chance.
    pub rng: Arc<dyn Rng>,
    /// Every task of the path lives in here.
    pub tasks: Arc<dyn Tasks>,
    /// Stop taking work; finish what is under way.
    pub stopping: CancellationToken,
    /// Stop.
    pub stopped: CancellationToken,
    /// `[dispatch]`.
    pub settings: Settings,
    /// `[retry]`.
    pub retry: RetrySettings,
    /// `[analytics]`.
    pub analytics: Retention,
    /// For how long the audit log is kept.
    pub audit_kept: Duration,
}

/// One running node.
pub struct Node {
    /// The truth.
    pub store: Arc<dyn Store>,
    /// The ready window.
    pub queue: Arc<dyn Queue>,
    /// Whether the store is away.
    pub store_outage: Outage,
    /// Whether the queue is away.
    pub queue_outage: Outage,
    /// Whether lapsed leases are left alone.
    pub hold_back: HoldBack,
    /// The apps.
    pub directory: Arc<Directory>,
    /// Time.
    pub clock: Arc<StoreClock>,
    /// Ids.
    pub ids: Arc<dyn Ids>,
    /// Chance.
    pub rng: Arc<dyn Rng>,
    /// Every task of the path lives in here.
    pub tasks: Arc<dyn Tasks>,
    /// Stop taking work; finish what is under way.
    pub stopping: CancellationToken,
    /// Stop.
    pub hard_stop: CancellationToken,
    /// `[dispatch]`.
    pub settings: Settings,
    /// How failed sends are repeated.
    pub retry: RetryPolicy,
    /// For how long analytics are kept.
    pub analytics: Retention,
    /// For how long the audit log is kept.
    pub audit_kept: Duration,
    /// Notifications in memory.
    pub messages: Messages,
    /// The lanes.
    pub lanes: Lanes,
    /// Runs of which nothing more is started.
    pub stopped: StopSet,
    /// Work in this node's hands.
    pub held: Held,
    /// A task without which the path cannot be has panicked.
    pub failed: AtomicBool,
    /// Takes and claims under way, each by a token: work may be in this node's hands that it does not know of yet.
    pub taking: TaskTracker,
    /// Sends under way or not yet recorded.
    pub permits: Arc<Semaphore>,
    /// Wakes the scheduler before its time.
    pub wake: Notify,
    /// Has leases renewed before their time.
    pub renew: Notify,
    /// Cancelled once the recorder has written the last that it was told.
    pub flushed: CancellationToken,
    /// To the recorder.
    pub events: mpsc::Sender<Event>,
    /// To the committer of accepted requests.
    pub accepted: mpsc::Sender<Pending>,
}

/// The right to have one send under way; returned when its outcome is recorded.
pub type Permit = OwnedSemaphorePermit;

impl Node {
    /// A node of these parts.
    pub fn new(parts: Parts, events: mpsc::Sender<Event>, accepted: mpsc::Sender<Pending>) -> Self {
        let retry =
            RetryPolicy { first: Duration::from_secs(parts.retry.first_seconds), max: Duration::from_secs(parts.retry.max_seconds) };
        let started_at = parts.clock.monotonic();
        let clock = Arc::new(StoreClock::new(parts.clock));
        Self {
            store: parts.store,
            queue: parts.queue,
            store_outage: Outage::new("store"),
            queue_outage: Outage::new("queue"),
            hold_back: HoldBack::new(started_at, parts.settings.lease()),
            directory: parts.directory,
            lanes: Lanes::new(parts.settings.permits, Arc::clone(&clock) as _),
            clock,
            ids: parts.ids,
            rng: parts.rng,
            tasks: parts.tasks,
            stopping: parts.stopping,
            hard_stop: parts.stopped,
            retry,
            analytics: parts.analytics,
            audit_kept: parts.audit_kept,
            messages: Messages::default(),
            stopped: StopSet::default(),
            held: Held::default(),
            failed: AtomicBool::new(false),
            taking: TaskTracker::new(),
            permits: Arc::new(Semaphore::new(parts.settings.permits)),
            settings: parts.settings,
            wake: Notify::new(),
            renew: Notify::new(),
            flushed: CancellationToken::new(),
            events,
            accepted,
        }
    }

    /// The present, by the store's clock.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Time that only goes forward, for deadlines.
    pub fn monotonic(&self) -> Duration {
        self.clock.monotonic()
    }

    /// Waits, unless the node stops meanwhile; whether to go on.
    pub async fn pause(&self, wait: Duration) -> bool {
        tokio::select! {
            biased;
            () = self.stopping.cancelled() => false,
            () = tokio::time::sleep(wait) => true,
        }
    }

    /// Reads from the store, again and again while it is away, until this monotonic instant or until the node stops for good.
    pub async fn read<T, F: Future<Output = store::Result<T>>>(&self, until: Duration, ask: impl Fn() -> F) -> store::Result<T> {
        loop {
            match self.heard_read(ask().await) {
                Err(error) if error.is_transient() && self.monotonic() < until => tokio::select! {
                    biased;
                    () = self.hard_stop.cancelled() => return Err(error),
                    () = tokio::time::sleep(BACKOFF) => {}
                },
                answer => return answer,
            }
        }
    }

    /// Writes to the store as soon as it is there; an error is a refusal. For what is known, and must not be given up: its caller bounds it.
    pub async fn write<T, F: Future<Output = store::Result<T>>>(&self, ask: impl Fn() -> F) -> store::Result<T> {
        loop {
            match self.heard(ask().await) {
                Err(error) if error.is_transient() => tokio::time::sleep(BACKOFF).await,
                answer => return answer,
            }
        }
    }

    /// Ends entries, whatever became of their work.
    pub async fn ack(&self, taken: &[Taken]) {
        if !taken.is_empty() && self.heard_queue(self.queue.ack(taken).await).is_err() {
            tracing::debug!(entries = taken.len(), "entries cannot be acked; they come back and are forgotten then");
        }
    }

    /// The instant at which published work is published again, if nobody took it.
    pub fn guard(&self, now: Timestamp, expires_at: Timestamp) -> Timestamp {
        (now + TimeDelta::from_std(GUARD).unwrap_or(TimeDelta::MAX)).min(expires_at)
    }
}
