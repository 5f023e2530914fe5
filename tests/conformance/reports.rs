//! Receipts: counted once, only for what was sent, early ones kept for an hour.

use std::time::Duration;

use chrono::TimeDelta;
use herald::domain::Timestamp;
use herald::domain::delivery::Ending;
use herald::domain::id::{NotificationId, Target};
use herald::domain::reason::FailReason;
use herald::domain::work::{NewWork, Stream, TakenWork, Targets};
use herald::store::PageRequest;
use herald::store::notification::{Counts, DeliveryFilter, DeliveryView};
use herald::store::receipt::{Receipt, ReceiptKind, ReceiptVerdict};

use crate::kit::{SECOND, record, users};
use crate::world::World;

fn receipt(notification: NotificationId, kind: ReceiptKind, at: Option<Timestamp>) -> Receipt {
    Receipt { notification, device: "phone".to_owned(), kind, at }
}

async fn receive(world: &World, receipts: &[Receipt]) -> Vec<ReceiptVerdict> {
    world.store().receive(world.app, receipts).await.unwrap()
}

fn of(counts: &Counts) -> (u64, u64, u64) {
    (counts.delivered, counts.opened, counts.dismissed)
}

async fn delivery(world: &World, id: NotificationId) -> DeliveryView {
    let request = PageRequest { limit: 1, after: None };
    world.store().deliveries(world.app, id, &DeliveryFilter::default(), &request).await.unwrap().unwrap().items.remove(0)
}

/// A notification under way to Ann's phone.
async fn under_way(world: &World) -> (NotificationId, TakenWork, Target) {
    let phone = world.device("phone", Some("ann")).await;
    let id = world.accept(world.direct(users(&["ann"]))).await;
    (id, world.only_taken().await, Target::device(phone.pk))
}

async fn sent(world: &World) -> NotificationId {
    let (id, work, target) = under_way(world).await;
    world.store().record(&record(&work, vec![world.delivery(id, target, Ending::Sent)], Vec::new())).await.unwrap();
    id
}

pub async fn receipts_count_once_and_imply_delivery(world: &mut World) {
    let id = sent(world).await;
    let sent_at = world.now();
    world.pass(Duration::from_mins(1));
    let opened = receipt(id, ReceiptKind::Opened, Some(sent_at + TimeDelta::seconds(10)));
    let twice = [opened.clone(), opened.clone(), receipt(id, ReceiptKind::Delivered, None)];
    assert_eq!(receive(world, &twice).await, [ReceiptVerdict::Accepted; 3]);
    assert_eq!(receive(world, &twice[..1]).await, [ReceiptVerdict::Accepted]);
    assert_eq!(of(&world.view(id).await.counts), (1, 1, 0));
    let view = delivery(world, id).await;
    assert_eq!((view.delivered_at, view.opened_at, view.dismissed_at), (opened.at, opened.at, None));
    receive(world, &[receipt(id, ReceiptKind::Dismissed, None)]).await;
    assert_eq!(of(&world.view(id).await.counts), (1, 1, 1));
    assert_eq!(delivery(world, id).await.dismissed_at, Some(world.now()));
}

pub async fn an_impossible_instant_is_that_of_the_arrival(world: &mut World) {
    for offset in [-3600, 3600] {
        let id = sent(world).await;
        world.pass(SECOND);
        let at = world.now() + TimeDelta::seconds(offset);
        assert_eq!(receive(world, &[receipt(id, ReceiptKind::Delivered, Some(at))]).await, [ReceiptVerdict::Accepted]);
        assert_eq!(delivery(world, id).await.delivered_at, Some(world.now()));
    }
    let id = sent(world).await;
    world.pass(Duration::from_hours(30 * 24) + SECOND);
    assert_eq!(receive(world, &[receipt(id, ReceiptKind::Delivered, None)]).await, [ReceiptVerdict::TooLate]);
    assert_eq!(of(&world.view(id).await.counts), (0, 0, 0));
}

