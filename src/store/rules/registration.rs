//! What a registration makes of a device: the rules, without the store.

use super::super::device::Registered;
use crate::domain::Timestamp;
use crate::domain::device::{
    Change, Device, DeviceChange, DeviceStatus, Environment, Imported, Permission, ProviderKind, PushToken, TokenHash,
};
use crate::domain::id::{DevicePk, PersonPk};
use crate::domain::principal::Principal;

/// How the change came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum Verb {
    /// A registration.
    Put,
    /// A change of single fields.
    Patch,
}

/// The parts that decide whether the change can be made at all.
pub(in crate::store) struct Address {
    /// Who carries pushes to it after the change.
    provider: ProviderKind,
    /// The address after the change.
    token: PushToken,
}

/// When the phone was last seen elsewhere, as far as an import says.
fn told(imported: &Imported) -> Option<Timestamp> {
    imported.last_seen_at.or(imported.created_at)
}

/// What is left of an import that tells of a time before the phone was last seen here: nothing that the phone may have changed since.
/// `None`: it is no such import.
pub(in crate::store) fn outdated(old: Option<&Device>, change: &DeviceChange) -> Option<DeviceChange> {
    let (old, imported) = (old?, change.imported.as_ref()?);
    let is_outdated = told(imported)? < old.last_seen_at;
    let inactive = old.status == DeviceStatus::Inactive;
    is_outdated.then(|| DeviceChange { imported: Some(Imported { inactive, ..imported.clone() }), ..DeviceChange::default() })
}

/// A change takes its token from a device that was seen with it no later than this; `None`: it takes none. A list that says nothing of the time
/// does not overrule whoever has the token.
pub(in crate::store) fn takes_until(change: &DeviceChange) -> Option<Timestamp> {
    change.token.as_ref()?;
    change.imported.as_ref().map_or(Some(Timestamp::MAX_UTC), told)
}

/// What the change says of the user, as far as the one who asks decides that; refused where the device is not theirs to register. What may
/// have been found out of it by being refused is that there is a device of this name.
pub(in crate::store) fn claim(old: Option<&Device>, name: &str, change: &DeviceChange, verb: Verb) -> Result<Change<String>, Registered> {
    let user = match &change.by {
        Principal::Backend => change.user.clone(),
        Principal::User { user, .. } => Change::Set(user.clone()),
        Principal::Installation { .. } => Change::Clear,
    };
    if change.by.is_bound_elsewhere(name) {
        return Err(Registered::OfAnotherDevice);
    }
    let is_theirs = old.is_none_or(|old| change.by.owns(old) || knows_token(old, change) || needs_no_proof(&change.by, verb));
    if is_theirs { Ok(user) } else { Err(Registered::OfAnotherUser) }
}

/// Whether the change carries the token that the device has: who knows it is on the device.
fn knows_token(old: &Device, change: &DeviceChange) -> bool {
    change.token.as_ref().is_some_and(|token| token.provider() == old.provider && TokenHash::of(token) == old.token_hash)
}

/// Whether the backend's word for this very device is enough: to sign out on it.
fn needs_no_proof(by: &Principal, verb: Verb) -> bool {
    match by {
        Principal::Backend => true,
        Principal::User { .. } => false,
        Principal::Installation { .. } => verb == Verb::Put,
    }
}

/// Checks what can be refused, before anything is written.
pub(in crate::store) fn check(old: Option<&Device>, change: &DeviceChange) -> Result<Address, Registered> {
    if old.is_none() && change.user.is_keep() {
        return Err(Registered::Missing("user_id"));
    }
    let platform = change.platform.or(old.map(|device| device.platform)).ok_or(Registered::Missing("platform"))?;
    let token = change.token.clone().or_else(|| old.map(|device| device.token.clone())).ok_or(Registered::Missing("token"))?;
    let kept = old.filter(|device| device.platform == platform).map(|device| device.provider);
    let provider = change.provider.or(kept).unwrap_or_else(|| platform.default_provider());
    if token.provider() == provider { Ok(Address { provider, token }) } else { Err(Registered::TokenOfOtherProvider) }
}

