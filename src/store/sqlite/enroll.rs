//! Many registrations at once. Those that touch nothing but themselves are written together; the others one by one, as if alone.

use std::collections::{HashMap, HashSet};
use std::fmt::Write;
use std::hash::Hash;

use super::super::Result;
use super::super::device::Registered;
use super::super::rules::registration::{Address, Verb, check, wants};
use super::super::rules::version_key::version_key;
use super::super::rules::words::{hash, inactive_reason_text, permission_text, status_text, token_text};
use super::batch::{Binds, Tuples, fetch_list, no_lead};
use super::json::List;
use super::person;
use super::register::{changed, register};
use super::row::{micros, to_document};
use super::writer::Tx;
use crate::domain::device::{Change, Device, DeviceChange, DeviceStatus, MAX_ACTIVE_DEVICES, TokenHash};
use crate::domain::id::{AppId, DevicePk, PersonPk};

pub(super) const NUMBERS: &str = "SELECT json_group_array(json_array(d.name, d.pk)) FROM json_each(?2) j \
                                  CROSS JOIN device d ON d.app = ?1 AND d.name = j.value";
pub(super) const HELD: &str = "SELECT json_group_array(j.value) FROM json_each(?2) j CROSS JOIN device d ON d.app = ?1 \
                               AND d.provider IN ('apns', 'fcm', 'webpush') AND d.token_hash = unhex(j.value) AND d.status = 'active'";
pub(super) const OWNERS: &str = "SELECT json_group_array(json_array(p.name, p.pk, \
                                 (SELECT count(*) FROM device d WHERE d.person_pk = p.pk AND d.status = 'active'))) \
                                 FROM json_each(?2) j CROSS JOIN person p ON p.app = ?1 AND p.name = j.value";
const INSERT: Tuples = Tuples {
    head: "INSERT INTO device (app, name, person_pk, status, inactive_reason, platform, provider, environment, token, token_hash, \
           token_seen_at, permission, timezone, locale, app_version, os_version, model, tags, created_at, updated_at, last_seen_at, version, person_since, \
           app_version_key, os_version_key) \
           VALUES ",
    width: 25,
    tail: "",
};

