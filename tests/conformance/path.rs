//! The main path, from acceptance to the last record.

use herald::domain::delivery::{Ending, State};
use herald::domain::reason::SuppressReason;
use herald::store::PageRequest;
use herald::store::notification::{DeliveryFilter, NotificationStatus};

use crate::kit::{record, users};
use crate::world::World;

pub async fn a_notification_goes_all_the_way(world: &mut World) {
    let phone = world.device("phone", Some("ann")).await;
    let id = world.accept(world.direct(users(&["ann", "bob"]))).await;
    let view = world.view(id).await;
    assert_eq!((view.status, view.counts.waiting), (NotificationStatus::Accepted, 2));

    let work = world.only_taken().await;
    assert_eq!((work.key.notification, work.epoch, work.takes, work.first, work.spent), (id, 1, 1, true, false));
    assert_eq!(world.view(id).await.status, NotificationStatus::Sending);
    let answer = world.answer(world.ask(&work)).await;
    let targets: Vec<_> = answer.candidates.iter().map(|one| (one.target.as_device(), one.recipient.is_some())).collect();
    assert_eq!(targets, [(None, false), (Some(phone.pk), true)]);

    let nobody = world.delivery(id, answer.candidates[0].target, Ending::Suppressed(SuppressReason::NoActiveDevice));
    let sent = world.delivery(id, answer.candidates[1].target, Ending::Sent);
    let recorded = world.store().record(&record(&work, vec![sent, nobody], Vec::new())).await.unwrap();
    assert_eq!((recorded.inserted, recorded.ended), (2, vec![work.key]));

    let view = world.view(id).await;
    assert_eq!((view.status, view.counts.sent, view.counts.suppressed, view.counts.waiting), (NotificationStatus::Done, 1, 1, 0));
    assert_eq!(view.reasons[&State::Suppressed]["no_active_device"], 1);
    let request = PageRequest { limit: 10, after: None };
    let page = world.store().deliveries(world.app, id, &DeliveryFilter::default(), &request).await.unwrap().unwrap();
    let devices: Vec<_> = page.items.iter().map(|view| (view.device.as_deref(), view.user.as_deref(), view.state)).collect();
    assert_eq!(devices, [(None, Some("bob"), State::Suppressed), (Some("phone"), Some("ann"), State::Sent)]);
}
