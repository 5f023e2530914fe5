//! Runs with a pace: their rows are let into the window as fast as it asks, and taken with a span of time for each that no other row has.

use std::time::Duration;

use chrono::TimeDelta;
use futures_util::future::join_all;
use herald::domain::Timestamp;
use herald::domain::pace::{AHEAD, LATE, Pace, Slot};
use herald::domain::reason::WaitReason;
use herald::domain::work::{NewWork, Stream, TakenWork, Targets};
use herald::store::engine::{Finished, NewNotification, Record, Terms};

use crate::kit::{LEASE, SECOND, users};
use crate::world::World;

const MOMENT: Duration = Duration::from_millis(100);

/// At 10 a second, rows of two targets each.
fn paced(world: &World, rows: usize) -> NewNotification {
    let lists = (0..rows).map(|n| users(&[&format!("u{n}"), &format!("v{n}")])).collect();
    NewNotification { terms: Terms { pace: Pace::new(10), ..Terms::default() }, ..world.named_fan_out(lists) }
}

fn two() -> TimeDelta {
    Pace::new(10).unwrap().span(2)
}

fn begin(work: &TakenWork) -> Timestamp {
    let Slot { at, pace } = work.slot.unwrap();
    assert_eq!(Some(pace), Pace::new(10));
    at
}

/// What is released now and taken at once: the beginnings of its spans.
async fn slots(world: &World) -> Vec<Timestamp> {
    let keys = world.released().await;
    let mut slots: Vec<Timestamp> = world.claimed(&keys).await.iter().map(begin).collect();
    slots.sort_unstable();
    slots
}

pub async fn rows_have_spans_of_their_own(world: &mut World) {
    world.accept(paced(world, 8)).await;
    let mut all = slots(world).await;
    assert_eq!(all.len(), 2);
    assert!(all[0] > world.now() + LATE && all[1] < world.now() + AHEAD);
    // all that is near is allotted
    assert!(slots(world).await.is_empty());
    for _ in 0..20 {
        world.pass(MOMENT);
        all.extend(slots(world).await);
    }
    assert_eq!(all.len(), 8);
    assert!(all.windows(2).all(|pair| pair[1] - pair[0] == two()), "{all:?}");
}

/// However long they wait in the window.
pub async fn rows_are_released_as_their_run_is_fed(world: &mut World) {
    world.accept(paced(world, 40)).await;
    assert_eq!(world.released().await.len(), 7);
    assert!(world.released().await.is_empty());
    let mut more = 0;
    for _ in 0..20 {
        world.pass(MOMENT);
        more += world.released().await.len();
    }
    // a quarter more than 2 s of it
    assert_eq!(more, 12);
}

pub async fn what_is_claimed_too_early_is_due_in_time(world: &mut World) {
    world.accept(paced(world, 7)).await;
    let keys = world.released().await;
    let taken = world.claimed(&keys).await;
    let left: Vec<_> = keys.iter().filter(|key| taken.iter().all(|work| work.key != **key)).copied().collect();
    assert_eq!((taken.len(), left.len()), (2, 5));
    // not at once, or it would be asked for again and again
    world.pass(MOMENT);
    assert!(world.released().await.is_empty());
    world.pass(MOMENT * 3);
    let next = world.released().await;
    let again: Vec<Timestamp> = world.claimed(&next).await.iter().map(begin).collect();
    assert_eq!(again, [taken.iter().map(begin).max().unwrap() + two()]);
    assert!(left.contains(&next[0]));
}

/// Whoever asks, and for whatever rows.
pub async fn claims_of_many_never_share_an_instant(world: &mut World) {
    world.accept(paced(world, 7)).await;
    let mut all = Vec::new();
    for _ in 0..12 {
        let keys = world.released().await;
        let store = world.store();
        let claims = join_all(keys.iter().map(|key| store.claim(std::slice::from_ref(key), LEASE))).await;
        all.extend(claims.into_iter().flat_map(|claim| claim.unwrap().work).map(|work| begin(&work)));
        assert!(all.iter().all(|at| *at < world.now() + AHEAD));
        world.pass(MOMENT);
    }
    all.sort_unstable();
    assert!(all.len() > 3 && all.windows(2).all(|pair| pair[1] - pair[0] >= two()), "{all:?}");
}

pub async fn time_without_work_is_lost(world: &mut World) {
    world.accept(paced(world, 8)).await;
    slots(world).await;
    world.pass(SECOND * 10);
    let late = slots(world).await;
    assert_eq!(late.len(), 2);
    assert!(late[0] > world.now());
}

pub async fn what_comes_again_has_another_span(world: &mut World) {
    world.accept(paced(world, 1)).await;
    let keys = world.released().await;
    let first = begin(&world.claimed(&keys).await[0]);
    world.pass(LEASE);
    assert_eq!(world.released().await, keys);
    let work = world.claimed(&keys).await.pop().unwrap();
    let again = begin(&work);
    assert!(again >= first + TimeDelta::from_std(LEASE).unwrap());
    // and so has what follows
    let follow_up = NewWork { fan_out: true, stream: Stream::Bulk, reason: Some(WaitReason::Throttled), ..world.work(work.targets) };
    let finished = vec![Finished { key: work.key, epoch: work.epoch, follow_ups: vec![follow_up] }];
    world.store().record(&Record { finished, ..Record::default() }).await.unwrap();
    let keys = world.released().await;
    let retried = world.claimed(&keys).await.pop().unwrap();
    assert_eq!((begin(&retried), retried.reason), (again + two(), Some(WaitReason::Throttled)));
}

