//! Fan-outs: their release, their audience, their end; and cancelling.

use std::time::Duration;

use herald::domain::delivery::{Ending, State};
use herald::domain::device::{Change, DeviceChange};
use herald::domain::id::{NotificationId, Target};
use herald::domain::preferences::Preferences;
use herald::domain::reason::WaitReason;
use herald::domain::work::{NewWork, Stream, TakenWork, Targets, WorkKind};
use herald::store::engine::{AudiencePage, NewNotification, Record, Room, RunStatus};
use herald::store::notification::NotificationStatus;

use crate::kit::{LEASE, SECOND, pairs, record, sweep, users, within};
use crate::world::World;

fn chunk(world: &World, page: &AudiencePage) -> Vec<NewWork> {
    let pairs = page.devices.iter().map(|member| member.pair).collect();
    vec![NewWork { fan_out: true, stream: Stream::Bulk, ..world.work(Targets::Pairs(pairs)) }]
}

async fn expanding(world: &World) -> (NotificationId, TakenWork) {
    let id = world.accept(world.fan_out()).await;
    let keys = world.released().await;
    let work = world.claimed(&keys).await.pop().unwrap();
    assert_eq!((work.kind, work.key.notification), (WorkKind::Expand, id));
    (id, work)
}

pub async fn an_audience_is_taken_page_by_page(world: &mut World) {
    let store = world.shared();
    for n in 0..5 {
        world.device(&format!("d{n}"), Some("ann")).await;
    }
    store.put_device(world.app, "thief", crate::kit::iphone(None, "token-d1"), None).await.unwrap();
    let zone = DeviceChange { timezone: Change::Set("Asia/Tokyo".to_owned()), ..DeviceChange::default() };
    store.patch_device(world.app, "d0", zone, None).await.unwrap();
    let paris = Preferences { timezone: Some("Europe/Paris".to_owned()), ..Preferences::default() };
    store.put_preferences(world.app, "ann", &paris, None).await.unwrap();
    let lima = Preferences { timezone: Some("America/Lima".to_owned()), ..Preferences::default() };
    store.put_device_preferences(world.app, "thief", &lima, None).await.unwrap();

    let (id, work) = expanding(world).await;
    let page = store.read_page(work.key, 3, &world.everyone()).await.unwrap().unwrap();
    let zones: Vec<_> = page.devices.iter().map(|member| member.zone.as_deref().unwrap()).collect();
    // the second device is inactive
    assert_eq!((zones, page.last, page.from.after), (vec!["Asia/Tokyo", "Europe/Paris"], false, 0));
    assert!(store.commit_page(work.key, work.epoch, &page, &chunk(world, &page)).await.unwrap());
    assert!(!store.commit_page(work.key, work.epoch, &page, &chunk(world, &page)).await.unwrap());
    assert_eq!(world.view(id).await.counts.waiting, 2);

    // whoever registers now came too late
    world.device("late", Some("ann")).await;
    let next = store.read_page(work.key, 3, &world.everyone()).await.unwrap().unwrap();
    assert_eq!((next.from.after, next.from.hi, next.devices.len()), (page.to, page.from.hi, 3));
    assert_eq!(next.devices[2].zone.as_deref(), Some("America/Lima"), "a device's own");
    assert!(store.commit_page(work.key, work.epoch, &next, &chunk(world, &next)).await.unwrap());
    if !next.last {
        let rest = store.read_page(work.key, 3, &world.everyone()).await.unwrap().unwrap();
        assert_eq!((rest.last, rest.devices.len()), (true, 0));
        assert!(store.commit_page(work.key, work.epoch, &rest, &[]).await.unwrap());
    }
    assert!(store.read_page(work.key, 3, &world.everyone()).await.unwrap().is_none());
    let view = world.view(id).await;
    assert_eq!((view.counts.waiting, view.status), (5, NotificationStatus::Accepted));
    let chunks = world.taken().await;
    assert!(chunks.iter().all(|work| work.first && work.fan_out));
    assert_eq!(chunks.iter().map(|work| work.targets.len()).sum::<usize>(), 5);
}

pub async fn a_page_needs_the_epoch(world: &mut World) {
    world.device("d", Some("ann")).await;
    let (_, work) = expanding(world).await;
    let page = world.store().read_page(work.key, 10, &world.everyone()).await.unwrap().unwrap();
    world.pass(LEASE);
    let again = world.claimed(&[work.key]).await.pop().unwrap();
    assert!(!world.store().commit_page(work.key, work.epoch, &page, &chunk(world, &page)).await.unwrap());
    assert!(world.store().commit_page(work.key, again.epoch, &page, &chunk(world, &page)).await.unwrap());
}

