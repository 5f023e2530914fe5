//! The tables.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use herald::domain::Timestamp;
use herald::domain::category::Category;
use herald::domain::delivery::Delivery;
use herald::domain::device::Device;
use herald::domain::id::{AppId, CampaignId, DevicePk, NotificationId, PersonPk, RunId, Target, WorkId};
use herald::domain::pace::Pace;
use herald::domain::preferences::{Contacts, Preferences};
use herald::domain::profile::Profile;
use herald::domain::template::Template;
use herald::domain::token_kind::TokenKind;
use herald::domain::webhook::EventType;
use herald::domain::work::{NewWork, WorkKey};
use herald::store::analytics::Totals;
use herald::store::audit::Act;
use herald::store::campaign::{CampaignRun, StoredCampaign};
use herald::store::engine::{Cursor, NewNotification, RunStatus};
use herald::store::key::ApiKey;
use herald::store::pause::LanePause;
use herald::store::receipt::ReceiptKind;
use herald::store::vault::Secret;
use herald::store::webhook::Attempt;
use uuid::Uuid;

use super::analytics::RollupKey;
use super::client_tokens::FamilyRow;
use super::definitions::Definitions;
use super::tokens::TokenRow;
use super::topics::Member;
use super::webhooks::{Item, Message, WebhookRow};

