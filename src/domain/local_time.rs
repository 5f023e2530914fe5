//! Wall clocks and instants: what a clock in a zone shows, and when it shows a given time.
//!
//! Only the way from an instant to its offset is asked of the tables, since it alone is never ambiguous. The way back is defined on it, for gaps
//! and repeated hours of any length: the first instant at which the clock shows a time or a later one, and the end of all those at which it
//! shows an earlier one. They are the same instant except around a change of the clocks.

use chrono::{DateTime, NaiveDateTime, Offset, TimeDelta, TimeZone};
use chrono_tz::Tz;

use super::Timestamp;

/// No offset was ever larger: 16 h, in seconds (Manila before 1845 had 15:56 h).
const MAX_OFFSET: i64 = 16 * 3600;
/// In a second.
const MICROS: i64 = 1_000_000;
/// The easternmost clocks (Kiritimati), in hours ahead of UTC.
const EASTERNMOST: i64 = 14;
/// The westernmost clocks (Baker Island), in hours behind UTC.
const WESTERNMOST: i64 = 12;

/// What a clock in `zone` shows at `instant`.
pub fn wall_clock(zone: Tz, instant: Timestamp) -> NaiveDateTime {
    let utc = instant.naive_utc();
    utc.checked_add_signed(TimeDelta::seconds(offset_at(zone, instant.timestamp()))).unwrap_or(utc)
}

/// The first instant at which a clock in `zone` shows `wall` or a later time.
///
/// Where the clock skips `wall`, that is the first instant after the gap; where it shows it twice, the earlier one.
pub fn first_instant(zone: Tz, wall: NaiveDateTime) -> Timestamp {
    let wall = wall.and_utc().timestamp_micros();
    let change = Change::around(zone, wall);
    let before = wall - change.offset_before;
    instant(if before < change.at { before } else { change.at.max(wall - change.offset_after) })
}

/// The end of all instants at which a clock in `zone` shows `wall` or an earlier time.
///
/// Where the clock skips `wall`, that is the first instant after the gap; where it shows it twice, the later one.
pub fn last_instant(zone: Tz, wall: NaiveDateTime) -> Timestamp {
    let wall = wall.and_utc().timestamp_micros();
    let change = Change::around(zone, wall);
    let after = wall - change.offset_after;
    instant(if after >= change.at { after } else { change.at.min(wall - change.offset_before) })
}

/// When the first clock on Earth shows `wall`: no device's `send_at_local` is due before it.
pub fn earliest_on_earth(wall: NaiveDateTime) -> Timestamp {
    instant(wall.and_utc().timestamp_micros() - EASTERNMOST * 3600 * MICROS)
}

/// When the last clock on Earth shows `wall`: no device's `send_at_local` is due after it.
pub fn latest_on_earth(wall: NaiveDateTime) -> Timestamp {
    instant(wall.and_utc().timestamp_micros() + WESTERNMOST * 3600 * MICROS)
}

/// The one change of a zone's offset that can touch a given wall clock; without one, both offsets are the same. In microseconds.
struct Change {
    /// Ahead of UTC.
    offset_before: i64,
    /// Ahead of UTC.
    offset_after: i64,
    /// The first instant of the new offset; without a change, any.
    at: i64,
}

impl Change {
    /// Looks 16 h to both sides. Since zones leave a week between two changes, there is one at most.
    fn around(zone: Tz, wall: i64) -> Self {
        let second = wall.div_euclid(MICROS);
        let (mut old, mut new) = (second - MAX_OFFSET, second + MAX_OFFSET);
        let (before, after) = (offset_at(zone, old), offset_at(zone, new));
        while before != after && new - old > 1 {
            let middle = old + (new - old) / 2;
            if offset_at(zone, middle) == before {
                old = middle;
            } else {
                new = middle;
            }
        }
        Self { offset_before: before * MICROS, offset_after: after * MICROS, at: new * MICROS }
    }
}

/// Seconds ahead of UTC that clocks in `zone` are at this second since 1970.
fn offset_at(zone: Tz, second: i64) -> i64 {
    let within = second.clamp(Timestamp::MIN_UTC.timestamp(), Timestamp::MAX_UTC.timestamp());
    let utc = DateTime::from_timestamp(within, 0).unwrap_or_default().naive_utc();
    i64::from(zone.offset_from_utc_datetime(&utc).fix().local_minus_utc())
}

/// Microseconds since 1970 as an instant. Beyond the calendar it stops at its ends.
fn instant(micros: i64) -> Timestamp {
    let edge = if micros < 0 { Timestamp::MIN_UTC } else { Timestamp::MAX_UTC };
    DateTime::from_timestamp_micros(micros).unwrap_or(edge)
}

#[cfg(test)]
pub(super) mod tests;
