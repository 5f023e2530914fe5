//! Where a list of analytics goes on, and what its rows are read into.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::super::analytics::{AnalyticsRow, Totals};
use super::counted::KINDS;
use super::cursor::to_text;
use super::words;
use crate::domain::Timestamp;
use crate::domain::id::CampaignId;

/// A bucket and group as the stores order them: empty or nil where there is none, or where it was not asked for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(in crate::store) struct Place {
    pub(in crate::store) bucket: Timestamp,
    pub(in crate::store) category: String,
    pub(in crate::store) platform: String,
    pub(in crate::store) provider: String,
    pub(in crate::store) campaign: Uuid,
    pub(in crate::store) variant: String,
}

impl Place {
    /// As a cursor.
    pub(in crate::store) fn to_cursor(&self) -> super::super::Result<String> {
        to_text(self)
    }

    /// What callers see; `None` where a word is not one of ours.
    pub(in crate::store) fn row(self, counts: [u64; KINDS]) -> Option<AnalyticsRow> {
        let [sent, suppressed, failed, expired, cancelled, delivered, opened, dismissed] = counts;
        let some = |text: String| (!text.is_empty()).then_some(text);
        Some(AnalyticsRow {
            bucket: self.bucket,
            category: some(self.category),
            platform: some(self.platform).map(|text| words::platform(&text).ok_or(())).transpose().ok()?,
            provider: some(self.provider).map(|text| words::provider(&text).ok_or(())).transpose().ok()?,
            campaign: (!self.campaign.is_nil()).then_some(CampaignId(self.campaign)),
            variant: some(self.variant),
            totals: Totals { sent, suppressed, failed, expired, cancelled, delivered, opened, dismissed },
        })
    }
}
