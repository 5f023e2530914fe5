//! Roles that are on several nodes, and the end of a node.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::store::Fault;
use super::world::{Hand, World, until};
use crate::dispatch::draft::To;
use crate::dispatch::handle::Dispatch;
use crate::dispatch::role::Roles;
use crate::dispatch::{claim, hand_back, recorder, scheduler, worker};
use crate::domain::device::{Change, DeviceChange};
use crate::domain::id::NotificationId;
use crate::store::{Devices, Engine};

const SECOND: Duration = Duration::from_secs(1);
const NOTHING: Roles = Roles { api: false, worker: false, scheduler: false };

#[tokio::test]
async fn what_is_under_way_at_the_end_goes_back_as_if_never_taken() {
    let world = World::new().await;
    let node = world.hand().recording();
    world.iphones(&["ann", "bob", "cid"]).await;
    let id = world.accept(&["ann", "bob"]).await;
    let untouched = world.accept(&["cid"]).await;
    world.provider.answers(false);
    let (under_way, unread): (Vec<_>, Vec<_>) = world.ready(&node).await.into_iter().partition(|taken| taken.entry.key.notification == id);
    world.work_on(&node, under_way).await;
    assert_eq!(claim::claim(&node, unread).await.len(), 1);
    until("both are under way", async || (world.provider.started().len() == 2).then_some(())).await;

    assert_eq!(hand_back::hand_back(&node).await.unwrap(), 2);
    assert_eq!((node.held.all().len(), world.queue.acked.lock().unwrap().len()), (0, 2));
    let next = world.hand().recording();
    let taken = world.ready(&next).await;
    assert_eq!(taken.len(), 2, "at once");
    let jobs = claim::claim(&next, taken).await;
    assert!(jobs.iter().all(|job| job.work.takes == 1), "a stop is no take in vain");
    world.provider.answers(true);
    worker::work_on_jobs(&next, jobs).await;
    until("all are sent", async || (world.is_done(id).await && world.is_done(untouched).await).then_some(())).await;
    assert_eq!((world.counts(id).await.sent, world.counts(untouched).await.sent), (2, 1));
    let started = world.provider.started();
    let repeated = started.iter().filter(|one| started.iter().filter(|other| other == one).count() == 2).count();
    assert_eq!((started.len(), repeated), (5, 4), "what was under way is repeated with the same ids");
}

/// What became known in the last moment is written before the rest is handed back, so that nobody repeats it.
#[tokio::test]
async fn the_last_outcomes_are_written_first() {
    let world = World::new().await;
    let hand = world.hand();
    world.iphones(&["ann", "bob"]).await;
    let id = world.accept(&["ann", "bob"]).await;
    let taken = world.ready(&hand.node).await;
    world.work_on(&hand.node, taken).await;
    // both answers are known and nobody has written them
    until("both have answered", async || (world.provider.started().len() == 2 && hand.events.len() == 3).then_some(())).await;
    let node = Arc::clone(&hand.node);
    let recording = async {
        hand.node.hard_stop.cancelled().await;
        recorder::run(Arc::clone(&hand.node), hand.events).await;
    };
    let (handed_back, ()) = tokio::join!(hand_back::hand_back(&node), recording);
    assert_eq!(handed_back.unwrap(), 0, "nothing is left to hand back");
    assert!(world.is_done(id).await);
    assert_eq!((world.counts(id).await.sent, world.provider.started().len()), (2, 2));
}

/// A node that was told the last outcome and has not written it.
async fn told_the_last(world: &World) -> (NotificationId, Hand) {
    let hand = world.hand();
    world.iphones(&["ann"]).await;
    let id = world.accept(&["ann"]).await;
    let taken = world.ready(&hand.node).await;
    world.work_on(&hand.node, taken).await;
    until("it has answered", async || (world.provider.started().len() == 1 && hand.events.len() == 2).then_some(())).await;
    (id, hand)
}

