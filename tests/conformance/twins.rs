//! Two stores that are asked the same give the same answers: random steps against both, and everything that can be read after them.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use herald::domain::delivery::Cohort;
use herald::store::PageRequest;
use herald::store::analytics::{AnalyticsQuestion, Groups, Resolution};
use herald::store::device::DeviceFilter;
use herald::store::notification::{DeliveryFilter, NotificationFilter};
use proptest::collection::vec;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

use crate::numbers::Numbers;
use crate::twin_steps::{Step, step};
use crate::world::World;

/// How often everything is read, in steps.
const LOOK_EVERY: usize = 7;

/// One of the two.
pub struct Twin {
    pub world: World,
    pub numbers: Numbers,
    pub campaigns: Vec<herald::domain::id::CampaignId>,
    pub notifications: Vec<herald::domain::id::NotificationId>,
    pub published: Vec<herald::domain::work::WorkKey>,
    pub held: Vec<herald::domain::work::TakenWork>,
    /// With which others each notification's deliveries are counted.
    pub cohorts: BTreeMap<herald::domain::id::NotificationId, Arc<Cohort>>,
}

impl Twin {
    fn new(world: World) -> Self {
        Self {
            world,
            numbers: Numbers::default(),
            campaigns: Vec::new(),
            notifications: Vec::new(),
            published: Vec::new(),
            held: Vec::new(),
            cohorts: BTreeMap::new(),
        }
    }

    /// An answer as text, with the stores' own numbers in the order in which they were first told.
    pub fn told(&mut self, answer: &impl Debug) -> String {
        self.numbers.in_order(&format!("{answer:?}"))
    }

    /// Everything that callers and operators can read.
    async fn look(&mut self) -> Vec<String> {
        let mut seen = Vec::new();
        let (app, shared) = (self.world.app, self.world.shared());
        let page = |after| PageRequest { limit: 3, after };
        seen.push(self.told(&shared.backlog().await.unwrap()));
        seen.push(self.told(&shared.run_changes(herald::domain::Timestamp::UNIX_EPOCH).await.unwrap()));
        for id in self.notifications.clone() {
            seen.push(self.told(&shared.notification(app, id).await.unwrap()));
            let mut after = None;
            loop {
                let listed = shared.deliveries(app, id, &DeliveryFilter::default(), &page(after)).await.unwrap().unwrap();
                seen.push(self.told(&listed.items));
                after = listed.next;
                if after.is_none() {
                    break;
                }
            }
        }
        for user in 0..4 {
            let all = PageRequest { limit: 500, after: None };
            seen.push(self.told(&shared.user_deliveries(app, &format!("u{user}"), &all).await.unwrap().items));
        }
        for device in 0..5 {
            seen.push(self.told(&shared.tokens(app, &format!("d{device}")).await.unwrap()));
        }
        seen.extend(self.look_at_campaigns().await);
        for resolution in Resolution::ALL {
            seen.extend(self.analytics(*resolution).await);
        }
        let all = PageRequest { limit: 500, after: None };
        seen.push(self.told(&shared.devices(app, &DeviceFilter::default(), &all).await.unwrap().items));
        seen.push(self.told(&shared.dead_letters(app, &all).await.unwrap().items));
        seen.push(self.told(&shared.notifications(app, &NotificationFilter::default(), &all).await.unwrap().items));
        seen
    }
}

impl Twin {
    /// Counts by everything and by nothing, in small pages.
    async fn analytics(&mut self, resolution: Resolution) -> Vec<String> {
        let (app, shared, mut seen) = (self.world.app, self.world.shared(), Vec::new());
        let (from, to) = (herald::domain::Timestamp::UNIX_EPOCH, self.world.later(Duration::from_secs(1)));
        for on in [true, false] {
            let groups = Groups { category: on, platform: on, provider: on, campaign: on, variant: on };
            let mut page = PageRequest { limit: 3, after: None };
            loop {
                let rows = shared.analytics(app, &AnalyticsQuestion { resolution, from, to, groups }, &page).await.unwrap();
                seen.push(self.told(&rows.items));
                page.after = rows.next;
                if page.after.is_none() {
                    break;
                }
            }
        }
        seen
    }
}

async fn play(one: World, other: World, steps: &[Step]) -> Result<(), TestCaseError> {
    let mut twins = [Twin::new(one), Twin::new(other)];
    for (n, step) in steps.iter().enumerate() {
        let mut answers = Vec::new();
        for twin in &mut twins {
            answers.push(step.take(twin).await);
        }
        proptest::prop_assert_eq!(&answers[0], &answers[1], "after step {}: {:?}", n, step);
        if n % LOOK_EVERY == 0 || n + 1 == steps.len() {
            let (one, other) = (twins[0].look().await, twins[1].look().await);
            for (one, other) in one.iter().zip(&other) {
                proptest::prop_assert_eq!(one, other, "after step {}: {:?}", n, step);
            }
            proptest::prop_assert_eq!(one.len(), other.len());
        }
    }
    for twin in &mut twins {
        twin.world.pass(Duration::from_secs(1));
        twin.world.close().await;
    }
    Ok(())
}

/// Whatever is asked of both, they answer the same.
pub fn answer_the_same(one: impl AsyncFn() -> World, other: impl AsyncFn() -> World) {
    let config = Config { cases: 48, failure_persistence: None, max_shrink_iters: 200, ..Config::default() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let held = TestRunner::new(config)
        .run(&vec(step(), 10..80), |steps| runtime.block_on(async { play(one().await, other().await, &steps).await }));
    if let Err(error) = held {
        panic!("{error}");
    }
}
