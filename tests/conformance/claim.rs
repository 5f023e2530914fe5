//! Who may hold a row: leases, epochs, takes.

use std::time::Duration;

use herald::domain::delivery::{Ending, State};
use herald::domain::reason::WaitReason;
use herald::domain::work::WorkKey;

use crate::kit::{LEASE, SECOND, record, users};
use crate::world::World;

pub async fn a_row_has_one_live_lease(world: &mut World) {
    world.accept(world.direct(users(&["ann"]))).await;
    let keys = world.scheduled().await;
    let twice = [keys[0], keys[0]];
    assert_eq!(world.claimed(&twice).await.len(), 1);
    assert!(world.claimed(&keys).await.is_empty());
    world.pass(Duration::from_secs(29));
    assert!(world.claimed(&keys).await.is_empty());
    world.pass(SECOND);
    let again = world.claimed(&keys).await;
    assert_eq!((again[0].epoch, again[0].takes, again[0].first), (2, 2, false));
}

pub async fn what_is_unknown_or_over_is_not_claimed(world: &mut World) {
    world.accept(world.direct(users(&["ann"]))).await;
    let work = world.only_taken().await;
    world.store().record(&record(&work, Vec::new(), Vec::new())).await.unwrap();
    world.pass(LEASE);
    let unknown = WorkKey { work: world.work_id(), ..work.key };
    assert!(world.claimed(&[work.key, unknown]).await.is_empty());
    assert!(world.claimed(&[]).await.is_empty());
}

pub async fn a_renewal_needs_the_epoch(world: &mut World) {
    world.accept(world.direct(users(&["ann"]))).await;
    world.accept(world.direct(users(&["bob"]))).await;
    let held = world.taken().await;
    world.pass(Duration::from_secs(20));
    let asked = [(held[0].key, held[0].epoch), (held[1].key, held[1].epoch + 1)];
    assert_eq!(world.store().renew(&asked, LEASE).await.unwrap(), [held[0].key]);
    world.pass(Duration::from_secs(10));
    let keys = [held[0].key, held[1].key];
    let taken = world.claimed(&keys).await;
    assert_eq!(taken.iter().map(|work| work.key).collect::<Vec<_>>(), [held[1].key]);
    world.pass(Duration::from_secs(20));
    assert_eq!(world.claimed(&keys).await.len(), 1);
    assert!(world.store().renew(&asked[..1], LEASE).await.unwrap().is_empty());
}

pub async fn what_is_handed_back_is_due_at_once(world: &mut World) {
    world.accept(world.direct(users(&["ann"]))).await;
    let work = world.only_taken().await;
    world.store().hand_back(&[(work.key, work.epoch + 1)]).await.unwrap();
    assert!(world.scheduled().await.is_empty());
    world.store().hand_back(&[(work.key, work.epoch)]).await.unwrap();
    // a renewal that was on its way takes nothing back
    assert!(world.store().renew(&[(work.key, work.epoch)], LEASE).await.unwrap().is_empty());
    let again = world.only_taken().await;
    assert_eq!((again.epoch, again.first), (3, false));
}

/// Takes the only row so often without progress that its takes are spent.
pub async fn spend(world: &World) -> WorkKey {
    let work = world.only_taken().await;
    for takes in 2..=5 {
        world.pass(LEASE);
        let again = world.claimed(&[work.key]).await;
        assert_eq!((again[0].takes, again[0].spent), (takes, false));
    }
    world.pass(LEASE);
    work.key
}

pub async fn a_single_that_was_taken_in_vain_is_dead_until_it_expires(world: &mut World) {
    let mut new = world.direct(users(&["ann"]));
    new.work[0].expires_at = world.later(Duration::from_mins(10));
    let id = world.accept(new).await;
    let key = spend(world).await;
    assert!(world.claimed(&[key]).await.is_empty());
    assert!(world.scheduled().await.is_empty());
    let view = world.view(id).await;
    assert_eq!((view.counts.waiting, view.reasons[&State::Waiting]["dead_letter"]), (1, 1));
    world.pass(Duration::from_secs(449));
    assert!(world.scheduled().await.is_empty());
    world.pass(SECOND);
    let work = world.only_taken().await;
    assert_eq!((work.spent, work.takes, work.reason), (true, 6, Some(WaitReason::DeadLetter)));
    let answer = world.answer(world.ask(&work)).await;
    let expired = world.delivery(id, answer.candidates[0].target, Ending::Expired("dead_letter".to_owned()));
    world.store().record(&record(&work, vec![expired], Vec::new())).await.unwrap();
    assert_eq!(world.view(id).await.reasons[&State::Expired]["dead_letter"], 1);
}

pub async fn a_dead_one_that_is_cancelled_is_taken_to_be_recorded(world: &mut World) {
    let id = world.accept(world.direct(users(&["ann"]))).await;
    let key = spend(world).await;
    assert!(world.claimed(&[key]).await.is_empty());
    assert!(world.store().cancel(world.app, id).await.unwrap());
    let work = world.only_taken().await;
    assert_eq!((work.key, work.spent), (key, true));
}

pub async fn what_was_taken_in_vain_twice_is_taken_a_few_at_a_time(world: &mut World) {
    for n in 0..40 {
        world.accept(world.direct(users(&[&format!("user-{n}")]))).await;
    }
    let all: Vec<WorkKey> = world.taken().await.iter().map(|work| work.key).collect();
    world.pass(LEASE);
    assert_eq!(world.claimed(&all).await.len(), 40, "once may be anybody's fault");
    world.pass(LEASE);
    let third = world.claimed(&all).await;
    assert_eq!(third.iter().map(|work| work.key).collect::<Vec<_>>(), all[..3]);
    assert!(world.scheduled().await.is_empty(), "the others are put off");
    world.pass(SECOND);
    let later = world.scheduled().await;
    assert_eq!(later.len(), 37);
    assert_eq!(world.claimed(&later).await.len(), 3);
    // what was taken more often comes after what was taken less
    world.pass(LEASE);
    assert!(world.claimed(&all).await.iter().all(|work| work.takes == 3));
}

pub async fn a_chunk_is_never_dead(world: &mut World) {
    world.accept(world.direct(users(&["ann", "bob"]))).await;
    let key = spend(world).await;
    let work = world.claimed(&[key]).await;
    assert_eq!((work[0].takes, work[0].spent), (6, false));
}

pub async fn takes_begin_anew_with_what_follows(world: &mut World) {
    world.accept(world.direct(users(&["ann"]))).await;
    let key = spend(world).await;
    world.store().hand_back(&[(key, 5)]).await.unwrap();
    assert!(world.claimed(&[key]).await.is_empty());
    world.accept(world.direct(users(&["bob"]))).await;
    let work = world.only_taken().await;
    world.store().record(&record(&work, Vec::new(), vec![world.work(users(&["bob"]))])).await.unwrap();
    let next = world.only_taken().await;
    assert_eq!((next.takes, next.epoch, next.first), (1, 1, false));
}

pub async fn a_thousand_keys_are_claimed_in_one_go(world: &mut World) {
    for _ in 0..10 {
        let many = (0..100).map(|_| crate::kit::submission(world.direct(users(&["ann"])))).collect();
        world.store().accept(many).await.unwrap();
    }
    let keys = world.scheduled().await;
    assert_eq!(keys.len(), 1_000);
    let taken = world.claimed(&keys).await;
    assert_eq!(taken.len(), 1_000);
    let held: Vec<_> = taken.iter().map(|work| (work.key, work.epoch)).collect();
    assert_eq!(world.store().renew(&held, LEASE).await.unwrap().len(), 1_000);
}
