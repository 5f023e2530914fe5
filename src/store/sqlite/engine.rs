//! The steps of the dispatch path, each handed to the file that does it.

use std::time::Duration;

use async_trait::async_trait;
use sqlx::sqlite::SqliteRow;

use super::super::Result;
use super::super::engine::{
    Answer, Ask, AudiencePage, Claim, Engine, Ready, Record, Recorded, RunChange, Scan, Selection, StoredNotification, Submission, Sweep,
    Verdict, day_of,
};
use super::SqliteStore;
use super::batch::{fetch_one, no_lead};
use super::expand::Step;
use super::row::Cells;
use super::{accept, batch, cancel, claim, expand, pause, record, release, schedule};
use crate::domain::Timestamp;
use crate::domain::id::{AppId, NotificationId};
use crate::domain::work::{NewWork, WorkKey};

pub(super) const NOTIFICATIONS: batch::Tuples = batch::Tuples {
    head: "WITH key (app, id) AS (VALUES ",
    width: 2,
    tail: ") SELECT n.app, n.id, n.content, n.accepted_at, n.start_at, n.expires_at, n.campaign FROM key \
           CROSS JOIN notification n ON n.app = key.app AND n.id = key.id",
};
const BACKLOG: &str = "SELECT count(*) FROM work";

#[async_trait]
impl Engine for SqliteStore {
    async fn now(&self) -> Result<Timestamp> {
        Ok(self.clock.now())
    }

    async fn accept(&self, submissions: Vec<Submission>) -> Result<Vec<Verdict>> {
        self.write(move |tx| Box::pin(accept::accept(tx, submissions))).await
    }

    async fn schedule(&self, sweep: &Sweep) -> Result<Ready> {
        let sweep = sweep.clone();
        self.write(move |tx| Box::pin(schedule::schedule(tx, sweep))).await
    }

    async fn release(&self, sweep: &Sweep) -> Result<Ready> {
        let sweep = sweep.clone();
        self.write(move |tx| Box::pin(release::release(tx, sweep))).await
    }

    async fn claim(&self, keys: &[WorkKey], lease: Duration) -> Result<Claim> {
        let keys = keys.to_vec();
        self.write(move |tx| Box::pin(claim::claim(tx, keys, lease))).await
    }

    async fn renew(&self, held: &[(WorkKey, i64)], lease: Duration) -> Result<Vec<WorkKey>> {
        let held = held.to_vec();
        self.write(move |tx| Box::pin(claim::renew(tx, held, lease))).await
    }

    async fn read_notifications(&self, ids: &[(AppId, NotificationId)]) -> Result<Vec<StoredNotification>> {
        let mut reader = self.hot.reader().await?;
        let bind = |binds: &mut batch::Binds, (app, id): &(AppId, NotificationId)| {
            binds.push(app.0).push(id.0.as_bytes().as_slice());
        };
        let rows = NOTIFICATIONS.fetch(&mut reader, ids, no_lead, bind).await?;
        reader.done();
        rows.iter().map(notification).collect()
    }

    async fn read_targets(&self, asks: &[Ask]) -> Result<Vec<Answer>> {
        self.answer(asks).await
    }

    async fn record(&self, record: &Record) -> Result<Recorded> {
        let record = record.clone();
        self.write(move |tx| Box::pin(record::record(tx, record))).await
    }

    async fn read_page(&self, key: WorkKey, limit: usize, selection: &Selection) -> Result<Option<AudiencePage>> {
        self.page(key, limit, selection).await
    }

    async fn commit_page(&self, key: WorkKey, epoch: i64, page: &AudiencePage, chunks: &[NewWork]) -> Result<bool> {
        let step = Step { key, epoch, from: page.from, to: page.to, last: page.last, left_out: page.left_out, chunks: chunks.to_vec() };
        self.write(move |tx| Box::pin(expand::commit(tx, step))).await
    }

    async fn cancel(&self, app: AppId, id: NotificationId) -> Result<bool> {
        self.write(move |mut tx| Box::pin(async move { cancel::cancel(&mut tx, app, id).await })).await
    }

    async fn pause(&self, app: AppId, id: NotificationId) -> Result<bool> {
        self.write(move |mut tx| Box::pin(async move { pause::pause(&mut tx, app, id).await })).await
    }

    async fn resume(&self, app: AppId, id: NotificationId) -> Result<bool> {
        self.write(move |mut tx| Box::pin(async move { pause::resume(&mut tx, app, id).await })).await
    }

    async fn run_changes(&self, since: Timestamp) -> Result<Vec<RunChange>> {
        self.changes(since).await
    }

    async fn hasten(&self, app: AppId, id: NotificationId) -> Result<()> {
        self.write(move |mut tx| Box::pin(async move { cancel::hasten(&mut tx, app, id).await })).await
    }

    async fn hand_back(&self, held: &[(WorkKey, i64)]) -> Result<()> {
        let held = held.to_vec();
        self.write(move |tx| Box::pin(claim::hand_back(tx, held))).await
    }

    async fn read_devices(&self, app: AppId, after: i64, limit: usize, selection: &Selection) -> Result<Scan> {
        self.devices_after(app, after, limit, selection).await
    }

    async fn backlog(&self) -> Result<u64> {
        let mut tx = self.read().await?;
        let row = fetch_one(&mut tx, BACKLOG, no_lead).await?;
        row.map_or(Ok(0), |row| Cells::new(&row, "work", 0).count(0, "id"))
    }
}

fn notification(row: &SqliteRow) -> Result<StoredNotification> {
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