pub async fn a_run_that_is_paused_spends_no_time(world: &mut World) {
    let id = world.accept(paced(world, 8)).await;
    let keys = world.released().await;
    assert!(world.store().pause(world.app, id).await.unwrap());
    assert!(world.claimed(&keys).await.is_empty());
    assert!(world.store().resume(world.app, id).await.unwrap());
    let held: Vec<TakenWork> = world.claimed(&keys).await;
    let began: Vec<Timestamp> = held.iter().map(begin).collect();
    assert!(began.contains(&(world.now() + TimeDelta::milliseconds(100))), "{began:?}");
    // nor is the time of the pause caught up with
    assert!(world.store().pause(world.app, id).await.unwrap());
    let held: Vec<_> = held.iter().map(|work| (work.key, work.epoch)).collect();
    world.store().hand_back(&held).await.unwrap();
    world.pass(SECOND * 10);
    assert!(world.store().resume(world.app, id).await.unwrap());
    let after = slots(world).await;
    assert_eq!(after, [world.now() + TimeDelta::milliseconds(100), world.now() + TimeDelta::milliseconds(100) + two()]);
}

pub async fn a_clock_that_is_set_back_stalls_no_run(world: &mut World) {
    world.accept(paced(world, 20)).await;
    world.pass(SECOND * 20);
    assert_eq!(slots(world).await.len(), 2);
    world.set_back(SECOND * 10);
    let mut after = Vec::new();
    for _ in 0..10 {
        after.extend(slots(world).await);
        world.pass(MOMENT);
    }
    // what was allotted before it stepped is not allotted again while it lasts
    assert!(after[0] >= world.now() - TimeDelta::seconds(1) + AHEAD, "{after:?}");
    assert!(after.len() > 2 && after.windows(2).all(|pair| pair[1] - pair[0] >= two()), "{after:?}");
}

pub async fn what_is_cancelled_has_no_pace(world: &mut World) {
    let id = world.accept(paced(world, 8)).await;
    assert_eq!(world.released().await.len(), 7);
    assert!(world.store().cancel(world.app, id).await.unwrap());
    let keys = world.released().await;
    let taken = world.claimed(&keys).await;
    assert_eq!((taken.len(), taken.iter().filter(|work| work.slot.is_none()).count()), (8, 8));
}

/// What is over is only to be recorded.
pub async fn what_has_expired_has_no_pace(world: &mut World) {
    let mut new = paced(world, 8);
    new.expires_at = world.later(SECOND);
    for work in &mut new.work {
        work.expires_at = new.expires_at;
    }
    world.accept(new).await;
    assert_eq!(world.released().await.len(), 7);
    world.pass(Duration::from_mins(1));
    let keys = world.released().await;
    let taken = world.claimed(&keys).await;
    assert_eq!((taken.len(), taken.iter().filter(|work| work.slot.is_none()).count()), (8, 8));
}

/// A row that was taken in vain may be what ended its worker.
pub async fn what_was_taken_in_vain_has_its_takes_in_a_paced_run_too(world: &mut World) {
    let lists = vec![users(&["u"]), users(&["v"])];
    world.accept(NewNotification { terms: Terms { pace: Pace::new(10), ..Terms::default() }, ..world.named_fan_out(lists) }).await;
    let mut takes = Vec::new();
    for _ in 0..20 {
        let keys = world.released().await;
        takes.push(world.claimed(&keys).await.len());
        world.pass(LEASE * 2);
    }
    // together twice, then one after the other, and then they are dead
    assert_eq!(takes[..2], [2, 2]);
    assert!(takes[2..].iter().all(|taken| *taken < 2), "{takes:?}");
    assert_eq!(takes.iter().sum::<usize>(), 10, "{takes:?}");
}

pub async fn others_are_served_meanwhile(world: &mut World) {
    let slow = world.accept(paced(world, 8)).await;
    let fast = world.accept(world.named_fan_out(vec![users(&["w"])])).await;
    let mut served = Vec::new();
    for _ in 0..2 {
        served.extend(world.released().await.into_iter().map(|key| key.notification));
    }
    served.dedup();
    assert_eq!(served, [slow, fast]);
    assert!(world.released().await.is_empty());
}

/// Its audience is taken as fast as it can be.
pub async fn an_expansion_takes_none_of_the_time(world: &mut World) {
    let new = NewNotification { terms: Terms { pace: Pace::new(10), ..Terms::default() }, ..world.fan_out() };
    world.device("d", None).await;
    world.accept(new).await;
    let keys = world.released().await;
    let work = world.claimed(&keys).await.pop().unwrap();
    assert_eq!(work.slot, None);
    let page = world.store().read_page(work.key, 10, &world.everyone()).await.unwrap().unwrap();
    let targets = Targets::Pairs(page.devices.iter().map(|member| member.pair).collect());
    let chunk = NewWork { fan_out: true, stream: Stream::Bulk, ..world.work(targets) };
    assert!(world.store().commit_page(work.key, work.epoch, &page, &[chunk]).await.unwrap());
    assert_eq!(slots(world).await, [world.now() + TimeDelta::milliseconds(100)]);
}
