//! Step 11 and 12: what became of targets is written, many at a time, and work that is over is ended and acked.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use super::job::{FollowUp, Job};
use super::node::{Node, Permit};
use crate::domain::delivery::Delivery;
use crate::queue::Taken;
use crate::store;
use crate::store::engine::{Death, Finished, Record, Shown};

/// Events in one commit, at most.
const BATCH: usize = 1000;
/// How long the first event of a commit waits for company.
const LINGER: Duration = Duration::from_millis(10);
/// The waits between tries while the store is away.
const RETRY: Duration = Duration::from_millis(200);

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
    /// Nothing: it has a delivery, or the job has named all its targets.
    Nothing,
}

#[derive(Default)]
struct Batch {
    record: Record,
    /// Whose outcomes these are, each once or more.
    jobs: Vec<Arc<Job>>,
    over: Vec<Arc<Job>>,
    permits: Vec<Permit>,
}

impl Batch {
    fn of(node: &Node, events: &mut Vec<Event>) -> Self {
        let mut batch = Self::default();
        let now = node.clock.now();
        for Event { job, what, permit } in events.drain(..) {
            match what {
                What::Ended(delivery, shown) => {
                    batch.record.deliveries.push(delivery);
                    batch.record.shown.extend(shown);
                }
                What::Dead(death) => batch.record.deaths.push(*death),
                What::Again(follow_up) => {
                    if let Some(job) = &job {
                        job.follow(follow_up);
                    }
                }
                What::Nothing => {}
            }
            batch.permits.extend(permit);
            let Some(job) = job else { continue };
            batch.jobs.push(Arc::clone(&job));
            if job.close_one() {
                if job.is_spoiled() {
                    batch.over.push(job);
                    continue;
                }
                let follow_ups = job.follow_up_rows(&*node.ids, now, node.stopped.get(job.work.key.notification));
                batch.record.finished.push(Finished { key: job.work.key, epoch: job.work.epoch, follow_ups });
                batch.over.push(job);
            }
        }
        batch
    }
}

/// Writes events until the path lets go of them.
pub async fn run(node: Arc<Node>, mut events: mpsc::Receiver<Event>) {
    let mut waiting = Vec::with_capacity(BATCH);
    while next_batch(&node, &mut events, &mut waiting).await {
        let batch = Batch::of(&node, &mut waiting);
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
    match attempt(node, &batch.record).await {
        None => false,
        Some(Ok(())) => true,
        Some(Err(error)) => {
            tracing::error!(error = %describe(&error), "a batch of outcomes was refused; each is tried alone");
            write_each(node, batch).await
        }
    }
}

/// Writes until the store is there; `None` when the node stops for good before that.
async fn attempt(node: &Node, record: &Record) -> Option<Result<(), store::Error>> {
    loop {
        match node.store.record(record).await {
            Ok(recorded) => {
                metrics::counter!("herald_deliveries_total").increment(recorded.inserted as u64);
                metrics::counter!("herald_devices_deactivated_total").increment(recorded.deactivated as u64);
                return Some(Ok(()));
            }
            Err(error) if error.is_transient() => {
                tracing::warn!(error = %error, "outcomes cannot be written; they are kept and tried again");
                tokio::select! {
                    biased;
                    () = node.hard_stop.cancelled() => return None,
                    () = tokio::time::sleep(RETRY) => {}
                }
            }
            Err(error) => return Some(Err(error)),
        }
    }
}

/// One by one, facts before plans. Work of which a fact is refused even alone is left to the lapse of its lease.
async fn write_each(node: &Node, batch: &Batch) -> bool {
    let Record { deliveries, deaths, shown, finished } = &batch.record;
    let facts = deliveries.iter().map(|fact| (fact.notification, Record { deliveries: vec![fact.clone()], ..Record::default() }));
    let verdicts = deaths.iter().map(|death| (death.delivery.notification, Record { deaths: vec![death.clone()], ..Record::default() }));
    for (id, alone) in facts.chain(verdicts) {
        match attempt(node, &alone).await {
            None => return false,
            Some(Ok(())) => {}
            Some(Err(error)) => {
                tracing::error!(error = %describe(&error), notification.id = %id, "an outcome was refused; its work is taken again");
                batch.jobs.iter().filter(|job| job.message.id == id).for_each(|job| job.spoil());
            }
        }
    }
    let whole = |work: &&Finished| !batch.jobs.iter().any(|job| job.work.key == work.key && job.is_spoiled());
    let plans = finished.iter().filter(whole).map(|work| Record { finished: vec![work.clone()], ..Record::default() });
    let shown = shown.iter().map(|shown| Record { shown: vec![shown.clone()], ..Record::default() });
    for alone in shown.chain(plans) {
        match attempt(node, &alone).await {
            None => return false,
            Some(Ok(())) => {}
            Some(Err(error)) => tracing::error!(error = %describe(&error), "what follows an outcome was refused"),
        }
    }
    true
}

fn describe(error: &store::Error) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
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
    if !batch.record.finished.iter().all(|work| work.follow_ups.is_empty()) || !batch.record.deaths.is_empty() {
        node.wake.notify_one();
    }
    if !acks.is_empty()
        && let Err(error) = node.queue.ack(&acks).await
    {
        tracing::warn!(error = %error, "entries cannot be acked; they come back and are forgotten then");
    }
}
