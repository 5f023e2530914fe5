//! Families of client tokens.

use async_trait::async_trait;
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

use super::super::Result;
use super::super::client_token::{ClientTokens, Family, MAX_DEVICE_FAMILIES, MAX_USER_FAMILIES, Refreshed, Standing};
use super::super::rules::client_tokens::{Chain, Exchange, Presented};
use super::SqliteStore;
use super::batch::{execute, fetch_one};
use super::row::{Cells, instant, micros};
use super::work::count;
use super::writer::Tx;
use super::{person, register};
use crate::domain::Timestamp;
use crate::domain::id::{AppId, DevicePk, PersonPk};

const ADD: &str = "INSERT INTO token_family (id, app, person_pk, device_pk, generation, refresh_hash, renewed_at, seen, created_at, expires_at) \
                   VALUES (?1, ?2, ?3, ?4, 1, ?5, ?6, 1, ?7, ?8)";
pub(super) const CROWD_OF_DEVICE: &str = "DELETE FROM token_family WHERE id IN (SELECT id FROM token_family WHERE device_pk = ?1 AND person_pk IS ?5 \
                                          ORDER BY id = ?2 DESC, (revoked_at IS NULL AND expires_at > ?3) DESC, created_at DESC, id DESC \
                                          LIMIT -1 OFFSET ?4)";
pub(super) const CROWD_OF_PERSON: &str = "DELETE FROM token_family WHERE id IN (SELECT id FROM token_family WHERE person_pk = ?1 \
                                          ORDER BY id = ?2 DESC, (revoked_at IS NULL AND expires_at > ?3) DESC, created_at DESC, id DESC \
                                          LIMIT -1 OFFSET ?4)";
/// A family whose person or device is gone is none, though nobody revoked it.
pub(super) const STAND: &str = "SELECT id, generation, refresh_hash, renewed_at, seen, revoked_at, expires_at FROM token_family family \
                                WHERE id = ?1 AND app = ?2 AND (revoked_at IS NOT NULL OR \
                                (person_pk IS NULL OR EXISTS (SELECT 1 FROM person p WHERE p.pk = family.person_pk)) AND \
                                (device_pk IS NULL OR EXISTS (SELECT 1 FROM device d WHERE d.pk = family.device_pk)))";
pub(super) const ONE: &str = "SELECT family.id, family.generation, family.refresh_hash, family.renewed_at, family.seen, family.revoked_at, \
                              family.expires_at, family.app, family.created_at, family.person_pk, p.name, family.device_pk, d.name \
                              FROM token_family family LEFT JOIN person p ON p.pk = family.person_pk \
                              LEFT JOIN device d ON d.pk = family.device_pk WHERE family.id = ?1";
const RENEW: &str = "UPDATE token_family SET generation = ?2, refresh_hash = ?3, renewed_at = ?4, seen = 0, expires_at = ?5 WHERE id = ?1";
const SEEN: &str = "UPDATE token_family SET seen = 1 WHERE id = ?1 AND generation = ?2";
const REVOKE: &str = "UPDATE token_family SET revoked_at = ?2 WHERE id = ?1 AND revoked_at IS NULL AND expires_at > ?2";
pub(super) const REVOKE_PERSON: &str =
    "UPDATE token_family SET revoked_at = ?2 WHERE person_pk = ?1 AND revoked_at IS NULL AND expires_at > ?2";
pub(super) const REVOKE_DEVICE: &str =
    "UPDATE token_family SET revoked_at = ?2 WHERE device_pk = ?1 AND revoked_at IS NULL AND expires_at > ?2";
pub(super) const REVOKE_USER_OF_DEVICE: &str =
    "UPDATE token_family SET revoked_at = ?2 WHERE device_pk = ?1 AND person_pk = ?3 AND revoked_at IS NULL AND expires_at > ?2";

#[async_trait]
impl ClientTokens for SqliteStore {
    async fn begin_family(&self, family: &Family, refresh: [u8; 32]) -> Result<()> {
        let family = family.clone();
        let begin = async move |mut tx: Tx<'_>| begin(&mut tx, &family, refresh).await;
        self.write(move |tx| Box::pin(async move { begin(tx).await })).await
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
        let refresh = async move |mut tx: Tx<'_>| refresh(&mut tx, family, &presented, expires_at).await;
        self.write(move |tx| Box::pin(async move { refresh(tx).await })).await
    }

