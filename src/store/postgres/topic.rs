//! Topics and who follows them.
//!
//! What is locked, in this order: the device's or the person's row, the topic's, the subscriptions.

use async_trait::async_trait;
use sqlx::PgConnection;
use sqlx::postgres::PgRow;

use super::super::rules::cursor::{from_text, to_text};
use super::super::topic::{Followed, Follower, Topic, Topics};
use super::super::{Error, Page, PageRequest, Result};
use super::PostgresStore;
use super::batch::{count, execute, fetch, fetch_one};
use super::fault::Unsettled;
use super::person;
use super::register::locked_device;
use super::row::{Cells, listed_at};
use super::tx::{Tx, reading, transaction};
use crate::domain::id::{AppId, DevicePk};

pub(super) const NUMBER: &str = "SELECT pk FROM topic WHERE app = $1 AND name = $2";
/// Nobody deletes it before this transaction is over.
pub(super) const KEPT: &str = "SELECT pk FROM topic WHERE app = $1 AND name = $2 FOR KEY SHARE";
pub(super) const LOCKED: &str = "SELECT pk FROM topic WHERE app = $1 AND name = $2 FOR UPDATE";
pub(super) const LIST: &str = "SELECT pk, name, created_at FROM topic WHERE app = $1 AND (created_at, pk) < (coalesce($2, 'infinity'::timestamptz), $3) \
                               ORDER BY created_at DESC, pk DESC LIMIT $4";
pub(super) const ONE: &str = "SELECT t.pk, t.name, t.created_at, (SELECT count(*) FROM topic_device f WHERE f.topic_pk = t.pk), \
                              (SELECT count(*) FROM topic_person f WHERE f.topic_pk = t.pk) FROM topic t WHERE t.app = $1 AND t.name = $2";
const ADD: &str = "INSERT INTO topic (app, name, created_at) VALUES ($1, $2, $3) ON CONFLICT (app, name) DO NOTHING";
pub(super) const PERSON: &str = "SELECT pk FROM person WHERE app = $1 AND name = $2";
const ADD_DEVICE: &str = "INSERT INTO topic_device (topic_pk, device_pk) VALUES ($1, $2) ON CONFLICT DO NOTHING";
const ADD_PERSON: &str = "INSERT INTO topic_person (topic_pk, person_pk) VALUES ($1, $2) ON CONFLICT DO NOTHING";
pub(super) const REMOVE_DEVICE: &str = "DELETE FROM topic_device WHERE topic_pk = $1 AND device_pk = $2";
pub(super) const REMOVE_PERSON: &str = "DELETE FROM topic_person WHERE topic_pk = $1 AND person_pk = $2";
pub(super) const FORGET_DEVICE: &str = "DELETE FROM topic_device WHERE device_pk = $1";
pub(super) const EMPTY_OF_DEVICES: &str = "DELETE FROM topic_device WHERE topic_pk = $1 \
                                           AND device_pk = ANY (ARRAY (SELECT device_pk FROM topic_device WHERE topic_pk = $1 LIMIT $2))";
pub(super) const EMPTY_OF_PEOPLE: &str = "DELETE FROM topic_person WHERE topic_pk = $1 \
                                          AND person_pk = ANY (ARRAY (SELECT person_pk FROM topic_person WHERE topic_pk = $1 LIMIT $2))";
pub(super) const OF_DEVICE: &str = "SELECT t.name FROM topic_device f CROSS JOIN LATERAL (SELECT name FROM topic WHERE pk = f.topic_pk LIMIT 1) t \
                                    WHERE f.device_pk = (SELECT pk FROM device WHERE app = $1 AND name = $2) ORDER BY t.name COLLATE \"C\"";
pub(super) const OF_PERSON: &str = "SELECT t.name FROM topic_person f CROSS JOIN LATERAL (SELECT name FROM topic WHERE pk = f.topic_pk LIMIT 1) t \
                                    WHERE f.person_pk = (SELECT pk FROM person WHERE app = $1 AND name = $2) ORDER BY t.name COLLATE \"C\"";
pub(super) const DELETE: &str = "DELETE FROM topic WHERE pk = $1";

/// Subscriptions that one transaction forgets.
const PART: usize = 10_000;
/// How often a topic that others make and forget all the while is looked for.
const ROUNDS: usize = 8;

/// The number of a topic, where there is one.
pub(super) async fn number(conn: &mut PgConnection, app: AppId, name: &str) -> Result<Option<i64>> {
    pk(conn, NUMBER, app, name).await
}

/// Forgets a device's own subscriptions.
pub(super) async fn forget_device(tx: &mut Tx, device: DevicePk) -> Result<()> {
    execute(tx, FORGET_DEVICE, |binds| {
        binds.push(device.0);
    })
    .await?;
    Ok(())
}

async fn pk(conn: &mut PgConnection, text: &'static str, app: AppId, name: &str) -> Result<Option<i64>> {
    let row = fetch_one(conn, text, |binds| {
        binds.push(app.0).push(name);
    });
    row.await?.map(|row| Cells::new(&row, "topic", 0).get(0, "pk")).transpose()
}

