//! A registration as a write: the device, and what it does to others.

use sqlx::sqlite::SqliteRow;

use super::super::device::Registered;
use super::super::rules::kept::device_text;
use super::super::rules::registration::{Verb, changed, check, claim, outdated, takes_until, wants};
use super::super::rules::version_key::version_key;
use super::super::rules::webhook_items::{Fact, registered};
use super::super::rules::words::{inactive_reason_text, permission_text, status_text};
use super::super::{Error, Result};
use super::batch::{Binds, execute, fetch, fetch_one};
use super::client_token;
use super::device::BY_NAME;
use super::device_row;
use super::device_token;
use super::fault::Gone;
use super::person;
use super::row::{Cells, instant, micros, to_document};
use super::topic;
use super::writer::Tx;
use crate::domain::Timestamp;
use crate::domain::device::{Change, Device, DeviceChange, DeviceStatus, InactiveReason, MAX_ACTIVE_DEVICES};
use crate::domain::id::{AppId, DevicePk};

pub(super) const HOLDER: &str =
    "SELECT pk FROM device WHERE app = ?1 AND provider = ?2 AND token_hash = ?3 AND status = 'active' AND pk <> ?4";
pub(super) const MOVE: &str = "UPDATE device SET status = 'inactive', inactive_reason = 'token_moved', updated_at = ?5, version = version + 1 \
                    WHERE app = ?1 AND provider = ?2 AND token_hash = ?3 AND status = 'active' AND pk <> ?4 AND token_seen_at <= ?6 RETURNING pk";
const INSERT: &str = "INSERT INTO device (app, name, status, created_at, updated_at, last_seen_at) VALUES (?1, ?2, 'inactive', ?3, ?3, ?3)";
const UPDATE: &str = "UPDATE device SET person_since = iif(person_pk IS ?2, person_since, ?19), person_pk = ?2, \
                      preferences = iif(?2 IS NULL, preferences, NULL), \
                      preferences_version = preferences_version + (?2 IS NOT NULL AND preferences IS NOT NULL), status = ?3, inactive_reason = ?4, platform = ?5, provider = ?6, environment = ?7, \
                      token = ?8, token_hash = ?9, token_seen_at = ?10, permission = ?11, timezone = ?12, locale = ?13, app_version = ?14, \
                      os_version = ?15, model = ?16, tags = ?17, created_at = ?18, updated_at = ?19, last_seen_at = ?20, version = ?21, \
                      app_version_key = ?22, os_version_key = ?23 \
                      WHERE pk = ?1";
pub(super) const CROWD: &str = "UPDATE device SET status = 'inactive', inactive_reason = 'too_many_devices', updated_at = ?3, version = version + 1 \
                     WHERE pk IN (SELECT pk FROM device WHERE person_pk = ?1 AND status = 'active' \
                     ORDER BY last_seen_at DESC, pk = ?2 DESC, pk DESC LIMIT -1 OFFSET ?4) RETURNING pk";

/// Registers a device, or changes one that is there; what webhooks may want to be told of it is added to `news`.
pub(super) async fn register(
    tx: &mut Tx<'_>,
    app: AppId,
    name: &str,
    mut change: DeviceChange,
    (verb, if_match): (Verb, Option<i64>),
    news: &mut Vec<Fact<'_>>,
) -> Result<Registered> {
    let row = fetch_one(tx.conn, BY_NAME, by_name(app, name)).await?;
    let named = row.as_ref().map(|row| Cells::new(row, "device", 0).get(0, "pk").map(DevicePk)).transpose()?;
    let old = row.as_ref().map_or(Ok(None), |row| device_row::read(row, tx.seal))?;
    let before = row.as_ref().zip(old.as_ref()).map(|(row, old)| device_row::kept(row, old)).transpose()?;
    change.user = match claim(old.as_ref(), name, &change, verb) {
        Ok(user) => user,
        Err(refused) => return Ok(refused),
    };
    if if_match.is_some_and(|version| old.as_ref().is_none_or(|device| device.version != version)) {
        return Ok(Registered::Stale);
    }
    if let Some(rest) = outdated(old.as_ref(), &change) {
        change = rest;
    }
    let address = match check(old.as_ref(), &change) {
        Ok(address) => address,
        Err(refused) => return Ok(refused),
    };
    let person = match &change.user {
        Change::Keep => old.as_ref().and_then(|device| device.person),
        Change::Clear => None,
        Change::Set(user) => Some(person::ensure(tx, app, user).await?),
    };
    let wanted = wants(old.as_ref(), &change, verb);
    let until = takes_until(&change);
    let mut device = changed(old.as_ref(), change, address, person, (verb, instant(tx.now).unwrap_or_default()));
    name.clone_into(&mut device.name);
    device.pk = match named {
        Some(pk) => pk,
        None => insert(tx, app, name).await?,
    };
    let moved = settle_status(tx, app, &mut device, (wanted, until)).await?;
    let text = device_text(tx.seal, app, &device, before.as_ref())?;
    update(tx, &device, &text).await?;
    if let Some(old) = old.as_ref().filter(|old| old.person != device.person) {
        start_clean(tx, old).await?;
    }
    let mut crowded = Vec::new();
    if let (Some(person), DeviceStatus::Active) = (device.person, device.status) {
        let crowd = fetch(tx.conn, CROWD, |binds| {
            binds.push(person.0).push(device.pk.0).push(tx.now).push(i64::try_from(MAX_ACTIVE_DEVICES).unwrap_or(i64::MAX));
        });
        crowded = numbers(&crowd.await?)?;
    }
    let row = fetch_one(tx.conn, BY_NAME, by_name(app, name)).await?;
    let device = row.as_ref().map_or(Ok(None), |row| device_row::read(row, tx.seal))?.ok_or_else(|| Error::Refused(Box::new(Gone)))?;
    let at = instant(tx.now).unwrap_or_default();
    let others = [(moved, InactiveReason::TokenMoved), (crowded, InactiveReason::TooManyDevices)];
    for (numbers, reason) in others {
        let others = numbers.into_iter().filter(|number| *number != device.pk);
        news.extend(others.map(|device| Fact::Deactivated { app, device, reason, at }));
    }
    news.extend(registered(app, old.as_ref().is_some_and(|old| old.status == DeviceStatus::Active), &device, at));
    Ok(if old.is_some() { Registered::Updated(Box::new(device)) } else { Registered::Created(Box::new(device)) })
}