/// Everything that is stored.
#[derive(Clone, Default)]
pub struct State {
    pub apps: BTreeMap<String, AppId>,
    pub keys: BTreeMap<Uuid, ([u8; 32], ApiKey)>,
    /// The audit log.
    pub acts: BTreeMap<Uuid, (AppId, Act)>,
    pub categories: Definitions<Category>,
    pub people: BTreeMap<PersonPk, Person>,
    pub person_names: BTreeMap<(AppId, String), PersonPk>,
    pub devices: BTreeMap<DevicePk, DeviceRow>,
    pub device_names: BTreeMap<(AppId, String), DevicePk>,
    pub tokens: BTreeMap<(DevicePk, TokenKind), TokenRow>,
    pub families: BTreeMap<Uuid, FamilyRow>,
    pub notifications: BTreeMap<NotificationId, NewNotification>,
    pub runs: BTreeMap<NotificationId, Run>,
    pub work: BTreeMap<(NotificationId, WorkId), Row>,
    pub deliveries: BTreeMap<DeliveryKey, DeliveryRow>,
    /// Of fan-outs, by state and reason; receipts under their own words.
    pub counts: BTreeMap<(NotificationId, &'static str, String), u64>,
    /// By minutes, hours and days.
    pub rollups: BTreeMap<RollupKey, Totals>,
    pub idempotency: BTreeMap<(AppId, &'static str, String), Answered>,
    pub shown: BTreeMap<(DevicePk, [u8; 32]), (NotificationId, Timestamp)>,
    pub early: BTreeMap<(NotificationId, DevicePk, ReceiptKind), Early>,
    pub pauses: Vec<LanePause>,
    pub secrets: Vec<Secret>,
    pub templates: Definitions<Template>,
    /// Notifications admitted under caps, each when, and from when on none of them counts.
    pub caps: BTreeMap<(Target, String), (BTreeMap<NotificationId, Timestamp>, Timestamp)>,
    pub topics: BTreeMap<(AppId, String), TopicRow>,
    pub campaigns: BTreeMap<CampaignId, (AppId, StoredCampaign)>,
    pub campaign_runs: BTreeMap<(CampaignId, RunId), CampaignRun>,
    pub webhooks: BTreeMap<Uuid, WebhookRow>,
    pub webhook_items: Vec<Item>,
    pub webhook_messages: BTreeMap<Uuid, Message>,
    /// Each with what its message was about.
    pub webhook_attempts: Vec<(Option<EventType>, Attempt)>,
    /// How many messages for webhooks were ever made.
    pub last_message: u64,
    /// The greatest number ever given to a topic.
    pub last_topic: i64,
    /// The greatest number ever given to a device.
    pub last_device: i64,
    /// The greatest number ever given to a person.
    pub last_person: i64,
}

/// Day, notification, target.
pub type DeliveryKey = (i32, NotificationId, Target);

/// A person.
#[derive(Clone, Debug, Default)]
pub struct Person {
    pub name: String,
    pub preferences: Option<Preferences>,
    pub preferences_version: i64,
    pub contacts: Option<Contacts>,
    pub contacts_version: i64,
    pub profile: Profile,
    pub profile_version: i64,
}

/// A device, or a name that was addressed before it registered.
#[derive(Clone, Debug)]
pub struct DeviceRow {
    pub app: AppId,
    pub name: String,
    pub device: Option<Device>,
    /// Since when it belongs to whom it belongs.
    pub person_since: Timestamp,
    /// While nobody is signed in on it.
    pub preferences: Option<Preferences>,
    pub preferences_version: i64,
}

/// A run.
#[derive(Clone, Debug)]
pub struct Run {
    pub app: AppId,
    pub fan_out: bool,
    pub status: RunStatus,
    pub start_at: Timestamp,
    /// It may have work.
    pub open: bool,
    /// Devices taken so far from an expanding audience; `None` where the audience was named.
    pub targeted: Option<u64>,
    /// Devices that were left out of it, since nobody has seen them for long.
    pub stale: u64,
    pub cursor: Option<Cursor>,
    pub campaign: Option<CampaignId>,
    pub max_targets: Option<u64>,
    /// Nothing but its expansion is released.
    pub held: bool,
    pub pace: Option<Pace>,
    /// Where its next span of time begins.
    pub next_slot: Option<Timestamp>,
    /// When it had its last turn; with a pace, as when that counts.
    pub served_at: Timestamp,
    pub changed_at: Option<Timestamp>,
}

/// A work row.
#[derive(Clone, Debug)]
pub struct Row {
    pub app: AppId,
    pub work: NewWork,
    /// Made by accept or by an expansion.
    pub first: bool,
    pub made_at: Timestamp,
    pub lease_until: Option<Timestamp>,
    /// It was published, and is not published again before.
    pub guard_until: Option<Timestamp>,
    /// When the span of time began that it was taken for last.
    pub slot_at: Option<Timestamp>,
    pub epoch: i64,
    pub takes: u32,
    pub died_at: Option<Timestamp>,
}

/// A delivery and its receipts: delivered, opened, dismissed.
#[derive(Clone, Debug)]
pub struct DeliveryRow {
    pub delivery: Delivery,
    pub receipts: [Option<Timestamp>; 3],
}

/// A topic.
#[derive(Clone, Debug)]
pub struct TopicRow {
    pub pk: i64,
    pub created_at: Timestamp,
    pub members: BTreeSet<Member>,
}

/// What was answered under an idempotency key.
#[derive(Clone, Debug)]
pub struct Answered {
    pub body_hash: [u8; 32],
    pub answer: Bytes,
    pub at: Timestamp,
}

/// A receipt that waits for its send.
#[derive(Clone, Debug)]
pub struct Early {
    pub at: Option<Timestamp>,
    pub seen_at: Timestamp,
}

impl Row {
    /// Somebody holds it.
    pub fn is_held(&self, now: Timestamp) -> bool {
        self.lease_until.is_some_and(|until| until > now)
    }

    /// Moves it to an instant, never past its end.
    pub fn make_due(&mut self, at: Timestamp) {
        self.work.due_at = at.min(self.work.expires_at);
        self.guard_until = None;
    }
}

impl State {
    /// Whether a row is there under this epoch.
    pub fn is_fenced(&self, key: WorkKey, epoch: i64) -> bool {
        self.work.get(&(key.notification, key.work)).is_some_and(|row| row.epoch == epoch)
    }

    /// A row under its epoch.
    pub fn fenced(&mut self, key: WorkKey, epoch: i64) -> Option<&mut Row> {
        self.work.get_mut(&(key.notification, key.work)).filter(|row| row.epoch == epoch)
    }

    pub fn works_on(&self, id: NotificationId) -> impl Iterator<Item = (WorkId, &Row)> {
        self.work.range((id, WorkId(i64::MIN))..=(id, WorkId(i64::MAX))).map(|((_, work), row)| (*work, row))
    }

    pub fn works_on_mut(&mut self, id: NotificationId) -> impl Iterator<Item = &mut Row> {
        self.work.range_mut((id, WorkId(i64::MIN))..=(id, WorkId(i64::MAX))).map(|(_, row)| row)
    }

    pub fn run_status(&self, id: NotificationId) -> Option<RunStatus> {
        self.runs.get(&id).map(|run| run.status)
    }

    pub fn pace(&self, id: NotificationId) -> Option<Pace> {
        self.runs.get(&id)?.pace
    }

    /// The rows of an app's notification; none where it is another's.
    pub fn notification_of(&self, app: AppId, id: NotificationId) -> Option<&NewNotification> {
        self.notifications.get(&id).filter(|new| new.app == app)
    }

    /// A device with a token.
    pub fn device(&self, pk: DevicePk) -> Option<&Device> {
        self.devices.get(&pk)?.device.as_ref()
    }

    pub fn deliveries_of(&self, day: i32, id: NotificationId) -> impl Iterator<Item = (Target, &DeliveryRow)> {
        let all = (day, id, Target::from_raw(i64::MIN))..=(day, id, Target::from_raw(i64::MAX));
        self.deliveries.range(all).map(|((_, _, target), row)| (*target, row))
    }

    /// People who have a delivery of a notification, and whether it was in place of a device.
    pub fn reached(&self, day: i32, id: NotificationId) -> (BTreeSet<PersonPk>, BTreeSet<PersonPk>) {
        let (mut people, mut as_nobody) = (BTreeSet::new(), BTreeSet::new());
        for (target, row) in self.deliveries_of(day, id) {
            people.extend(row.delivery.person);
            as_nobody.extend(row.delivery.person.filter(|_| target.as_person().is_some()));
        }
        (people, as_nobody)
    }
}
