//! Work by whom it names.

use std::collections::BTreeSet;
use std::time::Duration;

use herald::domain::delivery::Ending;
use herald::domain::id::{NotificationId, Target, WorkId};
use herald::domain::reason::WaitReason;
use herald::domain::somebody::Somebody;
use herald::domain::work::{NewWork, WorkKey};
use herald::store::PageRequest;
use herald::store::engine::{Finished, Record};
use herald::store::waiting::WaitingWork;

use crate::kit::{LEASE, SECOND, devices, pairs, users};
use crate::world::World;

async fn found(world: &World, whom: &Somebody) -> Vec<WaitingWork> {
    let (mut all, mut from): (Vec<WaitingWork>, Option<(NotificationId, WorkId)>) = (Vec::new(), None);
    loop {
        let part = world.store().waiting_for(world.app, whom, from).await.unwrap();
        all.extend(part.work);
        from = part.next;
        if from.is_none() {
            return all;
        }
    }
}

async fn of(world: &World, user: &str) -> Vec<WaitingWork> {
    found(world, &world.store().somebody(world.app, user).await.unwrap()).await
}

async fn notifications_of(world: &World, user: &str) -> Vec<NotificationId> {
    of(world, user).await.into_iter().map(|work| work.key.notification).collect()
}

pub async fn a_user_is_known_by_name_number_and_devices(world: &mut World) {
    let nobody = world.store().somebody(world.app, "ann").await.unwrap();
    assert_eq!(nobody, Somebody { user: "ann".to_owned(), ..Somebody::default() });
    let phone = world.device("phone", Some("ann")).await;
    world.device("bens", Some("ben")).await;
    let ann = world.store().somebody(world.app, "ann").await.unwrap();
    assert_eq!(ann.people.iter().copied().collect::<Vec<_>>(), [phone.person.unwrap()]);
    assert_eq!(ann.devices.iter().collect::<Vec<_>>(), ["phone"]);
    let other = world.store().ensure_apps(&["other".to_owned()]).await.unwrap()[0];
    assert!(world.store().somebody(other, "ann").await.unwrap().people.is_empty());
}

pub async fn work_is_found_by_whom_it_names(world: &mut World) {
    let phone = world.device("phone", Some("ann")).await;
    let bens = world.device("bens", Some("ben")).await;
    let mut hers = Vec::new();
    for (targets, is_hers) in [
        (users(&["ann", "ben"]), true),
        (users(&["anna"]), false),
        (devices(&["bens", "phone"]), true),
        (devices(&["ann"]), false),
        (pairs(&[&phone, &bens]), true),
        (pairs(&[&bens]), false),
    ] {
        let id = world.accept(world.direct(targets)).await;
        hers.extend(is_hers.then_some(id));
        world.pass(SECOND);
    }
    hers.reverse();
    assert_eq!(notifications_of(world, "ann").await, hers);
    assert_eq!(notifications_of(world, "ben").await.len(), 4);
    assert_eq!(notifications_of(world, "carl").await, []);
    // an audience that is not taken yet names nobody
    world.accept(world.fan_out()).await;
    assert_eq!(notifications_of(world, "ann").await, hers);
    let other = world.store().ensure_apps(&["other".to_owned()]).await.unwrap()[0];
    let whom = world.store().somebody(world.app, "ann").await.unwrap();
    assert_eq!(world.store().waiting_for(other, &whom, None).await.unwrap().work, []);
}

pub async fn many_rows_are_walked_through_part_by_part(world: &mut World) {
    let mut new = world.named_fan_out((0..1100).map(|n| users(&[&*format!("u{n}")])).collect());
    new.work.push(NewWork { fan_out: true, ..world.work(users(&["ann"])) });
    let id = world.accept(new).await;
    assert_eq!(notifications_of(world, "ann").await, [id]);
    let page = PageRequest { limit: 10, after: None };
    assert_eq!(world.store().user_deliveries(world.app, "u500", &page).await.unwrap().items.len(), 1);
}

