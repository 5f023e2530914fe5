//! A campaign: a named notification with a segment, a schedule, a pace and variants.

use serde::{Deserialize, Serialize};

use super::Timestamp;
use super::local_time::earliest_on_earth;
use super::notification::IfPast;
use super::reason::words;
use super::recurrence::Recurrence;

words! {
    /// Where a campaign is.
    CampaignStatus {
        /// Nothing of it is sent before it is started.
        Draft = "draft",
        /// It was started, and its time has not come.
        Scheduled = "scheduled",
        /// It has begun; a recurring one runs until its last occurrence is over.
        Running = "running",
        /// Someone holds it.
        Paused = "paused",
        /// Nothing of it waits any more.
        Done = "done",
        /// It was cancelled.
        Cancelled = "cancelled",
    }
}

impl CampaignStatus {
    /// What it says can be replaced.
    pub fn can_be_edited(self) -> bool {
        matches!(self, Self::Draft | Self::Scheduled)
    }

    /// It can be held.
    pub fn can_be_paused(self) -> bool {
        matches!(self, Self::Scheduled | Self::Running)
    }

    /// It can be given up. A draft is deleted instead.
    pub fn can_be_cancelled(self) -> bool {
        matches!(self, Self::Scheduled | Self::Running | Self::Paused)
    }
}

/// When a campaign runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    /// When it is started.
    #[default]
    AtOnce,
    /// At an instant.
    At(Timestamp),
    /// When each device's own wall clock shows a time.
    Local {
        /// The wall clock.
        time: chrono::NaiveDateTime,
        /// What if it has passed.
        if_past: IfPast,
    },
    /// Again and again.
    Recurring(Recurrence),
}

impl Schedule {
    /// The instant of its first run, where it is started at `now`; `None`: it has none any more. What has passed is now.
    pub fn first(&self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::AtOnce => Some(now),
            Self::At(at) => Some((*at).max(now)),
            // its audience is taken when the first clock on Earth shows the time
            Self::Local { time, .. } => Some(earliest_on_earth(*time).max(now)),
            Self::Recurring(recurrence) => recurrence.after(now),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::CampaignStatus::{Cancelled, Done, Draft, Paused, Running, Scheduled};
    use super::*;

    #[test]
    fn what_can_be_done_in_each_status() {
        for (status, edited, paused, cancelled) in [
            (Draft, true, false, false),
            (Scheduled, true, true, true),
            (Running, false, true, true),
            (Paused, false, false, true),
            (Done, false, false, false),
            (Cancelled, false, false, false),
        ] {
            assert_eq!(
                (status.can_be_edited(), status.can_be_paused(), status.can_be_cancelled()),
                (edited, paused, cancelled),
                "{status:?}"
            );
        }
    }

    #[test]
    fn the_first_run_is_never_in_the_past() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let now = at("2026-11-22T12:00:00Z");
        let local = |text: &str| Schedule::Local { time: text.parse().unwrap(), if_past: IfPast::Skip };
        let daily = Recurrence::new("0 9 * * *", chrono_tz::UTC, Some(at("2026-11-23T09:00:00Z")), now).unwrap();
        for (schedule, first) in [
            (Schedule::AtOnce, Some("2026-11-22T12:00:00Z")),
            (Schedule::At(at("2026-11-23T00:00:00Z")), Some("2026-11-23T00:00:00Z")),
            (Schedule::At(at("2026-11-21T00:00:00Z")), Some("2026-11-22T12:00:00Z")),
            (local("2026-11-24T09:00:00"), Some("2026-11-23T19:00:00Z")),
            (local("2026-11-22T20:00:00"), Some("2026-11-22T12:00:00Z")),
            (Schedule::Recurring(daily.clone()), Some("2026-11-23T09:00:00Z")),
        ] {
            assert_eq!(schedule.first(now), first.map(at), "{schedule:?}");
        }
        assert_eq!(Schedule::Recurring(daily).first(at("2026-11-23T09:00:00Z")), None);
    }
}