/// The device after the change; whether it is active is decided beside the others.
pub(in crate::store) fn changed(
    old: Option<&Device>,
    change: DeviceChange,
    address: Address,
    person: Option<PersonPk>,
    (verb, now): (Verb, Timestamp),
) -> Device {
    let seen = seen_at(&change, verb, now);
    let mut device = apply(old, change, address, person, now);
    device.last_seen_at = seen.map_or(device.last_seen_at, |seen| seen.max(device.last_seen_at));
    device
}

/// When the phone was seen by this change, if it was.
fn seen_at(change: &DeviceChange, verb: Verb, now: Timestamp) -> Option<Timestamp> {
    match &change.imported {
        Some(imported) => imported.last_seen_at.map(|seen| seen.min(now)),
        None => (verb == Verb::Put || change.token.is_some()).then_some(now),
    }
}

fn apply(old: Option<&Device>, change: DeviceChange, address: Address, person: Option<PersonPk>, now: Timestamp) -> Device {
    let imported = change.imported.unwrap_or_default();
    let token_hash = TokenHash::of(&address.token);
    let kept = |field: fn(&Device) -> &Option<String>| old.and_then(|device| field(device).clone());
    let owned = old.filter(|device| device.person == person);
    let environment = match change.environment {
        _ if address.provider != ProviderKind::Apns => Environment::Production,
        Change::Keep => old.map(|device| device.environment).unwrap_or_default(),
        Change::Clear => Environment::Production,
        Change::Set(value) => value,
    };
    let permission = change.permission.apply(old.map(|device| device.permission)).unwrap_or(Permission::Unknown);
    Device {
        pk: old.map_or(DevicePk(0), |device| device.pk),
        name: old.map(|device| device.name.clone()).unwrap_or_default(),
        person,
        user: None,
        platform: change.platform.or(old.map(|device| device.platform)).unwrap_or(crate::domain::device::Platform::Ios),
        provider: address.provider,
        environment,
        token_seen_at: token_seen(old, change.token.is_some(), &imported, (token_hash, now)),
        token: address.token,
        token_hash,
        permission,
        timezone: change.timezone.apply(kept(|device| &device.timezone)),
        locale: change.locale.apply(kept(|device| &device.locale)),
        app_version: change.app_version.apply(kept(|device| &device.app_version)),
        os_version: change.os_version.apply(kept(|device| &device.os_version)),
        model: change.model.apply(kept(|device| &device.model)),
        tags: change.tags.over(owned.map(|device| device.tags.clone()).unwrap_or_default()),
        status: old.map_or(DeviceStatus::Inactive, |device| device.status),
        inactive_reason: old.and_then(|device| device.inactive_reason),
        created_at: earliest(old.map(|device| device.created_at), imported.created_at).unwrap_or(now),
        updated_at: now,
        last_seen_at: old.map_or(imported.last_seen_at.unwrap_or(now), |device| device.last_seen_at),
        version: old.map_or(1, |device| device.version + 1),
    }
}

/// A registration that carries the token was seen now; an import knows only when the phone was last seen elsewhere,
/// and must not protect a token that died since.
fn token_seen(old: Option<&Device>, carried: bool, imported: &Imported, this: (TokenHash, Timestamp)) -> Timestamp {
    let (token_hash, now) = this;
    let before = old.filter(|device| device.token_hash == token_hash).map(|device| device.token_seen_at);
    if !carried {
        return before.unwrap_or(now);
    }
    before.max(Some(told(imported).unwrap_or(now).min(now))).unwrap_or(now)
}

fn earliest(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    a.into_iter().chain(b).min()
}

/// Whether the device asks to be active after the change; `None`: it stays as it is.
pub(in crate::store) fn wants(old: Option<&Device>, change: &DeviceChange, verb: Verb) -> Option<DeviceStatus> {
    let Some(imported) = &change.imported else {
        return (verb == Verb::Put || change.token.is_some()).then_some(DeviceStatus::Active);
    };
    match old {
        None => Some(if imported.inactive { DeviceStatus::Inactive } else { DeviceStatus::Active }),
        // what an import made inactive has no reason, and an import may undo it; what Herald deactivated it may not
        Some(device) if device.status == DeviceStatus::Inactive => {
            (device.inactive_reason.is_none() && !imported.inactive).then_some(DeviceStatus::Active)
        }
        // an older list does not overrule the phone itself
        Some(device) => {
            let newer = imported.last_seen_at.is_none_or(|seen| seen >= device.last_seen_at);
            (imported.inactive && newer).then_some(DeviceStatus::Inactive)
        }
    }
}
