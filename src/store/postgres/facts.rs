//! Deliveries, and which of them are to be counted: those that were really inserted, so that a count is always a recount.

use std::collections::{BTreeSet, HashSet};

use uuid::Uuid;

use super::super::Result;
use super::super::rules::counted::Counted;
use super::batch::{Binds, execute, fetch};
use super::partitions::Partition;
use super::row::Cells;
use super::tx::Tx;
use crate::domain::Timestamp;
use crate::domain::delivery::Delivery;
use crate::domain::device::{Platform, ProviderKind};
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
        "INSERT INTO delivery (day, notification_id, target, person_pk, state, reason, attempts, platform, provider, variant, message_id, detail, at) \
         SELECT * FROM unnest($1::int[], $2::uuid[], $3::bigint[], $4::bigint[], $5::text[], $6::text[], $7::int[], $8::text[], $9::text[], \
         $10::text[], $11::text[], $12::text[], $13::timestamptz[])"
    };
}
pub(super) const PLAIN: &str = insert!();
pub(super) const CAREFUL: &str =
    concat!(insert!(), " ON CONFLICT (day, notification_id, target, channel) DO NOTHING RETURNING notification_id, target");

/// The partitions that deliveries go to.
pub(super) fn partitions<'d>(deliveries: impl Iterator<Item = &'d Delivery>) -> BTreeSet<Partition> {
    deliveries.map(|delivery| Partition::Deliveries(delivery.day)).collect()
}

/// Inserts deliveries unless their target has one, and enters those that are new; how many.
pub(super) async fn insert<'d>(tx: &mut Tx, deliveries: &[&'d Delivery], care: Care, counted: &mut Counted<'d>) -> Result<usize> {
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
    for delivery in &sorted {
        counted.ended(delivery);
    }
    Ok(sorted.len())
}

fn bind(binds: &mut Binds, rows: &[&Delivery]) {
    binds.push(rows.iter().map(|row| row.day).collect::<Vec<i32>>());
    binds.push(rows.iter().map(|row| row.notification.0).collect::<Vec<Uuid>>());
    binds.push(rows.iter().map(|row| row.target.raw()).collect::<Vec<i64>>());
    binds.push(rows.iter().map(|row| row.person.map(|person| person.0)).collect::<Vec<Option<i64>>>());
    binds.push(rows.iter().map(|row| row.ending.state().as_str()).collect::<Vec<&str>>());
    binds.push(rows.iter().map(|row| row.ending.reason()).collect::<Vec<Option<&str>>>());
    binds.push(rows.iter().map(|row| i32::try_from(row.attempts).unwrap_or(i32::MAX)).collect::<Vec<i32>>());
    binds.push(rows.iter().map(|row| row.platform.map(Platform::as_str)).collect::<Vec<Option<&str>>>());
    binds.push(rows.iter().map(|row| row.provider.map(ProviderKind::as_str)).collect::<Vec<Option<&str>>>());
    binds.push(rows.iter().map(|row| row.variant.as_deref()).collect::<Vec<Option<&str>>>());
    binds.push(rows.iter().map(|row| row.message_id.as_deref()).collect::<Vec<Option<&str>>>());
    binds.push(rows.iter().map(|row| row.detail.as_ref().map(Reason::as_str)).collect::<Vec<Option<&str>>>());
    binds.push(rows.iter().map(|row| row.at).collect::<Vec<Timestamp>>());
}
