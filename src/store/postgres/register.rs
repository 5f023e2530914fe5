//! A registration as a write: the device, and what it does to others.
//!
//! What is locked, in this order: the device's row, its token, the token's holder, the families of client tokens of its last user, its person,
//! the person's devices by number. A phone that registers again with the token it has locks its own row alone.

use sqlx::postgres::PgRow;

use super::super::device::Registered;
use super::super::rules::kept::{KeptToken, device_text};
use super::super::rules::registration::{Address, Verb, changed, check, claim, outdated, takes_until, wants};
use super::super::rules::version_key::version_key;
use super::super::rules::webhook_items::{Fact, registered};
use super::super::rules::words::{inactive_reason_text, permission_text, status_text};
use super::super::{Error, Result};
use super::batch::{Binds, count, execute, fetch, fetch_one};
use super::client_token;
use super::device_row::{self, device_columns};
use super::device_token;
use super::fault::{Gone, Unsettled};
use super::person;
use super::row::{Cells, to_document};
use super::topic;
use super::tx::Tx;
use crate::domain::Timestamp;
use crate::domain::device::{Change, Device, DeviceChange, DeviceStatus, InactiveReason, MAX_ACTIVE_DEVICES, TokenHash};
use crate::domain::id::{AppId, DevicePk, PersonPk};

pub(super) const LOCKED: &str = concat!("SELECT ", device_columns!(), " FROM device d WHERE d.app = $1 AND d.name = $2 FOR UPDATE");
pub(super) const ADD: &str = "INSERT INTO device (app, name, status, created_at, updated_at, last_seen_at) VALUES ($1, $2, 'inactive', $3, $3, $3) \
                   ON CONFLICT (app, name) DO NOTHING";
/// Those who bring the same token come one after the other: a row cannot be locked that is not there yet.
const TOKEN: &str = "SELECT pg_advisory_xact_lock($1)";
pub(super) const HOLDER: &str =
    "SELECT pk FROM device WHERE app = $1 AND provider = $2 AND token_hash = $3 AND status = 'active' AND pk <> $4";
pub(super) const MOVE: &str = "UPDATE device SET status = 'inactive', inactive_reason = 'token_moved', updated_at = $5, version = version + 1 \
                    WHERE app = $1 AND provider = $2 AND token_hash = $3 AND status = 'active' AND pk <> $4 AND token_seen_at <= $6 RETURNING pk";
pub(super) const UPDATE: &str = concat!(
    "UPDATE device d SET person_since = CASE WHEN person_pk IS NOT DISTINCT FROM $2 THEN person_since ELSE $19 END, person_pk = $2, \
     preferences = CASE WHEN $2 IS NULL THEN preferences END, \
     preferences_version = preferences_version + CASE WHEN $2 IS NULL OR preferences IS NULL THEN 0 ELSE 1 END, \
     status = $3, inactive_reason = $4, platform = $5, provider = $6, environment = $7, token = $8, token_hash = $9, token_seen_at = $10, \
     permission = $11, timezone = $12, locale = $13, app_version = $14, os_version = $15, model = $16, tags = $17::jsonb, created_at = $18, \
     updated_at = $19, last_seen_at = $20, version = $21, app_version_key = $22, os_version_key = $23 WHERE d.pk = $1 RETURNING ",
    device_columns!()
);
pub(super) const PERSON: &str = "SELECT pk FROM person WHERE pk = $1 FOR NO KEY UPDATE";
pub(super) const ACTIVE: &str =
    "SELECT count(*) FROM (SELECT 1 FROM device WHERE person_pk = $1 AND coalesce(status, '') = 'active' LIMIT $2 + 1) active";
/// The rows are locked before they are compared, since their phones may be registering as well.
pub(super) const CROWD: &str = "WITH active AS MATERIALIZED (SELECT pk, last_seen_at FROM device WHERE person_pk = $1 AND coalesce(status, '') = 'active' ORDER BY pk FOR UPDATE), \
                     longest_unseen AS (SELECT pk FROM active ORDER BY last_seen_at DESC, pk = $2 DESC, pk DESC OFFSET $4) \
                     UPDATE device d SET status = 'inactive', inactive_reason = 'too_many_devices', updated_at = $3, version = version + 1 \
                     FROM longest_unseen WHERE d.pk = longest_unseen.pk RETURNING d.pk";

/// How often a device that others make and forget all the while is looked for.
const ROUNDS: usize = 8;

/// A row that is locked: its number, and its device unless it is a mere name.
struct Row {
    pk: DevicePk,
    device: Option<Device>,
    kept: Option<KeptToken>,
}

