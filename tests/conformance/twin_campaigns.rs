//! Campaigns that both stores are led through.

use std::sync::Arc;
use std::time::Duration;

use herald::domain::delivery::Cohort;
use herald::domain::id::CampaignId;
use herald::store::PageRequest;
use herald::store::engine::{NewNotification, Terms};
use proptest::prelude::*;

use crate::campaigns::definition;
use crate::kit::users;
use crate::twin_steps::pick;
use crate::twins::Twin;

/// What is done to a campaign.
#[derive(Clone, Debug)]
pub enum Act {
    Create,
    Edit { ahead: u16, version: Option<u8> },
    Delete,
    Start { version: u8, ahead: u16 },
    Pause,
    Resume,
    Cancel,
    Fire { bound: Option<u8>, skipped: bool, next: Option<u16> },
    Stop,
}

pub fn act() -> impl Strategy<Value = Act> {
    let ahead = || prop_oneof![3 => Just(0), 1 => 1..100_u16];
    let optional = proptest::option::of::<std::ops::Range<u8>>;
    prop_oneof![
        2 => Just(Act::Create),
        1 => (ahead(), optional(1..3)).prop_map(|(ahead, version)| Act::Edit { ahead, version }),
        1 => Just(Act::Delete),
        4 => (1..3_u8, ahead()).prop_map(|(version, ahead)| Act::Start { version, ahead }),
        1 => Just(Act::Pause),
        2 => Just(Act::Resume),
        1 => Just(Act::Cancel),
        8 => (optional(0..4), any::<bool>(), proptest::option::of(ahead()))
            .prop_map(|(bound, skipped, next)| Act::Fire { bound, skipped, next }),
        1 => Just(Act::Stop),
    ]
}

impl Act {
    /// Does it to one of the campaigns; what the store answered.
    pub async fn take(&self, twin: &mut Twin, which: usize) -> String {
        let (app, store) = (twin.world.app, twin.world.shared());
        let later = |seconds: u16| twin.world.later(Duration::from_secs(seconds.into()));
        if matches!(self, Self::Create) {
            let made = twin.world.draft(&format!("campaign {}", twin.campaigns.len())).await;
            twin.campaigns.push(made.id);
            return twin.told(&made);
        }
        let Some(id) = pick(&twin.campaigns, which) else { return String::new() };
        let version = store.campaign(app, id).await.unwrap().map_or(0, |campaign| campaign.version);
        let turned = match self {
            Self::Create => return String::new(),
            Self::Edit { ahead, version } => {
                store.put_campaign(app, id, &definition("edited"), Some(later(*ahead)), version.map(i64::from)).await
            }
            Self::Delete => store.delete_campaign(app, id).await,
            Self::Start { version, ahead } => store.start_campaign(app, id, (*version).into(), later(*ahead)).await,
            Self::Pause => store.pause_campaign(app, id).await,
            Self::Resume => store.resume_campaign(app, id).await,
            Self::Cancel => store.cancel_campaign(app, id).await,
            Self::Stop => return twin.told(&store.stop_campaign(app, id, version, "stopped").await.unwrap()),
            Self::Fire { .. } => return self.fire(twin, id).await,
        };
        twin.told(&turned.unwrap())
    }

    /// Begins a run that expands, or of named users, or none, whether it is due or not.
    async fn fire(&self, twin: &mut Twin, id: CampaignId) -> String {
        let Self::Fire { bound, skipped, next } = self else { return String::new() };
        let (world, store) = (&twin.world, twin.world.shared());
        let version = store.campaign(world.app, id).await.unwrap().map_or(0, |campaign| campaign.version);
        let terms = Terms { max_targets: bound.map(u64::from), ..Terms::default() };
        let new = if *bound == Some(3) { world.named_fan_out(vec![users(&["u0", "u1"])]) } else { world.fan_out() };
        let run = world.run_of(id, Some(NewNotification { terms, ..new }).filter(|_| !skipped));
        let notification = run.run.notification;
        let next = next.map(|seconds| world.later(Duration::from_secs(seconds.into())));
        let fired = store.fire_campaign(world.app, id, version, vec![run], next).await.unwrap();
        if let Some(notification) = notification.filter(|_| fired) {
            let cohort = Cohort { app: world.app, category: None, campaign: Some(id), test: false };
            twin.cohorts.insert(notification, Arc::new(cohort));
            twin.notifications.push(notification);
        }
        twin.told(&fired)
    }
}

impl Twin {
    /// Everything that can be read of campaigns.
    pub async fn look_at_campaigns(&mut self) -> Vec<String> {
        let (app, shared, mut seen) = (self.world.app, self.world.shared(), Vec::new());
        let all = PageRequest { limit: 500, after: None };
        seen.push(self.told(&shared.campaigns(app, None, &all).await.unwrap().items));
        seen.push(self.told(&shared.due_campaigns(&[self.world.app], 2).await.unwrap()));
        for id in self.campaigns.clone() {
            let runs = shared.campaign_runs(app, id, &all).await.unwrap().map(|page| page.items);
            seen.push(self.told(&(&runs, shared.campaign_stats(app, id, None).await.unwrap())));
            for run in runs.unwrap_or_default() {
                seen.push(self.told(&shared.campaign_stats(app, id, Some(run.id)).await.unwrap()));
            }
        }
        seen
    }
}
