//! Steps 5 and 12 for those who died: entries that a worker took and did not end for a lease go to the claim like any other.

use std::sync::Arc;

use chrono::TimeDelta;

use super::job::Job;
use super::node::Node;
use super::scheduler::Error;
use super::{claim, worker};

/// Reclaims until the node stops.
pub async fn run(node: Arc<Node>) {
    let every = node.settings.lease() / 3;
    while node.pause(every).await {
        if let Err(error) = round(&node).await {
            error.tell("what others have taken cannot be reclaimed; it is tried again");
        }
    }
}

/// Takes over what is there, within the permits. Whose row is over or held is acked by the claim; the others' holders are gone.
pub async fn round(node: &Arc<Node>) -> Result<(), Error> {
    while !node.stopping.is_cancelled() {
        let room = worker::room(node);
        if room == 0 || !node.may_take_lapsed().await? {
            break;
        }
        let taken = node.heard_queue(node.queue.reclaim(room, node.settings.lease()).await)?;
        if taken.is_empty() {
            break;
        }
        metrics::counter!("herald_reclaimed_total").increment(taken.len() as u64);
        let jobs = claim::claim(node, taken).await;
        if node.hold_back.is_on(node.monotonic()) {
            return put_back(node, jobs).await;
        }
        worker::work_on_jobs(node, jobs).await;
    }
    Ok(())
}

/// The clock stepped, or the store was away, between the look and the claim: what seemed to have lapsed may have a holder, who has the time of
/// a lease to end it.
async fn put_back(node: &Node, jobs: Vec<Arc<Job>>) -> Result<(), Error> {
    let due = node.now() + TimeDelta::from_std(node.settings.lease()).unwrap_or(TimeDelta::MAX);
    for job in &jobs {
        // whatever comes of it, nobody here renews it
        node.held.remove(job);
    }
    for job in jobs {
        job.put_back(node, due).await?;
    }
    Ok(())
}
