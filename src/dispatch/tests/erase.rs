//! A user is forgotten while something waits for them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;

use super::world::{LEASE, World, draft, until};
use crate::dispatch::claim;
use crate::dispatch::draft::{Draft, To};
use crate::dispatch::erase::{erase, in_rounds};
use crate::dispatch::node::Node;
use crate::domain::clock::Clock;
use crate::domain::delivery::State;
use crate::domain::device::{Change, DeviceChange};
use crate::domain::id::NotificationId;
use crate::domain::notification::When;
use crate::domain::preferences::Preferences;
use crate::store::notification::NotificationStatus;
use crate::store::{Devices, Engine, People, Waiting};

const HOUR: Duration = Duration::from_hours(1);

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// A notification that is due in an hour.
async fn scheduled(world: &World, to: To) -> NotificationId {
    let when = When::At(world.clock.now() + TimeDelta::hours(1));
    world.accept_draft(Draft { when: Some(when), ..draft(to) }).await
}

/// Sends what is due, until nothing is in the node's hands.
async fn drain(world: &World, node: &Arc<Node>) {
    let taken = world.ready(node).await;
    world.work_on(node, taken).await;
    until("all of it ended", async || node.held.all().is_empty().then_some(())).await;
}

fn suppressed(n: u64) -> BTreeMap<String, u64> {
    BTreeMap::from([("no_active_device".to_owned(), n)])
}

/// Whether the user or their device is named: nobody gets it who comes under that name.
#[tokio::test]
async fn what_is_due_later_goes_to_nobody_of_that_name() {
    let world = World::new().await;
    let node = world.settled().await.recording();
    world.iphones(&["ann", "bob"]).await;
    let to_users = scheduled(&world, To::Users(names(&["ann", "bob"]))).await;
    let to_devices = scheduled(&world, To::Devices(names(&["phone-of-ann", "phone-of-bob"]))).await;
    let to_her = scheduled(&world, To::Users(names(&["ann"]))).await;

    assert!(erase(&node, world.app, "ann").await.unwrap());
    assert!(!erase(&node, world.app, "ann").await.unwrap());
    for id in [to_users, to_devices] {
        let view = world.view(id).await;
        assert_eq!((view.counts.waiting, view.counts.suppressed), (1, 1));
        assert_eq!(view.reasons[&State::Suppressed], suppressed(1));
    }
    assert_eq!(world.view(to_her).await.status, NotificationStatus::Done);
    assert_eq!(world.counts(to_her).await.suppressed, 1);

    world.iphones(&["ann"]).await;
    world.clock.pass(HOUR);
    drain(&world, &node).await;
    for id in [to_users, to_devices] {
        let counts = world.counts(id).await;
        assert_eq!((counts.sent, counts.suppressed, counts.waiting), (1, 1, 0));
    }
    assert_eq!(world.provider.started().len(), 2, "bob's");
}

/// A user of whom nothing is known but that they are to be sent something.
#[tokio::test]
async fn who_is_only_named_is_forgotten_as_well() {
    let world = World::new().await;
    let node = world.settled().await.recording();
    let id = scheduled(&world, To::Users(names(&["ann"]))).await;
    assert!(erase(&node, world.app, "ann").await.unwrap());
    assert_eq!(world.view(id).await.reasons[&State::Suppressed], suppressed(1));
    assert!(!erase(&node, world.app, "ann").await.unwrap(), "not as somebody either to whom that was addressed");
}

