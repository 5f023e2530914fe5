//! Who gets which variant of a campaign, in which words, and what is recorded of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::json;
use uuid::Uuid;

use super::clock::TestClock;
use super::provider::LIMIT;
use super::world::{World, draft, until};
use crate::dispatch::accept;
use crate::dispatch::draft::{Draft, OfCampaign, Rejected, To};
use crate::dispatch::node::Node;
use crate::dispatch::preview::{Asked, preview};
use crate::domain::Timestamp;
use crate::domain::clock::Clock;
use crate::domain::collapse::apns_id;
use crate::domain::content::Content;
use crate::domain::delivery::State;
use crate::domain::device::{Change, DeviceChange, Permission, Platform, ProviderKind, PushToken};
use crate::domain::id::{CampaignId, NotificationId};
use crate::domain::notification::Lifetime;
use crate::domain::outcome::{Fault, Outcome, Reason};
use crate::domain::variant::Variant;
use crate::store::notification::{DeliveryFilter, DeliveryView};
use crate::store::{Devices, Engine, Notifications, PageRequest};

const ACCEPTED: Outcome = Outcome::Accepted { message_id: None, environment: None };
pub(super) const CAMPAIGN: CampaignId = CampaignId(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0007));

/// Variants by their names, each for as many, with a title of its own and one for those who speak French.
pub(super) fn variants(names: &[&str]) -> Vec<Variant> {
    let titled = |title: String| Content { title: Some(title), ..Content::default() };
    let variant = |name: &&str| Variant {
        name: (*name).to_owned(),
        weight: 1,
        content: titled((*name).to_owned()),
        localized: BTreeMap::from([("fr".to_owned(), titled(format!("{name}-fr")))]),
    };
    names.iter().map(variant).collect()
}

/// A draft of the campaign.
pub(super) fn campaign(to: To, variants: Vec<Variant>) -> Draft {
    Draft { campaign: Some(OfCampaign { id: CAMPAIGN, variants, max_targets: None }), ..draft(to) }
}

/// All targets of a notification.
pub(super) async fn deliveries(world: &World, id: NotificationId) -> Vec<DeliveryView> {
    let page = PageRequest { limit: 500, after: None };
    world.store.deliveries(world.app, id, &DeliveryFilter::default(), &page).await.unwrap().unwrap().items
}

/// Works on all that is due by now, until it is recorded.
pub(super) async fn drain(world: &World, node: &Arc<Node>) {
    loop {
        let taken = world.ready(node).await;
        if taken.is_empty() {
            return;
        }
        world.work_on(node, taken).await;
        until("all is recorded", async || node.held.all().is_empty().then_some(())).await;
    }
}

/// An iPhone, or another that the app has no provider for.
async fn phone(world: &World, user: &str, name: &str, change: DeviceChange) {
    let token = PushToken::Apns(format!("{:064x}", name.bytes().fold(7_u128, |hash, byte| hash * 31 + u128::from(byte))));
    let change = DeviceChange {
        user: Change::Set(user.to_owned()),
        platform: change.platform.or(Some(Platform::Ios)),
        token: change.token.or(Some(token)),
        ..change
    };
    drop(world.store.put_device(world.app, name, change, None).await.unwrap());
}

/// The titles that were handed over for a notification, by device.
async fn titles(world: &World, id: NotificationId) -> BTreeMap<String, String> {
    let handed: BTreeMap<Uuid, String> =
        world.provider.handed().into_iter().map(|(push, words)| (push, words["title"].as_str().unwrap().to_owned())).collect();
    let mut titles = BTreeMap::new();
    for name in deliveries(world, id).await.into_iter().filter_map(|delivery| delivery.device) {
        let pk = world.store.device(world.app, &name).await.unwrap().unwrap().pk;
        titles.extend(handed.get(&apns_id(id, pk)).map(|title| (name, title.clone())));
    }
    titles
}

