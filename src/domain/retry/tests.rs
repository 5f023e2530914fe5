use proptest::prelude::*;

use super::*;

const POLICY: RetryPolicy = RetryPolicy { first: Duration::from_secs(1), max: Duration::from_mins(15) };

fn start() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

fn after(seconds: f64) -> Timestamp {
    start() + TimeDelta::from_std(Duration::from_secs_f64(seconds)).unwrap()
}

fn next(attempt: u32, retry_after: Option<u32>, life: f64, fraction: f64) -> Next {
    next_attempt(start(), attempt, POLICY, retry_after.map(|seconds| Duration::from_secs(seconds.into())), after(life), fraction)
}

#[test]
fn waits_double_up_to_the_longest() {
    for (attempt, shortest, longest) in
        [(0, 0.5, 1.0), (1, 0.5, 1.0), (2, 0.5, 2.0), (3, 0.5, 4.0), (10, 0.5, 512.0), (11, 0.5, 900.0), (40, 0.5, 900.0)]
    {
        assert_eq!(next(attempt, None, 86_400.0, 0.0), Next::At(after(shortest)), "attempt {attempt}");
        assert_eq!(next(attempt, None, 86_400.0, 1.0), Next::At(after(longest)), "attempt {attempt}");
    }
    assert_eq!(next(2, None, 86_400.0, 0.5), Next::At(after(1.25)));
}

#[test]
fn a_retry_after_is_kept_and_spread() {
    assert_eq!(next(1, Some(60), 86_400.0, 0.0), Next::At(after(60.0)));
    assert_eq!(next(1, Some(60), 86_400.0, 0.5), Next::At(after(66.0)));
    // also beyond the policy's longest wait
    assert_eq!(next(1, Some(3600), 86_400.0, 0.0), Next::At(after(3600.0)));
    // a short one does not cut the backoff
    assert_eq!(next(11, Some(60), 86_400.0, 1.0), Next::At(after(900.0)));
}

#[test]
fn nothing_is_tried_at_or_after_the_expiry() {
    assert_eq!(next(1, Some(60), 60.0, 0.0), Next::GiveUp);
    assert_eq!(next(1, None, 0.0, 0.0), Next::GiveUp);
    // a long backoff is drawn within what is left
    assert!(matches!(next(11, None, 100.0, 0.9), Next::At(at) if at > after(50.0) && at < after(100.0)));
    assert_eq!(next(1, None, 0.5, 0.0), Next::GiveUp);
    assert_eq!(next(1, None, 0.500_001, 0.0), Next::At(after(0.5)));
    assert_eq!(next_attempt(start(), 1, POLICY, None, start() - TimeDelta::seconds(1), 0.0), Next::GiveUp);
    // the spread alone never makes one give up
    assert_eq!(next(1, Some(60), 61.0, 0.9), Next::At(after(60.999_999)));
}

#[test]
fn extremes_do_not_panic() {
    let endless = RetryPolicy { first: Duration::MAX, max: Duration::MAX };
    let nothing = RetryPolicy { first: Duration::ZERO, max: Duration::ZERO };
    for policy in [endless, nothing, POLICY] {
        for attempt in [0, 1, 32, 33, u32::MAX] {
            for retry_after in [None, Some(Duration::ZERO), Some(Duration::MAX)] {
                for fraction in [0.0, 1.0, -1.0, 7.0, f64::NAN, f64::INFINITY] {
                    let next = next_attempt(start(), attempt, policy, retry_after, Timestamp::MAX_UTC, fraction);
                    assert!(retry_after != Some(Duration::MAX) || next == Next::GiveUp);
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn a_wait_is_bounded_and_grows(
        attempt in 1..60_u32,
        first in 1..10_000_u64,
        max in 1..2_000_000_u64,
        asked in prop::option::of(0..5_000_u64),
        (less, more) in (0.0..1.0, 0.0..1.0).prop_map(|(a, b): (f64, f64)| (a.min(b), a.max(b))),
    ) {
        let policy = RetryPolicy { first: Duration::from_millis(first), max: Duration::from_millis(max) };
        let asked = asked.map(Duration::from_secs);
        let wait = |attempt, fraction| match next_attempt(start(), attempt, policy, asked, after(1e9), fraction) {
            Next::At(at) => (at - start()).to_std().unwrap(),
            Next::GiveUp => panic!("there is time"),
        };
        let drawn = wait(attempt, less);
        prop_assert!(drawn >= asked.unwrap_or_default());
        prop_assert!(drawn >= (policy.first / 2).min(policy.max));
        prop_assert!(drawn <= policy.max.max(asked.unwrap_or_default().mul_f64(1.2)));
        prop_assert!(drawn <= wait(attempt + 1, less) && drawn <= wait(attempt, more));
    }

    #[test]
    fn no_attempt_is_planned_beyond_the_life(attempt in 1..60_u32, life in 0.0..2000.0, asked in prop::option::of(0..2_000_u32), fraction in 0.0..1.0) {
        match next(attempt, asked, life, fraction) {
            Next::At(at) => prop_assert!(at < after(life) && at > start()),
            Next::GiveUp => prop_assert!(life <= 0.5_f64.max(f64::from(asked.unwrap_or_default())) + 1e-5),
        }
    }
}