    async fn seen(&self, app: AppId, family: Uuid, generation: i64) -> Result<Standing> {
        let row = {
            let mut tx = self.read().await?;
            let row = fetch_one(&mut tx, STAND, |binds| {
                binds.push(family.as_bytes().as_slice()).push(app.0);
            });
            row.await?
        };
        let Some(row) = row else { return Ok(Standing::Gone) };
        let chain = chain(&Cells::new(&row, "token_family", 0))?;
        let standing = chain.standing(instant(self.now()).unwrap_or_default());
        if standing == Standing::Stands && chain.is_news(generation) {
            let note = async move |tx: Tx<'_>| {
                execute(tx.conn, SEEN, |binds| {
                    binds.push(family.as_bytes().as_slice()).push(generation);
                })
                .await
            };
            self.write(move |tx| Box::pin(async move { note(tx).await })).await?;
        }
        Ok(standing)
    }

    async fn revoke_family(&self, family: Uuid) -> Result<bool> {
        let revoke = async move |mut tx: Tx<'_>| revoke(&mut tx, family).await;
        self.write(move |tx| Box::pin(async move { revoke(tx).await })).await
    }

    async fn revoke_user(&self, app: AppId, user: &str) -> Result<u64> {
        let user = user.to_owned();
        let revoke = async move |mut tx: Tx<'_>| match person::number(tx.conn, app, &user).await? {
            Some(person) => revoke_person(&mut tx, person).await,
            None => Ok(0),
        };
        self.write(move |tx| Box::pin(async move { revoke(tx).await })).await
    }
}

async fn begin(tx: &mut Tx<'_>, family: &Family, refresh: [u8; 32]) -> Result<()> {
    let device = match &family.device {
        Some(name) => Some(register::ensure(tx, family.app, name).await?),
        None => None,
    };
    let person = match &family.user {
        Some(user) => Some(person::ensure(tx, family.app, user).await?),
        None => None,
    };
    execute(tx.conn, ADD, |binds| {
        binds.push(family.id.as_bytes().as_slice()).push(family.app.0).push(person.map(|person| person.0));
        binds.push(device.map(|device| device.0)).push(refresh.as_slice()).push(tx.now);
        binds.push(micros(family.created_at)).push(micros(family.expires_at));
    })
    .await?;
    if let Some(device) = device {
        let person = person.map(|person| person.0);
        execute(tx.conn, CROWD_OF_DEVICE, |binds| {
            binds.push(device.0).push(family.id.as_bytes().as_slice()).push(tx.now).push(count(MAX_DEVICE_FAMILIES)).push(person);
        })
        .await?;
    }
    if let Some(person) = person {
        execute(tx.conn, CROWD_OF_PERSON, |binds| {
            binds.push(person.0).push(family.id.as_bytes().as_slice()).push(tx.now).push(count(MAX_USER_FAMILIES));
        })
        .await?;
    }
    Ok(())
}

async fn refresh(tx: &mut Tx<'_>, id: Uuid, presented: &Presented, expires_at: Timestamp) -> Result<Refreshed> {
    let Some((family, chain)) = one(tx.conn, id).await? else { return Ok(Refreshed::Gone) };
    match chain.exchange(presented, instant(tx.now).unwrap_or_default()) {
        Exchange::Renew(generation) => {
            execute(tx.conn, RENEW, |binds| {
                binds.push(id.as_bytes().as_slice()).push(generation).push(presented.next.as_slice()).push(tx.now).push(micros(expires_at));
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

/// A family and its newest token; `None` also where its person or its device is gone.
async fn one(conn: &mut SqliteConnection, id: Uuid) -> Result<Option<(Family, Chain)>> {
    let row = fetch_one(conn, ONE, |binds| {
        binds.push(id.as_bytes().as_slice());
    });
    row.await?.as_ref().map_or(Ok(None), read)
}

fn read(row: &SqliteRow) -> Result<Option<(Family, Chain)>> {
    let cells = Cells::new(row, "token_family", 0);
    let is_without = |pk, name| !cells.is_null(pk) && cells.is_null(name);
    if is_without(9, 10) || is_without(11, 12) {
        return Ok(None);
    }
    let chain = chain(&cells)?;
    let family = Family {
        id: cells.id(0, "id")?,
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

async fn revoke(tx: &mut Tx<'_>, family: Uuid) -> Result<bool> {
    let revoked = execute(tx.conn, REVOKE, |binds| {
        binds.push(family.as_bytes().as_slice()).push(tx.now);
    });
    Ok(revoked.await? > 0)
}

/// Revokes all of a person's; how many stood.
pub(super) async fn revoke_person(tx: &mut Tx<'_>, person: PersonPk) -> Result<u64> {
    execute(tx.conn, REVOKE_PERSON, |binds| {
        binds.push(person.0).push(tx.now);
    })
    .await
}

/// Revokes all that are bound to a device: it is gone.
pub(super) async fn revoke_device(tx: &mut Tx<'_>, device: DevicePk) -> Result<()> {
    execute(tx.conn, REVOKE_DEVICE, |binds| {
        binds.push(device.0).push(tx.now);
    })
    .await?;
    Ok(())
}

/// Revokes those of a person that are bound to a device: it is another's now.
pub(super) async fn revoke_user_of_device(tx: &mut Tx<'_>, device: DevicePk, person: PersonPk) -> Result<()> {
    execute(tx.conn, REVOKE_USER_OF_DEVICE, |binds| {
        binds.push(device.0).push(tx.now).push(person.0);
    })
    .await?;
    Ok(())
}