#[tokio::test]
async fn a_person_gets_the_same_variant_everywhere_and_always() {
    let world = World::new().await;
    let users: Vec<String> = (0..12).map(|n| format!("u{n}")).collect();
    for user in &users {
        phone(&world, user, &format!("{user}-one"), DeviceChange::default()).await;
        let french = DeviceChange { locale: Change::Set("fr-CA".to_owned()), ..DeviceChange::default() };
        phone(&world, user, &format!("{user}-two"), french).await;
    }
    let node = world.settled().await.recording();
    let mut told = Vec::new();
    for answers in [ACCEPTED, Outcome::Unavailable { retry_after: None, reason: Reason::new("R"), fault: Fault::Answered }] {
        world.provider.answer_with(answers);
        let id = world.accept_draft(campaign(To::All, variants(&["a", "b", "c"]))).await;
        drain(&world, &node).await;
        // what is tried again, in another row, says the same; the lane's breaker lets one through at first
        world.provider.answer_with(ACCEPTED);
        for _ in 0..60 {
            world.clock.pass(Duration::from_mins(1));
            drain(&world, &node).await;
        }
        assert_eq!(world.counts(id).await.sent, 24);
        let titles = titles(&world, id).await;
        for delivery in deliveries(&world, id).await {
            let (name, variant) = (delivery.device.unwrap(), delivery.variant.unwrap());
            let expected = if name.ends_with("two") { format!("{variant}-fr") } else { variant };
            assert_eq!(titles[&name], expected, "{name}");
        }
        for user in &users {
            assert_eq!(titles[&format!("{user}-two")], format!("{}-fr", titles[&format!("{user}-one")]), "{user}");
        }
        assert!(titles.values().collect::<BTreeSet<_>>().len() > 2, "{titles:?}");
        told.push(titles);
    }
    assert_eq!(told[0], told[1], "in every run");
}

/// However a target ended, it is in exactly one variant: its person's.
#[tokio::test]
async fn every_delivery_has_the_variant_that_was_for_it() {
    let world = World::new().await;
    phone(&world, "ann", "ann-s", DeviceChange::default()).await;
    phone(&world, "ben", "ben-s", DeviceChange { permission: Change::Set(Permission::Denied), ..DeviceChange::default() }).await;
    let android =
        DeviceChange { platform: Some(Platform::Android), token: Some(PushToken::Fcm("t".to_owned())), ..DeviceChange::default() };
    phone(&world, "cem", "cem-s", android).await;
    let node = world.settled().await.recording();
    let to = || To::Users(["ann", "ben", "cem", "nobody"].map(str::to_owned).to_vec());
    let lasting = |seconds| Draft { lifetime: Some(Lifetime::Seconds(seconds)), ..campaign(to(), variants(&["a", "b", "c"])) };
    let reason = Reason::new("R");
    let mut of_user: BTreeMap<String, String> = BTreeMap::new();
    for (name, outcome, state) in [
        ("sent", ACCEPTED, State::Sent),
        ("rejected", Outcome::MessageRejected { reason: reason.clone(), too_large: false }, State::Failed),
        ("expired", ACCEPTED, State::Expired),
        ("cancelled", ACCEPTED, State::Cancelled),
        (
            "given up",
            Outcome::Unavailable { retry_after: Some(Duration::from_hours(2)), reason: reason.clone(), fault: Fault::Answered },
            State::Expired,
        ),
        ("dead", Outcome::TokenDead { since: None, reason: reason.clone() }, State::Failed),
    ] {
        world.provider.answer_with(outcome);
        let id = world.accept_draft(lasting(3_600)).await;
        match name {
            "expired" => world.clock.pass(Duration::from_hours(2)),
            "cancelled" => assert!(world.store.cancel(world.app, id).await.unwrap()),
            _ => {}
        }
        drain(&world, &node).await;
        let all = deliveries(&world, id).await;
        assert_eq!(all.len(), 4, "{name}");
        for delivery in all {
            let (user, variant) = (delivery.user.unwrap(), delivery.variant.unwrap_or_else(|| panic!("{name} has no variant")));
            if user == "ann" {
                assert_eq!(delivery.state, state, "{name}");
            }
            assert_eq!(of_user.entry(user).or_insert_with(|| variant.clone()), &variant, "{name}");
        }
        // a lane that was told to wait for long has nothing to do with the next one
        world.clock.pass(Duration::from_hours(3));
    }
    assert_eq!(of_user.len(), 4);
}

async fn refusal(world: &World, draft: Draft) -> Option<Rejected> {
    let node = world.hand().node;
    let app = node.directory.app(world.app).unwrap();
    accept::prepare(&node, &app, draft).await.err()
}

