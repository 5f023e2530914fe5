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

/// Explains what the gate decides at `at`. A push whose time is over then is one that would expire.
pub fn explain(at: Timestamp, question: &Question<'_>) -> Explanation {
    let (decision, until, reason) = match decide(at, question) {
        Decision::Send { .. } => (Verdict::Send, None, None),
        Decision::Defer { until, reason } => (Verdict::Defer, Some(sent_at(until, question)), Some(reason.as_str())),
        Decision::Suppress(reason) => (Verdict::Suppress, None, Some(reason.as_str())),
        Decision::Expire => (Verdict::Suppress, None, Some(SuppressReason::WouldExpire.as_str())),
    };
    let timezone = zone_of(question);
    Explanation { decision, until, reason, timezone, local_time: wall_clock(timezone, at) }
}

/// When a push deferred until `due` would go out: a scheduled one may come due in quiet hours.
fn sent_at(due: Timestamp, question: &Question<'_>) -> Timestamp {
    if let Decision::Defer { until, .. } = decide(due, question) { until } else { due }
}
