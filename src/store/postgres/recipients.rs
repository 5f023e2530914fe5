//! Reads devices with their people, by user, by name and by number.

use std::collections::HashMap;
use std::sync::Arc;

use sqlx::PgConnection;
use sqlx::postgres::PgRow;

use super::super::engine::Recipient;
use super::super::rules::kept::device_token;
use super::super::rules::resolve::{Named, Person};
use super::super::rules::words::{environment, permission, platform, provider};
use super::super::seal::Seal;
use super::super::{Error, Result};
use super::batch::fetch;
use super::row::Cells;
use crate::domain::device::TokenHash;
use crate::domain::id::{AppId, DevicePk, PersonPk};
use crate::domain::preferences::Preferences;

/// A name, a person `p` and a device `d`, in the order in which [`Reader`] reads them.
macro_rules! found {
    ($name:literal) => {
        concat!(
            "SELECT ",
            $name,
            ", p.pk, coalesce(p.preferences, d.preferences)::text, d.pk, d.status = 'active', d.name, d.person_pk, d.platform, d.provider, d.environment, d.token, \
             d.token_hash, d.permission, d.timezone, coalesce(d.locale, p.locale), d.last_seen_at, d.person_since, d.app FROM "
        )
    };
}
pub(super) const OF_USERS: &str = concat!(
    found!("ask.name"),
    "unnest($2::text[]) AS ask (name) CROSS JOIN LATERAL (SELECT pk, preferences, locale FROM person p WHERE p.app = $1 AND p.name = ask.name LIMIT 1) p \
     LEFT JOIN LATERAL (SELECT * FROM device d WHERE d.person_pk = p.pk AND coalesce(d.status, '') = 'active') d ON true"
);
pub(super) const NAMED: &str = concat!(
    found!("ask.name"),
    "unnest($2::text[]) AS ask (name) CROSS JOIN LATERAL (SELECT * FROM device d WHERE d.app = $1 AND d.name = ask.name LIMIT 1) d \
     LEFT JOIN LATERAL (SELECT pk, preferences, locale FROM person p WHERE p.pk = d.person_pk LIMIT 1) p ON true"
);
pub(super) const NUMBERED: &str = concat!(
    found!("''"),
    "unnest($1::bigint[]) AS ask (pk) CROSS JOIN LATERAL (SELECT * FROM device d WHERE d.pk = ask.pk LIMIT 1) d \
     LEFT JOIN LATERAL (SELECT pk, preferences, locale FROM person p WHERE p.pk = d.person_pk LIMIT 1) p ON true WHERE d.status = 'active'"
);

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
    pub(super) async fn users(&mut self, conn: &mut PgConnection, app: AppId, names: Vec<&str>) -> Result<HashMap<String, Person>> {
        let mut people: HashMap<String, Person> = HashMap::with_capacity(names.len());
        let rows = fetch(conn, OF_USERS, |binds| {
            binds.push(app.0).push(names);
        });
        for row in &rows.await? {
            let cells = Cells::new(row, "device", 3);
            let pk = PersonPk(cells.get(1, "person_pk")?);
            let person = people.entry(cells.get(0, "name")?).or_insert_with(|| Person { pk, devices: Vec::new() });
            if !cells.is_null(3) {
                person.devices.push((self.recipient(row)?, cells.instant(15, "last_seen_at")?));
            }
        }
        Ok(people)
    }

    /// Devices of an app by name, active or not. Unknown ones are absent.
    pub(super) async fn named(&mut self, conn: &mut PgConnection, app: AppId, names: Vec<&str>) -> Result<HashMap<String, Named>> {
        let mut devices = HashMap::with_capacity(names.len());
        let rows = fetch(conn, NAMED, |binds| {
            binds.push(app.0).push(names);
        });
        for row in &rows.await? {
            let cells = Cells::new(row, "device", 3);
            let named = Named {
                pk: DevicePk(cells.get(3, "pk")?),
                person: cells.get::<Option<i64>>(6, "person_pk")?.map(PersonPk),
                person_since: cells.instant(16, "person_since")?,
                recipient: if cells.get(4, "status")? { Some(self.recipient(row)?) } else { None },
            };
            devices.insert(cells.get(0, "name")?, named);
        }
        Ok(devices)
    }

    /// Active devices by number.
    pub(super) async fn numbered(&mut self, conn: &mut PgConnection, pks: Vec<i64>) -> Result<HashMap<DevicePk, Recipient>> {
        let mut devices = HashMap::with_capacity(pks.len());
        let rows = fetch(conn, NUMBERED, |binds| {
            binds.push(pks);
        });
        for row in &rows.await? {
            let recipient = self.recipient(row)?;
            devices.insert(recipient.device, recipient);
        }
        Ok(devices)
    }

    fn recipient(&mut self, row: &PgRow) -> Result<Recipient> {
        let cells = Cells::new(row, "device", 3);
        let place = (AppId(cells.get(17, "app")?), cells.get(5, "name")?);
        let token = device_token(self.seal, place, cells.get(10, "token")?).ok_or_else(|| cells.unreadable("token"))?;
        Ok(Recipient {
            device: DevicePk(cells.get(3, "pk")?),
            name: place.1.to_owned(),
            person: cells.get::<Option<i64>>(6, "person_pk")?.map(PersonPk),
            platform: cells.word(7, "platform", platform)?,
            provider: cells.word(8, "provider", provider)?,
            environment: cells.word(9, "environment", environment)?,
            token,
            token_hash: TokenHash(cells.hash(11, "token_hash")?),
            permission: cells.maybe_word(12, "permission", permission)?.unwrap_or_default(),
            timezone: cells.get(13, "timezone")?,
            locale: cells.get(14, "locale")?,
            preferences: self.preferences(&cells)?,
            facts: None,
        })
    }

    fn preferences(&mut self, cells: &Cells<'_>) -> Result<Option<Arc<Preferences>>> {
        let Some(person) = cells.get::<Option<i64>>(1, "person_pk")? else {
            return Ok(cells.maybe_document(2, "preferences")?.map(Arc::new));
        };
        let Some(text) = cells.get::<Option<&str>>(2, "preferences")? else { return Ok(None) };
        if let Some(known) = self.preferences.get(&person) {
            return Ok(Some(Arc::clone(known)));
        }
        let unreadable = |_| Error::Unreadable { table: "person", column: "preferences", row: person.to_string() };
        let read = Arc::new(serde_json::from_str(text).map_err(unreadable)?);
        self.preferences.insert(person, Arc::clone(&read));
        Ok(Some(read))
    }
}
