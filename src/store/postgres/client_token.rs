//! Families of client tokens.
//!
//! What is locked, in this order: the device's row, the person's, the families'.

use async_trait::async_trait;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::super::client_token::{ClientTokens, Family, MAX_DEVICE_FAMILIES, MAX_USER_FAMILIES, Refreshed, Standing};
use super::super::rules::client_tokens::{Chain, Exchange, Presented};
use super::super::{Error, Result};
use super::PostgresStore;
use super::batch::{count, execute, fetch_one};
use super::fault::Unsettled;
use super::person;
use super::register::{ADD as ADD_DEVICE, PERSON};
use super::row::Cells;
use super::tx::{Tx, reading, transaction};
use crate::domain::Timestamp;
use crate::domain::id::{AppId, DevicePk, PersonPk};

/// The device stays, and others who begin a family on it wait.
pub(super) const DEVICE: &str = "SELECT pk FROM device WHERE app = $1 AND name = $2 FOR NO KEY UPDATE";
const ADD: &str = "INSERT INTO token_family (id, app, person_pk, device_pk, generation, refresh_hash, renewed_at, seen, created_at, expires_at) \
                   VALUES ($1, $2, $3, $4, 1, $5, $6, true, $7, $8)";
pub(super) const CROWD_OF_DEVICE: &str = "DELETE FROM token_family WHERE id = ANY (ARRAY (SELECT id FROM token_family WHERE device_pk = $1 AND person_pk IS NOT DISTINCT FROM $5 \
                                          ORDER BY id = $2 DESC, (revoked_at IS NULL AND expires_at > $3) DESC, created_at DESC, id DESC \
                                          OFFSET $4))";
pub(super) const CROWD_OF_PERSON: &str = "DELETE FROM token_family WHERE id = ANY (ARRAY (SELECT id FROM token_family WHERE person_pk = $1 \
                                          ORDER BY id = $2 DESC, (revoked_at IS NULL AND expires_at > $3) DESC, created_at DESC, id DESC \
                                          OFFSET $4))";
/// Read outside a transaction: the clock is the statement's, or the one that stands for it. A family whose person or device is gone is none,
/// though nobody revoked it.
pub(super) const STAND: &str = "SELECT id, generation, refresh_hash, renewed_at, seen, revoked_at, expires_at, coalesce($3, now()) \
                                FROM token_family family WHERE id = $1 AND app = $2 AND (revoked_at IS NOT NULL OR \
                                (person_pk IS NULL OR (SELECT p.pk FROM person p WHERE p.pk = family.person_pk) IS NOT NULL) AND \
                                (device_pk IS NULL OR (SELECT d.pk FROM device d WHERE d.pk = family.device_pk) IS NOT NULL))";
pub(super) const LOCKED: &str = "SELECT t.id, t.generation, t.refresh_hash, t.renewed_at, t.seen, t.revoked_at, t.expires_at, t.app, t.created_at, \
                                 t.person_pk, (SELECT p.name FROM person p WHERE p.pk = t.person_pk), \
                                 t.device_pk, (SELECT d.name FROM device d WHERE d.pk = t.device_pk) \
                                 FROM token_family t WHERE t.id = $1 FOR UPDATE";
pub(super) const RENEW: &str =
    "UPDATE token_family SET generation = $2, refresh_hash = $3, renewed_at = $4, seen = false, expires_at = $5 WHERE id = $1";
pub(super) const SEEN: &str = "UPDATE token_family SET seen = true WHERE id = $1 AND generation = $2";
pub(super) const REVOKE: &str = "UPDATE token_family SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL AND expires_at > $2";
pub(super) const REVOKE_PERSON: &str = "UPDATE token_family SET revoked_at = $2 WHERE id = ANY (ARRAY (SELECT id FROM token_family \
                                        WHERE person_pk = $1 AND revoked_at IS NULL AND expires_at > $2 ORDER BY id FOR UPDATE))";
pub(super) const REVOKE_DEVICE: &str = "UPDATE token_family SET revoked_at = $2 WHERE id = ANY (ARRAY (SELECT id FROM token_family \
                                        WHERE device_pk = $1 AND revoked_at IS NULL AND expires_at > $2 ORDER BY id FOR UPDATE))";
