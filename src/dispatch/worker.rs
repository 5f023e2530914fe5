//! Steps 5 to 10: takes ready work, has it claimed, reads what is to be known of its targets, and starts their sends.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;

use super::audience::{self, Answered};
use super::job::{FollowUp, Job};
use super::node::{BACKOFF, Node};
use super::outage::tell as tell_error;
use super::plan::{Judged, Planned, Sending, Step, Whom};
use super::recorder::What;
use super::send::tell;
use super::{caps, claim, expand, hand_out};
use crate::domain::Timestamp;
use crate::domain::delivery::{Delivery, Ending};
use crate::domain::work::{Pair, Targets, WorkKind};
use crate::queue::Taken;
use crate::store;

/// Workers of one node. Two keep the reads of one batch beside the sends of another.
pub const WORKERS: usize = 2;
/// Targets taken at once, at most: what comes later and is more urgent does not wait for more.
const AT_ONCE: usize = 2000;
/// How long a worker waits for the first entry; and so does a node that stops, since a take is not given up half way.
const WAIT: Duration = Duration::from_millis(250);

/// Works until the node stops.
pub async fn run(node: Arc<Node>) {
    while let Some(room) = next_room(&node).await {
        let under_way = node.taking.token();
        let taken = take(&node, room).await;
        if !taken.is_empty() {
            let jobs = claim::claim(&node, taken).await;
            drop(under_way);
            work_on_jobs(&node, jobs).await;
        }
    }
}

/// Targets that may be taken now, as far as permits go.
pub fn room(node: &Node) -> usize {
    node.permits.available_permits().min(AT_ONCE)
}

/// Waits until there is room for a target; how many there is room for. `None` when the node stops.
pub async fn next_room(node: &Node) -> Option<usize> {
    if node.stopping.is_cancelled() {
        return None;
    }
    match room(node) {
        0 => tokio::select! {
            biased;
            () = node.stopping.cancelled() => None,
            permit = node.permits.acquire() => {
                drop(permit.ok()?);
                // what is free is not looked at again: two workers that wait would hand the one permit to each other for ever
                Some(1)
            }
        },
        room => Some(room),
    }
}

/// Step 5. Goes on when the node stops: what the queue has handed out is nobody else's for as long as a lease.
async fn take(node: &Node, room: usize) -> Vec<Taken> {
    let Ok(taken) = node.heard_queue(node.queue.take(room, WAIT).await) else {
        node.pause(BACKOFF).await;
        return Vec::new();
    };
    taken
}

/// Steps 7 to 10, until all sends are started.
pub async fn work_on_jobs(node: &Arc<Node>, jobs: Vec<Arc<Job>>) {
    let (expanding, mut sending): (Vec<_>, Vec<_>) = jobs.into_iter().partition(|job| job.work.kind == WorkKind::Expand);
    for job in expanding {
        node.tasks.spawn(Box::pin(expand::run(Arc::clone(node), job)));
    }
    // what has a span of time of its own waits for nobody, and nobody for it
    sending.sort_by_key(|job| (job.work.slot.is_none(), job.work.stream));
    let plans = read(node, sending).await.into_iter().map(Planned::of).collect();
    for plan in reserve(node, plans).await {
        let job = Arc::clone(&plan.job);
        match AssertUnwindSafe(start_fresh(node, plan)).catch_unwind().await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tell_error(&error, "work cannot be finished; the rest of it is taken again when its lease lapses");
                let_lapse(node, &[job]);
            }
            Err(_) => {
                tracing::error!(notification.id = %job.message.id, "work made its worker panic; it is taken again when its lease lapses");
                let_lapse(node, &[job]);
            }
        }
    }
}

/// Step 7. What cannot be read is read alone, so that it harms nobody else.
async fn read(node: &Node, jobs: Vec<Arc<Job>>) -> Vec<Answered> {
    if jobs.is_empty() {
        return Vec::new();
    }
    match AssertUnwindSafe(audience::read(node, jobs.clone())).catch_unwind().await {
        Ok(Ok(answered)) => return answered,
        Ok(Err(error)) if error.is_transient() => {
            tell_error(&error, "a batch of work cannot be read; it is taken again when its lease lapses");
            let_lapse(node, &jobs);
            return Vec::new();
        }
        Ok(Err(_)) | Err(_) => {}
    }
    let mut answered = Vec::new();
    for job in jobs {
        match AssertUnwindSafe(audience::read(node, vec![Arc::clone(&job)])).catch_unwind().await {
            Ok(Ok(alone)) => {
                answered.extend(alone);
                continue;
            }
            Ok(Err(error)) => tell_error(&error, "the targets of work cannot be read; it is taken again when its lease lapses"),
            Err(_) => {
                tracing::error!(notification.id = %job.message.id, "work made its worker panic; it is taken again when its lease lapses");
            }
        }
        let_lapse(node, &[job]);
    }
    answered
}

