//! A person is forgotten, part by part.
//!
//! What is locked, in this order: the devices by number, their and the person's families of client tokens, the app's webhooks, the
//! person's row. A phone that registers meanwhile waits, and makes a new person.

use super::super::Result;
use super::super::rules::webhook_erasure::Erased;
use super::batch::{count, execute, fetch, fetch_one};
use super::client_token;
use super::row::Cells;
use super::tx::Tx;
use super::webhook_erase;
use crate::domain::id::{AppId, DevicePk, PersonPk};

/// Devices, and subscriptions, that one transaction forgets.
const PART: usize = 200;

pub(super) const DEVICES: &str = "SELECT d.pk, d.name FROM (SELECT pk FROM device WHERE person_pk = $1 ORDER BY pk LIMIT $2) theirs \
                                  CROSS JOIN LATERAL (SELECT pk, name FROM device WHERE pk = theirs.pk AND person_pk = $1 LIMIT 1 FOR UPDATE) d";
/// What devices leave behind; a place under a cap is held by the device's number.
pub(super) const OF_DEVICES: [&str; 5] = [
    "DELETE FROM device_token t USING unnest($1::bigint[]) AS gone (pk) WHERE t.device_pk = gone.pk",
    "DELETE FROM topic_device t USING unnest($1::bigint[]) AS gone (pk) WHERE t.device_pk = gone.pk",
    "DELETE FROM shown s USING unnest($1::bigint[]) AS gone (pk) WHERE s.device_pk = gone.pk",
    "DELETE FROM cap c USING unnest($1::bigint[]) AS gone (pk) WHERE c.holder = gone.pk",
    "DELETE FROM device d USING unnest($1::bigint[]) AS gone (pk) WHERE d.pk = gone.pk",
];
pub(super) const TOPICS: &str = "DELETE FROM topic_person WHERE person_pk = $1 \
                                 AND topic_pk = ANY (ARRAY (SELECT topic_pk FROM topic_person WHERE person_pk = $1 LIMIT $2))";
pub(super) const CAPS: &str = "DELETE FROM cap WHERE holder = $1";
pub(super) const PERSON: &str = "SELECT pk FROM person WHERE app = $1 AND name = $2";
pub(super) const LOCKED: &str = "SELECT pk FROM person WHERE pk = $1 FOR UPDATE";
/// Not while a device is theirs that came after the last part.
pub(super) const FORGET: &str = "DELETE FROM person p WHERE p.pk = $1 AND NOT EXISTS (SELECT 1 FROM device d WHERE d.person_pk = $1)";

/// Forgets a part; `None`: there is nobody. Otherwise whether nothing is left.
pub(super) async fn part(tx: &mut Tx, app: AppId, user: &str) -> Result<Option<bool>> {
    let row = fetch_one(tx, PERSON, |binds| {
        binds.push(app.0).push(user);
    });
    let Some(row) = row.await? else { return Ok(None) };
    let person: i64 = Cells::new(&row, "person", 0).get(0, "pk")?;
    let rows = fetch(tx, DEVICES, |binds| {
        binds.push(person).push(count(PART));
    });
    let rows = rows.await?;
    client_token::revoke_person(tx, PersonPk(person)).await?;
    if !rows.is_empty() {
        let devices: Vec<i64> = rows.iter().map(|row| Cells::new(row, "device", 0).get(0, "pk")).collect::<Result<_>>()?;
        let names: Vec<String> = rows.iter().map(|row| Cells::new(row, "device", 0).get(1, "name")).collect::<Result<_>>()?;
        webhook_erase::erase(tx, app, &Erased { user, devices: &names }).await?;
        for device in &devices {
            client_token::revoke_device(tx, DevicePk(*device)).await?;
        }
        for text in OF_DEVICES {
            execute(tx, text, |binds| {
                binds.push(&devices);
            })
            .await?;
        }
        return Ok(Some(false));
    }
    let topics = execute(tx, TOPICS, |binds| {
        binds.push(person).push(count(PART));
    });
    if topics.await? > 0 {
        return Ok(Some(false));
    }
    // looking through all that is kept may take long, and nobody who sends to them is to wait for it
    webhook_erase::erase(tx, app, &Erased { user, devices: &[] }).await?;
    forget(tx, (app, user), person).await.map(Some)
}

async fn forget(tx: &mut Tx, (app, user): (AppId, &str), person: i64) -> Result<bool> {
    let bind = |person: i64| {
        move |binds: &mut super::batch::Binds| {
            binds.push(person);
        }
    };
    fetch(tx, LOCKED, bind(person)).await?;
    // one that began since, and waited for nobody
    client_token::revoke_person(tx, PersonPk(person)).await?;
    // whoever writes items about somebody has locked the person's row
    webhook_erase::erase_again(tx, app, &Erased { user, devices: &[] }).await?;
    execute(tx, CAPS, bind(-person)).await?;
    Ok(execute(tx, FORGET, bind(person)).await? > 0)
}
