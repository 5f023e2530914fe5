//! Where a notification is, from its counts.

use std::collections::{BTreeMap, HashMap};

use super::super::engine::{Narrowed, RunStatus, day_of};
use super::super::notification::{Counts, LeftOut, NotificationStatus, NotificationView};
use super::place::{Place, WorkRow};
use crate::domain::Timestamp;
use crate::domain::delivery::State;
use crate::domain::id::NotificationId;
use crate::domain::reason::WaitReason;

/// Under which words a fan-out's receipts are counted.
pub(in crate::store) const RECEIPTS: [&str; 3] = ["delivered", "opened", "dismissed"];

/// A notification without its content and counts.
pub(in crate::store) struct Head {
    pub(in crate::store) id: NotificationId,
    pub(in crate::store) category: Option<String>,
    pub(in crate::store) labels: BTreeMap<String, String>,
    pub(in crate::store) fan_out: bool,
    pub(in crate::store) accepted_at: Timestamp,
    pub(in crate::store) start_at: Timestamp,
    /// Where its run is, if it has one.
    pub(in crate::store) run: Option<RunStatus>,
    /// Devices taken so far from an expanding audience.
    pub(in crate::store) targeted: Option<u64>,
    /// Devices that were left out of an expanding audience so far, since nobody has seen them for long.
    pub(in crate::store) stale: u64,
    /// Which devices are no targets.
    pub(in crate::store) narrowed: Narrowed,
}

impl Head {
    /// Days since 1970 of its start.
    pub(in crate::store) fn day(&self) -> i32 {
        day_of(self.start_at)
    }

    fn status(&self, tally: &Tally, now: Timestamp) -> NotificationStatus {
        match self.run {
            Some(RunStatus::Cancelled) => NotificationStatus::Cancelled,
            _ if !tally.has_work => NotificationStatus::Done,
            Some(RunStatus::Paused) => NotificationStatus::Paused,
            // who was erased is over before it begins
            _ if self.start_at > now => NotificationStatus::Scheduled,
            _ if tally.leased || tally.over() > 0 => NotificationStatus::Sending,
            _ => NotificationStatus::Accepted,
        }
    }

    fn view(self, tally: Tally, now: Timestamp) -> NotificationView {
        NotificationView {
            id: self.id,
            status: self.status(&tally, now),
            category: self.category,
            labels: self.labels,
            accepted_at: self.accepted_at,
            counts: tally.counts,
            reasons: tally.reasons,
            left_out: LeftOut { stale: self.stale },
        }
    }

    /// Why a target of this notification waits, where anything can be said.
    pub(in crate::store) fn waits_for(&self, reason: Option<WaitReason>, now: Timestamp) -> Option<WaitReason> {
        if self.run == Some(RunStatus::Paused) {
            return Some(WaitReason::Paused);
        }
        reason.or_else(|| (self.start_at > now).then_some(WaitReason::Scheduled))
    }
}

/// What became of a notification.
#[derive(Default)]
struct Tally {
    counts: Counts,
    reasons: BTreeMap<State, BTreeMap<String, u64>>,
    has_work: bool,
    /// Some work is in a worker's hands.
    leased: bool,
}

impl Tally {
    /// Targets that are over.
    fn over(&self) -> u64 {
        let counts = &self.counts;
        counts.sent + counts.suppressed + counts.failed + counts.expired + counts.cancelled
    }

    fn add(&mut self, word: &str, reason: &str, n: u64) {
        let Some(count) = count_of(&mut self.counts, word) else { return };
        *count += n;
        if let Some(state) = State::parse(word).filter(|_| !reason.is_empty() && n > 0) {
            *self.reasons.entry(state).or_default().entry(reason.to_owned()).or_default() += n;
        }
    }
}

