//! Work that names somebody, found by walking through all work from the newest notification on.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::super::Result;
use super::super::notification::{DeliveryFilter, DeliveryView};
use super::super::waiting::{WaitingPart, WaitingWork};
use super::delivery_view::{Filter, Labels, Waiting};
use super::place::{Place, WorkRow};
use super::tally::Head;
use crate::domain::Timestamp;
use crate::domain::id::{NotificationId, PersonPk, WorkId};
use crate::domain::somebody::Somebody;
use crate::domain::work::{NewWork, Stream, WorkKey, WorkKind};

/// Rows that one statement reads.
pub(in crate::store) const AT_ONCE: usize = 500;
/// Statements of one part, or of one page, at most.
pub(in crate::store) const LOOKS: usize = 100;
/// Rows of theirs of which one page asks whom they mean, or a few more.
pub(in crate::store) const ENOUGH: usize = 1_000;
/// Before the newest notification's rows.
pub(in crate::store) const NEWEST: (NotificationId, WorkId) = (NotificationId(Uuid::max()), WorkId(i64::MAX));

/// A row with what is needed to put another in its place.
pub(in crate::store) struct Walked {
    pub(in crate::store) row: WorkRow,
    pub(in crate::store) epoch: i64,
    pub(in crate::store) stream: Stream,
    pub(in crate::store) fan_out: bool,
    pub(in crate::store) expires_at: Timestamp,
    /// A lease of it has lapsed.
    pub(in crate::store) lapsed: bool,
    /// It was published, and its `due_at` is the end of its guard.
    pub(in crate::store) published: bool,
}

impl Walked {
    /// The row as the path works with it.
    pub(in crate::store) fn work(self, now: Timestamp) -> WaitingWork {
        let Self { row, epoch, stream, fan_out, expires_at, lapsed, published } = self;
        let id = WorkId(row.id);
        let work = NewWork {
            id,
            kind: WorkKind::Send,
            stream,
            fan_out,
            targets: row.targets,
            attempt: row.attempt,
            reason: row.reason,
            due_at: if published { now } else { row.due_at },
            expires_at,
        };
        WaitingWork { key: WorkKey { app: row.app, notification: row.notification, work: id }, epoch, held: row.held, lapsed, work }
    }
}

/// What one statement found.
#[derive(Default)]
pub(in crate::store) struct Look {
    /// Rows that name them.
    pub(in crate::store) named: Vec<Walked>,
    /// Where to go on.
    pub(in crate::store) next: Option<(NotificationId, WorkId)>,
}

impl Look {
    /// Takes up a row as it was read, if it names somebody. One that cannot be read harms nobody else.
    pub(in crate::store) fn add(&mut self, read: Result<Walked>, whom: &Somebody) {
        match read {
            Ok(walked) if whom.is_named_by(&walked.row.targets) => self.named.push(walked),
            Ok(_) => {}
            Err(error) => tracing::error!(error = %error, "work is passed over by who looks for a user"),
        }
    }
}

impl WaitingPart {
    /// Takes up what a statement found; whether the part has room for another.
    pub(in crate::store) fn add(&mut self, look: Look, now: Timestamp) -> bool {
        self.work.extend(look.named.into_iter().map(|walked| walked.work(now)));
        self.next = look.next;
        self.next.is_some() && self.work.len() < AT_ONCE
    }
}

/// Where a user's list goes on: at a place of a work row, or after a delivery.
#[derive(Serialize, Deserialize)]
pub(in crate::store) enum Cursor<P> {
    /// Notification, row, name, target.
    Waiting(Uuid, i64, String, i64),
    /// Delivery.
    Over(P),
}

impl<P> Cursor<P> {
    /// At the beginning of a row.
    pub(in crate::store) fn at((notification, work): (NotificationId, WorkId)) -> Self {
        Self::Waiting(notification.0, work.0, String::new(), i64::MIN)
    }
}

/// Whose list is read, and after which place of which row.
pub(in crate::store) struct Theirs<'a> {
    pub(in crate::store) filter: DeliveryFilter,
    pub(in crate::store) person: Option<PersonPk>,
    pub(in crate::store) after: (NotificationId, i64, &'a str, i64),
    pub(in crate::store) now: Timestamp,
}

impl Theirs<'_> {
    /// The row with nobody else in it.
    pub(in crate::store) fn alone(whom: &Somebody, Walked { row, .. }: Walked) -> WorkRow {
        WorkRow { targets: whom.part(&row.targets).0, ..row }
    }

    /// Of the places of a row those that are theirs and that were not listed yet.
    pub(in crate::store) fn of_row(&self, head: &Head, row: &WorkRow, places: Vec<Place>) -> Vec<Waiting> {
        let (notification, work, name, target) = self.after;
        let is_first = row.notification == notification && row.id == work;
        let after = if is_first { (work, name, target) } else { (i64::MIN, "", i64::MIN) };
        // nobody has the number 0
        let person = Some(self.person.unwrap_or(PersonPk(0)));
        Filter { head, asked: &self.filter, person, after, now: self.now }.of_row(row, places)
    }
}

/// A waiting target, with its place in the list.
pub(in crate::store) fn listed<P>(waiting: Waiting, labels: &Labels) -> (Cursor<P>, DeliveryView) {
    let (row, name, target) = waiting.stand();
    let view = waiting.view(labels);
    (Cursor::Waiting(view.notification.0, row, name, target), view)
}
