//! What webhooks are told: an item of each type from the operation itself, to those who want it, once.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::{join_all, join4};
use herald::domain::delivery::{Cohort, Delivery, Ending};
use herald::domain::device::{
    DeviceChange, DeviceStatus, Environment, Imported, InactiveReason, MAX_ACTIVE_DEVICES, Platform, ProviderKind,
};
use herald::domain::id::{CampaignId, RunId, Target};
use herald::domain::preferences::Preferences;
use herald::domain::principal::Principal;
use herald::domain::reason::{FailReason, SuppressReason};
use herald::domain::webhook::{EventType, LINGER};
use herald::store::engine::{Death, Record};
use herald::store::pause::LanePause;
use herald::store::receipt::{Receipt, ReceiptKind};
use herald::store::webhook::WebhookChange;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::campaign_audiences::{begun, page};
use crate::kit::{DAY, SECOND, iphone, record, users};
use crate::webhooks::{items, secret};
use crate::world::World;

impl World {
    async fn all_ears(&self) -> Uuid {
        self.add_webhook(EventType::ALL).await.id
    }

    /// What a webhook was told since the last look: type and item, sorted.
    async fn told(&self, webhook: Uuid) -> Vec<(EventType, Value)> {
        self.pass(LINGER);
        self.gather().await;
        let mut told = Vec::new();
        for message in self.due_messages().await {
            self.deliver(&message).await;
            if message.webhook == webhook {
                told.extend(items(&message).into_iter().map(|item| (message.event.unwrap(), item)));
            }
        }
        told.sort_by_key(|(event, item)| (*event, item.to_string()));
        told
    }

    async fn write(&self, record: Record) {
        self.store().record(&record).await.unwrap();
    }
}

/// A delivery to a person's device with all that an item says.
async fn rich(world: &World, device: &str, user: &str, ending: Ending) -> Delivery {
    let device = world.device(device, Some(user)).await;
    let campaign = Some(CampaignId(Uuid::from_u128(0xc)));
    let cohort = Arc::new(Cohort { app: world.app, category: Some("marketing".to_owned()), campaign, test: false });
    let id = world.notification_id();
    Delivery {
        cohort,
        person: device.person,
        platform: Some(Platform::Ios),
        provider: Some(ProviderKind::Apns),
        variant: Some(Arc::from("b")),
        ..world.delivery(id, Target::device(device.pk), ending)
    }
}

pub async fn every_end_of_a_delivery_is_told_once(world: &mut World) {
    let webhook = world.all_ears().await;
    let ends = [
        (Ending::Sent, Some(EventType::DeliverySent), None),
        (Ending::Suppressed(SuppressReason::Superseded), Some(EventType::DeliverySuppressed), Some("superseded")),
        (Ending::Failed(FailReason::GaveUp), Some(EventType::DeliveryFailed), Some("gave_up")),
        (Ending::Expired("quiet_hours".to_owned()), Some(EventType::DeliveryExpired), Some("quiet_hours")),
        (Ending::Cancelled, None, None),
    ];
    for (ending, event, reason) in ends {
        let delivery = rich(world, "phone", "ann", ending).await;
        world.told(webhook).await;
        let facts = Record { deliveries: vec![delivery.clone()], ..Record::default() };
        world.write(facts.clone()).await;
        let item = json!({
            "notification_id": delivery.notification, "device_id": "phone", "user_id": "ann", "platform": "ios", "provider": "apns",
            "reason": reason, "category": "marketing", "campaign_id": "00000000-0000-0000-0000-00000000000c", "variant": "b",
            "at": delivery.at,
        });
        assert_eq!(world.told(webhook).await, Vec::from_iter(event.map(|event| (event, item))));
        world.write(facts).await;
        let late = Delivery { ending: Ending::Failed(FailReason::GaveUp), ..delivery };
        world.write(Record { deliveries: vec![late], ..Record::default() }).await;
        assert_eq!(world.told(webhook).await, [], "a late correction is no second item");
    }
}

pub async fn what_is_not_there_is_null_and_tests_are_not_told(world: &mut World) {
    let webhook = world.all_ears().await;
    let rich = rich(world, "phone", "ann", Ending::Sent).await;
    world.told(webhook).await;
    let person = rich.person.unwrap();
    let bare = Delivery { person: Some(person), ..world.delivery(world.notification_id(), Target::person(person), Ending::Sent) };
    let test = Arc::new(Cohort { test: true, ..(*rich.cohort).clone() });
    let test = Delivery { cohort: test, ..rich };
    world.write(Record { deliveries: vec![bare.clone(), test], ..Record::default() }).await;
    let item = json!({
        "notification_id": bare.notification, "device_id": null, "user_id": "ann", "platform": null, "provider": null,
        "reason": null, "category": null, "campaign_id": null, "variant": null, "at": bare.at,
    });
    assert_eq!(world.told(webhook).await, [(EventType::DeliverySent, item)]);
}

