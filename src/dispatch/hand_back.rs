//! The end of a node whose grace period is over: what it holds goes back at once, in one commit.
//!
//! Sends under way are given up; whether they arrived is not known, and whoever takes them next repeats them with the same ids. What is
//! known is written first, so that nobody repeats it. The new rows are due: any scheduler publishes them within moments, and doing it here
//! as well would only double their entries.

use super::job::Rest;
use super::node::Node;
use crate::store;
use crate::store::engine::{Finished, Record};

/// Hands back all that this node holds; how much it was.
pub async fn hand_back(node: &Node) -> store::Result<usize> {
    node.hard_stop.cancel();
    let jobs = node.held.jobs();
    if jobs.is_empty() {
        return Ok(0);
    }
    node.flushed.cancelled().await;
    // some of it may have ended by the last that was written
    let jobs: Vec<_> = jobs.into_iter().filter(|job| node.held.holds(job)).collect();
    let (mut known, mut unknown) = (Record::default(), Vec::new());
    for job in &jobs {
        match job.rest(&*node.ids, node.now(), node.stopped.get(job.message.id)) {
            Some(Rest { endings, follow_ups }) => {
                known.deliveries.extend(endings);
                known.finished.push(Finished { key: job.work.key, epoch: job.work.epoch, follow_ups });
            }
            None => unknown.push((job.work.key, job.work.epoch)),
        }
    }
    if !known.finished.is_empty() {
        node.store.record(&known).await?;
    }
    if !unknown.is_empty() {
        node.store.hand_back(&unknown).await?;
    }
    let entries: Vec<_> = jobs.iter().map(|job| job.entry.clone()).collect();
    for job in &jobs {
        node.held.remove(job);
    }
    node.ack(&entries).await;
    Ok(jobs.len())
}
