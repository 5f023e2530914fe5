//! A job: work in this node's hands, from the claim until its row is gone.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use chrono::TimeDelta;
use parking_lot::Mutex;

use super::message::Message;
use super::node::{BACKOFF, Node};
use super::outage::tell;
use super::poison;
use crate::domain::Timestamp;
use crate::domain::clock::Ids;
use crate::domain::delivery::Delivery;
use crate::domain::reason::WaitReason;
use crate::domain::work::{MAX_TARGETS, NewWork, Pair, TakenWork, Targets, WorkKey, WorkKind};
use crate::queue::Taken;
use crate::store;
use crate::store::engine::{Finished, Record, RunStatus};

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
    /// In a row of its own.
    pub is_alone: bool,
}

impl FollowUp {
    /// A look that may share its row with others.
    pub fn of(pair: Pair, due: Timestamp, attempt: u32, reason: Option<WaitReason>) -> Self {
        Self { pair, due, attempt, reason, is_alone: false }
    }
}

/// All targets of a job.
struct Named {
    /// Those with a device that is still the one's whom it was named for.
    pairs: Vec<Pair>,
    /// How the others ended: no row can name them.
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

    /// Why what was not sent of it is to be looked at again, where nothing else stood in the way: as it waited before. In a paced run what waited
    /// for an instant that has come waits for its turn.
    pub fn waits(&self) -> Option<WaitReason> {
        match self.work.reason {
            None | Some(WaitReason::Scheduled | WaitReason::QuietHours) if self.work.slot.is_some() => Some(WaitReason::Pace),
            reason => reason,
        }
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
            let group = groups
                .entry((bucket(now, due), follow_up.attempt, follow_up.reason, follow_up.is_alone.then_some(follow_up.pair)))
                .or_insert((due, Vec::new()));
            group.0 = group.0.max(due);
            group.1.push(follow_up.pair);
        }
        let mut rows = Vec::new();
        for ((_, attempt, reason, _), (due, mut pairs)) in groups {
            pairs.sort_unstable();
            for chunk in pairs.chunks(MAX_TARGETS) {
                rows.push(self.row(ids, chunk.to_vec(), FollowUpRow { due, attempt, reason }));
            }
        }
        rows
    }

    /// One of its targets made its worker panic. Alone in its row it spends a take; else it is set apart, so that it takes no others with it.
    pub fn set_apart(&self, pair: Option<Pair>, now: Timestamp) {
        tracing::error!(notification.id = %self.message.id, "a target made its worker panic; it is tried again, and left alone after some tries");
        // a user's name may stand for several devices
        let is_alone = match &self.work.targets {
            Targets::Users(_) | Targets::Devices(_) => false,
            Targets::Pairs(_) | Targets::Broadcast(_) => self.work.targets.len() == 1,
        };
        match pair.filter(|_| !is_alone) {
            Some(pair) => self.follow(FollowUp { is_alone: true, ..FollowUp::of(pair, now, self.work.attempt, self.work.reason) }),
            None => self.spoil(),
        }
    }

    /// An outcome of one of its targets could not be written: its row must not end.
    pub fn spoil(&self) {
        self.spoiled.store(true, Ordering::Relaxed);
    }

    /// See [`Job::spoil`].
    pub fn is_spoiled(&self) -> bool {
        self.spoiled.load(Ordering::Relaxed)
    }

    /// All its targets are named, those that a row can name and how the others ended: what of them has no outcome can be told from then on.
    pub fn name(&self, pairs: Vec<Pair>, endings: Vec<Delivery>) {
        drop(self.named.set(Named { pairs, endings }));
    }

    /// The rows for all that is not over: what waits goes on waiting, the rest is due now. Outcomes that are still to be written are found
    /// when these rows are taken. `None` for an audience, and where an outcome could not be written: the row stays.
    pub fn rest(&self, ids: &dyn Ids, now: Timestamp, stopped: Option<RunStatus>) -> Option<Rest> {
        if self.work.kind == WorkKind::Expand || self.is_spoiled() {
            return None;
        }
        let Some(Named { pairs, endings }) = self.named.get() else {
            let follow_ups = vec![poison::again(&self.work, self.work.targets.clone(), ids, now)];
            return Some(Rest { endings: Vec::new(), follow_ups });
        };
        let waiting: HashSet<Pair> = self.follow_ups.lock().iter().map(|follow_up| follow_up.pair).collect();
        for pair in pairs.iter().filter(|pair| !waiting.contains(pair)) {
            self.follow(FollowUp::of(*pair, now, self.work.attempt, self.work.reason));
        }
        Some(Rest { endings: endings.clone(), follow_ups: self.follow_up_rows(ids, now, stopped) })
    }

    /// Lets go of it as it was taken, to be looked at again: a new row takes its place, so that the take does not count.
    pub async fn put_back(&self, node: &Node, due: Timestamp) -> store::Result<()> {
        let follow_up = poison::again(&self.work, self.work.targets.clone(), &*node.ids, due);
        let finished = vec![Finished { key: self.work.key, epoch: self.work.epoch, follow_ups: vec![follow_up] }];
        node.heard(node.store.record(&Record { finished, ..Record::default() }).await)?;
        node.held.remove(self);
        node.ack(std::slice::from_ref(&self.entry)).await;
        Ok(())
    }

    fn row(&self, ids: &dyn Ids, pairs: Vec<Pair>, FollowUpRow { due, attempt, reason }: FollowUpRow) -> NewWork {
        let targets = match &self.work.targets {
            Targets::Broadcast(provider) => Targets::Broadcast(*provider),
            Targets::Users(_) | Targets::Devices(_) | Targets::Pairs(_) => Targets::Pairs(pairs),
        };
        NewWork { attempt, reason, ..poison::again(&self.work, targets, ids, due) }
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
pub struct Held(Mutex<BTreeMap<WorkKey, Arc<Job>>>);

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

    /// Whether a job is still here.
    pub fn holds(&self, job: &Job) -> bool {
        self.0.lock().get(&job.work.key).is_some_and(|present| present.work.epoch == job.work.epoch)
    }

    /// All jobs.
    pub fn jobs(&self) -> Vec<Arc<Job>> {
        self.0.lock().values().map(Arc::clone).collect()
    }

    /// All of it, with its epochs.
    pub fn all(&self) -> Vec<(WorkKey, i64)> {
        self.0.lock().values().map(|job| (job.work.key, job.work.epoch)).collect()
    }

    /// Whether this row is here, under a lease that surely holds at this monotonic instant.
    pub fn is_live(&self, key: WorkKey, now: Duration) -> bool {
        self.0.lock().get(&key).is_some_and(|job| now < job.deadline())
    }

    fn extend(&self, keys: &[WorkKey], deadline: Duration) {
        let held = self.0.lock();
        for job in keys.iter().filter_map(|key| held.get(key)) {
            job.deadline.store(millis(deadline), Ordering::Relaxed);
        }
    }
}

/// Renews the leases of work still held, until the node stops for good.
pub async fn renew(node: Arc<Node>) {
    let every = RENEW_EVERY.min(node.settings.lease() / 3);
    let mut wait = every;
    loop {
        tokio::select! {
            biased;
            () = node.hard_stop.cancelled() => return,
            () = node.renew.notified() => {}
            () = tokio::time::sleep(wait) => {}
        }
        wait = match renew_held(&node).await {
            Ok(()) => every,
            Err(error) => {
                tell(&error, "leases cannot be renewed; work is taken again when they lapse");
                BACKOFF
            }
        };
    }
}

async fn renew_held(node: &Node) -> store::Result<()> {
    let (held, lease) = (node.held.all(), node.settings.lease());
    if held.is_empty() {
        return Ok(());
    }
    // a late answer is an old lease: it counts from before the question
    let asked_at = node.monotonic();
    let keys = node.heard(node.store.renew(&held, lease).await)?;
    node.held.extend(&keys, asked_at + lease);
    Ok(())
}
