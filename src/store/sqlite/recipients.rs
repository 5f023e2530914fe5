//! Reads devices with their people, by user, by name and by number.

use std::collections::HashMap;
use std::sync::Arc;

use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use super::super::Result;
use super::super::engine::Recipient;
use super::batch::fetch;
use super::device_row as words;
use super::json::List;
use super::row::Cells;
use crate::domain::device::TokenHash;
use crate::domain::id::{AppId, DevicePk, PersonPk};
use crate::domain::preferences::Preferences;

/// What a recipient is made of, after the two cells that a query finds it by.
macro_rules! recipient_columns {
    () => {
        "d.pk, d.name, d.person_pk, d.platform, d.provider, d.environment, d.token, d.token_hash, d.permission, d.timezone, \
         d.locale, d.last_seen_at, p.preferences"
    };
}

const OF_USERS: &str = concat!(
    "SELECT p.pk, p.name, ",
    recipient_columns!(),
    " FROM json_each(?2) j CROSS JOIN person p ON p.app = ?1 AND p.name = j.value \
     LEFT JOIN device d ON d.person_pk = p.pk AND d.status = 'active'"
);
const NAMED: &str = concat!(
    "SELECT d.pk, d.name, ",
    recipient_columns!(),
    ", d.status = 'active' FROM json_each(?2) j CROSS JOIN device d ON d.app = ?1 AND d.name = j.value \
     LEFT JOIN person p ON p.pk = d.person_pk"
);
const NUMBERED: &str = concat!(
    "SELECT d.pk, d.pk, ",
    recipient_columns!(),
    " FROM json_each(?1) j CROSS JOIN device d ON d.pk = j.value LEFT JOIN person p ON p.pk = d.person_pk WHERE d.status = 'active'"
);

/// A user's active devices, each with the instant it was last seen.
pub(super) struct Person {
    /// The store's number.
    pub(super) pk: PersonPk,
    /// The devices.
    pub(super) devices: Vec<(Recipient, i64)>,
}

/// A named device.
pub(super) struct Named {
    /// The store's number.
    pub(super) pk: DevicePk,
    /// Whose it is.
    pub(super) person: Option<PersonPk>,
    /// What a push needs, if it is active.
    pub(super) recipient: Option<Recipient>,
}

/// Reads rows and parses each person's preferences once.
#[derive(Default)]
pub(super) struct Reader {
    preferences: HashMap<i64, Option<Arc<Preferences>>>,
}

impl Reader {
    /// Users of an app with their active devices. Unknown ones are absent.
    pub(super) async fn users(&mut self, conn: &mut SqliteConnection, app: AppId, names: &[&str]) -> Result<HashMap<String, Person>> {
        let list = List::of_texts(names.iter().copied());
        let rows = fetch(conn, OF_USERS, |binds| {
            binds.push(app.0).push(&list);
        });
        let mut people: HashMap<String, Person> = HashMap::with_capacity(names.len());
        for row in &rows.await? {
            let cells = Cells::new(row, "person", 0);
            let name: &str = cells.get(1, "name")?;
            if !people.contains_key(name) {
                people.insert(name.to_owned(), Person { pk: PersonPk(cells.get(0, "pk")?), devices: Vec::new() });
            }
            if let (Some(person), false) = (people.get_mut(name), cells.is_null(2)) {
                person.devices.push((self.recipient(row)?, cells.get(13, "last_seen_at")?));
            }
        }
        Ok(people)
    }

    /// Devices of an app by name, active or not. Unknown ones are absent.
    pub(super) async fn named(&mut self, conn: &mut SqliteConnection, app: AppId, names: &[&str]) -> Result<HashMap<String, Named>> {
        let list = List::of_texts(names.iter().copied());
        let rows = fetch(conn, NAMED, |binds| {
            binds.push(app.0).push(&list);
        });
        let mut devices = HashMap::with_capacity(names.len());
        for row in &rows.await? {
            let cells = Cells::new(row, "device", 0);
            let active: bool = cells.get(15, "status")?;
            let recipient = if active { Some(self.recipient(row)?) } else { None };
            let person = cells.get::<Option<i64>>(4, "person_pk")?.map(PersonPk);
            devices.insert(cells.get(1, "name")?, Named { pk: DevicePk(cells.get(0, "pk")?), person, recipient });
        }
        Ok(devices)
    }

    /// Active devices by number.
    pub(super) async fn numbered(&mut self, conn: &mut SqliteConnection, pks: &[i64]) -> Result<HashMap<DevicePk, Recipient>> {
        let list = List::of(pks);
        let rows = fetch(conn, NUMBERED, |binds| {
            binds.push(&list);
        });
        let mut devices = HashMap::with_capacity(pks.len());
        for row in &rows.await? {
            let recipient = self.recipient(row)?;
            devices.insert(recipient.device, recipient);
        }
        Ok(devices)
    }

    fn recipient(&mut self, row: &SqliteRow) -> Result<Recipient> {
        let cells = Cells::new(row, "device", 2);
        let person = cells.get::<Option<i64>>(4, "person_pk")?;
        Ok(Recipient {
            device: DevicePk(cells.get(2, "pk")?),
            name: cells.get(3, "name")?,
            person: person.map(PersonPk),
            platform: cells.word(5, "platform", words::platform)?,
            provider: cells.word(6, "provider", words::provider)?,
            environment: cells.word(7, "environment", words::environment)?,
            token: cells.word(8, "token", words::token)?,
            token_hash: TokenHash(cells.hash(9, "token_hash")?),
            permission: cells.word(10, "permission", words::permission)?,
            timezone: cells.get(11, "timezone")?,
            locale: cells.get(12, "locale")?,
            preferences: self.preferences(person, row)?,
        })
    }

    fn preferences(&mut self, person: Option<i64>, row: &SqliteRow) -> Result<Option<Arc<Preferences>>> {
        let cells = Cells::new(row, "person", 4);
        let Some(person) = person else { return Ok(None) };
        if cells.is_null(14) {
            return Ok(None);
        }
        if let Some(known) = self.preferences.get(&person) {
            return Ok(known.clone());
        }
        let read = cells.maybe_document(14, "preferences")?.map(Arc::new);
        self.preferences.insert(person, read.clone());
        Ok(read)
    }
}
