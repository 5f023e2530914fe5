//! Who still waits: the targets that work rows name, as they would resolve now, without those that have a delivery. Reads only.

use std::collections::HashMap;

use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use super::super::Result;
use super::super::rules::place::{Names, Owned, Place, Places, WorkRow, names_of};
use super::super::rules::tally::Head;
use super::batch::fetch;
use super::history::{reached, with_delivery};
use super::json::List;
use super::row::Cells;
use super::select;
use crate::domain::id::{AppId, NotificationId, PersonPk};
use crate::domain::reason::WaitReason;
use crate::domain::work::Targets;

/// The cells of [`work_row`].
macro_rules! waiting_columns {
    () => {
        "w.notification_id, w.id, w.app, w.targets, w.reason, w.due_at, w.lease_until, w.attempt, w.made_at"
    };
}
pub(super) use waiting_columns;

const USERS: &str = "SELECT p.name, p.pk, d.pk, d.name, d.last_seen_at FROM json_each(?2) j CROSS JOIN person p ON p.app = ?1 AND p.name = j.value \
                     LEFT JOIN device d ON d.person_pk = p.pk AND d.status = 'active'";
const DEVICES: &str = "SELECT d.name, d.pk, d.person_pk, d.status = 'active' FROM json_each(?2) j \
                       CROSS JOIN device d ON d.app = ?1 AND d.name = j.value";

/// Reads a row of [`waiting_columns`].
pub(super) fn work_row(row: &SqliteRow, now: i64) -> Result<WorkRow> {
    let cells = Cells::new(row, "work", 0);
    let targets: &[u8] = cells.get(3, "targets")?;
    Ok(WorkRow {
        notification: cells.notification(0, "notification_id")?,
        id: cells.get(1, "id")?,
        app: AppId(cells.get(2, "app")?),
        targets: Targets::decode(targets).map_err(|_| cells.unreadable("targets"))?,
        reason: cells.maybe_word(4, "reason", WaitReason::parse)?,
        due_at: cells.instant(5, "due_at")?,
        held: cells.get::<i64>(6, "lease_until")? > now,
        attempt: cells.count(7, "attempt")?,
        made_at: cells.instant(8, "made_at")?,
    })
}

/// The targets of each row that have no delivery, by name and number; each target once among the rows of a notification.
pub(super) async fn places(
    conn: &mut SqliteConnection,
    rows: &[WorkRow],
    heads: &HashMap<NotificationId, &Head>,
) -> Result<Vec<Vec<Place>>> {
    let mut names = names(conn, rows).await?;
    for head in heads.values() {
        if let Some((devices, only)) = names.to_ask_of(rows, head) {
            let meant = select::meant(conn, &devices, &only).await?;
            names.mean(head.id, meant);
        }
    }
    let places = Places::of(rows, heads, &names);
    let over = with_delivery(conn, &places.looks()).await?;
    let reached = reached(conn, &places.people()).await?;
    Ok(places.waiting(&over, &reached))
}

async fn names(conn: &mut SqliteConnection, rows: &[WorkRow]) -> Result<Names> {
    let mut names = Names::default();
    for (app, [users, devices]) in names_of(rows) {
        read_users(conn, app, &List::of_texts(users), &mut names).await?;
        read_devices(conn, app, &List::of_texts(devices), &mut names).await?;
    }
    Ok(names)
}

async fn read_users(conn: &mut SqliteConnection, app: AppId, list: &str, names: &mut Names) -> Result<()> {
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

async fn read_devices(conn: &mut SqliteConnection, app: AppId, list: &str, names: &mut Names) -> Result<()> {
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