#[tokio::test]
async fn what_quiet_hours_hold_does_not_wait_for_their_end() {
    let world = World::new().await;
    let node = world.settled().await.recording();
    world.iphones(&["ann", "bob"]).await;
    let muted = Preferences { muted_until: Some(world.clock.now() + TimeDelta::hours(1)), ..Preferences::default() };
    for user in ["ann", "bob"] {
        world.store.put_preferences(world.app, user, &muted, None).await.unwrap().unwrap();
    }
    let id = world.accept(&["ann", "bob"]).await;
    drain(&world, &node).await;
    assert_eq!(world.view(id).await.reasons[&State::Waiting]["quiet_hours"], 2);

    assert!(erase(&node, world.app, "ann").await.unwrap());
    let view = world.view(id).await;
    assert_eq!((view.counts.waiting, &view.reasons[&State::Waiting]["quiet_hours"], view.counts.suppressed), (1, &1, 1));
    world.clock.pass(HOUR);
    drain(&world, &node).await;
    assert_eq!((world.counts(id).await.sent, world.provider.started().len()), (1, 1));
}

/// Rows of a fan-out whose run has not begun cannot be taken.
#[tokio::test]
async fn a_long_list_that_has_not_begun_names_them_no_more() {
    let world = World::new().await;
    let node = world.settled().await.recording();
    let many: Vec<String> = (0..1200).map(|n| format!("user-{n:04}")).collect();
    let id = scheduled(&world, To::Users(many)).await;
    assert!(erase(&node, world.app, "user-0700").await.unwrap());
    let view = world.view(id).await;
    assert_eq!((view.counts.waiting, view.counts.suppressed, view.status), (1199, 1, NotificationStatus::Scheduled));
}

#[tokio::test]
async fn more_rows_than_one_commit_takes_end() {
    let world = World::new().await;
    let node = world.settled().await.recording();
    world.iphones(&["ann"]).await;
    let mut ids = Vec::new();
    for _ in 0..250 {
        ids.push(scheduled(&world, To::Users(names(&["ann"]))).await);
    }
    assert!(erase(&node, world.app, "ann").await.unwrap());
    for id in ids {
        assert_eq!(world.view(id).await.reasons[&State::Suppressed], suppressed(1));
    }
}

/// A device that the notification leaves out was no target, and is none now.
#[tokio::test]
async fn who_is_left_out_is_not_counted() {
    let world = World::new().await;
    let node = world.settled().await.recording();
    world.iphones(&["ann", "bob"]).await;
    let when = When::At(world.clock.now() + TimeDelta::hours(1));
    let to = To::Users(names(&["ann", "bob"]));
    let id = world.accept_draft(Draft { when: Some(when), except_devices: names(&["phone-of-ann"]), ..draft(to) }).await;
    assert!(erase(&node, world.app, "ann").await.unwrap());
    let counts = world.counts(id).await;
    assert_eq!((counts.waiting, counts.suppressed), (1, 0));
}

/// What waits on behalf of a device's former user is theirs, whoever has the device.
#[tokio::test]
async fn what_waits_at_a_device_that_changed_hands_is_whose_it_was() {
    let world = World::new().await;
    let node = world.settled().await.recording();
    world.iphones(&["ann"]).await;
    let muted = Preferences { muted_until: Some(world.clock.now() + TimeDelta::hours(1)), ..Preferences::default() };
    world.store.put_preferences(world.app, "ann", &muted, None).await.unwrap().unwrap();
    let id = world.accept(&["ann"]).await;
    drain(&world, &node).await;
    let change = DeviceChange { user: Change::Set("bob".to_owned()), ..DeviceChange::default() };
    world.store.patch_device(world.app, "phone-of-ann", change, None).await.unwrap().unwrap();

    assert!(erase(&node, world.app, "bob").await.unwrap());
    assert_eq!(world.counts(id).await.waiting, 1);
    assert!(erase(&node, world.app, "ann").await.unwrap());
    assert_eq!(world.view(id).await.reasons[&State::Suppressed], suppressed(1));
}

