//! Deliveries, and which of them are to be counted: those that were really inserted, so that a count is always a recount.

use std::collections::HashSet;

use super::super::Result;
use super::super::rules::counted::Counted;
use super::batch::{Binds, Tuples, no_lead};
use super::row::{Cells, micros};
use super::work::count;
use super::writer::Tx;
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

const COLUMNS: usize = 13;
macro_rules! insert {
    () => {
        "INSERT INTO delivery (day, notification_id, target, person_pk, state, reason, attempts, platform, provider, variant, message_id, detail, at) VALUES "
    };
}
pub(super) const PLAIN: Tuples = Tuples { head: insert!(), width: COLUMNS, tail: "" };
pub(super) const CAREFUL: Tuples = Tuples {
    head: insert!(),
    width: COLUMNS,
    tail: " ON CONFLICT (day, notification_id, target, channel) DO NOTHING RETURNING notification_id, target",
};

/// Inserts deliveries unless their target has one, and enters those that are new; how many.
pub(super) async fn insert<'d>(tx: &mut Tx<'_>, deliveries: &[&'d Delivery], care: Care, counted: &mut Counted<'d>) -> Result<usize> {
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
    for delivery in &sorted {
        counted.ended(delivery);
    }
    Ok(sorted.len())
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the shape that a list of tuples is bound with")]
fn bind(binds: &mut Binds, delivery: &&Delivery) {
    binds.push(delivery.day).push(delivery.notification.0.as_bytes().as_slice()).push(delivery.target.raw());
    binds.push(delivery.person.map(|person| person.0)).push(delivery.ending.state().as_str()).push(delivery.ending.reason());
    binds.push(count(delivery.attempts as usize)).push(delivery.platform.map(Platform::as_str));
    binds.push(delivery.provider.map(ProviderKind::as_str)).push(delivery.variant.as_deref());
    binds.push(delivery.message_id.as_deref()).push(delivery.detail.as_ref().map(Reason::as_str)).push(micros(delivery.at));
}
