//! What must hold after every step, whatever the steps: a small model of the work beside the store.

use std::collections::{BTreeMap, BTreeSet};

use herald::domain::Timestamp;
use herald::domain::delivery::State;
use herald::domain::id::NotificationId;
use herald::domain::work::{NewWork, TakenWork, WorkKey, WorkKind};
use herald::store::PageRequest;
use herald::store::engine::Recorded;
use herald::store::notification::{Counts, DeliveryFilter, NotificationStatus};

use crate::kit::LEASE;
use crate::world::World;

/// What the test knows of a notification.
#[derive(Default)]
pub struct Known {
    /// The users it was sent to by name; none for an audience.
    pub users: BTreeSet<String>,
    /// Devices taken from its audience.
    pub taken: Option<u64>,
    pub cancelled: bool,
}

/// What the test knows of a work row.
#[derive(Default)]
struct Row {
    expands: bool,
    epoch: i64,
    lease_until: Option<Timestamp>,
}

/// The test's own account.
#[derive(Default)]
pub struct Model {
    pub notifications: BTreeMap<NotificationId, Known>,
    rows: BTreeMap<WorkKey, Row>,
    /// What workers hold, or think they hold.
    pub held: Vec<TakenWork>,
    /// What was published.
    pub published: Vec<WorkKey>,
}

impl Model {
    pub fn added(&mut self, world: &World, notification: NotificationId, work: &[NewWork]) {
        for work in work {
            let key = WorkKey { app: world.app, notification, work: work.id };
            let row = Row { expands: work.kind == WorkKind::Expand, ..Row::default() };
            assert!(self.rows.insert(key, row).is_none());
        }
    }

    pub fn published(&mut self, keys: Vec<WorkKey>) {
        for key in &keys {
            assert!(self.rows.contains_key(key), "a row that is over was published");
        }
        self.published.extend(keys);
    }

    /// A claim: one live lease per row, epochs only grow.
    pub fn claimed(&mut self, world: &World, work: Vec<TakenWork>) {
        for work in work {
            let Some(row) = self.rows.get_mut(&work.key) else { panic!("a row that is over was claimed") };
            assert!(row.lease_until.is_none_or(|until| until <= world.now()), "a live lease was taken over");
            assert!(work.epoch > row.epoch, "an epoch did not grow");
            (row.epoch, row.lease_until) = (work.epoch, Some(world.now() + LEASE));
            self.held.push(work);
        }
    }

    pub fn renewed(&mut self, world: &World, asked: &[(WorkKey, i64)], renewed: &[WorkKey]) {
        for (key, epoch) in asked {
            let row = self.rows.get_mut(key).filter(|row| row.epoch == *epoch);
            assert_eq!(row.is_some(), renewed.contains(key), "a renewal needs the epoch, and nothing else");
            if let Some(row) = row {
                row.lease_until = Some(world.now() + LEASE);
            }
        }
    }

    pub fn handed_back(&mut self, held: &[(WorkKey, i64)]) {
        for (key, epoch) in held {
            if let Some(row) = self.rows.get_mut(key).filter(|row| row.epoch == *epoch) {
                (row.epoch, row.lease_until) = (row.epoch + 1, None);
            }
        }
    }

    /// A record of one work: plans only under the fence, what follows only in the place of what ended.
    pub fn recorded(&mut self, world: &World, work: &TakenWork, recorded: &Recorded, follow_ups: &[NewWork]) {
        let mine = self.rows.get(&work.key).is_some_and(|row| row.epoch == work.epoch);
        assert_eq!(recorded.ended.contains(&work.key), mine, "the fence held back the wrong one");
        if mine {
            self.rows.remove(&work.key);
            self.added(world, work.key.notification, follow_ups);
        }
    }

    pub fn page_committed(&mut self, world: &World, key: WorkKey, last: bool, chunks: &[NewWork]) {
        let taken: usize = chunks.iter().map(|chunk| chunk.targets.len()).sum();
        *self.notifications.get_mut(&key.notification).unwrap().taken.as_mut().unwrap() += taken as u64;
        self.added(world, key.notification, chunks);
        if last {
            self.rows.remove(&key);
        }
    }

    pub fn is_current(&self, key: WorkKey, epoch: i64) -> bool {
        self.rows.get(&key).is_some_and(|row| row.epoch == epoch)
    }

    /// Cancelling ends an audience's expansion.
    pub fn cancelled(&mut self, id: NotificationId) {
        let works = self.rows.keys().any(|key| key.notification == id);
        let known = self.notifications.get_mut(&id).unwrap();
        known.cancelled |= works;
        self.rows.retain(|key, row| key.notification != id || !row.expands);
    }

    pub fn restarted(&mut self) {
        self.published.clear();
        for row in self.rows.values_mut() {
            row.lease_until = None;
        }
    }

    /// Everything that is visible from outside agrees with itself and with the model.
    pub async fn check(&self, world: &World) {
        assert_eq!(world.store().backlog().await.unwrap(), self.rows.len() as u64, "rows without a reason, or gone without one");
        for (id, known) in &self.notifications {
            let view = world.view(*id).await;
            let (listed, users) = listed(world, *id).await;
            let Counts { waiting, sent, suppressed, failed, expired, cancelled, .. } = view.counts;
            let counted = [waiting, sent, suppressed, failed, expired, cancelled];
            assert_eq!(counted, State::ALL.map(|state| listed.get(&state).copied().unwrap_or_default()), "a count is not its recount");
            match known.taken {
                Some(taken) => assert_eq!(counted.iter().sum::<u64>(), taken, "a target was lost or doubled"),
                None => assert_eq!(users, known.users, "a user was lost or made up"),
            }
            let works = self.rows.keys().any(|key| key.notification == *id);
            let status = view.status;
            assert_eq!(status == NotificationStatus::Cancelled, known.cancelled);
            assert_eq!(status == NotificationStatus::Done, !works && !known.cancelled);
            assert!(works || waiting == 0);
        }
    }
}

/// A recount from the list of targets, page by page; each target is in it once.
async fn listed(world: &World, id: NotificationId) -> (BTreeMap<State, u64>, BTreeSet<String>) {
    let mut counts = BTreeMap::new();
    let mut users = BTreeSet::new();
    let mut seen = BTreeSet::new();
    let mut after = None;
    loop {
        let request = PageRequest { limit: 3, after };
        let page = world.store().deliveries(world.app, id, &DeliveryFilter::default(), &request).await.unwrap().unwrap();
        for view in page.items {
            if let Some(device) = &view.device {
                assert!(seen.insert(device.clone()), "{device} is listed twice");
            }
            *counts.entry(view.state).or_default() += 1;
            users.extend(view.user);
        }
        after = page.next;
        if after.is_none() {
            return (counts, users);
        }
    }
}
