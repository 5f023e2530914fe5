//! Acceptance and idempotency keys.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use herald::store::engine::{IdempotencyKey, Item, ItemVerdict, Submission, Verdict};
use herald::store::idempotency::Before;
use herald::store::notification::NotificationStatus;

use crate::kit::{DAY, submission, users};
use crate::world::World;

fn key(world: &World, text: &str, body: u8) -> IdempotencyKey {
    IdempotencyKey { app: world.app, route: "notifications", key: text.to_owned(), body_hash: [body; 32] }
}

/// One notification under a key, answered with `answer`.
fn keyed(world: &World, key: IdempotencyKey, answer: &'static str) -> Submission {
    Submission { key: Some(key), answer: Arc::new(|_| Bytes::from_static(answer.as_bytes())), ..submission(world.direct(users(&["ann"]))) }
}

fn new() -> Verdict {
    Verdict::New(vec![ItemVerdict::Accepted])
}

fn replayed(answer: &'static str) -> Verdict {
    Verdict::Replayed(Bytes::from_static(answer.as_bytes()))
}

async fn accepted(world: &World, submissions: Vec<Submission>) -> Vec<Verdict> {
    world.store().accept(submissions).await.unwrap()
}

pub async fn a_key_replays_the_first_answer_for_a_day(world: &mut World) {
    assert_eq!(accepted(world, vec![keyed(world, key(world, "k", 1), "first")]).await, [new()]);
    world.pass(Duration::from_secs(86_399));
    assert_eq!(accepted(world, vec![keyed(world, key(world, "k", 1), "second")]).await, [replayed("first")]);
    assert_eq!(accepted(world, vec![keyed(world, key(world, "k", 2), "third")]).await, [Verdict::Reused]);
    assert_eq!(world.store().backlog().await.unwrap(), 1);
    world.pass(Duration::from_secs(1));
    assert_eq!(accepted(world, vec![keyed(world, key(world, "k", 2), "fourth")]).await, [new()]);
    assert_eq!(accepted(world, vec![keyed(world, key(world, "k", 2), "fifth")]).await, [replayed("fourth")]);
}

pub async fn a_key_can_be_looked_up_for_a_day(world: &mut World) {
    let (same, other, unknown) = (key(world, "k", 1), key(world, "k", 2), key(world, "new", 1));
    let elsewhere = IdempotencyKey { route: "campaigns", ..same.clone() };
    accepted(world, vec![keyed(world, same.clone(), "first")]).await;
    let first = Before::Same(Bytes::from_static(b"first"));
    let asked = [unknown, other, same.clone(), elsewhere, same.clone()];
    let before = world.store().before(&asked).await.unwrap();
    assert_eq!(before, [Before::Nothing, Before::Other, first.clone(), Before::Nothing, first]);
    assert_eq!(world.store().before(&[]).await.unwrap(), []);
    world.pass(DAY);
    assert_eq!(world.store().before(&[same]).await.unwrap(), [Before::Nothing]);
}

pub async fn keys_are_apart_by_app_and_route(world: &mut World) {
    let other = world.store().ensure_apps(&["other".to_owned()]).await.unwrap()[0];
    let elsewhere = IdempotencyKey { route: "campaigns", ..key(world, "k", 2) };
    let foreign = IdempotencyKey { app: other, ..key(world, "k", 3) };
    let keys = [key(world, "k", 1), elsewhere, foreign];
    let submissions = keys.into_iter().map(|key| keyed(world, key, "a")).collect();
    assert_eq!(accepted(world, submissions).await, [new(), new(), new()]);
}

pub async fn a_key_counts_within_its_own_batch(world: &mut World) {
    let submissions = vec![
        keyed(world, key(world, "k", 1), "first"),
        keyed(world, key(world, "k", 1), "second"),
        keyed(world, key(world, "k", 2), "third"),
    ];
    assert_eq!(accepted(world, submissions).await, [new(), replayed("first"), Verdict::Reused]);
    assert_eq!(world.store().backlog().await.unwrap(), 1);
}

