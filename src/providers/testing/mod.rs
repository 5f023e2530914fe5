//! What the tests of providers share: a clock to turn, a certificate authority, servers of HTTP/2 and HTTP/1.1 that do as told.

mod clock;
mod http1;
mod server;
mod share;
mod tls;

pub(super) use clock::TestClock;
pub(super) use http1::{Http1Server, Turn};
pub(super) use server::{Reply, Seen, Server};
pub(super) use share::Memory;
pub(super) use tls::Authority;

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeZone;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Context, Handover, Message};
use crate::domain::Timestamp;
use crate::domain::clock::Rng;
use crate::domain::content::Content;
use crate::domain::device::Platform;
use crate::domain::id::NotificationId;
use crate::domain::notification::Priority;
use crate::domain::push_type::PushType;

/// Always the same chance.
pub(super) struct Middling;

impl Rng for Middling {
    fn fraction(&self) -> f64 {
        0.5
    }
}

pub(super) fn context(clock: &Arc<TestClock>) -> Context {
    let clock: Arc<TestClock> = Arc::clone(clock);
    Context {
        clock,
        rng: Arc::new(Middling),
        tasks: TaskTracker::new(),
        cancel: CancellationToken::new(),
        send_timeout: Duration::from_secs(10),
        provider_floors: false,
    }
}

/// Requests may start whenever they like.
pub(super) fn unbounded(context: &Context) -> Handover {
    Handover::until(Timestamp::MAX_UTC, Duration::MAX, Arc::clone(&context.clock))
}

pub(super) fn message(content: &Content, platform: Platform) -> Message<'_> {
    Message {
        notification: NotificationId(uuid::Uuid::from_u128(7)),
        platform,
        content,
        silent: false,
        push_type: &PushType::Usual,
        start_at: chrono::Utc.timestamp_opt(1_700_000_000, 0).unwrap(),
        priority: Priority::High,
        collapse_id: "chat-9",
        expires_at: Some(chrono::Utc.timestamp_opt(1_800_000_000, 0).unwrap()),
        overrides: None,
    }
}

/// The notification's id in [`message`].
pub(super) const ID: &str = "00000000-0000-0000-0000-000000000007";
