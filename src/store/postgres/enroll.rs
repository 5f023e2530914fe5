//! Many registrations at once. Those that touch nothing but themselves are written together; the others one by one, as if alone.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::Hash;

use super::super::Result;
use super::super::device::Registered;
use super::super::rules::registration::{Address, Verb, check, wants};
use super::super::rules::version_key::version_key;
use super::super::rules::words::{hash, inactive_reason_text, permission_text, status_text, token_text};
use super::batch::{Binds, fetch};
use super::person;
use super::register::{changed, register};
use super::row::{Cells, to_document};
use super::tx::Tx;
use crate::domain::Timestamp;
use crate::domain::device::{Change, Device, DeviceChange, DeviceStatus, MAX_ACTIVE_DEVICES, TokenHash};
use crate::domain::id::{AppId, DevicePk, PersonPk};

/// Locks those that are there, in order, so that batches of the same devices wait for each other in one direction only.
pub(super) const THERE: &str = "SELECT d.pk, d.name FROM unnest($2::text[]) AS ask (name) \
                                CROSS JOIN LATERAL (SELECT pk, name FROM device WHERE app = $1 AND name = ask.name LIMIT 1 FOR UPDATE) d";
pub(super) const HELD: &str = "SELECT ask.hash FROM unnest($2::bytea[]) AS ask (hash) CROSS JOIN LATERAL (SELECT 1 FROM device WHERE app = $1 \
                               AND provider = ANY ('{apns,fcm,webpush}') AND token_hash = ask.hash AND status = 'active' LIMIT 1) d";
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

/// Registers many, answered in order.
pub(super) async fn enroll(tx: &mut Tx, app: AppId, changes: &[(String, DeviceChange)]) -> Result<Vec<Registered>> {
    let crowd = Crowd::look(tx, app, changes).await?;
    let (mut together, mut others) = (BTreeMap::new(), Vec::new());
    for (place, (name, change)) in changes.iter().enumerate() {
        match crowd.untouched(name, change) {
            Some((address, owner)) => {
                together.insert(name.as_str(), (place, fresh(name, change, (address, owner), tx.now)));
            }
            None => others.push((place, name, change)),
        }
    }
    let mut answers = insert(tx, app, together).await?;
    for (place, name, change) in others {
        answers.push((place, register(tx, app, name, change.clone(), (Verb::Put, None)).await?));
    }
    answers.sort_unstable_by_key(|(place, _)| *place);
    Ok(answers.into_iter().map(|(_, answer)| answer).collect())
}

/// What the registrations could touch: in the store, and among themselves.
struct Crowd {
    /// Names that occur once and are not there yet.
    names: HashSet<String>,
    /// Addresses that occur once and that no device has.
    tokens: HashSet<TokenHash>,
    /// Users who stay within their number of devices.
    owners: HashMap<String, PersonPk>,
}

impl Crowd {
    async fn look(tx: &mut Tx, app: AppId, changes: &[(String, DeviceChange)]) -> Result<Self> {
        let mut names = singles(changes.iter().map(|(name, _)| name.clone()));
        for (name, _) in numbers(tx, THERE, app, sorted(changes.iter().map(|(name, _)| name.as_str()))).await? {
            names.remove(&name);
        }
        let mut more: BTreeMap<&str, usize> = BTreeMap::new();
        for (_, change) in changes {
            if let Change::Set(user) = &change.user {
                *more.entry(user).or_default() += 1;
            }
        }
        let owners = owners(tx, app, &more).await?;
        let mut tokens = singles(changes.iter().filter_map(|(_, change)| change.token.as_ref().map(hash)));
        for held in held(tx, app, &tokens).await? {
            tokens.remove(&held);
        }
        Ok(Self { names, tokens, owners })
    }

    /// The address and the owner of a new device that no other is affected by.
    fn untouched(&self, name: &str, change: &DeviceChange) -> Option<(Address, Option<PersonPk>)> {
        let owner = match &change.user {
            Change::Set(user) => Some(*self.owners.get(user)?),
            Change::Keep | Change::Clear => None,
        };
        let is_new = self.names.contains(name) && self.tokens.contains(&hash(change.token.as_ref()?));
        check(None, change).ok().filter(|_| is_new).map(|address| (address, owner))
    }
}

/// What occurs exactly once.
fn singles<T: Eq + Hash + Clone>(items: impl Iterator<Item = T>) -> HashSet<T> {
    let mut seen = HashSet::new();
    let mut single = HashSet::new();
    for item in items {
        if seen.insert(item.clone()) {
            single.insert(item);
        } else {
            single.remove(&item);
        }
    }
    single
}

/// In the order in which every batch locks them.
fn sorted<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut names: Vec<&str> = names.collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Names and numbers of rows that are there.
async fn numbers(tx: &mut Tx, text: &'static str, app: AppId, names: Vec<&str>) -> Result<Vec<(String, i64)>> {
    let rows = fetch(tx, text, |binds| {
        binds.push(app.0).push(names);
    });
    let read = |row| {
        let cells = Cells::new(row, "device", 0);
        Ok((cells.get(1, "name")?, cells.get(0, "pk")?))
    };
    rows.await?.iter().map(read).collect()
}