/// A moment's fault at the end is no reason to send again what is known to have been sent.
#[tokio::test]
async fn the_last_outcomes_are_written_though_the_store_is_away_for_a_moment() {
    let world = World::new().await;
    let (id, hand) = told_the_last(&world).await;
    world.store.fail("record", [Fault::Before, Fault::Before]);
    let node = Arc::clone(&hand.node);
    node.hard_stop.cancel();
    let (handed_back, ()) = tokio::join!(hand_back::hand_back(&node), recorder::run(Arc::clone(&node), hand.events));
    assert_eq!(handed_back.unwrap(), 0, "nothing is left to hand back");
    assert_eq!((world.counts(id).await.sent, world.provider.started().len()), (1, 1));
}

/// Where what is known cannot be written nothing is handed back: whoever took it would send it at once, and without knowing.
#[tokio::test]
async fn what_is_known_and_not_written_is_not_handed_back() {
    let world = World::new().await;
    let (_, hand) = told_the_last(&world).await;
    let node = Arc::clone(&hand.node);
    tokio::time::pause();
    world.store.fail("record", [Fault::Before; 26]);
    node.hard_stop.cancel();
    let (handed_back, ()) = tokio::join!(hand_back::hand_back(&node), recorder::run(Arc::clone(&node), hand.events));
    tokio::time::resume();
    assert!(matches!(handed_back, Err(error) if error.is_transient()));
    assert_eq!(world.ready(&world.hand().node).await, [], "its lease is left to lapse");
}

/// A named device that has changed hands is nobody's: when it is handed back it must not be named as one on which nobody is signed in.
#[tokio::test]
async fn a_device_that_changed_hands_is_not_handed_back() {
    let world = World::new().await;
    let node = world.hand().node;
    world.iphones(&["ann"]).await;
    let (id, submission) = world.submission_to(To::Devices(vec!["phone-of-ann".to_owned()])).await;
    world.store.accept(vec![submission]).await.unwrap();
    world.clock.pass(SECOND);
    let signs = async |user| {
        let change = DeviceChange { user, ..DeviceChange::default() };
        world.store.put_device(world.app, "phone-of-ann", change, None).await.unwrap()
    };
    drop(signs(Change::Set("bob".to_owned())).await);
    let taken = world.ready(&node).await;
    world.work_on(&node, taken).await;
    // what it found out comes after the last that is written
    node.flushed.cancel();
    assert_eq!(hand_back::hand_back(&node).await.unwrap(), 1);
    drop(signs(Change::Clear).await);
    let node = world.hand().recording();
    let taken = world.ready(&node).await;
    world.work_on(&node, taken).await;
    until("it is over", async || world.is_done(id).await.then_some(())).await;
    assert_eq!((world.counts(id).await.suppressed, world.provider.started().len()), (1, 0));
}

/// A fault of the handing back itself is one of a moment as well.
#[tokio::test]
async fn what_is_handed_back_is_tried_again() {
    let world = World::new().await;
    let node = world.hand().recording();
    world.iphones(&["ann"]).await;
    world.accept(&["ann"]).await;
    world.accept_for_all().await;
    let taken = world.ready(&node).await;
    assert_eq!(claim::claim(&node, taken).await.len(), 2);
    world.store.fail("record", [Fault::After]);
    world.store.fail("hand_back", [Fault::Before]);
    assert_eq!(hand_back::hand_back(&node).await.unwrap(), 2);
    assert_eq!(world.ready(&world.hand().node).await.len(), 2, "at once, and each once");
}

#[tokio::test]
async fn an_audience_that_is_being_read_goes_on_elsewhere() {
    let world = World::new().await;
    let node = world.hand().recording();
    world.iphones(&["ann"]).await;
    world.accept_for_all().await;
    let taken = world.ready(&node).await;
    assert_eq!(claim::claim(&node, taken).await.len(), 1);
    assert_eq!(hand_back::hand_back(&node).await.unwrap(), 1);
    assert_eq!(world.ready(&world.hand().node).await.len(), 1, "at once");
}