/// The count of a state or a receipt by its word.
pub(super) fn count_of<'c>(counts: &'c mut Counts, word: &str) -> Option<&'c mut u64> {
    Some(match word {
        "delivered" => &mut counts.delivered,
        "opened" => &mut counts.opened,
        "dismissed" => &mut counts.dismissed,
        _ => match State::parse(word)? {
            State::Waiting => &mut counts.waiting,
            State::Sent => &mut counts.sent,
            State::Suppressed => &mut counts.suppressed,
            State::Failed => &mut counts.failed,
            State::Expired => &mut counts.expired,
            State::Cancelled => &mut counts.cancelled,
        },
    })
}

/// Work rows of an expanding audience that wait for the same reason.
pub(in crate::store) struct Crowd {
    pub(in crate::store) notification: NotificationId,
    pub(in crate::store) reason: Option<WaitReason>,
    /// Targets of those that nobody holds.
    pub(in crate::store) waiting: u64,
    /// A worker has some of them.
    pub(in crate::store) held: bool,
}

/// The counts of some notifications, as they are put together.
pub(in crate::store) struct Tallies<'a> {
    heads: HashMap<NotificationId, &'a Head>,
    counted: HashMap<NotificationId, Tally>,
    now: Timestamp,
}

impl<'a> Tallies<'a> {
    /// Of these, at an instant.
    pub(in crate::store) fn of(heads: &'a [Head], now: Timestamp) -> Self {
        let tallies = heads.iter().map(|head| (head.id, Tally::default())).collect();
        Self { heads: heads.iter().map(|head| (head.id, head)).collect(), counted: tallies, now }
    }

    /// Targets that ended so, or receipts of a kind.
    pub(in crate::store) fn add(&mut self, id: NotificationId, state: &str, reason: &str, n: u64) {
        if let Some(tally) = self.counted.get_mut(&id) {
            tally.add(state, reason, n);
        }
    }

    /// What waits where the work rows say so one by one.
    pub(in crate::store) fn add_rows(&mut self, rows: &[WorkRow], waiting: &[Vec<Place>]) {
        for (row, waiting) in rows.iter().zip(waiting) {
            let (Some(head), Some(tally)) = (self.heads.get(&row.notification), self.counted.get_mut(&row.notification)) else { continue };
            tally.has_work = true;
            tally.leased |= row.held;
            let reason = head.waits_for(row.reason, self.now).filter(|_| !row.held).map_or("", WaitReason::as_str);
            tally.add(State::Waiting.as_str(), reason, waiting.len() as u64);
        }
    }

    /// What waits of expanding audiences: what was taken of each less what is over, since its rows are too many to open.
    pub(in crate::store) fn add_crowds(&mut self, crowds: &[Crowd]) {
        for crowd in crowds {
            let (Some(head), Some(tally)) = (self.heads.get(&crowd.notification), self.counted.get_mut(&crowd.notification)) else {
                continue;
            };
            tally.has_work = true;
            tally.leased |= crowd.held;
            if let Some(reason) = head.waits_for(crowd.reason, self.now).filter(|_| crowd.waiting > 0) {
                *tally.reasons.entry(State::Waiting).or_default().entry(reason.as_str().to_owned()).or_default() += crowd.waiting;
            }
        }
        for (id, head) in &self.heads {
            if let (Some(targeted), Some(tally)) = (head.targeted, self.counted.get_mut(id)) {
                tally.counts.waiting = targeted.saturating_sub(tally.over());
            }
        }
    }

    /// The counts by themselves.
    pub(in crate::store) fn finish(self) -> Finished {
        Finished { counted: self.counted, now: self.now }
    }
}

/// Counts that are complete.
pub(in crate::store) struct Finished {
    counted: HashMap<NotificationId, Tally>,
    now: Timestamp,
}

impl Finished {
    /// The counts of all of them together.
    pub(in crate::store) fn total(self) -> Counts {
        self.counted.into_values().fold(Counts::default(), |sum, tally| sum + tally.counts)
    }

    /// The notifications with their counts, in their order.
    pub(in crate::store) fn views(mut self, heads: Vec<Head>) -> Vec<NotificationView> {
        let view = |head: Head| {
            let tally = self.counted.remove(&head.id).unwrap_or_default();
            head.view(tally, self.now)
        };
        heads.into_iter().map(view).collect()
    }
}
