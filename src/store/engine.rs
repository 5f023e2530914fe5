//! What the dispatch path asks of the store: the steps of `docs/architecture.md` that write, and the reads between them.
//!
//! Facts are unconditional, plans are fenced: a delivery may be recorded by anyone at any time, because recording it twice
//! changes nothing; what happens next is written only by the holder of the work's present epoch.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::Result;
use crate::domain::Timestamp;
use crate::domain::delivery::Delivery;
use crate::domain::device::{Environment, InactiveReason, Permission, Platform, ProviderKind, PushToken, TokenHash};
use crate::domain::id::{AppId, DevicePk, NotificationId, PersonPk, Target};
use crate::domain::preferences::Preferences;
use crate::domain::reason::words;
use crate::domain::work::{Entry, NewWork, Pair, Stream, TakenWork, Targets, WorkKey};

/// A notification to be written, with its work.
#[derive(Clone, Debug)]
pub struct NewNotification {
    /// The app.
    pub app: AppId,
    /// Its id.
    pub id: NotificationId,
    /// [`crate::domain::notification::Notification`] as bytes; the store does not look into them.
    pub content: Bytes,
    /// Its category, for lists.
    pub category: Option<String>,
    /// The caller's labels, for lists.
    pub labels: BTreeMap<String, String>,
    /// Released through a run.
    pub fan_out: bool,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// From when on it may be sent.
    pub start_at: Timestamp,
    /// When its last target is over.
    pub expires_at: Timestamp,
    /// Which devices are no targets.
    pub narrowed: Narrowed,
    /// Its first work: a direct one has one row, a named audience over 500 one per chunk, another audience one `Expand`.
    pub work: Vec<NewWork>,
}

/// Which devices of those that are named are no targets, so that readers count none of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Narrowed {
    /// All but each user's latest seen one.
    pub latest_only: bool,
    /// These.
    pub except: BTreeSet<String>,
}

impl NewNotification {
    /// Days since 1970 of `start_at`: part of the key of its deliveries on every store.
    pub fn day(&self) -> i32 {
        day_of(self.start_at)
    }
}

/// Days since 1970, UTC.
pub fn day_of(at: Timestamp) -> i32 {
    i32::try_from(at.timestamp().div_euclid(86_400)).unwrap_or(i32::MAX)
}

/// A caller's idempotency key: per app and route, for 24 h.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdempotencyKey {
    /// The app.
    pub app: AppId,
    /// The route, a fixed word.
    pub route: &'static str,
    /// What the caller sent.
    pub key: String,
    /// SHA-256 of the body, byte for byte.
    pub body_hash: [u8; 32],
}

/// One request to accept: a notification, or a batch of them. All or nothing of what is new in it is written.
#[derive(Clone)]
pub struct Submission {
    /// The request's own key.
    pub key: Option<IdempotencyKey>,
    /// Its notifications.
    pub items: Vec<Item>,
    /// The answer to remember under `key`, made from what became of the items.
    pub answer: RememberedAnswer,
}

/// Makes the answer to remember from what became of the items.
pub type RememberedAnswer = Arc<dyn Fn(&[ItemVerdict]) -> Bytes + Send + Sync>;

/// One notification of a request.
#[derive(Clone)]
pub struct Item {
    /// Its own key, in a batch.
    pub key: Option<IdempotencyKey>,
    /// The answer to remember under its key.
    pub answer: Bytes,
    /// The notification.
    pub notification: NewNotification,
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was new.
    New(Vec<ItemVerdict>),
    /// The same key and body came before: what was answered then.
    Replayed(Bytes),
    /// The same key came before with another body.
    Reused,
}

/// What became of one notification of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ItemVerdict {
    /// It is written.
    Accepted,
    /// The same key and body came before: what was answered then.
    Replayed(Bytes),
    /// The same key came before with another body.
    Reused,
}

/// How many entries each stream has room for.
pub type Room = BTreeMap<Stream, usize>;

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

/// A notification as the worker reads it.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredNotification {
    /// The app.
    pub app: AppId,
    /// Its id.
    pub id: NotificationId,
    /// As written by accept.
    pub content: Bytes,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// From when on it may be sent.
    pub start_at: Timestamp,
    /// When its last target is over.
    pub expires_at: Timestamp,
    /// Days since 1970 of `start_at`.
    pub day: i32,
}