/// What it takes to put another row in its place, and the fence that keeps from doing so what a worker has.
pub async fn a_row_can_be_replaced_while_nobody_holds_it(world: &mut World) {
    let phone = world.device("phone", Some("ann")).await;
    let (due, mut new) = (world.later(Duration::from_hours(1)), world.direct(users(&["ann", "ben"])));
    new.start_at = due;
    new.work[0] = NewWork { attempt: 2, reason: Some(WaitReason::Scheduled), due_at: due, ..new.work[0].clone() };
    let id = world.accept(new.clone()).await;
    let row = of(world, "ann").await.pop().unwrap();
    let expected = WaitingWork {
        key: WorkKey { app: world.app, notification: id, work: new.work[0].id },
        epoch: row.epoch,
        held: false,
        lapsed: false,
        work: new.work[0].clone(),
    };
    assert_eq!(row, expected);

    let rest = NewWork { due_at: due, ..world.work(users(&["ben"])) };
    let seized = world.store().seize(&[(row.key, row.epoch)], LEASE).await.unwrap();
    assert_eq!(seized.len(), 1);
    assert!(seized[0].0 == row.key && seized[0].1 > row.epoch);
    assert_eq!(world.store().seize(&seized, LEASE).await.unwrap(), [], "it is held");
    assert_eq!(world.store().seize(&[(row.key, row.epoch)], LEASE).await.unwrap(), []);
    let finished = Finished { key: row.key, epoch: seized[0].1, follow_ups: vec![rest] };
    let ended = world.delivery(id, Target::device(phone.pk), Ending::Cancelled);
    let record = Record { deliveries: vec![ended], finished: vec![finished], ..Record::default() };
    assert_eq!(world.store().record(&record).await.unwrap().ended, [row.key]);
    assert_eq!(of(world, "ann").await, []);
    let left: BTreeSet<_> = of(world, "ben").await.into_iter().map(|work| (work.work.due_at, format!("{:?}", work.work.targets))).collect();
    assert_eq!(left, BTreeSet::from([(due, format!("{:?}", users(&["ben"])))]));
}

pub async fn what_a_worker_has_is_told_as_held(world: &mut World) {
    world.accept(world.direct(users(&["ann"]))).await;
    assert!(!of(world, "ann").await[0].held);
    let keys = world.scheduled().await;
    let published = of(world, "ann").await;
    assert_eq!((published[0].held, published[0].work.due_at), (false, world.now()), "what is published is due");
    let epoch = published[0].epoch;
    let taken = world.claimed(&keys).await;
    let held = of(world, "ann").await;
    assert_eq!((held[0].held, held[0].epoch), (true, taken[0].epoch));
    for epoch in [epoch, held[0].epoch] {
        assert_eq!(world.store().seize(&[(keys[0], epoch)], LEASE).await.unwrap(), []);
    }
    world.pass(LEASE);
    let lapsed = of(world, "ann").await;
    assert_eq!((lapsed[0].held, lapsed[0].lapsed, held[0].lapsed), (false, true, false));
    assert_eq!(world.store().seize(&[(keys[0], held[0].epoch)], LEASE).await.unwrap(), [(keys[0], held[0].epoch + 1)]);
}

/// A row of a run that is paused, or has not begun, cannot be taken to be worked on.
pub async fn rows_are_seized_whatever_their_run(world: &mut World) {
    let begun = world.accept(world.named_fan_out(vec![users(&["ann"])])).await;
    let mut new = world.named_fan_out(vec![users(&["ann"])]);
    new.start_at = world.later(Duration::from_hours(1));
    new.work[0].due_at = new.start_at;
    world.accept(new).await;
    assert_eq!(world.released().await.len(), 1);
    assert!(world.store().pause(world.app, begun).await.unwrap());
    let rows: Vec<_> = of(world, "ann").await.into_iter().map(|work| (work.key, work.epoch)).collect();
    assert_eq!(rows.len(), 2);
    let keys: Vec<_> = rows.iter().map(|(key, _)| *key).collect();
    assert_eq!(world.claimed(&keys).await.len(), 0);
    assert_eq!(world.store().seize(&rows, LEASE).await.unwrap().len(), 2);
}
