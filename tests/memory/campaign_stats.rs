//! What became of campaigns.

use herald::domain::Timestamp;
use herald::domain::id::{AppId, CampaignId, RunId};
use herald::store::campaign::CampaignStats;
use herald::store::engine::NewNotification;
use herald::store::notification::Counts;

use super::receipts::WORDS;
use super::state::State;

impl State {
    /// Counted from the deliveries, all of them.
    pub fn campaign_stats(&self, app: AppId, id: CampaignId, run: Option<RunId>, now: Timestamp) -> Option<CampaignStats> {
        self.campaign(app, id)?;
        if run.is_some_and(|run| !self.campaign_runs.contains_key(&(id, run))) {
            return None;
        }
        let runs = self.runs_of(id).filter(|known| run.is_none_or(|run| run == known.id));
        let sent: Vec<&NewNotification> = runs.filter_map(|run| self.notification_of(app, run.notification?)).collect();
        let mut stats = CampaignStats::default();
        for new in sent {
            stats.counts = stats.counts + self.view(new, now).counts;
            for (_, row) in self.deliveries_of(new.day(), new.id) {
                let delivery = &row.delivery;
                let part = (delivery.platform, delivery.variant.as_deref().map(str::to_owned));
                let counts = stats.parts.entry(part).or_default();
                *count_of(counts, delivery.ending.state().as_str()) += 1;
                for (word, _) in WORDS.iter().zip(row.receipts).filter(|(_, stamp)| stamp.is_some()) {
                    *count_of(counts, word) += 1;
                }
                if let Some(latency) = delivery.latency {
                    *stats.latency.entry(latency).or_default() += 1;
                }
            }
        }
        Some(stats)
    }
}

fn count_of<'c>(counts: &'c mut Counts, word: &str) -> &'c mut u64 {
    match word {
        "sent" => &mut counts.sent,
        "suppressed" => &mut counts.suppressed,
        "failed" => &mut counts.failed,
        "expired" => &mut counts.expired,
        "cancelled" => &mut counts.cancelled,
        "delivered" => &mut counts.delivered,
        "opened" => &mut counts.opened,
        "dismissed" => &mut counts.dismissed,
        other => panic!("nothing is counted as {other}"),
    }
}
