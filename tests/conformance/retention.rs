//! Days whose retention is over are forgotten: deliveries, then their notifications, and nothing of which work is left.

use std::time::Duration;

use herald::domain::delivery::{Delivery, Ending, State};
use herald::domain::id::{NotificationId, Target};
use herald::domain::latency::Latency;
use herald::store::PageRequest;
use herald::store::notification::DeliveryFilter;
use herald::store::receipt::{Receipt, ReceiptKind};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Row};

use crate::kit::{DAY, pairs, record, users};
use crate::world::World;

const HOUR: Duration = Duration::from_hours(1);

async fn is_there(world: &World, id: NotificationId) -> bool {
    world.store().notification(world.app, id).await.unwrap().is_some()
}

/// How many of a notification are known to have been sent.
async fn deliveries(world: &World, id: NotificationId) -> usize {
    let page = PageRequest { limit: 500, after: None };
    let sent = DeliveryFilter { state: Some(State::Sent), ..DeliveryFilter::default() };
    let found = world.store().deliveries(world.app, id, &sent, &page).await.unwrap();
    found.map_or(0, |page| page.items.len())
}

/// A push that was sent and opened.
async fn one_sent(world: &World) -> NotificationId {
    let phone = world.device("phone", Some("ann")).await;
    let sent = world.accept(world.direct(users(&["ann"]))).await;
    let work = world.only_taken().await;
    world.store().record(&record(&work, vec![world.delivery(sent, Target::device(phone.pk), Ending::Sent)], Vec::new())).await.unwrap();
    let opened = Receipt { notification: sent, device: "phone".to_owned(), kind: ReceiptKind::Opened, at: None };
    world.store().receive(world.app, &[opened]).await.unwrap();
    sent
}

pub async fn what_is_over_is_forgotten(world: &mut World) {
    world.keep(DAY).await;
    let sent = one_sent(world).await;
    world.store().prune().await.unwrap();
    // it began at nine: the day after its own ends in 39 hours
    for (pass, is_kept) in [(38 * HOUR, true), (HOUR, false)] {
        world.pass(pass);
        world.store().prune().await.unwrap();
        assert_eq!((is_there(world, sent).await, deliveries(world, sent).await), (is_kept, usize::from(is_kept)), "{pass:?}");
    }
    // what is new goes on
    let new = one_sent(world).await;
    world.store().prune().await.unwrap();
    assert_eq!((is_there(world, new).await, deliveries(world, new).await), (true, 1));
}

pub async fn without_a_retention_all_is_kept(world: &mut World) {
    let sent = one_sent(world).await;
    world.pass(1000 * DAY);
    world.store().prune().await.unwrap();
    assert_eq!((is_there(world, sent).await, deliveries(world, sent).await), (true, 1));
}

pub async fn what_waits_is_not_forgotten(world: &mut World) {
    world.keep(2 * DAY).await;
    let phone = world.device("phone", Some("ann")).await;
    let mut later = world.direct(users(&["ann"]));
    later.start_at = world.later(10 * DAY);
    later.expires_at = later.start_at + DAY;
    (later.work[0].due_at, later.work[0].expires_at) = (later.start_at, later.expires_at);
    let later = world.accept(later).await;
    world.pass(5 * DAY);
    world.store().prune().await.unwrap();
    assert!(is_there(world, later).await, "its time has not come");
    world.pass(5 * DAY);
    let work = world.only_taken().await;
    world.store().prune().await.unwrap();
    let outcome = world.delivery(later, Target::device(phone.pk), Ending::Sent);
    world.store().record(&record(&work, vec![outcome], Vec::new())).await.unwrap();
    world.pass(DAY);
    world.store().prune().await.unwrap();
    assert_eq!((is_there(world, later).await, deliveries(world, later).await), (true, 1), "it is kept from when it began");
    world.pass(3 * DAY);
    world.store().prune().await.unwrap();
    assert!(!is_there(world, later).await);
}

/// Of a notification that still works, what was done already is not forgotten, or it would be done again.
pub async fn what_was_done_is_known_while_the_rest_waits(world: &mut World) {
    world.keep(2 * DAY).await;
    let [phone, pad] = [world.device("phone", Some("ann")).await, world.device("pad", Some("ann")).await];
    let mut both = world.direct(pairs(&[&phone]));
    both.expires_at = world.later(20 * DAY);
    let mut second = world.work(pairs(&[&pad]));
    (second.due_at, second.expires_at) = (world.later(15 * DAY), both.expires_at);
    both.work.push(second);
    let id = world.accept(both).await;
    let work = world.only_taken().await;
    world.store().record(&record(&work, vec![world.delivery(id, Target::device(phone.pk), Ending::Sent)], Vec::new())).await.unwrap();
    world.pass(10 * DAY);
    world.store().prune().await.unwrap();
    assert_eq!((is_there(world, id).await, deliveries(world, id).await), (true, 1));
}

/// Everything of the embedded store's, also where it is more than one step takes.
pub async fn what_is_over_goes_in_steps(world: &mut World) {
    world.keep(DAY).await;
    let many = world.accept(world.named_fan_out(vec![pairs(&[&world.device("phone", None).await])])).await;
    let work = world.only_taken().await;
    let one = |pk: i64| {
        let latency = Some(Latency::from_raw(5));
        Delivery { latency, ..world.delivery(many, Target::from_raw(pk), Ending::Sent) }
    };
    world.store().record(&record(&work, (1..=2_500).map(one).collect(), Vec::new())).await.unwrap();
    world.released().await;
    for _ in 0..210 {
        one_sent(world).await;
    }
    let rows = async || {
        let mut conn = SqliteConnectOptions::new().filename(world.folder().join("herald.db")).connect().await.unwrap();
        let text = "SELECT (SELECT count(*) FROM delivery), (SELECT count(*) FROM notification), (SELECT count(*) FROM run), \
                    (SELECT count(*) > 0 FROM notification_count), (SELECT count(*) FROM latency)";
        let row = sqlx::query(text).fetch_one(&mut conn).await.unwrap();
        [0, 1, 2, 3, 4].map(|n| row.get::<i64, _>(n))
    };
    assert_eq!(rows().await, [2_710, 211, 1, 1, 1]);
    world.pass(2 * DAY);
    let waits = world.accept(world.direct(users(&["ann"]))).await;
    world.store().prune().await.unwrap();
    assert_eq!(rows().await, [0, 1, 0, 0, 0]);
    assert!(is_there(world, waits).await);
}
