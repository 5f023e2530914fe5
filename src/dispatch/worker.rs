//! Steps 5 to 10: takes ready work, claims it, reads what is to be known of its targets, and starts their sends.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::audience::{self, Answered};
use super::expand;
use super::job::{FollowUp, Job};
use super::message::Message;
use super::node::Node;
use super::plan::{self, Context, Sending, Step};
use super::recorder::What;
use super::send::{self, tell};
use crate::domain::Timestamp;
use crate::domain::delivery::{Delivery, Ending};
use crate::domain::id::{NotificationId, PersonPk, Target};
use crate::domain::work::{Pair, TakenWork, WorkKey, WorkKind};
use crate::queue::Taken;
use crate::store;
use crate::store::engine::RunStatus;

/// Workers of one node. Two keep the reads of one batch beside the sends of another.
pub const WORKERS: usize = 2;
/// Targets taken at once, at most: what comes later and is more urgent does not wait for more.
const AT_ONCE: usize = 2000;
/// How long a worker waits for the first entry.
const WAIT: Duration = Duration::from_secs(1);
/// The wait after the queue or the store failed.
const BACKOFF: Duration = Duration::from_millis(200);

/// Works until the node stops.
pub async fn run(node: Arc<Node>) {
    while let Some(taken) = take(&node).await {
        if taken.is_empty() {
            continue;
        }
        if let Err(error) = work_on(&node, taken).await {
            tracing::warn!(error = %error, "a batch of work cannot be read; it is taken again when its lease lapses");
            node.pause(BACKOFF).await;
        }
    }
}

/// Step 5. `None` when the node stops.
async fn take(node: &Node) -> Option<Vec<Taken>> {
    if node.stopping.is_cancelled() {
        return None;
    }
    let room = match node.permits.available_permits().min(AT_ONCE) {
        0 => tokio::select! {
            biased;
            () = node.stopping.cancelled() => return None,
            permit = node.permits.acquire() => {
                drop(permit.ok()?);
                // what is free is not looked at again: two workers that wait would hand the one permit to each other for ever
                1
            }
        },
        room => room,
    };
    tokio::select! {
        biased;
        () = node.stopping.cancelled() => None,
        taken = node.queue.take(room, WAIT) => match taken {
            Ok(taken) => Some(taken),
            Err(error) => {
                tracing::warn!(error = %error, "the queue cannot be read");
                node.pause(BACKOFF).await;
                Some(Vec::new())
            }
        },
    }
}

async fn work_on(node: &Arc<Node>, taken: Vec<Taken>) -> Result<(), store::Error> {
    let (jobs, now) = hold(node, taken).await?;
    let (expanding, mut sending): (Vec<_>, Vec<_>) = jobs.into_iter().partition(|job| job.work.kind == WorkKind::Expand);
    for job in expanding {
        node.tasks.spawn(Box::pin(expand::run(Arc::clone(node), job)));
    }
    if sending.is_empty() {
        return Ok(());
    }
    sending.sort_by_key(|job| job.work.stream);
    for one in read(node, sending, now).await? {
        let job = Arc::clone(&one.job);
        if let Err(error) = start_fresh(node, one).await {
            tracing::warn!(error = %error, notification.id = %job.message.id, "work cannot be finished; the rest of it is taken again when its lease lapses");
            let_lapse(node, &[job]);
        }
    }
    Ok(())
}

/// Step 6. What the claim did not return is acked and forgotten: the row knows when to come back.
async fn claim(node: &Node, taken: Vec<Taken>) -> Result<(Vec<Arc<Job>>, Timestamp), store::Error> {
    let keys: Vec<WorkKey> = taken.iter().map(|taken| taken.entry.key).collect();
    let lease = node.settings.lease();
    // a late answer is an old lease: it counts from before the question
    let deadline = node.clock.monotonic() + lease;
    let claim = node.store.claim(&keys, lease).await?;
    let mut entries: BTreeMap<WorkKey, Taken> = taken.into_iter().map(|taken| (taken.entry.key, taken)).collect();
    let messages = messages(node, &claim.work).await?;
    let mut jobs = Vec::with_capacity(claim.work.len());
    for work in claim.work {
        if let (Some(entry), Some(message)) = (entries.remove(&work.key), messages.get(&work.key.notification)) {
            jobs.push(Arc::new(Job::new(work, Arc::clone(message), entry, (deadline, node.rng.fraction()))));
        }
    }
    let rest: Vec<Taken> = entries.into_values().collect();
    if !rest.is_empty()
        && let Err(error) = node.queue.ack(&rest).await
    {
        tracing::warn!(error = %error, "entries cannot be acked; they come back and are forgotten then");
    }
    Ok((jobs, claim.now))
}

async fn messages(node: &Node, work: &[TakenWork]) -> Result<HashMap<NotificationId, Arc<Message>>, store::Error> {
    let mut messages = HashMap::with_capacity(work.len());
    let mut missing = Vec::new();
    for work in work {
        let id = work.key.notification;
        if messages.contains_key(&id) || missing.contains(&(work.key.app, id)) {
            continue;
        }
        match node.messages.get(id) {
            Some(message) => drop(messages.insert(id, message)),
            None => missing.push((work.key.app, id)),
        }
    }
    if !missing.is_empty() {
        for stored in node.store.read_notifications(&missing).await? {
            match Message::of_stored(&stored) {
                Ok(message) => {
                    let message = Arc::new(message);
                    node.messages.keep(Arc::clone(&message));
                    messages.insert(stored.id, message);
                }
                Err(error) => tracing::error!(error = %error, "a notification cannot be read; its work is left to its takes"),
            }
        }
    }
    Ok(messages)
}