pub async fn receipts_that_count_are_told(world: &mut World) {
    let webhook = world.all_ears().await;
    let phone = world.device("phone", Some("ann")).await;
    let id = world.accept(world.direct(users(&["ann"]))).await;
    let work = world.only_taken().await;
    let early = Receipt { notification: id, device: "phone".to_owned(), kind: ReceiptKind::Delivered, at: None };
    world.store().receive(world.app, std::slice::from_ref(&early)).await.unwrap();
    world.told(webhook).await;
    let arrived = world.now() - chrono::TimeDelta::from_std(LINGER).unwrap();
    let sent = Delivery { person: phone.person, at: arrived, ..world.delivery(id, Target::device(phone.pk), Ending::Sent) };
    world.write(record(&work, vec![sent], Vec::new())).await;
    assert_eq!(world.store().settle_early_receipts().await.unwrap(), 1);
    let item = |at| json!({"notification_id": id, "device_id": "phone", "user_id": "ann", "at": at});
    let told: Vec<(EventType, Value)> = world.told(webhook).await.into_iter().skip(1).collect();
    assert_eq!(told, [(EventType::ReceiptDelivered, item(arrived))]);

    let report = |kind| Receipt { kind, ..early.clone() };
    let twice = [report(ReceiptKind::Opened), report(ReceiptKind::Opened), report(ReceiptKind::Delivered)];
    let at = world.now();
    world.store().receive(world.app, &twice).await.unwrap();
    assert_eq!(world.told(webhook).await, [(EventType::ReceiptOpened, item(at))]);
    world.store().receive(world.app, &twice).await.unwrap();
    assert_eq!(world.told(webhook).await, []);
    // whoever signs in later is not whose push it was
    world.device("phone", Some("bob")).await;
    world.told(webhook).await;
    let at = world.now();
    world.store().receive(world.app, &[report(ReceiptKind::Dismissed)]).await.unwrap();
    assert_eq!(world.told(webhook).await, [(EventType::ReceiptDismissed, item(at))]);
}

fn device(name: &str, user: Option<&str>, reason: Option<&str>, at: herald::domain::Timestamp) -> Value {
    json!({"device_id": name, "user_id": user, "platform": "ios", "reason": reason, "at": at})
}

pub async fn devices_that_come_and_go_are_told(world: &mut World) {
    let (app, store, webhook) = (world.app, world.shared(), world.all_ears().await);
    let (come, gone) = (EventType::DeviceRegistered, EventType::DeviceDeactivated);
    let at = world.now();
    let phone = world.device("phone", Some("ann")).await;
    world.device("phone", Some("ann")).await;
    assert_eq!(world.told(webhook).await, [(come, device("phone", Some("ann"), None, at))], "once");

    let at = world.now();
    store.put_device(app, "other", iphone(Some("bob"), "token-phone"), None).await.unwrap();
    let moved = [(come, device("other", Some("bob"), None, at)), (gone, device("phone", Some("ann"), Some("token_moved"), at))];
    assert_eq!(world.told(webhook).await, moved);

    let at = world.now();
    world.device("phone", Some("ann")).await;
    let woken = world.told(webhook).await;
    assert_eq!(woken[0], (come, device("phone", Some("ann"), None, at)), "active again");
    assert_eq!(woken[1], (gone, device("other", Some("bob"), Some("token_moved"), at)));

    let at = world.now();
    let delivery = Delivery {
        person: phone.person,
        ..world.delivery(world.notification_id(), Target::device(phone.pk), Ending::Failed(FailReason::TokenDead))
    };
    let dead = Death { delivery, token_hash: phone.token_hash, token_kind: None, since: at, deactivate: Some(InactiveReason::TokenDead) };
    let dead = Record { deaths: vec![dead], ..Record::default() };
    world.write(dead.clone()).await;
    world.write(dead).await;
    let told = world.told(webhook).await;
    assert_eq!(told.len(), 2);
    assert_eq!((told[0].0, &told[0].1["reason"]), (EventType::DeliveryFailed, &json!("token_dead")));
    assert_eq!(told[1], (gone, device("phone", Some("ann"), Some("token_dead"), at)));

    assert!(store.delete_device(app, "phone", &Principal::Backend).await.unwrap());
    assert_eq!(world.told(webhook).await, [], "it got nothing before");
    world.device("third", None).await;
    world.told(webhook).await;
    let at = world.now();
    assert!(store.delete_device(app, "third", &Principal::Backend).await.unwrap());
    assert!(!store.delete_device(app, "third", &Principal::Backend).await.unwrap());
    assert_eq!(world.told(webhook).await, [(gone, device("third", None, Some("deleted"), at))]);
}