pub async fn progress_forgives_takes(world: &mut World) {
    for n in 0..3 {
        world.device(&format!("d{n}"), None).await;
    }
    let (_, work) = expanding(world).await;
    let page = world.store().read_page(work.key, 1, &world.everyone()).await.unwrap().unwrap();
    world.store().commit_page(work.key, work.epoch, &page, &chunk(world, &page)).await.unwrap();
    world.pass(LEASE);
    let again = world.claimed(&[work.key]).await.pop().unwrap();
    assert_eq!((again.takes, again.epoch), (1, 2));
}

pub async fn an_empty_audience_is_done(world: &mut World) {
    let (id, work) = expanding(world).await;
    let page = world.store().read_page(work.key, 10, &world.everyone()).await.unwrap().unwrap();
    assert_eq!((page.devices.len(), page.last), (0, true));
    assert!(world.store().commit_page(work.key, work.epoch, &page, &[]).await.unwrap());
    assert_eq!(world.view(id).await.status, NotificationStatus::Done);
}

/// A fan-out to named users that waits until `start`.
fn named(world: &World, start: Duration) -> NewNotification {
    let mut new = world.named_fan_out(vec![users(&["ann"]), users(&["bob"])]);
    new.start_at = world.later(start);
    for work in &mut new.work {
        work.due_at = new.start_at;
    }
    new
}

pub async fn a_run_begins_and_ends(world: &mut World) {
    let id = world.accept(named(world, SECOND)).await;
    let status = async |world: &World, work: &TakenWork| world.answer(world.ask(work)).await.run.unwrap();
    let ready = world.store().release(&sweep()).await.unwrap();
    assert!(ready.entries.is_empty());
    assert_eq!(world.view(id).await.status, NotificationStatus::Scheduled);
    world.pass(SECOND);
    let taken = world.taken().await;
    assert_eq!((taken.len(), status(world, &taken[0]).await), (2, RunStatus::Running));
    for work in &taken {
        let answer = world.answer(world.ask(work)).await;
        let over = world.delivery(id, answer.candidates[0].target, Ending::Sent);
        world.store().record(&record(work, vec![over], Vec::new())).await.unwrap();
    }
    assert_eq!(world.view(id).await.status, NotificationStatus::Done);
    assert!(world.released().await.is_empty());
    assert_eq!(status(world, &taken[0]).await, RunStatus::Done);
    assert!(world.store().cancel(world.app, id).await.unwrap());
    assert_eq!(world.view(id).await.status, NotificationStatus::Done);
    assert!(world.store().run_changes(world.now() - chrono::TimeDelta::days(1)).await.unwrap().is_empty());
}

pub async fn nothing_of_a_run_is_taken_before_it_begins(world: &mut World) {
    let mut new = named(world, Duration::from_mins(1));
    new.work[0].due_at = world.now();
    let key = herald::domain::work::WorkKey { app: world.app, notification: new.id, work: new.work[0].id };
    world.accept(new).await;
    assert!(world.released().await.is_empty());
    assert!(world.claimed(&[key]).await.is_empty());
    world.pass(Duration::from_mins(1));
    world.released().await;
    assert_eq!(world.claimed(&[key]).await.len(), 1);
}

pub async fn runs_take_turns(world: &mut World) {
    let mut ids = Vec::new();
    for _ in 0..3 {
        let lists = (0..4).map(|n| users(&[&format!("u{n}")])).collect();
        ids.push(world.accept(world.named_fan_out(lists)).await);
    }
    let room = Room::from([(Stream::Bulk, 2)]);
    let mut served = Vec::new();
    for _ in 0..6 {
        world.pass(Duration::from_millis(1));
        let ready = world.store().release(&within(room.clone())).await.unwrap();
        assert!(!ready.entries.is_empty() && ready.entries.len() <= 2);
        assert!(ready.more);
        let of = ready.entries[0].key.notification;
        assert!(ready.entries.iter().all(|entry| entry.key.notification == of && entry.stream == Stream::Bulk));
        served.push(of);
    }
    assert_eq!(served[..3], served[3..]);
    ids.sort();
    let mut first = served[..3].to_vec();
    first.sort();
    assert_eq!(first, ids);
    let none = world.store().release(&within(Room::from([(Stream::High, 10)]))).await.unwrap();
    assert!(none.entries.is_empty());
}

