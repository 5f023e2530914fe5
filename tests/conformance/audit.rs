//! The audit log: what is done is written before, and how it ended after.

use std::time::Duration;

use herald::domain::id::AppId;
use herald::store::audit::{Act, Actor, AuditFilter, NewAct};
use herald::store::{Error, PageRequest};
use uuid::Uuid;

use crate::kit::{DAY, SECOND};
use crate::world::World;

const KEY: Uuid = Uuid::from_u128(77);

fn act(n: u128, actor: Actor, act: &str) -> NewAct {
    let object = (n % 2 == 1).then(|| format!("object {n}"));
    NewAct { id: Uuid::from_u128(n), actor, request_id: Some(format!("request {n}")), act: act.to_owned(), object }
}

fn by_key() -> Actor {
    Actor::Key { id: KEY, name: "back\"end".to_owned() }
}

async fn begin(world: &World, act: &NewAct) {
    world.store().begin_act(world.app, act).await.unwrap();
}

async fn all(world: &World, app: AppId, filter: &AuditFilter) -> Vec<Act> {
    world.store().acts(app, filter, &PageRequest { limit: 100, after: None }).await.unwrap().items
}

async fn numbers(world: &World, filter: &AuditFilter) -> Vec<u128> {
    all(world, world.app, filter).await.into_iter().map(|act| act.begun.id.as_u128()).collect()
}

pub async fn an_act_is_written_before_it_is_done(world: &mut World) {
    let (first, second) = (act(1, by_key(), "create_key"), act(2, Actor::Local, "delete_key"));
    let third = NewAct { request_id: None, ..act(3, Actor::BuiltIn, "put_category") };
    let at = world.now();
    begin(world, &first).await;
    world.pass(SECOND);
    begin(world, &second).await;
    begin(world, &third).await;
    let begun = |begun: &NewAct, at, status| Act { begun: begun.clone(), at, status };
    let mut expected = [begun(&third, world.now(), None), begun(&second, world.now(), None), begun(&first, at, None)];
    assert_eq!(all(world, world.app, &AuditFilter::default()).await, expected);

    world.pass(SECOND);
    let store = world.store();
    store.end_act(world.app, first.id, 201, Some("made")).await.unwrap();
    store.end_act(world.app, third.id, 412, None).await.unwrap();
    store.end_act(world.app, Uuid::nil(), 500, None).await.unwrap();
    (expected[2].status, expected[2].begun.object) = (Some(201), Some("made".to_owned()));
    expected[0].status = Some(412);
    assert_eq!(all(world, world.app, &AuditFilter::default()).await, expected);
    // an id is one act's
    assert!(store.begin_act(world.app, &first).await.is_err_and(|error| !error.is_transient()));
    world.restart().await;
    assert_eq!(all(world, world.app, &AuditFilter::default()).await, expected);
}

pub async fn acts_belong_to_their_app(world: &mut World) {
    let other = world.store().ensure_apps(&["other".to_owned()]).await.unwrap()[0];
    begin(world, &act(1, by_key(), "create_key")).await;
    assert!(all(world, other, &AuditFilter::default()).await.is_empty());
    world.store().end_act(other, Uuid::from_u128(1), 201, Some("theirs")).await.unwrap();
    let own = &all(world, world.app, &AuditFilter::default()).await[0];
    assert_eq!((own.status, own.begun.object.as_deref()), (None, Some("object 1")));
}

pub async fn the_latest_act_is_listed_first(world: &mut World) {
    // several of one instant
    for n in 1..=9 {
        begin(world, &act(n, by_key(), "put_category")).await;
        if n % 3 == 0 {
            world.pass(SECOND);
        }
    }
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = world.store().acts(world.app, &AuditFilter::default(), &PageRequest { limit: 2, after }).await.unwrap();
        found.extend(page.items.into_iter().map(|act| act.begun.id.as_u128()));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(found, (1..=9).rev().collect::<Vec<_>>());
    let foreign = PageRequest { limit: 2, after: Some("%".to_owned()) };
    assert!(matches!(world.store().acts(world.app, &AuditFilter::default(), &foreign).await, Err(Error::ForeignCursor)));
}

pub async fn acts_are_found_by_act_key_and_time(world: &mut World) {
    let begun = world.now();
    for n in 1..=6 {
        let actor = if n > 3 { Actor::Local } else { by_key() };
        begin(world, &act(n, actor, if n % 2 == 0 { "put_category" } else { "delete_key" })).await;
        world.pass(SECOND);
    }
    let at = |seconds: u64| Some(begun + chrono::TimeDelta::seconds(i64::try_from(seconds).unwrap()));
    let none = AuditFilter::default();
    for (filter, expected) in [
        (AuditFilter { act: Some("put_category".to_owned()), ..none.clone() }, vec![6, 4, 2]),
        (AuditFilter { act: Some("put".to_owned()), ..none.clone() }, vec![]),
        (AuditFilter { key: Some(KEY), ..none.clone() }, vec![3, 2, 1]),
        (AuditFilter { key: Some(Uuid::nil()), ..none.clone() }, vec![]),
        (AuditFilter { from: at(2), ..none.clone() }, vec![6, 5, 4, 3]),
        (AuditFilter { to: at(2), ..none.clone() }, vec![2, 1]),
        (AuditFilter { act: Some("delete_key".to_owned()), key: Some(KEY), from: at(1), to: at(9) }, vec![3]),
    ] {
        assert_eq!(numbers(world, &filter).await, expected, "{filter:?}");
    }
}

pub async fn acts_are_forgotten_after_their_time(world: &mut World) {
    let other = world.store().ensure_apps(&["other".to_owned()]).await.unwrap()[0];
    world.store().begin_act(other, &act(9, Actor::Local, "create_key")).await.unwrap();
    for n in 1..=3 {
        begin(world, &act(n, by_key(), "create_key")).await;
        world.pass(DAY);
    }
    let kept = 2 * DAY;
    world.store().prune_acts(kept).await.unwrap();
    assert_eq!(numbers(world, &AuditFilter::default()).await, [3, 2], "what is exactly as old is kept");
    assert!(all(world, other, &AuditFilter::default()).await.is_empty(), "whichever app's they are");
    world.store().prune_acts(Duration::from_hours(24 * 3650)).await.unwrap();
    assert_eq!(numbers(world, &AuditFilter::default()).await, [3, 2]);
}
