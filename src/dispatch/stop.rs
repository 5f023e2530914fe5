//! The stop set: runs that were cancelled or paused, known to every node within moments.
//!
//! Safety is the check at the claim; this is only promptness.

use std::collections::HashMap;
use std::time::Duration;

use chrono::TimeDelta;
use parking_lot::RwLock;

use super::node::Node;
use super::outage::tell;
use crate::domain::Timestamp;
use crate::domain::id::NotificationId;
use crate::store;
use crate::store::engine::{RunChange, RunStatus};

/// How often a node looks.
const EVERY: Duration = Duration::from_millis(250);
/// How far it looks back: commits do not become visible in the order of their instants.
const OVERLAP: TimeDelta = TimeDelta::seconds(10);
/// How long a run is remembered; the longest lease is shorter.
const REMEMBERED: TimeDelta = TimeDelta::minutes(15);

/// Runs of which nothing more is to be started.
#[derive(Default)]
pub struct StopSet(RwLock<HashMap<NotificationId, (RunStatus, Timestamp)>>);

impl StopSet {
    /// How a run is stopped, if it is.
    pub fn get(&self, id: NotificationId) -> Option<RunStatus> {
        let stopped = self.0.read();
        if stopped.is_empty() { None } else { stopped.get(&id).map(|(status, _)| *status) }
    }

    /// Takes note of where a run is; whether that is news.
    pub fn note(&self, change: RunChange) -> bool {
        let mut stopped = self.0.write();
        match change.status {
            RunStatus::Cancelled | RunStatus::Paused => {
                stopped.insert(change.notification, (change.status, change.changed_at)).is_none_or(|(old, _)| old != change.status)
            }
            RunStatus::Scheduled | RunStatus::Running | RunStatus::Done => stopped.remove(&change.notification).is_some(),
        }
    }

    fn forget_before(&self, instant: Timestamp) {
        self.0.write().retain(|_, (_, changed_at)| *changed_at >= instant);
    }
}

/// The cancel's own update does not see work that was committed beside it.
async fn hasten(node: &Node, change: RunChange) {
    match node.heard(node.store.hasten(change.app, change.notification).await) {
        Ok(()) => node.wake.notify_one(),
        Err(error) => tell(&error, "what waits of a cancelled notification ends when it is due"),
    }
}

/// Watches the runs, and the store's clock, until the node stops.
pub async fn watch(node: std::sync::Arc<Node>) {
    let mut since = node.now();
    while node.pause(EVERY).await {
        if let Err(error) = look(&node, &mut since).await {
            tell(&error, "the runs cannot be read; what was cancelled elsewhere is noticed later");
        }
    }
}

async fn look(node: &Node, since: &mut Timestamp) -> store::Result<()> {
    node.look_at_clock().await?;
    let looked_at = node.now();
    // a clock that was set back makes instants anew
    let changes = node.heard_read(node.store.run_changes(looked_at.min(*since) - OVERLAP).await)?;
    *since = looked_at;
    for change in changes {
        if node.stopped.note(change) && change.status == RunStatus::Cancelled {
            hasten(node, change).await;
        }
    }
    node.stopped.forget_before(looked_at - REMEMBERED);
    Ok(())
}
