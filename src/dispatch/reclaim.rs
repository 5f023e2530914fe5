//! Steps 5 and 12 for those who died: entries that a worker took and did not end for a lease go to the claim like any other.

use std::sync::Arc;

use super::node::Node;
use super::scheduler::Error;
use super::worker;

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
        worker::work_on(node, taken).await;
    }
    Ok(())
}
