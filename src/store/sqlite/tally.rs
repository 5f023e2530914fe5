//! Counts and reasons of notifications, all from one snapshot.

use std::collections::{BTreeMap, HashMap};

use sqlx::SqliteConnection;

use super::super::Result;
use super::super::engine::RunStatus;
use super::super::notification::Counts;
use super::batch::fetch;
use super::json::List;
use super::notification::Head;
use super::row::{Cells, micros};
use super::waiting::{WorkRow, places, waiting_columns};
use crate::domain::delivery::State;
use crate::domain::id::NotificationId;
use crate::domain::reason::WaitReason;

pub(super) const DIRECT: &str = "WITH ask AS MATERIALIZED (SELECT value ->> 0 AS day, unhex(value ->> 1) AS id FROM json_each(?1)) \
                      SELECT d.notification_id, d.state, coalesce(d.reason, ''), count(*), count(d.delivered_at), count(d.opened_at), \
                      count(d.dismissed_at) FROM ask CROSS JOIN delivery d ON d.day = ask.day AND d.notification_id = ask.id \
                      WHERE d.channel = 'push' GROUP BY 1, 2, 3";
pub(super) const FAN_OUT: &str = "SELECT c.notification_id, c.state, c.reason, sum(c.n) FROM json_each(?1) j \
                       CROSS JOIN notification_count c ON c.notification_id = unhex(j.value) GROUP BY 1, 2, 3";
pub(super) const WORK: &str =
    concat!("SELECT ", waiting_columns!(), " FROM json_each(?1) j CROSS JOIN work w ON w.notification_id = unhex(j.value) ORDER BY 1, 2");
pub(super) const EXPANDED: &str = "SELECT w.notification_id, w.reason, sum(CASE WHEN w.lease_until <= ?2 THEN w.n ELSE 0 END), max(w.lease_until) > ?2 \
                        FROM json_each(?1) j CROSS JOIN work w ON w.notification_id = unhex(j.value) GROUP BY 1, 2";

/// Under which words a fan-out's receipts are counted.
pub(super) const RECEIPTS: [&str; 3] = ["delivered", "opened", "dismissed"];

/// What became of a notification.
#[derive(Default)]
pub(super) struct Tally {
    /// Targets and receipts.
    pub(super) counts: Counts,
    /// Targets by state and reason.
    pub(super) reasons: BTreeMap<State, BTreeMap<String, u64>>,
    /// Some work is left.
    pub(super) has_work: bool,
    /// Some work is in a worker's hands.
    pub(super) leased: bool,
}

impl Tally {
    /// Targets that are over.
    pub(super) fn over(&self) -> u64 {
        let counts = &self.counts;
        counts.sent + counts.suppressed + counts.failed + counts.expired + counts.cancelled
    }

    fn add(&mut self, state: &str, reason: &str, n: u64) {
        let counts = &mut self.counts;
        let count = match state {
            "delivered" => &mut counts.delivered,
            "opened" => &mut counts.opened,
            "dismissed" => &mut counts.dismissed,
            _ => match State::parse(state) {
                None => return,
                Some(state) => {
                    if !reason.is_empty() {
                        *self.reasons.entry(state).or_default().entry(reason.to_owned()).or_default() += n;
                    }
                    match state {
                        State::Waiting => &mut counts.waiting,
                        State::Sent => &mut counts.sent,
                        State::Suppressed => &mut counts.suppressed,
                        State::Failed => &mut counts.failed,
                        State::Expired => &mut counts.expired,
                        State::Cancelled => &mut counts.cancelled,
                    }
                }
            },
        };
        *count += n;
    }
}

/// Why a target of this row waits, where anything can be said.
pub(super) fn waits_for(head: &Head, reason: Option<WaitReason>, now: i64) -> Option<WaitReason> {
    if head.run == Some(RunStatus::Paused) {
        return Some(WaitReason::Paused);
    }
    reason.or_else(|| (micros(head.start_at) > now).then_some(WaitReason::Scheduled))
}

