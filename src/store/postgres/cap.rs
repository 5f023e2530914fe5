//! Places under frequency caps.

use std::collections::BTreeMap;

use async_trait::async_trait;
use sqlx::postgres::PgRow;

use super::super::Result;
use super::super::cap::{Caps, Reservation};
use super::super::rules::caps::{self, Key, Places, Taken};
use super::PostgresStore;
use super::batch::{Binds, execute, fetch};
use super::row::Cells;
use super::tx::{Tx, reading, transaction};
use crate::domain::Timestamp;
use crate::domain::id::Target;

/// Locks the rows, and makes those that are missing, one after the other in their order. A row that is there is written as it is: so it
/// cannot go between being found and being locked.
pub(super) const LOCK: &str = "INSERT INTO cap (holder, category, entries, over_at) SELECT ask.holder, ask.category, '', $1 \
                               FROM unnest($2::bigint[], $3::text[]) AS ask (holder, category) ORDER BY ask.holder, ask.category \
                               ON CONFLICT (holder, category) DO UPDATE SET entries = cap.entries RETURNING holder, category, entries";
pub(super) const FIND: &str = "SELECT c.holder, c.category, c.entries FROM unnest($1::bigint[], $2::text[]) AS ask (holder, category) \
                               CROSS JOIN LATERAL (SELECT holder, category, entries FROM cap \
                               WHERE cap.holder = ask.holder AND cap.category = ask.category LIMIT 1) c";
pub(super) const WRITE: &str = "UPDATE cap SET entries = new.entries, over_at = new.over_at \
                                FROM unnest($1::bigint[], $2::text[], $3::bytea[], $4::timestamptz[]) AS new (holder, category, entries, over_at) \
                                WHERE cap.holder = new.holder AND cap.category = new.category";

fn read(row: &PgRow) -> Result<(Key, Places)> {
    let cells = Cells::new(row, "cap", 0);
    let places = Places::decode(cells.get(2, "entries")?).ok_or_else(|| cells.unreadable("entries"))?;
    Ok(((Target::from_raw(cells.get(0, "holder")?), cells.get(1, "category")?), places))
}

fn bind_keys<'k>(binds: &mut Binds, keys: impl Iterator<Item = &'k Key> + Clone) {
    binds.push(keys.clone().map(|(holder, _)| holder.raw()).collect::<Vec<i64>>());
    binds.push(keys.map(|(_, category)| category.as_str()).collect::<Vec<&str>>());
}

async fn reserve(tx: &mut Tx, reservations: &[Reservation]) -> Result<Vec<bool>> {
    let (now, keys) = (tx.now, caps::keys(reservations));
    let rows = fetch(tx, LOCK, |binds| {
        binds.push(now);
        bind_keys(binds, keys.iter());
    });
    let rows = rows.await?.iter().map(read).collect::<Result<BTreeMap<Key, Places>>>()?;
    let (admitted, taken) = caps::decide(reservations, rows, now);
    if !taken.is_empty() {
        write(tx, &taken).await?;
    }
    Ok(admitted)
}

async fn write(tx: &mut Tx, taken: &BTreeMap<Key, Taken>) -> Result<()> {
    let write = execute(tx, WRITE, |binds| {
        bind_keys(binds, taken.keys());
        binds.push(taken.values().map(|row| row.places.encode()).collect::<Vec<Vec<u8>>>());
        binds.push(taken.values().map(|row| row.over_at).collect::<Vec<Timestamp>>());
    });
    write.await?;
    Ok(())
}

#[async_trait]
impl Caps for PostgresStore {
    async fn reserve(&self, reservations: &[Reservation]) -> Result<Vec<bool>> {
        transaction!(self.engine, tx => reserve(&mut tx, reservations))
    }

    async fn would_admit(&self, reservations: &[Reservation], at: Timestamp) -> Result<Vec<bool>> {
        let keys = caps::keys(reservations);
        let rows = reading!(self.callers, conn => fetch(&mut conn, FIND, |binds| bind_keys(binds, keys.iter())));
        let rows = rows?.iter().map(read).collect::<Result<BTreeMap<Key, Places>>>()?;
        Ok(caps::decide(reservations, rows, at).0)
    }
}
