//! A job: work in this node's hands, from the claim until its row is gone.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use chrono::TimeDelta;
use parking_lot::Mutex;

use super::message::Message;
use super::node::Node;
use crate::domain::Timestamp;
use crate::domain::clock::Ids;
use crate::domain::delivery::Delivery;
use crate::domain::reason::WaitReason;
use crate::domain::work::{MAX_TARGETS, NewWork, Pair, TakenWork, Targets, WorkKind};
use crate::queue::Taken;
use crate::store::engine::RunStatus;

/// How often leases are renewed, at most; a third of the lease where that is less.
const RENEW_EVERY: Duration = Duration::from_secs(10);

/// A target's next look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FollowUp {
    /// Which target.
    pub pair: Pair,
    /// When.
    pub due: Timestamp,
    /// Requests handed to the provider so far.
    pub attempt: u32,
    /// Why it waits.
    pub reason: Option<WaitReason>,
}

/// All targets of a job.
struct Named {
    /// Those with a device.
    pairs: Vec<Pair>,
    /// How those without one ended: no row can name them.
    endings: Vec<Delivery>,
}

/// What a node that stops lets go of.
pub struct Rest {
    /// How targets ended that no row can name; written before or not.
    pub endings: Vec<Delivery>,
    /// The rows of all others.
    pub follow_ups: Vec<NewWork>,
}

/// Work, its notification, and what became of its targets so far.
pub struct Job {
    /// The row as claimed.
    pub work: TakenWork,
    /// Its notification.
    pub message: Arc<Message>,
    /// The queue's entry, for the ack.
    pub entry: Taken,
    /// Its chance, drawn once: what fails together waits together, in one row, and apart from other work.
    pub fraction: f64,
    /// Until when the lease surely holds: a monotonic instant, in milliseconds.
    deadline: AtomicU64,
    open: AtomicUsize,
    spoiled: AtomicBool,
    /// Its targets, once all of them have been named.
    named: OnceLock<Named>,
    follow_ups: Mutex<Vec<FollowUp>>,
}

impl Job {
    /// A job whose lease surely holds until `deadline`. It is open until [`Job::close_one`] was called for each target added, and once more.
    pub fn new(work: TakenWork, message: Arc<Message>, entry: Taken, (deadline, fraction): (Duration, f64)) -> Self {
        Self {
            work,
            message,
            entry,
            fraction,
            deadline: AtomicU64::new(millis(deadline)),
            open: AtomicUsize::new(1),
            spoiled: AtomicBool::new(false),
            named: OnceLock::new(),
            follow_ups: Mutex::default(),
        }
    }

    /// Adds targets that are to end.
    pub fn open(&self, targets: usize) {
        self.open.fetch_add(targets, Ordering::Relaxed);
    }

    /// One has ended; whether it was the last.
    pub fn close_one(&self) -> bool {
        self.open.fetch_sub(1, Ordering::AcqRel) == 1
    }

    /// Until when the lease surely holds, as a monotonic instant.
    pub fn deadline(&self) -> Duration {
        Duration::from_millis(self.deadline.load(Ordering::Relaxed))
    }

    /// Adds a target's next look.
    pub fn follow(&self, follow_up: FollowUp) {
        self.follow_ups.lock().push(follow_up);
    }

    /// The rows that take this one's place: grouped, so that what waits together costs one row.
    pub fn follow_up_rows(&self, ids: &dyn Ids, now: Timestamp, stopped: Option<RunStatus>) -> Vec<NewWork> {
        let follow_ups = std::mem::take(&mut *self.follow_ups.lock());
        let mut groups: BTreeMap<_, (Timestamp, Vec<Pair>)> = BTreeMap::new();
        for follow_up in follow_ups {
            // what is cancelled waits for nothing
            let due = if stopped == Some(RunStatus::Cancelled) { now } else { follow_up.due };
            let group = groups.entry((bucket(now, due), follow_up.attempt, follow_up.reason)).or_insert((due, Vec::new()));
            group.0 = group.0.max(due);
            group.1.push(follow_up.pair);
        }
        let mut rows = Vec::new();
        for ((_, attempt, reason), (due, mut pairs)) in groups {
            pairs.sort_unstable();
            for chunk in pairs.chunks(MAX_TARGETS) {
                rows.push(self.row(ids, chunk.to_vec(), FollowUpRow { due, attempt, reason }));
            }
        }
        rows
    }

    /// An outcome of one of its targets could not be written: its row must not end.
    pub fn spoil(&self) {
        self.spoiled.store(true, Ordering::Relaxed);
    }

