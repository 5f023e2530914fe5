//! From a byte stream to a connection that has heard the peer's SETTINGS.

use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use h2::client;
use tokio::time::{Instant, timeout};

use super::connection::{Connection, Engine, Link, Mark, Pulse, Way};
use super::dial::{Protocol, dial};
use super::error::ConnectError;
use super::http1;
use super::shared::Shared;
use super::wire::Wire;

/// Streams reset by us of which late frames are still ignored: as many as may time out at once.
const RESET_STREAMS: usize = 1024;
/// For how long.
const RESET_STREAMS_FOR: Duration = Duration::from_secs(30);
/// The peer's header lists, in bytes.
const HEADER_BYTES: u32 = 16 * 1024;
/// All answers on one connection together, in bytes.
const WINDOW_BYTES: u32 = 1024 * 1024;

/// Makes a connection: name, TCP, TLS, HTTP/2, within the pool's limit.
pub(super) async fn open(shared: &Shared, id: u64) -> Result<(Connection, Link), ConnectError> {
    let within = shared.limits().connect_within;
    let pulse = Arc::new(Pulse::default());
    let open = async {
        let (transport, protocol) = dial(shared).await?;
        greet(Wire::new(transport, Arc::clone(&pulse)), protocol).await
    };
    let (way, engine, streams) = timeout(within, open).await.map_err(|_| ConnectError::TimedOut(within))??;
    let mark = Mark { id, opened_at: Instant::now() };
    tracing::debug!(origin = %shared.origin(), connection.id = id, streams, "connected");
    Ok((Connection { mark, way, pulse: Arc::clone(&pulse) }, Link { id, engine, pulse, streams }))
}

async fn greet(wire: Wire, protocol: Protocol) -> Result<(Way, Engine, usize), ConnectError> {
    match protocol {
        Protocol::Http2 => {
            let (sender, mut http2) = greet_http2(wire).await?;
            let ping = http2.ping_pong().ok_or(ConnectError::NotHttp2)?;
            let streams = http2.max_concurrent_send_streams();
            Ok((Way::Streams(sender), Engine::Http2(Box::new(http2), ping), streams))
        }
        Protocol::Http1 => {
            let (turn, link) = http1::begin(wire).await?;
            Ok((Way::Turns(turn), Engine::Http1(Box::new(link)), 1))
        }
    }
}

type Http2 = (client::SendRequest<Bytes>, client::Connection<Wire, Bytes>);

/// Exchanges prefaces. Until the peer's SETTINGS are there nobody knows how many streams it takes: APNs begins with one.
async fn greet_http2(wire: Wire) -> Result<Http2, ConnectError> {
    let (sender, mut http2) = client::Builder::new()
        .enable_push(false)
        .initial_max_send_streams(0)
        .initial_connection_window_size(WINDOW_BYTES)
        .max_header_list_size(HEADER_BYTES)
        .max_concurrent_reset_streams(RESET_STREAMS)
        .reset_stream_duration(RESET_STREAMS_FOR)
        .handshake(wire)
        .await
        .map_err(ConnectError::Http2)?;
    std::future::poll_fn(|cx| match Pin::new(&mut http2).poll(cx) {
        Poll::Ready(Ok(())) => Poll::Ready(Err(ConnectError::Barren)),
        Poll::Ready(Err(error)) => Poll::Ready(Err(ConnectError::Http2(error))),
        Poll::Pending if http2.max_concurrent_send_streams() > 0 => Poll::Ready(Ok(())),
        Poll::Pending => Poll::Pending,
    })
    .await?;
    Ok((sender, http2))
}
