//! How a request can end without an answer.

use std::io;
use std::sync::Arc;
use std::time::Duration;

/// A request without an answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// No connection could be made.
    #[error("no connection: {0}")]
    Connect(Arc<ConnectError>),
    /// The last attempts to connect failed and the next one is not due yet.
    #[error("not connecting again for {left:?} after: {cause}")]
    BackingOff {
        /// Until the next attempt.
        left: Duration,
        /// What the last attempt suffered.
        cause: Arc<ConnectError>,
    },
    /// It waited for a stream until it was not to be started any more.
    #[error("it waited until it was not to be started any more")]
    Withheld,
    /// The deadline passed before a stream was free, with others under way.
    #[error("no stream was free before the deadline")]
    NoStream,
    /// The deadline passed before a connection was made.
    #[error("not connected before the deadline")]
    NoConnection,
    /// The peer said of each repeat that it had not looked at it (`REFUSED_STREAM`, or GOAWAY with an earlier last stream).
    #[error("the peer took no stream")]
    Refused,
    /// The pool is closing.
    #[error("shutting down")]
    ShuttingDown,
    /// The request cannot be put on the wire: a connection-specific header field, for one.
    #[error("the request is malformed")]
    Malformed,
    /// The deadline passed after the request was sent; its stream was reset.
    #[error("no answer before the deadline")]
    TimedOut,
    /// The peer reset the stream.
    #[error("the peer reset the stream: {0}")]
    Reset(h2::Reason),
    /// The connection ended with the request under way.
    #[error("the connection was lost")]
    Lost,
    /// The answer's body is larger than the pool takes.
    #[error("the answer is larger than {0} bytes")]
    AnswerTooLarge(usize),
}

impl Error {
    /// Whether the peer certainly did nothing with the request, so that a repeat cannot be a second one.
    pub fn is_certainly_unprocessed(&self) -> bool {
        match self {
            Self::Connect(_)
            | Self::BackingOff { .. }
            | Self::Withheld
            | Self::NoStream
            | Self::NoConnection
            | Self::Refused
            | Self::ShuttingDown
            | Self::Malformed => true,
            Self::TimedOut | Self::Reset(_) | Self::Lost | Self::AnswerTooLarge(_) => false,
        }
    }

    /// A word for it that is safe to store.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Connect(cause) | Self::BackingOff { cause, .. } => cause.word(),
            Self::Withheld => "withheld",
            Self::NoStream => "no stream before the deadline",
            Self::NoConnection => "not connected before the deadline",
            Self::Refused => "stream refused",
            Self::ShuttingDown => "shutting down",
            Self::Malformed => "malformed request",
            Self::TimedOut => "timeout",
            Self::Reset(_) => "stream reset",
            Self::Lost => "connection lost",
            Self::AnswerTooLarge(_) => "answer too large",
        }
    }
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The name did not resolve.
    #[error("the name did not resolve")]
    Resolve(#[source] io::Error),
    /// One of the name's addresses is not to be connected to.
    #[error("the name has an address that is not public")]
    Forbidden,
    /// No address answered.
    #[error("no address took the connection")]
    Tcp(#[source] io::Error),
    /// The proxy was reached and opened no tunnel.
    #[error("the proxy: {0}")]
    Proxy(#[source] io::Error),
    /// The proxy refused to open a tunnel: 407 where it wants other credentials.
    #[error("the proxy refused a tunnel with status {0}")]
    ProxyRefused(u16),
    /// The TLS handshake failed: certificate, name or protocol.
    #[error("TLS: {0}")]
    Tls(#[source] io::Error),
    /// The peer does not speak HTTP/2 (ALPN).
    #[error("the peer does not speak HTTP/2")]
    NotHttp2,
    /// The HTTP/2 preface failed.
    #[error("HTTP/2: {0}")]
    Http2(#[source] h2::Error),
    /// HTTP/1.1 could not be begun.
    #[error("HTTP/1.1: {0}")]
    Http1(#[source] hyper::Error),
    /// It took too long.
    #[error("not connected after {0:?}")]
    TimedOut(Duration),
    /// Connections were made, and ended before they carried an answer.
    #[error("the peer ends connections before it answers")]
    Barren,
}

impl ConnectError {
    fn word(&self) -> &'static str {
        match self {
            Self::Resolve(_) => "name not resolved",
            Self::Forbidden => "address forbidden",
            Self::Tcp(_) => "connection refused",
            Self::Proxy(_) => "proxy failed",
            Self::ProxyRefused(_) => "proxy refused",
            Self::Tls(_) => "TLS failed",
            Self::NotHttp2 => "no HTTP/2",
            Self::Http2(_) => "HTTP/2 failed",
            Self::Http1(_) => "HTTP/1.1 failed",
            Self::TimedOut(_) => "connect timeout",
            Self::Barren => "connection ended before an answer",
        }
    }
}
