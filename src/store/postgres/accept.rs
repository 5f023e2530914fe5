//! Step 1: notifications, their runs, their work and their keys, in one commit.

use std::collections::{BTreeSet, HashSet};

use uuid::Uuid;

use super::super::engine::{Narrowed, NewNotification, RunStatus, Submission, Verdict};
use super::super::rules::keys::{Keys, keys_of};
use super::super::{Error, Result};
use super::PostgresStore;
use super::batch::{Binds, execute, fetch};
use super::fault::{is_conflict, is_contended, is_without_partition};
use super::idempotency::{self, Raced};
use super::partitions::Partition;
use super::row::{Cells, to_document};
use super::tx::Tx;
use super::work::{self, Row};
use crate::domain::Timestamp;
use crate::domain::id::NotificationId;
use crate::domain::work::{NewWork, WorkKind};

pub(super) const NOTIFICATION: &str = "INSERT INTO notification (app, id, category, labels, fan_out, accepted_at, start_at, expires_at, narrowed, content, campaign, test) \
     SELECT new.app, new.id, new.category, new.labels::json, new.fan_out, new.accepted_at, new.start_at, new.expires_at, new.narrowed::json, new.content, \
     new.campaign, new.test \
     FROM unnest($1::bigint[], $2::uuid[], $3::text[], $4::text[], $5::bool[], $6::timestamptz[], $7::timestamptz[], $8::timestamptz[], \
     $9::text[], $10::bytea[], $11::uuid[], $12::bool[]) \
     AS new (app, id, category, labels, fan_out, accepted_at, start_at, expires_at, narrowed, content, campaign, test)";
pub(super) const RUN: &str = "INSERT INTO run (notification_id, app, fan_out, status, start_at, open, targeted, pace, campaign, max_targets, held) \
                   SELECT new.id, new.app, true, new.status, new.start_at, true, CASE WHEN new.expands THEN 0 END, new.pace, new.campaign, \
                   new.max_targets, new.expands AND new.max_targets IS NOT NULL \
                   FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::timestamptz[], $5::bool[], $6::int[], $7::uuid[], $8::bigint[]) \
                   AS new (id, app, status, start_at, expands, pace, campaign, max_targets)";
pub(super) const THERE: &str = "SELECT n.id FROM unnest($1::bigint[], $2::uuid[]) AS ask (app, id) CROSS JOIN LATERAL \
                     (SELECT id FROM notification n WHERE n.app = ask.app AND n.id = ask.id LIMIT 1) n";
/// How often what others stand in the way of is tried.
pub(super) const TRIES: usize = 5;

/// Writes what is new of the submissions and answers them in order.
pub(super) async fn accept(store: &PostgresStore, submissions: &[Submission]) -> Result<Vec<Verdict>> {
    let items = || submissions.iter().flat_map(|submission| &submission.items).map(|item| &item.notification);
    let mut tries = 1..TRIES;
    loop {
        store.ensure(partitions(items())).await?;
        let mut tx = store.engine.begin().await?;
        let done = attempt(&mut tx, submissions).await;
        match tx.end(done).await {
            Err(error) if is_without_partition(&error) && tries.next().is_some() => store.partitions.forget(),
            Err(error) if (is_contended(&error) || is_raced(&error)) && tries.next().is_some() => {}
            done => return done,
        }
    }
}

/// The partitions that notifications and their deliveries go to.
pub(super) fn partitions<'n>(fresh: impl Iterator<Item = &'n NewNotification>) -> BTreeSet<Partition> {
    fresh.flat_map(|new| [Partition::of(new.id), Partition::Deliveries(new.day())]).collect()
}

fn is_raced(error: &Error) -> bool {
    matches!(error, Error::Busy(source) if source.is::<Raced>())
}

async fn attempt(tx: &mut Tx, submissions: &[Submission]) -> Result<Vec<Verdict>> {
    let asked: Vec<_> = submissions.iter().flat_map(keys_of).collect();
    let now = tx.now;
    let mut keys = idempotency::find(tx, now, &asked).await?;
    let mut fresh = Vec::new();
    let verdicts = submissions.iter().map(|submission| keys.judge(submission, &mut fresh)).collect();
    match write(tx, &keys, &fresh).await {
        Err(error) if is_conflict(&error) => {}
        written => return written.map(|()| verdicts),
    }
    // the same ids were sent again after a commit whose fate was unknown: only what is not there yet is written
    tx.start_over().await?;
    let mut there = known(tx, &fresh).await?;
    fresh.retain(|notification| there.insert(notification.id));
    write(tx, &keys, &fresh).await?;
    Ok(verdicts)
}

