//! A push that the provider fans out.

use std::sync::Arc;

use super::{Handover, Rendered};
use crate::domain::Timestamp;
use crate::domain::broadcast::Broadcast;

/// One push to whoever subscribed with the provider.
#[derive(Clone, Debug)]
pub struct BroadcastPush {
    /// The message.
    pub rendered: Arc<Rendered>,
    /// Where to.
    pub to: Broadcast,
    /// The same for every repeat of this notification.
    pub id: uuid::Uuid,
    /// Until when the provider may try; `None` for now or never.
    pub expires_at: Option<Timestamp>,
    /// The present, for the time left.
    pub now: Timestamp,
    /// Until when its requests may start, and how many did.
    pub handover: Handover,
}
