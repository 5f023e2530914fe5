//! Days of a retention: which of them are over, and where one begins among the ids of notifications.

use std::time::Duration;

use chrono::{DateTime, TimeDelta};
use uuid::Uuid;

use crate::domain::Timestamp;

/// The seconds of a day.
const DAY: i64 = 86_400;
const MILLIS_OF_DAY: u64 = 86_400_000;

/// The first instant of a day since 1970.
pub(in crate::store) fn midnight(day: i64) -> Option<Timestamp> {
    DateTime::from_timestamp(day.checked_mul(DAY)?, 0)
}

/// The last day whose retention, counted from its end, is over; `None`: it never is.
pub(in crate::store) fn last_over(now: Timestamp, retention: Duration) -> Option<i64> {
    let from = now.checked_sub_signed(TimeDelta::from_std(retention).ok()?)?;
    Some(from.timestamp().div_euclid(DAY) - 1)
}

/// The smallest id of a day: ids begin with the milliseconds since 1970.
pub(in crate::store) fn first_id(day: i64) -> Uuid {
    let millis = u128::from(u64::try_from(day).unwrap_or_default().saturating_mul(MILLIS_OF_DAY));
    Uuid::from_u128(millis << 80)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_over_when_its_retention_after_its_end_is() {
        let week = Duration::from_hours(7 * 24);
        let end = midnight(20_001).unwrap() + TimeDelta::days(7);
        assert_eq!(last_over(end, week), Some(20_000));
        assert_eq!(last_over(end - TimeDelta::microseconds(1), week), Some(19_999));
        assert_eq!(last_over(end, Duration::MAX), None, "for ever");
    }

    #[test]
    fn ids_begin_with_their_day() {
        let id = Uuid::parse_str("019a4000-0000-7000-8000-000000000001").unwrap();
        let day = i64::try_from(u64::try_from(id.as_u128() >> 80).unwrap() / MILLIS_OF_DAY).unwrap();
        assert!(first_id(day) <= id && id < first_id(day + 1));
        assert!(id < Uuid::from_u128(first_id(day + 1).as_u128()));
    }
}
