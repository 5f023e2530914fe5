//! Many registrations at once. Those that touch nothing but themselves are written together; the others one by one, as if alone.

use std::collections::{HashMap, HashSet};

use super::super::Result;
use super::super::device::Registered;
use super::super::rules::crowd::{Crowd, Fate, Surroundings, names, news};
use super::super::rules::kept::{KeptToken, device_text};
use super::super::rules::registration::Verb;
use super::super::rules::version_key::version_key;
use super::super::rules::webhook_items::{Fact, registered};
use super::super::rules::words::{inactive_reason_text, permission_text, status_text};
use super::super::seal::Seal;
use super::batch::{Binds, Tuples, fetch, fetch_list, no_lead};
use super::device_row::{self, device_columns};
use super::json::List;
use super::person;
use super::register::register;
use super::row::{Cells, instant, micros, to_document};
use super::webhook_items;
use super::writer::Tx;
use crate::domain::device::{Device, DeviceChange, DeviceStatus, TokenHash};
use crate::domain::id::{AppId, DevicePk, PersonPk};

pub(super) const THERE: &str = concat!(
    "SELECT ",
    device_columns!(),
    " FROM json_each(?2) j CROSS JOIN device d ON d.app = ?1 AND d.name = j.value LEFT JOIN person p ON p.pk = d.person_pk"
);
pub(super) const NUMBERS: &str = "SELECT json_group_array(json_array(d.name, d.pk)) FROM json_each(?2) j \
                                  CROSS JOIN device d ON d.app = ?1 AND d.name = j.value";
pub(super) const HELD: &str = "SELECT json_group_array(j.value) FROM json_each(?2) j CROSS JOIN device d ON d.app = ?1 \
                               AND d.provider IN ('apns', 'fcm', 'webpush') AND d.token_hash = unhex(j.value) AND d.status = 'active'";
pub(super) const OWNERS: &str = "SELECT json_group_array(json_array(p.name, p.pk, \
                                 (SELECT count(*) FROM device d WHERE d.person_pk = p.pk AND d.status = 'active'))) \
                                 FROM json_each(?2) j CROSS JOIN person p ON p.app = ?1 AND p.name = j.value";
const INSERT: Tuples = Tuples {
    head: "INSERT INTO device (app, name, person_pk, status, inactive_reason, platform, provider, environment, token, token_hash, \
           token_seen_at, permission, timezone, locale, app_version, os_version, model, tags, created_at, updated_at, last_seen_at, version, app_version_key, \
           os_version_key, person_since) \
           VALUES ",
    width: 25,
    tail: "",
};
/// Their people stay.
pub(super) const CHANGE: Tuples = Tuples {
    head: "UPDATE device SET status = new.column2, inactive_reason = new.column3, platform = new.column4, provider = new.column5, \
           environment = new.column6, token = new.column7, token_hash = new.column8, token_seen_at = new.column9, permission = new.column10, \
           timezone = new.column11, locale = new.column12, app_version = new.column13, os_version = new.column14, model = new.column15, \
           tags = new.column16, created_at = new.column17, updated_at = new.column18, last_seen_at = new.column19, version = new.column20, \
           app_version_key = new.column21, os_version_key = new.column22 \
           FROM (VALUES ",
    width: 22,
    tail: ") AS new WHERE device.pk = new.column1",
};

/// Registers many, answered in order.
pub(super) async fn enroll(tx: &mut Tx<'_>, app: AppId, changes: Vec<(String, DeviceChange)>) -> Result<Vec<Registered>> {
    let There { devices: there, kept } = there(tx, app, &changes).await?;
    let active = active(&there);
    let changes_left = news(&changes, &there);
    let crowd = Crowd::new(&changes_left, there);
    let around = Surroundings { held: held(tx, app, &crowd).await?, owners: owners(tx, app, &crowd).await? };
    let (mut fresh, mut known, mut others) = (Vec::new(), Vec::new(), Vec::new());
    for (place, fate) in crowd.fates(&around, instant(tx.now).unwrap_or_default()).into_iter().enumerate() {
        match fate {
            Fate::New(device) => fresh.push((place, device)),
            Fate::Known(device) => known.push((place, device)),
            Fate::Beside => others.push(place),
        }
    }
    insert(tx, app, &mut fresh).await?;
    change(tx, app, &known, &kept).await?;
    let now = instant(tx.now).unwrap_or_default();
    let devices = fresh.iter().chain(&known).map(|(_, device)| device);
    let mut news: Vec<Fact<'_>> = devices.filter_map(|device| registered(app, active.contains(&device.name), device, now)).collect();
    let created = fresh.into_iter().map(|(place, device)| (place, Registered::Created(Box::new(device))));
    let updated = known.into_iter().map(|(place, device)| (place, Registered::Updated(Box::new(device))));
    let mut answers: Vec<(usize, Registered)> = created.chain(updated).collect();
    for place in others {
        let Some((name, change)) = changes.get(place) else { continue };
        answers.push((place, register(tx, app, name, change.clone(), (Verb::Put, None), &mut news).await?));
    }
    webhook_items::tell(tx, &news).await?;
    answers.sort_unstable_by_key(|(place, _)| *place);
    Ok(answers.into_iter().map(|(_, answer)| answer).collect())
}

/// Who is active of them, by name.
fn active(there: &HashMap<String, Option<Device>>) -> HashSet<String> {
    let is_active = |device: &Option<Device>| device.as_ref().is_some_and(|device| device.status == DeviceStatus::Active);
    there.iter().filter(|(_, device)| is_active(device)).map(|(name, _)| name.clone()).collect()
}

