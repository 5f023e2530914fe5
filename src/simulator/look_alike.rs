//! The seam between the connections and what is looked like: a whole request goes in, a verdict
//! comes out. Look-alikes are synchronous and know no sockets; connections know no pushes.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode, request};

use super::book::{Book, Booking};

/// A request that has been read whole.
pub(super) struct Arrived {
    pub(super) parts: request::Parts,
    pub(super) body: Bytes,
    /// The instant at which it had been read, in milliseconds since the epoch.
    pub(super) received_ms: i64,
}

/// An answer to send.
pub(super) struct Answer {
    pub(super) head: Response<()>,
    /// Empty for none.
    pub(super) body: Bytes,
}

impl Answer {
    /// An answer without headers or body.
    pub(super) fn new(status: StatusCode) -> Self {
        let mut head = Response::new(());
        *head.status_mut() = status;
        Self { head, body: Bytes::new() }
    }

    /// An answer with a JSON body.
    pub(super) fn json(status: StatusCode, body: Vec<u8>) -> Self {
        let mut answer = Self::new(status);
        answer.head.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=UTF-8"));
        answer.body = Bytes::from(body);
        answer
    }

    /// An answer with a body of plain text.
    pub(super) fn text(status: StatusCode, text: &str) -> Self {
        let mut answer = Self::new(status);
        answer.head.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        answer.body = text.to_owned().into();
        answer
    }
}

/// How a request ends.
pub(super) enum Ending {
    /// With an answer.
    Answer(Answer),
    /// With a GOAWAY that names the stream before this one as the last.
    Goaway,
    /// With a `RST_STREAM`.
    Reset,
    /// With a reset of the TCP connection.
    ResetConnection,
    /// Never.
    Stall,
}

/// What becomes of one request.
pub(super) struct Verdict {
    /// How long to wait before the ending; the booking waits as well.
    pub(super) delay: Duration,
    /// What to write down, at the instant of the ending.
    pub(super) booking: Option<Booking>,
    pub(super) ending: Ending,
}

impl Verdict {
    /// An answer at once that is written down nowhere.
    pub(super) fn unbooked(answer: Answer) -> Self {
        Self { delay: Duration::ZERO, booking: None, ending: Ending::Answer(answer) }
    }
}

/// One of the services that are looked like.
pub(super) trait LookAlike: Send + Sync + 'static {
    /// What the service remembers of a connection.
    type Connection: Default + Send + 'static;

    /// What it remembers of a new connection; whether the client showed a certificate of the authority is told.
    fn connected(&self, _certified: bool) -> Self::Connection {
        Self::Connection::default()
    }

    /// Decides what becomes of a request. It must not block.
    fn decide(&self, connection: &mut Self::Connection, request: Arrived) -> Verdict;

    /// Decides, and counts what is a push.
    fn receive(&self, connection: &mut Self::Connection, request: Arrived) -> Verdict {
        let verdict = self.decide(connection, request);
        if verdict.booking.is_some() {
            self.book().count_received();
        }
        verdict
    }

    /// Whether a connection has earned the full number of streams.
    fn proven(&self, connection: &Self::Connection) -> bool;

    /// Where pushes are written down.
    fn book(&self) -> &Book;

    /// The time in milliseconds since the epoch.
    fn now_ms(&self) -> i64;
}
