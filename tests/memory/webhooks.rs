//! Webhooks, and what they are still to be told.

use std::cmp::Reverse;
use std::collections::VecDeque;
use std::time::Duration;

use async_trait::async_trait;
use herald::domain::Timestamp;
use herald::domain::id::AppId;
use herald::domain::webhook::attempt::is_failing;
use herald::domain::webhook::{Disabled, EventType, LINGER, LINGER_BEHIND, MAX_ITEMS, MAX_WEBHOOKS, OVERLAP, TRIED_FOR, Webhook};
use herald::store::webhook::{
    Attempt, ClaimBounds, DueMessage, ListedAttempt, MessageStatus, Next, WebhookChange, WebhookChanged, WebhookSecret, Webhooks,
};
use herald::store::{Page, PageRequest, Result};
use serde_json::Value;
use uuid::Uuid;

use super::page::page;
use super::state::State;
use super::{MemoryStore, conflict};

/// A webhook with its secrets.
#[derive(Clone)]
pub struct WebhookRow {
    pub webhook: Webhook,
    secret: WebhookSecret,
    previous: Option<(WebhookSecret, Timestamp)>,
}

/// An item that waits.
#[derive(Clone, Debug)]
pub struct Item {
    pub webhook: Uuid,
    pub event: EventType,
    pub at: Timestamp,
    pub told: Value,
}

/// A message.
#[derive(Clone, Debug)]
pub struct Message {
    webhook: Uuid,
    event: Option<EventType>,
    status: MessageStatus,
    attempts: u32,
    next_at: Timestamp,
    lease_until: Option<Timestamp>,
    until: Timestamp,
    created_at: Timestamp,
    items: Vec<Value>,
}

impl Message {
    fn new(webhook: Uuid, event: Option<EventType>, items: Vec<Value>, now: Timestamp) -> Self {
        let until = now + TRIED_FOR;
        Self { webhook, event, status: MessageStatus::Waiting, attempts: 0, next_at: now, lease_until: None, until, created_at: now, items }
    }

    fn is_held(&self, now: Timestamp) -> bool {
        self.status == MessageStatus::Waiting && self.lease_until.is_some_and(|until| until > now)
    }
}

impl State {
    fn webhook_of(&mut self, app: AppId, id: Uuid) -> Option<&mut WebhookRow> {
        self.webhooks.get_mut(&id).filter(|row| row.webhook.app == app)
    }

    fn message_id(&mut self) -> Uuid {
        self.last_message += 1;
        Uuid::from_u64_pair(0x7000, 1 << 63 | self.last_message)
    }

    /// Webhooks and types in the order of their oldest item, and how long their items wait.
    fn groups(&self, each: usize, now: Timestamp) -> VecDeque<(Uuid, EventType, Duration)> {
        let mut groups = VecDeque::new();
        for item in &self.webhook_items {
            let is_open = |message: &&Message| message.webhook == item.webhook && message.status == MessageStatus::Waiting;
            let open = self.webhook_messages.values().filter(is_open);
            let is_behind = open.filter(|message| message.next_at <= now || message.is_held(now)).count() >= each;
            let group = (item.webhook, item.event, if is_behind { LINGER_BEHIND } else { LINGER });
            if !groups.contains(&group) {
                groups.push_back(group);
            }
        }
        groups
    }

    /// Makes one message, if there is enough for one.
    fn gather(&mut self, (webhook, event, linger): (Uuid, EventType, Duration), now: Timestamp) -> bool {
        let group = (webhook, event);
        let theirs: Vec<&Item> = self.webhook_items.iter().filter(|item| (item.webhook, item.event) == group).collect();
        if theirs.len() < MAX_ITEMS && !theirs.iter().any(|item| item.at + linger <= now) {
            return false;
        }
        let mut items = Vec::new();
        self.webhook_items.retain(|item| {
            let is_taken = (item.webhook, item.event) == group && items.len() < MAX_ITEMS;
            if is_taken {
                items.push(item.told.clone());
            }
            !is_taken
        });
        let id = self.message_id();
        self.webhook_messages.insert(id, Message::new(group.0, Some(group.1), items, now));
        true
    }

