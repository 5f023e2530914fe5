//! From a name to a byte stream: asked of the resolver anew each time, and tried over all its addresses.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use rustls_pki_types::ServerName;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::sleep;
use tokio_rustls::TlsConnector;

use super::error::ConnectError;
use super::reach::Reach;
use super::shared::Shared;
use super::tls::offers_http1;
use super::wire::Transport;

/// An address that has not answered for this long is tried together with the next ("Happy Eyeballs", RFC 8305, section 5).
const NEXT_AFTER: Duration = Duration::from_millis(250);

/// What a peer speaks.
#[derive(Clone, Copy)]
pub(super) enum Protocol {
    Http2,
    Http1,
}

/// A stream to the pool's origin, and what is spoken on it: TCP, through the proxy if there is one, and TLS.
pub(super) async fn dial(shared: &Shared) -> Result<(Box<dyn Transport>, Protocol), ConnectError> {
    let origin = shared.origin();
    let tcp = match shared.proxy() {
        None => connect((origin.host(), origin.port()), shared.limits().reach, shared.chance()).await?,
        // the proxy is the operator's own, and asks for the origin's addresses
        Some(proxy) => proxy.tunnel(connect(proxy.address(), Reach::Anywhere, shared.chance()).await?, origin).await?,
    };
    if !origin.is_tls() {
        // nothing is agreed on: as with a peer without ALPN
        let protocol = if offers_http1(shared.tls()) { Protocol::Http1 } else { Protocol::Http2 };
        return Ok((Box::new(tcp), protocol));
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

async fn connect(to: (&str, u16), reach: Reach, chance: f64) -> Result<TcpStream, ConnectError> {
    // resolved once: what was judged is what is connected to
    let found: Vec<_> = lookup_host(to).await.map_err(ConnectError::Resolve)?.collect();
    if !found.iter().all(|address| reach.allows(address.ip())) {
        return Err(ConnectError::Forbidden);
    }
    let tcp = race(spread(found, chance)).await.map_err(ConnectError::Tcp)?;
    tcp.set_nodelay(true).map_err(ConnectError::Tcp)?;
    Ok(tcp)
}

/// The families in turns, the resolver's preferred one first, and a random start within each: connections spread.
fn spread(addresses: Vec<SocketAddr>, chance: f64) -> Vec<SocketAddr> {
    let Some(first) = addresses.first().copied() else { return addresses };
    let (mut preferred, mut others): (Vec<_>, Vec<_>) = addresses.into_iter().partition(|address| address.is_ipv6() == first.is_ipv6());
    for family in [&mut preferred, &mut others] {
        let start = rotation(family.len(), chance);
        family.rotate_left(start);
    }
    let (mut preferred, mut others) = (preferred.into_iter(), others.into_iter());
    let mut turns = Vec::new();
    loop {
        let before = turns.len();
        turns.extend(preferred.next());
        turns.extend(others.next());
        if turns.len() == before {
            return turns;
        }
    }
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

/// The first address that answers. Each is given a head start over the next; one that fails makes way at once.
async fn race(addresses: Vec<SocketAddr>) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "no address");
    let mut trying = FuturesUnordered::new();
    for address in addresses {
        trying.push(TcpStream::connect(address));
        tokio::select! {
            Some(result) = trying.next() => match result {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error,
            },
            () = sleep(NEXT_AFTER) => {}
        }
    }
    while let Some(result) = trying.next().await {
        match result {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[test]
    fn families_take_turns_and_addresses_rotate_within_each() {
        let parse = |text: &str| text.split(' ').map(|a| a.parse().unwrap()).collect::<Vec<SocketAddr>>();
        let given = parse("[::1]:1 [::2]:1 [::3]:1 1.1.1.1:1 2.2.2.2:1");
        assert_eq!(spread(given.clone(), 0.0), parse("[::1]:1 1.1.1.1:1 [::2]:1 2.2.2.2:1 [::3]:1"));
        assert_eq!(spread(given.clone(), 0.5), parse("[::2]:1 2.2.2.2:1 [::3]:1 1.1.1.1:1 [::1]:1"));
        assert_eq!(spread(given, 0.999), parse("[::3]:1 2.2.2.2:1 [::1]:1 1.1.1.1:1 [::2]:1"));
        assert_eq!(spread(parse("1.1.1.1:1 [::1]:1"), 0.0), parse("1.1.1.1:1 [::1]:1"), "the resolver prefers");
        assert!(spread(Vec::new(), 0.5).is_empty());
    }

    /// A listener whose queue is full: connecting to it gets no answer.
    async fn black_hole() -> (Vec<TcpStream>, TcpListener, SocketAddr) {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(1).unwrap();
        let address = listener.local_addr().unwrap();
        let mut queued = Vec::new();
        while let Ok(Ok(stream)) = tokio::time::timeout(NEXT_AFTER, TcpStream::connect(address)).await {
            queued.push(stream);
        }
        (queued, listener, address)
    }

    #[tokio::test]
    async fn a_dead_address_holds_nobody_up() {
        let alive = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let good = alive.local_addr().unwrap();
        let refusing = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let (_queued, _listener, silent) = black_hole().await;
        for addresses in [vec![refusing, good], vec![silent, good], vec![silent, refusing, silent, good], vec![good, silent]] {
            assert_eq!(race(addresses.clone()).await.unwrap().peer_addr().unwrap(), good, "{addresses:?}");
        }
        assert_eq!(race(vec![refusing, refusing]).await.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        assert_eq!(race(Vec::new()).await.unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
