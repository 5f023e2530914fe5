//! Targets as callers see them, waiting and ended.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::super::notification::{DeliveryFilter, DeliveryView};
use super::place::{Place, WorkRow};
use super::tally::Head;
use crate::domain::Timestamp;
use crate::domain::collapse;
use crate::domain::delivery::State;
use crate::domain::device::{Platform, ProviderKind};
use crate::domain::id::{NotificationId, PersonPk, Target};
use crate::domain::reason::{SuppressReason, WaitReason};

/// Where a notification's list goes on: after a place of a work row, or after a target that is over.
#[derive(Serialize, Deserialize)]
pub(in crate::store) enum Cursor {
    /// Row, name, target.
    Waiting(i64, String, i64),
    /// Target.
    Over(i64),
}

/// Before everything.
pub(in crate::store) fn beginning() -> Cursor {
    Cursor::Waiting(i64::MIN, String::new(), i64::MIN)
}

/// What is asked of a notification's waiting targets.
pub(in crate::store) struct Filter<'a> {
    pub(in crate::store) head: &'a Head,
    pub(in crate::store) asked: &'a DeliveryFilter,
    /// The user of the filter, if known.
    pub(in crate::store) person: Option<PersonPk>,
    /// After this row, name and target.
    pub(in crate::store) after: (i64, &'a str, i64),
    pub(in crate::store) now: Timestamp,
}

/// A target that waits, with what its view takes from its row.
pub(in crate::store) struct Waiting {
    row: i64,
    notification: NotificationId,
    reason: Option<WaitReason>,
    due_at: Timestamp,
    made_at: Timestamp,
    attempt: u32,
    place: Place,
}

impl Filter<'_> {
    /// Of the places of one row, those that are asked for.
    pub(in crate::store) fn of_row(&self, work: &WorkRow, places: Vec<Place>) -> Vec<Waiting> {
        let reason = self.head.waits_for(work.reason, self.now).filter(|_| !work.held);
        if self.asked.reason.is_some() && self.asked.reason.as_deref() != reason.map(WaitReason::as_str) {
            return Vec::new();
        }
        let (first, name, target) = self.after;
        let wanted = |place: &Place| {
            let after = work.id > first || (place.name.as_str(), raw(place)) > (name, target);
            after && self.person.is_none_or(|person| place.person == Some(person) || self.names(place))
        };
        let waiting = |place| Waiting {
            row: work.id,
            notification: work.notification,
            reason,
            due_at: work.due_at,
            made_at: work.made_at,
            attempt: work.attempt,
            place,
        };
        places.into_iter().filter(wanted).map(waiting).collect()
    }

    fn names(&self, place: &Place) -> bool {
        place.is_user && self.asked.user.as_deref() == Some(place.name.as_str())
    }
}

fn raw(place: &Place) -> i64 {
    place.target.map_or(i64::MIN, Target::raw)
}

/// Names of devices and users by number.
#[derive(Default)]
pub(in crate::store) struct Labels {
    pub(in crate::store) devices: HashMap<i64, (String, Platform, ProviderKind)>,
    pub(in crate::store) users: HashMap<i64, String>,
}

impl Waiting {
    /// The device whose name is to be read.
    pub(in crate::store) fn device(&self) -> Option<i64> {
        self.place.target.filter(|_| self.place.is_device)?.as_device().map(|pk| pk.0)
    }

    /// The person whose name is to be read.
    pub(in crate::store) fn person(&self) -> Option<i64> {
        self.place.person.map(|person| person.0)
    }

    /// After which row, name and target a list goes on.
    pub(in crate::store) fn stand(&self) -> (i64, String, i64) {
        (self.row, self.place.name.clone(), raw(&self.place))
    }

    /// What callers see.
    pub(in crate::store) fn view(self, labels: &Labels) -> DeliveryView {
        let place = self.place;
        let device = labels.devices.get(&raw(&place)).filter(|_| place.is_device);
        let user = place.person.and_then(|person| labels.users.get(&person.0).cloned());
        DeliveryView {
            notification: self.notification,
            device: device.map(|(name, _, _)| name.clone()),
            user: user.or_else(|| place.is_user.then(|| place.name.clone())),
            platform: device.map(|(_, platform, _)| *platform),
            provider: device.map(|(_, _, provider)| *provider).or(place.provider),
            state: State::Waiting,
            reason: self.reason.map(|reason| reason.as_str().to_owned()),
            attempts: self.attempt,
            variant: None,
            message_id: None,
            detail: None,
            next_attempt_at: Some(self.due_at),
            updated_at: self.made_at,
            sent_at: None,
            delivered_at: None,
            opened_at: None,
            dismissed_at: None,
        }
    }
}

/// A delivery's row, with the names that its numbers stand for.
pub(in crate::store) struct Ended {
    pub(in crate::store) notification: NotificationId,
    pub(in crate::store) target: i64,
    pub(in crate::store) device: Option<String>,
    pub(in crate::store) user: Option<String>,
    pub(in crate::store) platform: Option<Platform>,
    pub(in crate::store) provider: Option<ProviderKind>,
    pub(in crate::store) state: State,
    pub(in crate::store) reason: Option<String>,
    pub(in crate::store) attempts: u32,
    pub(in crate::store) variant: Option<String>,
    pub(in crate::store) message_id: Option<String>,
    pub(in crate::store) detail: Option<String>,
    pub(in crate::store) at: Timestamp,
    /// Receipts: delivered, opened, dismissed.
    pub(in crate::store) receipts: [Option<Timestamp>; 3],
}

impl Ended {
    /// What callers see.
    pub(in crate::store) fn view(self) -> DeliveryView {
        let nobody = self.reason.as_deref() == Some(SuppressReason::NoActiveDevice.as_str());
        let provider = self.provider.filter(|_| !nobody);
        let message_id = match provider {
            // Apple has it under the id that it was given, which can be told again
            Some(ProviderKind::Apns) if self.state == State::Sent => {
                let target = Target::from_raw(self.target);
                let of_device = target.as_device().map(|device| collapse::apns_id(self.notification, device));
                let of_broadcast = (target == Target::BROADCAST).then(|| collapse::broadcast_id(self.notification));
                of_device.or(of_broadcast).map(|id| id.to_string())
            }
            _ => self.message_id,
        };
        let [delivered_at, opened_at, dismissed_at] = self.receipts;
        DeliveryView {
            notification: self.notification,
            device: self.device.filter(|_| !nobody),
            user: self.user,
            platform: self.platform.filter(|_| !nobody),
            provider,
            state: self.state,
            reason: self.reason,
            attempts: self.attempts,
            variant: self.variant,
            message_id,
            detail: self.detail,
            next_attempt_at: None,
            updated_at: self.receipts.into_iter().flatten().fold(self.at, Timestamp::max),
            sent_at: (self.state == State::Sent).then_some(self.at),
            delivered_at,
            opened_at,
            dismissed_at,
        }
    }
}
