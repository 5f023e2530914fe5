//! Delivery analytics: what became of pushes, by time and kind.
//!
//! Counted in the same commit as the outcomes and receipts themselves, in the bucket of the delivery's end. Test sends are not counted.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta};
use serde::Deserialize;

use super::{Page, PageRequest, Result};
use crate::domain::Timestamp;
use crate::domain::device::{Platform, ProviderKind};
use crate::domain::id::{AppId, CampaignId};
use crate::domain::reason::words;

words! {
    /// How long a bucket is. Buckets begin at full ones in UTC.
    Resolution {
        /// 60 seconds.
        Minute = "minute",
        /// 60 minutes.
        Hour = "hour",
        /// 24 hours.
        Day = "day",
    }
}

impl Resolution {
    /// How long a bucket is.
    pub fn length(self) -> Duration {
        match self {
            Self::Minute => Duration::from_mins(1),
            Self::Hour => Duration::from_hours(1),
            Self::Day => Duration::from_hours(24),
        }
    }

    /// When the bucket of an instant begins.
    pub fn begin(self, at: Timestamp) -> Timestamp {
        let seconds = i64::try_from(self.length().as_secs()).unwrap_or(i64::MAX);
        DateTime::from_timestamp(at.timestamp().div_euclid(seconds) * seconds, 0).unwrap_or(at)
    }
}

/// For how long buckets are kept, `[analytics]` in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retention {
    /// Minutes, in days; 1 to 366.
    pub minute_days: u32,
    /// Hours, in days; at least `minute_days`, at most 3650.
    pub hour_days: u32,
    /// Days, in days; at least `hour_days`, at most 3650.
    pub day_days: u32,
}

impl Default for Retention {
    fn default() -> Self {
        Self { minute_days: 7, hour_days: 90, day_days: 1100 }
    }
}

impl Retention {
    /// The oldest bucket that is kept: it begins at this instant or after it.
    pub fn oldest(&self, resolution: Resolution, now: Timestamp) -> Timestamp {
        let days = match resolution {
            Resolution::Minute => self.minute_days,
            Resolution::Hour => self.hour_days,
            Resolution::Day => self.day_days,
        };
        now.checked_sub_signed(TimeDelta::days(days.into())).map_or(DateTime::UNIX_EPOCH, |oldest| resolution.begin(oldest))
    }
}

/// By what counts are told apart, beside the time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is asked for or not")]
#[expect(missing_docs, reason = "the groups of the contract")]
pub struct Groups {
    pub category: bool,
    pub platform: bool,
    pub provider: bool,
    pub campaign: bool,
    pub variant: bool,
}

/// What is asked: buckets that begin in `[from, to)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnalyticsQuestion {
    /// How long a bucket is.
    pub resolution: Resolution,
    /// The first instant.
    pub from: Timestamp,
    /// The first instant that does not belong to it any more.
    pub to: Timestamp,
    /// By what they are told apart.
    pub groups: Groups,
}

/// How many targets ended so, and how many of those that were sent the device reported. Receipts are unique per push.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the states and receipts of the contract")]
pub struct Totals {
    pub sent: u64,
    pub suppressed: u64,
    pub failed: u64,
    pub expired: u64,
    pub cancelled: u64,
    pub delivered: u64,
    pub opened: u64,
    pub dismissed: u64,
}

/// The counts of one bucket and group. What was not asked for is `None`, as what there is none of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnalyticsRow {
    /// When the bucket begins.
    pub bucket: Timestamp,
    /// The category.
    pub category: Option<String>,
    /// What the devices run on; `None` where there was none.
    pub platform: Option<Platform>,
    /// Who carried the pushes, or would have; `None` where there was no device.
    pub provider: Option<ProviderKind>,
    /// The campaign.
    pub campaign: Option<CampaignId>,
    /// The campaign's variant.
    pub variant: Option<String>,
    /// The counts.
    pub totals: Totals,
}

/// Counts by app.
#[async_trait]
pub trait Analytics: Send + Sync {
    /// In the order of the buckets, then of the groups' words; buckets in which nothing ended are absent.
    async fn analytics(&self, app: AppId, question: &AnalyticsQuestion, page: &PageRequest) -> Result<Page<AnalyticsRow>>;

    /// Forgets buckets whose retention is over, and puts together what several nodes wrote of those that are old. The daemon calls it now and
    /// then.
    async fn prune_analytics(&self, retention: &Retention) -> Result<()>;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn buckets_begin_at_full_ones_in_utc() {
        for (resolution, instant, begin) in [
            (Resolution::Minute, "2026-03-29T01:59:59.999999Z", "2026-03-29T01:59:00Z"),
            (Resolution::Minute, "2026-03-29T02:00:00Z", "2026-03-29T02:00:00Z"),
            (Resolution::Hour, "2026-03-29T02:59:59Z", "2026-03-29T02:00:00Z"),
            (Resolution::Day, "2026-03-29T23:59:59Z", "2026-03-29T00:00:00Z"),
            (Resolution::Day, "1969-12-31T12:00:00Z", "1969-12-31T00:00:00Z"),
        ] {
            assert_eq!(resolution.begin(at(instant)), at(begin), "{resolution} {instant}");
        }
    }

    #[test]
    fn a_bucket_is_kept_until_all_of_it_is_older_than_its_retention() {
        let retention = Retention { minute_days: 1, hour_days: 2, day_days: 3 };
        let now = at("2026-11-22T10:20:30Z");
        assert_eq!(retention.oldest(Resolution::Minute, now), at("2026-11-21T10:20:00Z"));
        assert_eq!(retention.oldest(Resolution::Hour, now), at("2026-11-20T10:00:00Z"));
        assert_eq!(retention.oldest(Resolution::Day, now), at("2026-11-19T00:00:00Z"));
        let for_ever = Retention { day_days: u32::MAX, ..retention };
        assert_eq!(for_ever.oldest(Resolution::Day, now), DateTime::UNIX_EPOCH);
    }
}