pub async fn items_of_a_batch_have_keys_of_their_own(world: &mut World) {
    let item = |text, body, answer: &'static str| Item {
        key: Some(key(world, text, body)),
        answer: Bytes::from_static(answer.as_bytes()),
        notification: world.direct(users(&["ann"])),
    };
    let items = vec![item("a", 1, "one"), item("a", 1, "two"), item("a", 2, "three"), item("b", 1, "four")];
    let answer = |verdicts: &[ItemVerdict]| Bytes::from(format!("{} items", verdicts.len()));
    let batch = Submission { key: Some(key(world, "all", 9)), items, answer: Arc::new(answer) };
    let one = ItemVerdict::Replayed(Bytes::from_static(b"one"));
    let verdicts = Verdict::New(vec![ItemVerdict::Accepted, one, ItemVerdict::Reused, ItemVerdict::Accepted]);
    assert_eq!(accepted(world, vec![batch]).await, [verdicts]);
    assert_eq!(world.store().backlog().await.unwrap(), 2);
    assert_eq!(accepted(world, vec![keyed(world, key(world, "all", 9), "x")]).await, [replayed("4 items")]);
    assert_eq!(accepted(world, vec![keyed(world, key(world, "b", 1), "x")]).await, [replayed("four")]);
}

pub async fn the_same_ids_sent_again_change_nothing(world: &mut World) {
    let new = world.direct(users(&["ann"]));
    let (id, other) = (world.accept(new.clone()).await, world.direct(users(&["bob"])));
    let again = vec![submission(new.clone()), submission(other.clone()), submission(other)];
    let verdict = Verdict::New(vec![ItemVerdict::Accepted]);
    assert_eq!(accepted(world, again).await, [verdict.clone(), verdict.clone(), verdict.clone()]);
    assert_eq!(world.store().backlog().await.unwrap(), 2);

    // also when its work is long done
    let work = world.taken().await.into_iter().find(|work| work.key.notification == id).unwrap();
    world.store().record(&crate::kit::record(&work, Vec::new(), Vec::new())).await.unwrap();
    assert_eq!(accepted(world, vec![submission(new)]).await, [verdict]);
    assert_eq!(world.store().backlog().await.unwrap(), 1);
}

pub async fn work_is_never_due_after_it_expires(world: &mut World) {
    let mut new = world.direct(users(&["ann"]));
    new.work[0].expires_at = world.later(Duration::from_secs(10));
    new.work[0].due_at = world.later(Duration::from_secs(30));
    world.accept(new).await;
    world.pass(Duration::from_secs(10));
    assert_eq!(world.scheduled().await.len(), 1);
}

pub async fn keys_are_forgotten_after_their_day(world: &mut World) {
    accepted(world, vec![keyed(world, key(world, "old", 1), "old")]).await;
    world.pass(DAY / 2);
    accepted(world, vec![keyed(world, key(world, "young", 1), "young")]).await;
    world.pass(DAY / 2);
    world.store().prune().await.unwrap();
    assert_eq!(accepted(world, vec![keyed(world, key(world, "young", 1), "x")]).await, [replayed("young")]);
    assert_eq!(accepted(world, vec![keyed(world, key(world, "old", 1), "x")]).await, [new()]);
}

pub async fn what_was_accepted_is_read_as_it_was_written(world: &mut World) {
    let mut new = world.direct(users(&["ann"]));
    new.content = Bytes::from_static(b"\x00anything\xff");
    new.category = Some("messages".to_owned());
    new.labels.insert("team".to_owned(), "chat".to_owned());
    new.start_at = world.later(Duration::from_mins(1));
    new.work[0].due_at = new.start_at;
    let id = world.accept(new.clone()).await;
    let read = world.store().read_notifications(&[(world.app, id)]).await.unwrap().pop().unwrap();
    assert_eq!((read.app, read.id, read.content, read.accepted_at), (world.app, id, new.content.clone(), new.accepted_at));
    assert_eq!((read.start_at, read.expires_at, read.day), (new.start_at, new.expires_at, new.day()));
    let view = world.view(id).await;
    assert_eq!((view.category, view.labels, view.accepted_at), (new.category, new.labels, new.accepted_at));
    assert_eq!(view.status, NotificationStatus::Scheduled);
    let other = world.store().ensure_apps(&["other".to_owned()]).await.unwrap()[0];
    assert!(world.store().read_notifications(&[(other, id)]).await.unwrap().is_empty());
    assert!(world.store().notification(other, id).await.unwrap().is_none());
}

pub async fn many_at_once_are_answered_in_order(world: &mut World) {
    let submissions: Vec<Submission> = (0..777).map(|n| keyed(world, key(world, &format!("k{}", n % 700), 1), "a")).collect();
    let verdicts = accepted(world, submissions).await;
    assert!(verdicts[..700].iter().all(|verdict| *verdict == new()));
    assert!(verdicts[700..].iter().all(|verdict| *verdict == replayed("a")));
    assert_eq!(world.store().backlog().await.unwrap(), 700);
}
