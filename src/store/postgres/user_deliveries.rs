//! What ended at a user's targets, of the newest notification first. There is no index by person, which every delivery would pay for:
//! a page walks the deliveries backwards, up to a limit.

use serde::{Deserialize, Serialize};
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::super::notification::DeliveryView;
use super::super::rules::cursor::{from_text, to_text};
use super::super::{Page, PageRequest, Result};
use super::batch::{Binds, count, fetch, fetch_one};
use super::delivery_list::{delivery_columns, device_and_person, ended, person};
use super::row::Cells;
use super::tx::Tx;
use crate::domain::id::AppId;

/// Deliveries of anybody that one page walks past, at most.
const WALK: i64 = 50_000;

/// The last delivery of the walk; none where the walk ends before.
pub(super) const END: &str = "SELECT target, notification_id, day FROM delivery WHERE (day, notification_id, target) < ($1, $2, $3) \
                              ORDER BY day DESC, notification_id DESC, target DESC LIMIT 1 OFFSET $4";
pub(super) const FOUND: &str = concat!(
    "SELECT ",
    delivery_columns!(),
    ", d.day FROM (SELECT * FROM delivery d WHERE (d.day, d.notification_id, d.target) < ($1, $2, $3) \
     AND (d.day, d.notification_id, d.target) >= ($4, $5, $6) AND d.channel = 'push' AND d.person_pk = $7 \
     ORDER BY d.day DESC, d.notification_id DESC, d.target DESC LIMIT $8) d ",
    device_and_person!(),
    " ORDER BY d.day DESC, d.notification_id DESC, d.target DESC"
);

/// A delivery by its key: day, notification, target.
#[derive(Clone, Serialize, Deserialize)]
struct Place(i32, Uuid, i64);

impl Place {
    /// From a row that has the target first, then somewhere notification and day.
    fn read(row: &PgRow, notification: usize, day: usize) -> Result<Self> {
        let cells = Cells::new(row, "delivery", 0);
        Ok(Self(cells.get(day, "day")?, cells.get(notification, "notification_id")?, cells.get(0, "target")?))
    }

    fn bind(&self, binds: &mut Binds) {
        binds.push(self.0).push(self.1).push(self.2);
    }
}

/// One page.
pub(super) async fn list(tx: &mut Tx, app: AppId, user: &str, page: &PageRequest) -> Result<Page<DeliveryView>> {
    let before = page.after.as_deref().map_or(Ok(Place(i32::MAX, Uuid::max(), i64::MAX)), from_text)?;
    let Some(person) = person(tx, app, user).await? else { return Ok(Page { items: Vec::new(), next: None }) };
    let end = fetch_one(tx, END, |binds| {
        before.bind(binds);
        binds.push(WALK - 1);
    });
    let end = end.await?.map(|row| Place::read(&row, 1, 2)).transpose()?;
    let last = end.clone().unwrap_or(Place(i32::MIN, Uuid::nil(), i64::MIN));
    let rows = fetch(tx, FOUND, |binds| {
        before.bind(binds);
        last.bind(binds);
        binds.push(person.0).push(count(page.limit + 1));
    });
    let rows = rows.await?;
    let items = rows.iter().take(page.limit).map(ended).collect::<Result<Vec<_>>>()?;
    let full = if rows.len() > page.limit { rows.iter().take(page.limit).next_back() } else { None };
    let next = full.map_or(Ok(end), |row| Place::read(row, 14, 16).map(Some))?;
    Ok(Page { items, next: next.as_ref().map(to_text).transpose()? })
}
