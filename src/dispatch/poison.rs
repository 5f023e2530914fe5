//! Poison: work that was taken again and again without progress, because something of it stops its workers.
//!
//! A panic while a target is planned or rendered is caught, and is that target's alone: set apart in a row of its own it spends its takes. One
//! elsewhere costs its work a take. What ends the whole process shows by its takes only: a chunk on its third take is split, so that the one target that does harm no longer
//! takes others with it, and the store leaves a row of one target alone after five (see [`crate::store::dead_letter`]).
//!
//! An audience that cannot be taken is never dead: it goes on from its cursor with each lease, and nobody would look for it among the dead
//! letters of its devices. Once it has expired and was taken five times in vain it ends; who was not reached by then was never targeted.

use super::node::Node;
use super::outage::tell;
use crate::domain::Timestamp;
use crate::domain::clock::Ids;
use crate::domain::work::{NewWork, TakenWork, Targets, WorkKind};
use crate::store::engine::{Finished, Record};

/// The take on which a chunk is split.
const SPLIT: u32 = 3;
/// The take on which an audience that has expired ends.
const HOPELESS: u32 = 6;

/// Splits and ends what was taken too often; answers what is left to be worked on.
pub async fn weed(node: &Node, work: Vec<TakenWork>) -> Vec<TakenWork> {
    let now = node.now();
    let (weeds, mut rest): (Vec<TakenWork>, Vec<TakenWork>) = work.into_iter().partition(|work| is_weed(work, now));
    if weeds.is_empty() {
        return rest;
    }
    let finished = weeds.iter().map(|work| Finished { key: work.key, epoch: work.epoch, follow_ups: successors(work, &*node.ids, now) });
    match node.heard(node.store.record(&Record { finished: finished.collect(), ..Record::default() }).await) {
        Ok(recorded) => {
            tracing::warn!(
                work = recorded.ended.len(),
                "work that was taken in vain is split into its targets, or ended if it has expired"
            );
            node.wake.notify_one();
        }
        Err(error) => {
            tell(&error, "work that was taken in vain cannot be split; it is worked on as it is");
            if !error.is_transient() {
                rest.extend(weeds);
            }
        }
    }
    rest
}

fn is_weed(work: &TakenWork, now: Timestamp) -> bool {
    match work.kind {
        WorkKind::Send => work.takes >= SPLIT && work.targets.len() > 1,
        WorkKind::Expand => work.takes >= HOPELESS && work.expires_at <= now,
    }
}

fn successors(work: &TakenWork, ids: &dyn Ids, now: Timestamp) -> Vec<NewWork> {
    match work.kind {
        WorkKind::Send => work.targets.singles().into_iter().map(|single| again(work, single, ids, now)).collect(),
        WorkKind::Expand => Vec::new(),
    }
}

/// A row in the place of another, for all or some of its targets, as if it had never been taken.
pub fn again(work: &TakenWork, targets: Targets, ids: &dyn Ids, due: Timestamp) -> NewWork {
    NewWork {
        id: ids.work(),
        kind: work.kind,
        stream: work.stream,
        fan_out: work.fan_out,
        targets,
        attempt: work.attempt,
        reason: work.reason,
        due_at: due.min(work.expires_at),
        expires_at: work.expires_at,
    }
}
