//! People: preferences, contacts and profile, each a document with a version.

use std::sync::Arc;

use async_trait::async_trait;

use super::super::Result;
use super::super::person::{DevicePreferencesPut, People, Versioned};
use super::super::rules::kept::Personal;
use super::super::rules::versions;
use super::super::rules::webhook_erasure::Looked;
use super::super::rules::webhook_items::Fact;
use super::super::seal::Seal;
use super::SqliteStore;
use super::batch::{Binds, Tuples, execute, fetch_one, no_lead};
use super::device_preferences;
use super::erase::{self, Part};
use super::row::{Cells, instant};
use super::writer::Tx;
use super::{webhook_erase, webhook_items};
use crate::domain::id::{AppId, PersonPk};
use crate::domain::preferences::{Contacts, Preferences};
use crate::domain::profile::Profile;

const ADD: Tuples = Tuples { head: "INSERT INTO person (app, name) VALUES ", width: 2, tail: " ON CONFLICT (app, name) DO NOTHING" };
pub(super) const NUMBER: &str = "SELECT pk FROM person WHERE app = ?1 AND name = ?2";

/// The statements of one of the documents.
struct Document {
    column: &'static str,
    get: &'static str,
    put: &'static str,
}

const PREFERENCES: Document = Document {
    column: "preferences",
    get: "SELECT pk, preferences, preferences_version FROM person WHERE app = ?1 AND name = ?2",
    put: "UPDATE person SET preferences = ?2, preferences_version = ?3, timezone = ?4 WHERE pk = ?1",
};
const CONTACTS: Document = Document {
    column: "contacts",
    get: "SELECT pk, contacts, contacts_version FROM person WHERE app = ?1 AND name = ?2",
    put: "UPDATE person SET contacts = ?2, contacts_version = ?3 WHERE pk = ?1",
};
const PROFILE: Document = Document {
    column: "tags",
    get: "SELECT pk, json_object('tags', json(tags), 'locale', locale), profile_version FROM person WHERE app = ?1 AND name = ?2",
    put: "UPDATE person SET tags = ?2 -> '$.tags', locale = ?2 ->> '$.locale', profile_version = ?3 WHERE pk = ?1",
};
const DELETE_CONTACTS: &str = "UPDATE person SET contacts = NULL, contacts_version = contacts_version + 1 \
                               WHERE app = ?1 AND name = ?2 AND contacts IS NOT NULL";

/// Makes the rows of people who have none.
pub(super) async fn add(tx: &mut Tx<'_>, people: &[(AppId, String)]) -> Result<()> {
    let one = |binds: &mut Binds, (app, name): &(AppId, String)| {
        binds.push(app.0).push(name);
    };
    ADD.execute(tx.conn, people, no_lead, one).await?;
    Ok(())
}

/// A person's number, where there is a row.
pub(super) async fn number(conn: &mut sqlx::SqliteConnection, app: AppId, name: &str) -> Result<Option<PersonPk>> {
    let row = fetch_one(conn, NUMBER, |binds| {
        binds.push(app.0).push(name);
    });
    row.await?.map(|row| Cells::new(&row, "person", 0).get(0, "pk").map(PersonPk)).transpose()
}

/// A person's number; the row is made where there is none.
pub(super) async fn ensure(tx: &mut Tx<'_>, app: AppId, name: &str) -> Result<PersonPk> {
    loop {
        if let Some(person) = number(tx.conn, app, name).await? {
            return Ok(person);
        }
        add(tx, &[(app, name.to_owned())]).await?;
    }
}

#[async_trait]
impl People for SqliteStore {
    async fn preferences(&self, app: AppId, user: &str) -> Result<Versioned<Preferences>> {
        let mut tx = self.read().await?;
        get(&mut tx, &self.seal, &PREFERENCES, app, user).await
    }