words! {
    /// Where a run is.
    RunStatus {
        /// Its time has not come.
        Scheduled = "scheduled",
        /// It is being released.
        Running = "running",
        /// Someone holds it.
        Paused = "paused",
        /// Nothing of it waits any more.
        Done = "done",
        /// It was cancelled.
        Cancelled = "cancelled",
    }
}

/// A change of a run, for the node-wide stop set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunChange {
    /// Whose app.
    pub app: AppId,
    /// Whose run.
    pub notification: NotificationId,
    /// Where it is now.
    pub status: RunStatus,
    /// Since when.
    pub changed_at: Timestamp,
}

/// What a worker asks of one work row's targets.
#[derive(Clone, Debug)]
pub struct Ask {
    /// Which row.
    pub key: WorkKey,
    /// Whom for.
    pub targets: Targets,
    /// Each user's latest seen device only (for `Targets::Users`).
    pub latest_only: bool,
    /// When the notification was accepted: a device that is named belongs to whom it belonged then.
    pub accepted_at: Timestamp,
    /// Days since 1970 of the notification's start, for the look at deliveries.
    pub day: i32,
    /// Also read which targets have a delivery already, whatever their names stood for when they got it: needed unless this is the first
    /// claim of first work.
    pub check_deliveries: bool,
    /// The hash of the caller's collapse key, to read what was shown under it.
    pub collapse_hash: Option<[u8; 32]>,
    /// Nothing is to be written: names that are unknown are answered with target 0.
    pub peek: bool,
}

/// What the store says of one work row's targets.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The notification's run, where it has one.
    pub run: Option<RunStatus>,
    /// Its targets, resolved, each once, in ascending order of target.
    pub candidates: Vec<Candidate>,
}

/// A target as it is now.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// Which one. A named user without an active device, and a named device that is unknown or inactive, are targets as well.
    pub target: Target,
    /// Whose it was when the work was made; for names, whose it is.
    pub person: Option<PersonPk>,
    /// The device was named, and has changed hands since the notification was accepted.
    pub moved: bool,
    /// The device; `None` where there is no active one.
    pub recipient: Option<Recipient>,
    /// It has a delivery of this notification already.
    pub delivered: bool,
    /// The newest notification that was sent to it under the same collapse key.
    pub shown: Option<NotificationId>,
}

/// What the gate, the renderer and the lane need to know of an active device and its person.
#[derive(Clone, Debug, PartialEq)]
pub struct Recipient {
    /// The store's number.
    pub device: DevicePk,
    /// The app's name for it.
    pub name: String,
    /// Whose it is now.
    pub person: Option<PersonPk>,
    /// What it runs on.
    pub platform: Platform,
    /// Who carries pushes to it.
    pub provider: ProviderKind,
    /// Apple's service.
    pub environment: Environment,
    /// The address.
    pub token: PushToken,
    /// Its hash.
    pub token_hash: TokenHash,
    /// What the system lets the app show.
    pub permission: Permission,
    /// Its own zone, known to us or not.
    pub timezone: Option<String>,
    /// BCP 47.
    pub locale: Option<String>,
    /// Its person's preferences; `None` where they never wrote any.
    pub preferences: Option<Arc<Preferences>>,
}

/// Everything that one commit of the recorder writes, in this order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    /// Facts: written unless the target has a delivery.
    pub deliveries: Vec<Delivery>,
    /// Verdicts over tokens, each with the delivery that it means if the token is still the device's.
    pub deaths: Vec<Death>,
    /// Pushes that were accepted under a caller's collapse key.
    pub shown: Vec<Shown>,
    /// Work that is over, with what follows it: fenced.
    pub finished: Vec<Finished>,
}