    /// See [`Job::spoil`].
    pub fn is_spoiled(&self) -> bool {
        self.spoiled.load(Ordering::Relaxed)
    }

    /// All its targets are named, those with a device and how those without one ended: what of them has no outcome can be told from then on.
    pub fn name(&self, pairs: Vec<Pair>, endings: Vec<Delivery>) {
        drop(self.named.set(Named { pairs, endings }));
    }

    /// The rows for all that is not over, if it is known: what waits goes on waiting, the rest is due now. Outcomes that are still to be
    /// written are found when these rows are taken.
    pub fn rest(&self, ids: &dyn Ids, now: Timestamp, stopped: Option<RunStatus>) -> Option<Rest> {
        let Named { pairs, endings } = self.named.get().filter(|_| !self.is_spoiled())?;
        let waiting: HashSet<Pair> = self.follow_ups.lock().iter().map(|follow_up| follow_up.pair).collect();
        for pair in pairs.iter().filter(|pair| !waiting.contains(pair)) {
            self.follow(FollowUp { pair: *pair, due: now, attempt: self.work.attempt, reason: self.work.reason });
        }
        Some(Rest { endings: endings.clone(), follow_ups: self.follow_up_rows(ids, now, stopped) })
    }

    /// The row of one target, due now: for one whose device has another token by now.
    pub fn due_now(&self, ids: &dyn Ids, pair: Pair, now: Timestamp, attempt: u32) -> NewWork {
        self.row(ids, vec![pair], FollowUpRow { due: now, attempt, reason: None })
    }

    fn row(&self, ids: &dyn Ids, pairs: Vec<Pair>, FollowUpRow { due, attempt, reason }: FollowUpRow) -> NewWork {
        NewWork {
            id: ids.work(),
            kind: WorkKind::Send,
            stream: self.work.stream,
            fan_out: self.work.fan_out,
            targets: Targets::Pairs(pairs),
            attempt,
            reason,
            due_at: due.min(self.work.expires_at),
            expires_at: self.work.expires_at,
        }
    }
}

struct FollowUpRow {
    due: Timestamp,
    attempt: u32,
    reason: Option<WaitReason>,
}

/// Targets that are due in the same second of the next two minutes, or the same minute after them, share a row.
fn bucket(now: Timestamp, due: Timestamp) -> i64 {
    if due - now <= TimeDelta::minutes(2) { due.timestamp() } else { -due.timestamp().div_euclid(60) }
}

fn millis(instant: Duration) -> u64 {
    u64::try_from(instant.as_millis()).unwrap_or(u64::MAX)
}

/// Work in this node's hands, by row.
#[derive(Default)]
pub struct Held(Mutex<BTreeMap<crate::domain::work::WorkKey, Arc<Job>>>);

impl Held {
    /// Adds a job.
    pub fn add(&self, job: &Arc<Job>) {
        self.0.lock().insert(job.work.key, Arc::clone(job));
    }

    /// A job is over. A later claim of the same row stays.
    pub fn remove(&self, job: &Job) {
        let mut held = self.0.lock();
        if held.get(&job.work.key).is_some_and(|present| present.work.epoch == job.work.epoch) {
            held.remove(&job.work.key);
        }
    }

    /// All jobs.
    pub fn jobs(&self) -> Vec<Arc<Job>> {
        self.0.lock().values().map(Arc::clone).collect()
    }

    /// All of it, with its epochs.
    pub fn all(&self) -> Vec<(crate::domain::work::WorkKey, i64)> {
        self.0.lock().values().map(|job| (job.work.key, job.work.epoch)).collect()
    }

    fn extend(&self, keys: &[crate::domain::work::WorkKey], deadline: Duration) {
        let held = self.0.lock();
        for job in keys.iter().filter_map(|key| held.get(key)) {
            job.deadline.store(millis(deadline), Ordering::Relaxed);
        }
    }
}

/// Renews the leases of work still held, until the node stops for good.
pub async fn renew(node: Arc<Node>) {
    let lease = node.settings.lease();
    let every = RENEW_EVERY.min(lease / 3);
    loop {
        tokio::select! {
            biased;
            () = node.hard_stop.cancelled() => return,
            () = tokio::time::sleep(every) => {}
        }
        let held = node.held.all();
        if held.is_empty() {
            continue;
        }
        // a late answer is an old lease: it counts from before the question
        let asked_at = node.clock.monotonic();
        match node.store.renew(&held, lease).await {
            Ok(keys) => node.held.extend(&keys, asked_at + lease),
            Err(error) => tracing::warn!(error = %error, "leases cannot be renewed; work is taken again when they lapse"),
        }
    }
}
