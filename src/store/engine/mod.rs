//! What the dispatch path asks of the store: the steps of `docs/architecture.md` that write, and the reads between them.
//!
//! Facts are unconditional, plans are fenced: a delivery may be recorded by anyone at any time, because recording it twice
//! changes nothing; what happens next is written only by the holder of the work's present epoch.

mod accept;
mod reading;
mod recording;
mod selection;

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::Result;
use crate::domain::Timestamp;
use crate::domain::id::{AppId, NotificationId};
use crate::domain::work::{Entry, NewWork, Pair, Stream, TakenWork, WorkKey};

pub use accept::{IdempotencyKey, Item, ItemVerdict, Narrowed, NewNotification, RememberedAnswer, Submission, Terms, Verdict, day_of};
pub use reading::{Answer, Ask, Candidate, Facts, Recipient, RunChange, RunStatus, StoredNotification};
pub use recording::{Correction, Death, Finished, Record, Recorded, Shown};
pub use selection::{Only, Scan, Selection};

/// How many entries each stream has room for.
pub type Room = BTreeMap<Stream, usize>;

/// What may be made ready by a look at due work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sweep {
    /// How many entries each stream has room for.
    pub room: Room,
    /// How far ahead rows are moved that are made ready.
    pub guard: Duration,
    /// Also rows whose lease lapsed. `false` holds them back: after the store was away or a clock stepped, a lease may have lapsed
    /// though its holder lives and is about to record what it did.
    pub lapsed: bool,
}

/// What the scheduler or a release made ready.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ready {
    /// To publish, after the commit.
    pub entries: Vec<Entry>,
    /// There was more than one batch takes, and room for it.
    pub more: bool,
}

/// The answer to a claim.
#[derive(Clone, Debug, PartialEq)]
pub struct Claim {
    /// The store's clock.
    pub now: Timestamp,
    /// What was taken; whatever is not here is acked and forgotten, the row knows when to come back.
    pub work: Vec<TakenWork>,
}

/// Where an expansion is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// The last device taken.
    pub after: i64,
    /// The greatest device at the start; later ones are not in the audience.
    pub hi: i64,
}

/// An active device of an audience.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// The device and its person.
    pub pair: Pair,
    /// Its effective zone: its own, else the person's.
    pub zone: Option<String>,
    /// When it was last seen.
    pub last_seen_at: Timestamp,
}

/// A page of an audience.
#[derive(Clone, Debug, PartialEq)]
pub struct AudiencePage {
    /// Where this page began.
    pub from: Cursor,
    /// Active devices in ascending order.
    pub devices: Vec<Member>,
    /// How many of them are no targets, since nobody has seen them for long: 0 as read, told by who takes them out.
    pub left_out: u64,
    /// The last device looked at, active or not.
    pub to: i64,
    /// There is nothing beyond.
    pub last: bool,
}

/// The steps that write, and the reads between them.
#[async_trait]
pub trait Engine: Send + Sync {
    /// The store's clock. Cheap: nodes ask several times a second, to see that it did not step.
    async fn now(&self) -> Result<Timestamp>;

    /// Step 1. Writes notifications, their runs and their work in one commit; answered in order.
    async fn accept(&self, submissions: Vec<Submission>) -> Result<Vec<Verdict>>;

    /// Step 3. Takes due, unleased, direct rows up to the room of their streams and moves them a guard ahead.
    async fn schedule(&self, sweep: &Sweep) -> Result<Ready>;

    /// Step 4. Serves the least recently served run that is running or cancelled: moves its due, unleased rows a guard ahead.
    /// Also moves runs from scheduled to running when they start, and to done when nothing of them is left.
    async fn release(&self, sweep: &Sweep) -> Result<Ready>;

    /// Step 6. Takes rows that have no live lease and no run that is paused or scheduled: epoch + 1, takes + 1, lease.
    async fn claim(&self, keys: &[WorkKey], lease: Duration) -> Result<Claim>;

    /// Renews leases under their epochs; only rows that come back get a later deadline.
    async fn renew(&self, held: &[(WorkKey, i64)], lease: Duration) -> Result<Vec<WorkKey>>;

    /// Notifications by id, for work whose notification is not cached.
    async fn read_notifications(&self, ids: &[(AppId, NotificationId)]) -> Result<Vec<StoredNotification>>;

    /// Step 7. Everything that is to be known of a batch, in one read; answered in order.
    ///
    /// Named users and devices that are unknown get an empty row, so that each is a target.
    async fn read_targets(&self, asks: &[Ask]) -> Result<Vec<Answer>>;

    /// Step 11. Writes what is known, in one commit.
    async fn record(&self, record: &Record) -> Result<Recorded>;

    /// The next page of an expanding audience, where its cursor stands: who is taken of about `limit` devices.
    async fn read_page(&self, key: WorkKey, limit: usize, selection: &Selection) -> Result<Option<AudiencePage>>;

    /// Writes the chunks of a page and moves the cursor on, under the work's epoch and the cursor of the page; whether that hit.
    /// What the page left out is counted with it. After the last page the `Expand` row is deleted and the run's audience is done. `takes` starts again at 0.
    async fn commit_page(&self, key: WorkKey, epoch: i64, page: &AudiencePage, chunks: &[NewWork]) -> Result<bool>;

    /// Cancels a notification: its run becomes cancelled (a direct one gets the row now), its `Expand` goes, its work is due now.
    /// Whether there is such a notification. One that is done stays done.
    async fn cancel(&self, app: AppId, id: NotificationId) -> Result<bool>;

    /// Holds a run that is running; whether it is paused now. A direct notification has no run to hold.
    async fn pause(&self, app: AppId, id: NotificationId) -> Result<bool>;

    /// Lets a paused run go on: what was published of it and not taken is due at once. Whether it is running now.
    async fn resume(&self, app: AppId, id: NotificationId) -> Result<bool>;

    /// Runs that were cancelled, paused or resumed at or after an instant.
    async fn run_changes(&self, since: Timestamp) -> Result<Vec<RunChange>>;

    /// Makes a cancelled notification's unleased work due again: for follow-ups that were written beside the cancel.
    async fn hasten(&self, app: AppId, id: NotificationId) -> Result<()>;

    /// Work that a node holds and gives up: its leases and their epochs end now, and its rows are due at once. Fenced by the epochs.
    async fn hand_back(&self, held: &[(WorkKey, i64)]) -> Result<()>;

    /// Who is taken of about `limit` devices of an app beyond a number, in ascending order; for previews.
    async fn read_devices(&self, app: AppId, after: i64, limit: usize, selection: &Selection) -> Result<Scan>;

    /// Work rows not yet done, for the gauge.
    async fn backlog(&self) -> Result<u64>;
}
