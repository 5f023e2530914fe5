//! The steps of the dispatch path, each handed to the file that does it.

use std::time::Duration;

use async_trait::async_trait;
use sqlx::PgConnection;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::super::engine::{
    Answer, Ask, AudiencePage, Claim, Engine, Ready, Record, Recorded, RunChange, Scan, Selection, StoredNotification, Submission, Sweep,
    Verdict, day_of,
};
use super::super::{Error, Result};
use super::PostgresStore;
use super::batch::{fetch, fetch_one, nothing};
use super::fault::Gone;
use super::row::Cells;
use super::tx::{reading, transaction};
use super::{accept, cancel, claim, expand, record, release, schedule, targets};
use crate::domain::Timestamp;
use crate::domain::id::{AppId, NotificationId};
use crate::domain::work::{NewWork, WorkKey};

pub(super) const NOTIFICATIONS: &str = "SELECT n.app, n.id, n.content, n.accepted_at, n.start_at, n.expires_at, n.campaign FROM unnest($1::bigint[], $2::uuid[]) AS ask (app, id) \
                             CROSS JOIN LATERAL (SELECT * FROM notification n WHERE n.app = ask.app AND n.id = ask.id LIMIT 1) n";
const NOW: &str = "SELECT now()";
/// Counted up to so many, and estimated beyond: a large table takes seconds to be counted.
const BACKLOG: &str = "SELECT CASE WHEN n > 100000 THEN greatest(n, (SELECT reltuples::bigint FROM pg_class WHERE oid = 'work'::regclass)) ELSE n END \
                       FROM (SELECT count(*) AS n FROM (SELECT 1 FROM work LIMIT 100001) few) counted";

#[async_trait]
impl Engine for PostgresStore {
    async fn now(&self) -> Result<Timestamp> {
        if let Some(now) = self.engine.clock() { Ok(now) } else { reading!(self.engine, conn => now(&mut conn)) }
    }

    async fn accept(&self, submissions: Vec<Submission>) -> Result<Vec<Verdict>> {
        accept::accept(self, &submissions).await
    }

    async fn schedule(&self, sweep: &Sweep) -> Result<Ready> {
        transaction!(self.engine, tx => schedule::schedule(&mut tx, sweep))
    }

    async fn release(&self, sweep: &Sweep) -> Result<Ready> {
        transaction!(self.engine, tx => release::release(&mut tx, sweep))
    }

    async fn claim(&self, keys: &[WorkKey], lease: Duration) -> Result<Claim> {
        claim::claim(self, keys, lease).await
    }

    async fn renew(&self, held: &[(WorkKey, i64)], lease: Duration) -> Result<Vec<WorkKey>> {
        transaction!(self.engine, tx => claim::renew(&mut tx, held, lease))
    }

    async fn read_notifications(&self, ids: &[(AppId, NotificationId)]) -> Result<Vec<StoredNotification>> {
        reading!(self.engine, conn => notifications(&mut conn, ids))
    }

    async fn read_targets(&self, asks: &[Ask]) -> Result<Vec<Answer>> {
        targets::answer(self, asks).await
    }

    async fn record(&self, record: &Record) -> Result<Recorded> {
        record::record(self, record).await
    }

    async fn read_page(&self, key: WorkKey, limit: usize, selection: &Selection) -> Result<Option<AudiencePage>> {
        let mut tx = self.engine.snapshot().await?;
        let page = expand::page(&mut tx, key, limit, selection).await;
        tx.end(page).await
    }

    async fn commit_page(&self, key: WorkKey, epoch: i64, page: &AudiencePage, chunks: &[NewWork]) -> Result<bool> {
        transaction!(self.engine, tx => expand::commit(&mut tx, (key, epoch), page, chunks))
    }

    async fn cancel(&self, app: AppId, id: NotificationId) -> Result<bool> {
        transaction!(self.callers, tx => cancel::cancel(&mut tx, app, id))
    }

    async fn pause(&self, app: AppId, id: NotificationId) -> Result<bool> {
        transaction!(self.callers, tx => cancel::pause(&mut tx, app, id))
    }

    async fn resume(&self, app: AppId, id: NotificationId) -> Result<bool> {
        transaction!(self.callers, tx => cancel::resume(&mut tx, app, id))
    }

    async fn run_changes(&self, since: Timestamp) -> Result<Vec<RunChange>> {
        reading!(self.engine, conn => changes(&mut conn, since))
    }

    async fn hasten(&self, app: AppId, id: NotificationId) -> Result<()> {
        transaction!(self.engine, tx => cancel::hasten(&mut tx, app, id))
    }

    async fn hand_back(&self, held: &[(WorkKey, i64)]) -> Result<()> {
        transaction!(self.engine, tx => claim::hand_back(&mut tx, held))
    }

    async fn read_devices(&self, app: AppId, after: i64, limit: usize, selection: &Selection) -> Result<Scan> {
        reading!(self.callers, conn => expand::part(&mut conn, app, (after, i64::MAX), limit, selection))
    }

    async fn backlog(&self) -> Result<u64> {
        reading!(self.engine, conn => backlog(&mut conn))
    }
}

async fn now(conn: &mut PgConnection) -> Result<Timestamp> {
    let row = fetch_one(conn, NOW, nothing).await?.ok_or_else(|| Error::Refused(Box::new(Gone)))?;
    Cells::new(&row, "now", 0).instant(0, "now")
}

async fn notifications(conn: &mut PgConnection, ids: &[(AppId, NotificationId)]) -> Result<Vec<StoredNotification>> {
    let rows = fetch(conn, NOTIFICATIONS, |binds| {
        binds.push(ids.iter().map(|(app, _)| app.0).collect::<Vec<i64>>());
        binds.push(ids.iter().map(|(_, id)| id.0).collect::<Vec<Uuid>>());
    });
    rows.await?.iter().map(notification).collect()
}

fn notification(row: &PgRow) -> Result<StoredNotification> {
    let cells = Cells::new(row, "notification", 1);
    let content: Vec<u8> = cells.get(2, "content")?;
    let start_at = cells.instant(4, "start_at")?;
    Ok(StoredNotification {
        app: AppId(cells.get(0, "app")?),
        id: cells.notification(1, "id")?,
        content: content.into(),
        campaign: cells.maybe_campaign(6, "campaign")?,
        accepted_at: cells.instant(3, "accepted_at")?,
        start_at,
        expires_at: cells.instant(5, "expires_at")?,
        day: day_of(start_at),
    })
}

async fn changes(conn: &mut PgConnection, since: Timestamp) -> Result<Vec<RunChange>> {
    let rows = fetch(conn, cancel::CHANGES, |binds| {
        binds.push(since);
    });
    rows.await?.iter().map(cancel::change).collect()
}

async fn backlog(conn: &mut PgConnection) -> Result<u64> {
    let row = fetch_one(conn, BACKLOG, nothing).await?;
    row.map_or(Ok(0), |row| Cells::new(&row, "work", 0).count(0, "id"))
}
