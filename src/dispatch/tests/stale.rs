//! Devices that nobody has seen for long.

use std::sync::Arc;
use std::time::Duration;

use super::world::{Hand, World};
use crate::dispatch::directory::{App, Directory};
use crate::dispatch::{claim, expand, stale};
use crate::domain::device::{DeviceChange, DeviceStatus, InactiveReason};
use crate::domain::staleness::Staleness;
use crate::store::Devices;

const DAY: Duration = Duration::from_hours(24);

/// A node whose app has these limits.
fn strict(world: &World, staleness: Staleness) -> Hand {
    let mut parts = world.parts();
    let known = parts.directory.app(world.app).unwrap();
    let App { id, name, defaults, phones, providers, .. } = &*known;
    let (defaults, phones, providers) = (defaults.clone(), Arc::clone(phones), providers.clone());
    let app = App { id: *id, name: name.clone(), defaults, staleness, phones, providers, generation: 0 };
    parts.directory = Arc::new(Directory::new(vec![app], Arc::clone(&parts.store), Arc::clone(&parts.clock)));
    World::hand_of(parts)
}

/// Ann's phone and Ben's; Ben's is seen again so much later.
async fn phones(world: &World, later: Duration) {
    world.iphones(&["ann", "ben"]).await;
    world.clock.pass(later);
    drop(world.store.put_device(world.app, "phone-of-ben", DeviceChange::default(), None).await.unwrap());
}

#[tokio::test]
async fn an_audience_leaves_out_who_was_not_seen_for_long() {
    let world = World::new().await;
    phones(&world, DAY * 30).await;
    let node = strict(&world, Staleness { leave_out_after: Some(30), deactivate_after: None }).recording();
    let id = world.accept_for_all().await;
    let taken = world.ready(&node).await;
    for job in claim::claim(&node, taken).await {
        expand::run(Arc::clone(&node), job).await;
    }
    let view = world.view(id).await;
    assert_eq!((view.left_out.stale, view.counts.waiting), (1, 1));
    // who is named is meant
    let named = world.accept(&["ann"]).await;
    let view = world.view(named).await;
    assert_eq!((view.left_out.stale, view.counts.waiting), (0, 1));
}

#[tokio::test]
async fn a_look_through_all_deactivates_them() {
    let world = World::new().await;
    phones(&world, DAY * 270).await;
    let node = strict(&world, Staleness { leave_out_after: None, deactivate_after: Some(270) }).node;
    let app = node.directory.app(world.app).unwrap();
    stale::sweep(&node, &app).await;
    let state = async |name: &str| {
        let device = world.store.device(world.app, name).await.unwrap().unwrap();
        (device.status, device.inactive_reason)
    };
    assert_eq!(state("phone-of-ann").await, (DeviceStatus::Inactive, Some(InactiveReason::Stale)));
    assert_eq!(state("phone-of-ben").await, (DeviceStatus::Active, None));
}

#[tokio::test]
async fn without_a_limit_nobody_is_touched() {
    let world = World::new().await;
    phones(&world, DAY * 3650).await;
    let node = world.hand().node;
    let app = node.directory.app(world.app).unwrap();
    stale::sweep(&node, &app).await;
    assert_eq!(world.store.calls("deactivate_stale"), 0);
}