pub async fn released_work_is_guarded_and_held(world: &mut World) {
    world.accept(world.named_fan_out(vec![users(&["ann"])])).await;
    let keys = world.released().await;
    assert!(world.released().await.is_empty());
    world.pass(Duration::from_secs(29));
    assert_eq!(world.claimed(&keys).await.len(), 1);
    world.pass(SECOND);
    assert!(world.released().await.is_empty());
    world.pass(Duration::from_secs(29));
    assert_eq!(world.released().await, keys);
}

pub async fn a_cancel_empties_what_waits(world: &mut World) {
    let mut new = world.direct(users(&["ann", "bob"]));
    new.start_at = world.later(Duration::from_hours(1));
    new.work[0].due_at = new.start_at;
    let id = world.accept(new).await;
    assert!(world.scheduled().await.is_empty());
    let before = world.now();
    assert!(world.store().cancel(world.app, id).await.unwrap());
    assert_eq!(world.view(id).await.status, NotificationStatus::Cancelled);
    let changes = world.store().run_changes(before).await.unwrap();
    assert_eq!((changes.len(), changes[0].notification, changes[0].status), (1, id, RunStatus::Cancelled));
    assert!(world.store().run_changes(world.later(SECOND)).await.unwrap().is_empty());

    let work = world.only_taken().await;
    let answer = world.answer(world.ask(&work)).await;
    assert_eq!(answer.run, Some(RunStatus::Cancelled));
    let over = answer.candidates.iter().map(|one| world.delivery(id, one.target, Ending::Cancelled)).collect();
    world.store().record(&record(&work, over, Vec::new())).await.unwrap();
    let counts = world.view(id).await.counts;
    assert_eq!((counts.cancelled, counts.waiting), (2, 0));
    assert!(world.store().cancel(world.app, id).await.unwrap());
}

pub async fn what_follows_a_cancel_is_due_at_once(world: &mut World) {
    let id = world.accept(world.direct(users(&["ann"]))).await;
    let work = world.only_taken().await;
    world.store().cancel(world.app, id).await.unwrap();
    let mut next = world.work(users(&["ann"]));
    (next.reason, next.due_at) = (Some(WaitReason::QuietHours), world.later(Duration::from_hours(2)));
    world.store().record(&record(&work, Vec::new(), vec![next])).await.unwrap();
    assert_eq!(world.taken().await.len(), 1);
    world.store().hasten(world.app, id).await.unwrap();
    assert!(world.scheduled().await.is_empty());
}

pub async fn hastening_needs_a_cancel(world: &mut World) {
    let mut new = world.direct(users(&["ann"]));
    new.work[0].due_at = world.later(Duration::from_hours(1));
    let id = world.accept(new).await;
    world.store().hasten(world.app, id).await.unwrap();
    assert!(world.scheduled().await.is_empty());
}

pub async fn a_cancelled_audience_grows_no_more(world: &mut World) {
    for n in 0..4 {
        world.device(&format!("d{n}"), None).await;
    }
    let (id, work) = expanding(world).await;
    let page = world.store().read_page(work.key, 2, &world.everyone()).await.unwrap().unwrap();
    let mut chunks = chunk(world, &page);
    chunks[0].due_at = world.later(Duration::from_hours(5));
    assert!(world.store().commit_page(work.key, work.epoch, &page, &chunks).await.unwrap());
    let next = world.store().read_page(work.key, 2, &world.everyone()).await.unwrap().unwrap();
    assert!(world.store().cancel(world.app, id).await.unwrap());
    assert!(!world.store().commit_page(work.key, work.epoch, &next, &chunk(world, &next)).await.unwrap());
    let keys = world.released().await;
    let rest = world.claimed(&keys).await.pop().unwrap();
    let Targets::Pairs(pairs) = &rest.targets else { panic!() };
    let over = pairs.iter().map(|pair| world.delivery(id, Target::device(pair.device), Ending::Cancelled)).collect();
    world.store().record(&record(&rest, over, Vec::new())).await.unwrap();
    let view = world.view(id).await;
    assert_eq!((view.counts.cancelled, view.counts.waiting, view.status), (2, 0, NotificationStatus::Cancelled));
    assert!(world.released().await.is_empty());
}

