//! What webhooks are told: the items of a commit's facts. No content, token or contact is in one.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use uuid::Uuid;

use super::super::campaign::CampaignRun;
use super::super::pause::LanePause;
use super::super::{Error, Result};
use super::tally::RECEIPTS;
use super::words::inactive_reason_text;
use crate::domain::Timestamp;
use crate::domain::delivery::{Delivery, State};
use crate::domain::device::{Device, DeviceStatus, Environment, InactiveReason, Platform, ProviderKind};
use crate::domain::id::{AppId, CampaignId, DevicePk, NotificationId, PersonPk, RunId};
use crate::domain::webhook::{EventType, MAX_ITEMS};

/// Something that happened.
#[derive(Clone)]
pub(in crate::store) enum Fact<'f> {
    /// A delivery that was inserted.
    Delivery(&'f Delivery),
    /// The first report of its kind of a push, by its place among [`RECEIPTS`].
    Receipt(Receipt),
    /// A device by its number.
    Deactivated { app: AppId, device: DevicePk, reason: InactiveReason, at: Timestamp },
    /// A device with its user's name.
    Device { app: AppId, event: EventType, device: Box<Device>, reason: Option<&'static str>, at: Timestamp },
    /// Somebody's preferences are others.
    Preferences { app: AppId, user: &'f str, at: Timestamp },
    /// What became of a campaign.
    Campaign { app: AppId, event: EventType, campaign: CampaignId, run: Option<RunId>, reason: Option<&'f str>, at: Timestamp },
    /// A pause that is new.
    Lane { pause: &'f LanePause, at: Timestamp },
}

/// A report of a push.
#[derive(Clone, Copy)]
pub(in crate::store) struct Receipt {
    pub(in crate::store) app: AppId,
    pub(in crate::store) notification: NotificationId,
    pub(in crate::store) device: DevicePk,
    /// Whose push it was.
    pub(in crate::store) person: Option<PersonPk>,
    pub(in crate::store) kind: usize,
    pub(in crate::store) at: Timestamp,
}

/// What a registration made of a device: told where it is active by now, or no more.
pub(in crate::store) fn registered<'f>(app: AppId, was_active: bool, device: &Device, at: Timestamp) -> Option<Fact<'f>> {
    let (event, reason) = match (was_active, device.status) {
        (false, DeviceStatus::Active) => (EventType::DeviceRegistered, None),
        (true, DeviceStatus::Inactive) => (EventType::DeviceDeactivated, device.inactive_reason.map(inactive_reason_text)),
        _ => return None,
    };
    Some(Fact::Device { app, event, device: Box::new(device.clone()), reason, at })
}

/// A device that is deleted; nothing where it got nothing before.
pub(in crate::store) fn deleted<'f>(app: AppId, device: Device, at: Timestamp) -> Option<Fact<'f>> {
    let was_active = device.status == DeviceStatus::Active;
    was_active.then(|| Fact::Device { app, event: EventType::DeviceDeactivated, device: Box::new(device), reason: Some("deleted"), at })
}

/// Runs that begin; an occurrence that is skipped has none.
pub(in crate::store) fn begun<'f, 'r>(
    (app, campaign): (AppId, CampaignId),
    runs: impl Iterator<Item = &'r CampaignRun>,
    at: Timestamp,
) -> Vec<Fact<'f>> {
    let event = EventType::CampaignStarted;
    let sent = runs.filter(|run| run.notification.is_some());
    sent.map(|run| Fact::Campaign { app, event, campaign, run: Some(run.id), reason: None, at }).collect()
}

/// What is told of a delivery; `None`: nothing.
pub(in crate::store) fn of_delivery(delivery: &Delivery) -> Option<EventType> {
    match delivery.ending.state() {
        _ if delivery.cohort.test => None,
        State::Sent => Some(EventType::DeliverySent),
        State::Suppressed => Some(EventType::DeliverySuppressed),
        State::Failed => Some(EventType::DeliveryFailed),
        State::Expired => Some(EventType::DeliveryExpired),
        State::Waiting | State::Cancelled => None,
    }
}

impl Fact<'_> {
    pub(in crate::store) fn app(&self) -> AppId {
        match self {
            Self::Delivery(delivery) => delivery.cohort.app,
            Self::Receipt(receipt) => receipt.app,
            Self::Deactivated { app, .. } | Self::Device { app, .. } | Self::Preferences { app, .. } | Self::Campaign { app, .. } => *app,
            Self::Lane { pause, .. } => pause.app,
        }
    }

    fn event(&self) -> Option<EventType> {
        match self {
            Self::Delivery(delivery) => of_delivery(delivery),
            Self::Receipt(receipt) => match RECEIPTS.get(receipt.kind).copied() {
                Some("delivered") => Some(EventType::ReceiptDelivered),
                Some("opened") => Some(EventType::ReceiptOpened),
                _ => Some(EventType::ReceiptDismissed),
            },
            Self::Deactivated { .. } => Some(EventType::DeviceDeactivated),
            Self::Device { event, .. } | Self::Campaign { event, .. } => Some(*event),
            Self::Preferences { .. } => Some(EventType::PreferencesChanged),
            Self::Lane { .. } => Some(EventType::LanePaused),
        }
    }

    /// The device whose name is to be looked up.
    fn device(&self) -> Option<DevicePk> {
        match self {
            Self::Delivery(delivery) => delivery.target.as_device(),
            Self::Receipt(Receipt { device, .. }) | Self::Deactivated { device, .. } => Some(*device),
            Self::Device { .. } | Self::Preferences { .. } | Self::Campaign { .. } | Self::Lane { .. } => None,
        }
    }

    /// The person whose name is to be looked up.
    fn person(&self, devices: &HashMap<DevicePk, Named>) -> Option<PersonPk> {
        match self {
            Self::Delivery(delivery) => delivery.person,
            Self::Receipt(receipt) => receipt.person,
            Self::Deactivated { device, .. } => devices.get(device)?.person,
            Self::Device { .. } | Self::Preferences { .. } | Self::Campaign { .. } | Self::Lane { .. } => None,
        }
    }
}

/// A webhook that is told something.
pub(in crate::store) struct Listener {
    pub(in crate::store) webhook: Uuid,
    pub(in crate::store) app: AppId,
    pub(in crate::store) events: BTreeSet<EventType>,
}

/// A device as it is looked up.
pub(in crate::store) struct Named {
    pub(in crate::store) name: String,
    pub(in crate::store) platform: Option<Platform>,
    pub(in crate::store) person: Option<PersonPk>,
}

/// Names that were looked up.
#[derive(Default)]
pub(in crate::store) struct Names {
    pub(in crate::store) devices: HashMap<DevicePk, Named>,
    pub(in crate::store) people: HashMap<PersonPk, String>,
}

/// Items of one webhook and type, as they are written.
pub(in crate::store) struct Row {
    pub(in crate::store) webhook: Uuid,
    pub(in crate::store) event: EventType,
    pub(in crate::store) n: usize,
    pub(in crate::store) data: String,
}

/// The apps that facts are of.
pub(in crate::store) fn apps(facts: &[Fact<'_>]) -> BTreeSet<i64> {
    facts.iter().map(|fact| fact.app().0).collect()
}

/// Facts that somebody wants to be told of.
pub(in crate::store) fn meant<'a, 'f>(facts: &'a [Fact<'f>], listeners: &[Listener]) -> Vec<&'a Fact<'f>> {
    let is_meant = |fact: &&Fact<'_>| {
        let event = fact.event();
        listeners.iter().any(|listener| listener.app == fact.app() && event.is_some_and(|event| listener.events.contains(&event)))
    };
    facts.iter().filter(is_meant).collect()
}

/// Devices to be looked up, in order.
pub(in crate::store) fn devices(facts: &[&Fact<'_>]) -> BTreeSet<i64> {
    facts.iter().filter_map(|fact| fact.device()).map(|device| device.0).collect()
}

/// People to be looked up, in order.
pub(in crate::store) fn people(facts: &[&Fact<'_>], devices: &HashMap<DevicePk, Named>) -> BTreeSet<i64> {
    facts.iter().filter_map(|fact| fact.person(devices)).map(|person| person.0).collect()
}

#[derive(Serialize)]
struct DeliveryItem<'i> {
    notification_id: NotificationId,
    device_id: Option<&'i str>,
    user_id: Option<&'i str>,
    platform: Option<Platform>,
    provider: Option<ProviderKind>,
    reason: Option<&'i str>,
    category: Option<&'i str>,
    campaign_id: Option<CampaignId>,
    variant: Option<&'i str>,
    at: Timestamp,
}

#[derive(Serialize)]
struct ReceiptItem<'i> {
    notification_id: NotificationId,
    device_id: Option<&'i str>,
    user_id: Option<&'i str>,
    at: Timestamp,
}

#[derive(Serialize)]
struct DeviceItem<'i> {
    device_id: Option<&'i str>,
    user_id: Option<&'i str>,
    platform: Option<Platform>,
    reason: Option<&'i str>,
    at: Timestamp,
}