    fn claim_messages(&mut self, bounds: ClaimBounds, lease: Duration, now: Timestamp) -> Vec<DueMessage> {
        let mut due: Vec<(Timestamp, Uuid)> = Vec::new();
        for (id, message) in &self.webhook_messages {
            let is_disabled = self.webhooks.get(&message.webhook).is_none_or(|row| row.webhook.disabled.is_some());
            let is_due = message.status == MessageStatus::Waiting && message.next_at <= now;
            if is_due && !(is_disabled && message.event.is_some()) {
                due.push((message.next_at, *id));
            }
        }
        due.sort_unstable();
        let mut claimed = Vec::new();
        for (_, id) in due {
            let webhook = self.webhook_messages.get(&id).unwrap().webhook;
            let app = self.webhooks.get(&webhook).unwrap().webhook.app;
            let held = |is_meant: &dyn Fn(&Uuid) -> bool| {
                self.webhook_messages.values().filter(|other| is_meant(&other.webhook) && other.is_held(now)).count()
            };
            let of_app = held(&|other| self.webhooks.get(other).is_some_and(|row| row.webhook.app == app));
            if claimed.len() < bounds.limit && held(&|other| *other == webhook) < bounds.of_webhook && of_app < bounds.of_app {
                let message = self.webhook_messages.get_mut(&id).unwrap();
                message.lease_until = Some(now + lease);
                message.next_at = now + lease;
                let row = self.webhooks.get(&webhook).unwrap();
                let previous = row.previous.iter().filter(|(_, until)| *until > now).map(|(secret, _)| secret);
                claimed.push(DueMessage {
                    id,
                    webhook,
                    app: row.webhook.app,
                    url: row.webhook.url.clone(),
                    secrets: std::iter::once(&row.secret).chain(previous).cloned().collect(),
                    event: message.event,
                    created_at: message.created_at,
                    data: serde_json::to_string(&message.items).unwrap(),
                    attempts: message.attempts,
                    until: message.until,
                    lease_until: now + lease,
                });
            }
        }
        claimed
    }

    fn attempted(&mut self, claimed: &DueMessage, attempt: &Attempt, next: Next, now: Timestamp) {
        let Some(row) = self.webhooks.get_mut(&attempt.webhook) else { return };
        let message = self.webhook_messages.get_mut(&attempt.message);
        self.webhook_attempts.push((message.as_ref().and_then(|message| message.event), attempt.clone()));
        let webhook = &mut row.webhook;
        let is_there = webhook.url == claimed.url;
        let mut next = next;
        if next == Next::Disable(Disabled::Failing) && !is_failing(webhook.failing_since, claimed.until) {
            next = Next::GivenUp;
        }
        if next == Next::Disable(Disabled::Gone) && !is_there {
            next = Next::Again(now);
        }
        let says_nothing = next == Next::Missed || !is_there;
        if let Some(message) = message {
            let is_held = message.is_held(now) && message.lease_until == Some(claimed.lease_until);
            let is_replayed = message.until != claimed.until;
            if !is_held && (next != Next::Delivered || is_replayed) {
                return;
            }
            if is_replayed && next != Next::Delivered {
                next = Next::Again(now);
            }
            message.attempts += 1;
            message.lease_until = None;
            message.status = match next {
                Next::Delivered => MessageStatus::Delivered,
                Next::Again(at) => {
                    message.next_at = at;
                    MessageStatus::Waiting
                }
                Next::GivenUp | Next::Missed | Next::Disable(_) => MessageStatus::Failed,
            };
        } else if next != Next::Delivered {
            return;
        }
        if says_nothing {
            return;
        }
        if next == Next::Delivered {
            webhook.failing_since = None;
            return;
        }
        webhook.failing_since = webhook.failing_since.or(Some(attempt.at));
        if let (Next::Disable(why), None) = (next, webhook.disabled) {
            webhook.disabled = Some(why);
            webhook.updated_at = now;
        }
    }

