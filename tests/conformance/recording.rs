//! Facts are unconditional, plans are fenced.

use std::time::Duration;

use herald::domain::delivery::{Delivery, Ending, State};
use herald::domain::device::{Device, DeviceStatus, Environment, InactiveReason, TokenHash};
use herald::domain::id::Target;
use herald::domain::principal::Principal;
use herald::domain::reason::{FailReason, WaitReason};
use herald::domain::work::TakenWork;
use herald::store::engine::{Correction, Death, Finished, Record, Recorded};

use crate::kit::{LEASE, SECOND, iphone, pairs, record, users};
use crate::world::World;

async fn write(world: &World, record: Record) -> Recorded {
    world.store().record(&record).await.unwrap()
}

pub async fn a_fact_is_written_once(world: &mut World) {
    let device = world.device("phone", Some("ann")).await;
    let id = world.accept(world.direct(users(&["ann"]))).await;
    let sent = world.delivery(id, Target::device(device.pk), Ending::Sent);
    let failed = Delivery { ending: Ending::Failed(FailReason::GaveUp), ..sent.clone() };
    let facts = |deliveries: Vec<Delivery>| Record { deliveries, ..Record::default() };
    assert_eq!(write(world, facts(vec![sent.clone(), failed.clone()])).await.inserted, 1);
    assert_eq!(write(world, facts(vec![failed.clone()])).await.inserted, 0);
    let other = world.delivery(id, Target::from_raw(9), Ending::Sent);
    assert_eq!(write(world, facts(vec![failed, other])).await.inserted, 1);
    let counts = world.view(id).await.counts;
    assert_eq!((counts.sent, counts.failed), (2, 0));
}

pub async fn a_late_holder_leaves_facts_but_no_plans(world: &mut World) {
    let device = world.device("phone", Some("ann")).await;
    let id = world.accept(world.direct(users(&["ann", "bob"]))).await;
    let zombie = world.only_taken().await;
    world.pass(LEASE);
    let holder = world.claimed(&[zombie.key]).await.pop().unwrap();
    let sent = world.delivery(id, Target::device(device.pk), Ending::Sent);
    let late = write(world, record(&zombie, vec![sent.clone()], vec![world.work(users(&["bob"]))])).await;
    assert_eq!((late.inserted, late.ended.as_slice()), (1, [].as_slice()));
    assert_eq!(world.store().backlog().await.unwrap(), 1);
    let view = world.view(id).await;
    assert_eq!((view.counts.sent, view.counts.waiting), (1, 1));
    let answer = world.answer(world.ask(&holder)).await;
    assert!(answer.candidates.iter().any(|one| one.target == Target::device(device.pk) && one.delivered));
    let nobody = world.delivery(id, answer.candidates[0].target, Ending::Cancelled);
    let done = write(world, record(&holder, vec![sent, nobody], Vec::new())).await;
    assert_eq!((done.inserted, done.ended), (1, vec![holder.key]));
    assert_eq!(world.store().backlog().await.unwrap(), 0);
}

pub async fn what_follows_takes_the_place_of_what_ended(world: &mut World) {
    let (one, two) = (world.device("one", Some("ann")).await, world.device("two", Some("ann")).await);
    let id = world.accept(world.direct(users(&["ann"]))).await;
    let work = world.only_taken().await;
    let mut next = world.work(pairs(&[&two]));
    (next.reason, next.attempt, next.due_at) = (Some(WaitReason::Unavailable), 1, world.later(Duration::from_secs(5)));
    let sent = world.delivery(id, Target::device(one.pk), Ending::Sent);
    let recorded = write(world, record(&work, vec![sent], vec![next.clone()])).await;
    assert_eq!(recorded.ended, [work.key]);
    let view = world.view(id).await;
    assert_eq!((view.counts.sent, view.counts.waiting, view.reasons[&State::Waiting]["unavailable"]), (1, 1, 1));
    world.pass(Duration::from_secs(5));
    let again = world.only_taken().await;
    assert_eq!((again.key.work, again.targets, again.attempt), (next.id, next.targets, 1));
}

pub async fn what_follows_is_never_due_after_its_end(world: &mut World) {
    world.accept(world.direct(users(&["ann"]))).await;
    let work = world.only_taken().await;
    let mut next = world.work(users(&["ann"]));
    (next.due_at, next.expires_at) = (world.later(Duration::from_secs(100)), world.later(Duration::from_secs(10)));
    write(world, record(&work, Vec::new(), vec![next])).await;
    world.pass(Duration::from_secs(10));
    assert_eq!(world.scheduled().await.len(), 1);
}

