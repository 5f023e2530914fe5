//! What a campaign's runs are made of, as the store keeps it.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::dispatch::draft::{Draft, OfCampaign, To};
use crate::domain::Timestamp;
use crate::domain::campaign::Schedule;
use crate::domain::notification::{InQuietHours, Lifetime, When};

/// A draft, and when it is sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// What is sent, to whom, how fast. It says nothing of when.
    pub draft: Draft,
    /// When.
    pub schedule: Schedule,
}

impl Plan {
    /// As the store keeps it.
    pub fn write(&self) -> Result<Bytes, serde_json::Error> {
        serde_json::to_vec(self).map(Bytes::from)
    }

    /// From what [`Plan::write`] made.
    pub fn read(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(bytes)
    }

    /// What a run that begins now sends.
    pub fn due(self) -> Draft {
        let when = match self.schedule {
            Schedule::Local { time, if_past } => Some(When::Local { time, if_past }),
            Schedule::AtOnce | Schedule::At(_) | Schedule::Recurring(_) => None,
        };
        Draft { when, ..self.draft }
    }

    /// What its first run would send, were it started at `now`.
    pub fn foreseen(self, now: Timestamp) -> Draft {
        let first = self.schedule.first(now);
        let draft = self.due();
        Draft { when: draft.when.or_else(|| first.filter(|first| *first > now).map(When::At)), ..draft }
    }

    /// A test of it at once to a few, past quiet hours; in one variant alone, where its name is given.
    pub fn test(self, to: To, variant: Option<&str>) -> Draft {
        let only = |campaign: OfCampaign| OfCampaign {
            variants: campaign.variants.into_iter().filter(|one| variant.is_none_or(|name| one.name == name)).collect(),
            max_targets: None,
            ..campaign
        };
        Draft {
            to,
            only: None,
            when: None,
            // an instant may have passed, or lie beyond what is allowed from now on
            lifetime: self.draft.lifetime.filter(|lifetime| matches!(lifetime, Lifetime::Seconds(_))),
            in_quiet_hours: InQuietHours::Ignore,
            pace: None,
            test: true,
            campaign: self.draft.campaign.map(only),
            ..self.draft
        }
    }
}
