//! Devices as callers read and write them.

use std::cmp::Reverse;

use async_trait::async_trait;
use herald::domain::Timestamp;
use herald::domain::device::{Device, DeviceChange, DeviceStatus, InactiveReason};
use herald::domain::id::{AppId, DevicePk};
use herald::domain::principal::Principal;
use herald::store::device::{DeviceFilter, Devices, Registered, SEEN_EVERY, Swept};
use herald::store::{Page, PageRequest, Result};

use super::MemoryStore;
use super::page::page;
use super::registration::Verb;
use super::state::State;

impl State {
    /// A registered device with its user's present name.
    pub fn told(&self, pk: DevicePk) -> Device {
        let device = self.device(pk).unwrap().clone();
        let user = device.person.and_then(|person| self.people.get(&person)).map(|person| person.name.clone());
        Device { user, ..device }
    }

    fn find(&self, app: AppId, name: &str) -> Option<Device> {
        let pk = self.device_names.get(&(app, name.to_owned()))?;
        self.device(*pk).map(|device| self.told(device.pk))
    }

    fn deactivate_stale(&mut self, app: AppId, until: Timestamp, (after, limit, now): (i64, usize, Timestamp)) -> Swept {
        let part: Vec<_> = self.devices.iter_mut().filter(|(pk, row)| row.app == app && pk.0 > after).take(limit).collect();
        let to = part.last().filter(|_| part.len() == limit).map(|(pk, _)| pk.0);
        let mut deactivated = 0;
        for device in part.into_iter().filter_map(|(_, row)| row.device.as_mut()) {
            if device.status == DeviceStatus::Active && device.last_seen_at <= until {
                (device.status, device.inactive_reason) = (DeviceStatus::Inactive, Some(InactiveReason::Stale));
                device.updated_at = now;
                device.version += 1;
                deactivated += 1;
            }
        }
        Swept { deactivated, to }
    }

    fn saw(&mut self, app: AppId, name: &str, at: Timestamp) {
        let pk = self.device_names.get(&(app, name.to_owned()));
        let device = pk.and_then(|pk| self.devices.get_mut(pk)).and_then(|row| row.device.as_mut());
        if let Some(device) = device.filter(|device| at - device.last_seen_at >= SEEN_EVERY) {
            device.last_seen_at = at;
        }
    }

    pub fn forget(&mut self, app: AppId, name: &str, by: &Principal, now: Timestamp) -> bool {
        let Some(device) = self.find(app, name).filter(|device| deletes(by, device)) else { return false };
        self.devices.remove(&device.pk);
        self.forget_tokens(device.pk);
        self.unsubscribe(device.pk);
        self.revoke_families(now, |row| row.device == Some(device.pk));
        self.device_names.remove(&(app, name.to_owned()));
        true
    }
}

/// A mere installation may delete itself, whoever is signed in on it.
fn deletes(by: &Principal, device: &Device) -> bool {
    match by {
        Principal::Installation { device: bound } => *bound == device.name,
        _ => owns(by, device),
    }
}

/// Whose device it is, and by which token.
pub fn owns(by: &Principal, device: &Device) -> bool {
    match by {
        Principal::Backend => true,
        Principal::User { user, device: bound } => {
            device.user.as_ref() == Some(user) && bound.as_ref().is_none_or(|bound| *bound == device.name)
        }
        Principal::Installation { device: bound } => device.user.is_none() && *bound == device.name,
    }
}

#[async_trait]
impl Devices for MemoryStore {
    async fn put_device(&self, app: AppId, name: &str, change: DeviceChange, if_match: Option<i64>) -> Result<Registered> {
        Ok(self.commit(|state, now| state.telling_devices(now, |state| state.register(app, name, change, (Verb::Put, if_match, now)))))
    }

    async fn put_devices(&self, app: AppId, changes: Vec<(String, DeviceChange)>) -> Result<Vec<Registered>> {
        Ok(self.commit(|state, now| {
            let put =
                |state: &mut State, (name, change): (String, DeviceChange)| state.register(app, &name, change, (Verb::Put, None, now));
            state.telling_devices(now, |state| changes.into_iter().map(|change| put(state, change)).collect())
        }))
    }

    async fn patch_device(&self, app: AppId, name: &str, change: DeviceChange, if_match: Option<i64>) -> Result<Option<Registered>> {
        Ok(self.commit(|state, now| {
            let known = state.find(app, name).is_some();
            known.then(|| state.telling_devices(now, |state| state.register(app, name, change, (Verb::Patch, if_match, now))))
        }))
    }

    async fn device(&self, app: AppId, name: &str) -> Result<Option<Device>> {
        Ok(self.read(|state, _| state.find(app, name)))
    }

    async fn devices(&self, app: AppId, filter: &DeviceFilter, request: &PageRequest) -> Result<Page<Device>> {
        let wanted = |device: &Device| {
            filter.platform.is_none_or(|platform| device.platform == platform)
                && filter.status.is_none_or(|status| device.status == status)
                && filter.user.as_ref().is_none_or(|user| device.user.as_ref() == Some(user))
        };
        let rows = self.read(|state, _| {
            let devices = state.devices.iter().filter(|(_, row)| row.app == app && row.device.is_some()).map(|(pk, _)| state.told(*pk));
            let mut rows: Vec<_> = devices.filter(wanted).map(|device| (Reverse((device.created_at, device.pk)), device)).collect();
            rows.sort_by_key(|(place, _)| *place);
            rows
        });
        page(rows, request)
    }

    async fn deactivate_stale(&self, app: AppId, until: Timestamp, after: i64, limit: usize) -> Result<Swept> {
        Ok(self.commit(|state, now| state.telling_devices(now, |state| state.deactivate_stale(app, until, (after, limit, now)))))
    }

    async fn saw_device(&self, app: AppId, name: &str, at: Timestamp) -> Result<()> {
        self.commit(|state, now| state.saw(app, name, at.min(now)));
        Ok(())
    }

    async fn delete_device(&self, app: AppId, name: &str, by: &Principal) -> Result<bool> {
        Ok(self.commit(|state, now| state.telling_devices(now, |state| state.forget(app, name, by, now))))
    }
}
