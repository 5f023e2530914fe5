//! One connection: its handle, and the task that drives it until its last stream has ended.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use h2::client::{self, SendRequest};
use h2::{Ping, PingPong};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};

use super::http1;
use super::shared::Shared;
use super::wire::Wire;

/// Which connection carried a request, and since when it is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    pub(super) id: u64,
    pub(super) opened_at: Instant,
}

impl Mark {
    /// When the connection was opened.
    pub fn opened_at(&self) -> Instant {
        self.opened_at
    }
}

/// A connection as requests see it. When the last of these handles is gone, the connection says GOAWAY and closes.
pub(super) struct Connection {
    pub(super) mark: Mark,
    pub(super) way: Way,
    pub(super) pulse: Arc<Pulse>,
}

/// How requests get onto a connection.
pub(super) enum Way {
    /// HTTP/2: each has a stream.
    Streams(SendRequest<Bytes>),
    /// HTTP/1.1: one after another.
    Turns(http1::Turn),
}

/// The signs of life of a connection.
#[derive(Debug, Default)]
pub(super) struct Pulse {
    reads: AtomicU64,
    answered: AtomicBool,
    doubt: Notify,
}

impl Pulse {
    /// The peer was heard.
    pub(super) fn beat(&self) {
        self.reads.fetch_add(1, Ordering::Relaxed);
    }

    /// How often the peer was heard.
    pub(super) fn beats(&self) -> u64 {
        self.reads.load(Ordering::Relaxed)
    }

    /// A request was answered. True the first time.
    pub(super) fn answer(&self) -> bool {
        !self.answered.load(Ordering::Relaxed) && !self.answered.swap(true, Ordering::Relaxed)
    }

    /// Whether any request was answered.
    pub(super) fn has_answered(&self) -> bool {
        self.answered.load(Ordering::Relaxed)
    }

    /// Asks for a PING now.
    pub(super) fn doubt(&self) {
        self.doubt.notify_one();
    }
}

/// What drives a connection.
pub(super) struct Link {
    pub(super) id: u64,
    pub(super) engine: Engine,
    pub(super) pulse: Arc<Pulse>,
    /// What the peer's SETTINGS allow now; 1 where it speaks HTTP/1.1.
    pub(super) streams: usize,
}

/// The protocol's part of it.
pub(super) enum Engine {
    /// HTTP/2.
    Http2(Box<client::Connection<Wire, Bytes>>, PingPong),
    /// HTTP/1.1.
    Http1(Box<http1::Link>),
}

/// Runs a connection to its end: until the peer closes it, it is found dead, or it was let go and its last stream ended.
pub(super) async fn drive(shared: &Arc<Shared>, link: Link) {
    let Link { id, engine, pulse, streams } = link;
    let end = match engine {
        Engine::Http2(http2, ping) => drive_http2(shared, id, (http2, ping), &pulse, streams).await,
        Engine::Http1(link) => http1::drive(shared, id, link, &pulse).await,
    };
    tracing::debug!(origin = %shared.origin(), connection.id = id, end = end.as_deref().unwrap_or("closed"), "connection ended");
    shared.lost(id, pulse.has_answered());
}

type Http2 = (Box<client::Connection<Wire, Bytes>>, PingPong);

/// The same for HTTP/2. How it ended, where that was no ordinary end. What streams are left then end with it: their outcome is unknown.
async fn drive_http2(shared: &Arc<Shared>, id: u64, (mut http2, ping): Http2, pulse: &Pulse, mut streams: usize) -> Option<String> {
    let mut run = pin!(std::future::poll_fn(|cx| poll_following_settings(&mut http2, cx, &mut streams, shared, id)));
    let mut watch = pin!(watch(shared, id, ping, pulse));
    tokio::select! {
        biased;
        result = &mut run => result.err().map(|error| error.to_string()),
        () = &mut watch => Some("no answer to PING".to_owned()),
        () = shared.cancelled() => {
            shared.close();
            tokio::select! {
                biased;
                result = run => result.err().map(|error| error.to_string()),
                () = watch => Some("no answer to PING".to_owned()),
            }
        }
    }
}

fn poll_following_settings(
    http2: &mut client::Connection<Wire, Bytes>,
    cx: &mut Context<'_>,
    streams: &mut usize,
    shared: &Arc<Shared>,
    id: u64,
) -> Poll<Result<(), h2::Error>> {
    let polled = Pin::new(&mut *http2).poll(cx);
    let allowed = http2.max_concurrent_send_streams();
    if allowed != *streams {
        *streams = allowed;
        shared.allow(id, allowed);
    }
    polled
}

/// Returns when the peer is dead: silent, and a PING stays without an answer.
async fn watch(shared: &Arc<Shared>, id: u64, mut ping: PingPong, pulse: &Pulse) {
    let limits = shared.limits();
    let mut heard = pulse.beats();
    let mut silent_since = Instant::now();
    loop {
        let doubted = tokio::select! {
            () = pulse.doubt.notified() => true,
            () = sleep(limits.ping_after) => false,
        };
        let beats = pulse.beats();
        if beats != heard {
            heard = beats;
            silent_since = Instant::now();
        }
        let under_way = shared.under_way(id);
        if under_way == 0 && limits.idle.is_some_and(|idle| silent_since.elapsed() >= idle) {
            shared.retire(id);
        }
        let quiet = silent_since.elapsed() >= if under_way > 0 { limits.ping_after } else { limits.ping_after * 4 };
        if !doubted && !quiet {
            continue;
        }
        match timeout(limits.pong_within, ping.ping(Ping::opaque())).await {
            Ok(Ok(_)) => {}
            // the connection itself has ended and says so
            Ok(Err(_)) => std::future::pending().await,
            Err(_) => return,
        }
    }
}
