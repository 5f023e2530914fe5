//! What is made ready, and when again.

use std::time::Duration;

use herald::domain::reason::WaitReason;
use herald::domain::work::Stream;
use herald::store::engine::Room;

use crate::kit::{GUARD, LEASE, SECOND, sweep, users, within};
use crate::world::World;
use herald::store::engine::Sweep;

pub async fn what_is_due_is_ready_once_per_guard(world: &mut World) {
    let id = world.accept(world.direct(users(&["ann"]))).await;
    let ready = world.store().schedule(&sweep()).await.unwrap();
    assert_eq!(ready.entries.len(), 1);
    assert_eq!((ready.entries[0].key.notification, ready.entries[0].stream, ready.more), (id, Stream::High, false));
    assert!(world.scheduled().await.is_empty());
    world.pass(GUARD);
    assert_eq!(world.scheduled().await.len(), 1);
}

pub async fn what_is_not_due_waits(world: &mut World) {
    let mut new = world.direct(users(&["ann"]));
    new.work[0].due_at = world.later(Duration::from_secs(90));
    world.accept(new).await;
    world.pass(Duration::from_secs(89));
    assert!(world.scheduled().await.is_empty());
    world.pass(SECOND);
    assert_eq!(world.scheduled().await.len(), 1);
}

pub async fn a_stream_gets_no_more_than_it_has_room_for(world: &mut World) {
    for _ in 0..5 {
        world.accept(world.direct(users(&["ann"]))).await;
        let mut normal = world.direct(users(&["ann"]));
        normal.work[0].stream = Stream::Normal;
        world.accept(normal).await;
    }
    let room = Room::from([(Stream::High, 3), (Stream::Normal, 0)]);
    let ready = world.store().schedule(&within(room.clone())).await.unwrap();
    assert_eq!((ready.entries.len(), ready.more), (3, true));
    assert!(ready.entries.iter().all(|entry| entry.stream == Stream::High));
    let ready = world.store().schedule(&sweep()).await.unwrap();
    assert_eq!((ready.entries.len(), ready.more), (7, false));
}

pub async fn the_longest_due_comes_first(world: &mut World) {
    let first = world.accept(world.direct(users(&["ann"]))).await;
    world.pass(SECOND);
    let mut older = world.direct(users(&["ann"]));
    older.work[0].due_at = world.now() - chrono::TimeDelta::seconds(10);
    let second = world.accept(older).await;
    let room = Room::from([(Stream::High, 1)]);
    let mut order = Vec::new();
    for _ in 0..2 {
        order.extend(world.store().schedule(&within(room.clone())).await.unwrap().entries.into_iter().map(|entry| entry.key.notification));
    }
    assert_eq!(order, [second, first]);
}

pub async fn what_is_held_is_looked_at_when_its_lease_lapses(world: &mut World) {
    world.accept(world.direct(users(&["ann"]))).await;
    let keys = world.scheduled().await;
    world.pass(Duration::from_secs(20));
    let taken = world.claimed(&keys).await;
    assert_eq!(taken.len(), 1);
    world.pass(Duration::from_secs(10));
    assert!(world.scheduled().await.is_empty());
    world.pass(Duration::from_secs(19));
    assert!(world.scheduled().await.is_empty());
    world.pass(SECOND);
    assert_eq!(world.scheduled().await, keys);
}

pub async fn a_guard_never_moves_work_past_its_end(world: &mut World) {
    let mut new = world.direct(users(&["ann"]));
    new.work[0].expires_at = world.later(Duration::from_secs(10));
    world.accept(new).await;
    let ready = world.store().schedule(&sweep()).await.unwrap();
    assert_eq!(ready.entries.len(), 1);
    // expired and lost by the queue: it comes back after its guard, and does not fill the window meanwhile
    world.pass(Duration::from_secs(15));
    assert!(world.scheduled().await.is_empty());
    world.pass(GUARD);
    assert_eq!(world.scheduled().await.len(), 1);
    assert!(world.scheduled().await.is_empty());
}

pub async fn fan_outs_are_not_scheduled(world: &mut World) {
    world.accept(world.fan_out()).await;
    assert!(world.scheduled().await.is_empty());
    assert_eq!(world.released().await.len(), 1);
}

pub async fn what_accept_publishes_is_not_published_beside_it(world: &mut World) {
    let mut new = world.direct(users(&["ann"]));
    new.work[0].due_at = world.later(GUARD);
    let id = world.accept(new).await;
    assert!(world.scheduled().await.is_empty());
    assert!(world.view(id).await.reasons.is_empty());
    world.pass(GUARD);
    assert_eq!(world.scheduled().await.len(), 1);
}

pub async fn a_deferral_keeps_its_reason_until_it_is_taken(world: &mut World) {
    world.accept(world.direct(users(&["ann"]))).await;
    let work = world.only_taken().await;
    let mut next = world.work(users(&["ann"]));
    next.reason = Some(WaitReason::QuietHours);
    next.due_at = world.later(Duration::from_hours(3));
    next.attempt = 2;
    world.store().record(&crate::kit::record(&work, Vec::new(), vec![next.clone()])).await.unwrap();
    assert!(world.scheduled().await.is_empty());
    world.pass(Duration::from_hours(3));
    let again = world.only_taken().await;
    assert_eq!((again.key.work, again.reason, again.attempt, again.first), (next.id, next.reason, 2, false));
}

pub async fn what_lapsed_can_be_held_back(world: &mut World) {
    world.accept(world.direct(users(&["ann"]))).await;
    world.accept(world.named_fan_out(vec![users(&["bob"])])).await;
    let mut keys = world.scheduled().await;
    keys.extend(world.released().await);
    assert_eq!(world.claimed(&keys).await.len(), 2);
    world.pass(LEASE);
    world.accept(world.direct(users(&["cem"]))).await;
    let held_back = Sweep { lapsed: false, ..sweep() };
    let fresh = world.store().schedule(&held_back).await.unwrap().entries;
    assert!(fresh.len() == 1 && !keys.contains(&fresh[0].key), "what nobody held is not held back: {fresh:?}");
    assert!(world.store().release(&held_back).await.unwrap().entries.is_empty());
    let mut lapsed = world.scheduled().await;
    lapsed.extend(world.released().await);
    assert_eq!(lapsed, keys);
}
