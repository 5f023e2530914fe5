//! What a new process finds; of the leases of the one before, and of their lapse.

use std::time::Duration;

use herald::domain::principal::Principal;
use herald::store::notification::NotificationStatus;

use crate::kit::{GUARD, LEASE, SECOND, record, users};
use crate::world::World;

pub async fn after_a_restart_nobody_holds_anything(world: &mut World) {
    world.accept(world.direct(users(&["held"]))).await;
    let held = world.only_taken().await;
    world.accept(world.direct(users(&["published"]))).await;
    assert_eq!(world.scheduled().await.len(), 1);
    let mut accepted = world.direct(users(&["published by accept"]));
    accepted.work[0].due_at = world.later(GUARD);
    world.accept(accepted).await;
    let mut deferred = world.direct(users(&["deferred"]));
    deferred.start_at = world.later(Duration::from_hours(1));
    deferred.work[0].due_at = deferred.start_at;
    let deferred = world.accept(deferred).await;
    world.accept(world.fan_out()).await;
    assert_eq!(world.released().await.len(), 1);

    world.restart().await;
    let taken = world.taken().await;
    assert_eq!(taken.len(), 4);
    assert_eq!(world.view(deferred).await.status, NotificationStatus::Scheduled);
    let again = taken.iter().find(|work| work.key == held.key).unwrap();
    assert_eq!((again.epoch, again.first), (2, false));
    // the dead process's plans miss
    let late = world.store().record(&record(&held, Vec::new(), Vec::new())).await.unwrap();
    assert!(late.ended.is_empty());
    assert!(world.store().renew(&[(held.key, held.epoch)], LEASE).await.unwrap().is_empty());
}

pub async fn a_process_that_comes_voids_nothing(world: &mut World) {
    world.accept(world.direct(users(&["held"]))).await;
    let held = world.only_taken().await;
    world.accept(world.direct(users(&["published"]))).await;
    let published = world.scheduled().await;

    world.restart().await;
    assert!(world.scheduled().await.is_empty());
    assert!(world.claimed(&[held.key]).await.is_empty());
    assert_eq!(world.store().renew(&[(held.key, held.epoch)], LEASE).await.unwrap(), [held.key]);
    assert_eq!(world.claimed(&published).await.len(), 1);
    world.pass(LEASE);
    assert_eq!(world.claimed(&[held.key]).await[0].epoch, 2);
}

pub async fn a_restart_does_not_wake_the_dead(world: &mut World) {
    world.accept(world.direct(users(&["ann"]))).await;
    let key = world.only_taken().await.key;
    for _ in 0..4 {
        world.pass(LEASE);
        assert_eq!(world.claimed(&[key]).await.len(), 1);
    }
    world.pass(LEASE);
    assert!(world.claimed(&[key]).await.is_empty());
    world.restart().await;
    assert!(world.scheduled().await.is_empty());
}

pub async fn what_was_committed_is_there_after_a_restart(world: &mut World) {
    let device = world.device("phone", Some("ann")).await;
    let id = world.accept(world.direct(users(&["ann"]))).await;
    world.restart().await;
    assert_eq!(world.store().device(world.app, "phone").await.unwrap(), Some(device.clone()));
    assert_eq!(world.view(id).await.counts.waiting, 1);
    assert_eq!(world.store().ensure_apps(&["demo".to_owned()]).await.unwrap(), [world.app]);
    world.store().delete_device(world.app, "phone", &Principal::Backend).await.unwrap();
    world.restart().await;
    assert!(world.device("phone", Some("ann")).await.pk > device.pk);
}

pub async fn a_caller_that_goes_away_does_not_undo_its_write(world: &mut World) {
    let store = world.shared();
    let app = world.app;
    let new = crate::kit::submission(world.direct(users(&["ann"])));
    let mut accept = Box::pin(store.accept(vec![new]));
    // polled once the job is handed in; then its caller is gone
    assert!(futures_util::poll!(accept.as_mut()).is_pending());
    drop(accept);
    // jobs are done in order
    store.ensure_apps(&["after".to_owned()]).await.unwrap();
    assert_eq!(store.backlog().await.unwrap(), 1);
    assert_eq!(store.ensure_apps(&["demo".to_owned()]).await.unwrap(), [app]);
    world.pass(SECOND);
}
