//! The stop set: runs that were cancelled or paused, known to every node within moments.
//!
//! Safety is the check at the claim; this is only promptness.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use parking_lot::RwLock;

use super::node::Node;
use super::outage::tell;
use crate::domain::Timestamp;
use crate::domain::id::{AppId, NotificationId};
use crate::store;
use crate::store::engine::RunStatus;

/// How often a node looks.
const EVERY: Duration = Duration::from_millis(250);
/// How far it looks back: commits do not become visible in the order of their instants, which are those at which they began.
const OVERLAP: Duration = Duration::from_secs(10);
/// Longer than what resumes a run, or writes what follows its work, may take to become visible: PostgreSQL gives each of its few statements ten
/// seconds, and as many to a caller that stands still between two. Who missed a resume would leave the run alone for as long as it is remembered.
pub const LONGEST_COMMIT: Duration = Duration::from_mins(1);
/// Every so many looks one goes back as far as that: a whole minute of cancels is too much to read each time.
const FAR_EVERY: u32 = 40;
/// How long a run is remembered; the longest lease is shorter.
const REMEMBERED: Duration = Duration::from_mins(15);

/// Runs of which nothing more is to be started.
#[derive(Default)]
pub struct StopSet(RwLock<BTreeMap<NotificationId, Stop>>);

/// All instants are monotonic: the store's clock may step.
struct Stop {
    app: AppId,
    status: RunStatus,
    /// Before the question that it was the answer to.
    asked_at: Duration,
    hastened: Hastened,
}

/// A cancel makes what waits due, but does not see what is committed beside it. So it is done again: when a node hears of the cancel, and
/// once more when no commit that began before it can be under way.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Hastened {
    NotYet,
    Once,
    Twice,
}

impl StopSet {
    /// How a run is stopped, if it is.
    pub fn get(&self, id: NotificationId) -> Option<RunStatus> {
        let stopped = self.0.read();
        if stopped.is_empty() { None } else { stopped.get(&id).map(|stop| stop.status) }
    }

    /// Takes note of where a run was when the store was asked at this monotonic instant. A cancel is final, and what was asked before what is
    /// known is no news.
    pub fn note(&self, app: AppId, id: NotificationId, status: RunStatus, asked_at: Duration) {
        let mut stopped = self.0.write();
        match stopped.get(&id) {
            Some(known) if known.status == RunStatus::Cancelled => return,
            Some(known) if known.asked_at > asked_at && status != RunStatus::Cancelled => return,
            _ => {}
        }
        match status {
            RunStatus::Cancelled | RunStatus::Paused => {
                stopped.insert(id, Stop { app, status, asked_at, hastened: Hastened::NotYet });
            }
            RunStatus::Scheduled | RunStatus::Running | RunStatus::Done => drop(stopped.remove(&id)),
        }
    }

    /// The cancelled runs whose waiting work is to be made due now, each with what it is then.
    fn to_hasten(&self, now: Duration) -> Vec<(AppId, NotificationId, Hastened)> {
        let next = |stop: &Stop| match stop.hastened {
            Hastened::NotYet => Some(Hastened::Once),
            Hastened::Once if now.saturating_sub(stop.asked_at) >= LONGEST_COMMIT => Some(Hastened::Twice),
            Hastened::Once | Hastened::Twice => None,
        };
        let stopped = self.0.read();
        let cancelled = stopped.iter().filter(|(_, stop)| stop.status == RunStatus::Cancelled);
        cancelled.filter_map(|(id, stop)| Some((stop.app, *id, next(stop)?))).collect()
    }

    fn hastened(&self, id: NotificationId, hastened: Hastened) {
        if let Some(stop) = self.0.write().get_mut(&id) {
            stop.hastened = hastened;
        }
    }

    fn forget_before(&self, instant: Duration) {
        self.0.write().retain(|_, stop| stop.asked_at >= instant);
    }
}

/// Watches the runs, and the store's clock, until the node stops.
pub async fn watch(node: Arc<Node>) {
    let mut since = node.now();
    let overlaps = (1..=FAR_EVERY).map(|look| if look == FAR_EVERY { LONGEST_COMMIT } else { OVERLAP });
    for overlap in overlaps.cycle() {
        if !node.pause(EVERY).await {
            return;
        }
        if let Err(error) = look(&node, &mut since, overlap).await {
            tell(&error, "the runs cannot be read; what was cancelled elsewhere is noticed later");
        }
    }
}

/// One look at the runs that changed since the last, or a little before it, and what follows for those that were cancelled.
pub async fn look(node: &Node, since: &mut Timestamp, overlap: Duration) -> store::Result<()> {
    node.look_at_clock().await?;
    let (looked_at, asked_at) = (node.now(), node.monotonic());
    let overlap = TimeDelta::from_std(overlap).unwrap_or_default();
    // a clock that was set back makes its instants anew
    for change in node.heard_read(node.store.run_changes(looked_at.min(*since) - overlap).await)? {
        node.stopped.note(change.app, change.notification, change.status, asked_at);
    }
    *since = looked_at;
    for (app, id, hastened) in node.stopped.to_hasten(asked_at) {
        node.heard(node.store.hasten(app, id).await)?;
        node.stopped.hastened(id, hastened);
        node.wake.notify_one();
    }
    node.stopped.forget_before(asked_at.saturating_sub(REMEMBERED));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clock::Ids;
    use crate::system::SystemIds;

    const APP: AppId = AppId(1);
    const NOW: Duration = Duration::from_hours(1);
    const LATER: Duration = Duration::from_secs(3601);

    fn id() -> NotificationId {
        SystemIds::new().notification(Timestamp::default())
    }

    #[test]
    fn the_latest_question_has_the_right_answer() {
        use RunStatus::{Cancelled, Done, Paused, Running};
        for (notes, status) in [
            (vec![(Paused, NOW)], Some(Paused)),
            (vec![(Paused, NOW), (Running, LATER)], None),
            (vec![(Paused, LATER), (Running, NOW)], Some(Paused)),
            (vec![(Paused, LATER), (Cancelled, NOW)], Some(Cancelled)),
            (vec![(Cancelled, NOW), (Running, LATER)], Some(Cancelled)),
            (vec![(Cancelled, NOW), (Paused, LATER)], Some(Cancelled)),
            (vec![(Paused, NOW), (Done, LATER)], None),
            (vec![(Running, NOW)], None),
        ] {
            let (stopped, id) = (StopSet::default(), id());
            for (status, asked_at) in &notes {
                stopped.note(APP, id, *status, *asked_at);
            }
            assert_eq!(stopped.get(id), status, "{notes:?}");
        }
    }

    #[test]
    fn what_is_cancelled_is_hastened_when_it_is_news_and_when_no_older_commit_is_left() {
        let (stopped, id) = (StopSet::default(), id());
        stopped.note(APP, id, RunStatus::Paused, NOW);
        assert!(stopped.to_hasten(NOW).is_empty());
        stopped.note(APP, id, RunStatus::Cancelled, NOW);
        for (now, times) in [(NOW, 1), (NOW + LONGEST_COMMIT / 2, 0), (NOW + LONGEST_COMMIT, 1), (NOW + 2 * LONGEST_COMMIT, 0)] {
            let due = stopped.to_hasten(now);
            assert_eq!(due.len(), times, "{now:?}");
            for (_, id, hastened) in due {
                stopped.hastened(id, hastened);
            }
            stopped.note(APP, id, RunStatus::Cancelled, now);
        }
        stopped.forget_before(LATER);
        assert_eq!(stopped.get(id), None);
    }
}