/// Registers a device, or changes one that is there; what webhooks may want to be told of it is added to `news`.
pub(super) async fn register(
    tx: &mut Tx,
    app: AppId,
    name: &str,
    mut change: DeviceChange,
    (verb, if_match): (Verb, Option<i64>),
    news: &mut Vec<Fact<'_>>,
) -> Result<Registered> {
    for _ in 0..ROUNDS {
        let row = locked(tx, app, name).await?;
        let old = row.as_ref().and_then(|row| row.device.as_ref());
        change.user = match claim(old, name, &change, verb) {
            Ok(user) => user,
            Err(refused) => return Ok(refused),
        };
        if if_match.is_some_and(|version| old.is_none_or(|device| device.version != version)) {
            return Ok(Registered::Stale);
        }
        if let Some(rest) = outdated(old, &change) {
            change = rest;
        }
        let address = match check(old, &change) {
            Ok(address) => address,
            Err(refused) => return Ok(refused),
        };
        if let Some(row) = row {
            return settle(tx, (app, name), row, change, (address, verb), news).await;
        }
        let now = tx.now;
        execute(tx, ADD, |binds| {
            binds.push(app.0).push(name).push(now);
        })
        .await?;
    }
    Err(Error::Unavailable(Box::new(Unsettled)))
}

/// Locks a device's row; `None` where there is none, or a mere name.
pub(super) async fn locked_device(tx: &mut Tx, app: AppId, name: &str) -> Result<Option<Device>> {
    Ok(locked(tx, app, name).await?.and_then(|row| row.device))
}

async fn locked(tx: &mut Tx, app: AppId, name: &str) -> Result<Option<Row>> {
    let row = fetch_one(tx, LOCKED, |binds| {
        binds.push(app.0).push(name);
    });
    let Some(row) = row.await? else { return Ok(None) };
    let device = device_row::read(&row, &tx.seal)?;
    let kept = device.as_ref().map(|device| device_row::kept(&row, device)).transpose()?;
    Ok(Some(Row { pk: DevicePk(Cells::new(&row, "device", 0).get(0, "pk")?), device, kept }))
}

/// Writes the change to a locked row, and what it means for others.
async fn settle(
    tx: &mut Tx,
    (app, name): (AppId, &str),
    row: Row,
    change: DeviceChange,
    (address, verb): (Address, Verb),
    news: &mut Vec<Fact<'_>>,
) -> Result<Registered> {
    let old = row.device.as_ref();
    let person = match &change.user {
        Change::Keep => old.and_then(|device| device.person),
        Change::Clear => None,
        Change::Set(user) => match old.filter(|device| device.user.as_ref() == Some(user)) {
            Some(device) => device.person,
            None => Some(person::ensure(tx, app, user).await?),
        },
    };
    let wanted = wants(old, &change, verb);
    let until = takes_until(&change);
    let mut device = changed(old, change, address, person, (verb, tx.now));
    (device.pk, device.name) = (row.pk, name.to_owned());
    let moved = settle_status(tx, app, &mut device, old, (wanted, until)).await?;
    let at = tx.now;
    news.extend(moved.into_iter().map(|device| Fact::Deactivated { app, device, reason: InactiveReason::TokenMoved, at }));
    let text = device_text(&tx.seal, app, &device, row.kept.as_ref())?;
    let device = update(tx, &device, &text).await?;
    if let Some(old) = old.filter(|old| old.person != device.person) {
        start_clean(tx, old).await?;
    }
    let device = match device.person {
        Some(person) if is_active(&device) && !old.is_some_and(|old| is_active(old) && old.person == device.person) => {
            make_room(tx, app, person, device, news).await?
        }
        _ => device,
    };
    news.extend(registered(app, old.is_some_and(is_active), &device, at));
    Ok(if old.is_some() { Registered::Updated(Box::new(device)) } else { Registered::Created(Box::new(device)) })
}

/// What was its last user's goes.
async fn start_clean(tx: &mut Tx, old: &Device) -> Result<()> {
    device_token::forget_all(tx, old.pk).await?;
    topic::forget_device(tx, old.pk).await?;
    if let Some(person) = old.person {
        client_token::revoke_user_of_device(tx, old.pk, person).await?;
    }
    Ok(())
}

fn is_active(device: &Device) -> bool {
    device.status == DeviceStatus::Active
}

