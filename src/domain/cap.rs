//! A frequency cap: how many notifications of a category a person may get in a span of time.

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use super::decision::Push;
use super::notification::Priority;

/// The greatest count of a cap.
pub const MAX_COUNT: u32 = 100;
/// The longest window of a cap: 31 days, in seconds.
pub const MAX_PER_SECONDS: u32 = 2_678_400;

/// At most so many notifications in any window of so many seconds, for each user; for each device where nobody is signed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FrequencyCap {
    /// How many, 1 to [`MAX_COUNT`].
    pub count: u32,
    /// The length of the window in seconds, 1 to [`MAX_PER_SECONDS`].
    pub per_seconds: u32,
}

impl FrequencyCap {
    /// The length of the window.
    pub fn window(self) -> TimeDelta {
        TimeDelta::seconds(i64::from(self.per_seconds))
    }

    /// The cap of a push: its category's, unless it is critical or shows nothing.
    pub fn of(push: &Push<'_>) -> Option<Self> {
        let counts = push.priority != Priority::Critical && !push.silent;
        push.declared.filter(|_| counts)?.frequency_cap
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Timestamp;
    use crate::domain::category::Category;
    use crate::domain::notification::{InQuietHours, Lifetime, When};

    #[test]
    fn what_is_critical_or_shows_nothing_has_no_cap() {
        let cap = FrequencyCap { count: 2, per_seconds: 60 };
        let capped = Category { frequency_cap: Some(cap), ..Category::default() };
        let free = Category::default();
        for (declared, priority, silent, expected) in [
            (Some(&capped), Priority::Normal, false, Some(cap)),
            (Some(&capped), Priority::High, false, Some(cap)),
            (Some(&capped), Priority::Critical, false, None),
            (Some(&capped), Priority::High, true, None),
            (Some(&free), Priority::High, false, None),
            (None, Priority::High, false, None),
        ] {
            let start_at = Timestamp::default();
            let (when, lifetime, in_quiet_hours) = (When::At(start_at), Lifetime::Seconds(60), InQuietHours::Defer);
            let push = Push { category: Some("news"), declared, priority, silent, in_quiet_hours, when, lifetime, start_at };
            assert_eq!(FrequencyCap::of(&push), expected, "{push:?}");
        }
    }
}