/// The claim is answered after the end has begun.
#[tokio::test]
async fn what_is_being_claimed_at_the_end_goes_back_too() {
    let world = World::new().await;
    let node = world.hand().recording();
    world.accept(&["ann"]).await;
    let taken = world.ready(&node).await;
    let (claimed, handed_back) = tokio::join!(claim::claim(&node, taken), hand_back::hand_back(&node));
    assert_eq!((claimed.len(), handed_back.unwrap()), (1, 1));
    assert_eq!(world.ready(&world.hand().node).await.len(), 1, "at once");
}

/// The store refused the batch, and goes away before all of its rows are claimed alone.
#[tokio::test]
async fn what_was_claimed_before_the_node_stopped_is_worked_on() {
    let world = World::new().await;
    let node = world.hand().node;
    for user in ["ann", "bob", "cid"] {
        world.accept(&[user]).await;
    }
    let taken = world.ready(&node).await;
    node.stopping.cancel();
    world.store.fail("claim", [Fault::Refused, Fault::None, Fault::Before]);
    assert_eq!(claim::claim(&node, taken).await.len(), 1);
    assert_eq!(node.held.all().len(), 1);
}

/// What the queue has handed out is nobody else's: a take is not given up half way.
#[tokio::test]
async fn what_is_being_taken_when_a_node_stops_is_worked_on() {
    let world = World::new().await;
    let node = world.hand().recording();
    world.iphones(&["ann"]).await;
    let id = world.accept(&["ann"]).await;
    scheduler::round(&node).await.unwrap();
    world.queue.answers(false);
    node.tasks.spawn(Box::pin(worker::run(Arc::clone(&node))));
    until("it is taken", async || (world.queue.taken.load(Ordering::SeqCst) == 1).then_some(())).await;
    node.stopping.cancel();
    tokio::task::yield_now().await;
    world.queue.answers(true);
    until("it is sent", async || world.is_done(id).await.then_some(())).await;
}

/// Each part of the path on a node of its own, and nothing without all of them.
#[tokio::test]
async fn every_role_does_its_part() {
    let world = World::new().await;
    world.iphones(&["ann"]).await;
    let api = Dispatch::start(world.parts(), Roles { api: true, ..NOTHING });
    let (_, submission) = world.submission(&["ann"]).await;
    assert!(api.submit(submission).await.is_ok());
    let id = world.accept(&["ann"]).await;
    until("the api has published what it accepted", async || {
        (crate::queue::Queue::len(&*world.queue, crate::domain::work::Stream::High).await.unwrap() == 1).then_some(())
    })
    .await;
    let scheduler = Dispatch::start(world.parts(), Roles { scheduler: true, ..NOTHING });
    until("the scheduler has made the other ready", async || {
        (crate::queue::Queue::len(&*world.queue, crate::domain::work::Stream::High).await.unwrap() == 2).then_some(())
    })
    .await;
    assert_eq!((world.store.calls("claim"), world.provider.started().len()), (0, 0));
    let worker = Dispatch::start(world.parts(), Roles { worker: true, ..NOTHING });
    until("it is sent", async || world.is_done(id).await.then_some(())).await;
    assert!(worker.submit(world.submission(&["ann"]).await.1).await.is_err(), "no api, no requests");
    drop((api, scheduler, worker));
}

/// Any number of nodes that all look for due work: each piece is sent once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_several_schedulers_see_is_sent_once() {
    let world = World::new().await;
    world.iphones(&["ann"]).await;
    let mut ids = Vec::new();
    for _ in 0..100 {
        ids.push(world.accept(&["ann"]).await);
    }
    let nodes: Vec<_> = (0..3).map(|_| Dispatch::start(world.parts(), Roles::ALL)).collect();
    for id in ids {
        until("it is sent", async || world.is_done(id).await.then_some(())).await;
    }
    let mut started = world.provider.started();
    started.sort_unstable();
    started.dedup();
    assert_eq!((started.len(), world.provider.started().len()), (100, 100));
    drop(nodes);
}
