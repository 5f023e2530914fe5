//! Step 11: what became of targets is written, many at a time, and work that is over is ended.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use super::ack::{self, Acks};
use super::job::{FollowUp, Job};
use super::node::{LAST_MOMENT, Node, Permit};
use super::outage::Causes;
use crate::domain::Timestamp;
use crate::domain::delivery::Delivery;
use crate::domain::id::{NotificationId, Target};
use crate::domain::work::Pair;
use crate::queue::Taken;
use crate::store;
use crate::store::engine::{Correction, Death, Finished, Record, Recorded, Shown};

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
    /// Apple's other service knows its device.
    Elsewhere(Correction),
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
                What::Elsewhere(correction) => batch.facts.corrections.push(correction),
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

/// Writes events until the node has stopped for good and nothing is left to write, or its last moment is over.
pub async fn run(node: Arc<Node>, mut events: mpsc::Receiver<Event>) {
    let (acks, over) = ack::channel();
    tokio::select! {
        biased;
        _ = join(write_all(&node, &mut events, acks), ack::run(&node, over)) => {}
        () = too_late(&node) => if !node.flushed.is_cancelled() {
            tracing::error!("the last outcomes cannot be written; their work is taken again when its leases lapse");
        }
    }
}

async fn write_all(node: &Node, events: &mut mpsc::Receiver<Event>, acks: Acks) {
    let mut waiting = Vec::with_capacity(BATCH);
    while next_batch(node, events, &mut waiting).await {
        let batch = Batch::of(&mut waiting, node.now());
        write(node, &batch).await;
        acks.send(finish(node, batch));
    }
    node.flushed.cancel();
}

async fn too_late(node: &Node) {
    node.hard_stop.cancelled().await;
    tokio::time::sleep(LAST_MOMENT).await;
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

/// Writes a batch, whatever it takes while the store is away.
async fn write(node: &Node, batch: &Batch) {
    if batch.facts.deaths.is_empty() {
        let whole = Record { finished: batch.plans(node), ..batch.facts.clone() };
        return match attempt(node, &whole).await {
            Ok(recorded) => follow(node, &whole, &recorded),
            Err(error) => {
                tracing::error!(error = %Causes(&error), "a batch of outcomes was refused; each is tried alone");
                facts_each(node, batch).await;
                plans_each(node, whole.finished, batch).await;
            }
        };
    }
    match attempt(node, &batch.facts).await {
        Ok(recorded) => batch.again(node, &recorded.outlived),
        Err(error) => {
            tracing::error!(error = %Causes(&error), "a batch of outcomes was refused; each is tried alone");
            facts_each(node, batch).await;
        }
    }
    let plans = Record { finished: batch.plans(node), ..Record::default() };
    match attempt(node, &plans).await {
        Ok(recorded) => follow(node, &plans, &recorded),
        Err(error) => {
            tracing::error!(error = %Causes(&error), "what follows outcomes was refused; each is tried alone");
            plans_each(node, plans.finished, batch).await;
        }
    }
}

/// What follows may be due now.
fn follow(node: &Node, record: &Record, recorded: &Recorded) {
    if !recorded.ended.is_empty() && record.finished.iter().any(|work| !work.follow_ups.is_empty()) {
        node.wake.notify_one();
    }
}

/// Writes as soon as the store is there. An error is a refusal.
async fn attempt(node: &Node, record: &Record) -> Result<Recorded, store::Error> {
    if *record == Record::default() {
        return Ok(Recorded::default());
    }
    // outcomes are kept, and with them the permits: while the store is away not more is sent than that
    let recorded = node.write(|| node.store.record(record)).await?;
    metrics::counter!("herald_deliveries_total").increment(recorded.inserted as u64);
    metrics::counter!("herald_devices_deactivated_total", "reason" => "token").increment(recorded.deactivated as u64);
    Ok(recorded)
}

/// Facts one by one. Work of which one is refused even alone is left to the lapse of its lease.
async fn facts_each(node: &Node, batch: &Batch) {
    let Record { deliveries, deaths, corrections, shown, .. } = &batch.facts;
    let facts = deliveries.iter().map(|fact| (fact.notification, Record { deliveries: vec![fact.clone()], ..Record::default() }));
    let verdicts = deaths.iter().map(|death| (death.delivery.notification, Record { deaths: vec![death.clone()], ..Record::default() }));
    for (id, alone) in facts.chain(verdicts) {
        match attempt(node, &alone).await {
            Ok(recorded) => batch.again(node, &recorded.outlived),
            Err(error) => {
                tracing::error!(error = %Causes(&error), notification.id = %id, "an outcome was refused; its work is taken again");
                batch.jobs.iter().filter(|job| job.message.id == id).for_each(|job| job.spoil());
            }
        }
    }
    for correction in corrections {
        let alone = Record { corrections: vec![correction.clone()], ..Record::default() };
        if let Err(error) = attempt(node, &alone).await {
            tracing::error!(error = %Causes(&error), "the environment of a device that was found wrong was refused");
        }
    }
    for shown in shown {
        let alone = Record { shown: vec![shown.clone()], ..Record::default() };
        if let Err(error) = attempt(node, &alone).await {
            tracing::error!(error = %Causes(&error), "what was shown under a collapse key was refused");
        }
    }
}

/// Plans one by one, but for work of which a fact was refused.
async fn plans_each(node: &Node, finished: Vec<Finished>, batch: &Batch) {
    for work in finished {
        if batch.jobs.iter().any(|job| job.work.key == work.key && job.is_spoiled()) {
            continue;
        }
        let alone = Record { finished: vec![work], ..Record::default() };
        match attempt(node, &alone).await {
            Ok(recorded) => follow(node, &alone, &recorded),
            Err(error) => tracing::error!(error = %Causes(&error), "what follows an outcome was refused"),
        }
    }
}

/// Lets go of what was written: permits and jobs. Their entries are over.
fn finish(node: &Node, batch: Batch) -> Vec<Taken> {
    drop(batch.permits);
    let mut over = Vec::with_capacity(batch.over.len());
    for job in batch.over {
        node.held.remove(&job);
        if !job.work.fan_out {
            node.messages.forget(job.message.id);
        }
        over.push(job.entry.clone());
    }
    over
}
