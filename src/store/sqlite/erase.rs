//! A person is forgotten, part by part. Before each, what webhooks are told was looked through for their and their devices' names.

use super::super::Result;
use super::super::rules::webhook_erasure::{Erased, Looked};
use super::batch::{Binds, execute, fetch};
use super::client_token;
use super::json::List;
use super::naming::device_names;
use super::person::number;
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
const FORGET: &str = "DELETE FROM person WHERE pk = ?1";

/// What came of a part.
pub(super) enum Part {
    /// There is more.
    Done,
    /// That was all.
    Over,
    /// They have a device whose name was not looked for, or are gone.
    Changed,
}

/// Ends their sign-ins; who they are to webhooks. `None`: there is nobody.
pub(super) async fn begin(mut tx: Tx<'_>, app: AppId, user: &str) -> Result<Option<Erased>> {
    let Some(person) = number(tx.conn, app, user).await? else { return Ok(None) };
    client_token::revoke_person(&mut tx, person).await?;
    Ok(Some(Erased::new(user, device_names(tx.conn, person).await?)))
}

/// Forgets a part.
pub(super) async fn part(mut tx: Tx<'_>, (app, user): (AppId, &str), erased: &Erased, looked: &Looked) -> Result<Part> {
    let Some(PersonPk(person)) = number(tx.conn, app, user).await? else { return Ok(Part::Changed) };
    client_token::revoke_person(&mut tx, PersonPk(person)).await?;
    let some = |binds: &mut Binds| {
        binds.push(person).push(count(PART));
    };
    let rows = fetch(tx.conn, DEVICES, some).await?;
    if !rows.is_empty() {
        let devices: Vec<i64> = rows.iter().map(|row| Cells::new(row, "device", 0).get(0, "pk")).collect::<Result<_>>()?;
        let names: Vec<String> = rows.iter().map(|row| Cells::new(row, "device", 0).get(1, "name")).collect::<Result<_>>()?;
        if !erased.has(&names) {
            return Ok(Part::Changed);
        }
        webhook_erase::erase_rest(tx.conn, app, erased, looked).await?;
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
        return Ok(Part::Done);
    }
    if execute(tx.conn, TOPICS, some).await? > 0 {
        return Ok(Part::Done);
    }
    execute(tx.conn, CAPS, |binds| {
        binds.push(-person);
    })
    .await?;
    webhook_erase::erase_rest(tx.conn, app, erased, looked).await?;
    execute(tx.conn, FORGET, |binds| {
        binds.push(person);
    })
    .await?;
    Ok(Part::Over)
}
