//! Work that does its workers harm.

use std::sync::atomic::Ordering;
use std::time::Duration;

use chrono::TimeDelta;

use super::world::{LEASE, World, until};
use crate::dispatch::node::Node;
use crate::domain::delivery::State;
use crate::domain::device::{Change, DeviceChange, Platform, PushToken};
use crate::domain::work::TakenWork;
use crate::queue::Taken;
use crate::store::{DeadLetters, Devices, Engine};

const MOMENT: Duration = Duration::from_millis(1);

/// A worker takes these and dies of them, together with its node.
async fn die_of(world: &World, taken: &[Taken]) -> Vec<TakenWork> {
    let keys: Vec<_> = taken.iter().map(|taken| taken.entry.key).collect();
    let claimed = world.store.claim(&keys, LEASE).await.unwrap().work;
    world.clock.pass(LEASE + MOMENT);
    claimed
}

async fn drain(world: &World, node: &std::sync::Arc<Node>) {
    let taken = world.ready(node).await;
    world.work_on(node, taken).await;
}

/// Each target is tried alone, as often as is allowed, and then left to people, who can have it tried again.
#[tokio::test]
async fn rendering_that_panics_kills_nothing_and_becomes_dead_letters() {
    let world = World::new().await;
    let node = world.settled().await.recording();
    world.iphones(&["ann", "bob"]).await;
    let id = world.accept(&["ann", "bob"]).await;
    world.provider.panics.store(true, Ordering::SeqCst);
    drain(&world, &node).await;
    until("they are set apart", async || node.held.all().is_empty().then_some(())).await;
    for round in 1.. {
        let taken = world.ready(&node).await;
        assert!(taken.iter().all(|taken| taken.entry.targets == 1), "each alone");
        world.work_on(&node, taken).await;
        until("they are given up for now", async || node.held.all().is_empty().then_some(())).await;
        let dead = world.dead().await.len();
        assert!(dead == 0 || round > 5, "five takes each");
        if dead == 2 {
            break;
        }
        // those that were taken twice take turns
        assert!(round < 12);
        world.clock.pass(LEASE + MOMENT);
    }
    let dead = world.dead().await;
    let view = world.view(id).await;
    assert_eq!((view.counts.waiting, view.reasons[&State::Waiting]["dead_letter"]), (2, 2));

    world.provider.panics.store(false, Ordering::SeqCst);
    for (id, work) in dead {
        assert!(world.store.retry_dead_letter(world.app, id, work).await.unwrap());
    }
    drain(&world, &node).await;
    until("they are sent", async || (world.counts(id).await.sent == 2).then_some(())).await;
    assert_eq!(world.provider.started().len(), 2);
}

/// The devices of one user are apart as well: what one does must not cost the other its turn.
#[tokio::test]
async fn devices_of_one_user_are_set_apart() {
    let world = World::new().await;
    let node = world.settled().await.recording();
    for (n, name) in ["one", "two"].iter().enumerate() {
        let change = DeviceChange {
            user: Change::Set("ann".to_owned()),
            platform: Some(Platform::Ios),
            token: Some(PushToken::Apns(format!("{n:064x}"))),
            ..DeviceChange::default()
        };
        world.store.put_device(world.app, name, change, None).await.unwrap();
    }
    world.accept(&["ann"]).await;
    world.provider.panics.store(true, Ordering::SeqCst);
    drain(&world, &node).await;
    until("they are set apart", async || node.held.all().is_empty().then_some(())).await;
    assert_eq!(world.ready(&node).await.len(), 2, "each alone");
}

/// One of three kills whoever takes it: its companions are sent, it is dead after five takes more, and lives when it is retried.
#[tokio::test]
async fn what_kills_its_worker_is_set_apart_and_left_alone() {
    let world = World::new().await;
    let node = world.settled().await.recording();
    world.iphones(&["ann", "bob", "cid"]).await;
    let id = world.accept(&["ann", "bob", "cid"]).await;
    for take in 1..=2 {
        let taken = world.ready(&node).await;
        assert_eq!(die_of(&world, &taken).await[0].takes, take);
    }
    drain(&world, &node).await;
    let mut singles = world.ready(&node).await;
    assert_eq!(singles.len(), 3, "on its third take it is split");
    let poison = singles.split_off(2);
    world.work_on(&node, singles).await;
    until("its companions are sent", async || (world.counts(id).await.sent == 2).then_some(())).await;

    for take in 1..=5 {
        let taken = if take == 1 { poison.clone() } else { world.ready(&node).await };
        let work = die_of(&world, &taken).await;
        assert_eq!((work.len(), work[0].takes, work[0].targets.len()), (1, take, 1));
    }
    assert_eq!(world.dead().await, []);
    drain(&world, &node).await;
    assert_eq!(world.dead().await, [(id, poison[0].entry.key.work)]);
    let counts = world.counts(id).await;
    assert_eq!((counts.sent, counts.waiting), (2, 1), "it waits, until it is retried or expires");
    assert_eq!(world.ready(&node).await, []);

    assert!(world.store.retry_dead_letter(world.app, id, poison[0].entry.key.work).await.unwrap());
    drain(&world, &node).await;
    until("it is sent", async || world.is_done(id).await.then_some(())).await;
    assert_eq!(world.counts(id).await.sent, 3);
}

#[tokio::test]
async fn a_panic_of_the_worker_is_not_its_end() {
    let world = World::new().await;
    let node = world.settled().await.recording();
    world.iphones(&["ann", "bob"]).await;
    let ids = [world.accept(&["ann"]).await, world.accept(&["bob"]).await];
    world.store.before("read_targets", || panic!("the test wants it"));
    drain(&world, &node).await;
    for id in ids {
        until("each is read and sent alone", async || world.is_done(id).await.then_some(())).await;
    }
    assert!(node.taking.is_empty());
}

/// An audience that cannot be taken goes on until it expires, and ends then.
#[tokio::test]
async fn an_audience_that_is_never_taken_ends_when_it_has_expired() {
    let world = World::new().await;
    let node = world.settled().await.recording();
    world.iphones(&["ann"]).await;
    let id = world.accept_for_all().await;
    for take in 1..=7 {
        let taken = world.ready(&node).await;
        assert_eq!(die_of(&world, &taken).await[0].takes, take, "it is never dead");
    }
    world.clock.pass(TimeDelta::days(2).to_std().unwrap());
    drain(&world, &node).await;
    world.ready(&node).await;
    until("it is over", async || world.is_done(id).await.then_some(())).await;
    assert_eq!(world.provider.started().len(), 0);
}