/// Counts notifications.
pub(super) async fn tally(conn: &mut SqliteConnection, heads: &[Head], now: i64) -> Result<HashMap<NotificationId, Tally>> {
    let mut tallies: HashMap<NotificationId, Tally> = heads.iter().map(|head| (head.id, Tally::default())).collect();
    let direct = List::of(heads.iter().filter(|head| !head.fan_out).map(|head| format!("[{},\"{}\"]", head.day(), head.id.0.simple())));
    let fan_out = List::of_notifications(heads.iter().filter(|head| head.fan_out).map(|head| &head.id));
    for (text, list) in [(DIRECT, direct), (FAN_OUT, fan_out)] {
        let rows = fetch(conn, text, |binds| {
            binds.push(&list);
        });
        for row in &rows.await? {
            let cells = Cells::new(row, "delivery", 0);
            let Some(tally) = tallies.get_mut(&cells.notification(0, "notification_id")?) else { continue };
            tally.add(cells.get(1, "state")?, cells.get(2, "reason")?, cells.count(3, "n")?);
            if text == DIRECT {
                for (n, receipt) in RECEIPTS.into_iter().enumerate() {
                    tally.add(receipt, "", cells.count(4 + n, "delivered_at")?);
                }
            }
        }
    }
    named(conn, heads, now, &mut tallies).await?;
    expanded(conn, heads, now, &mut tallies).await?;
    Ok(tallies)
}

/// What waits where the work rows say so one by one.
async fn named(conn: &mut SqliteConnection, heads: &[Head], now: i64, tallies: &mut HashMap<NotificationId, Tally>) -> Result<()> {
    let of: HashMap<NotificationId, &Head> = heads.iter().filter(|head| head.targeted.is_none()).map(|head| (head.id, head)).collect();
    let list = List::of_notifications(of.keys());
    let rows = fetch(conn, WORK, |binds| {
        binds.push(&list);
    });
    let rows: Vec<WorkRow> = rows.await?.iter().map(WorkRow::read).collect::<Result<_>>()?;
    let waiting = places(conn, &rows, &of).await?;
    for (row, waiting) in rows.iter().zip(waiting) {
        let (Some(head), Some(tally)) = (of.get(&row.notification), tallies.get_mut(&row.notification)) else { continue };
        let held = row.lease_until > now;
        tally.has_work = true;
        tally.leased |= held;
        let reason = waits_for(head, row.reason, now).filter(|_| !held).map_or("", WaitReason::as_str);
        tally.add(State::Waiting.as_str(), reason, waiting.len() as u64);
    }
    Ok(())
}

/// What waits of an expanding audience: what was taken of it less what is over, since its rows are too many to open.
async fn expanded(conn: &mut SqliteConnection, heads: &[Head], now: i64, tallies: &mut HashMap<NotificationId, Tally>) -> Result<()> {
    let of: HashMap<NotificationId, (&Head, u64)> = heads.iter().filter_map(|head| Some((head.id, (head, head.targeted?)))).collect();
    let list = List::of_notifications(of.keys());
    let rows = fetch(conn, EXPANDED, |binds| {
        binds.push(&list).push(now);
    });
    for row in &rows.await? {
        let cells = Cells::new(row, "work", 0);
        let id = cells.notification(0, "notification_id")?;
        let (Some((head, _)), Some(tally)) = (of.get(&id), tallies.get_mut(&id)) else { continue };
        tally.has_work = true;
        tally.leased |= cells.get::<bool>(3, "lease_until")?;
        let reason = waits_for(head, cells.maybe_word(1, "reason", WaitReason::parse)?, now);
        let n: u64 = cells.count(2, "n")?;
        if let Some(reason) = reason.filter(|_| n > 0) {
            *tally.reasons.entry(State::Waiting).or_default().entry(reason.as_str().to_owned()).or_default() += n;
        }
    }
    for (id, (_, targeted)) in of {
        if let Some(tally) = tallies.get_mut(&id) {
            tally.counts.waiting = targeted.saturating_sub(tally.over());
        }
    }
    Ok(())
}