/// Registers many, answered in order.
pub(super) async fn enroll(tx: &mut Tx<'_>, app: AppId, changes: Vec<(String, DeviceChange)>) -> Result<Vec<Registered>> {
    let crowd = Crowd::look(tx, app, &changes).await?;
    let (mut together, mut others) = (Vec::new(), Vec::new());
    for (place, (name, change)) in changes.into_iter().enumerate() {
        match crowd.untouched(&name, &change) {
            Some((address, owner)) => together.push((place, fresh(name, change, (address, owner), tx.now))),
            None => others.push((place, name, change)),
        }
    }
    insert(tx, app, &mut together).await?;
    let mut answers: Vec<(usize, Registered)> =
        together.into_iter().map(|(place, device)| (place, Registered::Created(Box::new(device)))).collect();
    for (place, name, change) in others {
        answers.push((place, register(tx, app, &name, change, (Verb::Put, None)).await?));
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
    async fn look(tx: &mut Tx<'_>, app: AppId, changes: &[(String, DeviceChange)]) -> Result<Self> {
        let mut names = singles(changes.iter().map(|(name, _)| name.clone()));
        for (name, _) in numbers(tx, app, &names).await? {
            names.remove(&name);
        }
        let mut tokens = singles(changes.iter().filter_map(|(_, change)| change.token.as_ref().map(hash)));
        for held in held(tx, app, &tokens).await? {
            tokens.remove(&held);
        }
        let mut more: HashMap<&String, usize> = HashMap::new();
        for (_, change) in changes {
            if let Change::Set(user) = &change.user {
                *more.entry(user).or_default() += 1;
            }
        }
        Ok(Self { names, tokens, owners: owners(tx, app, &more).await? })
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

async fn numbers(tx: &mut Tx<'_>, app: AppId, names: &HashSet<String>) -> Result<Vec<(String, i64)>> {
    let list = List::of_texts(names.iter().map(String::as_str));
    let numbers = fetch_list(tx.conn, NUMBERS, "device", |binds| {
        binds.push(app.0).push(&list);
    });
    numbers.await
}

async fn held(tx: &mut Tx<'_>, app: AppId, tokens: &HashSet<TokenHash>) -> Result<Vec<TokenHash>> {
    let by_hex: HashMap<String, TokenHash> = tokens.iter().map(|hash| (hex(hash), *hash)).collect();
    let list = List::of_texts(by_hex.keys().map(String::as_str));
    let held: Vec<String> = fetch_list(tx.conn, HELD, "device", |binds| {
        binds.push(app.0).push(&list);
    })
    .await?;
    Ok(held.iter().filter_map(|text| by_hex.get(text).copied()).collect())
}

fn hex(hash: &TokenHash) -> String {
    hash.0.iter().fold(String::with_capacity(64), |mut text, byte| {
        let written = write!(text, "{byte:02x}");
        debug_assert!(written.is_ok(), "writing to a String cannot fail");
        text
    })
}

/// The users who have room for all of their new devices; their rows are made where there are none.
async fn owners(tx: &mut Tx<'_>, app: AppId, more: &HashMap<&String, usize>) -> Result<HashMap<String, PersonPk>> {
    let people: Vec<(AppId, String)> = more.keys().map(|user| (app, (*user).clone())).collect();
    person::add(tx, &people).await?;
    let list = List::of_texts(more.keys().map(|user| user.as_str()));
    let found: Vec<(String, i64, usize)> = fetch_list(tx.conn, OWNERS, "person", |binds| {
        binds.push(app.0).push(&list);
    })
    .await?;
    let has_room = |user: &String, active: usize| more.get(user).is_some_and(|new| active + new <= MAX_ACTIVE_DEVICES);
    Ok(found.into_iter().filter(|(user, _, active)| has_room(user, *active)).map(|(user, pk, _)| (user, PersonPk(pk))).collect())
}

fn fresh(name: String, change: DeviceChange, (address, owner): (Address, Option<PersonPk>), now: i64) -> Device {
    let user = match &change.user {
        Change::Set(user) => Some(user.clone()),
        Change::Keep | Change::Clear => None,
    };
    let status = wants(None, &change, Verb::Put).unwrap_or(DeviceStatus::Active);
    Device { name, user, status, ..changed(None, change, address, owner, (Verb::Put, now)) }
}

/// Writes new devices and learns their numbers.
async fn insert(tx: &mut Tx<'_>, app: AppId, devices: &mut [(usize, Device)]) -> Result<()> {
    let rows: Vec<(&Device, String)> = devices.iter().map(|(_, device)| Ok((device, to_document(&device.tags)?))).collect::<Result<_>>()?;
    INSERT.execute(tx.conn, &rows, no_lead, |binds, (device, tags)| bind(binds, app, device, tags)).await?;
    let names = devices.iter().map(|(_, device)| device.name.clone()).collect();
    let numbers: HashMap<String, i64> = numbers(tx, app, &names).await?.into_iter().collect();
    for (_, device) in devices {
        device.pk = numbers.get(&device.name).map_or(device.pk, |pk| DevicePk(*pk));
    }
    Ok(())
}

fn bind(binds: &mut Binds, app: AppId, device: &Device, tags: &str) {
    binds.push(app.0).push(&device.name).push(device.person.map(|person| person.0)).push(status_text(device.status));
    binds.push(device.inactive_reason.map(inactive_reason_text)).push(device.platform.as_str()).push(device.provider.as_str());
    binds.push(device.environment.as_str()).push(token_text(&device.token)).push(device.token_hash.0.as_slice());
    binds.push(micros(device.token_seen_at)).push(permission_text(device.permission)).push(device.timezone.as_deref());
    binds.push(device.locale.as_deref()).push(device.app_version.as_deref()).push(device.os_version.as_deref());
    binds.push(device.model.as_deref()).push(tags).push(micros(device.created_at)).push(micros(device.updated_at));
    binds.push(micros(device.last_seen_at)).push(device.version).push(micros(device.updated_at));
    binds.push(version_key(device.app_version.as_deref())).push(version_key(device.os_version.as_deref()));
}
