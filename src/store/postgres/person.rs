//! People: preferences, contacts and profile, each a document with a version.

use async_trait::async_trait;
use sqlx::PgConnection;

use super::super::person::{DevicePreferencesPut, People, Versioned};
use super::super::rules::kept::Personal;
use super::super::rules::versions;
use super::super::rules::webhook_erasure::Looked;
use super::super::rules::webhook_items::Fact;
use super::super::seal::Seal;
use super::super::{Error, Result};
use super::PostgresStore;
use super::batch::{Binds, execute, fetch_one};
use super::device_preferences;
use super::erase::{self, Part};
use super::fault::Unsettled;
use super::row::Cells;
use super::tx::{Tx, reading, transaction};
use super::{webhook_erase, webhook_items};
use crate::domain::id::{AppId, PersonPk};
use crate::domain::preferences::{Contacts, Preferences};
use crate::domain::profile::Profile;

/// In order, so that batches of the same people wait for each other in one direction only. Those who are there cost no number.
pub(super) const ADD: &str = "INSERT INTO person (app, name) SELECT new.app, new.name FROM unnest($1::bigint[], $2::text[]) AS new (app, name) \
                              WHERE NOT EXISTS (SELECT 1 FROM person p WHERE p.app = new.app AND p.name = new.name) \
                              ORDER BY new.app, new.name ON CONFLICT (app, name) DO NOTHING";
pub(super) const NUMBER: &str = "SELECT pk FROM person WHERE app = $1 AND name = $2";

/// How often a person whom others make and forget all the while is looked for.
const ROUNDS: usize = 8;

/// The statements of one of the documents.
struct Document {
    column: &'static str,
    get: &'static str,
    lock: &'static str,
    put: &'static str,
    /// It says in which zone the person lives.
    has_zone: bool,
}

const PREFERENCES: Document = Document {
    column: "preferences",
    get: "SELECT pk, preferences::text, preferences_version FROM person WHERE app = $1 AND name = $2",
    lock: "SELECT pk, preferences_version, preferences::text FROM person WHERE app = $1 AND name = $2 FOR NO KEY UPDATE",
    put: "UPDATE person SET preferences = $2::json, preferences_version = $3, timezone = $4 WHERE pk = $1",
    has_zone: true,
};
const CONTACTS: Document = Document {
    column: "contacts",
    get: "SELECT pk, contacts::text, contacts_version FROM person WHERE app = $1 AND name = $2",
    lock: "SELECT pk, contacts_version FROM person WHERE app = $1 AND name = $2 FOR NO KEY UPDATE",
    put: "UPDATE person SET contacts = $2::json, contacts_version = $3 WHERE pk = $1",
    has_zone: false,
};
const PROFILE: Document = Document {
    column: "tags",
    get: "SELECT pk, jsonb_build_object('tags', tags, 'locale', locale)::text, profile_version FROM person WHERE app = $1 AND name = $2",
    lock: "SELECT pk, profile_version FROM person WHERE app = $1 AND name = $2 FOR NO KEY UPDATE",
    put: "UPDATE person SET tags = $2::jsonb -> 'tags', locale = $2::jsonb ->> 'locale', profile_version = $3 WHERE pk = $1",
    has_zone: false,
};
const DELETE_CONTACTS: &str = "UPDATE person SET contacts = NULL, contacts_version = contacts_version + 1 \
                               WHERE app = $1 AND name = $2 AND contacts IS NOT NULL";

/// Makes the rows of people who have none.
pub(super) async fn add(tx: &mut Tx, people: &[(AppId, String)]) -> Result<()> {
    execute(tx, ADD, |binds| {
        binds.push(people.iter().map(|(app, _)| app.0).collect::<Vec<i64>>());
        binds.push(people.iter().map(|(_, name)| name.as_str()).collect::<Vec<&str>>());
    })
    .await?;
    Ok(())
}

/// A person's number, where there is a row.
pub(super) async fn number(conn: &mut PgConnection, app: AppId, name: &str) -> Result<Option<PersonPk>> {
    let row = fetch_one(conn, NUMBER, named(app, name)).await?;
    row.map(|row| Cells::new(&row, "person", 0).get(0, "pk").map(PersonPk)).transpose()
}

/// A person's number; the row is made where there is none.
pub(super) async fn ensure(tx: &mut Tx, app: AppId, name: &str) -> Result<PersonPk> {
    for _ in 0..ROUNDS {
        if let Some(person) = number(tx, app, name).await? {
            return Ok(person);
        }
        add(tx, &[(app, name.to_owned())]).await?;
    }
    Err(Error::Unavailable(Box::new(Unsettled)))
}

fn named(app: AppId, name: &str) -> impl FnOnce(&mut Binds) + Send + '_ {
    move |binds| {
        binds.push(app.0).push(name);
    }
}

#[async_trait]
impl People for PostgresStore {
    async fn preferences(&self, app: AppId, user: &str) -> Result<Versioned<Preferences>> {
        reading!(self.callers, conn => get(&mut conn, &self.seal, &PREFERENCES, (app, user)))
    }

    async fn put_preferences(
        &self,
        app: AppId,
        user: &str,
        preferences: &Preferences,
        if_match: Option<i64>,
    ) -> Result<Option<Versioned<Preferences>>> {
        let put = Put { document: &PREFERENCES, app, user, value: preferences, zone: preferences.timezone.as_deref(), if_match };
        let version = transaction!(self.callers, tx => write_preferences(&mut tx, &put))?;
        Ok(version.map(|version| Versioned { value: preferences.clone(), version }))
    }

