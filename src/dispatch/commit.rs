//! Steps 1 and 2: what many requests want written goes into one commit; then they are answered, and what is due is published.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use super::node::Node;
use crate::domain::work::{Stream, WorkKey};
use crate::queue::Entry;
use crate::store;
use crate::store::engine::{ItemVerdict, Submission, Verdict};

/// Notifications in one commit, at most; a larger batch goes alone.
const GROUP: usize = 1000;
/// Requests that wait for a commit, at most; the next ones wait at the door.
pub const CAPACITY: usize = 4096;

/// A request that waits for its commit.
pub struct Pending {
    /// What it wants written.
    pub submission: Submission,
    /// Who waits.
    pub reply: oneshot::Sender<Result<Verdict, store::Error>>,
}

/// Commits requests, as many as wait, until the path lets go of them.
pub async fn run(node: Arc<Node>, mut pending: mpsc::Receiver<Pending>) {
    let mut group = Vec::new();
    while next_group(&node, &mut pending, &mut group).await {
        let ready = publishable(&node, &mut group).await;
        let (submissions, replies): (Vec<_>, Vec<_>) = group.drain(..).map(|pending| (pending.submission, pending.reply)).unzip();
        let fan_out = submissions.iter().any(|submission| submission.items.iter().any(|item| item.notification.fan_out));
        let verdicts = together_or_alone(&node, submissions).await;
        let published = accepted_only(ready, &verdicts);
        for (reply, verdict) in replies.into_iter().zip(verdicts) {
            if reply.send(verdict).is_err() {
                tracing::debug!("a caller went away before its 202");
            }
        }
        if !published.is_empty()
            && let Err(error) = node.queue.publish(&published).await
        {
            tracing::warn!(error = %error, "work cannot be published; its guard brings it back");
        }
        if fan_out {
            node.wake.notify_one();
        }
    }
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

/// Step 2's decision: work that is due now goes straight to the queue while its stream is below half its window, behind a guard in the store.
async fn publishable(node: &Node, group: &mut [Pending]) -> Vec<Publishable> {
    let now = node.now();
    let mut room = HashMap::new();
    for stream in Stream::ALL {
        let len = node.queue.len(*stream).await.unwrap_or(usize::MAX);
        room.insert(*stream, (node.queue.window() / 2).saturating_sub(len));
    }
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
    ready
}

fn accepted_only(ready: Vec<Publishable>, verdicts: &[Result<Verdict, store::Error>]) -> Vec<Entry> {
    let accepted = |one: &Publishable| match verdicts.get(one.submission) {
        Some(Ok(Verdict::New(items))) => items.get(one.item) == Some(&ItemVerdict::Accepted),
        _ => false,
    };
    ready.into_iter().filter(accepted).map(|one| one.entry).collect()
}

/// One commit for all; if the store refuses that, one for each, so that nobody fails for another's sake.
/// A commit whose fate is unknown is sent again with the same ids, which is harmless.
async fn together_or_alone(node: &Node, submissions: Vec<Submission>) -> Vec<Result<Verdict, store::Error>> {
    match node.store.accept(submissions.clone()).await {
        Ok(verdicts) => verdicts.into_iter().map(Ok).collect(),
        Err(error) if submissions.len() == 1 && !error.is_transient() => vec![Err(error)],
        Err(error) => {
            tracing::warn!(error = %error, requests = submissions.len(), "a group of requests was not written; each is tried alone");
            let mut verdicts = Vec::with_capacity(submissions.len());
            for submission in submissions {
                verdicts.push(node.store.accept(vec![submission]).await.map(first));
            }
            verdicts
        }
    }
}

fn first(verdicts: Vec<Verdict>) -> Verdict {
    verdicts.into_iter().next().unwrap_or(Verdict::New(Vec::new()))
}