/// The rows that have the names of a batch.
#[derive(Default)]
struct There {
    /// `None`: a mere name.
    devices: HashMap<String, Option<Device>>,
    kept: HashMap<DevicePk, KeptToken>,
}

/// Reads the rows that have these names.
async fn there(tx: &mut Tx<'_>, app: AppId, changes: &[(String, DeviceChange)]) -> Result<There> {
    let list = List::of_texts(names(changes));
    let rows = fetch(tx.conn, THERE, |binds| {
        binds.push(app.0).push(&list);
    });
    let mut there = There::default();
    for row in &rows.await? {
        let device = device_row::read(row, tx.seal)?;
        if let Some(device) = &device {
            there.kept.insert(device.pk, device_row::kept(row, device)?);
        }
        there.devices.insert(Cells::new(row, "device", 0).get(1, "name")?, device);
    }
    Ok(there)
}

async fn held(tx: &mut Tx<'_>, app: AppId, crowd: &Crowd<'_>) -> Result<HashSet<TokenHash>> {
    let by_hex: HashMap<String, TokenHash> = crowd.tokens().map(|hash| (hex::encode(hash.0), hash)).collect();
    if by_hex.is_empty() {
        return Ok(HashSet::new());
    }
    let list = List::of_texts(by_hex.keys().map(String::as_str));
    let held: Vec<String> = fetch_list(tx.conn, HELD, "device", |binds| {
        binds.push(app.0).push(&list);
    })
    .await?;
    Ok(held.iter().filter_map(|text| by_hex.get(text).copied()).collect())
}

/// The users who may have more devices; their rows are made where there are none.
async fn owners(tx: &mut Tx<'_>, app: AppId, crowd: &Crowd<'_>) -> Result<HashMap<String, (PersonPk, usize)>> {
    let people: Vec<(AppId, String)> = crowd.users().map(|user| (app, user.to_owned())).collect();
    if people.is_empty() {
        return Ok(HashMap::new());
    }
    person::add(tx, &people).await?;
    let list = List::of_texts(crowd.users());
    let found: Vec<(String, i64, usize)> = fetch_list(tx.conn, OWNERS, "person", |binds| {
        binds.push(app.0).push(&list);
    })
    .await?;
    Ok(found.into_iter().map(|(user, pk, active)| (user, (PersonPk(pk), active))).collect())
}

/// Writes new devices and learns their numbers.
async fn insert(tx: &mut Tx<'_>, app: AppId, devices: &mut [(usize, Device)]) -> Result<()> {
    if devices.is_empty() {
        return Ok(());
    }
    let one = |binds: &mut Binds, Row { device, tags, token }: &Row<'_>| {
        binds.push(app.0).push(&device.name).push(device.person.map(|person| person.0));
        bind(binds, device, tags, token);
        binds.push(micros(device.updated_at));
    };
    INSERT.execute(tx.conn, &rows(tx.seal, app, devices, &HashMap::new())?, no_lead, one).await?;
    let list = List::of_texts(devices.iter().map(|(_, device)| device.name.as_str()));
    let numbers: Vec<(String, i64)> = fetch_list(tx.conn, NUMBERS, "device", |binds| {
        binds.push(app.0).push(&list);
    })
    .await?;
    let numbers: HashMap<String, i64> = numbers.into_iter().collect();
    for (_, device) in devices {
        device.pk = numbers.get(&device.name).map_or(device.pk, |pk| DevicePk(*pk));
    }
    Ok(())
}

/// Writes devices that are there.
async fn change(tx: &mut Tx<'_>, app: AppId, devices: &[(usize, Device)], kept: &HashMap<DevicePk, KeptToken>) -> Result<()> {
    let one = |binds: &mut Binds, Row { device, tags, token }: &Row<'_>| {
        binds.push(device.pk.0);
        bind(binds, device, tags, token);
    };
    CHANGE.execute(tx.conn, &rows(tx.seal, app, devices, kept)?, no_lead, one).await?;
    Ok(())
}

/// A device, and the texts that keep its tags and its token.
struct Row<'d> {
    device: &'d Device,
    tags: String,
    token: String,
}

fn rows<'d>(seal: &Seal, app: AppId, devices: &'d [(usize, Device)], kept: &HashMap<DevicePk, KeptToken>) -> Result<Vec<Row<'d>>> {
    let row = |(_, device): &'d (usize, Device)| {
        let token = device_text(seal, app, device, kept.get(&device.pk))?;
        Ok(Row { device, tags: to_document(&device.tags)?, token })
    };
    devices.iter().map(row).collect()
}

/// The columns that stand for a device, from its status on.
fn bind(binds: &mut Binds, device: &Device, tags: &str, token: &str) {
    binds.push(status_text(device.status));
    binds.push(device.inactive_reason.map(inactive_reason_text)).push(device.platform.as_str()).push(device.provider.as_str());
    binds.push(device.environment.as_str()).push(token).push(device.token_hash.0.as_slice());
    binds.push(micros(device.token_seen_at)).push(permission_text(device.permission)).push(device.timezone.as_deref());
    binds.push(device.locale.as_deref()).push(device.app_version.as_deref()).push(device.os_version.as_deref());
    binds.push(device.model.as_deref()).push(tags).push(micros(device.created_at)).push(micros(device.updated_at));
    binds.push(micros(device.last_seen_at)).push(device.version);
    binds.push(version_key(device.app_version.as_deref())).push(version_key(device.os_version.as_deref()));
}
