//! The span of time that a row of a paced run has: each of its pushes gets an instant in it.

use super::job::Job;
use super::plan::{Judged, Step};
use crate::domain::Timestamp;
use crate::domain::pace::{LATE, Slot};
use crate::domain::reason::WaitReason;

/// Spreads what is to be sent evenly over the row's span. For what it is too late by now it waits for another: before anything is asked for it,
/// so that it takes no place under a frequency cap.
pub fn place(job: &Job, slot: Slot, now: Timestamp, targets: &mut [Judged]) {
    let pushes = targets.iter().filter(|judged| matches!(judged.step, Step::Send(_))).count();
    let mut number = 0;
    for Judged { step, .. } in targets {
        let Step::Send(sending) = step else { continue };
        let at = slot.instant(number, pushes, job.work.targets.len());
        number += 1;
        if at + LATE < now {
            let reason = job.waits().unwrap_or(WaitReason::Pace);
            *step = Step::Wait { pair: sending.receiver.pair(), due: now, reason };
        } else {
            sending.starts_at = Some(at);
        }
    }
}