pub(super) const REVOKE_USER_OF_DEVICE: &str = "UPDATE token_family SET revoked_at = $2 WHERE id = ANY (ARRAY (SELECT id FROM token_family \
                                                WHERE device_pk = $1 AND coalesce(person_pk, 0) = $3 AND revoked_at IS NULL AND expires_at > $2 \
                                                ORDER BY id FOR UPDATE))";

/// How often a row that others make and forget all the while is looked for.
const ROUNDS: usize = 8;

#[async_trait]
impl ClientTokens for PostgresStore {
    async fn begin_family(&self, family: &Family, refresh: [u8; 32]) -> Result<()> {
        transaction!(self.callers, tx => begin(&mut tx, family, refresh))
    }

    async fn refresh(
        &self,
        family: Uuid,
        generation: i64,
        presented: [u8; 32],
        next: [u8; 32],
        expires_at: Timestamp,
    ) -> Result<Refreshed> {
        let presented = Presented { generation, hash: presented, next };
        transaction!(self.callers, tx => refresh(&mut tx, family, &presented, expires_at))
    }

    async fn seen(&self, app: AppId, family: Uuid, generation: i64) -> Result<Standing> {
        let clock = self.callers.clock();
        let row = reading!(self.callers, conn => fetch_one(&mut conn, STAND, |binds| {
            binds.push(family).push(app.0).push(clock);
        }));
        let Some(row) = row? else { return Ok(Standing::Gone) };
        let cells = Cells::new(&row, "token_family", 0);
        let chain = chain(&cells)?;
        let standing = chain.standing(cells.instant(7, "now")?);
        if standing == Standing::Stands && chain.is_news(generation) {
            transaction!(self.callers, tx => execute(&mut tx, SEEN, |binds| {
                binds.push(family).push(generation);
            }))?;
        }
        Ok(standing)
    }

    async fn revoke_family(&self, family: Uuid) -> Result<bool> {
        transaction!(self.callers, tx => revoke(&mut tx, family))
    }

    async fn revoke_user(&self, app: AppId, user: &str) -> Result<u64> {
        transaction!(self.callers, tx => async {
            match person::number(&mut tx, app, user).await? {
                Some(person) => revoke_person(&mut tx, person).await,
                None => Ok(0),
            }
        })
    }
}

async fn begin(tx: &mut Tx, family: &Family, refresh: [u8; 32]) -> Result<()> {
    let device = match &family.device {
        Some(name) => Some(held_device(tx, family.app, name).await?),
        None => None,
    };
    let person = match &family.user {
        Some(user) => Some(held_person(tx, family.app, user).await?),
        None => None,
    };
    let now = tx.now;
    execute(tx, ADD, |binds| {
        binds.push(family.id).push(family.app.0).push(person.map(|person| person.0)).push(device.map(|device| device.0));
        binds.push(refresh.as_slice()).push(now).push(family.created_at).push(family.expires_at);
    })
    .await?;
    if let Some(device) = device {
        let person = person.map(|person| person.0);
        execute(tx, CROWD_OF_DEVICE, |binds| {
            binds.push(device.0).push(family.id).push(now).push(count(MAX_DEVICE_FAMILIES)).push(person);
        })
        .await?;
    }
    if let Some(person) = person {
        execute(tx, CROWD_OF_PERSON, |binds| {
            binds.push(person.0).push(family.id).push(now).push(count(MAX_USER_FAMILIES));
        })
        .await?;
    }
    Ok(())
}

/// A device's number, locked; the row is made where there is none, and is a mere name then.
pub(super) async fn held_device(tx: &mut Tx, app: AppId, name: &str) -> Result<DevicePk> {
    let now = tx.now;
    for _ in 0..ROUNDS {
        let row = fetch_one(tx, DEVICE, |binds| {
            binds.push(app.0).push(name);
        });
        if let Some(row) = row.await? {
            return Cells::new(&row, "device", 0).get(0, "pk").map(DevicePk);
        }
        execute(tx, ADD_DEVICE, |binds| {
            binds.push(app.0).push(name).push(now);
        })
        .await?;
    }
    Err(Error::Unavailable(Box::new(Unsettled)))
}

