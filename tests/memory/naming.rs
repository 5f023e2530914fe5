//! Work that names somebody.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::time::Duration;

use async_trait::async_trait;
use herald::domain::Timestamp;
use herald::domain::delivery::State as DeliveryState;
use herald::domain::id::{AppId, NotificationId, WorkId};
use herald::domain::somebody::Somebody;
use herald::domain::work::{NewWork, Targets, WorkKey, WorkKind};
use herald::store::Result;
use herald::store::notification::{DeliveryFilter, DeliveryView};
use herald::store::waiting::{Waiting, WaitingPart, WaitingWork};
use serde::{Deserialize, Serialize};

use super::MemoryStore;
use super::deliveries::{Before, Stand};
use super::state::{Row, State};

/// Rows of a part.
const PART: usize = 3;

/// Where a delivery stands in its user's list.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum UserStand {
    Waiting(Reverse<(NotificationId, i64)>, String, Option<i64>),
    Over(Before),
}

impl State {
    fn somebody(&self, app: AppId, user: &str) -> Somebody {
        let person = self.person_names.get(&(app, user.to_owned())).copied();
        let devices = self.devices.values().filter_map(|row| row.device.as_ref());
        let theirs: Vec<_> = devices.filter(|device| person.is_some() && device.person == person).collect();
        Somebody {
            user: user.to_owned(),
            people: person.into_iter().collect(),
            devices: theirs.into_iter().map(|device| device.name.clone()).collect(),
        }
    }

    /// A user's targets, the waiting ones first, each of the newest notification first.
    pub fn targets_of_user(&self, app: AppId, user: &str, now: Timestamp) -> Vec<(UserStand, DeliveryView)> {
        let filter = DeliveryFilter { user: Some(user.to_owned()), state: Some(DeliveryState::Waiting), ..DeliveryFilter::default() };
        let mut all = Vec::new();
        for new in self.notifications.values().filter(|new| new.app == app) {
            for (stand, view) in self.targets_of(new, &filter, now) {
                let Stand::Waiting(row, name, target) = stand else { continue };
                all.push((UserStand::Waiting(Reverse((new.id, row)), name, target), view));
            }
        }
        all.extend(self.ended_of(app, user).into_iter().map(|(before, view)| (UserStand::Over(before), view)));
        all.sort_by(|(a, _), (b, _)| a.cmp(b));
        all
    }
}

fn names(targets: &Targets, whom: &Somebody) -> bool {
    match targets {
        Targets::Users(names) => names.contains(&whom.user),
        Targets::Devices(names) => !names.iter().cloned().collect::<HashSet<_>>().is_disjoint(&whom.devices),
        Targets::Pairs(pairs) => pairs.iter().any(|pair| pair.person.is_some_and(|person| whom.people.contains(&person))),
        Targets::Broadcast(_) => false,
    }
}

fn waiting((notification, work): (NotificationId, WorkId), row: &Row, now: Timestamp) -> WaitingWork {
    let published = row.guard_until.is_some_and(|until| until > now);
    WaitingWork {
        key: WorkKey { app: row.app, notification, work },
        epoch: row.epoch,
        held: row.is_held(now),
        lapsed: row.lease_until.is_some_and(|until| until <= now),
        work: NewWork { due_at: if published { now } else { row.work.due_at }, ..row.work.clone() },
    }
}

#[async_trait]
impl Waiting for MemoryStore {
    async fn somebody(&self, app: AppId, user: &str) -> Result<Somebody> {
        Ok(self.read(|state, _| state.somebody(app, user)))
    }

    async fn waiting_for(&self, app: AppId, whom: &Somebody, from: Option<(NotificationId, WorkId)>) -> Result<WaitingPart> {
        Ok(self.read(|state, now| {
            let mut rows = state.work.iter().rev().filter(|(key, _)| from.is_none_or(|from| **key <= from));
            let part: Vec<_> = rows.by_ref().take(PART).collect();
            let named = part.into_iter().filter(|(_, row)| row.app == app && row.work.kind == WorkKind::Send);
            let named = named.filter(|(_, row)| names(&row.work.targets, whom));
            WaitingPart { work: named.map(|(key, row)| waiting(*key, row, now)).collect(), next: rows.next().map(|(key, _)| *key) }
        }))
    }

    async fn seize(&self, rows: &[(WorkKey, i64)], lease: Duration) -> Result<Vec<(WorkKey, i64)>> {
        Ok(self.commit(|state, now| {
            let mut seized = Vec::new();
            for (key, epoch) in rows {
                if let Some(row) = state.fenced(*key, *epoch).filter(|row| !row.is_held(now)) {
                    row.epoch += 1;
                    row.lease_until = Some(now + lease);
                    seized.push((*key, row.epoch));
                }
            }
            seized
        }))
    }
}
