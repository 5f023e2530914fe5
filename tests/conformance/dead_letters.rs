//! Work that nobody tries any more.

use std::time::Duration;

use herald::domain::delivery::Ending;
use herald::domain::id::{AppId, NotificationId, Target};
use herald::domain::work::{Targets, WorkKey};
use herald::store::dead_letter::DeadLetter;
use herald::store::{Error, PageRequest};

use crate::claim::spend;
use crate::kit::{SECOND, devices, pairs, record, users};
use crate::world::World;

async fn dead(world: &World, targets: Targets) -> WorkKey {
    world.accept(world.direct(targets)).await;
    let key = spend(world).await;
    assert!(world.claimed(&[key]).await.is_empty());
    key
}

async fn all(world: &World) -> Vec<DeadLetter> {
    let page = PageRequest { limit: 100, after: None };
    world.store().dead_letters(world.app, &page).await.unwrap().items
}

pub async fn what_died_is_listed_and_named(world: &mut World) {
    let phone = world.device("phone", Some("ann")).await;
    let user = dead(world, users(&["bob"])).await;
    let device = dead(world, devices(&["tablet"])).await;
    let pair = dead(world, pairs(&[&phone])).await;
    let found: Vec<_> = all(world).await.into_iter().map(|letter| (letter.work, letter.device, letter.user)).collect();
    let expected = [
        (pair.work, Some("phone".to_owned()), Some("ann".to_owned())),
        (device.work, Some("tablet".to_owned()), None),
        (user.work, None, Some("bob".to_owned())),
    ];
    assert_eq!(found, expected);
    let letter = world.store().dead_letter(world.app, pair.notification, pair.work).await.unwrap().unwrap();
    assert_eq!((letter.takes, letter.attempts, letter.died_at), (5, 0, world.now()));
    assert_eq!(letter.device.as_deref(), Some("phone"));
    // of their own app only
    let other = AppId(world.app.0 + 1);
    assert!(world.store().dead_letters(other, &PageRequest { limit: 9, after: None }).await.unwrap().items.is_empty());
    assert_eq!(world.store().dead_letter(other, pair.notification, pair.work).await.unwrap(), None);
    assert!(!world.store().retry_dead_letter(other, pair.notification, pair.work).await.unwrap());
}

pub async fn the_last_to_die_is_listed_first(world: &mut World) {
    let mut keys = Vec::new();
    for _ in 0..3 {
        keys.push(dead(world, users(&["ann"])).await.work);
        world.pass(SECOND);
    }
    keys.reverse();
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let page = world.store().dead_letters(world.app, &PageRequest { limit: 2, after }).await.unwrap();
        found.extend(page.items.into_iter().map(|letter| letter.work));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(found, keys);
    let foreign = PageRequest { limit: 2, after: Some("%".to_owned()) };
    assert!(matches!(world.store().dead_letters(world.app, &foreign).await, Err(Error::ForeignCursor)));
}

pub async fn a_dead_letter_that_is_retried_lives(world: &mut World) {
    let key = dead(world, users(&["ann"])).await;
    world.pass(Duration::from_mins(1));
    assert!(world.scheduled().await.is_empty());
    assert!(world.store().retry_dead_letter(world.app, key.notification, key.work).await.unwrap());
    assert!(all(world).await.is_empty());
    assert!(!world.store().retry_dead_letter(world.app, key.notification, key.work).await.unwrap(), "it is dead no more");
    let work = world.only_taken().await;
    assert_eq!((work.key, work.takes, work.spent, work.reason), (key, 1, false, None));
}

pub async fn what_ended_is_no_dead_letter(world: &mut World) {
    let key = dead(world, users(&["ann"])).await;
    assert!(world.store().cancel(world.app, key.notification).await.unwrap());
    let work = world.only_taken().await;
    assert!(!world.store().retry_dead_letter(world.app, key.notification, key.work).await.unwrap(), "it is being recorded");
    let cancelled = world.delivery(key.notification, Target::from_raw(-1), Ending::Cancelled);
    world.store().record(&record(&work, vec![cancelled], Vec::new())).await.unwrap();
    assert!(all(world).await.is_empty());
    let unknown = NotificationId(uuid::Uuid::nil());
    assert_eq!(world.store().dead_letter(world.app, unknown, key.work).await.unwrap(), None);
}
