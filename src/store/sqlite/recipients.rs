//! Reads devices with their people, by user, by name and by number.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Deserialize;
use sqlx::SqliteConnection;

use super::super::engine::Recipient;
use super::super::rules::kept::device_token;
use super::super::rules::resolve::{Named, Person};
use super::super::seal::Seal;
use super::super::{Error, Result};
use super::batch::fetch_list;
use super::json::List;
use super::row::instant;
use crate::domain::device::{Environment, Permission, Platform, ProviderKind, TokenHash};
use crate::domain::id::{AppId, DevicePk, PersonPk};
use crate::domain::preferences::Preferences;

/// What a query finds a row by, and a device `d` with its person `p`, in the order of [`Found`].
macro_rules! found {
    ($name:literal) => {
        concat!(
            "SELECT json_group_array(json_array(",
            $name,
            ", p.pk, coalesce(p.preferences, d.preferences), d.pk, d.status = 'active', d.name, d.person_pk, d.platform, d.provider, d.environment, d.token, \
             hex(d.token_hash), d.permission, d.timezone, coalesce(d.locale, p.locale), d.last_seen_at, d.person_since, d.app)) FROM json_each(?1) j CROSS JOIN "
        )
    };
}
pub(super) const OF_USERS: &str = concat!(
    found!("p.name"),
    "person p ON p.app = ?2 AND p.name = j.value LEFT JOIN device d ON d.person_pk = p.pk AND d.status = 'active'"
);
pub(super) const NAMED: &str =
    concat!(found!("d.name"), "device d ON d.app = ?2 AND d.name = j.value LEFT JOIN person p ON p.pk = d.person_pk");
pub(super) const NUMBERED: &str =
    concat!(found!("''"), "device d ON d.pk = j.value LEFT JOIN person p ON p.pk = d.person_pk WHERE d.status = 'active'");

/// A row as a query writes it in JSON.
#[derive(Deserialize)]
struct Found {
    name: String,
    person: Option<i64>,
    preferences: Option<String>,
    pk: Option<i64>,
    active: Option<u8>,
    device: Option<String>,
    owner: Option<i64>,
    platform: Option<Platform>,
    provider: Option<ProviderKind>,
    environment: Option<Environment>,
    token: Option<String>,
    token_hash: Option<String>,
    permission: Option<Permission>,
    timezone: Option<String>,
    locale: Option<String>,
    last_seen_at: Option<i64>,
    person_since: Option<i64>,
    app: Option<i64>,
}

/// Reads rows and parses each person's preferences once.
pub(super) struct Reader<'s> {
    seal: &'s Seal,
    preferences: HashMap<i64, Arc<Preferences>>,
}

impl<'s> Reader<'s> {
    /// Reads what these keys sealed.
    pub(super) fn new(seal: &'s Seal) -> Self {
        Self { seal, preferences: HashMap::new() }
    }

    /// Users of an app with their active devices. Unknown ones are absent.
    pub(super) async fn users(&mut self, conn: &mut SqliteConnection, app: AppId, names: &[&str]) -> Result<HashMap<String, Person>> {
        let mut people: HashMap<String, Person> = HashMap::with_capacity(names.len());
        for mut found in find(conn, OF_USERS, &List::of_texts(names.iter().copied()), Some(app)).await? {
            let name = std::mem::take(&mut found.name);
            let pk = PersonPk(found.person.ok_or_else(|| found.unreadable("person_pk"))?);
            let person = people.entry(name).or_insert_with(|| Person { pk, devices: Vec::new() });
            if found.pk.is_some() {
                let seen = found.last_seen_at.and_then(instant).unwrap_or_default();
                person.devices.push((self.recipient(found)?, seen));
            }
        }
        Ok(people)
    }

    /// Devices of an app by name, active or not. Unknown ones are absent.
    pub(super) async fn named(&mut self, conn: &mut SqliteConnection, app: AppId, names: &[&str]) -> Result<HashMap<String, Named>> {
        let mut devices = HashMap::with_capacity(names.len());
        for mut found in find(conn, NAMED, &List::of_texts(names.iter().copied()), Some(app)).await? {
            let name = std::mem::take(&mut found.name);
            let pk = DevicePk(found.pk.ok_or_else(|| found.unreadable("pk"))?);
            let person = found.owner.map(PersonPk);
            let person_since = found.person_since.and_then(instant).unwrap_or_default();
            let recipient = if found.active == Some(1) { Some(self.recipient(found)?) } else { None };
            devices.insert(name, Named { pk, person, person_since, recipient });
        }
        Ok(devices)
    }

    /// Active devices by number.
    pub(super) async fn numbered(&mut self, conn: &mut SqliteConnection, pks: &[i64]) -> Result<HashMap<DevicePk, Recipient>> {
        let mut devices = HashMap::with_capacity(pks.len());
        for found in find(conn, NUMBERED, &List::of(pks), None).await? {
            let recipient = self.recipient(found)?;
            devices.insert(recipient.device, recipient);
        }
        Ok(devices)
    }

    fn recipient(&mut self, found: Found) -> Result<Recipient> {
        let preferences = self.preferences(&found)?;
        let place = found.app.map(AppId).zip(found.device.as_deref());
        let token = place.zip(found.token.as_deref()).and_then(|(place, kept)| device_token(self.seal, place, kept));
        let hash = found.token_hash.as_deref().and_then(|text| hex::decode(text).ok()).and_then(|bytes| bytes.try_into().ok());
        Ok(Recipient {
            device: DevicePk(found.pk.ok_or_else(|| found.unreadable("pk"))?),
            person: found.owner.map(PersonPk),
            platform: found.platform.ok_or_else(|| found.unreadable("platform"))?,
            provider: found.provider.ok_or_else(|| found.unreadable("provider"))?,
            environment: found.environment.ok_or_else(|| found.unreadable("environment"))?,
            token: token.ok_or_else(|| found.unreadable("token"))?,
            token_hash: TokenHash(hash.ok_or_else(|| found.unreadable("token_hash"))?),
            permission: found.permission.unwrap_or_default(),
            name: found.device.unwrap_or_default(),
            timezone: found.timezone,
            locale: found.locale,
            preferences,
            facts: None,
        })
    }

    fn preferences(&mut self, found: &Found) -> Result<Option<Arc<Preferences>>> {
        let Some(text) = &found.preferences else { return Ok(None) };
        let Some(person) = found.person else {
            return serde_json::from_str(text).map(|own| Some(Arc::new(own))).map_err(|_| found.unreadable("preferences"));
        };
        if let Some(known) = self.preferences.get(&person) {
            return Ok(Some(Arc::clone(known)));
        }
        let unreadable = |_| Error::Unreadable { table: "person", column: "preferences", row: person.to_string() };
        let read = Arc::new(serde_json::from_str(text).map_err(unreadable)?);
        self.preferences.insert(person, Arc::clone(&read));
        Ok(Some(read))
    }
}

async fn find(conn: &mut SqliteConnection, text: &'static str, list: &str, app: Option<AppId>) -> Result<Vec<Found>> {
    let rows = fetch_list(conn, text, "device", |binds| {
        binds.push(list).push(app.map(|app| app.0));
    });
    rows.await
}

impl Found {
    fn unreadable(&self, column: &'static str) -> Error {
        Error::Unreadable { table: "device", column, row: self.pk.map(|pk| pk.to_string()).unwrap_or_default() }
    }
}
