//! A person is forgotten, part by part. Before each, what webhooks are told was looked through for their and their devices' names.
//!
//! What is locked, in this order: the devices by number, their and the person's families of client tokens, the app's webhooks, the
//! person's row. A phone that registers meanwhile waits, and makes a new person.

use super::super::Result;
use super::super::rules::webhook_erasure::{Erased, Looked};
use super::batch::{count, execute, fetch};
use super::client_token;
use super::naming::device_names;
use super::person::number;
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
pub(super) const LOCKED: &str = "SELECT pk FROM person WHERE pk = $1 FOR UPDATE";
/// Not while a device is theirs that came after the last part.
pub(super) const FORGET: &str = "DELETE FROM person p WHERE p.pk = $1 AND NOT EXISTS (SELECT 1 FROM device d WHERE d.person_pk = $1)";

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
pub(super) async fn begin(tx: &mut Tx, app: AppId, user: &str) -> Result<Option<Erased>> {
    let Some(person) = number(tx, app, user).await? else { return Ok(None) };
    client_token::revoke_person(tx, person).await?;
    Ok(Some(Erased::new(user, device_names(tx, person).await?)))
}

/// Forgets a part.
pub(super) async fn part(tx: &mut Tx, (app, user): (AppId, &str), erased: &Erased, looked: &Looked) -> Result<Part> {
    let Some(PersonPk(person)) = number(tx, app, user).await? else { return Ok(Part::Changed) };
    let rows = fetch(tx, DEVICES, |binds| {
        binds.push(person).push(count(PART));
    });
    let rows = rows.await?;
    client_token::revoke_person(tx, PersonPk(person)).await?;
    if !rows.is_empty() {
        let devices: Vec<i64> = rows.iter().map(|row| Cells::new(row, "device", 0).get(0, "pk")).collect::<Result<_>>()?;
        let names: Vec<String> = rows.iter().map(|row| Cells::new(row, "device", 0).get(1, "name")).collect::<Result<_>>()?;
        if !erased.has(&names) {
            return Ok(Part::Changed);
        }
        for device in &devices {
            client_token::revoke_device(tx, DevicePk(*device)).await?;
        }
        let webhooks = webhook_erase::lock(tx, app).await?;
        webhook_erase::erase_rest(tx, &webhooks, erased, looked).await?;
        for text in OF_DEVICES {
            execute(tx, text, |binds| {
                binds.push(&devices);
            })
            .await?;
        }
        return Ok(Part::Done);
    }
    let topics = execute(tx, TOPICS, |binds| {
        binds.push(person).push(count(PART));
    });
    if topics.await? > 0 {
        return Ok(Part::Done);
    }
    let is_over = forget(tx, app, person, (erased, looked)).await?;
    Ok(if is_over { Part::Over } else { Part::Done })
}

async fn forget(tx: &mut Tx, app: AppId, person: i64, (erased, looked): (&Erased, &Looked)) -> Result<bool> {
    let bind = |person: i64| {
        move |binds: &mut super::batch::Binds| {
            binds.push(person);
        }
    };
    let webhooks = webhook_erase::lock(tx, app).await?;
    fetch(tx, LOCKED, bind(person)).await?;
    // one that began since, and waited for nobody
    client_token::revoke_person(tx, PersonPk(person)).await?;
    // whoever writes items about somebody has locked the person's row
    webhook_erase::erase_rest(tx, &webhooks, erased, looked).await?;
    execute(tx, CAPS, bind(-person)).await?;
    Ok(execute(tx, FORGET, bind(person)).await? > 0)
}