/// A provider's verdict over a token.
///
/// If the device has another token by now it was no outcome: `otherwise` is inserted, fenced like a plan by the work's epoch,
/// and no delivery is written. Else the delivery is, and the device is deactivated if `deactivate` and its token was not registered after `since`.
#[derive(Clone, Debug, PartialEq)]
pub struct Death {
    /// The fact.
    pub delivery: Delivery,
    /// The token that was used.
    pub token_hash: TokenHash,
    /// A registration after this keeps its token.
    pub since: Timestamp,
    /// Why the device becomes inactive; `None`: it stays active.
    pub deactivate: Option<InactiveReason>,
    /// The work that this target was of, and its epoch.
    pub work: (WorkKey, i64),
    /// The target's next try.
    pub otherwise: NewWork,
}

/// A push accepted under a caller's collapse key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// On which device.
    pub device: DevicePk,
    /// SHA-256 of the key.
    pub key_hash: [u8; 32],
    /// By which notification: the greatest is kept.
    pub notification: NotificationId,
}

/// Work that is over.
#[derive(Clone, Debug, PartialEq)]
pub struct Finished {
    /// Which row.
    pub key: WorkKey,
    /// The fence.
    pub epoch: i64,
    /// What takes its place.
    pub follow_ups: Vec<NewWork>,
}

/// What a commit of the recorder really did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recorded {
    /// Deliveries that were new.
    pub inserted: usize,
    /// Work rows that were ended by it; the fence held the others back.
    pub ended: Vec<WorkKey>,
    /// Devices that were deactivated.
    pub deactivated: usize,
}

/// Where an expansion is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// The last device taken.
    pub after: i64,
    /// The greatest device at the start; later ones are not in the audience.
    pub hi: i64,
}

/// A page of an audience.
#[derive(Clone, Debug, PartialEq)]
pub struct AudiencePage {
    /// Where this page began.
    pub from: Cursor,
    /// Active devices in ascending order, with their person and effective zone (own, else the person's).
    pub devices: Vec<(Pair, Option<String>)>,
    /// The last device looked at, active or not.
    pub to: i64,
    /// There is nothing beyond.
    pub last: bool,
}

/// The steps that write, and the reads between them.
#[async_trait]
pub trait Engine: Send + Sync {
    /// Step 1. Writes notifications, their runs and their work in one commit; answered in order.
    async fn accept(&self, submissions: Vec<Submission>) -> Result<Vec<Verdict>>;

    /// Step 3. Takes due, unleased, direct rows up to the room of their streams and moves them `guard` ahead.
    async fn schedule(&self, room: &Room, guard: Duration) -> Result<Ready>;

    /// Step 4. Serves the least recently served run that is running or cancelled: moves its due, unleased rows `guard` ahead.
    /// Also moves runs from scheduled to running when they start, and to done when nothing of them is left.
    async fn release(&self, room: &Room, guard: Duration) -> Result<Ready>;

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

    /// The next page of an expanding audience, where its cursor stands.
    async fn read_page(&self, key: WorkKey, limit: usize) -> Result<Option<AudiencePage>>;

    /// Writes the chunks of a page and moves the cursor on, under the work's epoch and the cursor of the page; whether that hit.
    /// After the last page the `Expand` row is deleted and the run's audience is done. `takes` starts again at 0.
    async fn commit_page(&self, key: WorkKey, epoch: i64, page: &AudiencePage, chunks: &[NewWork]) -> Result<bool>;

    /// Cancels a notification: its run becomes cancelled (a direct one gets the row now), its `Expand` goes, its work is due now.
    /// Whether there is such a notification. One that is done stays done.
    async fn cancel(&self, app: AppId, id: NotificationId) -> Result<bool>;

    /// Runs that were cancelled, paused or resumed at or after an instant.
    async fn run_changes(&self, since: Timestamp) -> Result<Vec<RunChange>>;

    /// Makes a cancelled notification's unleased work due again: for follow-ups that were written beside the cancel.
    async fn hasten(&self, app: AppId, id: NotificationId) -> Result<()>;

    /// The present work of a node that stops: its leases end now and its rows are due at once. Fenced by the epochs.
    async fn hand_back(&self, held: &[(WorkKey, i64)]) -> Result<()>;

    /// Active devices of an app beyond a number, in ascending order, for previews.
    async fn read_devices(&self, app: AppId, after: i64, limit: usize) -> Result<Vec<Pair>>;

    /// Work rows not yet done, for the gauge.
    async fn backlog(&self) -> Result<u64>;
}
