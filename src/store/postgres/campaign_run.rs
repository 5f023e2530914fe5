//! Runs of campaigns: how they begin, and those that are open.

use sqlx::PgConnection;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::super::campaign::{CampaignRun, MAX_TARGETS, NewRun};
use super::super::engine::NewNotification;
use super::super::rules::cursor::{from_text, to_text};
use super::super::rules::webhook_items::{Fact, begun};
use super::super::{Page, PageRequest, Result};
use super::accept::{self, TRIES};
use super::batch::{count, execute, fetch, fetch_one};
use super::campaign::{named, one};
use super::fault::{is_contended, is_without_partition};
use super::row::Cells;
use super::tx::Tx;
use super::webhook_items;
use super::{PostgresStore, cancel};
use crate::domain::Timestamp;
use crate::domain::id::{AppId, CampaignId, NotificationId, RunId};
use crate::domain::webhook::EventType;

pub(super) const FIRE: &str = "UPDATE campaign SET status = 'running', next_fire = $4, version = version + 1, updated_at = $5 \
                               WHERE id = $2 AND app = $1 AND version = $3 AND next_fire IS NOT NULL AND status IN ('scheduled', 'running')";
pub(super) const ADD: &str = "INSERT INTO campaign_run (campaign, id, occurrence, notification_id) \
                              SELECT $1, new.* FROM unnest($2::uuid[], $3::timestamptz[], $4::uuid[]) AS new";
pub(super) const OPEN: &str = "SELECT notification_id FROM run WHERE campaign = $1 AND open ORDER BY notification_id FOR UPDATE";
/// By this clock a run may lie ahead that another node began: it could be paused no more than what is only scheduled.
pub(super) const BEGIN: &str = "UPDATE run SET status = 'running' WHERE campaign = $1 AND open AND status = 'scheduled'";
pub(super) const EXCEED: &str = "UPDATE campaign c SET status = 'paused', reason = $3, version = c.version + 1, updated_at = $4 FROM \
                                 (SELECT id, status FROM campaign WHERE id = $2 AND app = $1 AND status IN ('scheduled', 'running', 'paused') FOR UPDATE) before \
                                 WHERE c.id = before.id RETURNING before.status <> 'paused'";
pub(super) const LIST: &str =
    "SELECT id, occurrence, notification_id FROM campaign_run WHERE campaign = $1 AND id < $2 ORDER BY id DESC LIMIT $3";

/// What begins of a campaign that is due.
pub(super) struct Firing {
    pub(super) app: AppId,
    pub(super) id: CampaignId,
    /// Which of its versions was due.
    pub(super) version: i64,
    pub(super) runs: Vec<NewRun>,
    /// When it is due next.
    pub(super) next: Option<Timestamp>,
}

impl Firing {
    fn notifications(&self) -> impl Iterator<Item = &NewNotification> {
        self.runs.iter().filter_map(|new| new.notification.as_ref())
    }
}

/// Begins runs, unless somebody else did.
pub(super) async fn fire(store: &PostgresStore, firing: &Firing) -> Result<bool> {
    let mut tries = 1..TRIES;
    loop {
        store.ensure(accept::partitions(firing.notifications())).await?;
        let mut tx = store.engine.begin().await?;
        let done = attempt(&mut tx, firing).await;
        match tx.end(done).await {
            Err(error) if is_without_partition(&error) && tries.next().is_some() => store.partitions.forget(),
            Err(error) if is_contended(&error) && tries.next().is_some() => {}
            done => return done,
        }
    }
}