/// What becomes of work in a worker's hands decides what is left to end, and nothing is forgotten before: who asks again is known.
#[tokio::test]
async fn work_in_a_workers_hands_is_waited_for() {
    for to in [To::Users(names(&["ann"])), To::Devices(names(&["phone-of-ann"]))] {
        let world = World::new().await;
        let node = world.settled().await.recording();
        world.iphones(&["ann"]).await;
        let id = world.accept_draft(draft(to)).await;
        let taken = world.ready(&node).await;
        let jobs = claim::claim(&node, taken).await;
        let error = in_rounds(1, &node, (world.app, "ann")).await.unwrap_err();
        assert!(error.is_transient());
        assert_eq!(world.store.somebody(world.app, "ann").await.unwrap().devices.len(), 1);

        for job in jobs {
            job.put_back(&node, world.clock.now() + TimeDelta::hours(1)).await.unwrap();
        }
        assert!(erase(&node, world.app, "ann").await.unwrap());
        assert_eq!(world.view(id).await.reasons[&State::Suppressed], suppressed(1));
    }
}

/// Whoever held it may be about to record what it sent to the others in the row.
#[tokio::test]
async fn a_lapsed_lease_is_left_alone_while_others_are() {
    let world = World::new().await;
    let node = world.hand().recording();
    world.iphones(&["ann", "bob"]).await;
    let id = world.accept(&["ann", "bob"]).await;
    let taken = world.ready(&node).await;
    let keys: Vec<_> = taken.iter().map(|taken| taken.entry.key).collect();
    assert_eq!(world.store.claim(&keys, Duration::from_secs(1)).await.unwrap().work.len(), 1);
    world.clock.pass(Duration::from_secs(2));
    assert!(in_rounds(2, &node, (world.app, "ann")).await.unwrap_err().is_transient());
    assert_eq!(world.counts(id).await.waiting, 2);

    world.clock.pass(LEASE);
    assert!(erase(&node, world.app, "ann").await.unwrap());
    let counts = world.counts(id).await;
    assert_eq!((counts.waiting, counts.suppressed), (1, 1));
}

/// A row that was given up waits for people, who may have it tried again.
#[tokio::test]
async fn dead_letters_of_theirs_go() {
    let world = World::new().await;
    let node = world.settled().await.recording();
    world.iphones(&["ann"]).await;
    let id = world.accept(&["ann"]).await;
    for _ in 0..6 {
        let taken = world.ready(&node).await;
        let keys: Vec<_> = taken.iter().map(|taken| taken.entry.key).collect();
        drop(world.store.claim(&keys, LEASE).await.unwrap());
        world.clock.pass(LEASE + Duration::from_secs(1));
    }
    assert_eq!(world.dead().await.len(), 1);
    assert!(erase(&node, world.app, "ann").await.unwrap());
    assert_eq!((world.dead().await.len(), world.counts(id).await.suppressed), (0, 1));
}

/// Work that was taken as soon as it was accepted, while all else was being forgotten, still names them.
#[tokio::test]
async fn work_that_is_taken_meanwhile_is_waited_for_once_more() {
    let world = World::new().await;
    let node = world.settled().await.recording();
    world.iphones(&["ann"]).await;
    let first = world.accept(&["ann"]).await;
    let taken = world.ready(&node).await;
    let jobs = claim::claim(&node, taken).await;
    let hand = world.hand().node;
    let release = async {
        // a round that looks again begins with who they are
        until("it looks again", async || (world.store.calls("somebody") > 1).then_some(())).await;
        let late = world.accept(&["ann"]).await;
        let taken = world.ready(&node).await;
        let late_jobs = claim::claim(&node, taken).await;
        for job in jobs {
            job.put_back(&node, world.clock.now() + TimeDelta::hours(1)).await.unwrap();
        }
        let is_gone = async || world.store.somebody(world.app, "ann").await.unwrap().people.is_empty().then_some(());
        until("all else is forgotten", is_gone).await;
        for job in late_jobs {
            job.put_back(&node, world.clock.now() + TimeDelta::hours(1)).await.unwrap();
        }
        late
    };
    let (erased, late) = tokio::join!(erase(&hand, world.app, "ann"), release);
    assert!(erased.unwrap());
    assert_eq!(world.view(first).await.reasons[&State::Suppressed], suppressed(1));
    assert_eq!(world.counts(late).await.waiting, 0);
}
