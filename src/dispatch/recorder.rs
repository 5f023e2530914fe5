//! Step 11 and 12: what became of targets is written, many at a time, and work that is over is ended and acked.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use super::job::{FollowUp, Job};
use super::node::{BACKOFF, Node, Permit};
use super::outage::Causes;
use crate::domain::Timestamp;
use crate::domain::delivery::Delivery;
use crate::domain::id::{NotificationId, Target};
use crate::domain::work::Pair;
use crate::queue::Taken;
use crate::store;
use crate::store::engine::{Death, Finished, Record, Recorded, Shown};

/// Events in one commit, at most.
const BATCH: usize = 1000;
/// How long the first event of a commit waits for company.
const LINGER: Duration = Duration::from_millis(10);
/// Events under way to the recorder, at most; a permit is held by each send among them.
pub const CAPACITY: usize = 8192;

/// What became of one target.
pub struct Event {
    /// The job it was of; `None` for a verdict that was held back and outlived its job.
    pub job: Option<Arc<Job>>,
    /// What.
    pub what: What,
    /// Returned when it is written.
    pub permit: Option<Permit>,
}

/// See [`Event`].
pub enum What {
    /// It ended.
    Ended(Delivery, Option<Shown>),
    /// The provider judged its token.
    Dead(Box<Death>),
    /// It is looked at again.
    Again(FollowUp),
    /// It panicked before anything was handed over; `None` for one that is no device.
    Panicked(Option<Pair>),
    /// Nothing: it has a delivery, or the job has named all its targets.
    Nothing,
}

/// What is written together: facts first. What follows is known only then, since a verdict over a token that the device no longer has is no outcome.
#[derive(Default)]
struct Batch {
    facts: Record,
    /// Whose the verdicts over tokens are, in their order; `None` for one that was held back and outlived its job.
    judged: Vec<Option<Arc<Job>>>,
    /// Whose outcomes these are, each once or more.
    jobs: Vec<Arc<Job>>,
    over: Vec<Arc<Job>>,
    permits: Vec<Permit>,
}

impl Batch {
    fn of(events: &mut Vec<Event>, now: Timestamp) -> Self {
        let mut batch = Self::default();
        for Event { job, what, permit } in events.drain(..) {
            match what {
                What::Ended(delivery, shown) => {
                    batch.facts.deliveries.push(delivery);
                    batch.facts.shown.extend(shown);
                }
                What::Dead(death) => {
                    batch.facts.deaths.push(*death);
                    batch.judged.push(job.clone());
                }
                What::Again(follow_up) => {
                    if let Some(job) = &job {
                        job.follow(follow_up);
                    }
                }
                What::Panicked(pair) => {
                    if let Some(job) = &job {
                        job.set_apart(pair, now);
                    }
                }
                What::Nothing => {}
            }
            batch.permits.extend(permit);
            let Some(job) = job else { continue };
            batch.jobs.push(Arc::clone(&job));
            if job.close_one() {
                batch.over.push(job);
            }
        }
        batch
    }

    /// Work that is over, with what follows it.
    fn plans(&self, node: &Node) -> Vec<Finished> {
        let now = node.now();
        let finished = |job: &Arc<Job>| {
            let follow_ups = job.follow_up_rows(&*node.ids, now, node.stopped.get(job.work.key.notification));
            Finished { key: job.work.key, epoch: job.work.epoch, follow_ups }
        };
        self.over.iter().filter(|job| !job.is_spoiled()).map(finished).collect()
    }

    /// Targets whose device has another token by now are looked at again, with the rest of their job.
    fn again(&self, node: &Node, outlived: &[(NotificationId, Target)]) {
        let now = node.now();
        for (death, job) in self.facts.deaths.iter().zip(&self.judged) {
            let Delivery { notification, target, person, attempts, .. } = &death.delivery;
            let (Some(job), Some(device)) = (job, target.as_device()) else { continue };
            if outlived.contains(&(*notification, *target)) {
                job.follow(FollowUp::of(Pair { device, person: *person }, now, *attempts, None));
            }
        }
    }
}

/// Writes events until the path lets go of them.
pub async fn run(node: Arc<Node>, mut events: mpsc::Receiver<Event>) {
    let _flushed = node.flushed.clone().drop_guard();
    let mut waiting = Vec::with_capacity(BATCH);
    while next_batch(&node, &mut events, &mut waiting).await {
        let batch = Batch::of(&mut waiting, node.now());
        if !write(&node, &batch).await {
            return;
        }
        finish(&node, batch).await;
    }
}

/// `false` when the node has stopped for good and nothing is left to write.
async fn next_batch(node: &Node, events: &mut mpsc::Receiver<Event>, waiting: &mut Vec<Event>) -> bool {
    tokio::select! {
        biased;
        _ = events.recv_many(waiting, BATCH) => {}
        () = node.hard_stop.cancelled() => {}
    }
    if waiting.is_empty() {
        return false;
    }
    let deadline = Instant::now() + LINGER;
    while waiting.len() < BATCH {
        let room = BATCH - waiting.len();
        match timeout_at(deadline, events.recv_many(waiting, room)).await {
            Ok(0) | Err(_) => break,
            Ok(_) => {}
        }
    }
    true
}

