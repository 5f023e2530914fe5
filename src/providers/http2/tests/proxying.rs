//! Through a proxy that opens tunnels, or does not.

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

use super::peer::Peer;
use super::*;
use crate::providers::Secret;

/// A proxy that takes connections one by one, as a test says.
struct TestProxy(TcpListener);

impl TestProxy {
    async fn bind() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    fn proxy(&self) -> Proxy {
        let url = format!("http://{}", self.0.local_addr().unwrap());
        Proxy::parse(&url, Some(Secret::new("me:secret".to_owned()))).unwrap()
    }

    /// Takes a connection and reads what it asks; answers `answer` and, if there is somewhere to go, tunnels.
    async fn take(&self, answer: &str, to: Option<std::net::SocketAddr>) -> (String, Option<AbortOnDropHandle<()>>) {
        let (mut client, _) = self.0.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(client.read_u8().await.unwrap());
        }
        client.write_all(answer.as_bytes()).await.unwrap();
        let tunnel = to.map(|to| {
            AbortOnDropHandle::new(tokio_util::task::TaskTracker::new().spawn(async move {
                let mut server = TcpStream::connect(to).await.unwrap();
                drop(copy_bidirectional(&mut client, &mut server).await);
            }))
        });
        (String::from_utf8(head).unwrap(), tunnel)
    }
}

fn pool_through(setup: &Setup, proxy: Proxy, url: &str) -> Pool {
    let tls = client_config(Some(setup.authority.path())).unwrap();
    Pool::through(Some(proxy), Origin::parse(url).unwrap(), tls, one_connection(), &setup.context)
}

#[tokio::test]
async fn requests_go_through_a_tunnel_with_tls_inside() {
    let setup = Setup::new();
    let (proxy, peer) = (TestProxy::bind().await, Peer::bind(&setup.authority).await);
    // a name that only the proxy needs to know
    let pool = pool_through(&setup, proxy.proxy(), &format!("https://localhost:{}", peer.address().port()));
    let sending = setup.send(&pool);
    let (asked, _tunnel) = proxy.take("HTTP/1.1 200 Connection established\r\nX-Proxy: y\r\n\r\n", Some(peer.address())).await;
    assert!(asked.starts_with(&format!("CONNECT localhost:{} HTTP/1.1\r\n", peer.address().port())), "{asked}");
    assert!(asked.contains("\r\nProxy-Authorization: Basic bWU6c2VjcmV0\r\n"), "{asked}");
    let mut link = peer.accept(100).await;
    assert_eq!(link.request().await, 1);
    link.answer(1).await;
    ok(sending).await;
}

#[tokio::test]
async fn a_proxy_that_refuses_or_is_none_is_said_so() {
    let setup = Setup::new();
    for (answer, is_refusal) in [("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", true), ("SSH-2.0-OpenSSH\r\n\r\n", false)] {
        let proxy = TestProxy::bind().await;
        let pool = pool_through(&setup, proxy.proxy(), "https://api.push.example");
        let sending = setup.send(&pool);
        proxy.take(answer, None).await;
        let error = failed(sending).await;
        assert!(error.is_certainly_unprocessed());
        assert!(
            matches!(&error, Error::Connect(cause) if match **cause {
                ConnectError::ProxyRefused(407) => is_refusal,
                ConnectError::Proxy(_) => !is_refusal,
                _ => false,
            }),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn a_proxy_that_says_nothing_is_given_up() {
    let setup = Setup::new();
    let proxy = TestProxy::bind().await;
    let tls = client_config(Some(setup.authority.path())).unwrap();
    let limits = Limits { connect_within: SHORT, ..one_connection() };
    let pool = Pool::through(Some(proxy.proxy()), Origin::parse("https://api.push.example").unwrap(), tls, limits, &setup.context);
    let sending = setup.send(&pool);
    let (_silent, _) = proxy.0.accept().await.unwrap();
    let error = failed(sending).await;
    assert!(matches!(&error, Error::Connect(cause) if matches!(**cause, ConnectError::TimedOut(_))), "{error:?}");
}
