//! Webhooks: what they are, how items become messages, who sends them, and what follows an attempt.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::Duration;

use chrono::TimeDelta;
use futures_util::future::join_all;
use herald::domain::Timestamp;
use herald::domain::id::AppId;
use herald::domain::preferences::Preferences;
use herald::domain::webhook::{Disabled, EventType, LINGER, MAX_WEBHOOKS, OVERLAP, TRIED_FOR, Webhook};
use herald::store::PageRequest;
use herald::store::sealing::SealedAnew;
use herald::store::webhook::{
    Attempt, ClaimBounds, DueMessage, ListedAttempt, MessageStatus, Next, WebhookChange, WebhookChanged, WebhookSecret,
};
use serde_json::Value;
use uuid::Uuid;

use crate::kit::{SECOND, iphone};
use crate::world::{KEY, World};

const LEASE: Duration = Duration::from_secs(30);
const MANY: usize = 1_000;
/// No bound.
const ALL: ClaimBounds = ClaimBounds { limit: MANY, of_webhook: MANY, of_app: MANY };

pub fn secret(byte: u8) -> WebhookSecret {
    vec![byte; 32].into()
}

impl World {
    pub fn webhook(&self, app: AppId, events: &[EventType]) -> Webhook {
        Webhook {
            id: self.notification_id().0,
            app,
            url: "https://backend.example/herald".to_owned(),
            events: events.iter().copied().collect(),
            disabled: None,
            failing_since: None,
            created_at: self.now(),
            updated_at: self.now(),
        }
    }

    pub async fn add_webhook(&self, events: &[EventType]) -> Webhook {
        let webhook = self.webhook(self.app, events);
        assert!(self.store().create_webhook(&webhook, &secret(1)).await.unwrap());
        webhook
    }

    /// One that hears of preferences.
    pub async fn listener(&self) -> Webhook {
        self.add_webhook(&[EventType::PreferencesChanged]).await
    }

    pub async fn other_app(&self) -> AppId {
        self.store().ensure_apps(&["other".to_owned()]).await.unwrap()[0]
    }

    /// Somebody's preferences become others.
    pub async fn prefer(&self, user: &str) {
        let zone = if self.preferred(user).await == Some("Europe/Paris".to_owned()) { "Europe/Rome" } else { "Europe/Paris" };
        let preferences = Preferences { timezone: Some(zone.to_owned()), ..Preferences::default() };
        self.store().put_preferences(self.app, user, &preferences, None).await.unwrap().unwrap();
    }

    async fn preferred(&self, user: &str) -> Option<String> {
        self.store().preferences(self.app, user).await.unwrap().value.timezone
    }

    /// As if nobody were ever behind.
    pub async fn gather(&self) -> usize {
        self.store().gather_webhook_items(MANY, MANY).await.unwrap()
    }

    /// One message with one item.
    pub async fn message(&self) {
        self.prefer("ann").await;
        self.pass(LINGER);
        assert_eq!(self.gather().await, 1);
    }

    pub async fn due_messages(&self) -> Vec<DueMessage> {
        self.store().claim_webhook_messages(ALL, LEASE).await.unwrap()
    }

    pub async fn only_due(&self) -> DueMessage {
        let mut due = self.due_messages().await;
        assert_eq!(due.len(), 1);
        due.pop().unwrap()
    }

    fn attempt(&self, message: &DueMessage, status: Option<u16>) -> Attempt {
        let error = status.is_none().then(|| "timeout".to_owned());
        Attempt { message: message.id, webhook: message.webhook, at: self.now(), took_ms: 7, status, error }
    }

    pub async fn deliver(&self, message: &DueMessage) {
        self.store().attempted(message, &self.attempt(message, Some(200)), Next::Delivered).await.unwrap();
    }

    pub async fn fail(&self, message: &DueMessage, next: Next) {
        self.store().attempted(message, &self.attempt(message, None), next).await.unwrap();
    }

    pub async fn attempts(&self, id: Uuid) -> Vec<ListedAttempt> {
        self.store().webhook_attempts(self.app, id, &PageRequest { limit: 500, after: None }).await.unwrap().unwrap().items
    }

    async fn prune(&self, before: Timestamp) {
        while !self.store().prune_webhooks(before).await.unwrap() {}
    }

    pub async fn hook(&self, id: Uuid) -> Webhook {
        self.store().webhook(self.app, id).await.unwrap().unwrap()
    }

