//! Days whose retention is over: deliveries go, with their receipts, and then the notifications that have none left. Nothing goes of which work
//! is left.
//!
//! One step looks at so many rows and no more, and is a write of its own: others who write wait for one step at most.

use std::time::Duration;

use parking_lot::Mutex;
use uuid::Uuid;

use super::super::Result;
use super::super::rules::days::{first_id, last_over};
use super::SqliteStore;
use super::batch::{Binds, execute, fetch_one};
use super::row::Cells;
use super::writer::Tx;

/// How often it is looked whether another day is over, in microseconds.
const LOOK_EVERY: i64 = 3_600 * 1_000_000;
/// Deliveries that one step looks at.
const DELIVERIES_AT_ONCE: i64 = 1_000;
/// Steps of one call.
const STEPS: usize = 250;
/// Notifications that one step looks at: the counts of a large one have hundreds of rows.
const NOTIFICATIONS_AT_ONCE: i64 = 200;

const NEXT_APP: &str = "SELECT id FROM app WHERE id > ?1 ORDER BY id LIMIT 1";
pub(super) const DELIVERIES: &str = "SELECT day, notification_id, target, channel FROM delivery \
    WHERE (day, notification_id, target, channel) > (?1, ?2, ?3, ?4) AND day <= ?5 \
    ORDER BY day, notification_id, target, channel LIMIT 1 OFFSET ?6";
pub(super) const FORGET_DELIVERIES: &str = "DELETE FROM delivery \
    WHERE (day, notification_id, target, channel) > (?1, ?2, ?3, ?4) AND (day, notification_id, target, channel) <= (?5, ?6, ?7, ?8) \
    AND NOT EXISTS (SELECT 1 FROM work w WHERE w.notification_id = delivery.notification_id)";
pub(super) const NOTIFICATIONS: &str = "SELECT id FROM notification WHERE app = ?1 AND id > ?2 AND id < ?3 ORDER BY id LIMIT 1 OFFSET ?4";

/// Those of a range that are not needed any more. `delivery.day` is the day on which a notification starts.
macro_rules! unneeded {
    ($head:literal, $tail:literal) => {
        concat!(
            $head,
            " (SELECT n.id FROM notification n WHERE n.app = ?1 AND n.id > ?2 AND n.id <= ?3 \
             AND NOT EXISTS (SELECT 1 FROM work w WHERE w.notification_id = n.id) \
             AND NOT EXISTS (SELECT 1 FROM delivery d WHERE d.day = n.start_at / 86400000000 AND d.notification_id = n.id))",
            $tail
        )
    };
}

/// What belongs to notifications goes with them, they themselves last.
pub(super) const FORGET_NOTIFICATIONS: [&str; 4] = [
    unneeded!("DELETE FROM run WHERE notification_id IN", ""),
    unneeded!("DELETE FROM notification_count WHERE notification_id IN", ""),
    unneeded!("DELETE FROM latency WHERE notification_id IN", ""),
    unneeded!("DELETE FROM notification WHERE app = ?1 AND id IN", ""),
];

/// For how long the store keeps what, and how far it has looked.
pub(super) struct Retention {
    kept: Option<Duration>,
    progress: Mutex<Progress>,
}

#[derive(Default)]
struct Progress {
    /// When the last walk ended, in microseconds; `None`: there was none.
    looked_at: Option<i64>,
    /// A walk that goes on.
    place: Option<Place>,
}

/// Where a walk goes on: after this row.
enum Place {
    Deliveries(Delivery),
    Notifications { app: i64, after: Uuid },
}

/// The key of a delivery.
#[derive(Clone)]
struct Delivery {
    day: i64,
    notification: Vec<u8>,
    target: i64,
    channel: String,
}

impl Retention {
    pub(super) fn new(kept: Option<Duration>) -> Self {
        Self { kept, progress: Mutex::default() }
    }

    /// Where to go on; an hour after a walk another begins, also where the clock was set back.
    fn take(&self, now: i64) -> Option<Place> {
        let mut progress = self.progress.lock();
        let is_due = progress.looked_at.is_none_or(|at| now.saturating_sub(at).unsigned_abs() >= LOOK_EVERY.unsigned_abs());
        progress.place.take().or_else(|| is_due.then(|| Place::Deliveries(Delivery::before(i64::MIN))))
    }

    fn put(&self, place: Option<Place>, now: i64) {
        let mut progress = self.progress.lock();
        if place.is_none() {
            progress.looked_at = Some(now);
        }
        progress.place = place;
    }
}

