//! Webhooks and what they are still to be told.
//!
//! Items are written in the transaction of what they tell of, so that none is lost, for each webhook that asked for their type at that
//! moment. [`Webhooks::gather_webhook_items`] makes messages of them; a message keeps its id through all attempts and replays.

use std::collections::BTreeSet;

use async_trait::async_trait;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{Page, PageRequest, Result};
use crate::domain::Timestamp;
use crate::domain::id::AppId;
use crate::domain::webhook::{Disabled, EventType, Webhook};

/// What signs a webhook's messages: 32 random bytes, sealed at rest. It has no `Debug`.
pub type WebhookSecret = Zeroizing<Vec<u8>>;

/// What is to be changed of a webhook.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WebhookChange {
    /// Another place.
    pub url: Option<String>,
    /// Other types.
    pub events: Option<BTreeSet<EventType>>,
    /// On again (which forgets its failures) or off.
    pub enabled: Option<bool>,
}

/// What became of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WebhookChanged {
    /// It is this now.
    Written(Webhook),
    /// It is another than it must be.
    Stale,
    /// There is none.
    Unknown,
}

/// How many messages may be claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClaimBounds {
    /// Now, in all.
    pub limit: usize,
    /// Of one webhook at the same time, whoever holds them.
    pub of_webhook: usize,
    /// Of one app at the same time, whoever holds them.
    pub of_app: usize,
}

/// A message whose time it is, held by whoever claimed it until the lease is over. It has no `Debug`.
pub struct DueMessage {
    /// `webhook-id`.
    pub id: Uuid,
    /// To whom.
    pub webhook: Uuid,
    /// Whose.
    pub app: AppId,
    /// Where to.
    pub url: String,
    /// The present secret, and the one before while it still signs; none: they cannot be read.
    pub secrets: Vec<WebhookSecret>,
    /// What it is about; `None`: a test.
    pub event: Option<EventType>,
    /// When it was made.
    pub created_at: Timestamp,
    /// The list of items, JSON.
    pub data: String,
    /// Attempts before.
    pub attempts: u32,
    /// When it is given up: [`TRIED_FOR`](crate::domain::webhook::TRIED_FOR) after it was made or replayed last.
    pub until: Timestamp,
    /// When the lease is over. No two claims of a message have the same.
    pub lease_until: Timestamp,
}

/// What came of one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The message.
    pub message: Uuid,
    /// Its webhook.
    pub webhook: Uuid,
    /// When it began.
    pub at: Timestamp,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// The status answered; `None`: no answer.
    pub status: Option<u16>,
    /// Why there was no answer, or none that counts: a word, never a text of the other side.
    pub error: Option<String>,
}

/// What is to be done after an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It was taken; the webhook does not fail any more.
    Delivered,
    /// It is due again then.
    Again(Timestamp),
    /// It is given up.
    GivenUp,
    /// It is given up without a request: its time was over before it had its turn. That says nothing of its webhook.
    Missed,
    /// It is given up and its webhook disabled, if that still holds: nothing of it is due any more until it is enabled.
    Disable(Disabled),
}

/// An attempt as it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedAttempt {
    /// The attempt.
    pub attempt: Attempt,
    /// What the message was about; `None`: a test.
    pub event: Option<EventType>,
    /// Whether the message was delivered, is due again, or was given up: how it stands now.
    pub message_status: MessageStatus,
}

/// How a message stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageStatus {
    /// It is to be tried, again or for the first time.
    Waiting,
    /// It was taken.
    Delivered,
    /// It was given up.
    Failed,
}

/// Webhooks.
#[async_trait]
pub trait Webhooks: Send + Sync {
    /// Adds one; `false`: the app has [`MAX_WEBHOOKS`](crate::domain::webhook::MAX_WEBHOOKS), nothing was written.
    async fn create_webhook(&self, webhook: &Webhook, secret: &WebhookSecret) -> Result<bool>;

    /// One of an app's.
    async fn webhook(&self, app: AppId, id: Uuid) -> Result<Option<Webhook>>;

    /// An app's, oldest first.
    async fn webhooks(&self, app: AppId) -> Result<Vec<Webhook>>;

    /// Changes one, if it still is as `if_is` says. With another place its failures are forgotten.
    async fn change_webhook(&self, app: AppId, id: Uuid, change: &WebhookChange, if_is: Option<&Webhook>) -> Result<WebhookChanged>;

    /// Forgets one with all that it was still to be told, and its attempts, part by part; whether there was one. When it fails in between,
    /// the rest is left and it can be asked for again.
    async fn delete_webhook(&self, app: AppId, id: Uuid) -> Result<bool>;

    /// Another secret signs from now on, and the one before too for [`OVERLAP`](crate::domain::webhook::OVERLAP); whether there is such a
    /// webhook.
    async fn rotate_webhook_secret(&self, app: AppId, id: Uuid, secret: &WebhookSecret) -> Result<bool>;

    /// Adds a message without items that is due at once, whatever the webhook's state; `None`: there is no such webhook. The message's id.
    async fn test_webhook(&self, app: AppId, id: Uuid) -> Result<Option<Uuid>>;

    /// Makes messages of items that wait: of one webhook and type up to [`MAX_ITEMS`](crate::domain::webhook::MAX_ITEMS) in one, once the
    /// oldest has waited for [`LINGER`](crate::domain::webhook::LINGER) or there are enough to fill one. Of a webhook that has `each`
    /// messages due or under way, the oldest waits for [`LINGER_BEHIND`](crate::domain::webhook::LINGER_BEHIND). At most `limit` messages;
    /// how many. A webhook and type whose items cannot be gathered now is passed over.
    async fn gather_webhook_items(&self, limit: usize, each: usize) -> Result<usize>;

    /// Messages that are due, for `lease` the caller's alone, as many as the bounds allow; those first whose webhook had its turn longest
    /// ago. One that cannot be read ends as failed.
    async fn claim_webhook_messages(&self, bounds: ClaimBounds, lease: std::time::Duration) -> Result<Vec<DueMessage>>;

    /// Notes an attempt at a claimed message and what follows. What changed since the claim counts:
    ///
    /// * one whose lease is over, or another's now, is noted and changes nothing else. Only what was delivered is delivered, unless the message
    ///   was replayed since;
    /// * one that was replayed meanwhile is due again if it failed;
    /// * what was heard at a place that the webhook is no longer at says nothing of the webhook, and with 410 the message is due again;
    /// * it is disabled for failing only if it fails still.
    async fn attempted(&self, message: &DueMessage, attempt: &Attempt, next: Next) -> Result<()>;

    /// Attempts of a webhook, newest first; `None`: there is no such webhook.
    async fn webhook_attempts(&self, app: AppId, id: Uuid, page: &PageRequest) -> Result<Option<Page<ListedAttempt>>>;

    /// Makes its messages of `[from, to)` due again, those delivered too, under the ids they had; how many. `None`: there is no such webhook.
    /// It is done part by part, the oldest first: when it fails in between, what came before is due again.
    async fn replay_webhook(&self, app: AppId, id: Uuid, from: Timestamp, to: Timestamp) -> Result<Option<u64>>;

    /// Forgets some of the messages that wait no more, and attempts, made before an instant, and of those messages that wait although their
    /// time was over before it ([`DueMessage::until`]): their webhook is disabled. Whether nothing of them is left.
    async fn prune_webhooks(&self, before: Timestamp) -> Result<bool>;
}