pub async fn a_fan_out_is_counted_as_it_is_recorded(world: &mut World) {
    let (one, two) = (world.device("one", None).await, world.device("two", None).await);
    let (id, work) = expanding(world).await;
    let page = world.store().read_page(work.key, 10, &world.everyone()).await.unwrap().unwrap();
    world.store().commit_page(work.key, work.epoch, &page, &chunk(world, &page)).await.unwrap();
    let sent = world.delivery(id, Target::device(one.pk), Ending::Sent);
    let facts = Record { deliveries: vec![sent.clone(), sent], ..Record::default() };
    for inserted in [1, 0] {
        assert_eq!(world.store().record(&facts).await.unwrap().inserted, inserted);
    }
    let counts = world.view(id).await.counts;
    assert_eq!((counts.sent, counts.waiting), (1, 1));
    let held = world.taken().await.pop().unwrap();
    let mut next = world.work(pairs(&[&two]));
    (next.fan_out, next.stream, next.reason) = (true, Stream::Bulk, Some(WaitReason::Throttled));
    world.store().record(&record(&held, Vec::new(), vec![next])).await.unwrap();
    let view = world.view(id).await;
    assert_eq!((view.counts.waiting, view.reasons[&State::Waiting]["throttled"]), (1, 1));
}

pub async fn what_is_unknown_cannot_be_cancelled(world: &mut World) {
    let id = world.accept(world.direct(users(&["ann"]))).await;
    let other = world.store().ensure_apps(&["other".to_owned()]).await.unwrap()[0];
    assert!(!world.store().cancel(other, id).await.unwrap());
    assert!(!world.store().cancel(world.app, world.notification_id()).await.unwrap());
    assert_eq!(world.view(id).await.status, NotificationStatus::Accepted);
}

pub async fn a_paused_run_is_not_taken(world: &mut World) {
    let id = world.accept(world.named_fan_out(vec![users(&["ann"])])).await;
    let keys = world.released().await;
    assert!(world.store().pause(world.app, id).await.unwrap());
    assert!(world.claimed(&keys).await.is_empty());
    let view = world.view(id).await;
    assert_eq!((view.status, view.reasons[&State::Waiting]["paused"]), (NotificationStatus::Paused, 1));
    world.pass(LEASE);
    assert!(world.released().await.is_empty());
    let change = world.store().run_changes(world.later(SECOND) - LEASE * 2).await.unwrap();
    assert_eq!(change.iter().map(|change| (change.notification, change.status)).collect::<Vec<_>>(), [(id, RunStatus::Paused)]);
    assert!(world.store().resume(world.app, id).await.unwrap());
    assert_eq!(world.released().await, keys);
    assert_eq!(world.claimed(&keys).await.len(), 1);
    let change = world.store().run_changes(world.now()).await.unwrap();
    assert_eq!(change.iter().map(|change| (change.notification, change.status)).collect::<Vec<_>>(), [(id, RunStatus::Running)]);
}

pub async fn what_was_published_of_a_paused_run_is_due_when_it_goes_on(world: &mut World) {
    let id = world.accept(world.named_fan_out(vec![users(&["ann"]), users(&["bob"])])).await;
    let keys = world.released().await;
    let taken = world.claimed(&keys[..1]).await;
    assert_eq!(taken.len(), 1);
    assert!(world.store().pause(world.app, id).await.unwrap());
    world.pass(SECOND);
    assert!(world.store().resume(world.app, id).await.unwrap());
    // what a worker holds stays where it is
    assert_eq!(world.released().await, keys[1..]);
}

pub async fn only_a_run_can_be_paused(world: &mut World) {
    let direct = world.accept(world.direct(users(&["ann"]))).await;
    let unknown = world.notification_id();
    for id in [direct, unknown] {
        assert!(!world.store().pause(world.app, id).await.unwrap());
        assert!(!world.store().resume(world.app, id).await.unwrap());
    }
    let cancelled = world.accept(world.named_fan_out(vec![users(&["ann"])])).await;
    assert_eq!(world.released().await.len(), 1);
    assert!(world.store().cancel(world.app, cancelled).await.unwrap());
    assert!(!world.store().pause(world.app, cancelled).await.unwrap());
    assert!(!world.store().resume(world.app, cancelled).await.unwrap());
    assert_eq!(world.view(cancelled).await.status, NotificationStatus::Cancelled);
}
