//! What a registration makes of a device, and of others.

use std::collections::BTreeMap;

use herald::domain::Timestamp;
use herald::domain::device::{
    Change, Device, DeviceChange, DeviceStatus, Environment, Imported, InactiveReason, MAX_ACTIVE_DEVICES, Permission, Platform,
    ProviderKind, TagChange, TokenHash,
};
use herald::domain::id::{AppId, DevicePk, PersonPk};
use herald::domain::principal::Principal;
use herald::store::device::Registered;

use super::state::{DeviceRow, Person, State};

/// How a change came: a registration, or a change of single fields of a device that is there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    Put,
    Patch,
}

impl State {
    pub fn ensure_person(&mut self, app: AppId, name: &str) -> PersonPk {
        let named = (app, name.to_owned());
        if let Some(pk) = self.person_names.get(&named) {
            return *pk;
        }
        self.last_person += 1;
        let pk = PersonPk(self.last_person);
        let person = Person { name: name.to_owned(), ..Person::default() };
        self.people.insert(pk, person);
        self.person_names.insert(named, pk);
        pk
    }

    /// The number of a name, which need not have registered.
    pub fn ensure_device(&mut self, app: AppId, name: &str) -> DevicePk {
        let named = (app, name.to_owned());
        if let Some(pk) = self.device_names.get(&named) {
            return *pk;
        }
        self.last_device += 1;
        let pk = DevicePk(self.last_device);
        let row = DeviceRow {
            app,
            name: name.to_owned(),
            device: None,
            person_since: Timestamp::MIN_UTC,
            preferences: None,
            preferences_version: 0,
        };
        self.devices.insert(pk, row);
        self.device_names.insert(named, pk);
        pk
    }

    pub fn register(
        &mut self,
        app: AppId,
        name: &str,
        change: DeviceChange,
        (verb, if_match, now): (Verb, Option<i64>, Timestamp),
    ) -> Registered {
        let known = self.device_names.get(&(app, name.to_owned())).filter(|pk| self.device(**pk).is_some());
        let old = known.map(|pk| self.told(*pk));
        if let Some(refusal) = refused(old.as_ref(), name, &change, verb) {
            return refusal;
        }
        let change = claimed(change);
        if if_match.is_some() && if_match != old.as_ref().map(|device| device.version) {
            return Registered::Stale;
        }
        let change = news(old.as_ref(), change);
        if old.is_none() && change.user.is_keep() {
            return Registered::Missing("user_id");
        }
        let Some(platform) = change.platform.or(old.as_ref().map(|device| device.platform)) else {
            return Registered::Missing("platform");
        };
        if old.is_none() && change.token.is_none() {
            return Registered::Missing("token");
        }
        let provider = provider(old.as_ref(), &change, platform);
        let token = change.token.as_ref().or(old.as_ref().map(|device| &device.token));
        if token.is_some_and(|token| token.provider() != provider) {
            return Registered::TokenOfOtherProvider;
        }
        let person = match &change.user {
            Change::Keep => old.as_ref().and_then(|device| device.person),
            Change::Clear => None,
            Change::Set(user) => Some(self.ensure_person(app, user)),
        };
        let (wanted, until) = (wanted_status(old.as_ref(), &change, verb), takes_until(&change));
        let pk = self.ensure_device(app, name);
        let mut device = old.clone().unwrap_or_else(|| blank(pk, name, (platform, provider), (&change, now)));
        device.user = None;
        let owner_changes = device.person != person;
        let last = std::mem::replace(&mut device.person, person);
        if owner_changes {
            self.revoke_families(now, |row| row.device == Some(pk) && row.person.is_some() && row.person == last);
            device.tags = BTreeMap::new();
            self.forget_tokens(pk);
            self.unsubscribe(pk);
        }
        (device.platform, device.provider) = (platform, provider);
        set(&mut device, change, (verb, now));
        self.settle_status(app, &mut device, (wanted, until, now));
        self.place(pk, device, (old.is_some(), owner_changes, now));
        let registered = Box::new(self.told(pk));
        if old.is_some() { Registered::Updated(registered) } else { Registered::Created(registered) }
    }

