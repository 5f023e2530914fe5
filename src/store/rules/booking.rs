//! What receipts add to the deliveries they belong to.

use std::collections::BTreeMap;

use chrono::TimeDelta;

use super::super::receipt::{ReceiptKind, ReceiptVerdict};
use super::counted::{Counted, Way};
use super::webhook_items;
use crate::domain::Timestamp;
use crate::domain::delivery::{Cohort, State};
use crate::domain::device::{Platform, ProviderKind};
use crate::domain::id::{DevicePk, NotificationId, PersonPk};

/// After so long a report is too late.
const TOO_LATE: TimeDelta = TimeDelta::days(30);

/// A delivery's key: day, notification, target.
pub(in crate::store) type DeliveryKey = (i32, NotificationId, i64);

/// A push that was reported.
pub(in crate::store) struct Push {
    pub(in crate::store) key: DeliveryKey,
    pub(in crate::store) cohort: Cohort,
    /// `None` while there is none.
    pub(in crate::store) delivery: Option<Booked>,
    /// From when on it may have been sent.
    pub(in crate::store) start_at: Timestamp,
    /// Something of its notification waits.
    pub(in crate::store) has_work: bool,
}

/// A delivery that was reported.
#[derive(Clone)]
pub(in crate::store) struct Booked {
    pub(in crate::store) state: State,
    /// When it was booked.
    pub(in crate::store) at: Timestamp,
    /// Whose it was.
    pub(in crate::store) person: Option<PersonPk>,
    /// What was reported before: delivered, opened, dismissed.
    pub(in crate::store) stamps: [Option<Timestamp>; 3],
    pub(in crate::store) platform: Option<Platform>,
    pub(in crate::store) provider: Option<ProviderKind>,
    pub(in crate::store) variant: Option<String>,
}

/// Stamps of deliveries as they become, and how many are new of each kind.
#[derive(Default)]
pub(in crate::store) struct Book<'p> {
    stamps: BTreeMap<DeliveryKey, [Option<Timestamp>; 3]>,
    new: Counted<'p>,
}

impl Push {
    /// Whether it may have reached the device before the send was booked: nothing is sent before the notification begins.
    pub(in crate::store) fn may_be_under_way(&self, now: Timestamp) -> bool {
        self.delivery.is_none() && self.has_work && self.start_at <= now
    }
}

impl<'p> Book<'p> {
    /// Enters a report; `None` where the push was not sent. An instant that cannot be is that of the arrival.
    pub(in crate::store) fn enter(
        &mut self,
        push: &'p Push,
        kind: ReceiptKind,
        reported: Option<Timestamp>,
        arrival: Timestamp,
    ) -> Option<ReceiptVerdict> {
        let sent = push.delivery.as_ref().filter(|delivery| delivery.state == State::Sent)?;
        let (sent_at, person) = (sent.at, sent.person);
        let at = reported.filter(|at| (sent_at..=arrival).contains(at)).unwrap_or(arrival);
        if at - sent_at > TOO_LATE {
            return Some(ReceiptVerdict::TooLate);
        }
        let way = Way { at: sent.at, platform: sent.platform, provider: sent.provider, variant: sent.variant.as_deref() };
        let stamps = self.stamps.entry(push.key).or_insert(sent.stamps);
        let implied = [true, kind == ReceiptKind::Opened, kind == ReceiptKind::Dismissed];
        for (receipt, (stamp, implied)) in stamps.iter_mut().zip(implied).enumerate() {
            if implied && stamp.is_none() {
                *stamp = Some(at);
                let (_, notification, device) = push.key;
                let report =
                    webhook_items::Receipt { app: push.cohort.app, notification, device: DevicePk(device), person, kind: receipt, at };
                self.new.reported(report, &push.cohort, way);
            }
        }
        Some(ReceiptVerdict::Accepted)
    }

    /// The deliveries' stamps as they are to be.
    pub(in crate::store) fn stamps(&self) -> impl Iterator<Item = (&DeliveryKey, &[Option<Timestamp>; 3])> {
        self.stamps.iter()
    }

    /// How many receipts are new.
    pub(in crate::store) fn counted(&self) -> &Counted<'p> {
        &self.new
    }
}

/// A kind as stores keep it.
pub(in crate::store) fn word(kind: ReceiptKind) -> &'static str {
    match kind {
        ReceiptKind::Delivered => "delivered",
        ReceiptKind::Opened => "opened",
        ReceiptKind::Dismissed => "dismissed",
    }
}

/// What [`word`] wrote.
pub(in crate::store) fn kind(text: &str) -> Option<ReceiptKind> {
    [ReceiptKind::Delivered, ReceiptKind::Opened, ReceiptKind::Dismissed].into_iter().find(|kind| word(*kind) == text)
}