#[derive(Serialize)]
struct PreferencesItem<'i> {
    user_id: &'i str,
    at: Timestamp,
}

#[derive(Serialize)]
struct CampaignItem<'i> {
    campaign_id: CampaignId,
    run_id: Option<RunId>,
    reason: Option<&'i str>,
    at: Timestamp,
}

#[derive(Serialize)]
struct LaneItem<'i> {
    provider: ProviderKind,
    environment: Environment,
    part: Option<Platform>,
    reason: &'i str,
    at: Timestamp,
}

impl Fact<'_> {
    fn item(&self, names: &Names) -> Result<Box<RawValue>> {
        let device = self.device().and_then(|device| names.devices.get(&device));
        let person = self.person(&names.devices);
        let user_id = person.and_then(|person| names.people.get(&person)).map(String::as_str);
        // whoever was erased in between is named in nothing, and neither is their device
        let device_id = device.filter(|_| person.is_none() || user_id.is_some()).map(|device| device.name.as_str());
        match self {
            Self::Delivery(delivery) => raw(&DeliveryItem {
                notification_id: delivery.notification,
                device_id,
                user_id,
                platform: delivery.platform,
                provider: delivery.provider,
                reason: delivery.ending.reason(),
                category: delivery.cohort.category.as_deref(),
                campaign_id: delivery.cohort.campaign,
                variant: delivery.variant.as_deref(),
                at: delivery.at,
            }),
            Self::Receipt(receipt) => raw(&ReceiptItem { notification_id: receipt.notification, device_id, user_id, at: receipt.at }),
            Self::Deactivated { reason, at, .. } => {
                let (platform, reason) = (device.and_then(|device| device.platform), Some(inactive_reason_text(*reason)));
                raw(&DeviceItem { device_id, user_id, platform, reason, at: *at })
            }
            Self::Device { device, reason, at, .. } => {
                let (device_id, user_id) = (Some(device.name.as_str()), device.user.as_deref());
                raw(&DeviceItem { device_id, user_id, platform: Some(device.platform), reason: *reason, at: *at })
            }
            Self::Preferences { user, at, .. } => raw(&PreferencesItem { user_id: user, at: *at }),
            Self::Campaign { campaign, run, reason, at, .. } => {
                raw(&CampaignItem { campaign_id: *campaign, run_id: *run, reason: *reason, at: *at })
            }
            Self::Lane { pause, at } => {
                let LanePause { provider, environment, part, reason, .. } = pause;
                raw(&LaneItem { provider: *provider, environment: *environment, part: *part, reason, at: *at })
            }
        }
    }
}

