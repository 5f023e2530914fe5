//! Many registrations at once. Those that touch nothing but themselves are written together; the others one by one, as if alone.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::super::Result;
use super::super::device::Registered;
use super::super::rules::crowd::{Crowd, Fate, Surroundings, names, news};
use super::super::rules::kept::{KeptToken, device_text};
use super::super::rules::registration::Verb;
use super::super::rules::version_key::version_key;
use super::super::rules::webhook_items::{Fact, registered};
use super::super::rules::words::{inactive_reason_text, permission_text, status_text};
use super::super::seal::Seal;
use super::batch::{Binds, execute, fetch, nothing};
use super::device_row::{self, device_columns};
use super::person;
use super::register::register;
use super::row::{Cells, to_document};
use super::tx::Tx;
use super::webhook_items;
use crate::domain::device::{Device, DeviceChange, DeviceStatus, TokenHash};
use crate::domain::id::{AppId, DevicePk, PersonPk};

/// A first import fills a table that was empty when the plans were made, and then all indexes that begin with the app cost the same. Over
/// so many rows it costs little to plan by the sizes of the moment.
const FRESH_PLANS: &str = "SET LOCAL plan_cache_mode = force_custom_plan";
/// Locks those that are there, in order, so that batches of the same devices wait for each other in one direction only.
pub(super) const THERE: &str = concat!(
    "SELECT ",
    device_columns!(),
    " FROM unnest($2::text[]) AS ask (name) \
     CROSS JOIN LATERAL (SELECT * FROM device WHERE app = $1 AND name = ask.name LIMIT 1 FOR UPDATE) d"
);
/// Provider by provider: looked for in a list of them, a plan made while the table was empty reads all of an app's tokens for each.
pub(super) const HELD: &str = "SELECT ask.hash FROM unnest($2::bytea[]) AS ask (hash) CROSS JOIN unnest('{apns,fcm,webpush}'::text[]) AS kind (provider) CROSS JOIN LATERAL (SELECT 1 FROM device WHERE app = $1 \
                               AND provider = kind.provider AND token_hash = ask.hash AND status = 'active' LIMIT 1) d";
/// Locks them, in order: nobody else counts their devices meanwhile.
pub(super) const OWNERS: &str = "SELECT p.pk, p.name FROM unnest($2::text[]) AS ask (name) \
                                 CROSS JOIN LATERAL (SELECT pk, name FROM person WHERE app = $1 AND name = ask.name LIMIT 1 FOR NO KEY UPDATE) p";
pub(super) const ACTIVE: &str = "SELECT ask.pk, (SELECT count(*) FROM device d WHERE d.person_pk = ask.pk AND coalesce(d.status, '') = 'active') \
                                 FROM unnest($1::bigint[]) AS ask (pk)";
const INSERT: &str = "INSERT INTO device (app, name, person_pk, status, inactive_reason, platform, provider, environment, token, token_hash, \
                      token_seen_at, permission, timezone, locale, app_version, os_version, model, tags, created_at, updated_at, last_seen_at, \
                      version, app_version_key, os_version_key, person_since) \
                      SELECT $1, name, person_pk, status, inactive_reason, platform, provider, environment, token, token_hash, token_seen_at, \
                      permission, timezone, locale, app_version, os_version, model, tags::jsonb, created_at, updated_at, last_seen_at, version, \
                      app_version_key, os_version_key, updated_at \
                      FROM unnest($2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::bytea[], \
                      $11::timestamptz[], $12::text[], $13::text[], $14::text[], $15::text[], $16::text[], $17::text[], $18::text[], \
                      $19::timestamptz[], $20::timestamptz[], $21::timestamptz[], $22::bigint[], $23::text[], \
                      $24::text[]) AS new (name, person_pk, status, inactive_reason, \
                      platform, provider, environment, token, token_hash, token_seen_at, permission, timezone, locale, app_version, os_version, \
                      model, tags, created_at, updated_at, last_seen_at, version, app_version_key, os_version_key) RETURNING pk, name";
