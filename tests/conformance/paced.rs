//! Runs with a pace: their rows are released with a span of time for each, none of which another row has.

use std::time::Duration;

use chrono::TimeDelta;
use herald::domain::Timestamp;
use herald::domain::pace::{LATE, Pace, Slot};
use herald::domain::work::{NewWork, Stream, Targets};
use herald::store::engine::{NewNotification, Terms};

use crate::kit::{LEASE, SECOND, users};
use crate::world::World;

/// At 10 a second, rows of two targets each.
fn paced(world: &World, rows: usize) -> NewNotification {
    let lists = (0..rows).map(|n| users(&[&format!("u{n}"), &format!("v{n}")])).collect();
    NewNotification { terms: Terms { pace: Pace::new(10), ..Terms::default() }, ..world.named_fan_out(lists) }
}

/// What is released now and taken at once: the beginnings of its spans.
async fn slots(world: &World) -> Vec<Timestamp> {
    let keys = world.released().await;
    let mut slots = Vec::new();
    for work in world.claimed(&keys).await {
        let Slot { at, pace } = work.slot.unwrap();
        assert_eq!(Some(pace), Pace::new(10));
        slots.push(at);
    }
    slots.sort_unstable();
    slots
}

pub async fn rows_have_spans_of_their_own(world: &mut World) {
    world.accept(paced(world, 8)).await;
    let two = Pace::new(10).unwrap().span(2);
    let first = slots(world).await;
    assert_eq!(first.windows(2).map(|pair| pair[1] - pair[0]).collect::<Vec<_>>(), [two]);
    assert!(first[0] > world.now() + LATE);
    // all that is near is allotted
    assert!(world.released().await.is_empty());
    let mut all = first;
    for _ in 0..20 {
        world.pass(Duration::from_millis(100));
        all.extend(slots(world).await);
    }
    assert_eq!(all.len(), 8);
    assert!(all.windows(2).all(|pair| pair[1] - pair[0] == two), "{all:?}");
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
    let first = world.claimed(&keys).await.pop().unwrap().slot.unwrap();
    world.pass(LEASE);
    assert_eq!(world.released().await, keys);
    let again = world.claimed(&keys).await.pop().unwrap().slot.unwrap();
    assert!(again.at >= first.at + TimeDelta::from_std(LEASE).unwrap());
    assert!(world.released().await.is_empty());
}

pub async fn what_is_cancelled_has_no_pace(world: &mut World) {
    let id = world.accept(paced(world, 8)).await;
    assert_eq!(world.released().await.len(), 2);
    assert!(world.store().cancel(world.app, id).await.unwrap());
    assert_eq!(world.released().await.len(), 8);
}

/// What is over is only to be recorded.
pub async fn what_has_expired_has_no_pace(world: &mut World) {
    let mut new = paced(world, 8);
    new.expires_at = world.later(SECOND);
    for work in &mut new.work {
        work.expires_at = new.expires_at;
    }
    world.accept(new).await;
    assert_eq!(world.released().await.len(), 2);
    world.pass(Duration::from_mins(1));
    assert_eq!(world.released().await.len(), 8);
}

pub async fn others_are_served_meanwhile(world: &mut World) {
    let slow = world.accept(paced(world, 8)).await;
    let fast = world.accept(world.named_fan_out(vec![users(&["w"])])).await;
    let mut served = Vec::new();
    for _ in 0..3 {
        served.extend(world.released().await.into_iter().map(|key| key.notification));
    }
    served.sort_unstable();
    assert_eq!(served, [slow, slow, fast]);
    let keys = world.released().await;
    assert!(keys.is_empty());
}

/// Its audience is taken as fast as it can be.
pub async fn an_expansion_takes_none_of_the_time(world: &mut World) {
    let new = NewNotification { terms: Terms { pace: Pace::new(10), ..Terms::default() }, ..world.fan_out() };
    world.device("d", None).await;
    world.accept(new).await;
    let keys = world.released().await;
    let work = world.claimed(&keys).await.pop().unwrap();
    let began = work.slot.unwrap().at;
    let page = world.store().read_page(work.key, 10, &world.everyone()).await.unwrap().unwrap();
    let targets = Targets::Pairs(page.devices.iter().map(|member| member.pair).collect());
    let chunk = NewWork { fan_out: true, stream: Stream::Bulk, ..world.work(targets) };
    assert!(world.store().commit_page(work.key, work.epoch, &page, &[chunk]).await.unwrap());
    assert_eq!(slots(world).await, [began]);
}
