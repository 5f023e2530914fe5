//! The targets of a notification and of a user, waiting and ended.

use std::cmp::Reverse;

use herald::domain::Timestamp;
use herald::domain::collapse;
use herald::domain::delivery::State as DeliveryState;
use herald::domain::device::{Device, ProviderKind};
use herald::domain::id::{AppId, NotificationId, PersonPk, Target};
use herald::domain::outcome::Reason;
use herald::domain::reason::{SuppressReason, WaitReason};
use herald::store::engine::NewNotification;
use herald::store::notification::{DeliveryFilter, DeliveryView};
use serde::{Deserialize, Serialize};

use super::state::{DeliveryRow, Row, State};
use super::waiting::Place;

/// Where a target stands in its list: in a row of work under a name, or after all of those.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Stand {
    Waiting(i64, String, Option<i64>),
    Over(i64),
}

/// Before what a list of a user's goes on: day, notification, target.
pub type Before = Reverse<(i32, NotificationId, i64)>;

impl State {
    pub fn targets_of(&self, new: &NewNotification, filter: &DeliveryFilter, now: Timestamp) -> Vec<(Stand, DeliveryView)> {
        let asked = filter.user.as_ref().map(|user| self.person_names.get(&(new.app, user.clone())).copied());
        let is_theirs = |person: Option<PersonPk>| asked.is_none_or(|asked| asked.is_some() && asked == person);
        let mut rows = Vec::new();
        for (id, row, places) in self.waiting(new) {
            let reason = self.waits_for(new, row.work.reason, now).filter(|_| !row.is_held(now));
            for place in places {
                let named = place.is_user && filter.user.as_deref() == Some(&*place.name);
                if is_theirs(place.person) || named {
                    let stand = Stand::Waiting(id.0, place.name.clone(), place.target.map(Target::raw));
                    rows.push((stand, self.waiting_view(new.id, (row, reason), &place)));
                }
            }
        }
        for (target, row) in self.deliveries_of(new.day(), new.id).filter(|(_, row)| is_theirs(row.delivery.person)) {
            rows.push((Stand::Over(target.raw()), self.ended_view(row)));
        }
        let wanted = |view: &DeliveryView| {
            filter.state.is_none_or(|state| view.state == state) && (filter.reason.is_none() || view.reason == filter.reason)
        };
        rows.retain(|(_, view)| wanted(view));
        rows.sort_by(|(a, _), (b, _)| a.cmp(b));
        rows
    }

    /// What ended at a user's targets, of the newest notification first.
    pub fn ended_of(&self, app: AppId, user: &str) -> Vec<(Before, DeliveryView)> {
        let Some(person) = self.person_names.get(&(app, user.to_owned())) else { return Vec::new() };
        let theirs = self.deliveries.iter().rev().filter(|(_, row)| row.delivery.person == Some(*person));
        theirs.map(|((day, id, target), row)| (Reverse((*day, *id, target.raw())), self.ended_view(row))).collect()
    }

    fn user_name(&self, person: Option<PersonPk>) -> Option<String> {
        person.and_then(|person| self.people.get(&person)).map(|person| person.name.clone())
    }

    fn waiting_view(&self, notification: NotificationId, (row, reason): (&Row, Option<WaitReason>), place: &Place) -> DeliveryView {
        let device = place.target.and_then(Target::as_device).and_then(|pk| self.device(pk)).filter(|_| place.is_device);
        let named = place.is_user.then(|| place.name.clone());
        DeliveryView {
            notification,
            device: device.map(|device| device.name.clone()),
            user: self.user_name(place.person).or(named),
            platform: device.map(|device| device.platform),
            provider: device.map(|device| device.provider).or(place.provider),
            state: DeliveryState::Waiting,
            reason: reason.map(|reason| reason.as_str().to_owned()),
            attempts: row.work.attempt,
            variant: None,
            message_id: None,
            detail: None,
            next_attempt_at: Some(row.work.due_at),
            updated_at: row.made_at,
            sent_at: None,
            delivered_at: None,
            opened_at: None,
            dismissed_at: None,
        }
    }

    fn ended_view(&self, row: &DeliveryRow) -> DeliveryView {
        let delivery = &row.delivery;
        let (state, reason) = (delivery.ending.state(), delivery.ending.reason());
        // who had no device is told without one
        let nobody = reason == Some(SuppressReason::NoActiveDevice.as_str());
        let device: Option<&Device> = delivery.target.as_device().and_then(|pk| self.device(pk)).filter(|_| !nobody);
        let provider = delivery.provider.or(device.map(|device| device.provider)).filter(|_| !nobody);
        let id = match delivery.target {
            Target::BROADCAST => Some(collapse::broadcast_id(delivery.notification)),
            target => target.as_device().map(|pk| collapse::apns_id(delivery.notification, pk)),
        };
        let of_apple = provider == Some(ProviderKind::Apns) && state == DeliveryState::Sent;
        let [delivered_at, opened_at, dismissed_at] = row.receipts;
        DeliveryView {
            notification: delivery.notification,
            device: device.map(|device| device.name.clone()),
            user: self.user_name(delivery.person),
            platform: delivery.platform.or(device.map(|device| device.platform)).filter(|_| !nobody),
            provider,
            state,
            reason: reason.map(ToOwned::to_owned),
            attempts: delivery.attempts,
            variant: delivery.variant.as_deref().map(ToOwned::to_owned),
            message_id: if of_apple { id.map(|id| id.to_string()) } else { delivery.message_id.clone() },
            detail: delivery.detail.as_ref().map(Reason::as_str).map(ToOwned::to_owned),
            next_attempt_at: None,
            updated_at: row.receipts.into_iter().flatten().fold(delivery.at, Timestamp::max),
            sent_at: (state == DeliveryState::Sent).then_some(delivery.at),
            delivered_at,
            opened_at,
            dismissed_at,
        }
    }
}
