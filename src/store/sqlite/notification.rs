//! Notifications as callers read them.

use async_trait::async_trait;
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use super::super::engine::RunStatus;
use super::super::notification::{DeliveryFilter, DeliveryView, NotificationFilter, NotificationView, Notifications};
use super::super::rules::cursor::{from_text, to_text};
use super::super::rules::tally::Head;
use super::super::{Page, PageRequest, Result};
use super::SqliteStore;
use super::batch::{fetch, fetch_one};
use super::json::List;
use super::row::{Cells, micros};
use super::tally::tally;
use super::work::count;
use super::{delivery_list, user_deliveries};
use crate::domain::id::{AppId, NotificationId};

macro_rules! head_of {
    ($notification:literal) => {
        concat!(
            "SELECT n.id, n.category, n.labels, n.fan_out, n.accepted_at, n.start_at, r.status, r.targeted, n.narrowed, coalesce(r.stale, 0) FROM ",
            $notification,
            " LEFT JOIN run r ON r.notification_id = n.id WHERE n.app = ?1 AND "
        )
    };
}
macro_rules! head {
    () => {
        head_of!("notification n")
    };
}
const ONE: &str = concat!(head!(), "n.id = ?2");
macro_rules! list {
    ($narrower:literal) => {
        concat!(
            head!(),
            $narrower,
            "n.id < ?2 AND (?3 IS NULL OR n.category = ?3) AND (?4 IS NULL OR n.accepted_at >= ?4) AND (?5 IS NULL OR n.accepted_at < ?5) \
             ORDER BY n.id DESC LIMIT ?6"
        )
    };
}
pub(super) const LIST: &str = list!("");
pub(super) const LIST_OF_CAMPAIGN: &str = list!("n.campaign = ?7 AND ");
pub(super) const SOME: &str = concat!(head_of!("json_each(?2) j CROSS JOIN notification n"), "n.id = unhex(j.value)");

/// Pages that a list looks through for one that its filters leave: then it answers what it has, and where to go on.
const LOOKS: usize = 20;

fn read(row: &SqliteRow) -> Result<Head> {
    let cells = Cells::new(row, "notification", 0);
    let targeted = if cells.is_null(7) { None } else { Some(cells.count(7, "targeted")?) };
    Ok(Head {
        id: cells.notification(0, "id")?,
        category: cells.get(1, "category")?,
        labels: cells.maybe_document(2, "labels")?.unwrap_or_default(),
        fan_out: cells.get(3, "fan_out")?,
        accepted_at: cells.instant(4, "accepted_at")?,
        start_at: cells.instant(5, "start_at")?,
        run: cells.maybe_word(6, "status", RunStatus::parse)?,
        targeted,
        stale: cells.count(9, "stale")?,
        narrowed: cells.maybe_document(8, "narrowed")?.unwrap_or_default(),
    })
}

/// The head of one.
pub(super) async fn head(conn: &mut SqliteConnection, app: AppId, id: NotificationId) -> Result<Option<Head>> {
    let row = fetch_one(conn, ONE, |binds| {
        binds.push(app.0).push(id.0.as_bytes().as_slice());
    });
    row.await?.as_ref().map(read).transpose()
}

/// The heads of those of these that are there.
pub(super) async fn heads(conn: &mut SqliteConnection, app: AppId, ids: &[NotificationId]) -> Result<Vec<Head>> {
    let list = List::of_notifications(ids);
    let rows = fetch(conn, SOME, |binds| {
        binds.push(app.0).push(&list);
    });
    rows.await?.iter().map(read).collect()
}

async fn views(conn: &mut SqliteConnection, heads: Vec<Head>, now: i64) -> Result<Vec<NotificationView>> {
    Ok(tally(conn, &heads, now).await?.views(heads))
}

#[async_trait]
impl Notifications for SqliteStore {
    async fn notification(&self, app: AppId, id: NotificationId) -> Result<Option<NotificationView>> {
        let mut tx = self.read().await?;
        let Some(head) = head(&mut tx, app, id).await? else { return Ok(None) };
        Ok(views(&mut tx, vec![head], self.now()).await?.pop())
    }

    async fn notifications(&self, app: AppId, filter: &NotificationFilter, page: &PageRequest) -> Result<Page<NotificationView>> {
        // greater than every id
        let mut before = page.after.as_deref().map_or(Ok(vec![0xff; 17]), from_text::<Vec<u8>>)?;
        let mut items: Vec<NotificationView> = Vec::new();
        let mut tx = self.read().await?;
        for look in 1.. {
            let rows = fetch(&mut tx, if filter.campaign.is_some() { LIST_OF_CAMPAIGN } else { LIST }, |binds| {
                binds.push(app.0).push(before.as_slice()).push(filter.category.as_deref()).push(filter.from.map(micros));
                binds.push(filter.to.map(micros)).push(count(page.limit));
                if let Some(campaign) = &filter.campaign {
                    binds.push(campaign.0.as_bytes().as_slice());
                }
            });
            let heads: Vec<Head> = rows.await?.iter().map(read).collect::<Result<_>>()?;
            let end = heads.len() < page.limit;
            if let Some(last) = heads.last() {
                before = last.id.0.as_bytes().to_vec();
            }
            let labelled = heads.into_iter().filter(|head| filter.labels.iter().all(|(name, value)| head.labels.get(name) == Some(value)));
            let found = views(&mut tx, labelled.collect(), self.now()).await?;
            let wanted = found.into_iter().filter(|view| filter.status.is_none_or(|status| status == view.status));
            items.extend(wanted);
            if items.len() > page.limit {
                items.truncate(page.limit);
                before = items.last().map(|view| view.id.0.as_bytes().to_vec()).unwrap_or(before);
                return Ok(Page { items, next: Some(to_text(&before)?) });
            }
            if end {
                break;
            }
            if look >= LOOKS || items.len() == page.limit {
                return Ok(Page { items, next: Some(to_text(&before)?) });
            }
        }
        Ok(Page { items, next: None })
    }

    async fn deliveries(
        &self,
        app: AppId,
        id: NotificationId,
        filter: &DeliveryFilter,
        page: &PageRequest,
    ) -> Result<Option<Page<DeliveryView>>> {
        let mut tx = self.read().await?;
        let Some(head) = head(&mut tx, app, id).await? else { return Ok(None) };
        let ask = delivery_list::Ask { app, head: &head, filter, limit: page.limit, now: self.now() };
        delivery_list::list(&mut tx, &ask, page.after.as_deref()).await.map(Some)
    }

    async fn user_deliveries(&self, app: AppId, user: &str, page: &PageRequest) -> Result<Page<DeliveryView>> {
        let mut tx = self.read().await?;
        user_deliveries::list(&mut tx, (app, user), page, self.now()).await
    }
}
