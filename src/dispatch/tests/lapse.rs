//! Leases that lapse, or seem to: whose work is taken over, and whose is left alone.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;

use super::world::{LEASE, World, until};
use crate::dispatch::node::Node;
use crate::dispatch::reclaim;
use crate::domain::id::NotificationId;
use crate::queue::Taken;
use crate::store::Engine;

const MOMENT: Duration = Duration::from_millis(1);

/// A push of this node that is not answered yet, and its entry.
async fn under_way(world: &World, holder: &Arc<Node>) -> (NotificationId, Vec<Taken>) {
    world.iphones(&["ann"]).await;
    world.provider.answers(false);
    let id = world.accept(&["ann"]).await;
    let taken = world.ready(holder).await;
    world.work_on(holder, taken.clone()).await;
    until("it is under way", async || (world.provider.started().len() == 1).then_some(())).await;
    (id, taken)
}

#[tokio::test]
async fn work_of_a_node_that_died_is_taken_over() {
    let world = World::new().await;
    let (dead, node) = (world.settled().await, world.hand().recording());
    world.iphones(&["ann"]).await;
    let id = world.accept(&["ann"]).await;
    let taken = world.ready(&dead.node).await;
    world.store.claim(&[taken[0].entry.key], LEASE).await.unwrap();
    drop(dead);
    world.clock.pass(LEASE + MOMENT);
    let taken = world.ready(&node).await;
    world.work_on(&node, taken).await;
    until("it is sent", async || world.is_done(id).await.then_some(())).await;
    assert_eq!(world.counts(id).await.sent, 1);
}

/// A clock that jumps an hour: the one who holds the work goes on, nobody else begins with it.
#[tokio::test]
async fn a_step_takes_nothing_from_its_holder() {
    for hours in [1, -1] {
        let world = World::new().await;
        let (holder, other) = (world.settled().await.recording(), world.settled().await.recording());
        let (id, _) = under_way(&world, &holder).await;

        world.clock.step(TimeDelta::hours(hours));
        assert_eq!(world.ready(&other).await, [], "{hours} h: what seems to have lapsed is left alone");
        holder.look_at_clock().await.unwrap();
        until("what is held is renewed at once", async || (world.store.calls("renew") == 1).then_some(())).await;
        for _ in 0..3 {
            world.clock.pass(LEASE / 2);
            assert_eq!(world.ready(&other).await, [], "{hours} h: it is renewed");
            let renewed = world.store.calls("renew");
            holder.renew.notify_one();
            until("it is renewed", async || (world.store.calls("renew") > renewed).then_some(())).await;
        }
        world.provider.answers(true);
        until("it is sent", async || world.is_done(id).await.then_some(())).await;
        assert_eq!((world.provider.started().len(), world.counts(id).await.sent), (1, 1), "{hours} h");
    }
}

/// A queue entry that comes twice, and a clock that stepped between.
#[tokio::test]
async fn what_a_node_holds_it_does_not_claim_again() {
    let world = World::new().await;
    let node = world.settled().await.recording();
    world.iphones(&["ann"]).await;
    world.provider.answers(false);
    let id = world.accept(&["ann"]).await;
    let taken = world.ready(&node).await;
    world.work_on(&node, taken.clone()).await;
    world.clock.step(TimeDelta::hours(1));
    let claims = world.store.calls("claim");
    world.work_on(&node, taken.clone()).await;
    assert_eq!(world.store.calls("claim"), claims);
    assert_eq!(*world.queue.acked.lock().unwrap(), taken, "it is forgotten");
    world.provider.answers(true);
    until("it is sent", async || world.is_done(id).await.then_some(())).await;
    assert_eq!(world.provider.started().len(), 1);
}

#[tokio::test]
async fn what_the_dead_had_taken_is_reclaimed_and_worked_on() {
    let world = World::new().await;
    let node = world.settled().await.recording();
    world.iphones(&["ann", "bob"]).await;
    let (id, over) = (world.accept(&["ann"]).await, world.accept(&["bob"]).await);
    let taken = world.ready(&node).await;
    assert!(world.store.cancel(world.app, over).await.unwrap());
    let (gone, open): (Vec<_>, Vec<_>) = taken.into_iter().partition(|taken| taken.entry.key.notification == over);
    world.work_on(&node, gone.clone()).await;
    let acked = || world.queue.acked.lock().unwrap().len();
    until("one of them is over", async || (acked() == 1).then_some(())).await;
    world.queue.pending.lock().unwrap().extend(open.into_iter().chain(gone));
    reclaim::round(&node).await.unwrap();
    until("the other is sent", async || world.is_done(id).await.then_some(())).await;
    until("both are acked", async || (acked() == 3).then_some(())).await;
    assert_eq!(world.counts(id).await.sent, 1);
}

