//! One HTTP/2 connection: a single task that reads whole requests, asks the look-alike, and
//! answers. All requests that have arrived are answered before anything is written, so that many
//! answers share one TLS record; what waits (a slow body, a delay, a stall) is set aside.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use h2::server::{Connection, SendResponse};
use h2::{Reason, RecvStream};
use http::{Request, request};
use tokio::net::TcpStream;
use tokio::time::Sleep;
use tokio_rustls::server::TlsStream;

use super::body::Body;
use super::look_alike::{Answer, Arrived, Ending, LookAlike, Verdict};
use super::wire::{Orders, Wire};

/// The window of a stream; it does not change, see [`Wire`].
const WINDOW: u32 = 65_535;
const CONNECTION_WINDOW: u32 = 16 * 1024 * 1024;
/// Bytes of a request's headers, more than any provider allows.
const MAX_HEADERS: u32 = 16 * 1024;
/// Streams that a client may give up at once without being taken for an attacker.
const MAX_RESETS: usize = 100_000;
/// How long a connection that goes away waits for its client to close it.
const LINGER: Duration = Duration::from_secs(1);
/// How many times as long it waits for answers that are still due.
const MAX_LINGERS: u32 = 30;

/// How many streams a connection allows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Streams {
    /// Before it has proven itself.
    pub(super) first: u32,
    /// Afterwards.
    pub(super) later: u32,
}

