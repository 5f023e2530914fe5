//! Notifications as callers read them.

use async_trait::async_trait;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::super::engine::RunStatus;
use super::super::notification::{DeliveryFilter, DeliveryView, NotificationFilter, NotificationView, Notifications};
use super::super::rules::cursor::{from_text, to_text};
use super::super::rules::tally::Head;
use super::super::{Page, PageRequest, Result};
use super::PostgresStore;
use super::batch::{count, fetch, fetch_one};
use super::row::Cells;
use super::tally::tally;
use super::tx::Tx;
use super::{delivery_list, user_deliveries};
use crate::domain::id::{AppId, NotificationId};

macro_rules! head_of {
    ($notification:literal) => {
        concat!(
            "SELECT n.id, n.category, n.labels::text, n.fan_out, n.accepted_at, n.start_at, r.status, r.targeted, n.narrowed::text, coalesce(r.stale, 0) FROM ",
            $notification,
            " LEFT JOIN LATERAL (SELECT status, targeted, stale FROM run r WHERE r.notification_id = n.id LIMIT 1) r ON true"
        )
    };
}
macro_rules! head {
    () => {
        concat!(head_of!("notification n"), " WHERE n.app = $1 AND ")
    };
}
pub(super) const ONE: &str = concat!(head!(), "n.id = $2");
macro_rules! list {
    ($narrower:literal) => {
        concat!(
            head!(),
            $narrower,
            "n.id < $2 AND ($3::text IS NULL OR n.category = $3) AND ($4::timestamptz IS NULL OR n.accepted_at >= $4) \
             AND ($5::timestamptz IS NULL OR n.accepted_at < $5) ORDER BY n.id DESC LIMIT $6"
        )
    };
}
pub(super) const LIST: &str = list!("");
pub(super) const LIST_OF_CAMPAIGN: &str = list!("n.campaign = $7 AND ");
pub(super) const SOME: &str = head_of!(
    "unnest($2::uuid[]) AS ask (id) CROSS JOIN LATERAL (SELECT * FROM notification n WHERE n.app = $1 AND n.id = ask.id LIMIT 1) n"
);

/// Pages that a list looks through for one that its filters leave: then it answers what it has, and where to go on.
const LOOKS: usize = 20;

fn read(row: &PgRow) -> Result<Head> {
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

async fn head(tx: &mut Tx, app: AppId, id: NotificationId) -> Result<Option<Head>> {
    let row = fetch_one(tx, ONE, |binds| {
        binds.push(app.0).push(id.0);
    });
    row.await?.as_ref().map(read).transpose()
}

/// The heads of those of these that are there.
pub(super) async fn heads(tx: &mut Tx, app: AppId, ids: Vec<Uuid>) -> Result<Vec<Head>> {
    let rows = fetch(tx, SOME, |binds| {
        binds.push(app.0).push(ids);
    });
    rows.await?.iter().map(read).collect()
}

async fn views(tx: &mut Tx, heads: Vec<Head>) -> Result<Vec<NotificationView>> {
    Ok(tally(tx, &heads).await?.views(heads))
}

async fn one(tx: &mut Tx, app: AppId, id: NotificationId) -> Result<Option<NotificationView>> {
    let Some(head) = head(tx, app, id).await? else { return Ok(None) };
    Ok(views(tx, vec![head]).await?.pop())
}

async fn list(tx: &mut Tx, app: AppId, filter: &NotificationFilter, page: &PageRequest) -> Result<Page<NotificationView>> {
    let mut before = page.after.as_deref().map_or(Ok(Uuid::max()), from_text::<Uuid>)?;
    let mut items: Vec<NotificationView> = Vec::new();
    for look in 1.. {
        let rows = fetch(tx, if filter.campaign.is_some() { LIST_OF_CAMPAIGN } else { LIST }, |binds| {
            binds.push(app.0).push(before).push(filter.category.as_deref()).push(filter.from).push(filter.to).push(count(page.limit));
            if let Some(campaign) = filter.campaign {
                binds.push(campaign.0);
            }
        });
        let heads: Vec<Head> = rows.await?.iter().map(read).collect::<Result<_>>()?;
        let end = heads.len() < page.limit;
        before = heads.last().map_or(before, |last| last.id.0);
        let labelled = heads.into_iter().filter(|head| filter.labels.iter().all(|(name, value)| head.labels.get(name) == Some(value)));
        let found = views(tx, labelled.collect()).await?;
        items.extend(found.into_iter().filter(|view| filter.status.is_none_or(|status| status == view.status)));
        if items.len() > page.limit {
            items.truncate(page.limit);
            before = items.last().map_or(before, |view| view.id.0);
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

#[async_trait]
impl Notifications for PostgresStore {
    async fn notification(&self, app: AppId, id: NotificationId) -> Result<Option<NotificationView>> {
        let mut tx = self.callers.snapshot().await?;
        let view = one(&mut tx, app, id).await;
        tx.end(view).await
    }

    async fn notifications(&self, app: AppId, filter: &NotificationFilter, page: &PageRequest) -> Result<Page<NotificationView>> {
        let mut tx = self.callers.snapshot().await?;
        let list = list(&mut tx, app, filter, page).await;
        tx.end(list).await
    }

    async fn deliveries(
        &self,
        app: AppId,
        id: NotificationId,
        filter: &DeliveryFilter,
        page: &PageRequest,
    ) -> Result<Option<Page<DeliveryView>>> {
        let mut tx = self.callers.snapshot().await?;
        let head = match head(&mut tx, app, id).await {
            Ok(Some(head)) => head,
            other => return tx.end(other.map(|_| None)).await,
        };
        let ask = delivery_list::Ask { app, head: &head, filter, limit: page.limit };
        let list = delivery_list::list(&mut tx, &ask, page.after.as_deref()).await;
        tx.end(list.map(Some)).await
    }

    async fn user_deliveries(&self, app: AppId, user: &str, page: &PageRequest) -> Result<Page<DeliveryView>> {
        let mut tx = self.callers.snapshot().await?;
        let list = user_deliveries::list(&mut tx, (app, user), page).await;
        tx.end(list).await
    }
}