pub async fn devices_that_nobody_sees_or_that_are_too_many_are_told(world: &mut World) {
    let (app, store, webhook) = (world.app, world.shared(), world.all_ears().await);
    world.device("old", Some("bob")).await;
    let seen = world.now();
    for n in 0..MAX_ACTIVE_DEVICES {
        world.pass(SECOND);
        world.device(&format!("d{n}"), Some("ann")).await;
    }
    world.told(webhook).await;
    let at = world.now();
    world.device("newest", Some("ann")).await;
    let crowded = [
        (EventType::DeviceRegistered, device("newest", Some("ann"), None, at)),
        (EventType::DeviceDeactivated, device("d0", Some("ann"), Some("too_many_devices"), at)),
    ];
    assert_eq!(world.told(webhook).await, crowded);
    let at = world.now();
    assert_eq!(store.deactivate_stale(app, seen, 0, 500).await.unwrap().deactivated, 1);
    assert_eq!(world.told(webhook).await, [(EventType::DeviceDeactivated, device("old", Some("bob"), Some("stale"), at))]);
    assert_eq!(store.deactivate_stale(app, seen, 0, 500).await.unwrap().deactivated, 0);
    assert_eq!(world.told(webhook).await, []);
}

pub async fn imports_are_told_like_registrations(world: &mut World) {
    let (app, store, webhook) = (world.app, world.shared(), world.all_ears().await);
    world.device("known", Some("ann")).await;
    let asleep = |token: &str| DeviceChange { imported: Some(Imported { inactive: true, ..Imported::default() }), ..iphone(None, token) };
    world.told(webhook).await;
    let at = world.now();
    let changes = vec![
        ("new".to_owned(), iphone(Some("bob"), "new")),
        ("known".to_owned(), iphone(Some("ann"), "token-known")),
        ("asleep".to_owned(), asleep("asleep")),
        ("twice".to_owned(), iphone(None, "a")),
        ("twice".to_owned(), iphone(None, "b")),
    ];
    store.put_devices(app, changes).await.unwrap();
    let told = [device("new", Some("bob"), None, at), device("twice", None, None, at)];
    assert_eq!(world.told(webhook).await, told.map(|item| (EventType::DeviceRegistered, item)));
    let at = world.now();
    let off = DeviceChange { user: herald::domain::device::Change::Keep, token: None, ..asleep("") };
    store.put_devices(app, vec![("known".to_owned(), off)]).await.unwrap();
    let now = store.device(app, "known").await.unwrap().unwrap();
    assert_eq!((now.status, now.inactive_reason), (DeviceStatus::Inactive, None));
    assert_eq!(world.told(webhook).await, [(EventType::DeviceDeactivated, device("known", Some("ann"), None, at))]);
}

pub async fn preferences_are_told_where_they_changed(world: &mut World) {
    let (app, store, webhook) = (world.app, world.shared(), world.all_ears().await);
    let paris = Preferences { timezone: Some("Europe/Paris".to_owned()), ..Preferences::default() };
    for (user, preferences, is_told) in [
        ("ann", &Preferences::default(), false),
        ("ann", &paris, true),
        ("ann", &paris, false),
        ("bob", &paris, true),
        ("ann", &Preferences::default(), true),
    ] {
        let at = world.now();
        store.put_preferences(app, user, preferences, None).await.unwrap().unwrap();
        let item = (EventType::PreferencesChanged, json!({"user_id": user, "at": at}));
        assert_eq!(world.told(webhook).await, Vec::from_iter(is_told.then_some(item)));
    }
    assert!(store.put_preferences(app, "ann", &paris, Some(77)).await.unwrap().is_none());
    assert_eq!(world.told(webhook).await, []);
}

fn campaign(
    event: EventType,
    id: CampaignId,
    run: Option<RunId>,
    reason: Option<&str>,
    at: herald::domain::Timestamp,
) -> (EventType, Value) {
    (event, json!({"campaign_id": id, "run_id": run, "reason": reason, "at": at}))
}

