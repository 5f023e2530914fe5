//! Families of client tokens.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use async_trait::async_trait;
use herald::domain::Timestamp;
use herald::domain::id::{AppId, DevicePk, PersonPk};
use herald::store::Result;
use herald::store::client_token::{ClientTokens, Family, GRACE, MAX_DEVICE_FAMILIES, MAX_USER_FAMILIES, Refreshed, Standing};
use uuid::Uuid;

use super::state::State;
use super::{MemoryStore, conflict};

/// A family and the newest of its refresh tokens.
#[derive(Clone, Debug)]
pub struct FamilyRow {
    pub family: Family,
    pub person: Option<PersonPk>,
    pub device: Option<DevicePk>,
    pub generation: i64,
    pub hash: [u8; 32],
    pub renewed_at: Timestamp,
    /// The newest was used.
    pub seen: bool,
    pub revoked: bool,
}

impl FamilyRow {
    fn stands(&self, now: Timestamp) -> bool {
        !self.revoked && self.family.expires_at > now
    }
}

impl State {
    fn begin_family(&mut self, family: &Family, hash: [u8; 32], now: Timestamp) -> Result<()> {
        if self.families.contains_key(&family.id) {
            return Err(conflict("token_family"));
        }
        let device = family.device.as_ref().map(|name| self.ensure_device(family.app, name));
        let person = family.user.as_ref().map(|user| self.ensure_person(family.app, user));
        let row = FamilyRow { family: family.clone(), person, device, generation: 1, hash, renewed_at: now, seen: true, revoked: false };
        self.families.insert(family.id, row);
        if device.is_some() {
            self.keep_few_families(family.id, MAX_DEVICE_FAMILIES, now, |row| row.device == device && row.person == person);
        }
        if person.is_some() {
            self.keep_few_families(family.id, MAX_USER_FAMILIES, now, |row| row.person == person);
        }
        Ok(())
    }

    fn keep_few_families(&mut self, newest: Uuid, most: usize, now: Timestamp, like: impl Fn(&FamilyRow) -> bool) {
        let mut all: Vec<_> = self
            .families
            .values()
            .filter(|row| like(row))
            .map(|row| (row.family.id == newest, row.stands(now), row.family.created_at, row.family.id))
            .collect();
        all.sort_by_key(|place| Reverse(*place));
        let kept: BTreeSet<Uuid> = all.iter().take(most).map(|(.., id)| *id).collect();
        self.families.retain(|id, row| !like(row) || kept.contains(id));
    }

    fn refresh(
        &mut self,
        id: Uuid,
        (generation, presented): (i64, [u8; 32]),
        (next, expires_at): ([u8; 32], Timestamp),
        now: Timestamp,
    ) -> Refreshed {
        let Some(row) = self.families.get_mut(&id).filter(|row| row.stands(now)) else { return Refreshed::Gone };
        let is_newest = generation > row.generation || (generation == row.generation && presented == row.hash);
        if is_newest {
            (row.generation, row.hash, row.renewed_at, row.seen) = (generation + 1, next, now, false);
            row.family.expires_at = expires_at;
            return Refreshed::Renewed { family: row.family.clone(), generation: row.generation };
        }
        let is_before = generation == row.generation - 1 && next == row.hash;
        if is_before && !row.seen && now - row.renewed_at < GRACE {
            return Refreshed::Again { family: row.family.clone(), generation: row.generation };
        }
        row.revoked = true;
        Refreshed::Reused(row.family.clone())
    }

    fn seen(&mut self, app: AppId, id: Uuid, generation: i64, now: Timestamp) -> Standing {
        let Some(row) = self.families.get_mut(&id).filter(|row| row.family.app == app && row.family.expires_at > now) else {
            return Standing::Gone;
        };
        if row.revoked {
            return Standing::Revoked;
        }
        row.seen |= row.generation == generation;
        Standing::Stands
    }

    /// Revokes those that stand; how many did.
    pub fn revoke_families(&mut self, now: Timestamp, which: impl Fn(&FamilyRow) -> bool) -> u64 {
        let mut revoked = 0;
        for row in self.families.values_mut().filter(|row| row.stands(now) && which(row)) {
            row.revoked = true;
            revoked += 1;
        }
        revoked
    }

    pub fn forget_families(&mut self, now: Timestamp) {
        self.families.retain(|_, row| row.family.expires_at > now);
    }
}

#[async_trait]
impl ClientTokens for MemoryStore {
    async fn begin_family(&self, family: &Family, refresh: [u8; 32]) -> Result<()> {
        self.commit(|state, now| state.begin_family(family, refresh, now))
    }

    async fn refresh(
        &self,
        family: Uuid,
        generation: i64,
        presented: [u8; 32],
        next: [u8; 32],
        expires_at: Timestamp,
    ) -> Result<Refreshed> {
        Ok(self.commit(|state, now| state.refresh(family, (generation, presented), (next, expires_at), now)))
    }

    async fn seen(&self, app: AppId, family: Uuid, generation: i64) -> Result<Standing> {
        Ok(self.commit(|state, now| state.seen(app, family, generation, now)))
    }

    async fn revoke_family(&self, family: Uuid) -> Result<bool> {
        Ok(self.commit(|state, now| state.revoke_families(now, |row| row.family.id == family) > 0))
    }

    async fn revoke_user(&self, app: AppId, user: &str) -> Result<u64> {
        Ok(self.commit(|state, now| {
            let person = state.person_names.get(&(app, user.to_owned())).copied();
            person.map_or(0, |person| state.revoke_families(now, |row| row.person == Some(person)))
        }))
    }
}
