//! The gate's answer in words, for `POST /v1/explain`.

use chrono::NaiveDateTime;
use chrono_tz::Tz;

use super::Timestamp;
use super::decision::{Decision, Question};
use super::gate::{decide, zone_of};
use super::local_time::wall_clock;
use super::reason::{SuppressReason, words};

words! {
    /// What the gate decided, in a word.
    Verdict {
        /// It would be sent at once.
        Send = "send",
        /// It would wait.
        Defer = "defer",
        /// It would not be sent.
        Suppress = "suppress",
    }
}

/// What the gate would decide of a push at a device, and what it went by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The decision at that instant.
    pub decision: Verdict,
    /// Of a deferred push: when it would be sent as things stand, or else asked about again.
    pub until: Option<Timestamp>,
    /// Why not at once; a word of `WaitReason` or `SuppressReason`.
    pub reason: Option<&'static str>,
    /// The zone that counted.
    pub timezone: Tz,
    /// What the device's clock shows at that instant.
    pub local_time: NaiveDateTime,
}

/// Explains what the gate decides at `at`. A push whose time is over then is one that would expire; one that waits only to be
/// suppressed as things stand is suppressed.
pub fn explain(at: Timestamp, question: &Question<'_>) -> Explanation {
    let (decision, until, reason) = match decide(at, question) {
        Decision::Send { .. } => (Verdict::Send, None, None),
        Decision::Defer { until, reason } => match outcome_of(until, question) {
            Ok(sent_at) => (Verdict::Defer, Some(sent_at), Some(reason.as_str())),
            Err(reason) => (Verdict::Suppress, None, Some(reason.as_str())),
        },
        Decision::Suppress(reason) => (Verdict::Suppress, None, Some(reason.as_str())),
        Decision::Expire => (Verdict::Suppress, None, Some(SuppressReason::WouldExpire.as_str())),
    };
    let timezone = zone_of(question);
    Explanation { decision, until, reason, timezone, local_time: wall_clock(timezone, at) }
}

/// When a push deferred until `due` would go out, or why not: a scheduled one may come due in quiet hours, or be unwanted then.
pub fn outcome_of(due: Timestamp, question: &Question<'_>) -> Result<Timestamp, SuppressReason> {
    match decide(due, question) {
        Decision::Send { .. } => Ok(due),
        Decision::Defer { until, .. } => Ok(until),
        Decision::Suppress(reason) => Err(reason),
        Decision::Expire => Err(SuppressReason::WouldExpire),
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::domain::decision::{AppDefaults, DeviceFacts, Push};
    use crate::domain::device::{Permission, Platform, ProviderKind};
    use crate::domain::notification::{InQuietHours, Lifetime, Priority, When};
    use crate::domain::preferences::{CategoryChoice, Preferences};

    #[test]
    fn what_waits_only_to_be_suppressed_is_suppressed() {
        let now = Timestamp::from_timestamp(1_800_000_000, 0).unwrap();
        let due = now + TimeDelta::hours(3);
        let push = Push {
            category: Some("news"),
            declared: None,
            priority: Priority::High,
            silent: false,
            in_quiet_hours: InQuietHours::Defer,
            when: When::At(due),
            lifetime: Lifetime::Seconds(60),
            start_at: due,
        };
        let device = DeviceFacts { platform: Platform::Ios, provider: ProviderKind::Apns, permission: Permission::Granted, timezone: None };
        let defaults = AppDefaults::default();
        let off = CategoryChoice { push: Some(false), ..CategoryChoice::default() };
        let unwanted = Preferences { categories: [("news".to_owned(), off)].into(), ..Preferences::default() };
        let muted = |until| Preferences { muted_until: Some(until), ..Preferences::default() };
        for (preferences, decision, until, reason) in [
            (Preferences::default(), Verdict::Defer, Some(due), "scheduled"),
            (unwanted, Verdict::Suppress, None, "category_off"),
            (muted(due + TimeDelta::seconds(30)), Verdict::Defer, Some(due + TimeDelta::seconds(30)), "scheduled"),
            (muted(due + TimeDelta::hours(1)), Verdict::Suppress, None, "would_expire"),
        ] {
            let question = Question { push, preferences: Some(&preferences), device, defaults: &defaults };
            let told = explain(now, &question);
            assert_eq!((told.decision, told.until, told.reason), (decision, until, Some(reason)), "{preferences:?}");
        }
    }
}
