//! Topics and who follows them.

use async_trait::async_trait;
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use super::super::rules::cursor::{from_text, to_text};
use super::super::topic::{Followed, Follower, Topic, Topics};
use super::super::{Page, PageRequest, Result};
use super::SqliteStore;
use super::batch::{execute, fetch, fetch_one};
use super::person;
use super::row::{Cells, micros};
use super::work::count;
use super::writer::Tx;
use crate::domain::id::{AppId, DevicePk};

pub(super) const NUMBER: &str = "SELECT pk FROM topic WHERE app = ?1 AND name = ?2";
pub(super) const LIST: &str = "SELECT pk, name, created_at FROM topic WHERE app = ?1 AND (created_at, pk) < (?2, ?3) \
                               ORDER BY created_at DESC, pk DESC LIMIT ?4";
pub(super) const ONE: &str = "SELECT t.pk, t.name, t.created_at, (SELECT count(*) FROM topic_device f WHERE f.topic_pk = t.pk), \
                              (SELECT count(*) FROM topic_person f WHERE f.topic_pk = t.pk) FROM topic t WHERE t.app = ?1 AND t.name = ?2";
const ADD: &str = "INSERT INTO topic (app, name, created_at) VALUES (?1, ?2, ?3) ON CONFLICT (app, name) DO NOTHING";
pub(super) const DEVICE: &str = "SELECT pk FROM device WHERE app = ?1 AND name = ?2 AND token IS NOT NULL";
pub(super) const PERSON: &str = "SELECT pk FROM person WHERE app = ?1 AND name = ?2";
const ADD_DEVICE: &str = "INSERT INTO topic_device (topic_pk, device_pk) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
const ADD_PERSON: &str = "INSERT INTO topic_person (topic_pk, person_pk) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
const REMOVE_DEVICE: &str = "DELETE FROM topic_device WHERE topic_pk = ?1 AND device_pk = ?2";
const REMOVE_PERSON: &str = "DELETE FROM topic_person WHERE topic_pk = ?1 AND person_pk = ?2";
pub(super) const FORGET_DEVICE: &str = "DELETE FROM topic_device WHERE device_pk = ?1";
pub(super) const EMPTY_OF_DEVICES: &str =
    "DELETE FROM topic_device WHERE topic_pk = ?1 AND device_pk IN (SELECT device_pk FROM topic_device WHERE topic_pk = ?1 LIMIT ?2)";
pub(super) const EMPTY_OF_PEOPLE: &str =
    "DELETE FROM topic_person WHERE topic_pk = ?1 AND person_pk IN (SELECT person_pk FROM topic_person WHERE topic_pk = ?1 LIMIT ?2)";
pub(super) const OF_DEVICE: &str = "SELECT t.name FROM topic_device f JOIN topic t ON t.pk = f.topic_pk \
                                    WHERE f.device_pk = (SELECT pk FROM device WHERE app = ?1 AND name = ?2) ORDER BY t.name";
pub(super) const OF_PERSON: &str = "SELECT t.name FROM topic_person f JOIN topic t ON t.pk = f.topic_pk \
                                    WHERE f.person_pk = (SELECT pk FROM person WHERE app = ?1 AND name = ?2) ORDER BY t.name";
const DELETE: &str = "DELETE FROM topic WHERE pk = ?1";

/// Subscriptions that one write forgets.
const PART: usize = 2_000;

/// The number of a topic, where there is one.
pub(super) async fn number(conn: &mut SqliteConnection, app: AppId, name: &str) -> Result<Option<i64>> {
    pk(conn, NUMBER, app, name).await
}

/// Forgets a device's own subscriptions.
pub(super) async fn forget_device(tx: &mut Tx<'_>, device: DevicePk) -> Result<()> {
    execute(tx.conn, FORGET_DEVICE, |binds| {
        binds.push(device.0);
    })
    .await?;
    Ok(())
}

async fn pk(conn: &mut SqliteConnection, text: &'static str, app: AppId, name: &str) -> Result<Option<i64>> {
    let row = fetch_one(conn, text, |binds| {
        binds.push(app.0).push(name);
    });
    row.await?.map(|row| Cells::new(&row, "topic", 0).get(0, "pk")).transpose()
}

fn read(row: &SqliteRow) -> Result<Topic> {
    let cells = Cells::new(row, "topic", 0);
    Ok(Topic { name: cells.get(1, "name")?, created_at: cells.instant(2, "created_at")? })
}