/// Their people stay.
pub(super) const CHANGE: &str = "UPDATE device d SET status = new.status, inactive_reason = new.inactive_reason, platform = new.platform, provider = new.provider, \
                      environment = new.environment, token = new.token, token_hash = new.token_hash, token_seen_at = new.token_seen_at, \
                      permission = new.permission, timezone = new.timezone, locale = new.locale, app_version = new.app_version, \
                      os_version = new.os_version, model = new.model, tags = new.tags::jsonb, created_at = new.created_at, \
                      updated_at = new.updated_at, last_seen_at = new.last_seen_at, version = new.version, \
                      app_version_key = new.app_version_key, os_version_key = new.os_version_key \
                      FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bytea[], \
                      $9::timestamptz[], $10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $15::text[], $16::text[], \
                      $17::timestamptz[], $18::timestamptz[], $19::timestamptz[], $20::bigint[], $21::text[], $22::text[]) AS new (pk, status, inactive_reason, \
                      platform, provider, environment, token, token_hash, token_seen_at, permission, timezone, locale, app_version, \
                      os_version, model, tags, created_at, updated_at, last_seen_at, version, app_version_key, os_version_key) WHERE d.pk = new.pk";

/// Registers many, answered in order.
pub(super) async fn enroll(tx: &mut Tx, app: AppId, changes: &[(String, DeviceChange)]) -> Result<Vec<Registered>> {
    execute(tx, FRESH_PLANS, nothing).await?;
    let There { devices: there, kept } = there(tx, app, changes).await?;
    let active = active(&there);
    let changes_left = news(changes, &there);
    let crowd = Crowd::new(&changes_left, there);
    let around = Surroundings { owners: owners(tx, app, &crowd).await?, held: held(tx, app, &crowd).await? };
    let (mut fresh, mut known, mut others) = (BTreeMap::new(), Vec::new(), Vec::new());
    for (place, fate) in crowd.fates(&around, tx.now).into_iter().enumerate() {
        match fate {
            Fate::New(device) => drop(fresh.insert(device.name.clone(), (place, device))),
            Fate::Known(device) => known.push((place, device)),
            Fate::Beside => others.push(place),
        }
    }
    let devices = fresh.values().chain(&known).map(|(_, device)| device);
    let mut news: Vec<Fact<'_>> = devices.filter_map(|device| registered(app, active.contains(&device.name), device, tx.now)).collect();
    let mut answers = insert(tx, app, fresh).await?;
    answers.append(&mut change(tx, app, known, &kept).await?);
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

/// Locks and reads the rows that have these names.
async fn there(tx: &mut Tx, app: AppId, changes: &[(String, DeviceChange)]) -> Result<There> {
    let rows = fetch(tx, THERE, |binds| {
        binds.push(app.0).push(names(changes));
    });
    let mut there = There::default();
    for row in &rows.await? {
        let device = device_row::read(row, &tx.seal)?;
        if let Some(device) = &device {
            there.kept.insert(device.pk, device_row::kept(row, device)?);
        }
        there.devices.insert(Cells::new(row, "device", 0).get(1, "name")?, device);
    }
    Ok(there)
}

async fn held(tx: &mut Tx, app: AppId, crowd: &Crowd<'_>) -> Result<HashSet<TokenHash>> {
    let tokens: Vec<TokenHash> = crowd.tokens().collect();
    if tokens.is_empty() {
        return Ok(HashSet::new());
    }
    let rows = fetch(tx, HELD, |binds| {
        binds.push(app.0).push(tokens.iter().map(|hash| hash.0.as_slice()).collect::<Vec<&[u8]>>());
    });
    rows.await?.iter().map(|row| Cells::new(row, "device", 0).hash(0, "token_hash").map(TokenHash)).collect()
}

/// The users who may have more devices, locked; their rows are made where there are none.
async fn owners(tx: &mut Tx, app: AppId, crowd: &Crowd<'_>) -> Result<HashMap<String, (PersonPk, usize)>> {
    let users: Vec<&str> = crowd.users().collect();
    if users.is_empty() {
        return Ok(HashMap::new());
    }
    let people: Vec<(AppId, String)> = users.iter().map(|user| (app, (*user).to_owned())).collect();
    person::add(tx, &people).await?;
    let rows = fetch(tx, OWNERS, |binds| {
        binds.push(app.0).push(users);
    });
    let read = |row| {
        let cells = Cells::new(row, "person", 0);
        Ok((cells.get(0, "pk")?, cells.get(1, "name")?))
    };
    let found: Vec<(i64, String)> = rows.await?.iter().map(read).collect::<Result<_>>()?;
    let rows = fetch(tx, ACTIVE, |binds| {
        binds.push(found.iter().map(|(pk, _)| *pk).collect::<Vec<i64>>());
    });
    let read = |row| {
        let cells = Cells::new(row, "person", 0);
        Ok((cells.get(0, "pk")?, cells.count(1, "pk")?))
    };
    let active: HashMap<i64, usize> = rows.await?.iter().map(read).collect::<Result<_>>()?;
    Ok(found.into_iter().map(|(pk, name)| (name, (PersonPk(pk), active.get(&pk).copied().unwrap_or_default()))).collect())
}

/// Writes new devices in the order of their names, and learns their numbers.
async fn insert(tx: &mut Tx, app: AppId, devices: BTreeMap<String, (usize, Device)>) -> Result<Vec<(usize, Registered)>> {
    if devices.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<&Device> = devices.values().map(|(_, device)| device).collect();
    let texts = Texts::of(&tx.seal, app, &rows, &HashMap::new())?;
    let numbers: HashMap<String, i64> = {
        let rows = fetch(tx, INSERT, |binds| {
            binds.push(app.0).push(column(&rows, |device| device.name.as_str()));
            binds.push(column(&rows, |device| device.person.map(|person| person.0)));
            bind(binds, &rows, &texts);
        });
        let read = |row| {
            let cells = Cells::new(row, "device", 0);
            Ok((cells.get(1, "name")?, cells.get(0, "pk")?))
        };
        rows.await?.iter().map(read).collect::<Result<_>>()?
    };
    let created = |(place, mut device): (usize, Device)| {
        device.pk = numbers.get(&device.name).map_or(device.pk, |pk| DevicePk(*pk));
        (place, Registered::Created(Box::new(device)))
    };
    Ok(devices.into_values().map(created).collect())
}

/// Writes devices whose rows are locked.
async fn change(
    tx: &mut Tx,
    app: AppId,
    devices: Vec<(usize, Device)>,
    kept: &HashMap<DevicePk, KeptToken>,
) -> Result<Vec<(usize, Registered)>> {
    if devices.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<&Device> = devices.iter().map(|(_, device)| device).collect();
    let texts = Texts::of(&tx.seal, app, &rows, kept)?;
    execute(tx, CHANGE, |binds| {
        binds.push(column(&rows, |device| device.pk.0));
        bind(binds, &rows, &texts);
    })
    .await?;
    Ok(devices.into_iter().map(|(place, device)| (place, Registered::Updated(Box::new(device)))).collect())
}

/// The texts that keep the tags and the tokens of devices.
struct Texts {
    tags: Vec<String>,
    tokens: Vec<String>,
}

impl Texts {
    fn of(seal: &Seal, app: AppId, rows: &[&Device], kept: &HashMap<DevicePk, KeptToken>) -> Result<Self> {
        let tags = rows.iter().map(|device| to_document(&device.tags)).collect::<Result<_>>()?;
        let tokens = rows.iter().map(|device| device_text(seal, app, device, kept.get(&device.pk))).collect::<Result<_>>()?;
        Ok(Self { tags, tokens })
    }
}

fn column<'r, T>(rows: &[&'r Device], of: impl Fn(&'r Device) -> T) -> Vec<T> {
    rows.iter().map(|device| of(device)).collect()
}

