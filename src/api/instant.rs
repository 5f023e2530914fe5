//! Instants and wall clocks as callers write them.

use std::fmt;

use chrono::{DateTime, NaiveDateTime, SubsecRound, Timelike};
use serde::de::{Deserialize, Deserializer, Error, Unexpected, Visitor};
use serde::{Serialize, Serializer};

use crate::domain::Timestamp;

/// An instant: RFC 3339 with an offset coming in, UTC with `Z` going out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Instant(pub(crate) Timestamp);

/// A wall clock: `YYYY-MM-DDTHH:MM:SS` without an offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LocalTime(pub(crate) NaiveDateTime);

const INSTANT: &str = "an instant in RFC 3339 with an offset, such as 2026-12-01T09:00:00Z";
const LOCAL_TIME: &str = "a local time without an offset, such as 2026-12-01T09:00:00";
const LOCAL_FORMAT: &str = "%Y-%m-%dT%H:%M:%S";

impl Instant {
    /// Reads RFC 3339; the store keeps microseconds, so nothing finer is.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let at = DateTime::parse_from_rfc3339(text).ok()?.to_utc();
        // a leap second is the last nanosecond before it: it has no place in a count of seconds
        let at = if at.nanosecond() >= 1_000_000_000 { at.with_nanosecond(999_999_999)? } else { at };
        Some(Self(at.trunc_subsecs(6)))
    }
}

impl LocalTime {
    fn parse(text: &str) -> Option<Self> {
        // chrono alone would also take signs, short years and spaces
        let shaped = text.len() == 19 && text.bytes().all(|byte| byte.is_ascii_digit() || b"-T:".contains(&byte));
        let time = shaped.then(|| NaiveDateTime::parse_from_str(text, LOCAL_FORMAT).ok()).flatten()?;
        (time.nanosecond() < 1_000_000_000).then_some(Self(time))
    }
}

/// What was expected of an instant in a query.
pub(crate) fn expected_instant() -> String {
    format!("must be {INSTANT}")
}

struct Text<T> {
    parse: fn(&str) -> Option<T>,
    expected: &'static str,
}

impl<T> Visitor<'_> for Text<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        (self.parse)(text).ok_or_else(|| E::invalid_value(Unexpected::Other("text"), &self))
    }
}

impl<'de> Deserialize<'de> for Instant {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_str(Text { parse: Self::parse, expected: INSTANT })
    }
}

impl<'de> Deserialize<'de> for LocalTime {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_str(Text { parse: Self::parse, expected: LOCAL_TIME })
    }
}

impl Serialize for Instant {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(to)
    }
}

impl Serialize for LocalTime {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&self.0.format(LOCAL_FORMAT))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_needs_an_offset() {
        for (text, utc) in [
            ("2026-12-01T09:00:00Z", "2026-12-01T09:00:00Z"),
            ("2026-12-01t09:00:00z", "2026-12-01T09:00:00Z"),
            ("2026-12-01T09:00:00+02:00", "2026-12-01T07:00:00Z"),
            ("2026-12-01T09:00:00.123456789Z", "2026-12-01T09:00:00.123456Z"),
            ("2026-12-31T23:59:60Z", "2026-12-31T23:59:59.999999Z"),
        ] {
            let instant: Instant = serde_json::from_value(text.into()).unwrap();
            assert_eq!(serde_json::to_value(instant).unwrap(), utc, "{text}");
        }
        for text in ["", "2026-12-01", "2026-12-01T09:00:00", "2026-13-01T09:00:00Z", "tomorrow", "1764579600", "2026-12-01T25:00:00Z"] {
            assert!(serde_json::from_value::<Instant>(text.into()).is_err(), "{text}");
        }
        assert!(serde_json::from_value::<Instant>(1_764_579_600.into()).is_err());
    }

    #[test]
    fn a_local_time_has_none() {
        let time: LocalTime = serde_json::from_value("2026-12-01T09:00:00".into()).unwrap();
        assert_eq!(serde_json::to_value(time).unwrap(), "2026-12-01T09:00:00");
        for text in [
            "2026-12-01T09:00:00Z",
            "2026-12-01T09:00",
            "2026-12-01 09:00:00",
            "2026-12-01T09:00:00.5",
            "2026-02-30T09:00:00",
            "2026-12-01T24:00:00",
            "2026-12-01T09:00:60",
            "+026-12-01T09:00:00",
        ] {
            assert!(serde_json::from_value::<LocalTime>(text.into()).is_err(), "{text}");
        }
    }
}