fn field(refused: Option<Rejected>) -> Option<String> {
    match refused? {
        Rejected::Invalid(errors) => Some(errors.into_iter().map(|error| error.field).collect()),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn every_variant_is_tried_in_all_its_words_before_it_is_accepted() {
    let world = World::new().await;
    let of = |variants| campaign(To::All, variants);
    let many = |n: usize| variants(&(0..n).map(|n| format!("v{n}")).collect::<Vec<_>>().iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(field(refusal(&world, of(many(20))).await), None);
    assert_eq!(field(refusal(&world, of(many(21))).await).as_deref(), Some("variants"));
    for (locales, expected) in [(48, None), (49, Some("variants"))] {
        let localized = (0..locales).map(|n| (format!("l{n}"), Content::default())).collect();
        let refused = refusal(&world, Draft { localized, ..of(many(20)) }).await;
        assert_eq!(field(refused).as_deref(), expected, "{locales} and a variant's own, and the default words");
    }
    let mut one_too_long = variants(&["a", "b"]);
    one_too_long[1].localized.insert("de".to_owned(), Content { body: Some("x".repeat(LIMIT)), ..Content::default() });
    match refusal(&world, of(one_too_long)).await {
        Some(Rejected::TooLarge { provider, size, limit }) => assert!(provider == ProviderKind::Apns && size > limit && limit == LIMIT),
        other => panic!("{other:?}"),
    }
}

/// Time passes with every look at it.
struct Hurried {
    clock: Arc<TestClock>,
    looks: AtomicU32,
}

impl Clock for Hurried {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(5) * self.looks.fetch_add(1, Ordering::SeqCst)
    }
}

/// A node of a hurried clock, and a campaign of so many variants whose template says this in 46 ways.
fn many_words(world: &World, said: &str, n: usize) -> (Arc<Node>, Draft) {
    let localized: BTreeMap<String, serde_json::Value> = (0..45).map(|n| (format!("l{n}"), json!({"body": said}))).collect();
    let template = json!({"id": "t", "words": {"content": {"body": said}, "localized": localized}});
    let names: Vec<String> = (0..n).map(|n| format!("v{n}")).collect();
    let variants = variants(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let mut parts = world.parts();
    parts.clock = Arc::new(Hurried { clock: Arc::clone(&world.clock), looks: AtomicU32::new(0) });
    let template = Some(serde_json::from_value(template).unwrap());
    (World::hand_of(parts).node, Draft { template, ..campaign(To::All, variants) })
}

/// Each of its words is quick, and there are too many.
#[tokio::test]
async fn a_template_that_takes_long_in_all_its_words_is_refused() {
    let world = World::new().await;
    for (n, expected) in [(1, None), (20, Some("template"))] {
        let (node, draft) = many_words(&world, "b {{ platform }}", n);
        let app = node.directory.app(world.app).unwrap();
        assert_eq!(field(accept::prepare(&node, &app, draft).await.err()).as_deref(), expected, "{n}");
    }
}

/// What is each user's own is filled when it is previewed, and not before it is accepted.
#[tokio::test]
async fn a_preview_of_too_many_words_is_refused() {
    let world = World::new().await;
    for (n, expected) in [(1, None), (20, Some("template"))] {
        let (node, draft) = many_words(&world, "{{ user_id }}", n);
        let app = node.directory.app(world.app).unwrap();
        assert_eq!(field(preview(&node, &app, draft, Asked::default()).await.err()).as_deref(), expected, "{n}");
    }
}

/// What every variant says itself, its template need not be able to say.
#[tokio::test]
async fn a_blank_that_a_variant_covers_needs_no_value() {
    let world = World::new().await;
    world.iphones(&["ann", "ben"]).await;
    let to = To::Users(vec!["ann".to_owned(), "ben".to_owned()]);
    let whole = variants(&["a", "b"]);
    let mut partly = whole.clone();
    partly[1].content.title = None;
    for per_user in [json!({}), json!({"ann": {"name": "Ann"}})] {
        let template = json!({"id": "t", "words": {"content": {"title": "Hello {{ name }}"}, "localized": {}}, "per_user": per_user});
        let of = |variants: &[Variant]| Draft {
            content: Content::default(),
            template: Some(serde_json::from_value(template.clone()).unwrap()),
            ..campaign(to.clone(), variants.to_vec())
        };
        assert_eq!(field(refusal(&world, of(&whole)).await), None, "{per_user}");
        for lacking in [&partly[..], &[]] {
            assert_eq!(field(refusal(&world, of(lacking)).await).as_deref(), Some("template.variables"), "{per_user}");
        }
    }
}
