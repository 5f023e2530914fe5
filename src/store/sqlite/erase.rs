//! A person is forgotten, part by part.

use super::super::Result;
use super::super::rules::webhook_erasure::Erased;
use super::batch::{Binds, execute, fetch, fetch_one};
use super::client_token;
use super::json::List;
use super::row::Cells;
use super::webhook_erase;
use super::work::count;
use super::writer::Tx;
use crate::domain::id::{AppId, DevicePk, PersonPk};

/// Devices, and subscriptions, that one write forgets.
const PART: usize = 200;

pub(super) const DEVICES: &str = "SELECT pk, name FROM device WHERE person_pk = ?1 LIMIT ?2";
/// What devices leave behind; a place under a cap is held by the device's number.
pub(super) const OF_DEVICES: [&str; 5] = [
    "DELETE FROM device_token WHERE device_pk IN (SELECT value FROM json_each(?1))",
    "DELETE FROM topic_device WHERE device_pk IN (SELECT value FROM json_each(?1))",
    "DELETE FROM shown WHERE device_pk IN (SELECT value FROM json_each(?1))",
    "DELETE FROM cap WHERE holder IN (SELECT value FROM json_each(?1))",
    "DELETE FROM device WHERE pk IN (SELECT value FROM json_each(?1))",
];
pub(super) const TOPICS: &str =
    "DELETE FROM topic_person WHERE person_pk = ?1 AND topic_pk IN (SELECT topic_pk FROM topic_person WHERE person_pk = ?1 LIMIT ?2)";
pub(super) const CAPS: &str = "DELETE FROM cap WHERE holder = ?1";
pub(super) const PERSON: &str = "SELECT pk FROM person WHERE app = ?1 AND name = ?2";
const FORGET: &str = "DELETE FROM person WHERE pk = ?1";

/// Forgets a part; `None`: there is nobody. Otherwise whether nothing is left.
pub(super) async fn part(mut tx: Tx<'_>, app: AppId, user: &str) -> Result<Option<bool>> {
    let row = fetch_one(tx.conn, PERSON, |binds| {
        binds.push(app.0).push(user);
    });
    let Some(row) = row.await? else { return Ok(None) };
    let person: i64 = Cells::new(&row, "person", 0).get(0, "pk")?;
    client_token::revoke_person(&mut tx, PersonPk(person)).await?;
    let some = |binds: &mut Binds| {
        binds.push(person).push(count(PART));
    };
    let rows = fetch(tx.conn, DEVICES, some).await?;
    if !rows.is_empty() {
        let devices: Vec<i64> = rows.iter().map(|row| Cells::new(row, "device", 0).get(0, "pk")).collect::<Result<_>>()?;
        let names: Vec<String> = rows.iter().map(|row| Cells::new(row, "device", 0).get(1, "name")).collect::<Result<_>>()?;
        webhook_erase::erase(&mut tx, app, &Erased { user, devices: &names }).await?;
        for device in &devices {
            client_token::revoke_device(&mut tx, DevicePk(*device)).await?;
        }
        let list = List::of(devices);
        for text in OF_DEVICES {
            execute(tx.conn, text, |binds| {
                binds.push(&list);
            })
            .await?;
        }
        return Ok(Some(false));
    }
    if execute(tx.conn, TOPICS, some).await? > 0 {
        return Ok(Some(false));
    }
    execute(tx.conn, CAPS, |binds| {
        binds.push(-person);
    })
    .await?;
    webhook_erase::erase(&mut tx, app, &Erased { user, devices: &[] }).await?;
    execute(tx.conn, FORGET, |binds| {
        binds.push(person);
    })
    .await?;
    Ok(Some(true))
}
