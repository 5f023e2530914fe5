//! The pool of connections to one origin, and the way of a request through it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use rustls::ClientConfig;
use tokio::time::{Instant, timeout_at};

use super::connection::{Connection, Mark};
use super::error::Error;
use super::exchange::{self, Answer, Failure};
use super::origin::Origin;
use super::proxy::Proxy;
use super::reach::Reach;
use super::shared::{Shared, Slot};
use super::state::Want;
use crate::providers::Context;

/// A request is put on the wire this often at most, where the peer says each time that it did not look at it.
const TRIES: usize = 3;

/// The bounds of a pool.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at the same time.
    pub connections: usize,
    /// The same where the peer speaks HTTP/1.1, so that each carries one request.
    pub http1_connections: usize,
    /// Streams on one connection, whatever the peer allows beyond.
    pub streams: usize,
    /// The largest answer body, in bytes.
    pub answer_bytes: usize,
    /// Whether a longer one is cut there; else it is [`Error::AnswerTooLarge`].
    pub cuts_answers: bool,
    /// To connect: name, TCP, TLS and the peer's SETTINGS together.
    pub connect_within: Duration,
    /// Silence with requests under way after which a PING is sent; four times this without.
    pub ping_after: Duration,
    /// Within this a PING must be answered, or the connection is dead.
    pub pong_within: Duration,
    /// A connection without a request for this long is closed; `None` keeps it.
    pub idle: Option<Duration>,
    /// Whom it may connect to.
    pub reach: Reach,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 4,
            http1_connections: 16,
            streams: 500,
            answer_bytes: 64 * 1024,
            cuts_answers: false,
            connect_within: Duration::from_secs(5),
            ping_after: Duration::from_secs(15),
            pong_within: Duration::from_secs(5),
            idle: None,
            reach: Reach::default(),
        }
    }
}

/// Connections to one origin, opened as load asks for them. Cheap to clone.
#[derive(Clone)]
pub struct Pool {
    shared: Arc<Shared>,
    _owner: Arc<Owner>,
}

/// The last handle of a pool closes it: its connections hold what they share, and would stay after a reload of the settings.
struct Owner(Arc<Shared>);

impl Drop for Owner {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Pool {
    /// A pool without connections: the first request opens one. Its tasks go into `context.tasks`; on `context.cancel` it takes
    /// nothing new, lets what is under way end and closes its connections.
    pub fn new(origin: Origin, tls: Arc<ClientConfig>, limits: Limits, context: &Context) -> Self {
        Self::through(None, origin, tls, limits, context)
    }

    /// The same through an HTTP proxy, if there is one.
    pub fn through(proxy: Option<Proxy>, origin: Origin, tls: Arc<ClientConfig>, limits: Limits, context: &Context) -> Self {
        let shared = Shared::new((origin, proxy), tls, limits, context.clone());
        Self { _owner: Arc::new(Owner(Arc::clone(&shared))), shared }
    }

    /// Where it connects to.
    pub fn origin(&self) -> &Origin {
        self.shared.origin()
    }

    /// Sends one request and waits for the whole answer, until `deadline`.
    ///
    /// `head` makes the request's head; it is called again for each repeat, and only what the peer certainly did not
    /// look at is repeated. With `None` nothing is sent: it is [`Error::Withheld`].
    pub async fn send<H>(&self, head: H, body: Bytes, want: Want, deadline: Instant) -> Result<Answer, Error>
    where
        H: Fn() -> Option<Request<()>>,
    {
        let mut sent = None;
        let whole = self.send_repeating(head, body, want, &mut sent);
        if let Ok(result) = timeout_at(deadline, whole).await {
            return result;
        }
        match sent {
            None => Err(self.shared.lock().lack()),
            Some(Sent { connection, beats }) => {
                if connection.pulse.beats() == beats {
                    connection.pulse.doubt();
                }
                Err(Error::TimedOut)
            }
        }
    }

    /// Gives a connection no new requests; what is under way on it goes on.
    pub fn retire(&self, mark: Mark) {
        self.shared.retire(mark.id);
    }

    #[cfg(test)]
    pub(super) fn streams_under_way(&self) -> usize {
        self.shared.lock().all_under_way()
    }

    async fn send_repeating<H>(&self, head: H, body: Bytes, mut want: Want, sent: &mut Option<Sent>) -> Result<Answer, Error>
    where
        H: Fn() -> Option<Request<()>>,
    {
        let mut tries = 0;
        let mut last = Error::Refused;
        while tries < TRIES {
            let slot = self.acquire(want).await?;
            let connection = &slot.connection;
            let Some(head) = head() else { return Err(Error::Withheld) };
            *sent = Some(Sent { connection: Arc::clone(connection), beats: connection.pulse.beats() });
            match exchange::run(connection, head, body.clone(), self.shared.limits()).await {
                Ok(answer) => {
                    if connection.pulse.answer() {
                        self.shared.lock().backoff.succeeded();
                    }
                    return Ok(answer);
                }
                Err(Failure::Final(error)) => return Err(error),
                Err(Failure::Gone(error)) => {
                    self.shared.retire(connection.mark.id);
                    return Err(error);
                }
                Err(Failure::Refused) => tries += 1,
                Err(Failure::GoingAway { sent }) => {
                    tries += usize::from(sent);
                    self.shared.retire(connection.mark.id);
                }
                Err(Failure::Unsendable) => {
                    tries += 1;
                    last = Error::Malformed;
                    self.shared.retire(connection.mark.id);
                }
            }
            want.not = (self.shared.limits().connections > 1).then_some(connection.mark.id);
            *sent = None;
        }
        Err(last)
    }

    async fn acquire(&self, want: Want) -> Result<Slot, Error> {
        let waiting = {
            let mut state = self.shared.lock();
            if let Some(connection) = state.take(want) {
                let slot = Slot::new(Arc::clone(&self.shared), connection);
                if state.is_busy() {
                    self.shared.settle(state);
                }
                return Ok(slot);
            }
            if self.shared.is_cancelled() {
                return Err(Error::ShuttingDown);
            }
            if let Some(error) = state.refusal(Instant::now()) {
                return Err(error);
            }
            let waiting = state.wait(want);
            self.shared.settle(state);
            waiting
        };
        waiting.await.unwrap_or(Err(Error::ShuttingDown))
    }
}

/// A request on the wire.
struct Sent {
    connection: Arc<Connection>,
    beats: u64,
}
