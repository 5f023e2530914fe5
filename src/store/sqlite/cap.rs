//! Places under frequency caps.

use std::collections::BTreeMap;

use async_trait::async_trait;
use sqlx::SqliteConnection;

use super::super::cap::{Caps, Reservation};
use super::super::rules::caps::{self, Key, Places, Taken};
use super::super::{Error, Result};
use super::SqliteStore;
use super::batch::{Binds, Tuples, no_lead};
use super::row::{Cells, instant, micros};
use super::writer::Tx;
use crate::domain::Timestamp;
use crate::domain::id::Target;

pub(super) const FIND: Tuples =
    Tuples { head: "SELECT holder, category, entries FROM cap WHERE (holder, category) IN (VALUES ", width: 2, tail: ")" };
pub(super) const WRITE: Tuples = Tuples {
    head: "INSERT INTO cap (holder, category, entries, over_at) VALUES ",
    width: 4,
    tail: " ON CONFLICT (holder, category) DO UPDATE SET entries = excluded.entries, over_at = excluded.over_at",
};

async fn find(conn: &mut SqliteConnection, reservations: &[Reservation]) -> Result<BTreeMap<Key, Places>> {
    let bind = |binds: &mut Binds, (holder, category): &Key| {
        binds.push(holder.raw()).push(category);
    };
    let mut rows = BTreeMap::new();
    for row in FIND.fetch(conn, &caps::keys(reservations), no_lead, bind).await? {
        let cells = Cells::new(&row, "cap", 0);
        let places = Places::decode(cells.get(2, "entries")?).ok_or_else(|| cells.unreadable("entries"))?;
        rows.insert((Target::from_raw(cells.get(0, "holder")?), cells.get(1, "category")?), places);
    }
    Ok(rows)
}

async fn reserve(tx: Tx<'_>, reservations: Vec<Reservation>) -> Result<Vec<bool>> {
    let rows = find(tx.conn, &reservations).await?;
    let now = instant(tx.now).ok_or_else(|| Error::Refused("the clock shows no instant".into()))?;
    let (admitted, taken) = caps::decide(&reservations, rows, now);
    let taken: Vec<(Key, Taken)> = taken.into_iter().collect();
    let bind = |binds: &mut Binds, ((holder, category), row): &(Key, Taken)| {
        binds.push(holder.raw()).push(category).push(row.places.encode()).push(micros(row.over_at));
    };
    WRITE.execute(tx.conn, &taken, no_lead, bind).await?;
    Ok(admitted)
}

#[async_trait]
impl Caps for SqliteStore {
    async fn reserve(&self, reservations: &[Reservation]) -> Result<Vec<bool>> {
        let reservations = reservations.to_vec();
        self.write(move |tx| Box::pin(reserve(tx, reservations))).await
    }

    async fn would_admit(&self, reservations: &[Reservation], at: Timestamp) -> Result<Vec<bool>> {
        let mut tx = self.read().await?;
        let rows = find(&mut tx, reservations).await?;
        Ok(caps::decide(reservations, rows, at).0)
    }
}