/// A device's number; the row is made where there is none, and is a mere name then.
pub(super) async fn ensure(tx: &mut Tx<'_>, app: AppId, name: &str) -> Result<DevicePk> {
    match fetch_one(tx.conn, BY_NAME, by_name(app, name)).await? {
        Some(row) => Cells::new(&row, "device", 0).get(0, "pk").map(DevicePk),
        None => insert(tx, app, name).await,
    }
}

/// What was its last user's goes.
async fn start_clean(tx: &mut Tx<'_>, old: &Device) -> Result<()> {
    device_token::forget_all(tx, old.pk).await?;
    topic::forget_device(tx, old.pk).await?;
    if let Some(person) = old.person {
        client_token::revoke_user_of_device(tx, old.pk, person).await?;
    }
    Ok(())
}

fn by_name(app: AppId, name: &str) -> impl Fn(&mut Binds) + Send + '_ {
    move |binds| {
        binds.push(app.0).push(name);
    }
}

/// Makes it active or inactive; who lost the token to it. From the device that has its token it takes it only if that was seen with it no later than `until`.
async fn settle_status(
    tx: &mut Tx<'_>,
    app: AppId,
    device: &mut Device,
    (wanted, until): (Option<DeviceStatus>, Option<Timestamp>),
) -> Result<Vec<DevicePk>> {
    if wanted == Some(DeviceStatus::Inactive) {
        (device.status, device.inactive_reason) = (DeviceStatus::Inactive, None);
    }
    let active = wanted.unwrap_or(device.status) == DeviceStatus::Active;
    if !active {
        return Ok(Vec::new());
    }
    let mut losers = Vec::new();
    let holder = |binds: &mut Binds| {
        binds.push(app.0).push(device.provider.as_str()).push(device.token_hash.0.as_slice()).push(device.pk.0);
    };
    if let Some(until) = until {
        let moved = fetch(tx.conn, MOVE, |binds| {
            holder(binds);
            binds.push(tx.now).push(micros(until));
        });
        losers = numbers(&moved.await?)?;
    }
    if until != Some(Timestamp::MAX_UTC) && fetch_one(tx.conn, HOLDER, holder).await?.is_some() {
        (device.status, device.inactive_reason) = (DeviceStatus::Inactive, Some(InactiveReason::TokenMoved));
        return Ok(losers);
    }
    (device.status, device.inactive_reason) = (DeviceStatus::Active, None);
    Ok(losers)
}

fn numbers(rows: &[SqliteRow]) -> Result<Vec<DevicePk>> {
    rows.iter().map(|row| Cells::new(row, "device", 0).get(0, "pk").map(DevicePk)).collect()
}

async fn insert(tx: &mut Tx<'_>, app: AppId, name: &str) -> Result<DevicePk> {
    let insert = execute(tx.conn, INSERT, |binds| {
        binds.push(app.0).push(name).push(tx.now);
    });
    insert.await?;
    let row = fetch_one(tx.conn, BY_NAME, by_name(app, name)).await?;
    let row = row.ok_or_else(|| Error::Refused(Box::new(Gone)))?;
    Cells::new(&row, "device", 0).get(0, "pk").map(DevicePk)
}

async fn update(tx: &mut Tx<'_>, device: &Device, token: &str) -> Result<()> {
    let tags = to_document(&device.tags)?;
    let write = execute(tx.conn, UPDATE, |binds| {
        binds.push(device.pk.0).push(device.person.map(|person| person.0)).push(status_text(device.status));
        binds.push(device.inactive_reason.map(inactive_reason_text)).push(device.platform.as_str()).push(device.provider.as_str());
        binds.push(device.environment.as_str()).push(token).push(device.token_hash.0.as_slice());
        binds.push(micros(device.token_seen_at)).push(permission_text(device.permission)).push(device.timezone.as_deref());
        binds.push(device.locale.as_deref()).push(device.app_version.as_deref()).push(device.os_version.as_deref());
        binds.push(device.model.as_deref()).push(&tags).push(micros(device.created_at)).push(micros(device.updated_at));
        binds.push(micros(device.last_seen_at)).push(device.version);
        binds.push(version_key(device.app_version.as_deref())).push(version_key(device.os_version.as_deref()));
    });
    write.await?;
    Ok(())
}
