//! Step 1: notifications, their runs, their work and their keys, in one commit.

use std::collections::HashSet;

use super::super::engine::{Narrowed, NewNotification, RunStatus, Submission, Verdict};
use super::super::rules::keys::{Keys, keys_of};
use super::super::{Error, Result};
use super::batch::{Binds, Tuples, no_lead};
use super::fault::is_conflict;
use super::idempotency;
use super::row::{Cells, micros, to_document};
use super::work::{self, Row};
use super::writer::Tx;
use crate::domain::id::NotificationId;
use crate::domain::pace::Pace;
use crate::domain::work::{NewWork, WorkKind};

const NOTIFICATION: Tuples = Tuples {
    head: "INSERT INTO notification (app, id, category, labels, fan_out, accepted_at, start_at, expires_at, narrowed, content, campaign, test) \
           VALUES ",
    width: 12,
    tail: "",
};
const RUN: Tuples = Tuples {
    head: "INSERT INTO run (notification_id, app, fan_out, status, start_at, open, targeted, pace, campaign, max_targets, held) VALUES ",
    width: 11,
    tail: "",
};
pub(super) const THERE: Tuples = Tuples { head: "SELECT id FROM notification WHERE (app, id) IN (VALUES ", width: 2, tail: ")" };

/// Writes what is new of the submissions and answers them in order.
pub(super) async fn accept(mut tx: Tx<'_>, submissions: Vec<Submission>) -> Result<Vec<Verdict>> {
    let asked: Vec<_> = submissions.iter().flat_map(keys_of).collect();
    let mut keys = idempotency::find(tx.conn, tx.now, &asked).await?;
    let mut fresh = Vec::new();
    let verdicts = submissions.iter().map(|submission| keys.judge(submission, &mut fresh)).collect();
    match write(&mut tx, &keys, &fresh).await {
        Err(error) if is_conflict(&error) => {}
        written => return written.map(|()| verdicts),
    }
    // the same ids were sent again after a commit whose fate was unknown: only what is not there yet is written
    tx.start_over().await?;
    let mut there = known(&mut tx, &fresh).await?;
    fresh.retain(|notification| there.insert(notification.id));
    write(&mut tx, &keys, &fresh).await?;
    Ok(verdicts)
}

async fn known(tx: &mut Tx<'_>, fresh: &[&NewNotification]) -> Result<HashSet<NotificationId>> {
    let bind = |binds: &mut Binds, notification: &&NewNotification| {
        binds.push(notification.app.0).push(notification.id.0.as_bytes().as_slice());
    };
    let rows = THERE.fetch(tx.conn, fresh, no_lead, bind).await?;
    rows.iter().map(|row| Cells::new(row, "notification", 0).notification(0, "id")).collect()
}

async fn write(tx: &mut Tx<'_>, keys: &Keys, fresh: &[&NewNotification]) -> Result<()> {
    idempotency::remember(tx, keys).await?;
    insert(tx, fresh).await
}

/// Writes notifications with their runs and their work.
pub(super) async fn insert(tx: &mut Tx<'_>, fresh: &[&NewNotification]) -> Result<()> {
    let rows: Vec<(&NewNotification, [Option<String>; 2])> =
        fresh.iter().map(|new| Ok((*new, [labels(new)?, narrowed(new)?]))).collect::<Result<_, Error>>()?;
    let bind = |binds: &mut Binds, (new, [labels, narrowed]): &(&NewNotification, [Option<String>; 2])| {
        binds.push(new.app.0).push(new.id.0.as_bytes().as_slice()).push(new.category.as_deref()).push(labels.as_deref());
        binds.push(new.fan_out).push(micros(new.accepted_at)).push(micros(new.start_at)).push(micros(new.expires_at));
        binds.push(narrowed.as_deref()).push(new.content.as_ref());
        binds.push(campaign_cell(new)).push(new.test);
    };
    NOTIFICATION.execute(tx.conn, &rows, no_lead, bind).await?;
    begin_runs(tx, fresh).await?;
    let rows: Vec<Row<'_>> = fresh.iter().flat_map(|new| new.work.iter().map(|work| row(new, work))).collect();
    work::insert(tx, &rows).await
}

async fn begin_runs(tx: &mut Tx<'_>, fresh: &[&NewNotification]) -> Result<()> {
    let runs: Vec<&NewNotification> = fresh.iter().copied().filter(|new| new.fan_out).collect();
    let now = tx.now;
    let bind = |binds: &mut Binds, new: &&NewNotification| {
        let start_at = micros(new.start_at);
        let status = if start_at > now { RunStatus::Scheduled } else { RunStatus::Running };
        let expands = new.work.iter().any(|work| work.kind == WorkKind::Expand);
        binds.push(new.id.0.as_bytes().as_slice()).push(new.app.0).push(true).push(status.as_str()).push(start_at);
        binds.push(true).push(expands.then_some(0_i64)).push(new.terms.pace.map(Pace::per_second)).push(campaign_cell(new));
        let most = new.terms.max_targets.map(|most| i64::try_from(most).unwrap_or(i64::MAX));
        binds.push(most).push(expands && most.is_some());
    };
    RUN.execute(tx.conn, &runs, no_lead, bind).await?;
    Ok(())
}

fn campaign_cell(new: &NewNotification) -> Option<&[u8]> {
    new.campaign.as_ref().map(|campaign| campaign.0.as_bytes().as_slice())
}

fn labels(new: &NewNotification) -> Result<Option<String>> {
    if new.labels.is_empty() { Ok(None) } else { to_document(&new.labels).map(Some) }
}

fn narrowed(new: &NewNotification) -> Result<Option<String>, Error> {
    if new.narrowed == Narrowed::default() { Ok(None) } else { to_document(&new.narrowed).map(Some) }
}

/// A row that is due later than its notification begins, for no reason, is published by accept itself.
fn row<'n>(new: &'n NewNotification, work: &'n NewWork) -> Row<'n> {
    let published = work.reason.is_none() && !work.fan_out && work.due_at > new.start_at;
    let guard_until = if published { micros(work.due_at.min(work.expires_at)) } else { 0 };
    Row { app: new.app, notification: new.id, work, first: true, guard_until }
}
