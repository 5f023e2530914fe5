//! Deliveries and the counts that come with them: from one insert, so that a count is always a recount.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use uuid::Uuid;

use super::super::Result;
use super::batch::{Binds, execute, fetch};
use super::partitions::Partition;
use super::row::Cells;
use super::tx::Tx;
use crate::domain::Timestamp;
use crate::domain::delivery::Delivery;
use crate::domain::device::ProviderKind;
use crate::domain::id::{NotificationId, Target};
use crate::domain::outcome::Reason;

/// How the rows of a record are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Care {
    /// As if nothing stood in the way: a conflict undoes the record, which is then written with care.
    Plain,
    /// Told row by row what was really written.
    Careful,
}

macro_rules! insert {
    () => {
        "INSERT INTO delivery (day, notification_id, target, person_pk, state, reason, attempts, provider, message_id, detail, at) \
         SELECT * FROM unnest($1::int[], $2::uuid[], $3::bigint[], $4::bigint[], $5::text[], $6::text[], $7::int[], $8::text[], $9::text[], \
         $10::text[], $11::timestamptz[])"
    };
}
pub(super) const PLAIN: &str = insert!();
pub(super) const CAREFUL: &str =
    concat!(insert!(), " ON CONFLICT (day, notification_id, target, channel) DO NOTHING RETURNING notification_id, target");
pub(super) const COUNT: &str = "INSERT INTO notification_count AS c (notification_id, shard, state, reason, n) \
                     SELECT new.id, $1, new.state, new.reason, new.n FROM unnest($2::uuid[], $3::text[], $4::text[], $5::bigint[]) AS new (id, state, reason, n) \
                     WHERE EXISTS (SELECT 1 FROM run r WHERE r.notification_id = new.id AND r.fan_out) \
                     ON CONFLICT (notification_id, shard, state, reason) DO UPDATE SET n = c.n + excluded.n";

/// A count to be raised: of a notification, a state and a reason.
pub(super) type Count<'a> = (NotificationId, &'a str, &'a str);

/// The partitions that deliveries go to.
pub(super) fn partitions<'d>(deliveries: impl Iterator<Item = &'d Delivery>) -> BTreeSet<Partition> {
    deliveries.map(|delivery| Partition::Deliveries(delivery.day)).collect()
}

/// Inserts deliveries unless their target has one; how many were new.
pub(super) async fn insert(tx: &mut Tx, shard: i32, deliveries: &[&Delivery], care: Care) -> Result<usize> {
    if deliveries.is_empty() {
        return Ok(0);
    }
    let mut sorted = deliveries.to_vec();
    sorted.sort_by_key(|delivery| (delivery.day, delivery.notification, delivery.target));
    if care == Care::Careful {
        let mut new: HashSet<(NotificationId, Target)> = HashSet::with_capacity(sorted.len());
        for row in fetch(tx, CAREFUL, |binds| bind(binds, &sorted)).await? {
            let cells = Cells::new(&row, "delivery", 1);
            new.insert((cells.notification(0, "notification_id")?, Target::from_raw(cells.get(1, "target")?)));
        }
        sorted.retain(|delivery| new.remove(&(delivery.notification, delivery.target)));
    } else {
        execute(tx, PLAIN, |binds| bind(binds, &sorted)).await?;
    }
    let mut counts: BTreeMap<Count<'_>, i64> = BTreeMap::new();
    for delivery in &sorted {
        let key = (delivery.notification, delivery.ending.state().as_str(), delivery.ending.reason().unwrap_or_default());
        *counts.entry(key).or_default() += 1;
    }
    raise(tx, shard, &counts).await?;
    Ok(sorted.len())
}

/// Raises counts of fan-outs; a direct notification is counted from its deliveries.
pub(super) async fn raise(tx: &mut Tx, shard: i32, counts: &BTreeMap<Count<'_>, i64>) -> Result<()> {
    if counts.is_empty() {
        return Ok(());
    }
    execute(tx, COUNT, |binds| {
        binds.push(shard);
        binds.push(counts.keys().map(|key| key.0.0).collect::<Vec<Uuid>>());
        binds.push(counts.keys().map(|key| key.1).collect::<Vec<&str>>());
        binds.push(counts.keys().map(|key| key.2).collect::<Vec<&str>>());
        binds.push(counts.values().copied().collect::<Vec<i64>>());
    })
    .await?;
    Ok(())
}

fn bind(binds: &mut Binds, rows: &[&Delivery]) {
    binds.push(rows.iter().map(|row| row.day).collect::<Vec<i32>>());
    binds.push(rows.iter().map(|row| row.notification.0).collect::<Vec<Uuid>>());
    binds.push(rows.iter().map(|row| row.target.raw()).collect::<Vec<i64>>());
    binds.push(rows.iter().map(|row| row.person.map(|person| person.0)).collect::<Vec<Option<i64>>>());
    binds.push(rows.iter().map(|row| row.ending.state().as_str()).collect::<Vec<&str>>());
    binds.push(rows.iter().map(|row| row.ending.reason()).collect::<Vec<Option<&str>>>());
    binds.push(rows.iter().map(|row| i32::try_from(row.attempts).unwrap_or(i32::MAX)).collect::<Vec<i32>>());
    binds.push(rows.iter().map(|row| row.provider.map(ProviderKind::as_str)).collect::<Vec<Option<&str>>>());
    binds.push(rows.iter().map(|row| row.message_id.as_deref()).collect::<Vec<Option<&str>>>());
    binds.push(rows.iter().map(|row| row.detail.as_ref().map(Reason::as_str)).collect::<Vec<Option<&str>>>());
    binds.push(rows.iter().map(|row| row.at).collect::<Vec<Timestamp>>());
}
