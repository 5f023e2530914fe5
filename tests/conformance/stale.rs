//! Devices that nobody has seen for long: left out of audiences, and deactivated.

use std::time::Duration;

use herald::domain::device::{DeviceStatus, InactiveReason};
use herald::store::device::Swept;

use crate::kit::{DAY, SECOND, iphone, record};
use crate::world::World;

pub async fn a_page_tells_when_each_device_was_seen(world: &mut World) {
    let first = world.device("first", Some("ann")).await;
    world.pass(SECOND);
    let second = world.device("second", None).await;
    world.accept(world.fan_out()).await;
    let work = world.only_taken().await;
    let page = world.store().read_page(work.key, 10, &world.everyone()).await.unwrap().unwrap();
    let seen: Vec<_> = page.devices.iter().map(|member| (member.pair.device, member.last_seen_at)).collect();
    assert_eq!(seen, [(first.pk, first.last_seen_at), (second.pk, second.last_seen_at)]);
    assert!(first.last_seen_at < second.last_seen_at);
    assert_eq!(page.left_out, 0);
    let previewed = world.store().read_devices(world.app, 0, 10, &world.everyone()).await.unwrap();
    assert_eq!(previewed.devices, page.devices);
}

pub async fn what_an_audience_left_out_is_told_and_is_no_target(world: &mut World) {
    for name in ["one", "two", "three", "four"] {
        world.device(name, None).await;
    }
    let id = world.accept(world.fan_out()).await;
    assert_eq!(world.view(id).await.left_out.stale, 0);
    let work = world.only_taken().await;
    for (limit, left_out) in [(3, 2), (3, 1)] {
        let mut page = world.store().read_page(work.key, limit, &world.everyone()).await.unwrap().unwrap();
        page.devices.clear();
        page.left_out = left_out;
        assert!(world.store().commit_page(work.key, work.epoch, &page, &[]).await.unwrap());
        // the cursor has moved on: once more it counts nothing
        assert!(!world.store().commit_page(work.key, work.epoch, &page, &[]).await.unwrap());
    }
    let view = world.view(id).await;
    assert_eq!((view.left_out.stale, view.counts.waiting), (3, 0));
    // who was named is never left out
    let named = world.accept(world.direct(crate::kit::users(&["ann"]))).await;
    let work = world.only_taken().await;
    world.store().record(&record(&work, Vec::new(), Vec::new())).await.unwrap();
    assert_eq!(world.view(named).await.left_out.stale, 0);
}

async fn sweep(world: &World, limit: usize) -> Vec<usize> {
    let until = world.now() - chrono::TimeDelta::days(30);
    let (mut after, mut found) = (0, Vec::new());
    loop {
        let Swept { deactivated, to } = world.store().deactivate_stale(world.app, until, after, limit).await.unwrap();
        found.push(deactivated);
        match to {
            Some(to) => after = to,
            None => return found,
        }
    }
}

pub async fn the_longest_unseen_are_deactivated_part_by_part(world: &mut World) {
    let other = world.store().ensure_apps(&["other".to_owned()]).await.unwrap()[0];
    world.store().put_device(other, "elsewhere", iphone(None, "token-elsewhere"), None).await.unwrap();
    for name in ["a", "b", "c"] {
        world.device(name, Some("ann")).await;
    }
    world.pass(Duration::from_secs(30 * 86_400 - 1));
    let young = world.device("d", Some("ann")).await;
    assert_eq!(sweep(world, 2).await.iter().sum::<usize>(), 0);
    world.pass(SECOND);
    // seen again at the last moment
    let seen = world.device("b", Some("ann")).await;
    let found = sweep(world, 2).await;
    assert_eq!((found.iter().sum::<usize>(), found.len()), (2, 3), "{found:?}");
    for name in ["a", "c"] {
        let device = world.store().device(world.app, name).await.unwrap().unwrap();
        assert_eq!((device.status, device.inactive_reason), (DeviceStatus::Inactive, Some(InactiveReason::Stale)));
        assert_eq!((device.updated_at, device.version), (world.now(), 2));
    }
    for device in [young, seen] {
        assert_eq!(world.store().device(world.app, &device.name).await.unwrap().unwrap(), device);
    }
    let elsewhere = world.store().device(other, "elsewhere").await.unwrap().unwrap();
    assert_eq!(elsewhere.status, DeviceStatus::Active);
    // another node finds nothing left to do
    assert_eq!(sweep(world, 100).await, [0]);
}

pub async fn a_stale_device_that_registers_is_active_again(world: &mut World) {
    world.device("a", Some("ann")).await;
    world.pass(DAY * 31);
    assert_eq!(sweep(world, 100).await, [1]);
    world.pass(Duration::from_secs(1));
    let again = world.device("a", Some("ann")).await;
    assert_eq!((again.status, again.inactive_reason, again.last_seen_at), (DeviceStatus::Active, None, world.now()));
    assert_eq!(sweep(world, 100).await, [0]);
}
