//! The bytes beneath an HTTP/2 connection, where the look-alikes do what no HTTP/2 library lets
//! a server do: name a last stream of their own in a GOAWAY, reset the TCP connection, and begin
//! with fewer streams than they allow later.
//!
//! The library below is told the later number of streams; the first SETTINGS are rewritten to the
//! smaller one, and a second SETTINGS frame (which the library sends on request, with a window
//! size that does not change) is rewritten to carry the later one. The library refuses what goes
//! beyond its own number, the connection's task what goes beyond the first.
//!
//! It also answers that it writes no vectors: with them the library sends a TLS record of its
//! own for every body of 256 bytes or more.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::frames::{Position, goaway, is_settings, rewrite_setting};

const MAX_CONCURRENT_STREAMS: u16 = 3;
const INITIAL_WINDOW_SIZE: u16 = 4;

/// What a connection's task asks of its wire.
#[derive(Debug, Default)]
pub(super) struct Orders {
    /// One more than the last stream to name in a GOAWAY; 0 for none.
    goaway: AtomicU64,
    /// Streams to announce in the next SETTINGS; 0 for none.
    raise: AtomicU32,
    reset: AtomicBool,
}

impl Orders {
    /// Sends a GOAWAY that names `last` before the next frame.
    pub(super) fn go_away(&self, last: u32) {
        self.goaway.store(u64::from(last) + 1, Ordering::Relaxed);
    }

    /// Announces `streams` in the next SETTINGS frame.
    pub(super) fn raise(&self, streams: u32) {
        self.raise.store(streams, Ordering::Relaxed);
    }

    /// Resets the TCP connection at the next read or write.
    pub(super) fn reset_connection(&self) {
        self.reset.store(true, Ordering::Relaxed);
    }

    /// The last stream to name in a GOAWAY, once.
    fn take_goaway(&self) -> Option<u32> {
        let order = self.goaway.swap(0, Ordering::Relaxed).checked_sub(1)?;
        u32::try_from(order).ok()
    }
}

/// A TLS stream that carries out [`Orders`].
pub(super) struct Wire {
    io: TlsStream<TcpStream>,
    orders: Arc<Orders>,
    /// Written before anything else: rewritten or inserted frames.
    pending: Vec<u8>,
    position: Position,
    rewriting: Rewriting,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Rewriting {
    /// The first SETTINGS are to announce this many streams.
    First(u32),
    /// A later SETTINGS frame is to announce more.
    Raise,
    /// Nothing more is rewritten.
    Done,
}

impl Wire {
    /// A wire that announces `first` streams and, when ordered to, more; with `None` it leaves
    /// the SETTINGS as they are.
    pub(super) fn new(io: TlsStream<TcpStream>, orders: Arc<Orders>, first: Option<u32>) -> Self {
        Self { io, orders, pending: Vec::new(), position: Position::default(), rewriting: first.map_or(Rewriting::Done, Rewriting::First) }
    }

    fn fail_if_reset(&self) -> io::Result<()> {
        if !self.orders.reset.load(Ordering::Relaxed) {
            return Ok(());
        }
        self.io.get_ref().0.set_zero_linger()?;
        Err(io::ErrorKind::ConnectionReset.into())
    }

    /// Queues the GOAWAY that was ordered, if the last frame has been written whole.
    fn insert(&mut self) {
        if self.position.is_between_frames()
            && let Some(last) = self.orders.take_goaway()
        {
            self.pending.extend_from_slice(&goaway(last));
        }
    }

    /// Queues `bytes` with their SETTINGS rewritten.
    fn rewrite(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while let Some((frame, after)) = self.position.split(rest) {
            let start = self.pending.len();
            self.pending.extend_from_slice(frame);
            rest = after;
            let Some(frame) = self.pending.get_mut(start..) else {
                continue;
            };
            if !is_settings(frame) {
                continue;
            }
            match self.rewriting {
                Rewriting::First(streams) => {
                    let from = MAX_CONCURRENT_STREAMS;
                    rewrite_setting(frame, from, MAX_CONCURRENT_STREAMS, streams);
                    self.rewriting = Rewriting::Raise;
                }
                Rewriting::Raise => {
                    let streams = self.orders.raise.swap(0, Ordering::Relaxed);
                    rewrite_setting(frame, INITIAL_WINDOW_SIZE, MAX_CONCURRENT_STREAMS, streams);
                    self.rewriting = Rewriting::Done;
                }
                Rewriting::Done => {}
            }
        }
    }

    fn poll_pending(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.pending.is_empty() {
            let written = ready!(Pin::new(&mut self.io).poll_write(cx, &self.pending))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.pending.drain(..written);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.fail_if_reset()?;
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.fail_if_reset()?;
        self.insert();
        ready!(self.poll_pending(cx))?;
        if self.rewriting != Rewriting::Done {
            self.rewrite(bytes);
            return Poll::Ready(Ok(bytes.len()));
        }
        let written = ready!(Pin::new(&mut self.io).poll_write(cx, bytes))?;
        self.position.advance(bytes.get(..written).unwrap_or(bytes));
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.fail_if_reset()?;
        self.insert();
        ready!(self.poll_pending(cx))?;
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_pending(cx))?;
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
