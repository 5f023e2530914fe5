//! What one commit counts: of notifications, and of the minutes in which its deliveries ended.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::super::analytics::Resolution;
use super::tally::RECEIPTS;
use super::webhook_items::{Fact, Receipt, of_delivery};
use crate::domain::Timestamp;
use crate::domain::delivery::{Cohort, Delivery, State};
use crate::domain::device::{Platform, ProviderKind};
use crate::domain::id::{AppId, NotificationId};
use crate::domain::latency::Latency;

/// How many kinds of counts a rollup has: the ways to end, then the receipts.
pub(in crate::store) const KINDS: usize = 8;

/// A count of a notification, in the order in which such rows are locked. Empty: none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::store) struct Count<'d> {
    pub(in crate::store) notification: NotificationId,
    /// A state, or a receipt's word in its place.
    pub(in crate::store) state: &'d str,
    pub(in crate::store) reason: &'d str,
    pub(in crate::store) platform: &'d str,
    pub(in crate::store) variant: &'d str,
}

/// A rollup without its resolution, in the order in which such rows are locked. Empty or nil: none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::store) struct Bucket<'d> {
    pub(in crate::store) app: AppId,
    /// When it begins.
    pub(in crate::store) from: Timestamp,
    pub(in crate::store) category: &'d str,
    pub(in crate::store) platform: &'d str,
    pub(in crate::store) provider: &'d str,
    pub(in crate::store) campaign: Uuid,
    pub(in crate::store) variant: &'d str,
}

/// What is counted of a delivery beside its end: who carried it to what.
#[derive(Clone, Copy)]
pub(in crate::store) struct Way<'d> {
    pub(in crate::store) at: Timestamp,
    pub(in crate::store) platform: Option<Platform>,
    pub(in crate::store) provider: Option<ProviderKind>,
    pub(in crate::store) variant: Option<&'d str>,
}

/// The counts of a commit.
#[derive(Default)]
pub(in crate::store) struct Counted<'d> {
    counts: BTreeMap<Count<'d>, i64>,
    minutes: BTreeMap<Bucket<'d>, [i64; KINDS]>,
    latencies: BTreeMap<(NotificationId, Latency), i64>,
    news: Vec<Fact<'d>>,
}

impl<'d> Counted<'d> {
    /// One that was really written.
    pub(in crate::store) fn ended(&mut self, delivery: &'d Delivery) {
        let way = Way { at: delivery.at, platform: delivery.platform, provider: delivery.provider, variant: delivery.variant.as_deref() };
        let (state, reason) = (delivery.ending.state(), delivery.ending.reason().unwrap_or_default());
        self.count(delivery.notification, (state.as_str(), reason), way);
        if let Some(latency) = delivery.latency {
            *self.latencies.entry((delivery.notification, latency)).or_default() += 1;
        }
        if let Some(kind) = kind_of_state(state) {
            self.roll_up(&delivery.cohort, way, kind);
        }
        if of_delivery(delivery).is_some() {
            self.news.push(Fact::Delivery(delivery));
        }
    }

    /// A receipt that is the first of its kind for a push.
    pub(in crate::store) fn reported(&mut self, receipt: Receipt, cohort: &'d Cohort, way: Way<'d>) {
        if let Some(word) = RECEIPTS.get(receipt.kind) {
            self.count(receipt.notification, (word, ""), way);
            self.roll_up(cohort, way, KINDS - RECEIPTS.len() + receipt.kind);
            if !cohort.test {
                self.news.push(Fact::Receipt(receipt));
            }
        }
    }

    fn count(&mut self, notification: NotificationId, (state, reason): (&'d str, &'d str), way: Way<'d>) {
        let platform = way.platform.map_or("", Platform::as_str);
        let count = Count { notification, state, reason, platform, variant: way.variant.unwrap_or_default() };
        *self.counts.entry(count).or_default() += 1;
    }

    fn roll_up(&mut self, cohort: &'d Cohort, way: Way<'d>, kind: usize) {
        if cohort.test {
            return;
        }
        let bucket = Bucket {
            app: cohort.app,
            from: Resolution::Minute.begin(way.at),
            category: cohort.category.as_deref().unwrap_or_default(),
            platform: way.platform.map_or("", Platform::as_str),
            provider: way.provider.map_or("", ProviderKind::as_str),
            campaign: cohort.campaign.map_or(Uuid::nil(), |campaign| campaign.0),
            variant: way.variant.unwrap_or_default(),
        };
        if let Some(n) = self.minutes.entry(bucket).or_default().get_mut(kind) {
            *n += 1;
        }
    }

    /// What webhooks may want to be told of it.
    pub(in crate::store) fn news(&self) -> &[Fact<'d>] {
        &self.news
    }

    /// Of notifications, in the order in which they are locked.
    pub(in crate::store) fn counts(&self) -> &BTreeMap<Count<'d>, i64> {
        &self.counts
    }

    /// Of notifications by how long their pushes took, in the order in which they are locked.
    pub(in crate::store) fn latencies(&self) -> &BTreeMap<(NotificationId, Latency), i64> {
        &self.latencies
    }

    /// Of minutes, in the order in which they are locked.
    pub(in crate::store) fn minutes(&self) -> &BTreeMap<Bucket<'d>, [i64; KINDS]> {
        &self.minutes
    }

    /// Of minutes, hours and days, in the order in which they are locked.
    pub(in crate::store) fn buckets(&self) -> BTreeMap<(Resolution, Bucket<'d>), [i64; KINDS]> {
        let mut buckets: BTreeMap<(Resolution, Bucket<'d>), [i64; KINDS]> = BTreeMap::new();
        for (minute, counts) in &self.minutes {
            for resolution in Resolution::ALL {
                let bucket = Bucket { from: resolution.begin(minute.from), ..*minute };
                add(buckets.entry((*resolution, bucket)).or_default(), counts);
            }
        }
        buckets
    }
}

/// Adds counts kind by kind.
pub(in crate::store) fn add(sum: &mut [i64; KINDS], more: &[i64; KINDS]) {
    sum.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
}

fn kind_of_state(state: State) -> Option<usize> {
    match state {
        State::Waiting => None,
        State::Sent => Some(0),
        State::Suppressed => Some(1),
        State::Failed => Some(2),
        State::Expired => Some(3),
        State::Cancelled => Some(4),
    }
}
