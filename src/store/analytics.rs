//! Delivery analytics: what became of pushes, by time and kind.
//!
//! Counted in the same commit as the outcomes and receipts themselves, in the bucket of the delivery's end. Test sends are not counted.

use std::time::Duration;

use chrono::DateTime;

use crate::domain::Timestamp;
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
