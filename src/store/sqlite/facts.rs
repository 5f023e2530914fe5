//! Deliveries and the counts that come with them: from one insert, so that a count is always a recount.

use std::collections::{BTreeMap, HashSet};

use super::super::Result;
use super::batch::{Binds, Tuples, no_lead};
use super::row::{Cells, micros};
use super::work::count;
use super::writer::Tx;
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

const COLUMNS: usize = 11;
macro_rules! insert {
    () => {
        "INSERT INTO delivery (day, notification_id, target, person_pk, state, reason, attempts, provider, message_id, detail, at) VALUES "
    };
}
pub(super) const PLAIN: Tuples = Tuples { head: insert!(), width: COLUMNS, tail: "" };
pub(super) const CAREFUL: Tuples = Tuples {
    head: insert!(),
    width: COLUMNS,
    tail: " ON CONFLICT (day, notification_id, target, channel) DO NOTHING RETURNING notification_id, target",
};
pub(super) const COUNT: Tuples = Tuples {
    head: "WITH new (id, state, reason, n) AS (VALUES ",
    width: 4,
    tail: ") INSERT INTO notification_count (notification_id, shard, state, reason, n) \
           SELECT new.id, 0, new.state, new.reason, new.n FROM new JOIN run r ON r.notification_id = new.id AND r.fan_out = 1 \
           ON CONFLICT (notification_id, shard, state, reason) DO UPDATE SET n = n + excluded.n",
};

/// A count to be raised: of a notification, a state and a reason.
pub(super) type Count<'a> = (NotificationId, &'a str, &'a str);

/// Inserts deliveries unless their target has one; how many were new.
pub(super) async fn insert(tx: &mut Tx<'_>, deliveries: &[&Delivery], care: Care) -> Result<usize> {
    let mut sorted = deliveries.to_vec();
    sorted.sort_by_key(|delivery| (delivery.day, delivery.notification, delivery.target));
    if care == Care::Careful {
        let mut new: HashSet<(NotificationId, Target)> = HashSet::with_capacity(sorted.len());
        for row in CAREFUL.fetch(tx.conn, &sorted, no_lead, bind).await? {
            let cells = Cells::new(&row, "delivery", 1);
            new.insert((cells.notification(0, "notification_id")?, Target::from_raw(cells.get(1, "target")?)));
        }
        sorted.retain(|delivery| new.remove(&(delivery.notification, delivery.target)));
    } else {
        PLAIN.execute(tx.conn, &sorted, no_lead, bind).await?;
    }
    let mut counts: BTreeMap<Count<'_>, i64> = BTreeMap::new();
    for delivery in &sorted {
        let key = (delivery.notification, delivery.ending.state().as_str(), delivery.ending.reason().unwrap_or_default());
        *counts.entry(key).or_default() += 1;
    }
    raise(tx, &counts).await?;
    Ok(sorted.len())
}

/// Raises counts of fan-outs; a direct notification is counted from its deliveries.
pub(super) async fn raise(tx: &mut Tx<'_>, counts: &BTreeMap<Count<'_>, i64>) -> Result<()> {
    let rows: Vec<(&Count<'_>, &i64)> = counts.iter().collect();
    let bind = |binds: &mut Binds, (key, n): &(&Count<'_>, &i64)| {
        binds.push(key.0.0.as_bytes().as_slice()).push(key.1).push(key.2).push(**n);
    };
    COUNT.execute(tx.conn, &rows, no_lead, bind).await?;
    Ok(())
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the shape that a list of tuples is bound with")]
fn bind(binds: &mut Binds, delivery: &&Delivery) {
    binds.push(delivery.day).push(delivery.notification.0.as_bytes().as_slice()).push(delivery.target.raw());
    binds.push(delivery.person.map(|person| person.0)).push(delivery.ending.state().as_str()).push(delivery.ending.reason());
    binds.push(count(delivery.attempts as usize)).push(delivery.provider.map(ProviderKind::as_str));
    binds.push(delivery.message_id.as_deref()).push(delivery.detail.as_ref().map(Reason::as_str)).push(micros(delivery.at));
}