fn read(row: &PgRow) -> Result<Topic> {
    let cells = Cells::new(row, "topic", 0);
    Ok(Topic { name: cells.get(1, "name")?, created_at: cells.instant(2, "created_at")? })
}

async fn follow(tx: &mut Tx, app: AppId, name: &str, follower: &Follower) -> Result<bool> {
    let (text, member) = match follower {
        // its user does not change meanwhile
        Follower::Device(device) => match locked_device(tx, app, device).await? {
            Some(device) => (ADD_DEVICE, device.pk.0),
            None => return Ok(false),
        },
        Follower::User(user) => (ADD_PERSON, person::ensure(tx, app, user).await?.0),
    };
    let now = tx.now;
    for _ in 0..ROUNDS {
        if let Some(topic) = pk(tx, KEPT, app, name).await? {
            execute(tx, text, |binds| {
                binds.push(topic).push(member);
            })
            .await?;
            return Ok(true);
        }
        execute(tx, ADD, |binds| {
            binds.push(app.0).push(name).push(now);
        })
        .await?;
    }
    Err(Error::Unavailable(Box::new(Unsettled)))
}

async fn unfollow(tx: &mut Tx, app: AppId, name: &str, follower: &Follower) -> Result<bool> {
    let (text, member) = match follower {
        Follower::Device(device) => (REMOVE_DEVICE, locked_device(tx, app, device).await?.map(|device| device.pk.0)),
        Follower::User(user) => (REMOVE_PERSON, pk(tx, PERSON, app, user).await?),
    };
    let (Some(topic), Some(member)) = (number(tx, app, name).await?, member) else { return Ok(false) };
    let removed = execute(tx, text, |binds| {
        binds.push(topic).push(member);
    });
    Ok(removed.await? > 0)
}

/// Forgets a part of a topic; `None`: there is none, else whether it is gone.
async fn delete_part(tx: &mut Tx, app: AppId, name: &str) -> Result<Option<bool>> {
    let Some(topic) = pk(tx, LOCKED, app, name).await? else { return Ok(None) };
    for text in [EMPTY_OF_DEVICES, EMPTY_OF_PEOPLE] {
        let forgotten = execute(tx, text, |binds| {
            binds.push(topic).push(count(PART));
        });
        if forgotten.await? >= PART as u64 {
            return Ok(Some(false));
        }
    }
    execute(tx, DELETE, |binds| {
        binds.push(topic);
    })
    .await?;
    Ok(Some(true))
}

#[async_trait]
impl Topics for PostgresStore {
    async fn topics(&self, app: AppId, page: &PageRequest) -> Result<Page<Topic>> {
        let place: Option<(i64, i64)> = page.after.as_deref().map(from_text).transpose()?;
        let (created_at, pk) = (place.map(|place| listed_at(place.0)).transpose()?, place.map_or(i64::MAX, |place| place.1));
        let rows = reading!(self.callers, conn => fetch(&mut conn, LIST, |binds| {
            binds.push(app.0).push(created_at).push(pk).push(count(page.limit + 1));
        }))?;
        let items: Vec<Topic> = rows.iter().take(page.limit).map(read).collect::<Result<_>>()?;
        let last = rows.get(page.limit.saturating_sub(1)).filter(|_| rows.len() > page.limit);
        let place = |row| Ok((read(row)?.created_at.timestamp_micros(), Cells::new(row, "topic", 0).get::<i64>(0, "pk")?));
        let next = last.map(place).transpose()?.map(|place| to_text(&place)).transpose()?;
        Ok(Page { items, next })
    }

    async fn topic(&self, app: AppId, name: &str) -> Result<Option<Followed>> {
        let row = reading!(self.callers, conn => fetch_one(&mut conn, ONE, |binds| {
            binds.push(app.0).push(name);
        }))?;
        let Some(row) = row else { return Ok(None) };
        let cells = Cells::new(&row, "topic", 0);
        Ok(Some(Followed { topic: read(&row)?, devices: cells.count(3, "pk")?, users: cells.count(4, "pk")? }))
    }

    async fn follow(&self, app: AppId, topic: &str, follower: &Follower) -> Result<bool> {
        transaction!(self.callers, tx => follow(&mut tx, app, topic, follower))
    }

    async fn unfollow(&self, app: AppId, topic: &str, follower: &Follower) -> Result<bool> {
        transaction!(self.callers, tx => unfollow(&mut tx, app, topic, follower))
    }

    async fn followed_by(&self, app: AppId, follower: &Follower) -> Result<Vec<String>> {
        let (text, name) = match follower {
            Follower::Device(device) => (OF_DEVICE, device),
            Follower::User(user) => (OF_PERSON, user),
        };
        let rows = reading!(self.callers, conn => fetch(&mut conn, text, |binds| {
            binds.push(app.0).push(name);
        }));
        rows?.iter().map(|row| Cells::new(row, "topic", 0).get(0, "name")).collect()
    }

    async fn delete_topic(&self, app: AppId, name: &str) -> Result<bool> {
        let mut found = false;
        loop {
            match transaction!(self.callers, tx => delete_part(&mut tx, app, name))? {
                Some(false) => found = true,
                Some(true) => return Ok(true),
                None => return Ok(found),
            }
        }
    }
}
