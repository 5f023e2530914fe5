//! Misbehaviour by script: rules put through the control view. The first rule that fits a push
//! applies, as often as its `times` says, and goes before what the token's own prefix asks for.
//!
//! A rule with nothing but a delay says nothing of the answer, so the token's prefix still does.
//! Rules are applied to pushes that pass every check: what is wrong by itself is refused as the
//! real service refuses it, and uses up no rule.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use http::HeaderValue;
use serde::Deserialize;
use serde_json::Value;

/// Whom a rule is for.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum Provider {
    /// Both endpoints of APNs.
    Apns,
    /// FCM's send endpoint.
    Fcm,
    /// The web push service; a token is the end of an endpoint.
    Webpush,
    /// The token endpoint. Only a rule that names it applies to it.
    Oauth,
}

/// How a connection or stream fails.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// GOAWAY with the stream before this one as the last; this one is not booked.
    Goaway,
    /// `RST_STREAM`; not booked.
    Reset,
    /// The TCP connection is reset; not booked.
    ResetConnection,
    /// Booked, and never answered.
    Stall,
}

/// A `Retry-After`: seconds, or the text of the header.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(untagged)]
pub enum RetryAfter {
    /// Seconds to wait.
    Seconds(u32),
    /// The header's value as given, such as an HTTP date.
    Text(String),
}

impl RetryAfter {
    /// The header's value; nothing for a text that no header can hold.
    pub(super) fn header(&self) -> Option<HeaderValue> {
        match self {
            Self::Seconds(seconds) => Some(HeaderValue::from(*seconds)),
            Self::Text(text) => HeaderValue::from_str(text).ok(),
        }
    }
}

/// An answer as given.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Respond {
    /// 200 to 599; up to 299 is success.
    pub status: u16,
    /// The reason (APNs, OAuth), `FcmError` code (FCM), Apple's word or Mozilla's number (Web Push).
    pub reason: Option<String>,
    /// The `Retry-After` header.
    pub retry_after: Option<RetryAfter>,
    /// APNs, with 410: milliseconds since the epoch, now when absent.
    pub timestamp: Option<i64>,
    /// FCM: all of `error.details`, in place of the `FcmError` that `reason` makes.
    pub details: Option<Vec<Value>>,
    /// FCM: `error.message`. Web Push: Mozilla's `message`, or all of the body where there is no reason.
    pub message: Option<String>,
    /// Web Push: the `Location` header.
    pub location: Option<String>,
    /// All of the body, which is none of the provider's then: a proxy's page.
    pub body: Option<String>,
}

impl Respond {
    /// An answer with a status and a reason.
    pub(super) fn new(status: u16, reason: &str) -> Self {
        Self {
            status,
            reason: Some(reason.to_owned()),
            retry_after: None,
            timestamp: None,
            details: None,
            message: None,
            location: None,
            body: None,
        }
    }

    /// Whether it says what its body is in two ways.
    fn contradicts_itself(&self) -> bool {
        let Self { reason, timestamp, details, message, .. } = self;
        self.body.is_some() && (reason.is_some() || timestamp.is_some() || details.is_some() || message.is_some())
    }

    /// Whether it is success.
    pub(super) fn is_success(&self) -> bool {
        self.status < 300
    }
}

/// One rule of `PUT /simulator/behaviours`.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Whom it is for; absent, all providers.
    pub provider: Option<Provider>,
    /// What the token begins with; absent, any.
    pub token_prefix: Option<String>,
    /// The answer.
    pub respond: Option<Respond>,
    /// Milliseconds to wait before the answer or fault.
    pub delay_ms: Option<u64>,
    /// The fault in place of an answer.
    pub fault: Option<Fault>,
    /// Of the pushes that it fits, it applies to one in so many; absent, to each. The others go on to the next rule.
    pub every: Option<u64>,
    /// How often it applies; absent, for ever.
    pub times: Option<u64>,
}

/// What is wrong with a rule: the field within the rule, and why.
pub(super) type Flaw = (&'static str, &'static str);

