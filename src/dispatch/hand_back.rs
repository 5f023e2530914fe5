//! The end of a node whose grace period is over: what it holds goes back at once, in one commit.
//!
//! Sends under way are given up; whether they arrived is not known, and whoever takes them next repeats them with the same ids. What is
//! known is written first, so that nobody repeats it; where that cannot be written, all is left to the lapse of the leases. The new rows are
//! due: any scheduler publishes them within moments, and doing it here as well would only double their entries.

use std::time::Duration;

use tokio::time::timeout;

use super::job::Rest;
use super::node::{LAST_MOMENT, Node};
use crate::store;
use crate::store::engine::{Finished, Record};

/// How long the queue may take at the end.
const ACK: Duration = Duration::from_millis(500);

/// Hands back all that this node holds; how much it was. While the store is away it tries again and again: its caller knows for how long.
pub async fn hand_back(node: &Node) -> store::Result<usize> {
    node.hard_stop.cancel();
    node.taking.close();
    if timeout(LAST_MOMENT / 2, node.taking.wait()).await.is_err() {
        tracing::warn!("what is being claimed at the end is taken again when its leases lapse");
    }
    let jobs = node.held.jobs();
    if jobs.is_empty() {
        return Ok(0);
    }
    tokio::select! {
        biased;
        () = node.flushed.cancelled() => {}
        () = node.events.closed() => return Err(store::Error::Unavailable("the last outcomes are not written".into())),
    }
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
        // what was written though its answer was lost misses its fence the second time
        node.write(|| node.store.record(&known)).await?;
    }
    if !unknown.is_empty() {
        node.write(|| node.store.hand_back(&unknown)).await?;
    }
    let entries: Vec<_> = jobs.iter().map(|job| job.entry.clone()).collect();
    for job in &jobs {
        node.held.remove(job);
    }
    // a queue that says nothing must not make it seem undone
    if timeout(ACK, node.ack(&entries)).await.is_err() {
        tracing::debug!("entries of what was handed back are not acked; they come back and are forgotten then");
    }
    Ok(jobs.len())
}
