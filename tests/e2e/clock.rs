//! The time, as a caller sees it.

use chrono::{DateTime, NaiveDateTime, SecondsFormat, SubsecRound, TimeDelta, Timelike, Utc};
use serde_json::{Value, json};

/// The present.
#[expect(clippy::disallowed_methods, reason = "a test has no other clock than the system's")]
pub(crate) fn now() -> DateTime<Utc> {
    Utc::now()
}

/// So many seconds from now, in whole seconds.
pub(crate) fn in_seconds(seconds: i64) -> DateTime<Utc> {
    (now() + TimeDelta::seconds(seconds)).trunc_subsecs(0)
}

/// As callers write it.
pub(crate) fn text(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// A wall clock as callers write it.
pub(crate) fn wall(at: NaiveDateTime) -> String {
    at.format("%Y-%m-%dT%H:%M:%S").to_string()
}

/// An instant that was answered, which is always in UTC.
#[track_caller]
pub(crate) fn instant(value: &Value) -> DateTime<Utc> {
    let text = value.as_str().unwrap_or_else(|| panic!("an instant, not {value}"));
    assert!(text.ends_with('Z'), "{text}");
    text.parse().unwrap()
}

/// Quiet hours in UTC that began an hour ago, and the instant at which they end, some two hours from now.
pub(crate) fn quiet_now() -> (Value, DateTime<Utc>) {
    let minute = now().with_second(0).unwrap().with_nanosecond(0).unwrap();
    let (start, end) = (minute - TimeDelta::hours(1), minute + TimeDelta::hours(2));
    (json!({"start": start.format("%H:%M").to_string(), "end": end.format("%H:%M").to_string()}), end)
}