/// The longest `delay_ms`: an hour.
const MAX_DELAY_MS: u64 = 3_600_000;

impl Rule {
    /// The first thing wrong with it, if any.
    pub(super) fn flaw(&self) -> Option<Flaw> {
        if let Some(respond) = &self.respond {
            if !(200..=599).contains(&respond.status) {
                return Some(("respond.status", "must be 200 to 599"));
            }
            if respond.contradicts_itself() {
                return Some(("respond.body", "cannot stand beside `reason`, `timestamp`, `details` or `message`"));
            }
            if self.fault.is_some() {
                return Some(("fault", "cannot stand beside `respond`"));
            }
        }
        if self.respond.is_none() && self.fault.is_none() && self.delay_ms.is_none() {
            return Some(("respond", "one of respond, delay_ms, fault is needed"));
        }
        if self.delay_ms.is_some_and(|delay| delay > MAX_DELAY_MS) {
            return Some(("delay_ms", "must be at most 3600000 (an hour)"));
        }
        if self.every == Some(0) {
            return Some(("every", "must be at least 1"));
        }
        if self.times == Some(0) {
            return Some(("times", "must be at least 1; leave it out for ever"));
        }
        None
    }

    fn fits(&self, provider: Provider, token: &str) -> bool {
        let for_provider = match self.provider {
            Some(named) => named == provider,
            None => provider != Provider::Oauth,
        };
        for_provider && self.token_prefix.as_deref().is_none_or(|prefix| begins_with(token, prefix))
    }
}

/// Hexadecimal tokens are the same in either case; others differ in more than case anyway.
fn begins_with(token: &str, prefix: &str) -> bool {
    token.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

/// What a push meets.
#[derive(Clone, Debug, Default)]
pub(super) enum Conduct {
    /// The service as it should be.
    #[default]
    Good,
    /// A given answer.
    Respond(Arc<Respond>),
    /// A fault.
    Fault(Fault),
}

/// The rules in force.
#[derive(Debug, Default)]
pub(super) struct Behaviours {
    rules: RwLock<Vec<Active>>,
}

#[derive(Debug)]
struct Active {
    rule: Rule,
    respond: Option<Arc<Respond>>,
    /// Pushes that it fitted.
    fitted: AtomicU64,
    left: Option<AtomicU64>,
}

impl Active {
    fn new(rule: Rule) -> Self {
        let respond = rule.respond.clone().map(Arc::new);
        Self { respond, fitted: AtomicU64::new(0), left: rule.times.map(AtomicU64::new), rule }
    }

    /// Uses the rule once, if it is this push's turn and it is not used up.
    fn take(&self) -> bool {
        let fitted = self.fitted.fetch_add(1, Ordering::Relaxed) + 1;
        if self.rule.every.is_some_and(|every| !fitted.is_multiple_of(every)) {
            return false;
        }
        self.left.as_ref().is_none_or(|left| left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok())
    }
}

impl Behaviours {
    /// Replaces all rules.
    pub(super) fn replace(&self, rules: Vec<Rule>) {
        let rules = rules.into_iter().map(Active::new).collect();
        *self.rules.write().unwrap_or_else(PoisonError::into_inner) = rules;
    }

    /// The delay and conduct that a script has for a push; no conduct where it has none.
    pub(super) fn find(&self, provider: Provider, token: &str) -> (Duration, Option<Conduct>) {
        let rules = self.rules.read().unwrap_or_else(PoisonError::into_inner);
        let found = rules.iter().find(|active| active.rule.fits(provider, token) && active.take());
        let Some(active) = found else {
            return (Duration::ZERO, None);
        };
        let delay = Duration::from_millis(active.rule.delay_ms.unwrap_or_default());
        let respond = active.respond.as_ref().map(Arc::clone).map(Conduct::Respond);
        (delay, respond.or(active.rule.fault.map(Conduct::Fault)))
    }
}

#[cfg(test)]
mod tests;
