//! What ended at a user's targets, of the newest notification first. There is no index by person, which every delivery would pay for:
//! a page walks the deliveries backwards, up to a limit.

use serde::{Deserialize, Serialize};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use super::super::notification::DeliveryView;
use super::super::rules::cursor::{from_text, to_text};
use super::super::{Page, PageRequest, Result};
use super::batch::{Binds, fetch, fetch_one};
use super::delivery_list::{delivery_columns, device_and_person, ended, person};
use super::row::Cells;
use super::work::count;
use crate::domain::id::AppId;

/// Deliveries of anybody that one page walks past, at most.
const WALK: usize = 50_000;

/// The last delivery of the walk; none where the walk ends before.
pub(super) const END: &str = "SELECT target, notification_id, day FROM delivery WHERE (day, notification_id, target) < (?1, ?2, ?3) \
                              ORDER BY day DESC, notification_id DESC, target DESC LIMIT 1 OFFSET ?4";
pub(super) const FOUND: &str = concat!(
    "SELECT ",
    delivery_columns!(),
    ", d.day FROM delivery d ",
    device_and_person!(),
    " WHERE (d.day, d.notification_id, d.target) < (?1, ?2, ?3) AND (d.day, d.notification_id, d.target) >= (?4, ?5, ?6) \
     AND d.channel = 'push' AND d.person_pk = ?7 ORDER BY d.day DESC, d.notification_id DESC, d.target DESC LIMIT ?8"
);

/// A delivery by its key: day, notification, target.
#[derive(Clone, Serialize, Deserialize)]
struct Place(i64, Vec<u8>, i64);

impl Place {
    /// From a row that has the target first, then somewhere notification and day.
    fn read(row: &SqliteRow, notification: usize, day: usize) -> Result<Self> {
        let cells = Cells::new(row, "delivery", 0);
        Ok(Self(cells.get(day, "day")?, cells.get(notification, "notification_id")?, cells.get(0, "target")?))
    }

    fn bind(&self, binds: &mut Binds) {
        binds.push(self.0).push(self.1.as_slice()).push(self.2);
    }
}

/// One page.
pub(super) async fn list(conn: &mut SqliteConnection, app: AppId, user: &str, page: &PageRequest) -> Result<Page<DeliveryView>> {
    walk(conn, (app, user), page, WALK).await
}

async fn walk(conn: &mut SqliteConnection, (app, user): (AppId, &str), page: &PageRequest, steps: usize) -> Result<Page<DeliveryView>> {
    let before = page.after.as_deref().map_or(Ok(Place(i64::MAX, Vec::new(), 0)), from_text)?;
    let Some(person) = person(conn, app, user).await? else { return Ok(Page { items: Vec::new(), next: None }) };
    let end = fetch_one(conn, END, |binds| {
        before.bind(binds);
        binds.push(count(steps.saturating_sub(1)));
    });
    let end = end.await?.map(|row| Place::read(&row, 1, 2)).transpose()?;
    let last = end.clone().unwrap_or(Place(i64::MIN, Vec::new(), 0));
    let rows = fetch(conn, FOUND, |binds| {
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

#[cfg(test)]
mod tests {
    use sqlx::sqlite::SqliteConnectOptions;
    use sqlx::{AssertSqlSafe, ConnectOptions};

    use super::super::migrations;
    use super::*;
    use crate::domain::id::Target;

    const PEOPLE: &str = "INSERT INTO person (pk, app, name) VALUES (1, 7, 'ann'), (2, 7, 'ben')";

    /// Deliveries of ten notifications of two days: every third is Ann's.
    async fn filled() -> SqliteConnection {
        let mut conn = SqliteConnectOptions::new().in_memory(true).connect().await.unwrap();
        migrations::migrate(&mut conn).await.unwrap();
        sqlx::query(PEOPLE).execute(&mut conn).await.unwrap();
        for n in 0..10 {
            let (day, person) = (n / 5, if n % 3 == 0 { 1 } else { 2 });
            let text = format!(
                "INSERT INTO delivery (day, notification_id, target, person_pk, state, attempts, at) \
                 VALUES ({day}, x'{n:032x}', {}, {person}, 'sent', 1, {n})",
                Target::from_raw(n + 1).raw()
            );
            sqlx::query(AssertSqlSafe(text)).execute(&mut conn).await.unwrap();
        }
        conn
    }

    #[tokio::test]
    async fn a_page_walks_so_far_and_tells_where_to_go_on() {
        let mut conn = filled().await;
        for (limit, steps, pages) in [
            (10, 100, vec![vec![9, 6, 3, 0]]),
            (10, 3, vec![vec![9], vec![6], vec![3], vec![0]]),
            (10, 1, vec![vec![9], vec![], vec![], vec![6], vec![], vec![], vec![3], vec![], vec![], vec![0], vec![]]),
            (2, 100, vec![vec![9, 6], vec![3, 0]]),
            (1, 5, vec![vec![9], vec![6], vec![3], vec![0]]),
        ] {
            let mut found = Vec::new();
            let mut after = None;
            loop {
                let request = PageRequest { limit, after };
                let page = walk(&mut conn, (AppId(7), "ann"), &request, steps).await.unwrap();
                found.push(page.items.iter().map(|view| view.notification.0.as_u128()).collect::<Vec<_>>());
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
            assert_eq!(found, pages, "{limit} {steps}");
        }
    }
}
