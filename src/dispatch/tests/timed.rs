//! How long pushes of campaigns took: what people asked for is not in it, what they waited for otherwise is.

use std::time::Duration;

use chrono::TimeDelta;
use serde_json::json;

use super::variants::{campaign, drain};
use super::world::{Hand, World, draft, until};
use crate::dispatch::draft::{Draft, To};
use crate::dispatch::recorder::What;
use crate::domain::delivery::Ending;
use crate::domain::latency::Latency;
use crate::domain::notification::{IfPast, When};
use crate::domain::outcome::{Fault, Outcome, Reason};
use crate::store::People;

const ACCEPTED: Outcome = Outcome::Accepted { message_id: None, environment: None };

/// What is told of the one push that is sent next.
async fn latency(hand: &mut Hand) -> Option<Latency> {
    loop {
        let event = hand.events.recv().await.unwrap();
        match event.what {
            What::Ended(delivery, _) => {
                assert_eq!(delivery.ending, Ending::Sent);
                return delivery.latency;
            }
            What::Nothing => {}
            _ => panic!("it is sent"),
        }
    }
}

/// Ann is in quiet hours from 8 to 10, which it is 9 o'clock now, and Bob is not.
#[tokio::test]
async fn latency_counts_from_the_earliest_instant() {
    let local = |time: &str| When::Local { time: time.parse().unwrap(), if_past: IfPast::Send };
    let to = |user: &str| To::Users(vec![user.to_owned()]);
    let of = |user: &str, when: Option<When>| Draft { when, ..campaign(to(user), Vec::new()) };
    let at = |text: &str| Some(When::At(text.parse().unwrap()));
    let (minute, hour) = (Duration::from_mins(1), Duration::from_hours(1));
    for (name, draft, sent_after, expected) in [
        ("at once", of("bob", None), Duration::from_secs(5), Some(5)),
        ("scheduled", of("bob", at("2026-11-02T09:30:00Z")), hour, Some(1_800)),
        ("at its local time", of("bob", Some(local("2026-11-02T09:45:00"))), hour, Some(900)),
        ("its local time had passed", of("bob", Some(local("2026-11-02T08:45:00"))), minute, Some(60)),
        ("in quiet hours", of("ann", None), hour + minute, Some(60)),
        ("in quiet hours when it is due", of("ann", Some(local("2026-11-02T09:45:00"))), hour + minute, Some(60)),
        ("a test", Draft { test: true, ..of("bob", None) }, minute, None),
        ("no campaign", draft(to("bob")), minute, None),
    ] {
        let world = World::new().await;
        world.iphones(&["ann", "bob"]).await;
        let quiet = serde_json::from_value(json!({"quiet_hours": [{"start": "08:00", "end": "10:00"}]})).unwrap();
        world.store.put_preferences(world.app, "ann", &quiet, None).await.unwrap();
        let mut hand = world.hand();
        world.accept_draft(draft).await;
        world.clock.pass(sent_after);
        let taken = world.ready(&hand.node).await;
        world.work_on(&hand.node, taken).await;
        let expected = expected.map(|seconds| Latency::of(TimeDelta::seconds(seconds)));
        assert_eq!(latency(&mut hand).await, expected, "{name}");
    }
}

#[tokio::test]
async fn what_was_tried_again_took_that_long() {
    let world = World::new().await;
    world.iphones(&["bob"]).await;
    let mut hand = world.hand();
    let reason = Reason::new("InternalServerError");
    world.provider.answer_with(Outcome::Unavailable { retry_after: None, reason, fault: Fault::Answered });
    let id = world.accept_draft(campaign(To::Users(vec!["bob".to_owned()]), Vec::new())).await;
    let first = world.settled().await.recording();
    drain(&world, &first).await;
    until("it waits", async || (world.provider.started().len() == 1).then_some(())).await;
    world.provider.answer_with(ACCEPTED);
    world.clock.pass(Duration::from_mins(10));
    let taken = world.ready(&hand.node).await;
    world.work_on(&hand.node, taken).await;
    // with the half minute that it took before the first try
    assert_eq!(latency(&mut hand).await, Some(Latency::of(TimeDelta::seconds(630))));
    assert_eq!(world.counts(id).await.waiting, 1, "nothing is recorded here");
}
