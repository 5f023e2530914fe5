//! What webhooks are told.

use std::collections::BTreeMap;

use herald::domain::Timestamp;
use herald::domain::delivery::{Delivery, State as DeliveryState};
use herald::domain::device::{Device, DeviceStatus, InactiveReason};
use herald::domain::id::{AppId, CampaignId, DevicePk, PersonPk, RunId, Target};
use herald::domain::webhook::EventType;
use herald::store::pause::LanePause;
use serde_json::{Value, json};

use super::state::{DeliveryKey, State};
use super::webhooks::Item;

fn inactive_reason(reason: InactiveReason) -> &'static str {
    match reason {
        InactiveReason::TokenDead => "token_dead",
        InactiveReason::TokenMismatched => "token_mismatched",
        InactiveReason::TokenMoved => "token_moved",
        InactiveReason::TooManyDevices => "too_many_devices",
        InactiveReason::Stale => "stale",
    }
}

impl State {
    /// Tells an app's webhooks that want it.
    fn tell(&mut self, app: AppId, event: EventType, item: &Value, now: Timestamp) {
        let wants = |row: &&super::webhooks::WebhookRow| {
            row.webhook.app == app && row.webhook.disabled.is_none() && row.webhook.events.contains(&event)
        };
        let items = self.webhooks.values().filter(wants).map(|row| Item { webhook: row.webhook.id, event, at: now, told: item.clone() });
        let items: Vec<Item> = items.collect();
        self.webhook_items.extend(items);
    }

    /// The names of a device and a person; of neither, once the person is erased.
    fn names(&self, target: Target, person: Option<PersonPk>) -> (Option<String>, Option<String>) {
        let user = person.and_then(|person| self.people.get(&person)).map(|person| person.name.clone());
        if person.is_some() && user.is_none() {
            return (None, None);
        }
        (target.as_device().and_then(|device| self.devices.get(&device)).map(|row| row.name.clone()), user)
    }

    pub fn tell_delivery(&mut self, delivery: &Delivery, now: Timestamp) {
        let event = match delivery.ending.state() {
            DeliveryState::Sent => EventType::DeliverySent,
            DeliveryState::Suppressed => EventType::DeliverySuppressed,
            DeliveryState::Failed => EventType::DeliveryFailed,
            DeliveryState::Expired => EventType::DeliveryExpired,
            DeliveryState::Waiting | DeliveryState::Cancelled => return,
        };
        if delivery.cohort.test || self.webhooks.is_empty() {
            return;
        }
        let (device, user) = self.names(delivery.target, delivery.person);
        let item = json!({
            "notification_id": delivery.notification, "device_id": device, "user_id": user, "platform": delivery.platform,
            "provider": delivery.provider, "reason": delivery.ending.reason(), "category": delivery.cohort.category,
            "campaign_id": delivery.cohort.campaign, "variant": delivery.variant.as_deref(), "at": delivery.at,
        });
        self.tell(delivery.cohort.app, event, &item, now);
    }

    pub fn tell_receipt(&mut self, key: DeliveryKey, word: &str, (at, now): (Timestamp, Timestamp)) {
        let event = match word {
            "delivered" => EventType::ReceiptDelivered,
            "opened" => EventType::ReceiptOpened,
            _ => EventType::ReceiptDismissed,
        };
        let delivery = self.deliveries.get(&key).unwrap().delivery.clone();
        if delivery.cohort.test {
            return;
        }
        let (device, user) = self.names(delivery.target, delivery.person);
        let item = json!({"notification_id": key.1, "device_id": device, "user_id": user, "at": at});
        self.tell(delivery.cohort.app, event, &item, now);
    }

    fn who_is_active(&self) -> BTreeMap<DevicePk, (AppId, Device)> {
        let device = |(pk, row): (&DevicePk, &super::state::DeviceRow)| {
            let is_active = row.device.as_ref().is_some_and(|device| device.status == DeviceStatus::Active);
            is_active.then(|| (*pk, (row.app, self.told(*pk))))
        };
        self.devices.iter().filter_map(device).collect()
    }

    /// Tells of the devices that were not active before a step and are after it, or the other way round.
    pub fn telling_devices<T>(&mut self, now: Timestamp, step: impl FnOnce(&mut Self) -> T) -> T {
        if self.webhooks.is_empty() {
            return step(self);
        }
        let before = self.who_is_active();
        let done = step(self);
        let after = self.who_is_active();
        for (pk, (app, device)) in &after {
            if !before.contains_key(pk) {
                self.tell_device(*app, EventType::DeviceRegistered, (device, None), now);
            }
        }
        for (pk, (app, device)) in before.into_iter().filter(|(pk, _)| !after.contains_key(pk)) {
            let (device, reason) = match self.device(pk).map(|device| device.inactive_reason) {
                Some(reason) => (self.told(pk), reason.map(inactive_reason)),
                None => (device, Some("deleted")),
            };
            self.tell_device(app, EventType::DeviceDeactivated, (&device, reason), now);
        }
        done
    }

    fn tell_device(&mut self, app: AppId, event: EventType, (device, reason): (&Device, Option<&str>), now: Timestamp) {
        let Device { name, user, platform, .. } = device;
        self.tell(app, event, &json!({"device_id": name, "user_id": user, "platform": platform, "reason": reason, "at": now}), now);
    }

    pub fn tell_preferences(&mut self, app: AppId, user: &str, now: Timestamp) {
        self.tell(app, EventType::PreferencesChanged, &json!({"user_id": user, "at": now}), now);
    }

    pub fn tell_campaign(
        &mut self,
        (app, campaign): (AppId, CampaignId),
        event: EventType,
        (run, reason): (Option<RunId>, Option<&str>),
        now: Timestamp,
    ) {
        self.tell(app, event, &json!({"campaign_id": campaign, "run_id": run, "reason": reason, "at": now}), now);
    }

    pub fn tell_lane(&mut self, pause: &LanePause, now: Timestamp) {
        let LanePause { app, provider, environment, part, reason, .. } = pause;
        let item = json!({"provider": provider, "environment": environment, "part": part, "reason": reason, "at": now});
        self.tell(*app, EventType::LanePaused, &item, now);
    }
}