    async fn put_preferences(
        &self,
        app: AppId,
        user: &str,
        preferences: &Preferences,
        if_match: Option<i64>,
    ) -> Result<Option<Versioned<Preferences>>> {
        let (user, value) = (user.to_owned(), preferences.clone());
        let put = async move |mut tx: Tx<'_>| {
            let zone = value.timezone.clone();
            let target = Put { document: &PREFERENCES, app, user: &user, if_match };
            let Some((old, new)) = put(&mut tx, target, value, zone).await? else { return Ok(None) };
            if old != new.value {
                let at = instant(tx.now).unwrap_or_default();
                webhook_items::tell(&mut tx, &[Fact::Preferences { app, user: &user, at }]).await?;
            }
            Ok(Some(new))
        };
        self.write(move |tx| Box::pin(async move { put(tx).await })).await
    }

    async fn device_preferences(&self, app: AppId, device: &str) -> Result<Option<Versioned<Preferences>>> {
        let mut tx = self.read().await?;
        device_preferences::get(&mut tx, app, device).await
    }

    async fn put_device_preferences(
        &self,
        app: AppId,
        device: &str,
        preferences: &Preferences,
        if_match: Option<i64>,
    ) -> Result<DevicePreferencesPut> {
        let (device, value) = (device.to_owned(), preferences.clone());
        let put = async move |mut tx: Tx<'_>| device_preferences::put(&mut tx, (app, &device), value, if_match).await;
        self.write(move |tx| Box::pin(async move { put(tx).await })).await
    }

    async fn contacts(&self, app: AppId, user: &str) -> Result<Versioned<Contacts>> {
        let mut tx = self.read().await?;
        get(&mut tx, &self.seal, &CONTACTS, app, user).await
    }

    async fn put_contacts(
        &self,
        app: AppId,
        user: &str,
        contacts: &Contacts,
        if_match: Option<i64>,
    ) -> Result<Option<Versioned<Contacts>>> {
        let (user, value) = (user.to_owned(), contacts.clone());
        let put = async move |mut tx: Tx<'_>| {
            let target = Put { document: &CONTACTS, app, user: &user, if_match };
            Ok(put(&mut tx, target, value, None).await?.map(|(_, new)| new))
        };
        self.write(move |tx| Box::pin(async move { put(tx).await })).await
    }

    async fn delete_contacts(&self, app: AppId, user: &str) -> Result<bool> {
        let user = user.to_owned();
        let delete = async move |tx: Tx<'_>| {
            let deleted = execute(tx.conn, DELETE_CONTACTS, |binds| {
                binds.push(app.0).push(&user);
            });
            Ok(deleted.await? > 0)
        };
        self.write(move |tx| Box::pin(async move { delete(tx).await })).await
    }

    async fn profile(&self, app: AppId, user: &str) -> Result<Versioned<Profile>> {
        let mut tx = self.read().await?;
        get(&mut tx, &self.seal, &PROFILE, app, user).await
    }

    async fn put_profile(&self, app: AppId, user: &str, profile: &Profile, if_match: Option<i64>) -> Result<Option<Versioned<Profile>>> {
        let (user, value) = (user.to_owned(), profile.clone());
        let put = async move |mut tx: Tx<'_>| {
            let target = Put { document: &PROFILE, app, user: &user, if_match };
            Ok(put(&mut tx, target, value, None).await?.map(|(_, new)| new))
        };
        self.write(move |tx| Box::pin(async move { put(tx).await })).await
    }

    async fn erase_user(&self, app: AppId, user: &str) -> Result<bool> {
        let (user, mut found): (Arc<str>, bool) = (user.into(), false);
        loop {
            let name = Arc::clone(&user);
            let erased = self.write(move |tx| Box::pin(async move { erase::begin(tx, app, &name).await })).await?;
            let Some(erased) = erased.map(Arc::new) else { return Ok(found) };
            found = true;
            let mut looked = Looked::default();
            loop {
                webhook_erase::catch_up(self, app, &erased, &mut looked).await?;
                let (name, erased) = (Arc::clone(&user), Arc::clone(&erased));
                let part = async move |tx: Tx<'_>| Ok((erase::part(tx, (app, &name), &erased, &looked).await?, looked));
                let (part, before) = self.write(move |tx| Box::pin(async move { part(tx).await })).await?;
                looked = before;
                match part {
                    Part::Done => {}
                    Part::Over => return Ok(true),
                    Part::Changed => break,
                }
            }
        }
    }
}

async fn get<T: Personal>(
    conn: &mut sqlx::SqliteConnection,
    seal: &Seal,
    document: &Document,
    app: AppId,
    user: &str,
) -> Result<Versioned<T>> {
    let row = fetch_one(conn, document.get, |binds| {
        binds.push(app.0).push(user);
    });
    let Some(row) = row.await? else { return Ok(Versioned { value: T::default(), version: 0 }) };
    let cells = Cells::new(&row, "person", 0);
    let read = |kept| T::of_text(seal, PersonPk(cells.get(0, "pk")?), kept).ok_or_else(|| cells.unreadable(document.column));
    let value = cells.get::<Option<&str>>(1, document.column)?.map(read).transpose()?.unwrap_or_default();
    Ok(Versioned { value, version: cells.get(2, "version")? })
}

/// Which document of whom, and which version it must have.
struct Put<'a> {
    document: &'a Document,
    app: AppId,
    user: &'a str,
    if_match: Option<i64>,
}

/// Writes a document; what it was and what it is. `None`: it has another version than it must have.
async fn put<T: Personal>(tx: &mut Tx<'_>, target: Put<'_>, value: T, zone: Option<String>) -> Result<Option<(T, Versioned<T>)>> {
    let Put { document, app, user, if_match } = target;
    let old: Versioned<T> = get(tx.conn, tx.seal, document, app, user).await?;
    if if_match.is_some_and(|version| version != old.version) {
        return Ok(None);
    }
    let pk = ensure(tx, app, user).await?;
    let (text, version) = (value.to_text(tx.seal, pk)?, versions::after(old.version, tx.now));
    let write = execute(tx.conn, document.put, |binds| {
        binds.push(pk.0).push(&text).push(version).push(zone.as_deref());
    });
    write.await?;
    Ok(Some((old.value, Versioned { value, version })))
}