async fn follow(mut tx: Tx<'_>, app: AppId, name: &str, follower: &Follower) -> Result<bool> {
    let (text, member) = match follower {
        Follower::Device(device) => match pk(tx.conn, DEVICE, app, device).await? {
            Some(pk) => (ADD_DEVICE, pk),
            None => return Ok(false),
        },
        Follower::User(user) => (ADD_PERSON, person::ensure(&mut tx, app, user).await?.0),
    };
    let now = tx.now;
    execute(tx.conn, ADD, |binds| {
        binds.push(app.0).push(name).push(now);
    })
    .await?;
    let topic = number(tx.conn, app, name).await?;
    execute(tx.conn, text, |binds| {
        binds.push(topic).push(member);
    })
    .await?;
    Ok(true)
}

async fn unfollow(tx: Tx<'_>, app: AppId, name: &str, follower: &Follower) -> Result<bool> {
    let (text, member) = match follower {
        Follower::Device(device) => (REMOVE_DEVICE, pk(tx.conn, DEVICE, app, device).await?),
        Follower::User(user) => (REMOVE_PERSON, pk(tx.conn, PERSON, app, user).await?),
    };
    let (Some(topic), Some(member)) = (number(tx.conn, app, name).await?, member) else { return Ok(false) };
    let removed = execute(tx.conn, text, |binds| {
        binds.push(topic).push(member);
    });
    Ok(removed.await? > 0)
}

/// Forgets a part of a topic; `None`: there is none, else whether it is gone.
async fn delete_part(tx: Tx<'_>, app: AppId, name: &str) -> Result<Option<bool>> {
    let Some(topic) = number(tx.conn, app, name).await? else { return Ok(None) };
    for text in [EMPTY_OF_DEVICES, EMPTY_OF_PEOPLE] {
        let forgotten = execute(tx.conn, text, |binds| {
            binds.push(topic).push(count(PART));
        });
        if forgotten.await? >= PART as u64 {
            return Ok(Some(false));
        }
    }
    execute(tx.conn, DELETE, |binds| {
        binds.push(topic);
    })
    .await?;
    Ok(Some(true))
}

#[async_trait]
impl Topics for SqliteStore {
    async fn topics(&self, app: AppId, page: &PageRequest) -> Result<Page<Topic>> {
        let (created_at, pk): (i64, i64) = page.after.as_deref().map_or(Ok((i64::MAX, i64::MAX)), from_text)?;
        let mut tx = self.read().await?;
        let rows = fetch(&mut tx, LIST, |binds| {
            binds.push(app.0).push(created_at).push(pk).push(count(page.limit + 1));
        });
        let rows = rows.await?;
        let items: Vec<Topic> = rows.iter().take(page.limit).map(read).collect::<Result<_>>()?;
        let last = rows.get(page.limit.saturating_sub(1)).filter(|_| rows.len() > page.limit);
        let place = |row| Ok((micros(read(row)?.created_at), Cells::new(row, "topic", 0).get::<i64>(0, "pk")?));
        let next = last.map(place).transpose()?.map(|place| to_text(&place)).transpose()?;
        Ok(Page { items, next })
    }

    async fn topic(&self, app: AppId, name: &str) -> Result<Option<Followed>> {
        let mut tx = self.read().await?;
        let row = fetch_one(&mut tx, ONE, |binds| {
            binds.push(app.0).push(name);
        });
        let Some(row) = row.await? else { return Ok(None) };
        let cells = Cells::new(&row, "topic", 0);
        Ok(Some(Followed { topic: read(&row)?, devices: cells.count(3, "pk")?, users: cells.count(4, "pk")? }))
    }

    async fn follow(&self, app: AppId, topic: &str, follower: &Follower) -> Result<bool> {
        let (topic, follower) = (topic.to_owned(), follower.clone());
        self.write(move |tx| Box::pin(async move { follow(tx, app, &topic, &follower).await })).await
    }

    async fn unfollow(&self, app: AppId, topic: &str, follower: &Follower) -> Result<bool> {
        let (topic, follower) = (topic.to_owned(), follower.clone());
        self.write(move |tx| Box::pin(async move { unfollow(tx, app, &topic, &follower).await })).await
    }

    async fn followed_by(&self, app: AppId, follower: &Follower) -> Result<Vec<String>> {
        let (text, name) = match follower {
            Follower::Device(device) => (OF_DEVICE, device),
            Follower::User(user) => (OF_PERSON, user),
        };
        let mut tx = self.read().await?;
        let rows = fetch(&mut tx, text, |binds| {
            binds.push(app.0).push(name);
        });
        rows.await?.iter().map(|row| Cells::new(row, "topic", 0).get(0, "name")).collect()
    }

    async fn delete_topic(&self, app: AppId, name: &str) -> Result<bool> {
        let mut found = false;
        loop {
            let name = name.to_owned();
            match self.write(move |tx| Box::pin(async move { delete_part(tx, app, &name).await })).await? {
                Some(false) => found = true,
                Some(true) => return Ok(true),
                None => return Ok(found),
            }
        }
    }
}