async fn held(tx: &mut Tx, app: AppId, tokens: &HashSet<TokenHash>) -> Result<Vec<TokenHash>> {
    let rows = fetch(tx, HELD, |binds| {
        binds.push(app.0).push(tokens.iter().map(|hash| hash.0.as_slice()).collect::<Vec<&[u8]>>());
    });
    rows.await?.iter().map(|row| Cells::new(row, "device", 0).hash(0, "token_hash").map(TokenHash)).collect()
}

/// The users who have room for all of their new devices; their rows are made where there are none.
async fn owners(tx: &mut Tx, app: AppId, more: &BTreeMap<&str, usize>) -> Result<HashMap<String, PersonPk>> {
    let people: Vec<(AppId, String)> = more.keys().map(|user| (app, (*user).to_owned())).collect();
    person::add(tx, &people).await?;
    let found = numbers(tx, OWNERS, app, more.keys().copied().collect()).await?;
    let rows = fetch(tx, ACTIVE, |binds| {
        binds.push(found.iter().map(|(_, pk)| *pk).collect::<Vec<i64>>());
    });
    let mut active: HashMap<i64, usize> = HashMap::with_capacity(found.len());
    for row in &rows.await? {
        let cells = Cells::new(row, "person", 0);
        active.insert(cells.get(0, "pk")?, cells.count(1, "pk")?);
    }
    let has_room = |user: &str, pk: i64| {
        let after = active.get(&pk).zip(more.get(user)).map(|(active, new)| active + new);
        after.is_some_and(|after| after <= MAX_ACTIVE_DEVICES)
    };
    Ok(found.into_iter().filter(|(user, pk)| has_room(user, *pk)).map(|(user, pk)| (user, PersonPk(pk))).collect())
}

fn fresh(name: &str, change: &DeviceChange, (address, owner): (Address, Option<PersonPk>), now: Timestamp) -> Device {
    let user = match &change.user {
        Change::Set(user) => Some(user.clone()),
        Change::Keep | Change::Clear => None,
    };
    let status = wants(None, change, Verb::Put).unwrap_or(DeviceStatus::Active);
    Device { name: name.to_owned(), user, status, ..changed(None, change.clone(), address, owner, (Verb::Put, now)) }
}

/// Writes new devices in the order of their names, and learns their numbers.
async fn insert(tx: &mut Tx, app: AppId, devices: BTreeMap<&str, (usize, Device)>) -> Result<Vec<(usize, Registered)>> {
    if devices.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<&Device> = devices.values().map(|(_, device)| device).collect();
    let tags: Vec<String> = rows.iter().map(|device| to_document(&device.tags)).collect::<Result<_>>()?;
    let numbers: HashMap<String, i64> = {
        let rows = fetch(tx, INSERT, |binds| bind(binds, app, &rows, &tags)).await?;
        let read = |row| {
            let cells = Cells::new(row, "device", 0);
            Ok((cells.get(1, "name")?, cells.get(0, "pk")?))
        };
        rows.iter().map(read).collect::<Result<_>>()?
    };
    let created = |(place, mut device): (usize, Device)| {
        device.pk = numbers.get(&device.name).map_or(device.pk, |pk| DevicePk(*pk));
        (place, Registered::Created(Box::new(device)))
    };
    Ok(devices.into_values().map(created).collect())
}

fn bind(binds: &mut Binds, app: AppId, rows: &[&Device], tags: &[String]) {
    fn column<'r, T>(rows: &[&'r Device], of: impl Fn(&'r Device) -> T) -> Vec<T> {
        rows.iter().map(|device| of(device)).collect()
    }
    binds.push(app.0).push(column(rows, |device| device.name.as_str())).push(column(rows, |device| device.person.map(|person| person.0)));
    binds.push(column(rows, |device| status_text(device.status)));
    binds.push(column(rows, |device| device.inactive_reason.map(inactive_reason_text)));
    binds.push(column(rows, |device| device.platform.as_str())).push(column(rows, |device| device.provider.as_str()));
    binds.push(column(rows, |device| device.environment.as_str())).push(column(rows, |device| token_text(&device.token)));
    binds.push(column(rows, |device| device.token_hash.0.as_slice())).push(column(rows, |device| device.token_seen_at));
    binds.push(column(rows, |device| permission_text(device.permission))).push(column(rows, |device| device.timezone.as_deref()));
    binds.push(column(rows, |device| device.locale.as_deref())).push(column(rows, |device| device.app_version.as_deref()));
    binds.push(column(rows, |device| device.os_version.as_deref())).push(column(rows, |device| device.model.as_deref()));
    binds.push(tags).push(column(rows, |device| device.created_at)).push(column(rows, |device| device.updated_at));
    binds.push(column(rows, |device| device.last_seen_at)).push(column(rows, |device| device.version));
    binds.push(column(rows, |device| version_key(device.app_version.as_deref())));
    binds.push(column(rows, |device| version_key(device.os_version.as_deref())));
}