async fn known(tx: &mut Tx, fresh: &[&NewNotification]) -> Result<HashSet<NotificationId>> {
    let rows = fetch(tx, THERE, |binds| {
        binds.push(fresh.iter().map(|new| new.app.0).collect::<Vec<i64>>());
        binds.push(fresh.iter().map(|new| new.id.0).collect::<Vec<Uuid>>());
    });
    rows.await?.iter().map(|row| Cells::new(row, "notification", 0).notification(0, "id")).collect()
}

async fn write(tx: &mut Tx, keys: &Keys, fresh: &[&NewNotification]) -> Result<()> {
    idempotency::remember(tx, keys).await?;
    insert(tx, fresh).await
}

/// Writes notifications with their runs and their work.
pub(super) async fn insert(tx: &mut Tx, fresh: &[&NewNotification]) -> Result<()> {
    if fresh.is_empty() {
        return Ok(());
    }
    let labels: Vec<Option<String>> = fresh.iter().map(|new| labels(new)).collect::<Result<_>>()?;
    let narrowed: Vec<Option<String>> = fresh.iter().map(|new| narrowed(new)).collect::<Result<_>>()?;
    execute(tx, NOTIFICATION, |binds| bind(binds, fresh, (labels, narrowed))).await?;
    begin_runs(tx, fresh).await?;
    work::insert(tx, fresh.iter().flat_map(|new| new.work.iter().map(|work| row(new, work))).collect()).await
}

fn bind(binds: &mut Binds, fresh: &[&NewNotification], (labels, narrowed): (Vec<Option<String>>, Vec<Option<String>>)) {
    binds.push(fresh.iter().map(|new| new.app.0).collect::<Vec<i64>>());
    binds.push(fresh.iter().map(|new| new.id.0).collect::<Vec<Uuid>>());
    binds.push(fresh.iter().map(|new| new.category.as_deref()).collect::<Vec<Option<&str>>>());
    binds.push(labels);
    binds.push(fresh.iter().map(|new| new.fan_out).collect::<Vec<bool>>());
    binds.push(fresh.iter().map(|new| new.accepted_at).collect::<Vec<Timestamp>>());
    binds.push(fresh.iter().map(|new| new.start_at).collect::<Vec<Timestamp>>());
    binds.push(fresh.iter().map(|new| new.expires_at).collect::<Vec<Timestamp>>());
    binds.push(narrowed);
    binds.push(fresh.iter().map(|new| new.content.as_ref()).collect::<Vec<&[u8]>>());
    binds.push(fresh.iter().map(|new| new.campaign.map(|campaign| campaign.0)).collect::<Vec<Option<Uuid>>>());
    binds.push(fresh.iter().map(|new| new.test).collect::<Vec<bool>>());
}

async fn begin_runs(tx: &mut Tx, fresh: &[&NewNotification]) -> Result<()> {
    let runs: Vec<&NewNotification> = fresh.iter().copied().filter(|new| new.fan_out).collect();
    if runs.is_empty() {
        return Ok(());
    }
    let now = tx.now;
    let status = |new: &&NewNotification| if new.start_at > now { RunStatus::Scheduled } else { RunStatus::Running };
    let expands = |new: &&NewNotification| new.work.iter().any(|work| work.kind == WorkKind::Expand);
    execute(tx, RUN, |binds| {
        binds.push(runs.iter().map(|new| new.id.0).collect::<Vec<Uuid>>());
        binds.push(runs.iter().map(|new| new.app.0).collect::<Vec<i64>>());
        binds.push(runs.iter().map(|new| status(new).as_str()).collect::<Vec<&str>>());
        binds.push(runs.iter().map(|new| new.start_at).collect::<Vec<Timestamp>>());
        binds.push(runs.iter().map(expands).collect::<Vec<bool>>());
        binds.push(runs.iter().map(|new| work::pace_cell(new.terms.pace)).collect::<Vec<Option<i32>>>());
        binds.push(runs.iter().map(|new| new.campaign.map(|campaign| campaign.0)).collect::<Vec<Option<Uuid>>>());
        binds.push(runs.iter().map(|new| work::bound_cell(new.terms.max_targets)).collect::<Vec<Option<i64>>>());
    })
    .await?;
    Ok(())
}

fn labels(new: &NewNotification) -> Result<Option<String>> {
    if new.labels.is_empty() { Ok(None) } else { to_document(&new.labels).map(Some) }
}

fn narrowed(new: &NewNotification) -> Result<Option<String>> {
    if new.narrowed == Narrowed::default() { Ok(None) } else { to_document(&new.narrowed).map(Some) }
}

/// A row that is due later than its notification begins, for no reason, is published by accept itself.
fn row<'n>(new: &'n NewNotification, work: &'n NewWork) -> Row<'n> {
    let published = work.reason.is_none() && !work.fan_out && work.due_at > new.start_at;
    let guard_until = published.then(|| work.due_at.min(work.expires_at));
    Row { app: new.app, notification: new.id, work, first: true, guard_until }
}
