//! What became of a campaign's targets, by platform and variant.

use std::collections::BTreeMap;

use super::super::notification::Counts;
use super::tally::count_of;
use crate::domain::device::Platform;

/// Counts by platform and variant.
#[derive(Default)]
pub(in crate::store) struct Parts(BTreeMap<(Option<Platform>, Option<String>), Counts>);

impl Parts {
    /// Adds targets that ended so, or receipts of a kind; an empty variant is none.
    pub(in crate::store) fn add(&mut self, platform: Option<Platform>, variant: &str, word: &str, n: u64) {
        let variant = Some(variant).filter(|variant| !variant.is_empty()).map(str::to_owned);
        if let Some(count) = count_of(self.0.entry((platform, variant)).or_default(), word) {
            *count += n;
        }
    }

    /// All of them.
    pub(in crate::store) fn finish(self) -> BTreeMap<(Option<Platform>, Option<String>), Counts> {
        self.0
    }
}