/// Writes a batch, whatever it takes while the store is away; `false` when the node stops for good before that.
async fn write(node: &Node, batch: &Batch) -> bool {
    if batch.facts.deaths.is_empty() {
        let whole = Record { finished: batch.plans(node), ..batch.facts.clone() };
        return match attempt(node, &whole).await {
            None => false,
            Some(Ok(recorded)) => follow(node, &whole, &recorded),
            Some(Err(error)) => {
                tracing::error!(error = %Causes(&error), "a batch of outcomes was refused; each is tried alone");
                facts_each(node, batch).await && plans_each(node, whole.finished, batch).await
            }
        };
    }
    match attempt(node, &batch.facts).await {
        None => return false,
        Some(Ok(recorded)) => batch.again(node, &recorded.outlived),
        Some(Err(error)) => {
            tracing::error!(error = %Causes(&error), "a batch of outcomes was refused; each is tried alone");
            if !facts_each(node, batch).await {
                return false;
            }
        }
    }
    let plans = Record { finished: batch.plans(node), ..Record::default() };
    match attempt(node, &plans).await {
        None => false,
        Some(Ok(recorded)) => follow(node, &plans, &recorded),
        Some(Err(error)) => {
            tracing::error!(error = %Causes(&error), "what follows outcomes was refused; each is tried alone");
            plans_each(node, plans.finished, batch).await
        }
    }
}

/// What follows may be due now.
fn follow(node: &Node, record: &Record, recorded: &Recorded) -> bool {
    if !recorded.ended.is_empty() && record.finished.iter().any(|work| !work.follow_ups.is_empty()) {
        node.wake.notify_one();
    }
    true
}

/// Writes until the store is there; `None` when the node stops for good before that.
async fn attempt(node: &Node, record: &Record) -> Option<Result<Recorded, store::Error>> {
    if *record == Record::default() {
        return Some(Ok(Recorded::default()));
    }
    loop {
        match node.heard(node.store.record(record).await) {
            Ok(recorded) => {
                metrics::counter!("herald_deliveries_total").increment(recorded.inserted as u64);
                metrics::counter!("herald_devices_deactivated_total").increment(recorded.deactivated as u64);
                return Some(Ok(recorded));
            }
            // outcomes are kept, and with them the permits: while it is away not more is sent than that
            Err(error) if error.is_transient() => tokio::select! {
                biased;
                () = node.hard_stop.cancelled() => return None,
                () = tokio::time::sleep(BACKOFF) => {}
            },
            Err(error) => return Some(Err(error)),
        }
    }
}

/// Facts one by one. Work of which one is refused even alone is left to the lapse of its lease.
async fn facts_each(node: &Node, batch: &Batch) -> bool {
    let Record { deliveries, deaths, shown, .. } = &batch.facts;
    let facts = deliveries.iter().map(|fact| (fact.notification, Record { deliveries: vec![fact.clone()], ..Record::default() }));
    let verdicts = deaths.iter().map(|death| (death.delivery.notification, Record { deaths: vec![death.clone()], ..Record::default() }));
    for (id, alone) in facts.chain(verdicts) {
        match attempt(node, &alone).await {
            None => return false,
            Some(Ok(recorded)) => batch.again(node, &recorded.outlived),
            Some(Err(error)) => {
                tracing::error!(error = %Causes(&error), notification.id = %id, "an outcome was refused; its work is taken again");
                batch.jobs.iter().filter(|job| job.message.id == id).for_each(|job| job.spoil());
            }
        }
    }
    for shown in shown {
        let alone = Record { shown: vec![shown.clone()], ..Record::default() };
        match attempt(node, &alone).await {
            None => return false,
            Some(Ok(_)) => {}
            Some(Err(error)) => tracing::error!(error = %Causes(&error), "what was shown under a collapse key was refused"),
        }
    }
    true
}

/// Plans one by one, but for work of which a fact was refused.
async fn plans_each(node: &Node, finished: Vec<Finished>, batch: &Batch) -> bool {
    for work in finished {
        if batch.jobs.iter().any(|job| job.work.key == work.key && job.is_spoiled()) {
            continue;
        }
        let alone = Record { finished: vec![work], ..Record::default() };
        match attempt(node, &alone).await {
            None => return false,
            Some(Ok(recorded)) => {
                follow(node, &alone, &recorded);
            }
            Some(Err(error)) => tracing::error!(error = %Causes(&error), "what follows an outcome was refused"),
        }
    }
    true
}

/// Lets go of what was written: permits, jobs, queue entries.
async fn finish(node: &Node, batch: Batch) {
    drop(batch.permits);
    let mut acks: Vec<Taken> = Vec::with_capacity(batch.over.len());
    for job in batch.over {
        node.held.remove(&job);
        if !job.work.fan_out {
            node.messages.forget(job.message.id);
        }
        acks.push(job.entry.clone());
    }
    node.ack(&acks).await;
}