    fn listed(&self, event: Option<EventType>, attempt: &Attempt) -> ListedAttempt {
        let gone = match attempt.status {
            Some(200..=299) if attempt.error.is_none() => MessageStatus::Delivered,
            _ => MessageStatus::Failed,
        };
        let message_status = self.webhook_messages.get(&attempt.message).map_or(gone, |message| message.status);
        ListedAttempt { attempt: attempt.clone(), event, message_status }
    }

    /// Nobody who is erased is named in what waits or is kept.
    pub fn erase_from_webhooks(&mut self, app: AppId, user: &str, devices: &[String]) {
        let of_app: Vec<Uuid> = self.webhooks.values().filter(|row| row.webhook.app == app).map(|row| row.webhook.id).collect();
        let waiting = self.webhook_items.iter_mut().filter(|item| of_app.contains(&item.webhook)).map(|item| &mut item.told);
        let kept = self.webhook_messages.values_mut().filter(|message| of_app.contains(&message.webhook));
        for item in waiting.chain(kept.flat_map(|message| &mut message.items)) {
            if item["user_id"] == user || devices.iter().any(|device| item["device_id"] == device.as_str()) {
                for member in ["user_id", "device_id"] {
                    if let Some(value) = item.get_mut(member) {
                        *value = Value::Null;
                    }
                }
            }
        }
    }
}

#[async_trait]
impl Webhooks for MemoryStore {
    async fn create_webhook(&self, webhook: &Webhook, secret: &WebhookSecret) -> Result<bool> {
        self.commit(|state, _| {
            if state.webhooks.values().filter(|row| row.webhook.app == webhook.app).count() >= MAX_WEBHOOKS {
                return Ok(false);
            }
            if state.webhooks.contains_key(&webhook.id) {
                return Err(conflict("webhook"));
            }
            state.webhooks.insert(webhook.id, WebhookRow { webhook: webhook.clone(), secret: secret.clone(), previous: None });
            Ok(true)
        })
    }

    async fn webhook(&self, app: AppId, id: Uuid) -> Result<Option<Webhook>> {
        Ok(self.commit(|state, _| state.webhook_of(app, id).map(|row| row.webhook.clone())))
    }

    async fn webhooks(&self, app: AppId) -> Result<Vec<Webhook>> {
        let of_app = |state: &State| state.webhooks.values().filter(|row| row.webhook.app == app).map(|row| row.webhook.clone()).collect();
        let mut found: Vec<Webhook> = self.read(|state, _| of_app(state));
        found.sort_by_key(|webhook| (webhook.created_at, webhook.id));
        Ok(found)
    }

    async fn change_webhook(&self, app: AppId, id: Uuid, change: &WebhookChange, if_is: Option<&Webhook>) -> Result<WebhookChanged> {
        Ok(self.commit(|state, now| {
            let Some(row) = state.webhook_of(app, id) else { return WebhookChanged::Unknown };
            let webhook = &mut row.webhook;
            if if_is.is_some_and(|expected| expected != webhook) {
                return WebhookChanged::Stale;
            }
            if *change == WebhookChange::default() {
                return WebhookChanged::Written(webhook.clone());
            }
            if let Some(url) = change.url.as_ref().filter(|url| **url != webhook.url) {
                webhook.url = url.clone();
                webhook.failing_since = None;
            }
            webhook.events = change.events.clone().unwrap_or_else(|| webhook.events.clone());
            if change.enabled == Some(true) {
                webhook.disabled = None;
                webhook.failing_since = None;
            } else if change.enabled == Some(false) && webhook.disabled.is_none() {
                webhook.disabled = Some(Disabled::Switched);
            }
            webhook.updated_at = now;
            WebhookChanged::Written(webhook.clone())
        }))
    }