/// Forgets some of what is over, where anything ever is. What it does not come to is left for the next time, so that a store that was kept for
/// years holds up neither the daemon's other chores nor its end.
pub(super) async fn forget_over(store: &SqliteStore) -> Result<()> {
    let over = store.retention.kept.and_then(|kept| last_over(store.clock.now(), kept));
    let Some(over) = over else { return Ok(()) };
    let now = store.now();
    let mut place = store.retention.take(now);
    if place.is_none() {
        return Ok(());
    }
    let mut gone = 0;
    for _ in 0..STEPS {
        let Some(at) = place else { break };
        let (next, rows) = store.write(move |tx| Box::pin(step(tx, at, over))).await?;
        (place, gone) = (next, gone + rows);
    }
    store.retention.put(place, now);
    if gone > 0 {
        tracing::info!(rows = gone, "deliveries and notifications whose retention is over are forgotten");
    }
    Ok(())
}

/// One step; where the next begins, and how many rows went.
async fn step(tx: Tx<'_>, place: Place, over: i64) -> Result<(Option<Place>, u64)> {
    match place {
        Place::Deliveries(after) => some_deliveries(tx, after, over).await,
        Place::Notifications { app, after } => some_notifications(tx, app, after, over).await,
    }
}

async fn some_deliveries(tx: Tx<'_>, after: Delivery, over: i64) -> Result<(Option<Place>, u64)> {
    let last = fetch_one(tx.conn, DELIVERIES, |binds| {
        after.bind(binds);
        binds.push(over).push(DELIVERIES_AT_ONCE - 1);
    });
    let last = last.await?.map(|row| Delivery::read(&Cells::new(&row, "delivery", 1))).transpose()?;
    let to = last.clone().unwrap_or(Delivery::before(over + 1));
    let gone = execute(tx.conn, FORGET_DELIVERIES, |binds| {
        after.bind(binds);
        to.bind(binds);
    });
    let gone = gone.await?;
    let next = match last {
        Some(last) => Some(Place::Deliveries(last)),
        None => notifications_after(tx, i64::MIN).await?,
    };
    Ok((next, gone))
}

/// The notifications of the app with the next number, if there is one.
async fn notifications_after(tx: Tx<'_>, app: i64) -> Result<Option<Place>> {
    let next = fetch_one(tx.conn, NEXT_APP, |binds| {
        binds.push(app);
    });
    let next = next.await?.map(|row| Cells::new(&row, "app", 0).get(0, "id")).transpose()?;
    Ok(next.map(|app| Place::Notifications { app, after: Uuid::nil() }))
}

async fn some_notifications(tx: Tx<'_>, app: i64, after: Uuid, over: i64) -> Result<(Option<Place>, u64)> {
    let end = first_id(over + 1);
    let last = fetch_one(tx.conn, NOTIFICATIONS, |binds| {
        binds.push(app).push(after).push(end).push(NOTIFICATIONS_AT_ONCE - 1);
    });
    let last = last.await?.map(|row| Cells::new(&row, "notification", 0).id(0, "id")).transpose()?;
    let to = last.unwrap_or(Uuid::from_u128(end.as_u128().saturating_sub(1)));
    let mut gone = 0;
    for text in FORGET_NOTIFICATIONS {
        let rows = execute(tx.conn, text, |binds| {
            binds.push(app).push(after).push(to);
        });
        gone = rows.await?;
    }
    let next = match last {
        Some(after) => Some(Place::Notifications { app, after }),
        None => notifications_after(tx, app).await?,
    };
    Ok((next, gone))
}

impl Delivery {
    /// Before all of a day.
    fn before(day: i64) -> Self {
        Self { day, notification: Vec::new(), target: i64::MIN, channel: String::new() }
    }

    fn read(cells: &Cells<'_>) -> Result<Self> {
        Ok(Self {
            day: cells.get(0, "day")?,
            notification: cells.get::<Vec<u8>>(1, "notification_id")?,
            target: cells.get(2, "target")?,
            channel: cells.get(3, "channel")?,
        })
    }

    fn bind(&self, binds: &mut Binds) {
        binds.push(self.day).push(self.notification.clone()).push(self.target).push(self.channel.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_goes_on_where_it_was_and_the_next_begins_an_hour_later() {
        let retention = Retention::new(None);
        let first = retention.take(0);
        assert!(matches!(&first, Some(Place::Deliveries(Delivery { day: i64::MIN, .. }))));
        retention.put(Some(Place::Notifications { app: 7, after: Uuid::nil() }), 0);
        assert!(matches!(retention.take(1), Some(Place::Notifications { app: 7, .. })), "it was not at its end");
        retention.put(None, 1);
        assert!(retention.take(LOOK_EVERY).is_none());
        assert!(retention.take(1 + LOOK_EVERY).is_some());
        assert!(retention.take(1 - LOOK_EVERY).is_some(), "the clock was set back");
    }
}
