//! Steps 2, 3 and 4: what is due becomes ready, within the room of the window.

use std::sync::Arc;
use std::time::Duration;

use super::node::{GUARD, Node};
use super::outage::tell;
use crate::domain::work::Stream;
use crate::store::PageRequest;
use crate::store::engine::{Ready, Room, Sweep};
use crate::{queue, store};

/// How often it looks, unless it is woken.
const EVERY: Duration = Duration::from_millis(100);
/// The wait after the store or the queue failed.
const AWAY: Duration = Duration::from_secs(1);
/// How often early receipts are tried again.
const RECEIPTS_EVERY: Duration = Duration::from_secs(1);
/// How often what is old is cleared away.
const PRUNE_EVERY: Duration = Duration::from_mins(1);
/// Dead letters of an app that are counted, at most: one is an alarm.
const COUNTED: usize = 500;

/// What a round may meet.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store is away, or refuses.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The queue is away.
    #[error(transparent)]
    Queue(#[from] queue::Error),
}

impl Error {
    /// Says what it means here, unless something is away, of which is spoken elsewhere.
    pub fn tell(&self, meaning: &str) {
        match self {
            Self::Store(error) => tell(error, meaning),
            Self::Queue(error) => tracing::debug!(%error, "{meaning}"),
        }
    }
}

/// Makes due work ready until the node stops.
pub async fn run(node: Arc<Node>) {
    loop {
        if let Err(error) = round(&node).await {
            error.tell("due work cannot be made ready; it is tried again");
            // nothing wakes it from this wait: what is away is not asked more often the more there is to do
            if !node.pause(AWAY).await {
                return;
            }
        }
        tokio::select! {
            biased;
            () = node.stopping.cancelled() => return,
            () = node.wake.notified() => {}
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

/// One look: until nothing more is due, or there is no more room. While the queue is away nothing is made ready, so that it is found due.
pub async fn round(node: &Node) -> Result<(), Error> {
    loop {
        let room = room(node).await?;
        if room.values().all(|free| *free == 0) {
            return Ok(());
        }
        let mut sweep = Sweep { room, guard: GUARD, lapsed: node.may_take_lapsed().await? };
        let direct = node.heard(node.store.schedule(&sweep).await)?;
        publish(node, &sweep, &direct).await?;
        sweep.room = less(sweep.room, &direct);
        let fan_outs = node.heard(node.store.release(&sweep).await)?;
        publish(node, &sweep, &fan_outs).await?;
        let progress = !direct.entries.is_empty() || !fan_outs.entries.is_empty();
        if !progress || (!direct.more && !fan_outs.more) || node.stopping.is_cancelled() {
            return Ok(());
        }
    }
}

async fn room(node: &Node) -> Result<Room, queue::Error> {
    let mut room = Room::new();
    for stream in Stream::ALL {
        room.insert(*stream, node.queue.window().saturating_sub(node.heard_queue(node.queue.len(*stream).await)?));
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

/// What was made ready while the clock stepped may have seemed to have lapsed: it is left to its guard.
async fn publish(node: &Node, sweep: &Sweep, ready: &Ready) -> Result<(), Error> {
    if ready.entries.is_empty() || (sweep.lapsed && !node.may_take_lapsed().await?) {
        return Ok(());
    }
    Ok(node.heard_queue(node.queue.publish(&ready.entries).await)?)
}

/// Tries early receipts again, counts the backlog and clears away what is old, until the node stops.
pub async fn tidy(node: Arc<Node>) {
    let mut pruned_at = node.monotonic();
    while node.pause(RECEIPTS_EVERY).await {
        if let Err(error) = node.heard(node.store.settle_early_receipts().await) {
            tell(&error, "early receipts cannot be settled");
        }
        if node.monotonic().saturating_sub(pruned_at) >= PRUNE_EVERY {
            pruned_at = node.monotonic();
            prune(&node).await;
        }
    }
}

/// Counts what waits and what is dead, and clears away what has had its time.
pub async fn prune(node: &Node) {
    match node.heard_read(node.store.backlog().await) {
        Ok(rows) => metrics::gauge!("herald_work_rows").set(f64::from(u32::try_from(rows).unwrap_or(u32::MAX))),
        Err(error) => tell(&error, "the backlog cannot be counted"),
    }
    for app in node.directory.apps() {
        let page = PageRequest { limit: COUNTED, after: None };
        match node.heard_read(node.store.dead_letters(app.id, &page).await) {
            Ok(dead) => metrics::gauge!("herald_dead_letters", "app" => app.name.clone())
                .set(f64::from(u32::try_from(dead.items.len()).unwrap_or(u32::MAX))),
            Err(error) => tell(&error, "the dead letters cannot be counted"),
        }
    }
    if let Err(error) = node.heard(node.store.prune().await) {
        tell(&error, "what is old cannot be cleared away");
    }
    if let Err(error) = node.heard(node.store.prune_analytics(&node.analytics).await) {
        tell(&error, "analytics whose retention is over cannot be cleared away");
    }
    if let Err(error) = node.heard(node.store.prune_acts(node.audit_kept).await) {
        tell(&error, "acts whose retention is over cannot be cleared away");
    }
    if let Err(error) = node.heard_queue(node.queue.tidy().await) {
        tracing::debug!(%error, "the queue cannot be tidied");
    }
}
