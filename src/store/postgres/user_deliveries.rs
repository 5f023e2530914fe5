//! A user's targets, the waiting ones first, each of the newest notification first. There is no index by person, which every delivery would pay
//! for: a page walks the work and the deliveries backwards, up to a limit.

use serde::{Deserialize, Serialize};
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::super::notification::{DeliveryFilter, DeliveryView};
use super::super::rules::cursor::{from_text, to_text};
use super::super::rules::delivery_view::Waiting;
use super::super::rules::naming::{Cursor, ENOUGH, LOOKS, NEWEST, Theirs, listed};
use super::super::rules::place::WorkRow;
use super::super::{Page, PageRequest, Result};
use super::batch::{Binds, count, fetch, fetch_one};
use super::delivery_list::{delivery_columns, device_and_person, ended, labels, person};
use super::naming;
use super::notification::heads;
use super::row::Cells;
use super::tx::Tx;
use super::waiting::places;
use crate::domain::id::{AppId, NotificationId, WorkId};

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

/// Before the newest.
const FIRST: Place = Place(i32::MAX, Uuid::max(), i64::MAX);

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
pub(super) async fn list(tx: &mut Tx, ask: (AppId, &str), page: &PageRequest) -> Result<Page<DeliveryView>> {
    let start = page.after.as_deref().map_or(Ok(Cursor::at(NEWEST)), from_text)?;
    let (mut found, before) = match start {
        Cursor::Over(before) => (Vec::new(), before),
        Cursor::Waiting(id, work, name, target) => {
            let after = (NotificationId(id), work, name.as_str(), target);
            let (found, next) = waiting(tx, ask, (after, page.limit)).await?;
            if next.is_some() {
                return page_of(found, next.as_ref());
            }
            (found, FIRST)
        }
    };
    let room = page.limit - found.len();
    let (over, next) = if room == 0 { (Vec::new(), Some(before)) } else { over(tx, ask, (before, room)).await? };
    found.extend(over);
    page_of(found, next.map(Cursor::Over).as_ref())
}

fn page_of(items: Vec<DeliveryView>, next: Option<&Cursor<Place>>) -> Result<Page<DeliveryView>> {
    Ok(Page { items, next: next.map(to_text).transpose()? })
}

/// What waits for them after a place; and where to go on, if it may not be all.
async fn waiting(
    tx: &mut Tx,
    (app, user): (AppId, &str),
    (after, limit): ((NotificationId, i64, &str, i64), usize),
) -> Result<(Vec<DeliveryView>, Option<Cursor<Place>>)> {
    let whom = naming::somebody(tx, app, user).await?;
    let filter = DeliveryFilter { user: Some(user.to_owned()), ..DeliveryFilter::default() };
    let theirs = Theirs { filter, person: whom.people.iter().next().copied(), after, now: tx.now };
    let mut found: Vec<Waiting> = Vec::new();
    let mut next = Some((after.0, WorkId(after.1)));
    let mut asked = 0;
    for _ in 0..LOOKS {
        let Some(from) = next.filter(|_| found.len() <= limit && asked < ENOUGH) else { break };
        let look = naming::look(tx, (app, &whom), from).await?;
        next = look.next;
        if look.named.is_empty() {
            continue;
        }
        let rows: Vec<WorkRow> = look.named.into_iter().map(|walked| Theirs::alone(&whom, walked)).collect();
        asked += rows.len();
        let ids = rows.iter().map(|row| row.notification.0).collect();
        let heads = heads(tx, app, ids).await?;
        let heads = heads.iter().map(|head| (head.id, head)).collect();
        let all = places(tx, &rows, &heads).await?;
        for (row, places) in rows.iter().zip(all) {
            if let Some(head) = heads.get(&row.notification) {
                found.extend(theirs.of_row(head, row, places));
            }
        }
    }
    let full = found.len() > limit;
    found.truncate(limit);
    let labels = labels(tx, &found).await?;
    let (places, views): (Vec<_>, Vec<_>) = found.into_iter().map(|waiting| listed(waiting, &labels)).unzip();
    let last = if full { places.into_iter().next_back() } else { None };
    Ok((views, last.or(next.map(Cursor::at))))
}

/// What is over at them before a place, if there is such a user; and where to go on, if that may not be all.
async fn over(tx: &mut Tx, (app, user): (AppId, &str), (before, limit): (Place, usize)) -> Result<(Vec<DeliveryView>, Option<Place>)> {
    let Some(person) = person(tx, app, user).await? else { return Ok((Vec::new(), None)) };
    let end = fetch_one(tx, END, |binds| {
        before.bind(binds);
        binds.push(WALK - 1);
    });
    let end = end.await?.map(|row| Place::read(&row, 1, 2)).transpose()?;
    let last = end.clone().unwrap_or(Place(i32::MIN, Uuid::nil(), i64::MIN));
    let rows = fetch(tx, FOUND, |binds| {
        before.bind(binds);
        last.bind(binds);
        binds.push(person.0).push(count(limit + 1));
    });
    let rows = rows.await?;
    let items = rows.iter().take(limit).map(ended).collect::<Result<Vec<_>>>()?;
    let full = if rows.len() > limit { rows.iter().take(limit).next_back() } else { None };
    Ok((items, full.map_or(Ok(end), |row| Place::read(row, 14, 16).map(Some))?))
}