pub async fn steps_of_campaigns_are_told(world: &mut World) {
    let (app, store, webhook) = (world.app, world.shared(), world.all_ears().await);
    let id = world.due("daily").await.id;
    assert_eq!(world.told(webhook).await, []);
    let at = world.now();
    let (run, _) = world.fire(id, world.named_fan_out(vec![users(&["ann"])]), Some(DAY)).await;
    assert_eq!(world.told(webhook).await, [campaign(EventType::CampaignStarted, id, Some(run), None, at)]);
    let version = world.campaign(id).await.version;
    assert!(store.fire_campaign(app, id, version, vec![world.run_of(id, None)], Some(world.later(DAY))).await.unwrap());
    assert_eq!(world.told(webhook).await, [], "an occurrence that is skipped begins nothing");

    let at = world.now();
    store.pause_campaign(app, id).await.unwrap();
    store.pause_campaign(app, id).await.unwrap();
    assert_eq!(world.told(webhook).await, [campaign(EventType::CampaignPaused, id, None, None, at)]);
    store.resume_campaign(app, id).await.unwrap();
    let (at, version) = (world.now(), world.campaign(id).await.version);
    assert!(store.stop_campaign(app, id, version, "unknown_category").await.unwrap());
    assert!(!store.stop_campaign(app, id, version, "unknown_category").await.unwrap());
    assert_eq!(world.told(webhook).await, [campaign(EventType::CampaignPaused, id, None, Some("unknown_category"), at)]);

    let once = world.due("once").await.id;
    let version = world.campaign(once).await.version;
    assert!(store.fire_campaign(app, once, version, vec![world.run_of(once, None)], None).await.unwrap());
    let at = world.now();
    assert_eq!((store.settle_campaigns().await.unwrap(), store.settle_campaigns().await.unwrap()), (1, 0));
    assert_eq!(world.told(webhook).await, [campaign(EventType::CampaignDone, once, None, None, at)]);
}

pub async fn a_campaign_with_too_many_targets_is_told_as_paused_once(world: &mut World) {
    let webhook = world.add_webhook(&[EventType::CampaignPaused]).await.id;
    let (id, _, work) = begun(world, 2).await;
    let at = world.now();
    while !page(world, &work, 3).await.1 {}
    assert_eq!(world.told(webhook).await, [campaign(EventType::CampaignPaused, id, None, Some("max_targets"), at)]);
}

pub async fn a_pause_of_a_lane_is_told_once(world: &mut World) {
    let (store, webhook) = (world.shared(), world.all_ears().await);
    let (provider, environment) = (ProviderKind::Apns, Environment::Sandbox);
    let first =
        LanePause { app: world.app, provider, environment, part: None, credential: [1; 32], reason: "credential_refused".to_owned() };
    let part = LanePause { part: Some(Platform::Web), provider: ProviderKind::Fcm, environment: Environment::Production, ..first.clone() };
    let at = world.now();
    store.pause_lanes(std::slice::from_ref(&first)).await.unwrap();
    store.pause_lanes(&[first.clone(), part]).await.unwrap();
    let item = |provider, environment, part: Option<&str>| json!({"provider": provider, "environment": environment, "part": part, "reason": "credential_refused", "at": at});
    let told = [item("fcm", "production", Some("web")), item("apns", "sandbox", None)];
    assert_eq!(world.told(webhook).await, told.map(|item| (EventType::LanePaused, item)));
    store.resume_lanes(world.app, provider).await.unwrap();
    store.pause_lanes(&[first]).await.unwrap();
    assert_eq!(world.told(webhook).await.len(), 1, "it is a new one");
}

/// One that does not want it, is disabled, or is another app's.
pub async fn nobody_else_is_told(world: &mut World) {
    let store = world.shared();
    let other = world.other_app().await;
    let theirs = world.webhook(other, EventType::ALL);
    assert!(store.create_webhook(&theirs, &secret(1)).await.unwrap());
    let deaf = world.add_webhook(&[EventType::LanePaused]).await.id;
    let disabled = world.all_ears().await;
    let off = WebhookChange { enabled: Some(false), ..WebhookChange::default() };
    store.change_webhook(world.app, disabled, &off, None).await.unwrap();
    let ears = world.all_ears().await;
    world.prefer("ann").await;
    let on = WebhookChange { enabled: Some(true), ..WebhookChange::default() };
    store.change_webhook(world.app, disabled, &on, None).await.unwrap();
    world.pass(LINGER);
    world.gather().await;
    let told: BTreeMap<Uuid, usize> = world.due_messages().await.iter().map(|message| (message.webhook, items(message).len())).collect();
    assert_eq!(told, BTreeMap::from([(ears, 1)]), "neither {deaf} nor {disabled} nor {}", theirs.id);
}