/// Step 9 for a whole batch. Where the store refuses the batch each is asked for alone; one that cannot have an answer is left to its lease.
async fn reserve(node: &Node, mut plans: Vec<Planned>) -> Vec<Planned> {
    if caps::reserve(node, &mut plans).await.is_ok() {
        return plans;
    }
    let mut reserved = Vec::with_capacity(plans.len());
    for mut plan in plans {
        match caps::reserve(node, std::slice::from_mut(&mut plan)).await {
            Ok(()) => reserved.push(plan),
            Err(error) => {
                tell_error(&error, "places under a frequency cap cannot be taken; the work is taken again when its lease lapses");
                let_lapse(node, &[plan.job]);
            }
        }
    }
    reserved
}

/// Starts a job on what was read of it, which is read and judged again if the jobs before it took too long.
async fn start_fresh(node: &Arc<Node>, plan: Planned) -> Result<(), store::Error> {
    if node.monotonic().saturating_sub(plan.read_at) <= audience::MAX_AGE {
        return start(node, plan).await;
    }
    for one in audience::read(node, vec![plan.job]).await? {
        let mut plan = Planned::of(one);
        caps::reserve(node, std::slice::from_mut(&mut plan)).await?;
        start(node, plan).await?;
    }
    Ok(())
}

/// Step 10 for one work row, and what ends or waits before it.
async fn start(node: &Arc<Node>, Planned { job, is_paused, now, read_at, targets, .. }: Planned) -> Result<(), store::Error> {
    if is_paused {
        return job.put_back(node, node.now()).await;
    }
    job.open(targets.len());
    let mut sendings = Vec::new();
    let mut pairs = Vec::with_capacity(targets.len());
    let mut endings = Vec::new();
    for Judged { whom, step } in targets {
        // a row that named a device that has changed hands would name it as nobody's, and it may become nobody's
        let pair = match job.work.targets {
            Targets::Broadcast(_) => Some(Pair::BROADCAST),
            Targets::Users(_) | Targets::Devices(_) | Targets::Pairs(_) => {
                whom.target.as_device().filter(|_| !whom.moved).map(|device| Pair { device, person: whom.person })
            }
        };
        if !matches!(step, Step::Skip) {
            pairs.extend(pair);
        }
        let what = match step {
            Step::Skip => What::Nothing,
            Step::End(ending) => {
                let delivery = unsent(&job, now, &whom, ending);
                endings.extend(pair.is_none().then(|| delivery.clone()));
                What::Ended(delivery, None)
            }
            Step::Wait { pair, due, reason } => What::Again(FollowUp::of(pair, due, job.work.attempt, Some(reason))),
            Step::Panicked => What::Panicked(pair),
            Step::Send(sending) => {
                sendings.push(*sending);
                continue;
            }
        };
        tell(node, Some(Arc::clone(&job)), what, None).await;
    }
    job.name(pairs, endings);
    let until = read_at + audience::MAX_AGE;
    if job.work.slot.is_some() {
        // no worker waits for a pace
        node.tasks.spawn(Box::pin(spread(Arc::clone(node), job, sendings, until)));
        return Ok(());
    }
    hand_out::hand_out(node, &job, sendings, until).await;
    all_named(node, job).await;
    Ok(())
}

async fn spread(node: Arc<Node>, job: Arc<Job>, sendings: Vec<Sending>, until: Duration) {
    hand_out::spread(&node, &job, sendings, until).await;
    all_named(&node, job).await;
}

/// That of the count which the job was made with.
async fn all_named(node: &Node, job: Arc<Job>) {
    tell(node, Some(job), What::Nothing, None).await;
}

fn unsent(job: &Job, at: Timestamp, whom: &Whom, ending: Ending) -> Delivery {
    Delivery {
        notification: job.message.id,
        cohort: Arc::clone(&job.message.cohort),
        day: job.message.day,
        target: whom.target,
        person: whom.person,
        ending,
        attempts: job.work.attempt,
        platform: whom.platform,
        provider: whom.provider,
        variant: job.message.variant_name_for(whom.person, whom.target),
        latency: None,
        message_id: None,
        detail: None,
        at,
    }
}

/// Leases that are not renewed lapse, and the rows come back. What is known of them by then is recorded all the same.
fn let_lapse(node: &Node, jobs: &[Arc<Job>]) {
    for job in jobs {
        node.held.remove(job);
    }
}