    async fn device_preferences(&self, app: AppId, device: &str) -> Result<Option<Versioned<Preferences>>> {
        reading!(self.callers, conn => device_preferences::get(&mut conn, app, device))
    }

    async fn put_device_preferences(
        &self,
        app: AppId,
        device: &str,
        preferences: &Preferences,
        if_match: Option<i64>,
    ) -> Result<DevicePreferencesPut> {
        transaction!(self.callers, tx => device_preferences::put(&mut tx, (app, device), preferences, if_match))
    }

    async fn contacts(&self, app: AppId, user: &str) -> Result<Versioned<Contacts>> {
        reading!(self.callers, conn => get(&mut conn, &self.seal, &CONTACTS, (app, user)))
    }

    async fn put_contacts(
        &self,
        app: AppId,
        user: &str,
        contacts: &Contacts,
        if_match: Option<i64>,
    ) -> Result<Option<Versioned<Contacts>>> {
        let put = Put { document: &CONTACTS, app, user, value: contacts, zone: None, if_match };
        let version = transaction!(self.callers, tx => write(&mut tx, &put))?;
        Ok(version.map(|version| Versioned { value: contacts.clone(), version }))
    }

    async fn delete_contacts(&self, app: AppId, user: &str) -> Result<bool> {
        let deleted = transaction!(self.callers, tx => execute(&mut tx, DELETE_CONTACTS, named(app, user)));
        Ok(deleted? > 0)
    }

    async fn profile(&self, app: AppId, user: &str) -> Result<Versioned<Profile>> {
        reading!(self.callers, conn => get(&mut conn, &self.seal, &PROFILE, (app, user)))
    }

    async fn put_profile(&self, app: AppId, user: &str, profile: &Profile, if_match: Option<i64>) -> Result<Option<Versioned<Profile>>> {
        let put = Put { document: &PROFILE, app, user, value: profile, zone: None, if_match };
        let version = transaction!(self.callers, tx => write(&mut tx, &put))?;
        Ok(version.map(|version| Versioned { value: profile.clone(), version }))
    }

    async fn erase_user(&self, app: AppId, user: &str) -> Result<bool> {
        let mut found = false;
        while let Some(erased) = transaction!(self.callers, tx => erase::begin(&mut tx, app, user))? {
            found = true;
            let mut looked = Looked::default();
            loop {
                webhook_erase::catch_up(&self.callers, app, &erased, &mut looked).await?;
                match transaction!(self.callers, tx => erase::part(&mut tx, (app, user), &erased, &looked))? {
                    Part::Done => {}
                    Part::Over => return Ok(true),
                    Part::Changed => break,
                }
            }
        }
        Ok(found)
    }
}

async fn get<T: Personal>(conn: &mut PgConnection, seal: &Seal, document: &Document, (app, user): (AppId, &str)) -> Result<Versioned<T>> {
    let Some(row) = fetch_one(conn, document.get, named(app, user)).await? else {
        return Ok(Versioned { value: T::default(), version: 0 });
    };
    let cells = Cells::new(&row, "person", 0);
    let read = |kept| T::of_text(seal, PersonPk(cells.get(0, "pk")?), kept).ok_or_else(|| cells.unreadable(document.column));
    let value = cells.get::<Option<&str>>(1, document.column)?.map(read).transpose()?.unwrap_or_default();
    Ok(Versioned { value, version: cells.get(2, "version")? })
}

/// Writes preferences, and tells of it where they are others now.
async fn write_preferences(tx: &mut Tx, put: &Put<'_, Preferences>) -> Result<Option<i64>> {
    let (app, user, at) = (put.app, put.user, tx.now);
    let row = fetch_one(tx, PREFERENCES.lock, named(app, user)).await?;
    let old: Option<Preferences> =
        row.as_ref().map(|row| Cells::new(row, "person", 0).maybe_document(2, "preferences")).transpose()?.flatten();
    let version = write(tx, put).await?;
    if version.is_some() && old.unwrap_or_default() != *put.value {
        webhook_items::tell(tx, &[Fact::Preferences { app, user, at }]).await?;
    }
    Ok(version)
}

/// Which document of whom is to hold what, and which version it must have.
struct Put<'a, T> {
    document: &'a Document,
    app: AppId,
    user: &'a str,
    value: &'a T,
    zone: Option<&'a str>,
    if_match: Option<i64>,
}

/// Writes a document; its new version, or `None` where it has another than it must have.
async fn write<T: Personal>(tx: &mut Tx, put: &Put<'_, T>) -> Result<Option<i64>> {
    for _ in 0..ROUNDS {
        let row = fetch_one(tx, put.document.lock, named(put.app, put.user)).await?;
        let old = row.as_ref().map(|row| Cells::new(row, "person", 0));
        let version: i64 = old.map_or(Ok(0), |cells| cells.get(1, "version"))?;
        if put.if_match.is_some_and(|wanted| wanted != version) {
            return Ok(None);
        }
        let Some(cells) = old else {
            add(tx, &[(put.app, put.user.to_owned())]).await?;
            continue;
        };
        let pk: i64 = cells.get(0, "pk")?;
        let (text, next) = (put.value.to_text(&tx.seal, PersonPk(pk))?, versions::after(version, tx.now.timestamp_micros()));
        execute(tx, put.document.put, |binds| {
            binds.push(pk).push(&text).push(next);
            if put.document.has_zone {
                binds.push(put.zone);
            }
        })
        .await?;
        return Ok(Some(next));
    }
    Err(Error::Unavailable(Box::new(Unsettled)))
}
