//! What webhooks are told, written in the transaction of the facts, last of all. Where nobody listens it costs one look.

use sqlx::PgConnection;
use uuid::Uuid;

use super::super::Result;
use super::super::rules::webhook_items::{self, Fact, Listener, Named, Names};
use super::super::rules::words;
use super::batch::{count, execute, fetch};
use super::row::Cells;
use super::tx::Tx;
use crate::domain::id::{AppId, DevicePk, PersonPk};

pub(super) const LISTENERS: &str = "SELECT w.id, w.app, w.events::text FROM unnest($1::bigint[]) AS ask (app) CROSS JOIN LATERAL \
                                    (SELECT id, app, events FROM webhook WHERE app = ask.app AND disabled IS NULL) w";
pub(super) const DEVICES: &str = "SELECT d.pk, d.name, d.platform, d.person_pk FROM unnest($1::bigint[]) AS ask (pk) \
                                  CROSS JOIN LATERAL (SELECT pk, name, platform, person_pk FROM device WHERE pk = ask.pk LIMIT 1) d";
/// Whoever erases one of them comes wholly before or wholly after: they are locked.
pub(super) const PEOPLE: &str = "SELECT p.pk, p.name FROM unnest($1::bigint[]) AS ask (pk) \
                                 CROSS JOIN LATERAL (SELECT pk, name FROM person WHERE pk = ask.pk LIMIT 1 FOR KEY SHARE) p";
const ADD: &str = "INSERT INTO webhook_item (webhook, event, n, at, data) \
                   SELECT new.webhook, new.event, new.n, $1, new.data FROM unnest($2::uuid[], $3::text[], $4::bigint[], $5::text[]) \
                   WITH ORDINALITY AS new (webhook, event, n, data, place) ORDER BY place";

/// Writes what these facts are to be told as, for everyone who wants them.
pub(super) async fn tell(tx: &mut Tx, facts: &[Fact<'_>]) -> Result<()> {
    if facts.is_empty() {
        return Ok(());
    }
    let listeners = listeners(tx, facts).await?;
    let meant = webhook_items::meant(facts, &listeners);
    if meant.is_empty() {
        return Ok(());
    }
    let names = names(tx, &meant).await?;
    let rows = webhook_items::rows(&meant, &listeners, &names)?;
    let now = tx.now;
    execute(tx, ADD, |binds| {
        binds.push(now);
        binds.push(rows.iter().map(|row| row.webhook).collect::<Vec<Uuid>>());
        binds.push(rows.iter().map(|row| row.event.as_str()).collect::<Vec<&str>>());
        binds.push(rows.iter().map(|row| count(row.n)).collect::<Vec<i64>>());
        binds.push(rows.iter().map(|row| row.data.as_str()).collect::<Vec<&str>>());
    })
    .await?;
    Ok(())
}

async fn listeners(conn: &mut PgConnection, facts: &[Fact<'_>]) -> Result<Vec<Listener>> {
    let apps: Vec<i64> = webhook_items::apps(facts).into_iter().collect();
    let rows = fetch(conn, LISTENERS, |binds| {
        binds.push(apps);
    });
    let listener = |row| {
        let cells = Cells::new(row, "webhook", 0);
        Ok(Listener { webhook: cells.get(0, "id")?, app: AppId(cells.get(1, "app")?), events: cells.document(2, "events")? })
    };
    rows.await?.iter().map(listener).collect()
}

async fn names(conn: &mut PgConnection, facts: &[&Fact<'_>]) -> Result<Names> {
    let mut names = Names::default();
    let devices: Vec<i64> = webhook_items::devices(facts).into_iter().collect();
    if !devices.is_empty() {
        let rows = fetch(conn, DEVICES, |binds| {
            binds.push(devices);
        });
        for row in &rows.await? {
            let cells = Cells::new(row, "device", 0);
            let named = Named {
                name: cells.get(1, "name")?,
                platform: cells.maybe_word(2, "platform", words::platform)?,
                person: cells.get::<Option<i64>>(3, "person_pk")?.map(PersonPk),
            };
            names.devices.insert(DevicePk(cells.get(0, "pk")?), named);
        }
    }
    let people: Vec<i64> = webhook_items::people(facts, &names.devices).into_iter().collect();
    if !people.is_empty() {
        let rows = fetch(conn, PEOPLE, |binds| {
            binds.push(people);
        });
        for row in &rows.await? {
            let cells = Cells::new(row, "person", 0);
            names.people.insert(PersonPk(cells.get(0, "pk")?), cells.get(1, "name")?);
        }
    }
    Ok(names)
}
