//! Steps 5 and 12 for those who died: entries that a worker took and did not end for a lease go to the claim like any other.

use std::collections::VecDeque;
use std::sync::Arc;

use chrono::TimeDelta;

use super::job::Job;
use super::node::Node;
use super::scheduler::Error;
use super::{claim, worker};
use crate::queue::Taken;

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
        let _under_way = node.taking.token();
        let taken = node.heard_queue(node.queue.reclaim(room, node.settings.lease()).await)?;
        if taken.is_empty() {
            break;
        }
        metrics::counter!("herald_reclaimed_total").increment(taken.len() as u64);
        if !take_over(node, taken.into()).await? {
            break;
        }
    }
    Ok(())
}

/// Claims entries as permits come free; `false` where it had to leave some, which are reclaimed anew.
async fn take_over(node: &Arc<Node>, mut taken: VecDeque<Taken>) -> Result<bool, Error> {
    while !taken.is_empty() {
        let Some(room) = worker::next_room(node).await else { return Ok(false) };
        if !node.may_take_lapsed().await? {
            return Ok(false);
        }
        let jobs = claim::claim(node, portion(&mut taken, room)).await;
        if node.hold_back.is_on(node.monotonic()) {
            put_back(node, jobs).await?;
            return Ok(false);
        }
        worker::work_on_jobs(node, jobs).await;
    }
    Ok(true)
}

/// The first entries, of at most `room` targets together, or one with more: how many an entry has is known only once it is reclaimed.
fn portion(taken: &mut VecDeque<Taken>, mut room: usize) -> Vec<Taken> {
    let mut portion: Vec<Taken> = Vec::new();
    while room > 0
        && let Some(next) = taken.pop_front_if(|next| portion.is_empty() || next.entry.targets <= room)
    {
        room = room.saturating_sub(next.entry.targets.max(1));
        portion.push(next);
    }
    portion
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
