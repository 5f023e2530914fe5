//! Rows of runs with a pace, from what was read of them to what is sent.

use std::sync::Arc;

use chrono::TimeDelta;

use super::world::World;
use crate::dispatch::audience::{self, Answered};
use crate::dispatch::claim;
use crate::dispatch::job::Job;
use crate::dispatch::plan::{Planned, Step};
use crate::domain::pace::{Pace, Slot};
use crate::domain::reason::WaitReason;
use crate::domain::work::TakenWork;

/// A row of two pushes at ten a second, which waited for this, and whose span began so many milliseconds ago.
async fn planned(ago: i64, waited: Option<WaitReason>) -> Planned {
    let world = World::new().await;
    let node = world.hand().recording();
    world.iphones(&["ann", "ben"]).await;
    world.accept(&["ann", "ben"]).await;
    let job = claim::claim(&node, world.ready(&node).await).await.remove(0);
    let answered = audience::read(&node, vec![Arc::clone(&job)]).await.unwrap().remove(0);
    let slot = Slot { at: answered.now - TimeDelta::milliseconds(ago), pace: Pace::new(10).unwrap() };
    let work = TakenWork { slot: Some(slot), reason: waited, ..job.work.clone() };
    let job = Arc::new(Job::new(work, Arc::clone(&job.message), job.entry.clone(), (job.deadline(), 0.0)));
    Planned::of(Answered { job, ..answered })
}

/// So nothing takes a place under a cap, or has its place renewed, that is not sent.
#[tokio::test]
async fn what_comes_after_its_instant_waits_before_anything_is_asked_for_it() {
    for (ago, late) in [(-100, 0), (0, 0), (24, 0), (90, 1), (300, 2)] {
        let plan = planned(ago, None).await;
        let waiting = plan.steps().filter(|step| matches!(step, Step::Wait { due, reason: WaitReason::Pace, .. } if *due == plan.now));
        assert_eq!(waiting.count(), late, "{ago}");
        let at = |step: &Step| if let Step::Send(sending) = step { sending.starts_at } else { None };
        let starts: Vec<_> = plan.steps().filter_map(at).collect();
        assert_eq!(starts.len(), 2 - late, "{ago}");
        assert!(starts.is_sorted_by(|one, other| *other - *one > TimeDelta::milliseconds(100)), "{ago}");
    }
}

#[tokio::test]
async fn a_reason_of_its_own_is_not_overwritten_by_the_pace() {
    let cases = [
        (None, WaitReason::Pace),
        (Some(WaitReason::Scheduled), WaitReason::Pace),
        (Some(WaitReason::QuietHours), WaitReason::Pace),
        (Some(WaitReason::Pace), WaitReason::Pace),
        (Some(WaitReason::Throttled), WaitReason::Throttled),
        (Some(WaitReason::Unavailable), WaitReason::Unavailable),
        (Some(WaitReason::LanePaused), WaitReason::LanePaused),
    ];
    for (waited, waits) in cases {
        assert_eq!(planned(0, waited).await.job.waits(), Some(waits));
        let plan = planned(300, waited).await;
        assert!(plan.steps().all(|step| matches!(step, Step::Wait { reason, .. } if *reason == waits)), "{waited:?}");
    }
}