/// A person's number, locked; the row is made where there is none.
async fn held_person(tx: &mut Tx, app: AppId, name: &str) -> Result<PersonPk> {
    for _ in 0..ROUNDS {
        let person = person::ensure(tx, app, name).await?;
        let row = fetch_one(tx, PERSON, |binds| {
            binds.push(person.0);
        });
        if row.await?.is_some() {
            return Ok(person);
        }
    }
    Err(Error::Unavailable(Box::new(Unsettled)))
}

async fn refresh(tx: &mut Tx, id: Uuid, presented: &Presented, expires_at: Timestamp) -> Result<Refreshed> {
    let row = fetch_one(tx, LOCKED, |binds| {
        binds.push(id);
    });
    let Some((family, chain)) = row.await?.as_ref().map_or(Ok(None), read)? else { return Ok(Refreshed::Gone) };
    let now = tx.now;
    match chain.exchange(presented, now) {
        Exchange::Renew(generation) => {
            execute(tx, RENEW, |binds| {
                binds.push(id).push(generation).push(presented.next.as_slice()).push(now).push(expires_at);
            })
            .await?;
            Ok(Refreshed::Renewed { family: Family { expires_at, ..family }, generation })
        }
        Exchange::Repeat => Ok(Refreshed::Again { family, generation: chain.generation }),
        Exchange::Revoke => {
            revoke(tx, id).await?;
            Ok(Refreshed::Reused(family))
        }
        Exchange::Refuse => Ok(Refreshed::Gone),
    }
}

/// A family and its newest token; `None` where its person or its device is gone.
fn read(row: &PgRow) -> Result<Option<(Family, Chain)>> {
    let cells = Cells::new(row, "token_family", 0);
    let is_without = |pk, name| !cells.is_null(pk) && cells.is_null(name);
    if is_without(9, 10) || is_without(11, 12) {
        return Ok(None);
    }
    let chain = chain(&cells)?;
    let family = Family {
        id: cells.get(0, "id")?,
        app: AppId(cells.get(7, "app")?),
        user: cells.get(10, "person_pk")?,
        device: cells.get(12, "device_pk")?,
        created_at: cells.instant(8, "created_at")?,
        expires_at: chain.expires_at,
    };
    Ok(Some((family, chain)))
}

fn chain(cells: &Cells<'_>) -> Result<Chain> {
    Ok(Chain {
        generation: cells.get(1, "generation")?,
        newest: cells.hash(2, "refresh_hash")?,
        renewed_at: cells.instant(3, "renewed_at")?,
        is_seen: cells.get(4, "seen")?,
        is_revoked: !cells.is_null(5),
        expires_at: cells.instant(6, "expires_at")?,
    })
}

async fn revoke(tx: &mut Tx, family: Uuid) -> Result<bool> {
    let now = tx.now;
    let revoked = execute(tx, REVOKE, |binds| {
        binds.push(family).push(now);
    });
    Ok(revoked.await? > 0)
}

/// Revokes all of a person's; how many stood.
pub(super) async fn revoke_person(tx: &mut Tx, person: PersonPk) -> Result<u64> {
    let now = tx.now;
    execute(tx, REVOKE_PERSON, |binds| {
        binds.push(person.0).push(now);
    })
    .await
}

/// Revokes all that are bound to a device: it is gone.
pub(super) async fn revoke_device(tx: &mut Tx, device: DevicePk) -> Result<()> {
    let now = tx.now;
    execute(tx, REVOKE_DEVICE, |binds| {
        binds.push(device.0).push(now);
    })
    .await?;
    Ok(())
}

/// Revokes those of a person that are bound to a device: it is another's now.
pub(super) async fn revoke_user_of_device(tx: &mut Tx, device: DevicePk, person: PersonPk) -> Result<()> {
    let now = tx.now;
    execute(tx, REVOKE_USER_OF_DEVICE, |binds| {
        binds.push(device.0).push(now).push(person.0);
    })
    .await?;
    Ok(())
}