    pub async fn change(&self, id: Uuid, change: WebhookChange) -> Webhook {
        let WebhookChanged::Written(changed) = self.store().change_webhook(self.app, id, &change, None).await.unwrap() else { panic!() };
        assert_eq!(self.hook(id).await, changed);
        changed
    }
}

pub fn items(message: &DueMessage) -> Vec<Value> {
    serde_json::from_str(&message.data).unwrap()
}

pub fn keys(message: &DueMessage) -> Vec<Vec<u8>> {
    message.secrets.iter().map(|secret| secret.to_vec()).collect()
}

pub async fn a_webhook_is_its_apps_and_there_are_not_too_many(world: &mut World) {
    let (store, other) = (world.shared(), world.other_app().await);
    let mut made = Vec::new();
    for _ in 0..MAX_WEBHOOKS {
        made.push(world.add_webhook(&[EventType::LanePaused, EventType::DeliverySent]).await);
        world.pass(SECOND);
    }
    assert!(!store.create_webhook(&world.webhook(world.app, &[EventType::LanePaused]), &secret(1)).await.unwrap());
    assert_eq!(store.webhooks(world.app).await.unwrap(), made);
    assert_eq!(store.webhooks(other).await.unwrap(), []);
    let id = made[0].id;
    assert_eq!(world.hook(id).await, made[0]);
    assert_eq!(store.webhook(other, id).await.unwrap(), None);
    let off = WebhookChange { enabled: Some(false), ..WebhookChange::default() };
    assert_eq!(store.change_webhook(other, id, &off, None).await.unwrap(), WebhookChanged::Unknown);
    assert!(!store.rotate_webhook_secret(other, id, &secret(2)).await.unwrap());
    assert_eq!(store.test_webhook(other, id).await.unwrap(), None);
    assert_eq!(store.webhook_attempts(other, id, &PageRequest { limit: 1, after: None }).await.unwrap(), None);
    assert_eq!(store.replay_webhook(other, id, world.now(), world.now()).await.unwrap(), None);
    assert!(!store.delete_webhook(other, id).await.unwrap());
    assert_eq!(world.hook(id).await, made[0], "untouched");
    assert!(store.create_webhook(&world.webhook(other, &[EventType::LanePaused]), &secret(1)).await.unwrap());
}

pub async fn no_more_webhooks_are_made_at_the_same_time_than_allowed(world: &mut World) {
    let webhooks: Vec<Webhook> = (0..MAX_WEBHOOKS + 8).map(|_| world.webhook(world.app, &[EventType::LanePaused])).collect();
    let key = secret(1);
    let made = join_all(webhooks.iter().map(|webhook| world.store().create_webhook(webhook, &key))).await;
    assert_eq!(made.into_iter().filter(|made| *made.as_ref().unwrap()).count(), MAX_WEBHOOKS);
    assert_eq!(world.store().webhooks(world.app).await.unwrap().len(), MAX_WEBHOOKS);
}

pub async fn a_webhook_is_changed_and_switched(world: &mut World) {
    let made = world.listener().await;
    world.pass(SECOND);
    assert_eq!(world.change(made.id, WebhookChange::default()).await, made, "nothing was to be changed");
    let events = BTreeSet::from([EventType::CampaignDone]);
    let url = "https://elsewhere.example/".to_owned();
    let changed = world.change(made.id, WebhookChange { url: Some(url.clone()), events: Some(events.clone()), enabled: None }).await;
    assert_eq!(changed, Webhook { url, events, updated_at: world.now(), ..made });
    let off = world.change(changed.id, WebhookChange { enabled: Some(false), ..WebhookChange::default() }).await;
    assert_eq!(off.disabled, Some(Disabled::Switched));
    let on = world.change(changed.id, WebhookChange { enabled: Some(true), ..WebhookChange::default() }).await;
    assert_eq!(on.disabled, None);
    let unknown = world.store().change_webhook(world.app, Uuid::from_u128(7), &WebhookChange::default(), None).await;
    assert_eq!(unknown.unwrap(), WebhookChanged::Unknown);

    let (store, again) = (world.store(), WebhookChange { enabled: Some(false), ..WebhookChange::default() });
    assert_eq!(store.change_webhook(world.app, on.id, &again, Some(&off)).await.unwrap(), WebhookChanged::Stale);
    assert_eq!(world.hook(on.id).await, on, "untouched");
    assert!(matches!(store.change_webhook(world.app, on.id, &again, Some(&on)).await.unwrap(), WebhookChanged::Written(_)));
}

