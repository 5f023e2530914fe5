//! Counts and reasons of notifications, all from one snapshot.

use std::collections::HashMap;

use uuid::Uuid;

use super::super::Result;
use super::super::rules::place::WorkRow;
use super::super::rules::tally::{Crowd, Finished, Head, RECEIPTS, Tallies};
use super::batch::fetch;
use super::row::Cells;
use super::tx::Tx;
use super::waiting::{places, waiting_columns, work_row};
use crate::domain::id::NotificationId;
use crate::domain::reason::WaitReason;

pub(super) const DIRECT: &str = "SELECT ask.id, d.state, d.reason, d.n, d.delivered, d.opened, d.dismissed FROM unnest($1::int[], $2::uuid[]) AS ask (day, id) \
                      CROSS JOIN LATERAL (SELECT d.state, coalesce(d.reason, '') AS reason, count(*) AS n, count(d.delivered_at) AS delivered, \
                      count(d.opened_at) AS opened, count(d.dismissed_at) AS dismissed FROM delivery d \
                      WHERE d.day = ask.day AND d.notification_id = ask.id AND d.channel = 'push' GROUP BY 1, 2) d";
pub(super) const FAN_OUT: &str = "SELECT ask.id, c.state, c.reason, c.n FROM unnest($1::uuid[]) AS ask (id) CROSS JOIN LATERAL \
                       (SELECT state, reason, sum(n)::bigint AS n FROM notification_count c WHERE c.notification_id = ask.id GROUP BY 1, 2) c";
pub(super) const WORK: &str = concat!(
    "SELECT ",
    waiting_columns!(),
    " FROM unnest($2::uuid[]) AS ask (id) CROSS JOIN LATERAL (SELECT * FROM work w WHERE w.notification_id = ask.id) w ORDER BY 1, 2"
);
pub(super) const EXPANDED: &str = "SELECT ask.id, w.reason, w.waiting, w.held FROM unnest($2::uuid[]) AS ask (id) CROSS JOIN LATERAL \
                        (SELECT reason, sum(CASE WHEN lease_until <= $1 THEN n ELSE 0 END)::bigint AS waiting, bool_or(lease_until > $1) AS held \
                        FROM work w WHERE w.notification_id = ask.id GROUP BY 1) w";

/// Counts notifications.
pub(super) async fn tally(tx: &mut Tx, heads: &[Head]) -> Result<Finished> {
    let mut tallies = Tallies::of(heads, tx.now);
    direct(tx, heads, &mut tallies).await?;
    fan_out(tx, heads, &mut tallies).await?;
    named(tx, heads, &mut tallies).await?;
    expanded(tx, heads, &mut tallies).await?;
    Ok(tallies.finish())
}

fn ids<'h>(heads: impl Iterator<Item = &'h Head>) -> Vec<Uuid> {
    heads.map(|head| head.id.0).collect()
}

async fn direct(tx: &mut Tx, heads: &[Head], tallies: &mut Tallies<'_>) -> Result<()> {
    let direct: Vec<&Head> = heads.iter().filter(|head| !head.fan_out).collect();
    if direct.is_empty() {
        return Ok(());
    }
    let rows = fetch(tx, DIRECT, |binds| {
        binds.push(direct.iter().map(|head| head.day()).collect::<Vec<i32>>());
        binds.push(ids(direct.iter().copied()));
    });
    for row in &rows.await? {
        let cells = Cells::new(row, "delivery", 0);
        let id = cells.notification(0, "notification_id")?;
        tallies.add(id, cells.get(1, "state")?, cells.get(2, "reason")?, cells.count(3, "n")?);
        for (n, receipt) in RECEIPTS.into_iter().enumerate() {
            tallies.add(id, receipt, "", cells.count(4 + n, "delivered_at")?);
        }
    }
    Ok(())
}

async fn fan_out(tx: &mut Tx, heads: &[Head], tallies: &mut Tallies<'_>) -> Result<()> {
    let ids = ids(heads.iter().filter(|head| head.fan_out));
    if ids.is_empty() {
        return Ok(());
    }
    let rows = fetch(tx, FAN_OUT, |binds| {
        binds.push(ids);
    });
    for row in &rows.await? {
        let cells = Cells::new(row, "notification_count", 0);
        tallies.add(cells.notification(0, "notification_id")?, cells.get(1, "state")?, cells.get(2, "reason")?, cells.count(3, "n")?);
    }
    Ok(())
}

/// What waits where the work rows say so one by one.
async fn named(tx: &mut Tx, heads: &[Head], tallies: &mut Tallies<'_>) -> Result<()> {
    let of: HashMap<NotificationId, &Head> = heads.iter().filter(|head| head.targeted.is_none()).map(|head| (head.id, head)).collect();
    if of.is_empty() {
        return Ok(());
    }
    let now = tx.now;
    let rows = fetch(tx, WORK, |binds| {
        binds.push(now).push(ids(of.values().copied()));
    });
    let rows: Vec<WorkRow> = rows.await?.iter().map(work_row).collect::<Result<_>>()?;
    let waiting = places(tx, &rows, &of).await?;
    tallies.add_rows(&rows, &waiting);
    Ok(())
}

/// What waits of expanding audiences.
async fn expanded(tx: &mut Tx, heads: &[Head], tallies: &mut Tallies<'_>) -> Result<()> {
    let ids = ids(heads.iter().filter(|head| head.targeted.is_some()));
    if ids.is_empty() {
        return Ok(());
    }
    let now = tx.now;
    let rows = fetch(tx, EXPANDED, |binds| {
        binds.push(now).push(ids);
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
