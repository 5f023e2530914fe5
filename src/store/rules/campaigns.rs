//! Which changes of a campaign are refused, and what it says of the others.

use super::super::campaign::{MAX_TARGETS, StoredCampaign, Turned};
use crate::domain::campaign::CampaignStatus;

/// A change that somebody asks for.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) enum Change {
    Put { if_match: Option<i64> },
    Delete,
    Start { version: i64 },
    Pause,
    Resume,
    Cancel,
}

impl Change {
    /// The campaign, if it can be changed so; else what the change comes to.
    pub(in crate::store) fn judge(self, campaign: Option<StoredCampaign>) -> Result<StoredCampaign, Turned> {
        let campaign = campaign.ok_or(Turned::Unknown)?;
        if matches!(self, Self::Put { if_match: Some(version) } if version != campaign.version) {
            return Err(Turned::Stale);
        }
        if !self.is_allowed(&campaign) {
            return Err(Turned::Refused(Box::new(campaign)));
        }
        if matches!(self, Self::Start { version } if version != campaign.version) {
            return Err(Turned::Stale);
        }
        Ok(campaign)
    }

    fn is_allowed(self, campaign: &StoredCampaign) -> bool {
        let status = campaign.status;
        match self {
            Self::Put { .. } => status.can_be_edited(),
            Self::Delete | Self::Start { .. } => status == CampaignStatus::Draft,
            Self::Pause => status.can_be_paused(),
            Self::Resume => status == CampaignStatus::Paused && campaign.reason.as_deref() != Some(MAX_TARGETS),
            Self::Cancel => status.can_be_cancelled(),
        }
    }
}

/// Where a campaign that is let go on is: back where it was, which its runs tell.
pub(in crate::store) fn resumed(has_run: bool) -> CampaignStatus {
    if has_run { CampaignStatus::Running } else { CampaignStatus::Scheduled }
}
