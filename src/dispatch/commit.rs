//! Steps 1 and 2: what many requests want written goes into one commit; then they are answered, and what is due is published.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::half_window::HalfWindow;
use super::node::Node;
use super::outage::Causes;
use crate::domain::work::WorkKey;
use crate::queue::Entry;
use crate::store;
use crate::store::engine::{ItemVerdict, Submission, Verdict};

/// Notifications in one commit, at most; a larger batch goes alone.
const GROUP: usize = 1000;
/// Requests that wait for a commit, at most; the next ones wait at the door.
pub const CAPACITY: usize = 4096;
/// Commits whose work is published together, at most.
const GROUPS: usize = 64;
/// How often the queue is looked at when nothing is published.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// A request that waits for its commit.
pub struct Pending {
    /// What it wants written.
    pub submission: Submission,
    /// Who waits.
    pub reply: oneshot::Sender<Result<Verdict, store::Error>>,
}

/// The store was away, and this was among what was to be written.
#[derive(Debug, thiserror::Error)]
#[error("a request was not written with others")]
struct NotWritten(#[source] Arc<store::Error>);

/// Commits requests, as many as wait, and publishes what came of them, until the path lets go of them.
pub async fn run(node: Arc<Node>, pending: mpsc::Receiver<Pending>) {
    let half = HalfWindow::default();
    // never more entries than there was room for
    let (committed, to_publish) = mpsc::unbounded_channel();
    tokio::join!(publish_all(&node, &half, to_publish), commit_all(&node, &half, pending, committed));
}

async fn commit_all(node: &Node, half: &HalfWindow, mut pending: mpsc::Receiver<Pending>, committed: mpsc::UnboundedSender<Vec<Entry>>) {
    let mut group = Vec::new();
    while next_group(node, &mut pending, &mut group).await {
        let ready = publishable(node, half, &mut group);
        let (submissions, replies): (Vec<_>, Vec<_>) = group.drain(..).map(|pending| (pending.submission, pending.reply)).unzip();
        let fan_out = submissions.iter().any(|submission| submission.items.iter().any(|item| item.notification.fan_out));
        match together_or_alone(node, submissions).await {
            Ok(verdicts) => {
                let (accepted, others): (Vec<_>, Vec<_>) = ready.into_iter().partition(|one| is_accepted(one, &verdicts));
                replies.into_iter().zip(verdicts).for_each(|(reply, verdict)| answer(reply, verdict));
                half.give_back(others.iter().map(|one: &Publishable| &one.entry));
                let accepted: Vec<Entry> = accepted.into_iter().map(|one| one.entry).collect();
                if !accepted.is_empty() && committed.send(accepted).is_err() {
                    tracing::debug!("work cannot be published any more; its guard brings it back");
                }
                if fan_out {
                    node.wake.notify_one();
                }
            }
            Err(error) => {
                half.give_back(ready.iter().map(|one| &one.entry));
                // who came meanwhile would wait as long for the same answer
                let waiting = std::iter::from_fn(|| pending.try_recv().ok()).map(|pending| pending.reply);
                let error = Arc::new(error);
                replies.into_iter().chain(waiting).for_each(|reply| answer(reply, Err(not_written(&error))));
            }
        }
    }
}

/// Publishes what was committed, and looks at the room for more between.
async fn publish_all(node: &Node, half: &HalfWindow, mut committed: mpsc::UnboundedReceiver<Vec<Entry>>) {
    let mut groups = Vec::new();
    loop {
        half.look(node).await;
        tokio::select! {
            biased;
            count = committed.recv_many(&mut groups, GROUPS) => if count == 0 { return },
            () = tokio::time::sleep(LOOK_EVERY) => continue,
        }
        let entries: Vec<Entry> = groups.drain(..).flatten().collect();
        if node.heard_queue(node.queue.publish(&entries).await).is_err() {
            tracing::debug!(entries = entries.len(), "work cannot be published; its guard brings it back");
        }
        half.used(&entries);
    }
}

fn answer(reply: oneshot::Sender<Result<Verdict, store::Error>>, verdict: Result<Verdict, store::Error>) {
    if reply.send(verdict).is_err() {
        tracing::debug!("a caller went away before its answer");
    }
}

fn not_written(error: &Arc<store::Error>) -> store::Error {
    store::Error::Unavailable(Box::new(NotWritten(Arc::clone(error))))
}

/// `false` when the node has stopped for good and nobody waits.
async fn next_group(node: &Node, pending: &mut mpsc::Receiver<Pending>, group: &mut Vec<Pending>) -> bool {
    let first = tokio::select! {
        biased;
        first = pending.recv() => first,
        () = node.hard_stop.cancelled() => None,
    };
    let Some(first) = first else { return false };
    let mut items = first.submission.items.len();
    group.push(first);
    while items < GROUP {
        let Ok(next) = pending.try_recv() else { break };
        items += next.submission.items.len();
        group.push(next);
    }
    true
}

/// An entry that may be published if the submission and the item that it is of are accepted.
struct Publishable {
    submission: usize,
    item: usize,
    entry: Entry,
}

/// Step 2's decision: work that is due now goes straight to the queue while its stream is below half its window, behind a guard in the
/// store. All else is left due, for the scheduler.
fn publishable(node: &Node, half: &HalfWindow, group: &mut [Pending]) -> Vec<Publishable> {
    let mut room = half.free(node);
    let now = node.now();
    let mut ready = Vec::new();
    for (submission, pending) in group.iter_mut().enumerate() {
        for (item, one) in pending.submission.items.iter_mut().enumerate() {
            let new = &mut one.notification;
            for work in new.work.iter_mut().filter(|work| !work.fan_out && work.due_at <= now) {
                let Some(free) = room.get_mut(&work.stream).filter(|free| **free > 0) else { continue };
                *free -= 1;
                work.due_at = node.guard(now, work.expires_at);
                let key = WorkKey { app: new.app, notification: new.id, work: work.id };
                ready.push(Publishable { submission, item, entry: Entry { key, stream: work.stream, targets: work.targets.len() } });
            }
        }
    }
    half.promise(ready.iter().map(|one| &one.entry));
    ready
}

fn is_accepted(one: &Publishable, verdicts: &[store::Result<Verdict>]) -> bool {
    match verdicts.get(one.submission) {
        Some(Ok(Verdict::New(items))) => items.get(one.item) == Some(&ItemVerdict::Accepted),
        _ => false,
    }
}

/// One commit for all; if the store refuses that, one for each, so that nobody fails for another's sake. An error is everybody's: the store is away.
async fn together_or_alone(node: &Node, submissions: Vec<Submission>) -> store::Result<Vec<store::Result<Verdict>>> {
    match accept(node, &submissions).await {
        Ok(verdicts) => Ok(verdicts.into_iter().map(Ok).collect()),
        Err(error) if error.is_transient() => Err(error),
        Err(error) if submissions.len() == 1 => Ok(vec![Err(error)]),
        Err(error) => {
            tracing::warn!(error = %Causes(&error), requests = submissions.len(), "a group of requests was refused; each is tried alone");
            Ok(alone(node, submissions).await)
        }
    }
}

async fn alone(node: &Node, submissions: Vec<Submission>) -> Vec<store::Result<Verdict>> {
    let mut away = None;
    let mut verdicts = Vec::with_capacity(submissions.len());
    for submission in submissions {
        let verdict = match &away {
            None => accept(node, &[submission]).await.map(first),
            Some(error) => Err(not_written(error)),
        };
        verdicts.push(match verdict {
            Err(error) if error.is_transient() => Err(not_written(away.get_or_insert(Arc::new(error)))),
            verdict => verdict,
        });
    }
    verdicts
}

/// If its fate is unknown it is sent again, once, with the same ids, which is harmless.
async fn accept(node: &Node, submissions: &[Submission]) -> store::Result<Vec<Verdict>> {
    match node.heard(node.store.accept(submissions.to_vec()).await) {
        Err(error) if error.is_transient() => node.heard(node.store.accept(submissions.to_vec()).await),
        answer => answer,
    }
}

fn first(verdicts: Vec<Verdict>) -> Verdict {
    verdicts.into_iter().next().unwrap_or(Verdict::New(Vec::new()))
}
