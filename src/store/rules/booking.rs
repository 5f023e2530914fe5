//! What receipts add to the deliveries they belong to.

use std::collections::BTreeMap;

use chrono::TimeDelta;

use super::super::receipt::{ReceiptKind, ReceiptVerdict};
use super::tally::RECEIPTS;
use crate::domain::Timestamp;
use crate::domain::delivery::State;
use crate::domain::id::NotificationId;

/// After so long a report is too late.
const TOO_LATE: TimeDelta = TimeDelta::days(30);

/// A delivery's key: day, notification, target.
pub(in crate::store) type DeliveryKey = (i32, NotificationId, i64);

/// A push that was reported.
pub(in crate::store) struct Push {
    pub(in crate::store) key: DeliveryKey,
    /// Where its delivery is; `None` while there is none.
    pub(in crate::store) state: Option<State>,
    /// When it was booked.
    pub(in crate::store) at: Option<Timestamp>,
    /// What was reported before: delivered, opened, dismissed.
    pub(in crate::store) stamps: [Option<Timestamp>; 3],
    /// From when on it may have been sent.
    pub(in crate::store) start_at: Timestamp,
    /// Something of its notification waits.
    pub(in crate::store) has_work: bool,
}

/// Stamps of deliveries as they become, and how many are new of each kind.
#[derive(Default)]
pub(in crate::store) struct Book {
    stamps: BTreeMap<DeliveryKey, [Option<Timestamp>; 3]>,
    new: BTreeMap<(NotificationId, &'static str, &'static str), i64>,
}

impl Push {
    /// Whether it may have reached the device before the send was booked: nothing is sent before the notification begins.
    pub(in crate::store) fn may_be_under_way(&self, now: Timestamp) -> bool {
        self.state.is_none() && self.has_work && self.start_at <= now
    }
}

impl Book {
    /// Enters a report of a push that was sent. An instant that cannot be is that of the arrival.
    pub(in crate::store) fn enter(
        &mut self,
        push: &Push,
        kind: ReceiptKind,
        reported: Option<Timestamp>,
        arrival: Timestamp,
    ) -> ReceiptVerdict {
        let sent_at = push.at.unwrap_or(arrival);
        let at = reported.filter(|at| (sent_at..=arrival).contains(at)).unwrap_or(arrival);
        if at - sent_at > TOO_LATE {
            return ReceiptVerdict::TooLate;
        }
        let stamps = self.stamps.entry(push.key).or_insert(push.stamps);
        let implied = [true, kind == ReceiptKind::Opened, kind == ReceiptKind::Dismissed];
        for ((stamp, word), implied) in stamps.iter_mut().zip(RECEIPTS).zip(implied) {
            if implied && stamp.is_none() {
                *stamp = Some(at);
                *self.new.entry((push.key.1, word, "")).or_default() += 1;
            }
        }
        ReceiptVerdict::Accepted
    }

    /// The deliveries' stamps as they are to be.
    pub(in crate::store) fn stamps(&self) -> impl Iterator<Item = (&DeliveryKey, &[Option<Timestamp>; 3])> {
        self.stamps.iter()
    }

    /// How many receipts are new, by notification and kind.
    pub(in crate::store) fn counts(&self) -> &BTreeMap<(NotificationId, &'static str, &'static str), i64> {
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