/// The columns that stand for a device, from its status on.
fn bind(binds: &mut Binds, rows: &[&Device], texts: &Texts) {
    binds.push(column(rows, |device| status_text(device.status)));
    binds.push(column(rows, |device| device.inactive_reason.map(inactive_reason_text)));
    binds.push(column(rows, |device| device.platform.as_str())).push(column(rows, |device| device.provider.as_str()));
    binds.push(column(rows, |device| device.environment.as_str())).push(&texts.tokens);
    binds.push(column(rows, |device| device.token_hash.0.as_slice())).push(column(rows, |device| device.token_seen_at));
    binds.push(column(rows, |device| permission_text(device.permission))).push(column(rows, |device| device.timezone.as_deref()));
    binds.push(column(rows, |device| device.locale.as_deref())).push(column(rows, |device| device.app_version.as_deref()));
    binds.push(column(rows, |device| device.os_version.as_deref())).push(column(rows, |device| device.model.as_deref()));
    binds.push(&texts.tags).push(column(rows, |device| device.created_at)).push(column(rows, |device| device.updated_at));
    binds.push(column(rows, |device| device.last_seen_at)).push(column(rows, |device| device.version));
    binds.push(column(rows, |device| version_key(device.app_version.as_deref())));
    binds.push(column(rows, |device| version_key(device.os_version.as_deref())));
}
