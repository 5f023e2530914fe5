//! Cancelled and paused elsewhere: what this node has in its hands.

use std::sync::Arc;
use std::time::Duration;

use super::world::{World, until};
use crate::dispatch::node::Node;
use crate::dispatch::{claim, expand, stop, worker};
use crate::domain::id::NotificationId;
use crate::store::Engine;
use crate::store::engine::RunStatus;

/// A notification to everybody whose audience was read: its one chunk is due.
async fn expanded(world: &World, node: &Arc<Node>) -> NotificationId {
    let id = world.accept_for_all().await;
    let taken = world.ready(node).await;
    for job in claim::claim(node, taken).await {
        expand::run(Arc::clone(node), job).await;
    }
    id
}

async fn look(node: &Node) {
    stop::look(node, &mut node.now(), stop::LONGEST_COMMIT).await.unwrap();
}

/// Nothing new is started, what is under way is recorded, and the rest waits in a row of its own until the run goes on.
#[tokio::test]
async fn what_a_node_holds_of_a_paused_run_goes_back() {
    let world = World::new().await;
    let hand = world.hand_with_permits(1);
    let node = hand.recording();
    world.iphones(&["ann", "bob", "cid"]).await;
    let id = expanded(&world, &node).await;
    let taken = world.ready(&node).await;
    world.provider.answers(false);
    let pausing = async {
        until("one is under way", async || (world.provider.started().len() == 1).then_some(())).await;
        assert!(world.store.pause(world.app, id).await.unwrap());
        look(&node).await;
        assert_eq!(node.stopped.get(id), Some(RunStatus::Paused));
        world.provider.answers(true);
    };
    tokio::join!(world.work_on(&node, taken), pausing);
    until("the rest is put back", async || node.held.all().is_empty().then_some(())).await;
    let counts = world.counts(id).await;
    assert_eq!((counts.sent, counts.waiting, world.provider.started().len()), (1, 2, 1));
    assert_eq!(world.ready(&node).await, [], "a paused run is not released");

    assert!(world.store.resume(world.app, id).await.unwrap());
    world.clock.pass(Duration::from_millis(1));
    look(&node).await;
    assert_eq!(node.stopped.get(id), None);
    let taken = world.ready(&node).await;
    assert_eq!(taken.iter().map(|taken| taken.entry.targets).collect::<Vec<_>>(), [2]);
    let jobs = claim::claim(&node, taken).await;
    assert_eq!(jobs[0].work.takes, 1, "the row is new");
    worker::work_on_jobs(&node, jobs).await;
    until("all are sent", async || (world.counts(id).await.sent == 3).then_some(())).await;
}

#[tokio::test]
async fn what_was_claimed_before_a_pause_is_put_back_untaken() {
    let world = World::new().await;
    let node = world.hand().recording();
    world.iphones(&["ann"]).await;
    let id = expanded(&world, &node).await;
    for _ in 0..6 {
        let taken = world.ready(&node).await;
        let jobs = claim::claim(&node, taken).await;
        assert!(world.store.pause(world.app, id).await.unwrap());
        worker::work_on_jobs(&node, jobs).await;
        assert_eq!((node.held.all().len(), world.counts(id).await.waiting), (0, 1));
        assert!(world.store.resume(world.app, id).await.unwrap());
    }
    assert_eq!(world.dead().await, [], "however often");
    assert_eq!(world.provider.started().len(), 0);
}

#[tokio::test]
async fn an_audience_is_not_read_on_while_its_run_is_paused() {
    let world = World::new().await;
    let node = world.hand().recording();
    world.iphones(&["ann"]).await;
    let id = world.accept_for_all().await;
    let taken = world.ready(&node).await;
    let jobs = claim::claim(&node, taken).await;
    assert!(world.store.pause(world.app, id).await.unwrap());
    look(&node).await;
    for job in jobs {
        expand::run(Arc::clone(&node), job).await;
    }
    assert_eq!((node.held.all().len(), world.store.calls("read_page")), (0, 0));
    assert!(world.store.resume(world.app, id).await.unwrap());
    let taken = world.ready(&node).await;
    assert_eq!(taken.len(), 1, "it goes on at once");
}

/// The waiting work of a cancelled run is made due when a node hears of it, and once more when no commit from before it is left.
#[tokio::test]
async fn a_cancel_is_hastened_twice() {
    let world = World::new().await;
    let (node, other) = (world.hand().node, world.hand().node);
    let id = world.accept(&["ann"]).await;
    assert!(world.store.cancel(world.app, id).await.unwrap());
    node.stopped.note(world.app, id, RunStatus::Cancelled, node.monotonic());
    for hastened in [1, 1] {
        look(&node).await;
        assert_eq!(world.store.calls("hasten"), hastened);
    }
    look(&other).await;
    assert_eq!(world.store.calls("hasten"), 2, "each node that hears of it");
    world.clock.pass(stop::LONGEST_COMMIT);
    for node in [&node, &other, &node, &other] {
        look(node).await;
    }
    assert_eq!(world.store.calls("hasten"), 4);
}

/// A resume that takes long to become visible bears the instant at which it began.
#[tokio::test]
async fn a_resume_that_became_visible_late_is_noticed() {
    let world = World::new().await;
    let node = world.hand().node;
    let id = expanded(&world, &node).await;
    assert!(world.store.pause(world.app, id).await.unwrap());
    look(&node).await;
    assert_eq!(node.stopped.get(id), Some(RunStatus::Paused));
    assert!(world.store.resume(world.app, id).await.unwrap());
    world.clock.pass(stop::LONGEST_COMMIT / 2);
    look(&node).await;
    assert_eq!(node.stopped.get(id), None);
}
