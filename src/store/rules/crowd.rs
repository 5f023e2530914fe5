//! Many registrations at once: which of them touch nothing but themselves, so that they can be written together and the outcome is as if
//! each had come alone, in order.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::registration::{Verb, changed, check, outdated, wants};
use crate::domain::Timestamp;
use crate::domain::device::{Change, Device, DeviceChange, DeviceStatus, MAX_ACTIVE_DEVICES, TokenHash};
use crate::domain::id::PersonPk;
use crate::domain::principal::Principal;

/// What becomes of one registration.
pub(in crate::store) enum Fate {
    /// A new device, which no other is affected by; its number is still to come.
    New(Device),
    /// A device that was there, changed, which no other is affected by.
    Known(Device),
    /// It has to be looked at alone.
    Beside,
}

/// Registrations, and the rows that have their names.
pub(in crate::store) struct Crowd<'c> {
    changes: &'c [(String, DeviceChange)],
    /// `None`: a mere name.
    there: HashMap<String, Option<Device>>,
    /// The token that each brings.
    brought: Vec<Option<TokenHash>>,
    /// How many registrations bring a token or are of the device that has it.
    touching: HashMap<TokenHash, usize>,
    /// How many have a name.
    named: HashMap<&'c str, usize>,
    /// Users, and how many active devices they may have more afterwards.
    more: BTreeMap<String, usize>,
}

/// What else the store has of them.
#[derive(Default)]
pub(in crate::store) struct Surroundings {
    /// Tokens that active devices have.
    pub(in crate::store) held: HashSet<TokenHash>,
    /// Users with their number and how many active devices they have.
    pub(in crate::store) owners: HashMap<String, (PersonPk, usize)>,
}

/// The changes without what of them is outdated.
pub(in crate::store) fn news(changes: &[(String, DeviceChange)], there: &HashMap<String, Option<Device>>) -> Vec<(String, DeviceChange)> {
    let one = |(name, change): &(String, DeviceChange)| {
        let old = there.get(name).and_then(Option::as_ref);
        (name.clone(), outdated(old, change).unwrap_or_else(|| change.clone()))
    };
    changes.iter().map(one).collect()
}

impl<'c> Crowd<'c> {
    /// Of all rows that have one of the names.
    pub(in crate::store) fn new(changes: &'c [(String, DeviceChange)], there: HashMap<String, Option<Device>>) -> Self {
        let brought: Vec<Option<TokenHash>> = changes.iter().map(|(_, change)| change.token.as_ref().map(TokenHash::of)).collect();
        let mut crowd = Self { changes, there, brought, touching: HashMap::new(), named: HashMap::new(), more: BTreeMap::new() };
        for ((name, change), brought) in changes.iter().zip(&crowd.brought) {
            *crowd.named.entry(name).or_default() += 1;
            let old = crowd.there.get(name).and_then(Option::as_ref);
            let had = old.map(|device| device.token_hash);
            for token in brought.iter().chain(had.iter().filter(|had| Some(**had) != *brought)) {
                *crowd.touching.entry(*token).or_default() += 1;
            }
            if let Some(user) = gains(old, change) {
                *crowd.more.entry(user.to_owned()).or_default() += 1;
            }
        }
        crowd
    }

    /// Users who may have more active devices afterwards, in order.
    pub(in crate::store) fn users(&self) -> impl Iterator<Item = &str> {
        self.more.keys().map(String::as_str)
    }

    /// Tokens that would be new to their devices and that only one registration touches.
    pub(in crate::store) fn tokens(&self) -> impl Iterator<Item = TokenHash> {
        let each = self.changes.iter().zip(&self.brought);
        let fresh = each.filter_map(|((name, _), brought)| {
            let had = self.there.get(name).and_then(Option::as_ref).map(|device| device.token_hash);
            brought.filter(|brought| had != Some(*brought))
        });
        fresh.filter(|token| self.touching.get(token) == Some(&1))
    }

