//! When a failed send is tried again.

use std::time::Duration;

use chrono::TimeDelta;

use super::Timestamp;
use super::notification::MAX_TTL_SECONDS;

/// How patient an installation is (`[retry]`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// The longest wait before the second attempt; it doubles with each further one.
    pub first: Duration,
    /// The longest wait before any attempt that the provider has not asked to be later.
    pub max: Duration,
}

/// What follows a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Another one at this instant, which is before the push expires.
    At(Timestamp),
    /// None: the push would have expired.
    GiveUp,
}

/// Of a `Retry-After`, the part that may be added so that those who were told the same do not come back together.
const SPREAD: f64 = 0.2;
/// What the store tells apart.
const RESOLUTION: Duration = Duration::from_micros(1);
/// No push lives longer, and so no wait is.
const LONGEST_LIFE: Duration = Duration::from_secs(MAX_TTL_SECONDS as u64);

/// When to try again after the failure of attempt number `attempt` (the first is 1) at `now`.
///
/// The wait is drawn with `fraction` (in `[0, 1)`) between half of `first` and `first * 2^(attempt - 1)`, at most `max`: exponential backoff
/// with full jitter, but never at once. A `retry_after` is always kept: the wait is at least that, plus up to a fifth of it as far as the push's life allows.
/// Only what a provider asked for can go beyond the push's life; a backoff is drawn within it. At or after `expires_at` nothing is tried. A push of `ttl_seconds` 0 expires the instant it is due, so that it is never tried twice.
pub fn next_attempt(
    now: Timestamp,
    attempt: u32,
    policy: RetryPolicy,
    retry_after: Option<Duration>,
    expires_at: Timestamp,
    fraction: f64,
) -> Next {
    let asked = retry_after.unwrap_or_default();
    let life = (expires_at - now).to_std().unwrap_or_default();
    let left = life.saturating_sub(asked);
    if left.is_zero() {
        return Next::GiveUp;
    }
    let fraction = if fraction.is_finite() { fraction.clamp(0.0, 1.0) } else { 0.5 };
    // both are cut short of the expiry by the store's resolution, so that one who can be waited for is
    let spread = asked.mul_f64(SPREAD * fraction).min(left.saturating_sub(RESOLUTION));
    let wait = backoff(attempt, policy, fraction, life.saturating_sub(RESOLUTION)).max(asked.saturating_add(spread));
    let at = TimeDelta::from_std(wait).ok().and_then(|wait| now.checked_add_signed(wait));
    match at {
        Some(at) if at < expires_at => Next::At(at),
        _ => Next::GiveUp,
    }
}

/// The wait after attempt number `attempt`, without any `Retry-After`, within `life` unless that is shorter than the shortest. It does not shrink as attempts or the fraction grow.
fn backoff(attempt: u32, policy: RetryPolicy, fraction: f64, life: Duration) -> Duration {
    let doubled = 1_u32.checked_shl(attempt.saturating_sub(1)).map_or(Duration::MAX, |factor| policy.first.saturating_mul(factor));
    let longest = doubled.min(policy.max).min(LONGEST_LIFE);
    let shortest = (policy.first / 2).min(longest);
    let longest = longest.min(life).max(shortest);
    longest.saturating_sub(shortest).mul_f64(fraction).saturating_add(shortest)
}

#[cfg(test)]
mod tests;