/// Makes it active or inactive; who lost the token to it. From the device that has its token it takes it only if that was seen with it no later than `until`.
async fn settle_status(
    tx: &mut Tx,
    app: AppId,
    device: &mut Device,
    old: Option<&Device>,
    (wanted, until): (Option<DeviceStatus>, Option<Timestamp>),
) -> Result<Vec<DevicePk>> {
    if wanted == Some(DeviceStatus::Inactive) {
        (device.status, device.inactive_reason) = (DeviceStatus::Inactive, None);
    }
    if wanted.unwrap_or(device.status) == DeviceStatus::Inactive {
        return Ok(Vec::new());
    }
    let mut losers = Vec::new();
    let address = |device: &Device| (device.provider, device.token_hash);
    // nobody else can hold what an active device holds
    let is_holder = old.is_some_and(|old| is_active(old) && address(old) == address(device));
    if !is_holder {
        hold_token(tx, &device.token_hash).await?;
        let may_have_it;
        (may_have_it, losers) = take_token(tx, app, device, until).await?;
        if !may_have_it {
            (device.status, device.inactive_reason) = (DeviceStatus::Inactive, Some(InactiveReason::TokenMoved));
            return Ok(losers);
        }
    }
    (device.status, device.inactive_reason) = (DeviceStatus::Active, None);
    Ok(losers)
}

fn numbers(rows: &[PgRow]) -> Result<Vec<DevicePk>> {
    rows.iter().map(|row| Cells::new(row, "device", 0).get(0, "pk").map(DevicePk)).collect()
}

/// Waits for others who bring the same token, and has them wait.
pub(super) async fn hold_token(tx: &mut Tx, hash: &TokenHash) -> Result<()> {
    execute(tx, TOKEN, |binds| {
        binds.push(lock_number(hash));
    })
    .await?;
    Ok(())
}

/// Whether the device may have its token now, and from whom it took it.
async fn take_token(tx: &mut Tx, app: AppId, device: &Device, until: Option<Timestamp>) -> Result<(bool, Vec<DevicePk>)> {
    let now = tx.now;
    let holder = |binds: &mut Binds| {
        binds.push(app.0).push(device.provider.as_str()).push(device.token_hash.0.as_slice()).push(device.pk.0);
    };
    let mut losers = Vec::new();
    if let Some(until) = until {
        let moved = fetch(tx, MOVE, |binds| {
            holder(binds);
            binds.push(now).push(until);
        });
        losers = numbers(&moved.await?)?;
    }
    Ok((until == Some(Timestamp::MAX_UTC) || fetch_one(tx, HOLDER, holder).await?.is_none(), losers))
}

/// The server's locks have numbers: that two tokens share one costs a wait.
fn lock_number(hash: &TokenHash) -> i64 {
    hash.0.iter().take(8).fold(0, |number, byte| (number << 8) | i64::from(*byte))
}

async fn update(tx: &mut Tx, device: &Device, token: &str) -> Result<Device> {
    let tags = to_document(&device.tags)?;
    let row = fetch_one(tx, UPDATE, |binds| {
        binds.push(device.pk.0).push(device.person.map(|person| person.0)).push(status_text(device.status));
        binds.push(device.inactive_reason.map(inactive_reason_text)).push(device.platform.as_str()).push(device.provider.as_str());
        binds.push(device.environment.as_str()).push(token).push(device.token_hash.0.as_slice());
        binds.push(device.token_seen_at).push(permission_text(device.permission)).push(device.timezone.as_deref());
        binds.push(device.locale.as_deref()).push(device.app_version.as_deref()).push(device.os_version.as_deref());
        binds.push(device.model.as_deref()).push(&tags).push(device.created_at).push(device.updated_at);
        binds.push(device.last_seen_at).push(device.version);
        binds.push(version_key(device.app_version.as_deref())).push(version_key(device.os_version.as_deref()));
    });
    let row = row.await?;
    row.map_or(Ok(None), |row| device_row::read(&row, &tx.seal))?.ok_or_else(|| Error::Refused(Box::new(Gone)))
}

/// Deactivates the longest unseen devices of a person who has one too many by now; the device as it is after that.
async fn make_room(tx: &mut Tx, app: AppId, person: PersonPk, device: Device, news: &mut Vec<Fact<'_>>) -> Result<Device> {
    let now = tx.now;
    let most = count(MAX_ACTIVE_DEVICES);
    // two that come at the same time are counted one after the other
    let row = fetch_one(tx, PERSON, |binds| {
        binds.push(person.0);
    });
    // erased since the device was given to them
    row.await?.ok_or_else(|| Error::Unavailable(Box::new(Unsettled)))?;
    let active = fetch_one(tx, ACTIVE, |binds| {
        binds.push(person.0).push(most);
    });
    let active: i64 = active.await?.map_or(Ok(0), |row| Cells::new(&row, "device", 0).get(0, "pk"))?;
    if active <= most {
        return Ok(device);
    }
    let crowd = fetch(tx, CROWD, |binds| {
        binds.push(person.0).push(device.pk.0).push(now).push(most);
    });
    let others = numbers(&crowd.await?)?.into_iter().filter(|number| *number != device.pk);
    news.extend(others.map(|device| Fact::Deactivated { app, device, reason: InactiveReason::TooManyDevices, at: now }));
    locked(tx, app, &device.name).await?.and_then(|row| row.device).ok_or_else(|| Error::Refused(Box::new(Gone)))
}
