//! The byte stream under a connection.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::connection::Pulse;

/// TCP, or TLS over it.
pub(super) trait Transport: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Transport for T {}

/// Counts reads, which are the peer's signs of life, and does not claim to write vectored.
///
/// With vectored writes h2 hands every body of 256 bytes or more to TLS apart from its frame header, and each push costs
/// a record and a system call of its own: 8.9 instead of 5.3 us.
pub(super) struct Wire {
    transport: Box<dyn Transport>,
    pulse: Arc<Pulse>,
}

impl Wire {
    pub(super) fn new(transport: Box<dyn Transport>, pulse: Arc<Pulse>) -> Self {
        Self { transport, pulse }
    }
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.transport).poll_read(cx, buf);
        if read.is_ready() {
            self.pulse.beat();
        }
        read
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.transport).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.transport).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.transport).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        false
    }
}