    /// Active or not. The token is taken from another device only if that was seen with it no later than `until`.
    fn settle_status(
        &mut self,
        app: AppId,
        device: &mut Device,
        (wanted, until, now): (Option<DeviceStatus>, Option<Timestamp>, Timestamp),
    ) {
        if let Some(DeviceStatus::Inactive) = wanted {
            (device.status, device.inactive_reason) = (DeviceStatus::Inactive, None);
        }
        if device.status == DeviceStatus::Inactive && wanted != Some(DeviceStatus::Active) {
            return;
        }
        (device.status, device.inactive_reason) = (DeviceStatus::Active, None);
        let (pk, provider, hash) = (device.pk, device.provider, device.token_hash);
        let rivals = self.devices.values_mut().filter(|row| row.app == app).filter_map(|row| row.device.as_mut());
        let same = |other: &&mut Device| other.pk != pk && other.provider == provider && other.token_hash == hash;
        for other in rivals.filter(same).filter(|other| other.status == DeviceStatus::Active) {
            if until.is_some_and(|until| other.token_seen_at <= until) {
                put_to_sleep(other, InactiveReason::TokenMoved, now);
            } else {
                (device.status, device.inactive_reason) = (DeviceStatus::Inactive, Some(InactiveReason::TokenMoved));
            }
        }
    }

    fn place(&mut self, pk: DevicePk, mut device: Device, (known, owner_changes, now): (bool, bool, Timestamp)) {
        device.version = if known { device.version + 1 } else { 1 };
        let (person, active) = (device.person, device.status == DeviceStatus::Active);
        if let Some(row) = self.devices.get_mut(&pk) {
            row.device = Some(device);
            row.person_since = if owner_changes { now } else { row.person_since };
            if person.is_some() && row.preferences.take().is_some() {
                row.preferences_version += 1;
            }
        }
        if let Some(person) = person.filter(|_| active) {
            self.crowd_out(person, (pk, now));
        }
    }

    /// A person keeps so many active devices: the longest unseen go, this one last of its age.
    fn crowd_out(&mut self, person: PersonPk, (newest, now): (DevicePk, Timestamp)) {
        let mut devices: Vec<_> = self.active_devices_of(person).into_iter().map(|device| (device.last_seen_at, device.pk)).collect();
        devices.sort_by_key(|(seen, pk)| std::cmp::Reverse((*seen, *pk == newest, *pk)));
        for (_, pk) in devices.into_iter().skip(MAX_ACTIVE_DEVICES) {
            if let Some(device) = self.devices.get_mut(&pk).and_then(|row| row.device.as_mut()) {
                put_to_sleep(device, InactiveReason::TooManyDevices, now);
            }
        }
    }
}

/// Why a phone may not register a device, if it may not.
fn refused(old: Option<&Device>, name: &str, change: &DeviceChange, verb: Verb) -> Option<Registered> {
    let bound = match &change.by {
        Principal::Backend => return None,
        Principal::User { device, .. } => device.as_deref(),
        Principal::Installation { device } => Some(device.as_str()),
    };
    if bound.is_some_and(|bound| bound != name) {
        return Some(Registered::OfAnotherDevice);
    }
    let old = old?;
    let knows_token = change.token.as_ref().is_some_and(|token| TokenHash::of(token) == old.token_hash && token.provider() == old.provider);
    let may = match (&change.by, &old.user) {
        (Principal::User { user, .. }, Some(owner)) => user == owner || knows_token,
        (Principal::User { .. }, None) => knows_token,
        (_, Some(_)) => verb == Verb::Put || knows_token,
        (_, None) => true,
    };
    (!may).then_some(Registered::OfAnotherUser)
}

/// A phone's device is its user's, or nobody's.
fn claimed(change: DeviceChange) -> DeviceChange {
    let user = match &change.by {
        Principal::Backend => return change,
        Principal::User { user, .. } => Change::Set(user.clone()),
        Principal::Installation { .. } => Change::Clear,
    };
    DeviceChange { user, ..change }
}

/// A list from before the phone was last seen here tells when the device was made, and nothing else.
fn news(old: Option<&Device>, change: DeviceChange) -> DeviceChange {
    let seen_elsewhere = change.imported.as_ref().and_then(|imported| imported.last_seen_at.or(imported.created_at));
    match (old, seen_elsewhere, &change.imported) {
        (Some(old), Some(seen), Some(imported)) if seen < old.last_seen_at => {
            let inactive = old.status == DeviceStatus::Inactive;
            DeviceChange { imported: Some(Imported { inactive, ..imported.clone() }), ..DeviceChange::default() }
        }
        _ => change,
    }
}

fn takes_until(change: &DeviceChange) -> Option<Timestamp> {
    match (&change.token, &change.imported) {
        (None, _) => None,
        (Some(_), None) => Some(Timestamp::MAX_UTC),
        (Some(_), Some(imported)) => imported.last_seen_at.or(imported.created_at),
    }
}

