//! Steps 2, 3 and 4: what is due becomes ready, within the room of the window.

use std::sync::Arc;
use std::time::Duration;

use super::node::{GUARD, Node};
use crate::domain::work::Stream;
use crate::store::engine::{Ready, Room, Sweep};
use crate::{queue, store};

/// How often it looks, unless it is woken.
const EVERY: Duration = Duration::from_millis(100);
/// How often early receipts are tried again.
const RECEIPTS_EVERY: Duration = Duration::from_secs(1);
/// How often what is old is cleared away.
const PRUNE_EVERY: Duration = Duration::from_mins(1);

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error(transparent)]
    Queue(#[from] queue::Error),
}

/// Makes due work ready until the node stops.
pub async fn run(node: Arc<Node>) {
    loop {
        if let Err(error) = round(&node).await {
            tracing::warn!(error = %error, "due work cannot be made ready; it is tried again");
        }
        tokio::select! {
            biased;
            () = node.stopping.cancelled() => return,
            () = node.wake.notified() => {}
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

/// One look: until nothing more is due, or there is no more room.
async fn round(node: &Node) -> Result<(), Error> {
    loop {
        let room = room(node).await?;
        if room.values().all(|free| *free == 0) {
            return Ok(());
        }
        let mut sweep = Sweep { room, guard: GUARD, lapsed: true };
        let direct = node.store.schedule(&sweep).await?;
        publish(node, &direct).await?;
        sweep.room = less(sweep.room, &direct);
        let fan_outs = node.store.release(&sweep).await?;
        publish(node, &fan_outs).await?;
        let progress = !direct.entries.is_empty() || !fan_outs.entries.is_empty();
        if !progress || (!direct.more && !fan_outs.more) || node.stopping.is_cancelled() {
            return Ok(());
        }
    }
}

async fn room(node: &Node) -> Result<Room, queue::Error> {
    let mut room = Room::new();
    for stream in Stream::ALL {
        room.insert(*stream, node.queue.window().saturating_sub(node.queue.len(*stream).await?));
    }
    Ok(room)
}

fn less(mut room: Room, taken: &Ready) -> Room {
    for entry in &taken.entries {
        if let Some(free) = room.get_mut(&entry.stream) {
            *free = free.saturating_sub(1);
        }
    }
    room
}

async fn publish(node: &Node, ready: &Ready) -> Result<(), queue::Error> {
    if ready.entries.is_empty() {
        return Ok(());
    }
    node.queue.publish(&ready.entries).await
}

/// Tries early receipts again, counts the backlog and clears away what is old, until the node stops.
pub async fn tidy(node: Arc<Node>) {
    let mut pruned_at = node.clock.monotonic();
    while node.pause(RECEIPTS_EVERY).await {
        if let Err(error) = node.store.settle_early_receipts().await {
            tracing::warn!(error = %error, "early receipts cannot be settled");
        }
        if node.clock.monotonic().saturating_sub(pruned_at) >= PRUNE_EVERY {
            pruned_at = node.clock.monotonic();
            match node.store.backlog().await {
                Ok(rows) => metrics::gauge!("herald_work_rows").set(f64::from(u32::try_from(rows).unwrap_or(u32::MAX))),
                Err(error) => tracing::warn!(error = %error, "the backlog cannot be counted"),
            }
            if let Err(error) = node.store.prune().await {
                tracing::warn!(error = %error, "what is old cannot be cleared away");
            }
        }
    }
}
