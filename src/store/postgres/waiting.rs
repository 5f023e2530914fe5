//! Who still waits: reads what the names in work rows stand for now, and who has a delivery.

use std::collections::HashMap;

use sqlx::PgConnection;
use sqlx::postgres::PgRow;

use super::super::Result;
use super::super::rules::place::{Names, Owned, Place, Places, WorkRow, names_of};
use super::super::rules::tally::Head;
use super::batch::fetch;
use super::history::{reached, with_delivery};
use super::row::Cells;
use super::select;
use crate::domain::id::{AppId, NotificationId, PersonPk};
use crate::domain::reason::WaitReason;
use crate::domain::work::Targets;

/// The cells of [`work_row`]; `$1` is the present.
macro_rules! waiting_columns {
    () => {
        "w.notification_id, w.id, w.app, w.targets, w.reason, w.due_at, w.lease_until > $1, w.attempt, w.made_at"
    };
}
pub(super) use waiting_columns;

pub(super) const USERS: &str = "SELECT p.name, p.pk, d.pk, d.name, d.last_seen_at FROM unnest($2::text[]) AS ask (name) \
                     CROSS JOIN LATERAL (SELECT pk, name FROM person p WHERE p.app = $1 AND p.name = ask.name LIMIT 1) p \
                     LEFT JOIN LATERAL (SELECT * FROM device d WHERE d.person_pk = p.pk AND coalesce(d.status, '') = 'active') d ON true";
pub(super) const DEVICES: &str = "SELECT d.name, d.pk, d.person_pk, d.status = 'active' FROM unnest($2::text[]) AS ask (name) \
                       CROSS JOIN LATERAL (SELECT * FROM device d WHERE d.app = $1 AND d.name = ask.name LIMIT 1) d";

/// Reads a row of [`waiting_columns`].
pub(super) fn work_row(row: &PgRow) -> Result<WorkRow> {
    let cells = Cells::new(row, "work", 1);
    Ok(WorkRow {
        notification: cells.notification(0, "notification_id")?,
        id: cells.get(1, "id")?,
        app: AppId(cells.get(2, "app")?),
        targets: Targets::decode(cells.get(3, "targets")?).map_err(|_| cells.unreadable("targets"))?,
        reason: cells.maybe_word(4, "reason", WaitReason::parse)?,
        due_at: cells.instant(5, "due_at")?,
        held: cells.get(6, "lease_until")?,
        attempt: cells.small(7, "attempt")?,
        made_at: cells.instant(8, "made_at")?,
    })
}

/// The targets of each row that have no delivery, by name and number; each target once among the rows of a notification.
pub(super) async fn places(conn: &mut PgConnection, rows: &[WorkRow], heads: &HashMap<NotificationId, &Head>) -> Result<Vec<Vec<Place>>> {
    let mut names = names(conn, rows).await?;
    for head in heads.values() {
        if let Some((devices, only)) = names.to_ask_of(rows, head) {
            let meant = select::meant(conn, devices, &only).await?;
            names.mean(head.id, meant);
        }
    }
    let places = Places::of(rows, heads, &names);
    let over = with_delivery(conn, &places.looks()).await?;
    let reached = reached(conn, &places.people()).await?;
    Ok(places.waiting(&over, &reached))
}

async fn names(conn: &mut PgConnection, rows: &[WorkRow]) -> Result<Names> {
    let mut names = Names::default();
    for (app, [users, devices]) in names_of(rows) {
        if !users.is_empty() {
            read_users(conn, app, users, &mut names).await?;
        }
        if !devices.is_empty() {
            read_devices(conn, app, devices, &mut names).await?;
        }
    }
    Ok(names)
}

async fn read_users(conn: &mut PgConnection, app: AppId, list: Vec<&str>, names: &mut Names) -> Result<()> {
    let rows = fetch(conn, USERS, |binds| {
        binds.push(app.0).push(list);
    });
    for row in &rows.await? {
        let cells = Cells::new(row, "person", 1);
        let device = match cells.get(2, "pk")? {
            Some(pk) => Some(Owned { pk, name: cells.get(3, "name")?, last_seen_at: cells.instant(4, "last_seen_at")? }),
            None => None,
        };
        names.add_user(app, cells.get(0, "name")?, PersonPk(cells.get(1, "pk")?), device);
    }
    Ok(())
}

async fn read_devices(conn: &mut PgConnection, app: AppId, list: Vec<&str>, names: &mut Names) -> Result<()> {
    let rows = fetch(conn, DEVICES, |binds| {
        binds.push(app.0).push(list);
    });
    for row in &rows.await? {
        let cells = Cells::new(row, "device", 1);
        let person = cells.get::<Option<i64>>(2, "person_pk")?.map(PersonPk);
        names.add_device(app, cells.get(0, "name")?, cells.get(1, "pk")?, person, cells.get(3, "status")?);
    }
    Ok(())
}