fn raw<T: Serialize>(item: &T) -> Result<Box<RawValue>> {
    to_raw_value(item).map_err(|error| Error::Refused(Box::new(error)))
}

/// The rows that tell these facts to everyone who wants them.
pub(in crate::store) fn rows(facts: &[&Fact<'_>], listeners: &[Listener], names: &Names) -> Result<Vec<Row>> {
    let mut items: BTreeMap<(AppId, EventType), Vec<Box<RawValue>>> = BTreeMap::new();
    for fact in facts {
        if let Some(event) = fact.event() {
            items.entry((fact.app(), event)).or_default().push(fact.item(names)?);
        }
    }
    let mut rows = Vec::new();
    for ((app, event), items) in &items {
        for part in items.chunks(MAX_ITEMS) {
            let data = super::webhooks::to_list(part)?;
            let wanting = listeners.iter().filter(|listener| listener.app == *app && listener.events.contains(event));
            rows.extend(wanting.map(|listener| Row { webhook: listener.webhook, event: *event, n: part.len(), data: data.clone() }));
        }
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Timestamp = Timestamp::UNIX_EPOCH;

    fn listener(n: u128, app: i64, events: &[EventType]) -> Listener {
        Listener { webhook: Uuid::from_u128(n), app: AppId(app), events: events.iter().copied().collect() }
    }

    fn preferences(app: i64) -> Fact<'static> {
        Fact::Preferences { app: AppId(app), user: "ann", at: AT }
    }

    #[test]
    fn each_is_told_what_it_wants_of_its_app_in_lists_of_500() {
        let facts = vec![preferences(1); 1_001];
        let wants = &[EventType::PreferencesChanged];
        let listeners = [listener(1, 1, wants), listener(2, 1, wants), listener(3, 2, wants), listener(4, 1, &[EventType::LanePaused])];
        let meant = meant(&facts, &listeners);
        assert_eq!(meant.len(), 1_001);
        let rows = rows(&meant, &listeners, &Names::default()).unwrap();
        let told: Vec<(u128, usize)> = rows.iter().map(|row| (row.webhook.as_u128(), row.n)).collect();
        assert_eq!(told, [(1, 500), (2, 500), (1, 500), (2, 500), (1, 1), (2, 1)]);
        assert_eq!(rows[5].data, r#"[{"user_id":"ann","at":"1970-01-01T00:00:00Z"}]"#);
    }

    #[test]
    fn nobody_is_told_what_nobody_wants() {
        let facts = [preferences(1)];
        assert!(meant(&facts, &[listener(1, 2, &[EventType::PreferencesChanged]), listener(2, 1, &[EventType::LanePaused])]).is_empty());
    }

    #[test]
    fn who_was_erased_in_between_is_not_named() {
        let named = |person| Named { name: "d1".into(), platform: Some(Platform::Ios), person };
        let fact = Fact::Deactivated { app: AppId(1), device: DevicePk(1), reason: InactiveReason::Stale, at: AT };
        let item = |person, known: &[(i64, &str)]| {
            let people = known.iter().map(|(pk, name)| (PersonPk(*pk), (*name).to_owned())).collect();
            let names = Names { devices: HashMap::from([(DevicePk(1), named(person))]), people };
            let item: serde_json::Value = serde_json::from_str(fact.item(&names).unwrap().get()).unwrap();
            (item["device_id"].clone(), item["user_id"].clone())
        };
        assert_eq!(item(Some(PersonPk(7)), &[(7, "ann")]), ("d1".into(), "ann".into()));
        assert_eq!(item(Some(PersonPk(7)), &[]), (serde_json::Value::Null, serde_json::Value::Null));
        assert_eq!(item(None, &[]), ("d1".into(), serde_json::Value::Null));
    }
}