pub async fn of_many_that_end_the_fence_holds_back_the_late(world: &mut World) {
    for _ in 0..300 {
        world.accept(world.direct(users(&["ann"]))).await;
    }
    let taken = world.taken().await;
    world.pass(LEASE);
    let (late, fine) = taken.split_at(100);
    let keys: Vec<_> = late.iter().map(|work| work.key).collect();
    assert_eq!(world.claimed(&keys).await.len(), 100);
    let finish = |work: &TakenWork| Finished { key: work.key, epoch: work.epoch, follow_ups: vec![world.work(users(&["ann"]))] };
    let recorded = write(world, Record { finished: taken.iter().map(finish).collect(), ..Record::default() }).await;
    let mut ended = recorded.ended;
    ended.sort();
    assert_eq!(ended, fine.iter().map(|work| work.key).collect::<Vec<_>>());
    assert_eq!(world.store().backlog().await.unwrap(), 300);
}

fn death(world: &World, work: &TakenWork, device: &Device, token_hash: TokenHash) -> Death {
    let ending = Ending::Failed(FailReason::TokenDead);
    Death {
        delivery: world.delivery(work.key.notification, Target::device(device.pk), ending),
        token_hash,
        token_kind: None,
        since: world.now(),
        deactivate: Some(InactiveReason::TokenDead),
    }
}

pub async fn a_dead_token_deactivates_its_device(world: &mut World) {
    let device = world.device("phone", Some("ann")).await;
    let id = world.accept(world.direct(users(&["ann"]))).await;
    let work = world.only_taken().await;
    let mut dead = record(&work, Vec::new(), Vec::new());
    dead.deaths.push(death(world, &work, &device, device.token_hash));
    let recorded = write(world, dead.clone()).await;
    assert_eq!((recorded.inserted, recorded.deactivated, recorded.ended), (1, 1, vec![work.key]));
    let now = world.store().device(world.app, "phone").await.unwrap().unwrap();
    assert_eq!((now.status, now.inactive_reason), (DeviceStatus::Inactive, Some(InactiveReason::TokenDead)));
    assert_eq!(world.view(id).await.reasons[&State::Failed]["token_dead"], 1);
    assert_eq!(write(world, dead).await, Recorded::default());
}

pub async fn a_token_registered_since_survives_the_verdict(world: &mut World) {
    let device = world.device("phone", Some("ann")).await;
    world.accept(world.direct(users(&["ann"]))).await;
    let work = world.only_taken().await;
    let verdict = death(world, &work, &device, device.token_hash);
    world.pass(SECOND);
    world.device("phone", Some("ann")).await;
    let recorded = write(world, Record { deaths: vec![verdict], ..Record::default() }).await;
    assert_eq!((recorded.inserted, recorded.deactivated), (1, 0));
    assert_eq!(world.store().device(world.app, "phone").await.unwrap().unwrap().status, DeviceStatus::Active);
}

pub async fn a_verdict_that_spares_the_device_is_a_fact_only(world: &mut World) {
    let device = world.device("phone", Some("ann")).await;
    world.accept(world.direct(users(&["ann"]))).await;
    let work = world.only_taken().await;
    let spared = Death { deactivate: None, ..death(world, &work, &device, device.token_hash) };
    let recorded = write(world, Record { deaths: vec![spared], ..Record::default() }).await;
    assert_eq!((recorded.inserted, recorded.deactivated), (1, 0));
}

pub async fn a_verdict_over_an_older_token_is_no_outcome(world: &mut World) {
    let device = world.device("phone", Some("ann")).await;
    let id = world.accept(world.direct(users(&["ann"]))).await;
    let work = world.only_taken().await;
    let verdict = death(world, &work, &device, device.token_hash);
    world.store().put_device(world.app, "phone", iphone(Some("ann"), "another"), None).await.unwrap();
    let facts = Record { deaths: vec![verdict], ..Record::default() };
    let target = Target::device(device.pk);
    let expected = Recorded { outlived: vec![(id, target)], ..Recorded::default() };
    assert_eq!(write(world, facts.clone()).await, expected);
    assert_eq!(write(world, facts).await, expected, "nothing was written of it");
    let counts = world.view(id).await.counts;
    assert_eq!((counts.waiting, counts.failed), (1, 0));
    assert_eq!(world.store().device(world.app, "phone").await.unwrap().unwrap().status, DeviceStatus::Active);
    // the next try comes with the end of its work, like every other
    let next = world.work(pairs(&[&device]));
    let over = record(&work, Vec::new(), vec![next.clone()]);
    assert_eq!(write(world, over).await.ended, [work.key]);
    assert_eq!(world.store().backlog().await.unwrap(), 1);
    assert_eq!(world.only_taken().await.targets, next.targets);
}