    /// What becomes of each, in order.
    pub(in crate::store) fn fates(&self, around: &Surroundings, now: Timestamp) -> Vec<Fate> {
        let fate = |((name, change), brought): (&(String, DeviceChange), &Option<TokenHash>)| {
            let is_alone = self.named.get(name.as_str()) == Some(&1);
            let made = match self.there.get(name) {
                _ if !is_alone || change.by != Principal::Backend => None,
                None => brought.and_then(|brought| self.new_one(name, change, brought, around, now)).map(Fate::New),
                Some(None) => None,
                Some(Some(old)) => self.known_one(old, change, *brought, around, now).map(Fate::Known),
            };
            made.unwrap_or(Fate::Beside)
        };
        self.changes.iter().zip(&self.brought).map(fate).collect()
    }

    fn new_one(&self, name: &str, change: &DeviceChange, brought: TokenHash, around: &Surroundings, now: Timestamp) -> Option<Device> {
        let address = check(None, change).ok()?;
        let (user, person) = match &change.user {
            Change::Set(user) => (Some(user.clone()), Some(self.owner(user, around)?)),
            Change::Keep | Change::Clear => (None, None),
        };
        if !self.is_free(brought, around) {
            return None;
        }
        let status = wants(None, change, Verb::Put).unwrap_or(DeviceStatus::Active);
        let device = changed(None, change.clone(), address, person, (Verb::Put, now));
        Some(Device { name: name.to_owned(), user, status, ..device })
    }

    fn known_one(
        &self,
        old: &Device,
        change: &DeviceChange,
        brought: Option<TokenHash>,
        around: &Surroundings,
        now: Timestamp,
    ) -> Option<Device> {
        let address = check(Some(old), change).ok()?;
        let keeps_user = match &change.user {
            Change::Keep => true,
            Change::Clear => old.user.is_none(),
            Change::Set(user) => old.user.as_ref() == Some(user),
        };
        let is_crowded = old.user.as_ref().is_some_and(|user| self.more.contains_key(user) && self.owner(user, around).is_none());
        if !keeps_user || is_crowded || self.touching.get(&old.token_hash) != Some(&1) {
            return None;
        }
        let wanted = wants(Some(old), change, Verb::Put);
        let mut device = changed(Some(old), change.clone(), address, old.person, (Verb::Put, now));
        device.user.clone_from(&old.user);
        if wanted.unwrap_or(old.status) == DeviceStatus::Inactive {
            let moved = brought.filter(|brought| *brought != old.token_hash);
            if moved.is_some_and(|moved| self.touching.get(&moved) != Some(&1)) {
                return None;
            }
            if wanted == Some(DeviceStatus::Inactive) {
                (device.status, device.inactive_reason) = (DeviceStatus::Inactive, None);
            }
            return Some(device);
        }
        let holds = old.provider == device.provider && old.token_hash == device.token_hash;
        // the same text with another provider is another address, which was not looked for
        let takes = brought.is_some_and(|brought| brought != old.token_hash && self.is_free(brought, around));
        // one that wakes up counts as one more of its user's
        (old.status == DeviceStatus::Active && (holds || takes)).then_some(device)
    }

    /// Whether nobody else has a token, nor brings it.
    fn is_free(&self, token: TokenHash, around: &Surroundings) -> bool {
        self.touching.get(&token) == Some(&1) && !around.held.contains(&token)
    }

    /// A user who has room for all that may come.
    fn owner(&self, user: &str, around: &Surroundings) -> Option<PersonPk> {
        let (person, active) = around.owners.get(user)?;
        let more = self.more.get(user).copied().unwrap_or_default();
        (active + more <= MAX_ACTIVE_DEVICES).then_some(*person)
    }
}

/// The user who may have one more active device afterwards.
fn gains<'d>(old: Option<&'d Device>, change: &'d DeviceChange) -> Option<&'d str> {
    let before = old.and_then(|device| device.user.as_deref());
    let user = match &change.user {
        Change::Set(user) => Some(user.as_str()),
        Change::Keep => before,
        Change::Clear => None,
    };
    let was_active = old.is_some_and(|device| device.status == DeviceStatus::Active);
    user.filter(|user| !was_active || before != Some(*user))
}

/// The names of registrations in the order in which every batch locks them: so batches wait for each other in one direction only.
pub(in crate::store) fn names(changes: &[(String, DeviceChange)]) -> Vec<&str> {
    let mut names: Vec<&str> = changes.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    names
}