pub async fn items_wait_for_others_and_go_together(world: &mut World) {
    let webhook = world.listener().await;
    world.prefer("ann").await;
    assert_eq!(world.gather().await, 0, "it waits for others");
    world.pass(LINGER.saturating_sub(Duration::from_micros(1)));
    world.prefer("bob").await;
    assert_eq!(world.gather().await, 0);
    world.pass(Duration::from_micros(1));
    assert_eq!(world.gather().await, 1);
    assert_eq!(world.gather().await, 0);
    let message = world.only_due().await;
    let users: Vec<Value> = items(&message).iter().map(|item| item["user_id"].clone()).collect();
    assert_eq!(users, ["ann", "bob"]);
    assert_eq!((message.webhook, message.app, message.event), (webhook.id, world.app, Some(EventType::PreferencesChanged)));
    assert_eq!((message.url, message.attempts, message.created_at), (webhook.url, 0, world.now()));
    assert_eq!(message.until, world.later(TRIED_FOR));
}

/// 1 200 registrations in one transaction.
pub async fn a_message_has_500_items_at_most(world: &mut World) {
    let webhook = world.add_webhook(&[EventType::DeviceRegistered]).await;
    let changes = (0..1_200).map(|n| (format!("d{n}"), iphone(None, &format!("{n:04x}")))).collect();
    world.store().put_devices(world.app, changes).await.unwrap();
    assert_eq!(world.gather().await, 2, "those that are full need not wait");
    world.pass(LINGER);
    assert_eq!(world.gather().await, 1);
    let due = world.due_messages().await;
    let mut lengths: Vec<usize> = due.iter().map(|message| items(message).len()).collect();
    lengths.sort_unstable();
    assert_eq!(lengths, [200, 500, 500]);
    assert!(due.iter().all(|message| message.webhook == webhook.id));
    let named: BTreeSet<String> = due.iter().flat_map(items).map(|item| item["device_id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(named.len(), 1_200, "each once");
}

/// Lists of 300 are cut, and nothing of them is lost.
pub async fn lists_are_cut_where_a_message_is_full(world: &mut World) {
    world.add_webhook(&[EventType::DeviceRegistered]).await;
    for part in 0..4 {
        let names = (0..300).map(|n| part * 300 + n);
        let changes = names.map(|n| (format!("d{n}"), iphone(None, &format!("{n:04x}")))).collect();
        world.store().put_devices(world.app, changes).await.unwrap();
    }
    world.pass(LINGER);
    assert_eq!(world.store().gather_webhook_items(1, MANY).await.unwrap(), 1, "no more than asked for");
    assert_eq!(world.gather().await, 2);
    let due = world.due_messages().await;
    let named: Vec<String> = due.iter().flat_map(items).map(|item| item["device_id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(named.len(), 1_200);
    assert_eq!(named.into_iter().collect::<HashSet<_>>().len(), 1_200);
    assert_eq!(due.iter().map(|message| items(message).len()).max(), Some(500));
}

pub async fn a_message_is_one_callers_until_its_lease_is_over(world: &mut World) {
    world.listener().await;
    world.message().await;
    let first = world.only_due().await;
    assert!(world.due_messages().await.is_empty());
    world.pass(LEASE.saturating_sub(Duration::from_micros(1)));
    assert!(world.due_messages().await.is_empty());
    world.pass(Duration::from_micros(1));
    let again = world.only_due().await;
    assert_eq!((again.id, &again.data, again.attempts), (first.id, &first.data, 0));
    world.deliver(&again).await;
    world.pass(LEASE);
    assert!(world.due_messages().await.is_empty());
}

/// Makes so many messages of one item each for every webhook that hears of preferences.
pub async fn messages(world: &World, n: usize) {
    for _ in 0..n {
        world.prefer("ann").await;
        world.pass(LINGER);
        world.gather().await;
    }
}

pub async fn a_webhook_has_so_many_under_way_whoever_holds_them(world: &mut World) {
    let (one, other) = (world.listener().await.id, world.listener().await.id);
    messages(world, 4).await;
    let claim =
        async |limit, each| world.store().claim_webhook_messages(ClaimBounds { limit, of_webhook: each, ..ALL }, LEASE).await.unwrap();
    let first = claim(3, 2).await;
    assert_eq!(first.len(), 3);
    let second = claim(10, 2).await;
    assert_eq!(second.len(), 1);
    assert!(claim(10, 2).await.is_empty());
    let mut held: BTreeMap<Uuid, usize> = BTreeMap::new();
    for message in first.iter().chain(&second) {
        *held.entry(message.webhook).or_default() += 1;
    }
    assert_eq!(held, BTreeMap::from([(one, 2), (other, 2)]));
    world.deliver(&first[0]).await;
    let third = claim(10, 2).await;
    assert_eq!((third.len(), third[0].webhook), (1, first[0].webhook), "one has made room");
}

/// Whoever claims at the same time: none twice, none lost, never more than allowed of one webhook.
pub async fn messages_are_claimed_and_items_gathered_by_many_at_once(world: &mut World) {
    let webhooks = [world.listener().await.id, world.listener().await.id, world.listener().await.id];
    for user in 0..40 {
        world.prefer(&format!("user-{user}")).await;
    }
    world.pass(LINGER);
    let store = world.shared();
    let made = join_all((0..6).map(|_| store.gather_webhook_items(MANY, MANY))).await.into_iter().map(Result::unwrap).sum::<usize>();
    assert_eq!(made + world.gather().await, 3, "one for each, whoever makes it");
    messages(world, 5).await;
    let (mut seen, mut told): (HashSet<Uuid>, Vec<(Uuid, Value)>) = (HashSet::new(), Vec::new());
    for _ in 0..100 {
        let claims = join_all((0..6).map(|_| store.claim_webhook_messages(ClaimBounds { limit: 4, of_webhook: 2, ..ALL }, LEASE))).await;
        let claimed: Vec<DueMessage> = claims.into_iter().flat_map(Result::unwrap).collect();
        for id in webhooks {
            assert!(claimed.iter().filter(|message| message.webhook == id).count() <= 2);
        }
        if claimed.is_empty() {
            break;
        }
        for message in &claimed {
            assert!(seen.insert(message.id), "twice within its lease");
            told.extend(items(message).into_iter().map(|item| (message.webhook, item["user_id"].clone())));
            world.deliver(message).await;
        }
    }
    let mut expected: Vec<(Uuid, Value)> = Vec::new();
    for id in webhooks {
        expected.extend((0..40).map(|user| (id, Value::from(format!("user-{user}")))));
        expected.extend((0..5).map(|_| (id, Value::from("ann"))));
    }
    let sorted = |mut list: Vec<(Uuid, Value)>| {
        list.sort_by_key(|(id, user)| (*id, user.to_string()));
        list
    };
    assert_eq!(sorted(told), sorted(expected));
}

pub async fn who_is_slow_keeps_nobody_else_waiting(world: &mut World) {
    let slow = world.listener().await.id;
    messages(world, 6).await;
    let four = ClaimBounds { limit: 4, of_webhook: 4, ..ALL };
    assert_eq!(world.store().claim_webhook_messages(four, LEASE).await.unwrap().len(), 4);
    let other = world.add_webhook(&[EventType::PreferencesChanged]).await.id;
    messages(world, 1).await;
    let due = world.store().claim_webhook_messages(four, LEASE).await.unwrap();
    assert_eq!(due.iter().map(|message| message.webhook).collect::<Vec<_>>(), [other], "not {slow}");
}

pub async fn what_failed_is_due_again_then(world: &mut World) {
    let id = world.listener().await.id;
    world.message().await;
    let first = world.only_due().await;
    let failed_at = world.now();
    let again = world.later(Duration::from_secs(5));
    world.fail(&first, Next::Again(again)).await;
    assert!(world.due_messages().await.is_empty());
    assert_eq!(world.hook(id).await.failing_since, Some(failed_at));
    world.pass(Duration::from_secs(5));
    let second = world.only_due().await;
    assert_eq!((second.id, second.attempts), (first.id, 1));
    world.fail(&second, Next::Again(world.now())).await;
    assert_eq!(world.hook(id).await.failing_since, Some(failed_at), "since the first");
    let third = world.only_due().await;
    assert_eq!(third.attempts, 2);
    world.deliver(&third).await;
    assert_eq!(world.hook(id).await.failing_since, None);
    let attempts = world.attempts(id).await;
    assert_eq!(attempts.iter().map(|listed| listed.attempt.status).collect::<Vec<_>>(), [Some(200), None, None], "newest first");
    assert!(attempts.iter().all(|listed| listed.message_status == MessageStatus::Delivered && listed.attempt.message == first.id));
    assert_eq!(attempts[2].attempt, Attempt { at: failed_at, ..world.attempt(&first, None) });
    assert_eq!(attempts[0].event, Some(EventType::PreferencesChanged));
}

pub async fn what_is_given_up_comes_no_more(world: &mut World) {
    let id = world.listener().await.id;
    world.message().await;
    let message = world.only_due().await;
    world.fail(&message, Next::GivenUp).await;
    world.pass(LEASE);
    assert!(world.due_messages().await.is_empty());
    assert_eq!(world.attempts(id).await[0].message_status, MessageStatus::Failed);
    assert_eq!((world.hook(id).await.disabled, world.hook(id).await.failing_since), (None, Some(message.created_at)));
}

pub async fn a_disabled_webhook_is_told_nothing_until_it_is_enabled(world: &mut World) {
    let id = world.listener().await.id;
    messages(world, 2).await;
    world.prefer("ann").await;
    let due = world.due_messages().await;
    assert_eq!(due.len(), 2);
    world.pass(SECOND);
    world.fail(&due[0], Next::Disable(Disabled::Gone)).await;
    let disabled = world.hook(id).await;
    assert_eq!((disabled.disabled, disabled.failing_since, disabled.updated_at), (Some(Disabled::Gone), Some(world.now()), world.now()));
    world.fail(&due[1], Next::Again(world.now())).await;
    world.prefer("ann").await;
    world.pass(LINGER);
    world.gather().await;
    assert!(world.due_messages().await.is_empty());
    let test = world.store().test_webhook(world.app, id).await.unwrap().unwrap();
    let tested = world.only_due().await;
    assert_eq!((tested.id, tested.event, tested.data.as_str(), tested.attempts), (test, None, "[]", 0), "whatever its state");
    world.fail(&tested, Next::GivenUp).await;
    world.change(id, WebhookChange { enabled: Some(true), ..WebhookChange::default() }).await;
    assert_eq!((world.hook(id).await.disabled, world.hook(id).await.failing_since), (None, None), "its failures are forgotten");
    let due = world.due_messages().await;
    assert_eq!(due.len(), 2, "what failed before, and what was written before it was disabled");
    assert_eq!(due.iter().map(|message| items(message).len()).sum::<usize>(), 2);
}

pub async fn an_attempt_without_a_lease_is_noted_and_changes_nothing(world: &mut World) {
    let id = world.listener().await.id;
    world.message().await;
    let late = world.only_due().await;
    world.pass(LEASE);
    for next in [Next::Again(world.later(LEASE)), Next::GivenUp, Next::Disable(Disabled::Failing)] {
        world.fail(&late, next).await;
    }
    assert_eq!(world.attempts(id).await.len(), 3);
    assert_eq!((world.hook(id).await.disabled, world.hook(id).await.failing_since), (None, None));
    let again = world.only_due().await;
    assert_eq!((again.id, again.attempts), (late.id, 0));
    world.pass(LEASE);
    world.deliver(&again).await;
    assert_eq!(world.attempts(id).await[0].message_status, MessageStatus::Delivered, "what was delivered was delivered");
    assert!(world.due_messages().await.is_empty());
    let unknown = Attempt { message: Uuid::from_u128(7), ..world.attempt(&again, Some(500)) };
    world.store().attempted(&again, &unknown, Next::GivenUp).await.unwrap();
    let gone = world.attempts(id).await.into_iter().find(|listed| listed.attempt.message == Uuid::from_u128(7)).unwrap();
    assert_eq!((gone.message_status, gone.event), (MessageStatus::Failed, None));
}

pub async fn attempts_are_listed_page_by_page(world: &mut World) {
    let id = world.listener().await.id;
    world.message().await;
    for n in 0..7 {
        let message = world.only_due().await;
        world.fail(&message, Next::Again(world.now())).await;
        // some have the same instant
        world.pass(SECOND * (n % 2));
    }
    let all = world.attempts(id).await;
    assert_eq!(all.len(), 7);
    assert!(all.is_sorted_by(|newer, older| newer.attempt.at >= older.attempt.at));
    let (mut listed, mut page) = (Vec::new(), PageRequest { limit: 3, after: None });
    loop {
        let part = world.store().webhook_attempts(world.app, id, &page).await.unwrap().unwrap();
        assert!(part.items.len() <= 3);
        listed.extend(part.items);
        page.after = part.next;
        if page.after.is_none() {
            break;
        }
    }
    assert_eq!(listed, all);
}

pub async fn both_secrets_sign_while_one_is_rotated(world: &mut World) {
    let id = world.listener().await.id;
    world.message().await;
    let again = async |world: &World| {
        let message = world.only_due().await;
        world.fail(&message, Next::Again(world.now())).await;
        keys(&message)
    };
    assert_eq!(again(world).await, [[1; 32]]);
    world.pass(SECOND);
    assert!(world.store().rotate_webhook_secret(world.app, id, &secret(2)).await.unwrap());
    assert_eq!(world.hook(id).await.updated_at, world.now());
    assert_eq!(again(world).await, [[2; 32], [1; 32]], "the present one first");
    world.pass(OVERLAP.saturating_sub(Duration::from_micros(1)));
    assert_eq!(again(world).await, [[2; 32], [1; 32]]);
    world.pass(Duration::from_micros(1));
    assert_eq!(again(world).await, [[2; 32]]);
    for byte in [3, 4] {
        assert!(world.store().rotate_webhook_secret(world.app, id, &secret(byte)).await.unwrap());
    }
    assert_eq!(again(world).await, [[4; 32], [3; 32]], "no more than two");
}

pub async fn a_span_of_time_is_replayed(world: &mut World) {
    let id = world.listener().await.id;
    messages(world, 3).await;
    let due = world.due_messages().await;
    let mut at: Vec<_> = due.iter().map(|message| (message.created_at, message.id)).collect();
    at.sort_unstable();
    world.deliver(due.iter().find(|message| message.id == at[0].1).unwrap()).await;
    world.deliver(due.iter().find(|message| message.id == at[1].1).unwrap()).await;
    let failed = due.iter().find(|message| message.id == at[2].1).unwrap();
    world.fail(failed, Next::GivenUp).await;
    world.pass(LEASE);
    let replay = async |from, to| world.store().replay_webhook(world.app, id, from, to).await.unwrap();
    assert_eq!(replay(at[0].0, at[0].0).await, Some(0));
    assert!(world.due_messages().await.is_empty());
    assert_eq!(replay(at[1].0, at[2].0 + TimeDelta::microseconds(1)).await, Some(2));
    let again = world.due_messages().await;
    assert_eq!(again.iter().map(|message| message.id).collect::<BTreeSet<_>>(), BTreeSet::from([at[1].1, at[2].1]), "under their ids");
    for message in &again {
        let before = due.iter().find(|before| before.id == message.id).unwrap();
        assert_eq!((&message.data, message.created_at, message.attempts), (&before.data, before.created_at, 0));
        assert_eq!(message.until, world.later(TRIED_FOR));
        world.deliver(message).await;
    }
    assert!(world.due_messages().await.is_empty());
}

pub async fn what_is_over_is_pruned(world: &mut World) {
    let id = world.listener().await.id;
    messages(world, 2).await;
    let due = world.due_messages().await;
    world.deliver(&due[0]).await;
    world.fail(&due[1], Next::Again(world.later(LEASE))).await;
    world.pass(SECOND);
    let before = world.now();
    world.message().await;
    let newer = world.only_due().await;
    world.deliver(&newer).await;
    world.prune(before).await;
    assert_eq!(world.attempts(id).await.iter().map(|listed| listed.attempt.message).collect::<Vec<_>>(), [newer.id]);
    let all = (world.now() - TimeDelta::days(1), world.later(LEASE));
    assert_eq!(world.store().replay_webhook(world.app, id, all.0, all.1).await.unwrap(), Some(2), "the newer one, and what waits");
    world.prune(world.later(LEASE)).await;
    assert_eq!(world.due_messages().await.len(), 2, "what waits is never forgotten");
}

/// It is kept for as long as what was told: whoever enables the webhook before is told of it.
pub async fn what_a_disabled_webhook_was_not_told_is_forgotten_in_the_end(world: &mut World) {
    let id = world.listener().await.id;
    messages(world, 2).await;
    let due = world.due_messages().await;
    world.fail(&due[0], Next::Disable(Disabled::Gone)).await;
    world.fail(&due[1], Next::Again(world.now())).await;
    let switch = async |enabled| world.change(id, WebhookChange { enabled: Some(enabled), ..WebhookChange::default() }).await;
    world.prune(due[1].until).await;
    switch(true).await;
    assert_eq!(world.only_due().await.id, due[1].id);
    switch(false).await;
    world.pass(LEASE);
    world.prune(due[1].until + TimeDelta::microseconds(1)).await;
    switch(true).await;
    assert!(world.due_messages().await.is_empty());
    assert_eq!(world.store().replay_webhook(world.app, id, World::start(), world.later(LEASE)).await.unwrap(), Some(0));
}

pub async fn a_deleted_webhook_leaves_nothing(world: &mut World) {
    let (gone, kept) = (world.listener().await, world.listener().await);
    messages(world, 2).await;
    let due = world.due_messages().await;
    world.prefer("ann").await;
    assert!(world.store().delete_webhook(world.app, gone.id).await.unwrap());
    assert!(!world.store().delete_webhook(world.app, gone.id).await.unwrap());
    for message in &due {
        world.fail(message, Next::Again(world.now())).await;
    }
    world.pass(LINGER);
    world.gather().await;
    assert!(world.due_messages().await.iter().all(|message| message.webhook == kept.id));
    let page = PageRequest { limit: 5, after: None };
    assert_eq!(world.store().webhook_attempts(world.app, gone.id, &page).await.unwrap(), None);
    // one of the same id has nothing of it
    assert!(world.store().create_webhook(&gone, &secret(1)).await.unwrap());
    assert!(world.attempts(gone.id).await.is_empty());
    assert_eq!(world.store().replay_webhook(world.app, gone.id, World::start(), world.later(LEASE)).await.unwrap(), Some(0));
}

/// Its secrets are in no copy of a store that has a key, and those of before are sealed with the rest.
pub async fn a_webhooks_secrets_are_sealed(world: &mut World) {
    let id = world.listener().await.id;
    let old = secret(b'o');
    let new = secret(b'n');
    assert!(world.store().rotate_webhook_secret(world.app, id, &old).await.unwrap());
    assert!(world.store().rotate_webhook_secret(world.app, id, &new).await.unwrap());
    let readable = async |world: &World| {
        let copy = world.copy().await;
        let text = |secret: &WebhookSecret| base64::Engine::encode(&base64::engine::general_purpose::STANDARD, secret.as_slice());
        let texts = [text(&old), text(&new), "n".repeat(32), "o".repeat(32)];
        let is_there = |text: &String| {
            [text.clone(), hex::encode(text)].iter().any(|text| copy.windows(text.len()).any(|part| part == text.as_bytes()))
        };
        texts.iter().filter(|text| is_there(text)).count()
    };
    world.close().await;
    assert_eq!(readable(world).await, 2, "a copy would tell");
    world.give_keys(KEY);
    world.restart().await;
    let mut sealed = 0;
    while let SealedAnew::Part(some) = world.store().seal_anew(10).await.unwrap() {
        sealed += some;
    }
    assert_eq!(sealed, 2);
    world.message().await;
    assert_eq!(keys(&world.only_due().await), [[b'n'; 32], [b'o'; 32]]);
    world.close().await;
    assert_eq!(readable(world).await, 0);
    world.restart().await;
    assert!(world.store().rotate_webhook_secret(world.app, id, &old).await.unwrap());
    world.close().await;
    assert_eq!(readable(world).await, 0);
    world.restart().await;
    world.pass(LEASE);
    assert_eq!(keys(&world.only_due().await), [[b'o'; 32], [b'n'; 32]]);
}

/// The store of another node hears of nothing but what is committed: items, messages and leases are the same for both.
pub async fn nodes_share_what_is_to_be_told(world: &mut World) {
    world.listener().await;
    world.message().await;
    let other = if world.is_embedded() { world.shared() } else { world.beside().await.unwrap() };
    let held = other.claim_webhook_messages(ALL, LEASE).await.unwrap();
    assert_eq!(held.len(), 1);
    assert!(world.due_messages().await.is_empty());

    world.deliver(&held[0]).await;
    world.pass(LEASE);
    assert!(other.claim_webhook_messages(ALL, LEASE).await.unwrap().is_empty());
}