    async fn delete_webhook(&self, app: AppId, id: Uuid) -> Result<bool> {
        Ok(self.commit(|state, _| {
            if state.webhook_of(app, id).is_none() {
                return false;
            }
            state.webhooks.remove(&id);
            state.webhook_items.retain(|item| item.webhook != id);
            state.webhook_messages.retain(|_, message| message.webhook != id);
            state.webhook_attempts.retain(|(_, attempt)| attempt.webhook != id);
            true
        }))
    }

    async fn rotate_webhook_secret(&self, app: AppId, id: Uuid, secret: &WebhookSecret) -> Result<bool> {
        Ok(self.commit(|state, now| {
            let Some(row) = state.webhook_of(app, id) else { return false };
            let before = std::mem::replace(&mut row.secret, secret.clone());
            row.previous = Some((before, now + OVERLAP));
            row.webhook.updated_at = now;
            true
        }))
    }

    async fn test_webhook(&self, app: AppId, id: Uuid) -> Result<Option<Uuid>> {
        Ok(self.commit(|state, now| {
            state.webhook_of(app, id)?;
            let message = state.message_id();
            state.webhook_messages.insert(message, Message::new(id, None, Vec::new(), now));
            Some(message)
        }))
    }

    async fn gather_webhook_items(&self, limit: usize, each: usize) -> Result<usize> {
        Ok(self.commit(|state, now| {
            let (mut groups, mut made) = (state.groups(each, now), 0);
            while made < limit
                && let Some(group) = groups.pop_front()
            {
                if state.gather(group, now) {
                    made += 1;
                    groups.push_back(group);
                }
            }
            made
        }))
    }

    async fn claim_webhook_messages(&self, bounds: ClaimBounds, lease: Duration) -> Result<Vec<DueMessage>> {
        Ok(self.commit(|state, now| state.claim_messages(bounds, lease, now)))
    }

    async fn attempted(&self, message: &DueMessage, attempt: &Attempt, next: Next) -> Result<()> {
        self.commit(|state, now| state.attempted(message, attempt, next, now));
        Ok(())
    }

    async fn webhook_attempts(&self, app: AppId, id: Uuid, request: &PageRequest) -> Result<Option<Page<ListedAttempt>>> {
        let rows = self.commit(|state, _| {
            state.webhook_of(app, id)?;
            let of_it = state.webhook_attempts.iter().enumerate().filter(|(_, (_, attempt))| attempt.webhook == id);
            Some(of_it.map(|(n, (event, attempt))| (Reverse((attempt.at, n)), state.listed(*event, attempt))).collect::<Vec<_>>())
        });
        let Some(mut rows) = rows else { return Ok(None) };
        rows.sort_by_key(|(place, _)| *place);
        page(rows, request).map(Some)
    }

    async fn replay_webhook(&self, app: AppId, id: Uuid, from: Timestamp, to: Timestamp) -> Result<Option<u64>> {
        Ok(self.commit(|state, now| {
            state.webhook_of(app, id)?;
            let meant = |message: &&mut Message| message.webhook == id && (from..to).contains(&message.created_at);
            let mut replayed = 0;
            for message in state.webhook_messages.values_mut().filter(meant) {
                if !message.is_held(now) {
                    message.status = MessageStatus::Waiting;
                    message.next_at = now;
                    message.lease_until = None;
                }
                message.attempts = 0;
                message.until = now + TRIED_FOR;
                replayed += 1;
            }
            Some(replayed)
        }))
    }

    async fn prune_webhooks(&self, before: Timestamp) -> Result<bool> {
        self.commit(|state, _| {
            state.webhook_messages.retain(|_, message| match message.status {
                MessageStatus::Waiting => message.next_at >= before || message.until >= before,
                MessageStatus::Delivered | MessageStatus::Failed => message.created_at >= before,
            });
            state.webhook_attempts.retain(|(_, attempt)| attempt.at >= before);
        });
        Ok(true)
    }
}