/// Entries say how many targets they have only once they are reclaimed.
#[tokio::test]
async fn no_more_is_claimed_of_what_the_dead_had_taken_than_there_are_permits() {
    let world = World::new().await;
    let node = world.hand_with_permits(3).recording();
    world.clock.pass(LEASE);
    assert!(node.may_take_lapsed().await.unwrap());
    world.iphones(&["ann", "bob"]).await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(world.accept(&["ann", "bob"]).await);
    }
    let taken = world.ready(&node).await;
    world.queue.pending.lock().unwrap().extend(taken);
    reclaim::round(&node).await.unwrap();
    for id in ids {
        until("it is sent", async || world.is_done(id).await.then_some(())).await;
    }
    assert_eq!(world.store.calls("claim"), 3, "two of them have more targets than there are permits");
}

#[tokio::test]
async fn nothing_is_reclaimed_while_lapsed_leases_are_left_alone() {
    let world = World::new().await;
    let node = world.settled().await.recording();
    world.accept(&["nobody"]).await;
    let taken = world.ready(&node).await;
    world.queue.pending.lock().unwrap().extend(taken);
    world.clock.step(TimeDelta::hours(1));
    reclaim::round(&node).await.unwrap();
    assert_eq!(world.queue.pending.lock().unwrap().len(), 1);
    world.clock.pass(LEASE);
    reclaim::round(&node).await.unwrap();
    assert_eq!(world.queue.pending.lock().unwrap().len(), 0);
}

/// A step between the look at the clock and the look at the rows.
#[tokio::test]
async fn what_seemed_to_lapse_while_it_was_looked_at_is_not_published() {
    let world = World::new().await;
    let (holder, node) = (world.settled().await, world.settled().await);
    world.iphones(&["ann"]).await;
    world.accept(&["ann"]).await;
    let taken = world.ready(&holder.node).await;
    world.store.claim(&[taken[0].entry.key], LEASE).await.unwrap();
    let clock = Arc::clone(&world.clock);
    world.store.before("schedule", move || clock.step(TimeDelta::hours(1)));
    assert_eq!(world.ready(&node.node).await, []);
    assert!(node.node.hold_back.is_on(node.node.monotonic()));
}

/// The same where entries are reclaimed, whose holder has a send under way.
#[tokio::test]
async fn what_seemed_to_lapse_while_it_was_reclaimed_is_left_to_its_holder() {
    let world = World::new().await;
    let (holder, other) = (world.settled().await.recording(), world.settled().await.recording());
    let (id, taken) = under_way(&world, &holder).await;

    world.queue.pending.lock().unwrap().extend(taken);
    let clock = Arc::clone(&world.clock);
    world.store.before("claim", move || clock.step(TimeDelta::hours(1)));
    reclaim::round(&other).await.unwrap();
    world.provider.answers(true);
    until("its outcome is written", async || (world.counts(id).await.sent == 1).then_some(())).await;
    world.clock.pass(LEASE + MOMENT);
    let taken = world.ready(&other).await;
    world.work_on(&other, taken).await;
    until("it is done", async || world.is_done(id).await.then_some(())).await;
    assert_eq!((world.provider.started().len(), world.counts(id).await.sent), (1, 1));
}

/// What was read first may be old by the time that the rest has been read: it is read once more.
#[tokio::test]
async fn a_read_that_took_long_is_not_taken_for_new() {
    let world = World::new().await;
    let node = world.settled().await.recording();
    world.iphones(&["ann"]).await;
    let id = world.accept(&["ann"]).await;
    let taken = world.ready(&node).await;
    let clock = Arc::clone(&world.clock);
    world.store.before("read_targets", move || clock.pass(Duration::from_secs(3)));
    world.work_on(&node, taken).await;
    until("it is sent", async || world.is_done(id).await.then_some(())).await;
    assert_eq!((world.store.calls("read_targets"), world.counts(id).await.sent), (2, 1));
}
