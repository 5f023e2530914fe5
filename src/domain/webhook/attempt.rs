//! What follows an attempt to hand over a message.

use std::time::Duration;

use chrono::TimeDelta;

use super::TRIED_FOR;
use crate::domain::Timestamp;

/// How long a receiver may take for its whole answer, connecting included.
pub const WITHIN: Duration = Duration::from_secs(15);

/// The waits after the first attempts; after those, [`REST`].
const WAITS: [Duration; 8] = [
    Duration::from_secs(5),
    Duration::from_mins(5),
    Duration::from_mins(30),
    Duration::from_hours(2),
    Duration::from_hours(5),
    Duration::from_hours(10),
    Duration::from_hours(14),
    Duration::from_hours(20),
];
/// The wait after every later one.
const REST: Duration = Duration::from_hours(24);
/// Of a wait, what it may be shorter or longer, so that the messages of an outage do not come back together.
const JITTER: f64 = 0.2;
/// The longest `Retry-After` that is heeded.
const LONGEST_ASKED: Duration = Duration::from_hours(1);

/// What an attempt came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// A status, and for how long the receiver asks to be left alone.
    Status(u16, Option<Duration>),
    /// No answer.
    Nothing,
}

/// What follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The message was taken.
    Delivered,
    /// The next attempt is due then.
    Again(Timestamp),
    /// The message has been tried for as long as any is.
    RunOut,
    /// The receiver wants nothing any more.
    Gone,
}

/// What follows attempt number `attempt` (the first is 1), which ended at `now`, of a message that is tried until `until`.
///
/// 2xx is delivered, 410 is gone; a redirect is a failure like any other. The wait grows with each attempt and is up to a fifth shorter or longer,
/// by `fraction` (in `[0, 1)`); a `Retry-After` of 429 or 503 of up to an hour is kept. The last attempt is due at `until`, however long the wait
/// would be.
pub fn verdict(heard: Heard, attempt: u32, now: Timestamp, until: Timestamp, fraction: f64) -> Verdict {
    let asked = match heard {
        Heard::Status(200..=299, _) => return Verdict::Delivered,
        Heard::Status(410, _) => return Verdict::Gone,
        Heard::Status(429 | 503, asked) => asked.filter(|asked| *asked <= LONGEST_ASKED),
        Heard::Status(..) | Heard::Nothing => None,
    };
    if now >= until {
        return Verdict::RunOut;
    }
    let wait = wait(attempt, fraction).max(asked.unwrap_or_default());
    let at = TimeDelta::from_std(wait).ok().and_then(|wait| now.checked_add_signed(wait));
    Verdict::Again(at.map_or(until, |at| at.min(until)))
}

/// Whether a webhook has failed for as long as a message was tried that ended at `until`.
pub fn is_failing(failing_since: Option<Timestamp>, until: Timestamp) -> bool {
    let begun = TimeDelta::from_std(TRIED_FOR).ok().and_then(|tried| until.checked_sub_signed(tried));
    failing_since.zip(begun).is_some_and(|(since, begun)| since <= begun)
}

