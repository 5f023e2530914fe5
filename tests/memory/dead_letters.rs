//! Work that nobody tries any more.

use std::cmp::Reverse;

use async_trait::async_trait;
use herald::domain::id::{AppId, NotificationId, WorkId};
use herald::domain::work::Targets;
use herald::store::dead_letter::{DeadLetter, DeadLetters};
use herald::store::{Page, PageRequest, Result};

use super::MemoryStore;
use super::page::page;
use super::state::{Row, State};

impl State {
    fn letter(&self, app: AppId, (notification, work): (NotificationId, WorkId), row: &Row) -> Option<DeadLetter> {
        let died_at = row.died_at.filter(|_| row.app == app)?;
        let (mut device, mut user) = (None, None);
        match &row.work.targets {
            Targets::Users(names) => user = names.first().cloned(),
            Targets::Devices(names) => device = names.first().cloned(),
            Targets::Pairs(pairs) => {
                let known = pairs.first().and_then(|pair| self.devices.get(&pair.device));
                let owner = known.and_then(|row| row.device.as_ref()?.person);
                device = known.map(|row| row.name.clone());
                user = owner.and_then(|owner| self.people.get(&owner)).map(|person| person.name.clone());
            }
            Targets::Broadcast(_) => {}
        }
        let (takes, attempts, expires_at) = (row.takes, row.work.attempt, row.work.expires_at);
        Some(DeadLetter { notification, work, device, user, takes, attempts, died_at, expires_at })
    }
}

#[async_trait]
impl DeadLetters for MemoryStore {
    async fn dead_letters(&self, app: AppId, request: &PageRequest) -> Result<Page<DeadLetter>> {
        let mut rows: Vec<_> = self.read(|state, _| {
            let letters = state.work.iter().filter_map(|(key, row)| state.letter(app, *key, row));
            letters.map(|letter| (Reverse((letter.died_at, letter.notification, letter.work.0)), letter)).collect()
        });
        rows.sort_by_key(|(place, _)| *place);
        page(rows, request)
    }

    async fn dead_letter(&self, app: AppId, notification: NotificationId, work: WorkId) -> Result<Option<DeadLetter>> {
        let key = (notification, work);
        Ok(self.read(|state, _| state.work.get(&key).and_then(|row| state.letter(app, key, row))))
    }

    async fn retry_dead_letter(&self, app: AppId, notification: NotificationId, work: WorkId) -> Result<bool> {
        Ok(self.commit(|state, now| {
            let dead = |row: &&mut Row| row.app == app && row.died_at.is_some() && !row.is_held(now);
            let Some(row) = state.work.get_mut(&(notification, work)).filter(dead) else { return false };
            (row.takes, row.work.reason, row.died_at) = (0, None, None);
            row.make_due(now);
            true
        }))
    }
}
