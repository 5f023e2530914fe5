//! Apps, categories, people and what was answered before.

use std::collections::BTreeMap;

use async_trait::async_trait;
use chrono::TimeDelta;
use herald::domain::Timestamp;
use herald::domain::category::Category;
use herald::domain::id::{AppId, DevicePk, Target};
use herald::domain::notification::MAX_TTL_SECONDS;
use herald::domain::preferences::{Contacts, Preferences};
use herald::domain::principal::Principal;
use herald::domain::profile::Profile;
use herald::store::category::{Declaration, Declared};
use herald::store::engine::IdempotencyKey;
use herald::store::idempotency::Before;
use herald::store::person::{DevicePreferencesPut, Versioned};
use herald::store::{Apps, Categories, People, Replays, Result};

use super::MemoryStore;
use super::definitions::{newest, put, version_after};
use super::state::{Person, State};

impl State {
    fn person(&self, app: AppId, user: &str) -> Option<&Person> {
        self.people.get(self.person_names.get(&(app, user.to_owned()))?)
    }

    /// A person's row, made where there is none.
    fn person_mut(&mut self, app: AppId, user: &str) -> &mut Person {
        let pk = self.ensure_person(app, user);
        self.people.get_mut(&pk).unwrap()
    }

    fn prune(&mut self, now: Timestamp) {
        self.forget_keys(now);
        let shown_life = TimeDelta::seconds(i64::from(MAX_TTL_SECONDS));
        self.shown.retain(|_, (_, at)| *at + shown_life > now);
        self.forget_early(now);
        self.forget_families(now);
        self.caps.retain(|_, (_, over_at)| *over_at > now);
    }
}

#[async_trait]
impl Apps for MemoryStore {
    async fn ensure_apps(&self, names: &[String]) -> Result<Vec<AppId>> {
        Ok(self.commit(|state, _| {
            let number = |name: &String| {
                let next = state.apps.values().map(|app| app.0).max().unwrap_or_default() + 1;
                *state.apps.entry(name.clone()).or_insert(AppId(next))
            };
            names.iter().map(number).collect()
        }))
    }

    async fn ping(&self) -> Result<()> {
        Ok(())
    }

    async fn prune(&self) -> Result<()> {
        self.commit(|state, now| {
            state.prune(now);
            if let Some(retention) = self.retention {
                state.forget_days(retention, now);
            }
        });
        Ok(())
    }
}

#[async_trait]
impl Categories for MemoryStore {
    async fn categories(&self, app: AppId) -> Result<Vec<(String, Category)>> {
        let mut all: BTreeMap<String, Category> = BTreeMap::new();
        all.extend(self.declared(app).await?.into_iter().map(|declared| (declared.name, declared.definition)));
        Ok(all.into_iter().collect())
    }

    async fn declared(&self, app: AppId) -> Result<Vec<Declared>> {
        Ok(self.read(|state, _| newest(&state.categories, app)))
    }

    async fn category(&self, app: AppId, name: &str) -> Result<Option<Declared>> {
        Ok(self.read(|state, _| state.categories.get(&(app, name.to_owned())).cloned()))
    }

    async fn put_category(&self, app: AppId, name: &str, category: &Category, if_match: Option<i64>) -> Result<Declaration> {
        Ok(self.commit(|state, now| put(&mut state.categories, (app, name), category, (if_match, now))))
    }

    async fn delete_category(&self, app: AppId, name: &str) -> Result<bool> {
        Ok(self.commit(|state, _| state.categories.remove(&(app, name.to_owned())).is_some()))
    }
}

impl State {
    /// Of a device on which nobody is signed in; `None`: somebody is.
    fn own_preferences(&self, app: AppId, device: &str) -> Option<Versioned<Preferences>> {
        let row = self.device_names.get(&(app, device.to_owned())).and_then(|pk| self.devices.get(pk));
        let person = row.and_then(|row| row.device.as_ref()?.person);
        let (value, version) = row.map(|row| (row.preferences.clone().unwrap_or_default(), row.preferences_version)).unwrap_or_default();
        person.is_none().then_some(Versioned { value, version })
    }
}

#[async_trait]
impl People for MemoryStore {
    async fn preferences(&self, app: AppId, user: &str) -> Result<Versioned<Preferences>> {
        Ok(self.read(|state, _| {
            let person = state.person(app, user);
            let version = person.map_or(0, |person| person.preferences_version);
            Versioned { value: person.and_then(|person| person.preferences.clone()).unwrap_or_default(), version }
        }))
    }

    async fn put_preferences(
        &self,
        app: AppId,
        user: &str,
        preferences: &Preferences,
        if_match: Option<i64>,
    ) -> Result<Option<Versioned<Preferences>>> {
        Ok(self.commit(|state, now| {
            let before = state.person(app, user).and_then(|person| person.preferences.clone()).unwrap_or_default();
            let old = state.person(app, user).map_or(0, |person| person.preferences_version);
            if if_match.is_some_and(|version| version != old) {
                return None;
            }
            let person = state.person_mut(app, user);
            let version = version_after(old, now);
            (person.preferences, person.preferences_version) = (Some(preferences.clone()), version);
            if before != *preferences {
                state.tell_preferences(app, user, now);
            }
            Some(Versioned { value: preferences.clone(), version })
        }))
    }

