//! Outgoing webhooks: what an app's backend asked to be told of is posted to it.
//!
//! Beside the path of a notification, and with nothing of it in common but the store: items become messages ([`gather`]), messages are claimed and
//! posted (`attempt`), and what came of it is noted. A node that dies leaves its messages to whoever claims them when its lease is over, so that each is posted
//! once at least.
//!
//! [`gather`]: crate::store::Webhooks::gather_webhook_items

mod attempt;
mod pruning;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;

use self::pruning::Pruning;
use super::node::Tasks;
use super::outage::tell;
use crate::domain::clock::{Clock, Rng};
use crate::providers::webhook::WebhookClient;
use crate::store::Webhooks;
use crate::store::webhook::ClaimBounds;

/// Attempts under way at this node, at most.
pub const AT_ONCE: usize = 64;
/// Attempts of one webhook under way at all nodes, at most: a slow receiver holds up nobody else.
pub const EACH: usize = 4;
/// Attempts of one app's webhooks under way at all nodes, at most: an app may have twenty, and if all its receivers hang, three quarters of
/// even a single node's places are for other apps.
pub const OF_APP: usize = 16;
/// How long a claimed message is this node's: an attempt takes half of it at most, and what came of it is noted in the rest.
pub const LEASE: Duration = Duration::from_secs(30);
/// Messages made in one go.
const GATHERED: usize = 256;
/// How long until it is looked again whether there is something to do, where nothing tells.
const IDLE: Duration = Duration::from_secs(1);
/// The shortest wait between two looks.
const BREATH: Duration = Duration::from_millis(50);

/// What it is made of.
pub struct Parts {
    /// The webhooks and what they are to be told.
    pub store: Arc<dyn Webhooks>,
    /// Who takes requests to receivers.
    pub client: Arc<dyn WebhookClient>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub rng: Arc<dyn Rng>,
    /// Every task lives in here.
    pub tasks: Arc<dyn Tasks>,
    /// Claim nothing more; finish what is under way.
    pub stopping: CancellationToken,
    /// Stop.
    pub stopped: CancellationToken,
    /// For how long messages that wait no more are kept.
    pub kept: Duration,
}

/// The sender of one node.
pub struct Sender {
    parts: Parts,
    permits: Arc<Semaphore>,
    /// An attempt has ended.
    ended: Notify,
}

impl Sender {
    /// One that has not begun.
    pub fn new(parts: Parts) -> Arc<Self> {
        Arc::new(Self { parts, permits: Arc::new(Semaphore::new(AT_ONCE)), ended: Notify::new() })
    }

    /// Begins to send.
    pub fn start(self: &Arc<Self>) {
        self.parts.tasks.spawn(Box::pin(Arc::clone(self).run()));
    }

    /// Whether no attempt is under way.
    pub fn is_idle(&self) -> bool {
        self.permits.available_permits() == AT_ONCE
    }

    async fn run(self: Arc<Self>) {
        let mut pruning = Pruning::default();
        while !self.parts.stopping.is_cancelled() {
            let is_full = self.round().await;
            let is_over = pruning.turn(&self.parts).await;
            self.rest(is_full || !is_over).await;
        }
    }

    /// Makes messages and starts attempts, as far as there is room; whether there may be more to do at once.
    async fn round(self: &Arc<Self>) -> bool {
        let gathered = self.parts.store.gather_webhook_items(GATHERED, EACH).await.unwrap_or_else(|error| {
            tell(&error, "webhook messages cannot be made now");
            0
        });
        let room = self.permits.available_permits();
        if room == 0 {
            return false;
        }
        let bounds = ClaimBounds { limit: room, of_webhook: EACH, of_app: OF_APP };
        let claimed = self.parts.store.claim_webhook_messages(bounds, LEASE).await.unwrap_or_else(|error| {
            tell(&error, "webhook messages cannot be claimed now");
            Vec::new()
        });
        for message in claimed {
            // nobody else takes permits, and no more was claimed than there are
            let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() else { break };
            let this = Arc::clone(self);
            self.parts.tasks.spawn(Box::pin(async move {
                this.attempt(message).await;
                drop(permit);
                this.ended.notify_one();
            }));
        }
        gathered == GATHERED
    }

    /// Waits until it is worth looking again.
    async fn rest(&self, is_full: bool) {
        let worth_it = async {
            if !is_full {
                tokio::select! {
                    () = self.ended.notified() => {}
                    () = tokio::time::sleep(IDLE) => {}
                }
            }
            tokio::time::sleep(BREATH).await;
        };
        tokio::select! {
            () = self.parts.stopping.cancelled() => {}
            () = worth_it => {}
        }
    }
}
