//! Step 6: what was taken from the queue is claimed, and this node answers for it from then on.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use super::job::Job;
use super::message::Message;
use super::node::{BACKOFF, Node};
use super::outage::tell;
use super::poison;
use crate::domain::id::{AppId, NotificationId};
use crate::domain::work::{TakenWork, WorkKey};
use crate::queue::Taken;
use crate::store;
use crate::store::engine::StoredNotification;

/// Claims what was taken; what the claim did not return is acked and forgotten: the row knows when to come back.
///
/// While the store is away it asks again and again, so that not more is taken than one batch. Once the node stops it asks no more.
pub async fn claim(node: &Node, taken: Vec<Taken>) -> Vec<Arc<Job>> {
    let _under_way = node.taking.token();
    let now = node.monotonic();
    // a clock that stepped may have ended the lease in the store, but not what this node does under it
    let (mut over, open): (Vec<Taken>, Vec<Taken>) = taken.into_iter().partition(|taken| node.held.is_live(taken.entry.key, now));
    let keys: Vec<WorkKey> = open.iter().map(|taken| taken.entry.key).collect();
    let Some((work, deadline)) = claim_together_or_alone(node, &keys).await else { return Vec::new() };
    let work = poison::weed(node, work).await;
    let mut entries: BTreeMap<WorkKey, Taken> = open.into_iter().map(|taken| (taken.entry.key, taken)).collect();
    let messages = messages(node, &work, deadline).await;
    let mut jobs = Vec::with_capacity(work.len());
    for work in work {
        // without its message it is left to the lapse of its lease, and to its takes
        if let Some(entry) = entries.remove(&work.key)
            && let Some(message) = messages.get(&work.key.notification)
        {
            let job = Arc::new(Job::new(work, Arc::clone(message), entry, (deadline, node.rng.fraction())));
            node.held.add(&job);
            jobs.push(job);
        }
    }
    over.extend(entries.into_values());
    node.ack(&over).await;
    jobs
}

/// The work, and until when its leases surely hold. If the store refuses the batch each row is claimed alone, so that none fails for another's
/// sake. `None` when the node stops before the store was there at all.
async fn claim_together_or_alone(node: &Node, keys: &[WorkKey]) -> Option<(Vec<TakenWork>, Duration)> {
    match claim_rows(node, keys).await? {
        Ok(claimed) => Some(claimed),
        Err(error) if keys.len() < 2 => {
            tell(&error, "a piece of work cannot be claimed; it is tried again");
            Some((Vec::new(), Duration::ZERO))
        }
        Err(_) => {
            let (mut work, mut first) = (Vec::new(), Duration::MAX);
            for key in keys {
                match claim_rows(node, &[*key]).await {
                    Some(Ok((alone, deadline))) => {
                        work.extend(alone);
                        first = first.min(deadline);
                    }
                    Some(Err(error)) => tell(&error, "a piece of work cannot be claimed; it is tried again"),
                    // what has been claimed by then is in this node's hands all the same
                    None => break,
                }
            }
            Some((work, first))
        }
    }
}

/// Claims as soon as the store is there; `None` when the node stops before that.
async fn claim_rows(node: &Node, keys: &[WorkKey]) -> Option<store::Result<(Vec<TakenWork>, Duration)>> {
    if keys.is_empty() {
        return Some(Ok((Vec::new(), Duration::ZERO)));
    }
    let lease = node.settings.lease();
    loop {
        // a late answer is an old lease: it counts from before the question
        let asked_at = node.monotonic();
        match node.heard(node.store.claim(keys, lease).await) {
            Ok(claim) => {
                node.saw(claim.now, asked_at);
                return Some(Ok((claim.work, asked_at + lease)));
            }
            Err(error) if error.is_transient() => {
                if !node.pause(BACKOFF).await {
                    return None;
                }
            }
            Err(error) => return Some(Err(error)),
        }
    }
}

/// The notifications of some work: those at hand, and the others from the store.
async fn messages(node: &Node, work: &[TakenWork], until: Duration) -> HashMap<NotificationId, Arc<Message>> {
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
    for stored in read(node, &missing, until).await {
        match Message::of_stored(&stored) {
            Ok(message) => {
                let message = Arc::new(message);
                node.messages.keep(Arc::clone(&message));
                messages.insert(stored.id, message);
            }
            Err(error) => tell(&error, "a notification cannot be read; its work is left to its takes"),
        }
    }
    messages
}

/// What the store has of these; if it refuses some, of the others.
async fn read(node: &Node, ids: &[(AppId, NotificationId)], until: Duration) -> Vec<StoredNotification> {
    if ids.is_empty() {
        return Vec::new();
    }
    let error = match node.read(until, || node.store.read_notifications(ids)).await {
        Ok(stored) => return stored,
        Err(error) => error,
    };
    if error.is_transient() || ids.len() < 2 {
        tell(&error, "notifications cannot be read; their work is left to its takes");
        return Vec::new();
    }
    let mut stored = Vec::new();
    for id in ids {
        match node.read(until, || node.store.read_notifications(std::slice::from_ref(id))).await {
            Ok(alone) => stored.extend(alone),
            Err(error) => tell(&error, "a notification cannot be read; its work is left to its takes"),
        }
    }
    stored
}
