//! A provider that answers as it likes, and enters every push in the book.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use herald::domain::device::ProviderKind;
use herald::domain::id::NotificationId;
use herald::domain::outcome::{Fault, Outcome, Reason, RefusalScope, ThrottleScope};
use herald::providers::{Body, Message, Provider, Push, RenderError, Rendered};
use tokio::time::sleep;
use uuid::Uuid;

use crate::book::Heard;
use crate::network::Network;
use crate::sim::Down;

/// How long a request may take, in seconds: less than the lease.
pub const SEND_TIMEOUT: u64 = 2;

/// One process's provider of one kind.
pub struct SimProvider {
    pub kind: ProviderKind,
    pub network: Network,
}

impl SimProvider {
    /// How the request ends, and how long that takes.
    fn fate(&self) -> (Outcome, Duration) {
        let (sim, chance) = (&self.network.sim, &self.network.sim.chance);
        let reason = Reason::new("simulated");
        let quick = chance.millis(0, 40);
        let timeout = Duration::from_secs(SEND_TIMEOUT);
        let accepted = Outcome::Accepted { message_id: None, environment: None };
        if let Some((_, down)) = sim.down.lock().filter(|(kind, _)| *kind == self.kind) {
            let takes = match down {
                Down::Fails => quick,
                Down::Stalls => timeout,
            };
            return (Outcome::Unavailable { retry_after: None, reason, fault: Fault::Silent }, takes);
        }
        if !sim.strikes(sim.weather.bad_sends) {
            return (accepted, quick);
        }
        let retry_after = chance.one_in(2).then(|| chance.millis(500, 8_000));
        match chance.below(16) {
            0..=2 => (Outcome::Unavailable { retry_after, reason, fault: Fault::Silent }, quick),
            3..=4 => (Outcome::Throttled { retry_after, reason, scope: ThrottleScope::Token }, quick),
            5 => (Outcome::Throttled { retry_after, reason, scope: ThrottleScope::Lane }, quick),
            6..=7 => (Outcome::TokenDead { since: None, reason }, quick),
            8 => (Outcome::TokenMismatched { reason }, quick),
            9 => (Outcome::MessageRejected { reason, too_large: false }, quick),
            10 if chance.one_in(8) => (Outcome::CredentialRefused { reason, scope: RefusalScope::Lane }, quick),
            // no answer comes, and the connection is given up
            11..=12 => (Outcome::Unavailable { retry_after: None, reason, fault: Fault::Silent }, timeout),
            _ => (accepted, chance.millis(40, SEND_TIMEOUT * 1_000)),
        }
    }
}

/// Whether a target may be sent to again after this, without anything having gone wrong.
fn heard(outcome: &Outcome) -> Heard {
    match outcome {
        Outcome::Accepted { .. } | Outcome::MessageRejected { .. } => Heard::Final,
        Outcome::TokenDead { .. } | Outcome::TokenMismatched { .. } => Heard::OfTheToken,
        Outcome::CredentialRefused { .. } | Outcome::Throttled { .. } | Outcome::Withheld | Outcome::Unavailable { .. } => Heard::Again,
    }
}

#[async_trait]
impl Provider for SimProvider {
    fn kind(&self) -> ProviderKind {
        self.kind
    }

    fn render(&self, message: &Message<'_>) -> Result<Rendered, RenderError> {
        let body = Body::Whole(Bytes::copy_from_slice(message.notification.0.as_bytes()));
        Ok(Rendered { body, headers: http::HeaderMap::new(), size: 16 })
    }

    async fn send(&self, push: Push) -> Outcome {
        let Network { sim, process, .. } = &self.network;
        let Body::Whole(body) = &push.rendered.body else { return Outcome::Withheld };
        let notification = NotificationId(Uuid::from_slice(body).unwrap());
        // it may have to wait for a stream
        if sim.chance.one_in(sim.weather.busy_streams) {
            sleep(sim.chance.millis(0, 2_500)).await;
        }
        if !push.handover.start() {
            return Outcome::Withheld;
        }
        let (outcome, takes) = self.fate();
        let number = sim.book().begun((sim.elapsed(), *process), (notification, &push), &sim.rows.lock(), sim.wall.as_ref());
        sim.note(format_args!("p{process} push {number} of {notification} begins, to be {} after {takes:?}", outcome.word()));
        self.network.befall("push", "in").await;
        sleep(takes).await;
        sim.book().ended(number, heard(&outcome));
        self.network.befall("push", "after").await;
        outcome
    }
}
