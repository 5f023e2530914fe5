//! Quiet hours: intervals of the local wall clock in which nothing is handed to a provider.

use chrono::NaiveTime;
use serde::{Deserialize, Serialize};

/// One interval `[start, end)` of the local wall clock; it wraps midnight where `end` is before `start`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuietInterval {
    /// `HH:MM`.
    #[serde(with = "clock_face")]
    pub start: NaiveTime,
    /// `HH:MM`; never equal to `start`.
    #[serde(with = "clock_face")]
    pub end: NaiveTime,
    /// The days on which it starts; all where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub days: Option<Vec<Day>>,
}

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Day {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

/// `HH:MM` both ways.
mod clock_face {
    use chrono::NaiveTime;
    use serde::{Deserialize, Deserializer, Serializer};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
    pub(super) fn serialize<S: Serializer>(time: &NaiveTime, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&time.format("%H:%M"))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<NaiveTime, D::Error> {
        let text = String::deserialize(from)?;
        NaiveTime::parse_from_str(&text, "%H:%M").map_err(|_| serde::de::Error::custom("a time is written HH:MM, 00:00 to 23:59"))
    }
}
