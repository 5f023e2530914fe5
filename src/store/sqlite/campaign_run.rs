//! Runs of campaigns: how they begin, and those that are open.

use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use super::super::campaign::{CampaignRun, MAX_TARGETS, NewRun};
use super::super::engine::NewNotification;
use super::super::rules::cursor::{from_text, to_text};
use super::super::rules::webhook_items::{Fact, begun};
use super::super::{Page, PageRequest, Result};
use super::batch::{Binds, Tuples, execute, fetch, no_lead};
use super::campaign::{BEYOND, named, one};
use super::row::{Cells, instant, micros};
use super::webhook_items;
use super::work::count;
use super::writer::Tx;
use super::{accept, pause};
use crate::domain::Timestamp;
use crate::domain::campaign::CampaignStatus;
use crate::domain::id::{AppId, CampaignId, NotificationId, RunId};
use crate::domain::webhook::EventType;

pub(super) const FIRE: &str = "UPDATE campaign SET status = 'running', next_fire = ?4, version = version + 1, updated_at = ?5 \
                               WHERE id = ?2 AND app = ?1 AND version = ?3 AND next_fire IS NOT NULL AND status IN ('scheduled', 'running')";
const ADD: Tuples = Tuples { head: "INSERT INTO campaign_run (campaign, id, occurrence, notification_id) VALUES ", width: 4, tail: "" };
pub(super) const OPEN: &str = "SELECT notification_id FROM run WHERE campaign = ?1 AND open = 1 ORDER BY notification_id";
/// By this clock a run may lie ahead that was begun before it was set back: it could be paused no more than what is only scheduled.
pub(super) const BEGIN: &str = "UPDATE run SET status = 'running' WHERE campaign = ?1 AND open = 1 AND status = 'scheduled'";
pub(super) const EXCEED: &str = "UPDATE campaign SET status = 'paused', reason = ?3, version = version + 1, updated_at = ?4 \
                                 WHERE id = ?2 AND app = ?1 AND status IN ('scheduled', 'running', 'paused')";
pub(super) const LIST: &str =
    "SELECT id, occurrence, notification_id FROM campaign_run WHERE campaign = ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3";

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

/// Begins runs, unless somebody else did.
pub(super) async fn fire(mut tx: Tx<'_>, firing: Firing) -> Result<bool> {
    let fired = execute(tx.conn, FIRE, |binds| {
        named(firing.app, firing.id)(binds);
        binds.push(firing.version).push(firing.next.map(micros)).push(tx.now);
    });
    if fired.await? == 0 {
        return Ok(false);
    }
    let bind = |binds: &mut Binds, NewRun { run, .. }: &NewRun| {
        binds.push(firing.id.0.as_bytes().as_slice()).push(run.id.0.as_bytes().as_slice()).push(micros(run.occurrence));
        binds.push(run.notification.as_ref().map(|id| id.0.as_bytes().as_slice()));
    };
    ADD.execute(tx.conn, &firing.runs, no_lead, bind).await?;
    let fresh: Vec<&NewNotification> = firing.runs.iter().filter_map(|new| new.notification.as_ref()).collect();
    accept::insert(&mut tx, &fresh).await?;
    let news = begun((firing.app, firing.id), firing.runs.iter().map(|new| &new.run), instant(tx.now).unwrap_or_default());
    webhook_items::tell(&mut tx, &news).await?;
    Ok(true)
}

/// The open runs of a campaign.
pub(super) async fn open(tx: &mut Tx<'_>, id: CampaignId) -> Result<Vec<NotificationId>> {
    let rows = fetch(tx.conn, OPEN, |binds| {
        binds.push(id.0.as_bytes().as_slice());
    });
    rows.await?.iter().map(|row| Cells::new(row, "run", 0).notification(0, "notification_id")).collect()
}

/// Holds the open runs of a campaign.
pub(super) async fn pause_open(tx: &mut Tx<'_>, app: AppId, id: CampaignId) -> Result<()> {
    let runs = open(tx, id).await?;
    let begin = execute(tx.conn, BEGIN, |binds| {
        binds.push(id.0.as_bytes().as_slice());
    });
    begin.await?;
    for run in runs {
        pause::pause(tx, app, run).await?;
    }
    Ok(())
}

/// Holds a run that has more targets than it may have, and its campaign with all of its runs.
pub(super) async fn exceed(tx: &mut Tx<'_>, (app, run): (AppId, NotificationId), campaign: Option<CampaignId>) -> Result<()> {
    let Some(id) = campaign else {
        pause::pause(tx, app, run).await?;
        return Ok(());
    };
    pause_open(tx, app, id).await?;
    let was_paused = one(tx.conn, app, id).await?.is_none_or(|campaign| campaign.status == CampaignStatus::Paused);
    let held = execute(tx.conn, EXCEED, |binds| {
        named(app, id)(binds);
        binds.push(MAX_TARGETS).push(tx.now);
    });
    if held.await? > 0 && !was_paused {
        tell_paused(tx, (app, id), Some(MAX_TARGETS)).await?;
    }
    Ok(())
}

/// Tells that a campaign is paused.
pub(super) async fn tell_paused(tx: &mut Tx<'_>, (app, campaign): (AppId, CampaignId), reason: Option<&str>) -> Result<()> {
    let at = instant(tx.now).unwrap_or_default();
    webhook_items::tell(tx, &[Fact::Campaign { app, event: EventType::CampaignPaused, campaign, run: None, reason, at }]).await
}

fn read(row: &SqliteRow) -> Result<CampaignRun> {
    let cells = Cells::new(row, "campaign_run", 0);
    let notification = if cells.is_null(2) { None } else { Some(cells.notification(2, "notification_id")?) };
    Ok(CampaignRun { id: RunId(cells.id(0, "id")?), occurrence: cells.instant(1, "occurrence")?, notification })
}

/// The newest runs with smaller ids.
pub(super) async fn before(conn: &mut SqliteConnection, id: CampaignId, before: &[u8], limit: usize) -> Result<Vec<CampaignRun>> {
    let rows = fetch(conn, LIST, |binds| {
        binds.push(id.0.as_bytes().as_slice()).push(before).push(count(limit));
    });
    rows.await?.iter().map(read).collect()
}

/// The runs of a campaign, newest first; `None` where there is no such campaign.
pub(super) async fn list(conn: &mut SqliteConnection, app: AppId, id: CampaignId, page: &PageRequest) -> Result<Option<Page<CampaignRun>>> {
    let after = page.after.as_deref().map_or(Ok(BEYOND.to_vec()), from_text::<Vec<u8>>)?;
    if one(conn, app, id).await?.is_none() {
        return Ok(None);
    }
    let mut items = before(conn, id, &after, page.limit + 1).await?;
    let more = items.len() > page.limit;
    items.truncate(page.limit);
    let next = items.last().filter(|_| more).map(|last| to_text(last.id.0.as_bytes())).transpose()?;
    Ok(Some(Page { items, next }))
}
