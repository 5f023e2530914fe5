//! The body of a request over HTTP/2, read whole.

use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use h2::RecvStream;

/// Bodies are cut here: every look-alike refuses them long before.
pub(super) const MAX_BODY: usize = 64 * 1024;

/// A body on its way.
pub(super) struct Body {
    stream: RecvStream,
    first: Bytes,
    more: BytesMut,
}

impl Body {
    pub(super) fn new(stream: RecvStream) -> Self {
        Self { stream, first: Bytes::new(), more: BytesMut::new() }
    }

    /// Reads to the end or to [`MAX_BODY`]. A body of one frame is not copied.
    pub(super) fn poll_whole(&mut self, cx: &mut Context<'_>) -> Poll<Result<Bytes, h2::Error>> {
        while !self.stream.is_end_stream() && self.more.len() <= MAX_BODY {
            let Some(chunk) = ready!(self.stream.poll_data(cx)).transpose()? else {
                break;
            };
            self.stream.flow_control().release_capacity(chunk.len())?;
            if self.first.is_empty() {
                self.first = chunk;
            } else {
                if self.more.is_empty() {
                    self.more.extend_from_slice(&self.first);
                }
                self.more.extend_from_slice(&chunk);
            }
        }
        if self.more.is_empty() {
            return Poll::Ready(Ok(std::mem::take(&mut self.first)));
        }
        Poll::Ready(Ok(self.more.split().freeze()))
    }
}
