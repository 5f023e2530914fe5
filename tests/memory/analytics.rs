//! What became of pushes by time and kind: every count of every resolution, raised one by one.

use std::collections::BTreeMap;

use async_trait::async_trait;
use herald::domain::Timestamp;
use herald::domain::device::{Platform, ProviderKind};
use herald::domain::id::AppId;
use herald::store::analytics::{Analytics, AnalyticsQuestion, AnalyticsRow, Resolution, Retention, Totals};
use herald::store::{Page, PageRequest, Result};
use serde::{Deserialize, Serialize};

use super::MemoryStore;
use super::page::page;
use super::state::{DeliveryKey, DeliveryRow, State};

/// What is counted together, with empty words where there is none.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Group {
    pub category: String,
    pub platform: String,
    pub provider: String,
    pub campaign: String,
    pub variant: String,
}

/// App, resolution, beginning of the bucket, group.
pub type RollupKey = (AppId, Resolution, Timestamp, Group);

impl Group {
    pub fn of(row: &DeliveryRow) -> Self {
        let delivery = &row.delivery;
        Self {
            category: delivery.cohort.category.clone().unwrap_or_default(),
            platform: delivery.platform.map_or("", Platform::as_str).to_owned(),
            provider: delivery.provider.map_or("", ProviderKind::as_str).to_owned(),
            campaign: delivery.cohort.campaign.map(|campaign| campaign.to_string()).unwrap_or_default(),
            variant: delivery.variant.as_deref().unwrap_or_default().to_owned(),
        }
    }
}

/// The place of a state's or a receipt's count.
pub fn count_of<'t>(totals: &'t mut Totals, word: &str) -> &'t mut u64 {
    match word {
        "sent" => &mut totals.sent,
        "suppressed" => &mut totals.suppressed,
        "failed" => &mut totals.failed,
        "expired" => &mut totals.expired,
        "cancelled" => &mut totals.cancelled,
        "delivered" => &mut totals.delivered,
        "opened" => &mut totals.opened,
        "dismissed" => &mut totals.dismissed,
        other => panic!("nothing is counted as {other}"),
    }
}

impl State {
    /// Counts a delivery's end, or a receipt of it, in the buckets of its end.
    pub fn roll_up(&mut self, key: DeliveryKey, word: &str) {
        let Some(row) = self.deliveries.get(&key).filter(|row| !row.delivery.cohort.test) else { return };
        let (app, at, group) = (row.delivery.cohort.app, row.delivery.at, Group::of(row));
        for resolution in Resolution::ALL {
            let totals = self.rollups.entry((app, *resolution, resolution.begin(at), group.clone())).or_default();
            *count_of(totals, word) += 1;
        }
    }

    fn analytics(&self, app: AppId, question: &AnalyticsQuestion) -> Vec<((Timestamp, Group), AnalyticsRow)> {
        let mut rows: BTreeMap<(Timestamp, Group), Totals> = BTreeMap::new();
        for ((of, resolution, bucket, group), totals) in &self.rollups {
            if *of == app && *resolution == question.resolution && (question.from..question.to).contains(bucket) {
                let sum = rows.entry((*bucket, asked(question, group))).or_default();
                for word in ["sent", "suppressed", "failed", "expired", "cancelled", "delivered", "opened", "dismissed"] {
                    *count_of(sum, word) += *count_of(&mut totals.clone(), word);
                }
            }
        }
        rows.into_iter().map(|((bucket, group), totals)| ((bucket, group.clone()), view(bucket, group, totals))).collect()
    }

    fn prune_analytics(&mut self, retention: &Retention, now: Timestamp) {
        self.rollups.retain(|(_, resolution, bucket, _), _| *bucket >= retention.oldest(*resolution, now));
    }
}

fn asked(question: &AnalyticsQuestion, group: &Group) -> Group {
    let groups = question.groups;
    let kept = |wanted: bool, text: &String| if wanted { text.clone() } else { String::new() };
    Group {
        category: kept(groups.category, &group.category),
        platform: kept(groups.platform, &group.platform),
        provider: kept(groups.provider, &group.provider),
        campaign: kept(groups.campaign, &group.campaign),
        variant: kept(groups.variant, &group.variant),
    }
}

fn view(bucket: Timestamp, group: Group, totals: Totals) -> AnalyticsRow {
    let some = |text: String| (!text.is_empty()).then_some(text);
    let platforms = [Platform::Ios, Platform::Android, Platform::Web];
    AnalyticsRow {
        bucket,
        category: some(group.category),
        platform: platforms.into_iter().find(|platform| platform.as_str() == group.platform),
        provider: ProviderKind::ALL.into_iter().find(|provider| provider.as_str() == group.provider),
        campaign: some(group.campaign).map(|id| id.parse().unwrap()),
        variant: some(group.variant),
        totals,
    }
}

#[async_trait]
impl Analytics for MemoryStore {
    async fn analytics(&self, app: AppId, question: &AnalyticsQuestion, request: &PageRequest) -> Result<Page<AnalyticsRow>> {
        self.read(|state, _| page(state.analytics(app, question), request))
    }

    async fn prune_analytics(&self, retention: &Retention) -> Result<()> {
        self.commit(|state, now| state.prune_analytics(retention, now));
        Ok(())
    }
}