pub async fn only_what_was_sent_has_receipts(world: &mut World) {
    let (id, work, target) = under_way(world).await;
    let failed = world.delivery(id, target, Ending::Failed(FailReason::GaveUp));
    world.store().record(&record(&work, vec![failed], Vec::new())).await.unwrap();
    let unknown = receipt(world.notification_id(), ReceiptKind::Opened, None);
    let stranger = Receipt { device: "stranger".to_owned(), ..receipt(id, ReceiptKind::Opened, None) };
    let asked = [receipt(id, ReceiptKind::Opened, None), unknown, stranger];
    assert_eq!(receive(world, &asked).await, [ReceiptVerdict::UnknownDelivery; 3]);
    let id = sent(world).await;
    let other = world.store().ensure_apps(&["other".to_owned()]).await.unwrap()[0];
    let foreign = world.store().receive(other, &[receipt(id, ReceiptKind::Opened, None)]).await.unwrap();
    assert_eq!(foreign, [ReceiptVerdict::UnknownDelivery]);
    assert!(receive(world, &[]).await.is_empty());
}

pub async fn a_receipt_is_early_only_while_something_waits(world: &mut World) {
    let id = sent(world).await;
    world.device("tablet", Some("ann")).await;
    let never_sent = Receipt { device: "tablet".to_owned(), ..receipt(id, ReceiptKind::Delivered, None) };
    assert_eq!(receive(world, &[never_sent]).await, [ReceiptVerdict::UnknownDelivery]);
}

pub async fn nothing_is_early_before_a_notification_begins(world: &mut World) {
    world.device("phone", Some("ann")).await;
    let mut new = world.direct(users(&["ann"]));
    new.start_at = world.later(Duration::from_mins(1));
    new.work[0].due_at = new.start_at;
    let id = world.accept(new).await;
    let opened = receipt(id, ReceiptKind::Opened, None);
    assert_eq!(receive(world, std::slice::from_ref(&opened)).await, [ReceiptVerdict::UnknownDelivery]);
    world.pass(Duration::from_mins(1));
    assert_eq!(receive(world, &[opened]).await, [ReceiptVerdict::Early]);
}

pub async fn an_early_receipt_waits_for_its_send(world: &mut World) {
    let (id, work, target) = under_way(world).await;
    let early = receipt(id, ReceiptKind::Delivered, None);
    assert_eq!(receive(world, &[early.clone(), early.clone()]).await, [ReceiptVerdict::Early; 2]);
    assert_eq!(world.store().settle_early_receipts().await.unwrap(), 0);
    world.store().record(&record(&work, vec![world.delivery(id, target, Ending::Sent)], Vec::new())).await.unwrap();
    assert_eq!(of(&world.view(id).await.counts), (0, 0, 0));
    assert_eq!(world.store().settle_early_receipts().await.unwrap(), 1);
    assert_eq!(world.store().settle_early_receipts().await.unwrap(), 0);
    assert_eq!(of(&world.view(id).await.counts), (1, 0, 0));
}

pub async fn an_early_receipt_is_forgotten_after_an_hour(world: &mut World) {
    let (id, work, target) = under_way(world).await;
    receive(world, &[receipt(id, ReceiptKind::Delivered, None)]).await;
    world.pass(Duration::from_hours(1));
    assert_eq!(world.store().settle_early_receipts().await.unwrap(), 0);
    world.store().record(&record(&work, vec![world.delivery(id, target, Ending::Sent)], Vec::new())).await.unwrap();
    assert_eq!(world.store().settle_early_receipts().await.unwrap(), 0);
    assert_eq!(of(&world.view(id).await.counts), (0, 0, 0));
}

pub async fn receipts_of_a_fan_out_are_counted(world: &mut World) {
    let phone = world.device("phone", None).await;
    let id = world.accept(world.fan_out()).await;
    let work = world.taken().await.pop().unwrap();
    let page = world.store().read_page(work.key, 10, &world.everyone()).await.unwrap().unwrap();
    let pairs = Targets::Pairs(page.devices.iter().map(|member| member.pair).collect());
    let chunk = NewWork { fan_out: true, stream: Stream::Bulk, ..world.work(pairs) };
    world.store().commit_page(work.key, work.epoch, &page, &[chunk]).await.unwrap();
    let work = world.taken().await.pop().unwrap();
    let sent = world.delivery(id, Target::device(phone.pk), Ending::Sent);
    world.store().record(&record(&work, vec![sent], Vec::new())).await.unwrap();
    for _ in 0..2 {
        receive(world, &[receipt(id, ReceiptKind::Opened, None)]).await;
    }
    let counts = world.view(id).await.counts;
    assert_eq!((counts.sent, counts.waiting, of(&counts)), (1, 0, (1, 1, 0)));
}
