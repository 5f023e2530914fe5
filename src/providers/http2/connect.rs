//! From a name to a connection that has heard the peer's SETTINGS.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use h2::client;
use rustls_pki_types::ServerName;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;

use super::connection::{Connection, Engine, Link, Mark, Pulse, Way};
use super::error::ConnectError;
use super::http1;
use super::shared::Shared;
use super::tls::offers_http1;
use super::wire::{Transport, Wire};

/// For one address, where there are others to try.
const ADDRESS_WITHIN: Duration = Duration::from_secs(3);
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

#[derive(Clone, Copy)]
enum Protocol {
    Http2,
    Http1,
}

async fn dial(shared: &Shared) -> Result<(Box<dyn Transport>, Protocol), ConnectError> {
    let origin = shared.origin();
    // resolved once: what was judged is what is connected to
    let found: Vec<_> = lookup_host((origin.host(), origin.port())).await.map_err(ConnectError::Resolve)?.collect();
    if !found.iter().all(|address| shared.limits().reach.allows(address.ip())) {
        return Err(ConnectError::Forbidden);
    }
    let tcp = dial_first(spread(found, shared.chance())).await.map_err(ConnectError::Tcp)?;
    tcp.set_nodelay(true).map_err(ConnectError::Tcp)?;
    if !origin.is_tls() {
        return Ok((Box::new(tcp), Protocol::Http2));
    }
    let name = ServerName::try_from(origin.host().to_owned()).map_err(|error| ConnectError::Tls(io::Error::other(error)))?;
    let tls = TlsConnector::from(Arc::clone(shared.tls())).connect(name, tcp).await.map_err(ConnectError::Tls)?;
    let protocol = match tls.get_ref().1.alpn_protocol() {
        Some(b"h2") => Protocol::Http2,
        // a peer without ALPN speaks the oldest that is offered
        Some(b"http/1.1") | None if offers_http1(shared.tls()) => Protocol::Http1,
        Some(_) | None => return Err(ConnectError::NotHttp2),
    };
    Ok((Box::new(tls), protocol))
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

/// The addresses with the resolver's preference of one family kept, and a random start within each: connections spread.
fn spread(addresses: Vec<SocketAddr>, chance: f64) -> Vec<SocketAddr> {
    let Some(first) = addresses.first().copied() else { return addresses };
    let (mut preferred, mut others): (Vec<_>, Vec<_>) = addresses.into_iter().partition(|address| address.is_ipv6() == first.is_ipv6());
    for family in [&mut preferred, &mut others] {
        let start = rotation(family.len(), chance);
        family.rotate_left(start);
    }
    preferred.append(&mut others);
    preferred
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a handful of addresses, and the result is clamped"
)]
fn rotation(addresses: usize, chance: f64) -> usize {
    ((addresses as f64 * chance) as usize).min(addresses.saturating_sub(1))
}

async fn dial_first(addresses: Vec<SocketAddr>) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "no address");
    let mut left = addresses.len();
    for address in addresses {
        left -= 1;
        let connect = TcpStream::connect(address);
        let result = if left == 0 {
            connect.await
        } else {
            timeout(ADDRESS_WITHIN, connect).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
        };
        match result {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_rotate_within_the_preferred_family() {
        let parse = |text: &str| text.split(' ').map(|a| a.parse().unwrap()).collect::<Vec<SocketAddr>>();
        let given = parse("[::1]:1 [::2]:1 [::3]:1 1.1.1.1:1 2.2.2.2:1");
        assert_eq!(spread(given.clone(), 0.0), given);
        assert_eq!(spread(given.clone(), 0.5), parse("[::2]:1 [::3]:1 [::1]:1 2.2.2.2:1 1.1.1.1:1"));
        assert_eq!(spread(given, 0.999), parse("[::3]:1 [::1]:1 [::2]:1 2.2.2.2:1 1.1.1.1:1"));
        assert!(spread(Vec::new(), 0.5).is_empty());
    }
}
