//! Places under frequency caps, over a store whose answers get lost.

use std::sync::Arc;

use super::store::Fault;
use super::world::{World, until};
use crate::dispatch::node::Node;
use crate::domain::cap::FrequencyCap;
use crate::domain::category::Category;
use crate::domain::delivery::State;
use crate::domain::device::{Change, DeviceChange, Platform, PushToken};
use crate::domain::id::NotificationId;
use crate::domain::outcome::{Fault as Away, Outcome, Reason};
use crate::store::{Categories, Devices};

/// Ann has two phones, Bob has one; of `news` each gets one an hour.
async fn world() -> (World, Arc<Node>) {
    let world = World::new().await;
    let cap = Some(FrequencyCap { count: 1, per_seconds: 3_600 });
    let news = Category { frequency_cap: cap, ..Category::default() };
    world.store.put_category(world.app, "news", &news, None).await.unwrap();
    world.iphones(&["ann", "bob"]).await;
    let change = DeviceChange {
        user: Change::Set("ann".to_owned()),
        platform: Some(Platform::Ios),
        token: Some(PushToken::Apns("ab".repeat(32))),
        ..DeviceChange::default()
    };
    world.store.put_device(world.app, "ann-s-other-phone", change, None).await.unwrap();
    let node = world.settled().await.recording();
    (world, node)
}

async fn work(world: &World, node: &Arc<Node>) {
    let taken = world.ready(node).await;
    world.work_on(node, taken).await;
}

/// How many were sent and how many were one too many, once nothing waits.
async fn ended(world: &World, id: NotificationId) -> (u64, u64) {
    until("nothing waits", async || world.is_done(id).await.then_some(())).await;
    let view = world.view(id).await;
    let capped = view.reasons.get(&State::Suppressed).and_then(|reasons| reasons.get("frequency_cap"));
    (view.counts.sent, capped.copied().unwrap_or_default())
}

#[tokio::test]
async fn a_batch_takes_its_places_in_one_call_and_the_first_accepted_goes_first() {
    let (world, node) = world().await;
    let first = world.accept_in("news", &["ann", "bob"]).await;
    let second = world.accept_in("news", &["ann", "bob"]).await;
    work(&world, &node).await;
    assert_eq!(ended(&world, first).await, (3, 0));
    assert_eq!(ended(&world, second).await, (0, 3));
    assert_eq!(world.store.calls("reserve"), 1);
}

#[tokio::test]
async fn what_has_no_cap_asks_for_nothing() {
    let (world, node) = world().await;
    world.store.put_category(world.app, "free", &Category::default(), None).await.unwrap();
    let ids = [world.accept_in("free", &["ann"]).await, world.accept(&["ann", "bob"]).await];
    work(&world, &node).await;
    assert_eq!((ended(&world, ids[0]).await, ended(&world, ids[1]).await), ((2, 0), (3, 0)));
    assert_eq!(world.store.calls("reserve"), 0);
}

#[tokio::test]
async fn places_whose_answer_was_lost_are_found_again() {
    let (world, node) = world().await;
    let id = world.accept_in("news", &["ann"]).await;
    world.store.fail("reserve", [Fault::Before, Fault::After]);
    work(&world, &node).await;
    assert_eq!(ended(&world, id).await, (2, 0));
    assert_eq!(world.store.calls("reserve"), 3);
}

#[tokio::test]
async fn what_is_tried_again_has_its_place() {
    let (world, node) = world().await;
    let reason = Reason::new("InternalServerError");
    world.provider.answer_with(Outcome::Unavailable { retry_after: None, reason, fault: Away::Answered });
    let id = world.accept_in("news", &["bob"]).await;
    work(&world, &node).await;
    until("it waits", async || node.held.all().is_empty().then_some(())).await;
    world.provider.answer_with(Outcome::Accepted { message_id: None, environment: None });
    world.clock.pass(std::time::Duration::from_mins(1));
    work(&world, &node).await;
    assert_eq!(ended(&world, id).await, (1, 0));
}

/// One that the store refuses takes nobody else with it.
#[tokio::test]
async fn a_batch_that_is_refused_is_asked_for_one_by_one() {
    let (world, node) = world().await;
    let ids = [world.accept_in("news", &["ann"]).await, world.accept_in("news", &["bob"]).await, world.accept(&["bob"]).await];
    world.store.fail("reserve", [Fault::Refused, Fault::Refused]);
    work(&world, &node).await;
    assert_eq!(ended(&world, ids[2]).await, (1, 0));
    let sent = [world.counts(ids[0]).await.waiting, world.counts(ids[1]).await.waiting];
    assert!(sent == [2, 0] || sent == [0, 1], "{sent:?}: one of them waits for its lease to lapse");
}
