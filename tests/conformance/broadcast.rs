//! What a provider fans out: one target, without a device and without a person.

use herald::domain::collapse;
use herald::domain::delivery::{Delivery, Ending, State};
use herald::domain::device::ProviderKind;
use herald::domain::id::{NotificationId, Target};
use herald::domain::reason::WaitReason;
use herald::domain::work::{NewWork, Targets};
use herald::store::PageRequest;
use herald::store::engine::Ask;
use herald::store::notification::{DeliveryFilter, DeliveryView, NotificationStatus};

use crate::kit::{SECOND, record};
use crate::world::World;

const TO: Targets = Targets::Broadcast(ProviderKind::Fcm);

async fn only(world: &World, id: NotificationId) -> DeliveryView {
    let request = PageRequest { limit: 10, after: None };
    let page = world.store().deliveries(world.app, id, &DeliveryFilter::default(), &request).await.unwrap().unwrap();
    let [view] = <[DeliveryView; 1]>::try_from(page.items).unwrap();
    assert_eq!((&view.device, &view.user, view.platform), (&None, &None, None));
    view
}

fn sent(world: &World, id: NotificationId, provider: ProviderKind) -> Delivery {
    Delivery { person: None, provider: Some(provider), ..world.delivery(id, Target::BROADCAST, Ending::Sent) }
}

pub async fn a_broadcast_is_one_target_that_waits_and_is_sent(world: &mut World) {
    // nobody's device is taken for it
    world.device("phone", Some("ann")).await;
    let id = world.accept(world.direct(TO)).await;
    assert_eq!(world.view(id).await.counts.waiting, 1);
    let waiting = only(world, id).await;
    assert_eq!((waiting.state, waiting.provider, waiting.next_attempt_at.is_some()), (State::Waiting, Some(ProviderKind::Fcm), true));

    let work = world.only_taken().await;
    assert_eq!(work.targets, TO);
    let answer = world.answer(world.ask(&work)).await;
    let [candidate] = &*answer.candidates else { panic!("{answer:?}") };
    assert_eq!((candidate.target, candidate.person, candidate.moved), (Target::BROADCAST, None, false));
    assert!(candidate.recipient.is_none() && !candidate.delivered);

    // it is throttled, and tried again
    let again = NewWork { reason: Some(WaitReason::Throttled), attempt: 1, due_at: world.later(SECOND), ..world.work(TO) };
    world.store().record(&record(&work, Vec::new(), vec![again])).await.unwrap();
    let waiting = only(world, id).await;
    assert_eq!((waiting.reason.as_deref(), waiting.attempts), (Some("throttled"), 1));
    world.pass(SECOND);
    let work = world.only_taken().await;
    let name = "projects/demo/messages/1".to_owned();
    let delivery = Delivery { message_id: Some(name.clone()), ..sent(world, id, ProviderKind::Fcm) };
    let recorded = world.store().record(&record(&work, vec![delivery], Vec::new())).await.unwrap();
    assert_eq!(recorded.inserted, 1);

    let view = world.view(id).await;
    assert_eq!((view.status, view.counts.sent, view.counts.waiting), (NotificationStatus::Done, 1, 0));
    let over = only(world, id).await;
    assert_eq!((over.state, over.provider, over.message_id), (State::Sent, Some(ProviderKind::Fcm), Some(name)));
}

pub async fn a_broadcast_that_was_sent_is_known_when_its_work_comes_back(world: &mut World) {
    let id = world.accept(world.direct(TO)).await;
    let work = world.only_taken().await;
    let delivery = sent(world, id, ProviderKind::Fcm);
    let facts = herald::store::engine::Record { deliveries: vec![delivery.clone(), delivery], ..Default::default() };
    assert_eq!(world.store().record(&facts).await.unwrap().inserted, 1);
    assert_eq!(world.view(id).await.counts.waiting, 0);
    let asked = Ask { check_deliveries: true, ..world.ask(&work) };
    assert!(world.answer(asked).await.candidates[0].delivered);
    // of another notification it is none
    let other = world.accept(world.direct(TO)).await;
    assert_eq!(world.view(other).await.counts.waiting, 1);
}

pub async fn a_channel_is_told_by_the_id_it_was_given(world: &mut World) {
    let id = world.accept(world.direct(Targets::Broadcast(ProviderKind::Apns))).await;
    let work = world.only_taken().await;
    let delivery = sent(world, id, ProviderKind::Apns);
    world.store().record(&record(&work, vec![delivery], Vec::new())).await.unwrap();
    assert_eq!(only(world, id).await.message_id, Some(collapse::broadcast_id(id).to_string()));
}