/// In items that wait, in messages that wait, and in those that were delivered.
pub async fn whoever_is_erased_is_named_no_more(world: &mut World) {
    let (app, store, webhook) = (world.app, world.shared(), world.all_ears().await);
    let name = "a\"nn\\ü <1>";
    let replay = async |world: &World| {
        world.pass(LINGER);
        world.gather().await;
        store.replay_webhook(app, webhook, World::start(), world.later(SECOND)).await.unwrap();
        let due = world.due_messages().await;
        let mut named = Vec::new();
        for message in &due {
            world.deliver(message).await;
            named.extend(items(message).into_iter().map(|item| (item["user_id"].clone(), item.get("device_id").cloned())));
        }
        named.sort_by_key(|named| format!("{named:?}"));
        named
    };
    world.device("phone", Some(name)).await;
    world.device("theirs", Some("ann")).await;
    replay(world).await;
    world.prefer(name).await;
    world.pass(LINGER);
    world.gather().await;
    world.device("tablet", Some(name)).await;
    world.prefer("ann").await;
    assert!(store.erase_user(app, name).await.unwrap());
    let mut expected = vec![
        (Value::Null, Some(Value::Null)),
        (Value::Null, None),
        (Value::Null, Some(Value::Null)),
        (json!("ann"), Some(json!("theirs"))),
        (json!("ann"), None),
    ];
    expected.sort_by_key(|named| format!("{named:?}"));
    assert_eq!(replay(world).await, expected);
    assert!(!store.erase_user(app, name).await.unwrap());
}

/// They are forgotten some at a time, and each is named without its user too.
pub async fn whoever_is_erased_with_many_devices_is_named_no_more(world: &mut World) {
    let (app, store, webhook) = (world.app, world.shared(), world.all_ears().await);
    let names: Vec<String> = (0..450).map(|n| format!("d{n}")).collect();
    for user in [None, Some("ann")] {
        let changes = names.iter().map(|name| (name.clone(), iphone(user, name))).collect();
        store.put_devices(app, changes).await.unwrap();
        world.pass(LINGER);
        world.gather().await;
    }
    world.device("theirs", Some("bob")).await;
    world.prefer("ann").await;
    assert!(store.erase_user(app, "ann").await.unwrap());
    let told = world.told(webhook).await;
    let named = |member: &str| told.iter().filter(|(_, item)| item.get(member).is_some_and(|name| !name.is_null())).count();
    assert_eq!((named("device_id"), named("user_id")), (1, 1), "theirs, bob");
    assert!(told.len() > 450, "{}", told.len());
    assert!(!store.erase_user(app, "ann").await.unwrap());
}

/// Whatever is written about them at the same time comes wholly before, and is found, or wholly after, and names nobody.
pub async fn whoever_is_erased_while_others_write_is_named_no_more(world: &mut World) {
    let (app, store, webhook) = (world.app, world.shared(), world.all_ears().await);
    for round in 0..4 {
        let name = format!("user-{round}");
        let phone = world.device(&format!("phone-{round}"), Some(&name)).await;
        let facts: Vec<Record> = (0..24)
            .map(|_| {
                let sent = world.delivery(world.notification_id(), Target::device(phone.pk), Ending::Sent);
                Record { deliveries: vec![Delivery { person: phone.person, ..sent }], ..Record::default() }
            })
            .collect();
        let (before, after) = facts.split_at(12);
        let written = async |facts: &[Record]| {
            for done in join_all(facts.iter().map(|facts| store.record(facts))).await {
                done.unwrap();
            }
        };
        let erased = async { assert!(store.erase_user(app, &name).await.unwrap()) };
        let gathered = async {
            for _ in 0..12 {
                world.pass(LINGER);
                world.gather().await;
            }
        };
        join4(written(before), erased, written(after), gathered).await;
    }
    let told = world.told(webhook).await;
    let sent: Vec<&Value> = told.iter().filter(|(event, _)| *event == EventType::DeliverySent).map(|(_, item)| item).collect();
    assert_eq!(sent.len(), 4 * 24);
    assert!(sent.iter().all(|item| item["user_id"].is_null() && item["device_id"].is_null()), "{sent:?}");
}
