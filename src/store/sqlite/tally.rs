//! Counts and reasons of notifications, all from one snapshot.

use std::collections::HashMap;

use sqlx::SqliteConnection;

use super::super::Result;
use super::super::rules::place::WorkRow;
use super::super::rules::tally::{Crowd, Finished, Head, RECEIPTS, Tallies};
use super::batch::fetch;
use super::json::List;
use super::row::{Cells, instant};
use super::waiting::{places, waiting_columns, work_row};
use crate::domain::id::NotificationId;
use crate::domain::reason::WaitReason;

pub(super) const DIRECT: &str = "WITH ask AS MATERIALIZED (SELECT value ->> 0 AS day, unhex(value ->> 1) AS id FROM json_each(?1)) \
                      SELECT d.notification_id, d.state, coalesce(d.reason, ''), count(*), count(d.delivered_at), count(d.opened_at), \
                      count(d.dismissed_at) FROM ask CROSS JOIN delivery d ON d.day = ask.day AND d.notification_id = ask.id \
                      WHERE d.channel = 'push' GROUP BY 1, 2, 3";
pub(super) const FAN_OUT: &str = "SELECT c.notification_id, c.state, c.reason, sum(c.n) FROM json_each(?1) j \
                       CROSS JOIN notification_count c ON c.notification_id = unhex(j.value) GROUP BY 1, 2, 3";
pub(super) const WORK: &str =
    concat!("SELECT ", waiting_columns!(), " FROM json_each(?1) j CROSS JOIN work w ON w.notification_id = unhex(j.value) ORDER BY 1, 2");
pub(super) const EXPANDED: &str = "SELECT w.notification_id, w.reason, sum(CASE WHEN w.lease_until <= ?2 THEN w.n ELSE 0 END), max(w.lease_until) > ?2 \
                        FROM json_each(?1) j CROSS JOIN work w ON w.notification_id = unhex(j.value) GROUP BY 1, 2";

/// Counts notifications.
pub(super) async fn tally(conn: &mut SqliteConnection, heads: &[Head], now: i64) -> Result<Finished> {
    let mut tallies = Tallies::of(heads, instant(now).unwrap_or_default());
    let direct = List::of(heads.iter().filter(|head| !head.fan_out).map(|head| format!("[{},\"{}\"]", head.day(), head.id.0.simple())));
    let fan_out = List::of_notifications(heads.iter().filter(|head| head.fan_out).map(|head| &head.id));
    for (text, list) in [(DIRECT, direct), (FAN_OUT, fan_out)] {
        let rows = fetch(conn, text, |binds| {
            binds.push(&list);
        });
        for row in &rows.await? {
            let cells = Cells::new(row, "delivery", 0);
            let id = cells.notification(0, "notification_id")?;
            tallies.add(id, cells.get(1, "state")?, cells.get(2, "reason")?, cells.count(3, "n")?);
            if text == DIRECT {
                for (n, receipt) in RECEIPTS.into_iter().enumerate() {
                    tallies.add(id, receipt, "", cells.count(4 + n, "delivered_at")?);
                }
            }
        }
    }
    named(conn, heads, now, &mut tallies).await?;
    expanded(conn, heads, now, &mut tallies).await?;
    Ok(tallies.finish())
}

/// What waits where the work rows say so one by one.
async fn named(conn: &mut SqliteConnection, heads: &[Head], now: i64, tallies: &mut Tallies<'_>) -> Result<()> {
    let of: HashMap<NotificationId, &Head> = heads.iter().filter(|head| head.targeted.is_none()).map(|head| (head.id, head)).collect();
    let list = List::of_notifications(of.keys());
    let rows = fetch(conn, WORK, |binds| {
        binds.push(&list);
    });
    let rows: Vec<WorkRow> = rows.await?.iter().map(|row| work_row(row, now)).collect::<Result<_>>()?;
    let waiting = places(conn, &rows, &of).await?;
    tallies.add_rows(&rows, &waiting);
    Ok(())
}

/// What waits of expanding audiences.
async fn expanded(conn: &mut SqliteConnection, heads: &[Head], now: i64, tallies: &mut Tallies<'_>) -> Result<()> {
    let list = List::of_notifications(heads.iter().filter(|head| head.targeted.is_some()).map(|head| &head.id));
    let rows = fetch(conn, EXPANDED, |binds| {
        binds.push(&list).push(now);
    });
    let crowd = |row| {
        let cells = Cells::new(row, "work", 0);
        Ok(Crowd {
            notification: cells.notification(0, "notification_id")?,
            reason: cells.maybe_word(1, "reason", WaitReason::parse)?,
            waiting: cells.count(2, "n")?,
            held: cells.get(3, "lease_until")?,
        })
    };
    let crowds: Vec<Crowd> = rows.await?.iter().map(crowd).collect::<Result<_>>()?;
    tallies.add_crowds(&crowds);
    Ok(())
}
