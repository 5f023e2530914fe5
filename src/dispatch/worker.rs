//! Steps 5 to 10: takes ready work, has it claimed, reads what is to be known of its targets, and starts their sends.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;

use super::audience::{self, Answered};
use super::job::{FollowUp, Job};
use super::node::{BACKOFF, Node};
use super::outage::tell as tell_error;
use super::plan::{self, Context, Sending, Step};
use super::recorder::What;
use super::send::tell;
use super::{claim, expand, hand_out};
use crate::domain::delivery::{Delivery, Ending};
use crate::domain::device::{Platform, ProviderKind};
use crate::domain::id::{PersonPk, Target};
use crate::domain::notification::Audience;
use crate::domain::pace::Slot;
use crate::domain::work::{Pair, Targets, WorkKind};
use crate::queue::Taken;
use crate::store;
use crate::store::engine::{Candidate, RunStatus};

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
    sending.sort_by_key(|job| job.work.stream);
    for one in read(node, sending).await {
        let job = Arc::clone(&one.job);
        match AssertUnwindSafe(start_fresh(node, one)).catch_unwind().await {
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

/// Starts a job on what was read of it, which is read again if the jobs before it took too long.
async fn start_fresh(node: &Arc<Node>, one: Answered) -> Result<(), store::Error> {
    if node.monotonic().saturating_sub(one.read_at) <= audience::MAX_AGE {
        return start(node, one).await;
    }
    for one in audience::read(node, vec![one.job]).await? {
        start(node, one).await?;
    }
    Ok(())
}

/// Steps 8 to 10 for one work row.
async fn start(node: &Arc<Node>, Answered { job, app, categories, answer, now, read_at }: Answered) -> Result<(), store::Error> {
    if answer.run == Some(RunStatus::Paused) {
        // its run was paused after the claim's snapshot
        return job.put_back(node, node.now()).await;
    }
    let context = Context { now, read_at, message: &job.message, app: &app, categories: &categories, work: &job.work, run: answer.run };
    job.open(answer.candidates.len());
    let mut sendings = Vec::new();
    let mut pairs = Vec::with_capacity(answer.candidates.len());
    let mut endings = Vec::new();
    for candidate in answer.candidates {
        let (target, person) = (candidate.target, candidate.person);
        // a row that named a device that has changed hands would name it as nobody's, and it may become nobody's
        let pair = match job.work.targets {
            Targets::Broadcast(_) => Some(Pair::BROADCAST),
            Targets::Users(_) | Targets::Devices(_) | Targets::Pairs(_) => {
                target.as_device().filter(|_| !candidate.moved).map(|device| Pair { device, person })
            }
        };
        let way = way(&context, &candidate);
        let step = plan::plan(&context, candidate);
        if !matches!(step, Step::Skip) {
            pairs.extend(pair);
        }
        let what = match step {
            Step::Skip => What::Nothing,
            Step::End(ending) => {
                let delivery = unsent(&context, (target, person), way, ending);
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
    if let Some(slot) = job.work.slot {
        // no worker waits for a pace
        node.tasks.spawn(Box::pin(spread(Arc::clone(node), job, slot, sendings, until)));
        return Ok(());
    }
    hand_out::hand_out(node, &job, sendings, until).await;
    all_named(node, job).await;
    Ok(())
}

async fn spread(node: Arc<Node>, job: Arc<Job>, slot: Slot, sendings: Vec<Sending>, until: Duration) {
    hand_out::spread(&node, &job, slot, sendings, until).await;
    all_named(&node, job).await;
}

/// That of the count which the job was made with.
async fn all_named(node: &Node, job: Arc<Job>) {
    tell(node, Some(job), What::Nothing, None).await;
}

/// What a target that is not sent to would have been, and who would have carried it.
fn way(context: &Context<'_>, candidate: &Candidate) -> (Option<Platform>, Option<ProviderKind>) {
    if let Audience::Broadcast(broadcast) = &context.message.notification.audience {
        return (None, Some(broadcast.provider()));
    }
    candidate.recipient.as_ref().map_or((None, None), |recipient| (Some(recipient.platform), Some(recipient.provider)))
}

fn unsent(
    context: &Context<'_>,
    (target, person): (Target, Option<PersonPk>),
    (platform, provider): (Option<Platform>, Option<ProviderKind>),
    ending: Ending,
) -> Delivery {
    Delivery {
        notification: context.message.id,
        cohort: Arc::clone(&context.message.cohort),
        day: context.message.day,
        target,
        person,
        ending,
        attempts: context.work.attempt,
        platform,
        provider,
        variant: None,
        message_id: None,
        detail: None,
        at: context.now,
    }
}

/// Leases that are not renewed lapse, and the rows come back. What is known of them by then is recorded all the same.
fn let_lapse(node: &Node, jobs: &[Arc<Job>]) {
    for job in jobs {
        node.held.remove(job);
    }
}
