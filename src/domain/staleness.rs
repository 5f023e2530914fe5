//! Devices that nobody has seen for long: from when on an audience leaves them out, and from when on they are not sent to at all.
//!
//! Neither is on unless the operator says so: a device is seen when it registers or calls, and an app that registers once and never again
//! would lose everybody. Google asks for a registration each month and calls a month without one stale; on Android it expires a token after
//! 270 days ("Best practices for FCM registration token management"). Apple's tokens and subscriptions of browsers do not age.

use chrono::TimeDelta;

use super::Timestamp;

/// An app's limits, in days without a sign of the device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Staleness {
    /// From then on audiences that are not named leave it out; `None`: never.
    pub leave_out_after: Option<u32>,
    /// From then on it is inactive, until it registers again; `None`: never.
    pub deactivate_after: Option<u32>,
}

impl Staleness {
    /// Whether an audience that is not named leaves out a device that was last seen then.
    pub fn leaves_out(&self, last_seen_at: Timestamp, now: Timestamp) -> bool {
        before(self.leave_out_after, now).is_some_and(|limit| last_seen_at <= limit)
    }

    /// Devices that were last seen at this instant or earlier become inactive; `None`: none do.
    pub fn deactivates_seen_until(&self, now: Timestamp) -> Option<Timestamp> {
        before(self.deactivate_after, now)
    }
}

fn before(days: Option<u32>, now: Timestamp) -> Option<Timestamp> {
    now.checked_sub_signed(TimeDelta::days(days?.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_stale_once_its_days_are_over() {
        let now = Timestamp::from_timestamp(1_800_000_000, 0).unwrap();
        let seen = |days: i64, seconds: i64| now - TimeDelta::days(days) + TimeDelta::seconds(seconds);
        let staleness = Staleness { leave_out_after: Some(30), deactivate_after: Some(270) };
        for (last_seen_at, left_out) in [(now, false), (seen(30, 1), false), (seen(30, 0), true), (seen(400, 0), true)] {
            assert_eq!(staleness.leaves_out(last_seen_at, now), left_out, "{last_seen_at}");
        }
        assert_eq!(staleness.deactivates_seen_until(now), Some(seen(270, 0)));
    }

    #[test]
    fn without_limits_no_device_ever_is() {
        let now = Timestamp::from_timestamp(1_800_000_000, 0).unwrap();
        assert!(!Staleness::default().leaves_out(Timestamp::MIN_UTC, now));
        assert_eq!(Staleness::default().deactivates_seen_until(now), None);
    }
}