/// Claims what was taken, and answers for it from then on.
async fn hold(node: &Node, taken: Vec<Taken>) -> Result<(Vec<Arc<Job>>, Timestamp), store::Error> {
    node.claiming.fetch_add(1, Ordering::AcqRel);
    let claimed = claim(node, taken).await;
    for job in claimed.iter().flat_map(|(jobs, _)| jobs) {
        node.held.add(job);
    }
    node.claiming.fetch_sub(1, Ordering::AcqRel);
    claimed
}

/// Step 7. What cannot be read is read alone, so that it harms nobody else.
async fn read(node: &Node, jobs: Vec<Arc<Job>>, now: Timestamp) -> Result<Vec<Answered>, store::Error> {
    let error = match audience::read(node, jobs.clone(), now).await {
        Ok(answered) => return Ok(answered),
        Err(error) => error,
    };
    if error.is_transient() {
        let_lapse(node, &jobs);
        return Err(error);
    }
    let mut answered = Vec::new();
    for job in jobs {
        match audience::read(node, vec![Arc::clone(&job)], now).await {
            Ok(alone) => answered.extend(alone),
            Err(error) => {
                tracing::error!(error = %error, notification.id = %job.message.id, "the targets of work cannot be read; it is taken again when its lease lapses");
                let_lapse(node, &[job]);
            }
        }
    }
    Ok(answered)
}

/// Starts a job on what was read of it, which is read again if the jobs before it took too long.
async fn start_fresh(node: &Arc<Node>, one: Answered) -> Result<(), store::Error> {
    if node.clock.monotonic().saturating_sub(one.read_at) <= audience::MAX_AGE {
        return start(node, one).await;
    }
    for one in audience::read(node, vec![one.job], node.now()).await? {
        start(node, one).await?;
    }
    Ok(())
}

/// Steps 8 to 10 for one work row.
async fn start(node: &Arc<Node>, Answered { job, app, categories, answer, now, read_at }: Answered) -> Result<(), store::Error> {
    if answer.run == Some(RunStatus::Paused) {
        // its run was paused after the claim's snapshot
        give_back(node, &job).await?;
        return Ok(());
    }
    let context = Context { now, read_at, message: &job.message, app: &app, categories: &categories, work: &job.work, run: answer.run };
    job.open(answer.candidates.len());
    let mut sendings = Vec::new();
    let mut pairs = Vec::with_capacity(answer.candidates.len());
    let mut endings = Vec::new();
    for candidate in answer.candidates {
        let (target, person) = (candidate.target, candidate.person);
        let pair = target.as_device().map(|device| Pair { device, person });
        let step = plan::plan(&context, candidate);
        if !matches!(step, Step::Skip) {
            pairs.extend(pair);
        }
        let what = match step {
            Step::Skip => What::Nothing,
            Step::End(ending) => {
                let delivery = unsent(&context, target, person, ending);
                endings.extend(pair.is_none().then(|| delivery.clone()));
                What::Ended(delivery, None)
            }
            Step::Wait { due, reason } => match pair {
                Some(pair) => What::Again(FollowUp { pair, due, attempt: job.work.attempt, reason: Some(reason) }),
                None => What::Nothing,
            },
            Step::Send(sending) => {
                sendings.push(*sending);
                continue;
            }
        };
        tell(node, Some(Arc::clone(&job)), what, None).await;
    }
    job.name(pairs, endings);
    hand_out(node, &job, sendings, read_at + audience::MAX_AGE).await;
    // all its targets are named now: the count that the job was made with
    tell(node, Some(job), What::Nothing, None).await;
    Ok(())
}

/// Starts sends as permits come free. Those for which none came before `until`, on the monotonic clock, are taken and read anew.
async fn hand_out(node: &Arc<Node>, job: &Arc<Job>, sendings: Vec<Sending>, until: Duration) {
    let mut rest = sendings.into_iter();
    while node.clock.monotonic() <= until {
        let Some(sending) = rest.next() else { return };
        let permit = tokio::select! {
            biased;
            () = node.hard_stop.cancelled() => return,
            permit = Arc::clone(&node.permits).acquire_owned() => permit,
        };
        let Ok(permit) = permit else { return };
        node.tasks.spawn(Box::pin(send::send(Arc::clone(node), Arc::clone(job), sending, permit)));
    }
    let now = node.now();
    for sending in rest {
        let pair = Pair { device: sending.recipient.device, person: sending.recipient.person };
        let again = FollowUp { pair, due: now, attempt: job.work.attempt, reason: job.work.reason };
        tell(node, Some(Arc::clone(job)), What::Again(again), None).await;
    }
}

fn unsent(context: &Context<'_>, target: Target, person: Option<PersonPk>, ending: Ending) -> Delivery {
    Delivery {
        notification: context.message.id,
        day: context.message.day,
        target,
        person,
        ending,
        attempts: context.work.attempt,
        provider: None,
        message_id: None,
        detail: None,
        at: context.now,
    }
}

async fn give_back(node: &Node, job: &Job) -> Result<(), store::Error> {
    node.store.hand_back(&[(job.work.key, job.work.epoch)]).await?;
    node.held.remove(job);
    if let Err(error) = node.queue.ack(std::slice::from_ref(&job.entry)).await {
        tracing::warn!(error = %error, "an entry cannot be acked; it comes back and is forgotten then");
    }
    Ok(())
}

/// Leases that are not renewed lapse, and the rows come back. What is known of them by then is recorded all the same.
fn let_lapse(node: &Node, jobs: &[Arc<Job>]) {
    for job in jobs {
        node.held.remove(job);
    }
}