fn put_to_sleep(device: &mut Device, reason: InactiveReason, now: Timestamp) {
    (device.status, device.inactive_reason) = (DeviceStatus::Inactive, Some(reason));
    device.updated_at = now;
    device.version += 1;
}

fn provider(old: Option<&Device>, change: &DeviceChange, platform: Platform) -> ProviderKind {
    let kept = old.filter(|device| device.platform == platform).map(|device| device.provider);
    change.provider.or(kept).unwrap_or(platform.default_provider())
}

/// A device before its first registration is applied.
fn blank(pk: DevicePk, name: &str, (platform, provider): (Platform, ProviderKind), (change, now): (&DeviceChange, Timestamp)) -> Device {
    let token = change.token.clone().unwrap_or(herald::domain::device::PushToken::Apns(String::new()));
    let imported = change.imported.clone().unwrap_or_default();
    Device {
        pk,
        name: name.to_owned(),
        person: None,
        user: None,
        platform,
        provider,
        environment: Environment::Production,
        token_hash: TokenHash::of(&token),
        token,
        token_seen_at: Timestamp::MIN_UTC,
        permission: Permission::Unknown,
        timezone: None,
        locale: None,
        app_version: None,
        os_version: None,
        model: None,
        tags: BTreeMap::new(),
        status: DeviceStatus::Inactive,
        inactive_reason: None,
        created_at: imported.created_at.unwrap_or(now),
        updated_at: now,
        last_seen_at: imported.last_seen_at.unwrap_or(now),
        version: 0,
    }
}

/// The fields of a change over those of a device.
fn set(device: &mut Device, change: DeviceChange, (verb, now): (Verb, Timestamp)) {
    set_instants(device, &change, (verb, now));
    if let Some(token) = change.token {
        device.token_hash = TokenHash::of(&token);
        device.token = token;
    }
    device.environment = match change.environment {
        _ if device.provider != ProviderKind::Apns => Environment::Production,
        Change::Keep => device.environment,
        Change::Clear => Environment::Production,
        Change::Set(environment) => environment,
    };
    device.permission = change.permission.apply(Some(device.permission)).unwrap_or_default();
    device.timezone = change.timezone.apply(device.timezone.take());
    device.locale = change.locale.apply(device.locale.take());
    device.app_version = change.app_version.apply(device.app_version.take());
    device.os_version = change.os_version.apply(device.os_version.take());
    device.model = change.model.apply(device.model.take());
    match change.tags {
        TagChange::Keep => {}
        TagChange::Replace(tags) => device.tags = tags,
        TagChange::Merge(patch) => {
            device.tags.extend(patch);
            device.tags.retain(|_, value| !value.is_null());
        }
    }
}

fn set_instants(device: &mut Device, change: &DeviceChange, (verb, now): (Verb, Timestamp)) {
    device.updated_at = now;
    let imported = change.imported.clone();
    if let Some(Imported { created_at: Some(at), .. }) = imported {
        device.created_at = device.created_at.min(at);
    }
    // an import knows only when the phone was seen elsewhere
    let seen_at = match &imported {
        Some(imported) => imported.last_seen_at.map(|at| at.min(now)),
        None => (verb == Verb::Put || change.token.is_some()).then_some(now),
    };
    device.last_seen_at = seen_at.map_or(device.last_seen_at, |at| at.max(device.last_seen_at));
    if let Some(token) = &change.token {
        let elsewhere = imported.and_then(|imported| imported.last_seen_at.or(imported.created_at));
        let carried_at = elsewhere.unwrap_or(now).min(now);
        let before = if device.token_hash == TokenHash::of(token) { device.token_seen_at } else { Timestamp::MIN_UTC };
        device.token_seen_at = before.max(carried_at);
    }
}

/// Whether the device asks to be active or not; `None`: it stays as it is.
fn wanted_status(old: Option<&Device>, change: &DeviceChange, verb: Verb) -> Option<DeviceStatus> {
    let Some(imported) = &change.imported else {
        return (verb == Verb::Put || change.token.is_some()).then_some(DeviceStatus::Active);
    };
    let active = |yes| Some(if yes { DeviceStatus::Active } else { DeviceStatus::Inactive });
    match old {
        None => active(!imported.inactive),
        Some(device) if device.status == DeviceStatus::Active => {
            let is_news = imported.last_seen_at.is_none_or(|at| at >= device.last_seen_at);
            if imported.inactive && is_news { active(false) } else { None }
        }
        // what Herald put to sleep stays asleep
        Some(device) => {
            if imported.inactive || device.inactive_reason.is_some() {
                None
            } else {
                active(true)
            }
        }
    }
}