/// Serves a connection until it ends.
pub(super) async fn serve<L: LookAlike>(look_alike: Arc<L>, io: TlsStream<TcpStream>, streams: Streams) -> Result<(), h2::Error> {
    let orders = Arc::new(Orders::default());
    let certified = io.get_ref().1.peer_certificates().is_some();
    // Apple: a single stream at first "with token authentication"
    let starts_small = streams.first < streams.later && !certified;
    let first = starts_small.then_some(streams.first);
    let wire = Wire::new(io, Arc::clone(&orders), first);
    let connection = h2::server::Builder::new()
        .initial_window_size(WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_concurrent_streams(streams.later)
        .max_header_list_size(MAX_HEADERS)
        .max_concurrent_reset_streams(MAX_RESETS)
        .max_pending_accept_reset_streams(MAX_RESETS)
        .max_local_error_reset_streams(None)
        .handshake(wire)
        .await?;
    let memory = look_alike.connected(certified);
    let mut driver = Driver {
        look_alike,
        connection,
        memory,
        orders,
        streams,
        raise: if starts_small { Raise::Unearned } else { Raise::Done },
        arrived: Vec::new(),
        waiting: FuturesUnordered::new(),
        open: 0,
        looked_at: 0,
        leaving: None,
    };
    std::future::poll_fn(|cx| driver.poll(cx)).await
}

type Responder = SendResponse<Bytes>;
type Waiting = Pin<Box<dyn Future<Output = Woken> + Send>>;

/// What something set aside turned into.
enum Woken {
    /// A request whose body came late.
    Whole(Box<request::Parts>, Bytes, Responder),
    /// An ending whose delay is over.
    Due(Box<Verdict>, Responder),
    /// The client gave the stream up.
    Gone,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Raise {
    /// Only the first streams are allowed.
    Unearned,
    /// More are to be announced once the client has acknowledged what was announced first.
    Earned,
    /// The later number holds.
    Done,
}

/// After a GOAWAY: the last stream named, and when to close.
struct Leaving {
    last: u32,
    close: Pin<Box<Sleep>>,
    lingers: u32,
    unprocessed: Vec<Responder>,
}

struct Driver<L: LookAlike> {
    look_alike: Arc<L>,
    connection: Connection<Wire, Bytes>,
    memory: L::Connection,
    orders: Arc<Orders>,
    streams: Streams,
    raise: Raise,
    arrived: Vec<(Request<RecvStream>, Responder)>,
    waiting: FuturesUnordered<Waiting>,
    /// Streams that were taken and have not ended.
    open: u32,
    /// The latest stream whose request was looked at. Requests are looked at when they are whole, not in their order.
    looked_at: u32,
    leaving: Option<Leaving>,
}

impl<L: LookAlike> Driver<L> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), h2::Error>> {
        loop {
            while let Poll::Ready(next) = self.connection.poll_accept(cx) {
                match next.transpose()? {
                    Some(request) => self.arrived.push(request),
                    None => return Poll::Ready(Ok(())),
                }
            }
            let mut idle = self.arrived.is_empty();
            let mut arrived = std::mem::take(&mut self.arrived);
            for (request, responder) in arrived.drain(..) {
                self.take(request, responder, cx);
            }
            self.arrived = arrived;
            while let Poll::Ready(Some(woken)) = self.waiting.poll_next_unpin(cx) {
                idle = false;
                self.wake(woken);
            }
            if self.raise == Raise::Earned {
                idle &= !self.announce_more();
            }
            if self.poll_leaving(cx) {
                return Poll::Ready(Ok(()));
            }
            if idle {
                return Poll::Pending;
            }
        }
    }

    /// Takes a request that has begun to arrive; mostly its body is there as well.
    fn take(&mut self, request: Request<RecvStream>, responder: Responder, cx: &mut Context<'_>) {
        if self.is_unprocessed(&responder) {
            self.set_aside(responder);
            return;
        }
        self.open += 1;
        if self.raise == Raise::Unearned && self.open > self.streams.first {
            self.reset(responder, Reason::REFUSED_STREAM);
            return;
        }
        let (parts, stream) = request.into_parts();
        let mut body = Body::new(stream);
        match body.poll_whole(cx) {
            Poll::Ready(Ok(body)) => self.decide(parts, body, responder),
            Poll::Ready(Err(_)) => self.open = self.open.saturating_sub(1),
            Poll::Pending => self.waiting.push(Box::pin(async move {
                match std::future::poll_fn(|cx| body.poll_whole(cx)).await {
                    Ok(body) => Woken::Whole(Box::new(parts), body, responder),
                    Err(_) => Woken::Gone,
                }
            })),
        }
    }

    fn wake(&mut self, woken: Woken) {
        match woken {
            Woken::Whole(_, _, responder) | Woken::Due(_, responder) if self.is_unprocessed(&responder) => {
                self.set_aside(responder);
            }
            Woken::Whole(parts, body, responder) => self.decide(*parts, body, responder),
            Woken::Due(verdict, responder) => self.end(*verdict, responder),
            Woken::Gone => self.open = self.open.saturating_sub(1),
        }
    }

    fn decide(&mut self, parts: request::Parts, body: Bytes, responder: Responder) {
        let received_ms = self.look_alike.now_ms();
        self.looked_at = self.looked_at.max(responder.stream_id().as_u32());
        let arrived = Arrived { parts, body, received_ms };
        let verdict = self.look_alike.receive(&mut self.memory, arrived);
        if self.raise == Raise::Unearned && self.look_alike.proven(&self.memory) {
            self.raise = Raise::Earned;
        }
        if verdict.delay.is_zero() {
            self.end(verdict, responder);
            return;
        }
        self.waiting.push(Box::pin(async move {
            let mut responder = responder;
            let delay = tokio::time::sleep(verdict.delay);
            let given_up = std::future::poll_fn(|cx| responder.poll_reset(cx));
            tokio::select! {
                () = delay => {}
                _ = given_up => return Woken::Gone,
            }
            Woken::Due(Box::new(verdict), responder)
        }));
    }

    /// Books a push and ends its stream. The booking comes first, so that whoever has the answer
    /// finds the push in the views.
    fn end(&mut self, verdict: Verdict, mut responder: Responder) {
        if let Some(booking) = verdict.booking {
            self.look_alike.book().enter(booking);
        }
        match verdict.ending {
            Ending::Answer(answer) => {
                self.open = self.open.saturating_sub(1);
                send(answer, &mut responder);
            }
            Ending::Stall => self.waiting.push(Box::pin(async move {
                // the stream must be held, or the library would reset it
                let given_up = std::future::poll_fn(|cx| responder.poll_reset(cx)).await;
                drop(given_up);
                Woken::Gone
            })),
            Ending::Reset => self.reset(responder, Reason::INTERNAL_ERROR),
            Ending::ResetConnection => self.orders.reset_connection(),
            Ending::Goaway => self.go_away(responder),
        }
    }

    fn reset(&mut self, mut responder: Responder, reason: Reason) {
        self.open = self.open.saturating_sub(1);
        responder.send_reset(reason);
    }

    /// Names the stream before this one as the last, or a later one that was looked at already: this one is then refused by itself.
    fn go_away(&mut self, responder: Responder) {
        let stream = responder.stream_id().as_u32();
        let last = if self.looked_at > stream { self.looked_at } else { stream.saturating_sub(2) };
        self.orders.go_away(last);
        let earlier = self.leaving.take();
        self.leaving = Some(Leaving {
            last,
            close: Box::pin(tokio::time::sleep(LINGER)),
            lingers: 0,
            unprocessed: earlier.map_or_else(Vec::new, |leaving| leaving.unprocessed),
        });
        if stream < last { self.reset(responder, Reason::REFUSED_STREAM) } else { self.set_aside(responder) }
    }

    fn is_unprocessed(&self, responder: &Responder) -> bool {
        let last = self.leaving.as_ref().map(|leaving| leaving.last);
        last.is_some_and(|last| responder.stream_id().as_u32() > last)
    }

    /// Holds a stream that the GOAWAY called unprocessed: dropped, it would be reset.
    fn set_aside(&mut self, responder: Responder) {
        if let Some(leaving) = &mut self.leaving {
            leaving.unprocessed.push(responder);
        }
    }

    /// Asks for the SETTINGS that allow more streams; not before the client has acknowledged
    /// the first.
    fn announce_more(&mut self) -> bool {
        if self.connection.set_initial_window_size(WINDOW).is_err() {
            return false;
        }
        self.orders.raise(self.streams.later);
        self.raise = Raise::Done;
        true
    }

    /// Whether a connection that goes away is to be closed now.
    fn poll_leaving(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(leaving) = &mut self.leaving else {
            return false;
        };
        while leaving.close.as_mut().poll(cx).is_ready() {
            leaving.lingers += 1;
            if self.waiting.is_empty() || leaving.lingers >= MAX_LINGERS {
                return true;
            }
            let later = tokio::time::Instant::now() + LINGER;
            leaving.close.as_mut().reset(later);
        }
        false
    }
}

/// A client that has given the stream up misses nothing: errors are its own doing.
fn send(answer: Answer, responder: &mut Responder) {
    let is_empty = answer.body.is_empty();
    if let Ok(mut stream) = responder.send_response(answer.head, is_empty)
        && !is_empty
    {
        drop(stream.send_data(answer.body, true));
    }
}