    async fn device_preferences(&self, app: AppId, device: &str) -> Result<Option<Versioned<Preferences>>> {
        Ok(self.read(|state, _| state.own_preferences(app, device)))
    }

    async fn put_device_preferences(
        &self,
        app: AppId,
        device: &str,
        preferences: &Preferences,
        if_match: Option<i64>,
    ) -> Result<DevicePreferencesPut> {
        Ok(self.commit(|state, now| {
            let Some(old) = state.own_preferences(app, device) else { return DevicePreferencesPut::SignedIn };
            if if_match.is_some_and(|version| version != old.version) {
                return DevicePreferencesPut::Stale;
            }
            let pk = state.ensure_device(app, device);
            let written = Versioned { value: preferences.clone(), version: version_after(old.version, now) };
            if let Some(row) = state.devices.get_mut(&pk) {
                (row.preferences, row.preferences_version) = (Some(preferences.clone()), written.version);
            }
            DevicePreferencesPut::Written(written)
        }))
    }

    async fn contacts(&self, app: AppId, user: &str) -> Result<Versioned<Contacts>> {
        Ok(self.read(|state, _| {
            let person = state.person(app, user);
            let version = person.map_or(0, |person| person.contacts_version);
            Versioned { value: person.and_then(|person| person.contacts.clone()).unwrap_or_default(), version }
        }))
    }

    async fn put_contacts(
        &self,
        app: AppId,
        user: &str,
        contacts: &Contacts,
        if_match: Option<i64>,
    ) -> Result<Option<Versioned<Contacts>>> {
        Ok(self.commit(|state, now| {
            let old = state.person(app, user).map_or(0, |person| person.contacts_version);
            if if_match.is_some_and(|version| version != old) {
                return None;
            }
            let person = state.person_mut(app, user);
            person.contacts = Some(contacts.clone());
            person.contacts_version = version_after(old, now);
            Some(Versioned { value: contacts.clone(), version: person.contacts_version })
        }))
    }

    async fn delete_contacts(&self, app: AppId, user: &str) -> Result<bool> {
        Ok(self.commit(|state, _| {
            let had_some = state.person(app, user).is_some_and(|person| person.contacts.is_some());
            if had_some {
                let person = state.person_mut(app, user);
                (person.contacts, person.contacts_version) = (None, person.contacts_version + 1);
            }
            had_some
        }))
    }

    async fn profile(&self, app: AppId, user: &str) -> Result<Versioned<Profile>> {
        Ok(self.read(|state, _| {
            let person = state.person(app, user);
            Versioned {
                value: person.map(|person| person.profile.clone()).unwrap_or_default(),
                version: person.map_or(0, |person| person.profile_version),
            }
        }))
    }

    async fn put_profile(&self, app: AppId, user: &str, profile: &Profile, if_match: Option<i64>) -> Result<Option<Versioned<Profile>>> {
        Ok(self.commit(|state, now| {
            let old = state.person(app, user).map_or(0, |person| person.profile_version);
            if if_match.is_some_and(|version| version != old) {
                return None;
            }
            let person = state.person_mut(app, user);
            person.profile = profile.clone();
            person.profile_version = version_after(old, now);
            Some(Versioned { value: profile.clone(), version: person.profile_version })
        }))
    }

    async fn erase_user(&self, app: AppId, user: &str) -> Result<bool> {
        Ok(self.commit(|state, now| {
            let Some(person) = state.person_names.remove(&(app, user.to_owned())) else { return false };
            state.people.remove(&person);
            state.revoke_families(now, |row| row.person == Some(person));
            let devices = state.devices.values().filter_map(|row| row.device.as_ref()).filter(|device| device.person == Some(person));
            let devices: Vec<(DevicePk, String)> = devices.map(|device| (device.pk, device.name.clone())).collect();
            let names: Vec<String> = devices.iter().map(|(_, name)| name.clone()).collect();
            state.erase_from_webhooks(app, user, &names);
            for (pk, name) in devices {
                state.forget(app, &name, &Principal::Backend, now);
                state.shown.retain(|(device, _), _| *device != pk);
                state.caps.retain(|(holder, _), _| *holder != Target::device(pk));
            }
            state.caps.retain(|(holder, _), _| *holder != Target::person(person));
            state.forget_follower(person);
            true
        }))
    }
}

#[async_trait]
impl Replays for MemoryStore {
    async fn before(&self, keys: &[IdempotencyKey]) -> Result<Vec<Before>> {
        Ok(self.read(|state, now| keys.iter().map(|key| state.before(key, now)).collect()))
    }
}
