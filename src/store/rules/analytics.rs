//! Where a list of analytics goes on, and what its rows are read into.

use chrono::Datelike;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::super::analytics::{AnalyticsRow, Totals};
use super::super::{Error, Result};
use super::counted::KINDS;
use super::cursor::{from_text, to_text};
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
    pub(in crate::store) fn to_cursor(&self) -> Result<String> {
        to_text(self)
    }

    /// The place that a cursor stands for. What no store ever wrote is refused before a server sees it.
    pub(in crate::store) fn of_cursor(cursor: &str) -> Result<Self> {
        let place: Self = from_text(cursor)?;
        let has_nul = [&place.category, &place.platform, &place.provider, &place.variant].into_iter().any(|word| word.contains('\0'));
        if has_nul || !(1970..10_000).contains(&place.bucket.year()) { Err(Error::ForeignCursor) } else { Ok(place) }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_was_written_and_others_are_refused() {
        let place = Place {
            bucket: "2026-11-22T10:00:00Z".parse().unwrap(),
            category: "news".to_owned(),
            platform: String::new(),
            provider: "fcm".to_owned(),
            campaign: Uuid::from_u128(7),
            variant: "b".to_owned(),
        };
        assert_eq!(Place::of_cursor(&place.to_cursor().unwrap()).unwrap(), place);
        let nul = Place { variant: "\0".to_owned(), ..place.clone() };
        let far = Place { bucket: Timestamp::MAX_UTC, ..place };
        for made_up in [nul.to_cursor().unwrap(), far.to_cursor().unwrap(), "made up".to_owned()] {
            assert!(matches!(Place::of_cursor(&made_up), Err(Error::ForeignCursor)));
        }
    }
}