pub async fn a_device_is_moved_to_the_service_that_knows_its_token(world: &mut World) {
    let device = world.device("phone", Some("ann")).await;
    let correction =
        |device: &Device, environment| Correction { device: device.pk, token_hash: device.token_hash, token_kind: None, environment };
    let corrections = vec![correction(&device, Environment::Sandbox)];
    write(world, Record { corrections: corrections.clone(), ..Record::default() }).await;
    let corrected = world.store().device(world.app, "phone").await.unwrap().unwrap();
    assert_eq!((corrected.environment, corrected.version), (Environment::Sandbox, device.version + 1));
    assert_eq!((corrected.status, corrected.token_seen_at), (DeviceStatus::Active, device.token_seen_at));
    write(world, Record { corrections: corrections.clone(), ..Record::default() }).await;
    assert_eq!(world.store().device(world.app, "phone").await.unwrap().unwrap().version, corrected.version, "it is right already");
    world.store().put_device(world.app, "phone", iphone(Some("ann"), "another"), None).await.unwrap();
    let present = world.store().device(world.app, "phone").await.unwrap().unwrap();
    let away = vec![correction(&device, present.environment.other())];
    write(world, Record { corrections: away, ..Record::default() }).await;
    let kept = world.store().device(world.app, "phone").await.unwrap();
    assert_eq!(kept, Some(present), "it has another token by now");
    world.store().delete_device(world.app, "phone", &Principal::Backend).await.unwrap();
    write(world, Record { corrections, ..Record::default() }).await;
}

pub async fn corrections_and_verdicts_go_together(world: &mut World) {
    let (one, two) = (world.device("one", Some("ann")).await, world.device("two", Some("ann")).await);
    world.accept(world.direct(users(&["ann"]))).await;
    let work = world.only_taken().await;
    let correction = |device: &Device| Correction {
        device: device.pk,
        token_hash: device.token_hash,
        token_kind: None,
        environment: Environment::Sandbox,
    };
    let dead = death(world, &work, &two, two.token_hash);
    let record =
        Record { deaths: vec![dead], corrections: vec![correction(&one), correction(&two), correction(&one)], ..Record::default() };
    assert_eq!(write(world, record).await.deactivated, 1);
    for name in ["one", "two"] {
        assert_eq!(world.store().device(world.app, name).await.unwrap().unwrap().environment, Environment::Sandbox, "{name}");
    }
}

pub async fn a_device_that_is_gone_can_die(world: &mut World) {
    let device = world.device("phone", Some("ann")).await;
    world.accept(world.direct(users(&["ann"]))).await;
    let work = world.only_taken().await;
    let verdict = death(world, &work, &device, device.token_hash);
    world.store().delete_device(world.app, "phone", &Principal::Backend).await.unwrap();
    let recorded = write(world, Record { deaths: vec![verdict], ..Record::default() }).await;
    assert_eq!((recorded.inserted, recorded.deactivated), (1, 0));
}

/// A node that stood still for longer than a lease may end its lapsed claim and the present one together.
pub async fn two_claims_of_a_row_end_it_once(world: &mut World) {
    world.accept(world.direct(users(&["ann"]))).await;
    let old = world.only_taken().await;
    world.pass(LEASE);
    let new = world.claimed(&[old.key]).await.pop().unwrap();
    let ends = |work: &TakenWork| Finished { key: work.key, epoch: work.epoch, follow_ups: vec![world.work(users(&["ann"]))] };
    let both = Record { finished: vec![ends(&old), ends(&new)], ..Record::default() };
    let follows = both.finished[1].follow_ups[0].id;
    assert_eq!(write(world, both).await.ended, [old.key]);
    assert_eq!(world.store().backlog().await.unwrap(), 1);
    assert_eq!(world.only_taken().await.key.work, follows);
}