async fn attempt(tx: &mut Tx, firing: &Firing) -> Result<bool> {
    let now = tx.now;
    let fired = execute(tx, FIRE, |binds| {
        named(firing.app, firing.id)(binds);
        binds.push(firing.version).push(firing.next).push(now);
    });
    if fired.await? == 0 {
        return Ok(false);
    }
    let runs = || firing.runs.iter().map(|new| &new.run);
    let added = execute(tx, ADD, |binds| {
        binds.push(firing.id.0).push(runs().map(|run| run.id.0).collect::<Vec<Uuid>>());
        binds.push(runs().map(|run| run.occurrence).collect::<Vec<Timestamp>>());
        binds.push(runs().map(|run| run.notification.map(|id| id.0)).collect::<Vec<Option<Uuid>>>());
    });
    added.await?;
    accept::insert(tx, &firing.notifications().collect::<Vec<_>>()).await?;
    webhook_items::tell(tx, &begun((firing.app, firing.id), runs(), now)).await?;
    Ok(true)
}

/// Locks the open runs of a campaign, which is locked.
pub(super) async fn open(tx: &mut Tx, id: CampaignId) -> Result<Vec<NotificationId>> {
    let rows = fetch(tx, OPEN, |binds| {
        binds.push(id.0);
    });
    rows.await?.iter().map(|row| Cells::new(row, "run", 0).notification(0, "notification_id")).collect()
}

/// Holds the open runs of a campaign, which is locked.
pub(super) async fn pause_open(tx: &mut Tx, app: AppId, id: CampaignId) -> Result<()> {
    let runs = open(tx, id).await?;
    let begin = execute(tx, BEGIN, |binds| {
        binds.push(id.0);
    });
    begin.await?;
    for run in runs {
        cancel::pause(tx, app, run).await?;
    }
    Ok(())
}

/// Holds a run that has more targets than it may have, and its campaign, which is locked, with all of its runs.
pub(super) async fn exceed(tx: &mut Tx, (app, run): (AppId, NotificationId), campaign: Option<CampaignId>) -> Result<()> {
    let Some(id) = campaign else {
        cancel::pause(tx, app, run).await?;
        return Ok(());
    };
    pause_open(tx, app, id).await?;
    let now = tx.now;
    let held = fetch_one(tx, EXCEED, |binds| {
        named(app, id)(binds);
        binds.push(MAX_TARGETS).push(now);
    });
    let is_new: bool = held.await?.map_or(Ok(false), |row| Cells::new(&row, "campaign", 0).get(0, "status"))?;
    if is_new {
        tell_paused(tx, (app, id), Some(MAX_TARGETS)).await?;
    }
    Ok(())
}

/// Tells that a campaign is paused.
pub(super) async fn tell_paused(tx: &mut Tx, (app, campaign): (AppId, CampaignId), reason: Option<&str>) -> Result<()> {
    let at = tx.now;
    webhook_items::tell(tx, &[Fact::Campaign { app, event: EventType::CampaignPaused, campaign, run: None, reason, at }]).await
}

fn read(row: &PgRow) -> Result<CampaignRun> {
    let cells = Cells::new(row, "campaign_run", 0);
    let notification = cells.get::<Option<Uuid>>(2, "notification_id")?.map(NotificationId);
    Ok(CampaignRun { id: RunId(cells.get(0, "id")?), occurrence: cells.instant(1, "occurrence")?, notification })
}

/// The newest runs with smaller ids.
pub(super) async fn before(conn: &mut PgConnection, id: CampaignId, before: Uuid, limit: usize) -> Result<Vec<CampaignRun>> {
    let rows = fetch(conn, LIST, |binds| {
        binds.push(id.0).push(before).push(count(limit));
    });
    rows.await?.iter().map(read).collect()
}

/// The runs of a campaign, newest first; `None` where there is no such campaign.
pub(super) async fn list(conn: &mut PgConnection, app: AppId, id: CampaignId, page: &PageRequest) -> Result<Option<Page<CampaignRun>>> {
    let after = page.after.as_deref().map_or(Ok(Uuid::max()), from_text::<Uuid>)?;
    if one(conn, app, id).await?.is_none() {
        return Ok(None);
    }
    let mut items = before(conn, id, after, page.limit + 1).await?;
    let more = items.len() > page.limit;
    items.truncate(page.limit);
    let next = items.last().filter(|_| more).map(|last| to_text(&last.id.0)).transpose()?;
    Ok(Some(Page { items, next }))
}
