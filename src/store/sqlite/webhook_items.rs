//! What webhooks are told, written in the transaction of the facts. Where nobody listens it costs one look.

use sqlx::SqliteConnection;

use super::super::Result;
use super::super::rules::webhook_items::{self, Fact, Listener, Named, Names, Row};
use super::super::rules::words;
use super::batch::{Binds, Tuples, fetch, no_lead};
use super::json::List;
use super::row::Cells;
use super::work::count;
use super::writer::Tx;
use crate::domain::id::{AppId, DevicePk, PersonPk};

pub(super) const LISTENERS: &str =
    "SELECT w.id, w.app, w.events FROM json_each(?1) j CROSS JOIN webhook w ON w.app = j.value WHERE w.disabled IS NULL";
pub(super) const DEVICES: &str = "SELECT d.pk, d.name, d.platform, d.person_pk FROM json_each(?1) j CROSS JOIN device d ON d.pk = j.value";
pub(super) const PEOPLE: &str = "SELECT p.pk, p.name FROM json_each(?1) j CROSS JOIN person p ON p.pk = j.value";
const ADD: Tuples = Tuples { head: "INSERT INTO webhook_item (webhook, event, n, at, data) VALUES ", width: 5, tail: "" };

/// Writes what these facts are to be told as, for everyone who wants them.
pub(super) async fn tell(tx: &mut Tx<'_>, facts: &[Fact<'_>]) -> Result<()> {
    if facts.is_empty() {
        return Ok(());
    }
    let listeners = listeners(tx.conn, facts).await?;
    let meant = webhook_items::meant(facts, &listeners);
    if meant.is_empty() {
        return Ok(());
    }
    let names = names(tx.conn, &meant).await?;
    let rows = webhook_items::rows(&meant, &listeners, &names)?;
    let now = tx.now;
    let bind = |binds: &mut Binds, row: &Row| {
        binds.push(row.webhook.as_bytes().as_slice()).push(row.event.as_str()).push(count(row.n)).push(now).push(&row.data);
    };
    ADD.execute(tx.conn, &rows, no_lead, bind).await?;
    Ok(())
}

async fn listeners(conn: &mut SqliteConnection, facts: &[Fact<'_>]) -> Result<Vec<Listener>> {
    let apps = List::of(webhook_items::apps(facts));
    let rows = fetch(conn, LISTENERS, |binds| {
        binds.push(&apps);
    });
    let listener = |row| {
        let cells = Cells::new(row, "webhook", 0);
        Ok(Listener { webhook: cells.id(0, "id")?, app: AppId(cells.get(1, "app")?), events: cells.document(2, "events")? })
    };
    rows.await?.iter().map(listener).collect()
}

async fn names(conn: &mut SqliteConnection, facts: &[&Fact<'_>]) -> Result<Names> {
    let mut names = Names::default();
    let devices = List::of(webhook_items::devices(facts));
    let rows = fetch(conn, DEVICES, |binds| {
        binds.push(&devices);
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
    let people = List::of(webhook_items::people(facts, &names.devices));
    let rows = fetch(conn, PEOPLE, |binds| {
        binds.push(&people);
    });
    for row in &rows.await? {
        let cells = Cells::new(row, "person", 0);
        names.people.insert(PersonPk(cells.get(0, "pk")?), cells.get(1, "name")?);
    }
    Ok(names)
}
