//! Days: `notification` and `delivery` have a partition for each, made when its first row comes and dropped as a whole when its time is over.

use std::collections::BTreeSet;

use parking_lot::Mutex;
use sqlx::{AssertSqlSafe, Executor, PgConnection};

use super::super::Result;
use super::super::rules::days::first_id;
use super::batch::{answered, fetch_one};
use super::row::Cells;
use super::tx::Tx;
use crate::domain::id::NotificationId;

/// Nodes make and drop partitions one after the other: the number is arbitrary, and Herald's own.
const LOCK: i64 = 0x6865_7261_6c64_0001;
const MILLIS_OF_DAY: u64 = 86_400_000;

/// A partition: of notifications by the day of their ids, or of deliveries by theirs; in days since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Partition {
    /// Of `notification`.
    Notifications(i64),
    /// Of `delivery`.
    Deliveries(i32),
}

/// The partitions that are known to be there.
#[derive(Default)]
pub(super) struct Partitions(Mutex<BTreeSet<Partition>>);

impl Partition {
    /// Where a notification is kept: its id begins with the milliseconds since 1970.
    pub(super) fn of(id: NotificationId) -> Self {
        let millis = u64::try_from(id.0.as_u128() >> 80).unwrap_or_default();
        Self::Notifications(i64::try_from(millis / MILLIS_OF_DAY).unwrap_or_default())
    }

    /// The partition of that name.
    pub(super) fn parse(name: &str) -> Option<Self> {
        let (table, day) = name.split_once('_')?;
        match (table, day.strip_prefix("minus_")) {
            ("notification", None) => day.parse().ok().map(Self::Notifications),
            ("delivery", None) => day.parse().ok().map(Self::Deliveries),
            ("delivery", Some(day)) => format!("-{day}").parse().ok().map(Self::Deliveries),
            _ => None,
        }
    }

    /// Its day, since 1970.
    pub(super) fn day(self) -> i64 {
        match self {
            Self::Notifications(day) => day,
            Self::Deliveries(day) => i64::from(day),
        }
    }

    fn table(self) -> &'static str {
        match self {
            Self::Notifications(_) => "notification",
            Self::Deliveries(_) => "delivery",
        }
    }

    /// Its own name.
    pub(super) fn name(self) -> String {
        match self {
            Self::Notifications(day) => format!("notification_{day}"),
            Self::Deliveries(day) if day < 0 => format!("delivery_minus_{}", day.unsigned_abs()),
            Self::Deliveries(day) => format!("delivery_{day}"),
        }
    }

    /// From, and to but without.
    fn range(self) -> [String; 2] {
        match self {
            Self::Notifications(day) => [day, day + 1].map(|day| format!("'{}'", first_id(day))),
            Self::Deliveries(day) => [i64::from(day), i64::from(day) + 1].map(|day| format!("({day})")),
        }
    }

    fn statement(self) -> String {
        let ([from, to], name, table) = (self.range(), self.name(), self.table());
        let room = if table == "delivery" { " WITH (fillfactor = 90)" } else { "" };
        // attaching locks the table against nobody who reads or writes, as making the partition in one step would
        format!(
            "CREATE TABLE {name} (LIKE {table} INCLUDING ALL){room}; ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES FROM ({from}) TO ({to})"
        )
    }
}

impl Partitions {
    /// Those of `wanted` that are not known to be there.
    pub(super) fn missing(&self, wanted: BTreeSet<Partition>) -> BTreeSet<Partition> {
        let known = self.0.lock();
        wanted.into_iter().filter(|partition| !known.contains(partition)).collect()
    }

    /// They are there.
    pub(super) fn note(&self, made: BTreeSet<Partition>) {
        self.0.lock().extend(made);
    }

    /// Another node may have dropped any of them.
    pub(super) fn forget(&self) {
        self.0.lock().clear();
    }
}

/// Makes partitions that are not there.
pub(super) async fn make(tx: &mut Tx, wanted: &BTreeSet<Partition>) -> Result<()> {
    lock(tx).await?;
    for partition in wanted {
        if !exists(tx, *partition).await? {
            answered(tx.execute(sqlx::raw_sql(AssertSqlSafe(partition.statement())))).await?;
        }
    }
    Ok(())
}

/// Waits until no other node makes or drops partitions.
pub(super) async fn lock(tx: &mut Tx) -> Result<()> {
    super::batch::execute(tx, "SELECT pg_advisory_xact_lock($1)", |binds| {
        binds.push(LOCK);
    })
    .await?;
    Ok(())
}

async fn exists(conn: &mut PgConnection, partition: Partition) -> Result<bool> {
    let name = partition.name();
    let row = fetch_one(conn, "SELECT to_regclass($1) IS NOT NULL", |binds| {
        binds.push(name);
    });
    row.await?.map_or(Ok(false), |row| Cells::new(&row, "pg_class", 0).get(0, "oid"))
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn an_id_lies_in_the_partition_of_its_day() {
        let id = NotificationId(Uuid::parse_str("019a4000-0000-7000-8000-000000000001").unwrap());
        let Partition::Notifications(day) = Partition::of(id) else { panic!() };
        assert!(first_id(day) <= id.0 && id.0 < first_id(day + 1));
        assert_eq!(Partition::of(NotificationId(first_id(20_000))), Partition::Notifications(20_000));
    }

    #[test]
    fn a_partition_is_known_by_its_name() {
        for partition in [Partition::Notifications(20_000), Partition::Deliveries(20_000), Partition::Deliveries(-3)] {
            assert_eq!(Partition::parse(&partition.name()), Some(partition));
        }
        assert_eq!(Partition::parse("notification_count"), None);
    }

    #[test]
    fn a_partition_is_attached_and_not_made_in_place() {
        assert_eq!(
            Partition::Deliveries(20_000).statement(),
            "CREATE TABLE delivery_20000 (LIKE delivery INCLUDING ALL) WITH (fillfactor = 90); \
             ALTER TABLE delivery ATTACH PARTITION delivery_20000 FOR VALUES FROM ((20000)) TO ((20001))"
        );
        assert!(Partition::Deliveries(-3).statement().contains("delivery_minus_3"));
    }
}