fn wait(attempt: u32, fraction: f64) -> Duration {
    let index = usize::try_from(attempt.saturating_sub(1)).unwrap_or(usize::MAX);
    let fraction = if fraction.is_finite() { fraction.clamp(0.0, 1.0) } else { 0.5 };
    WAITS.get(index).unwrap_or(&REST).mul_f64(1.0 - JITTER + 2.0 * JITTER * fraction)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(hours: f64) -> Timestamp {
        Timestamp::from_timestamp(1_800_000_000, 0).unwrap() + TimeDelta::from_std(Duration::from_secs_f64(hours * 3600.0)).unwrap()
    }

    fn next(heard: Heard, attempt: u32) -> Verdict {
        verdict(heard, attempt, at(0.0), at(72.0), 0.5)
    }

    fn after(wait: Duration) -> Verdict {
        Verdict::Again(at(0.0) + TimeDelta::from_std(wait).unwrap())
    }

    #[test]
    fn statuses_are_judged() {
        for status in [200, 201, 202, 204, 299] {
            assert_eq!(next(Heard::Status(status, None), 1), Verdict::Delivered, "{status}");
        }
        assert_eq!(next(Heard::Status(410, None), 1), Verdict::Gone);
        for status in [100, 199, 300, 301, 302, 304, 307, 308, 400, 401, 403, 404, 408, 409, 411, 429, 500, 502, 503, 504, 599, 999] {
            assert_eq!(next(Heard::Status(status, None), 1), after(WAITS[0]), "{status}");
        }
        assert_eq!(next(Heard::Nothing, 1), after(WAITS[0]));
    }

    #[test]
    fn waits_grow_to_a_day() {
        let seconds = [5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400, 86_400];
        for (attempt, seconds) in (1..).zip(seconds) {
            assert_eq!(next(Heard::Nothing, attempt), after(Duration::from_secs(seconds)), "{attempt}");
        }
        assert_eq!(next(Heard::Nothing, u32::MAX), after(REST));
        assert_eq!(next(Heard::Nothing, 0), after(WAITS[0]), "never counted");
        for (fraction, seconds) in [(0.0, 240), (1.0, 360), (f64::NAN, 300)] {
            assert_eq!(verdict(Heard::Nothing, 2, at(0.0), at(72.0), fraction), after(Duration::from_secs(seconds)));
        }
    }

    #[test]
    fn a_receiver_may_ask_for_an_hour() {
        let asked = |status, seconds| next(Heard::Status(status, Some(Duration::from_secs(seconds))), 1);
        for status in [429, 503] {
            assert_eq!(asked(status, 60), after(Duration::from_mins(1)));
            assert_eq!(asked(status, 3600), after(Duration::from_hours(1)));
            assert_eq!(asked(status, 3601), after(WAITS[0]), "too much");
            assert_eq!(asked(status, 1), after(WAITS[0]), "not sooner than otherwise");
        }
        assert_eq!(asked(500, 60), after(WAITS[0]), "only of those who know why they ask");
    }

    #[test]
    fn three_days_are_used_up() {
        let near = |hours| verdict(Heard::Nothing, 9, at(hours), at(72.0), 0.5);
        assert_eq!(near(60.0), Verdict::Again(at(72.0)), "the last one is due at the end");
        assert_eq!(near(72.0), Verdict::RunOut);
        assert_eq!(near(80.0), Verdict::RunOut);
        let late = |status| verdict(Heard::Status(status, None), 9, at(80.0), at(72.0), 0.5);
        assert_eq!((late(204), late(410)), (Verdict::Delivered, Verdict::Gone), "an answer counts however late it is");
    }

    #[test]
    fn a_webhook_fails_that_did_so_all_along() {
        for (since, failing) in [(None, false), (Some(at(0.0)), true), (Some(at(0.1)), false)] {
            assert_eq!(is_failing(since, at(72.0)), failing, "{since:?}");
        }
    }

    proptest! {
        /// It comes to an end, whatever the jitter; it is never late, and never at once.
        #[test]
        fn every_message_ends_in_time(fractions in prop::collection::vec(0.0..1.0_f64, 40), asked in prop::option::of(0_u64..10_000)) {
            let mut now = at(0.0);
            let mut attempts = 0;
            loop {
                attempts += 1;
                let heard = Heard::Status(503, asked.map(Duration::from_secs));
                match verdict(heard, attempts, now, at(72.0), fractions[attempts as usize % 40]) {
                    Verdict::Again(next) => {
                        prop_assert!(next > now && next <= at(72.0));
                        prop_assert!(next == at(72.0) || next - now >= TimeDelta::seconds(4));
                        now = next;
                    }
                    verdict => {
                        prop_assert_eq!(verdict, Verdict::RunOut);
                        prop_assert_eq!(now, at(72.0));
                        break;
                    }
                }
                prop_assert!(attempts < 20);
            }
            prop_assert!(attempts >= 9);
        }
    }
}
