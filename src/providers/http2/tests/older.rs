//! Peers that speak HTTP/1.1 only.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::providers::testing::{Http1Server, Reply, Server, Turn};

const OK: fn() -> Turn = || Turn::Answer(201, String::new());

/// Looks until it is so.
async fn until(what: impl Fn() -> bool) {
    let looking = async {
        while !what() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LONG, looking).await.unwrap();
}

#[tokio::test]
async fn a_connection_is_kept_for_the_next_request() {
    let setup = Setup::new();
    // named by ALPN, and by saying nothing
    for alpn in [&["http/1.1"][..], &[]] {
        let server = Http1Server::start(&setup.authority, alpn, |_| OK()).await;
        let pool = setup.older_pool(&server.url(), Limits::default());
        for _ in 0..3 {
            assert_eq!(ok(setup.send(&pool)).await.status, 201);
        }
        assert_eq!(server.opened(), 1);
        for seen in server.seen() {
            assert_eq!((seen.path.as_str(), seen.header("host")), ("/3/device/ab", server.url().strip_prefix("https://")));
            assert_eq!((seen.header("content-length"), &*seen.body), (Some("2"), b"{}".as_slice()));
        }
    }
}

#[tokio::test]
async fn http_2_is_spoken_where_it_can_be() {
    let setup = Setup::new();
    let server = Server::start(&setup.authority, |_| Reply::ok()).await;
    ok(setup.send(&setup.older_pool(&server.url(), Limits::default()))).await;
    let older = Http1Server::start(&setup.authority, &["http/1.1"], |_| OK()).await;
    let error = failed(setup.send(&setup.pool(&older.url(), Limits::default()))).await;
    assert!(matches!(&error, Error::Connect(cause) if matches!(**cause, ConnectError::Tls(_) | ConnectError::NotHttp2)), "{error:?}");
}

#[tokio::test]
async fn a_connection_carries_one_request_and_their_number_is_bounded() {
    let setup = Setup::new();
    let under_way = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&under_way);
    let server = Http1Server::start(&setup.authority, &["http/1.1"], move |_| {
        seen.fetch_add(1, Ordering::Relaxed);
        OK()
    })
    .await;
    let limits = Limits { http1_connections: 3, ..Limits::default() };
    let pool = setup.older_pool(&server.url(), limits);
    let sending: Vec<_> = (0..50).map(|_| setup.send(&pool)).collect();
    for sending in sending {
        ok(sending).await;
    }
    assert_eq!(under_way.load(Ordering::Relaxed), 50);
    assert!((1..=4).contains(&server.opened()), "{}", server.opened());
    assert!(server.seen().iter().map(|seen| seen.connection).collect::<HashSet<_>>().len() <= 4);
}

#[tokio::test]
async fn a_request_that_was_given_up_takes_its_connection_along() {
    let setup = Setup::new();
    let server = Http1Server::start(&setup.authority, &["http/1.1"], |seen| if seen.connection == 1 { Turn::Never } else { OK() }).await;
    let pool = setup.older_pool(&server.url(), Limits { connections: 1, http1_connections: 1, ..Limits::default() });
    let late = failed(setup.send_within(&pool, Want::any(), SHORT)).await;
    assert!(matches!(late, Error::TimedOut), "{late:?}");
    assert_eq!(ok(setup.send(&pool)).await.status, 201);
    assert_eq!(server.seen().iter().map(|seen| seen.connection).collect::<Vec<_>>(), [1, 2]);
    until(|| server.open() == 1).await;
}

#[tokio::test]
async fn a_connection_that_the_peer_closes_is_replaced() {
    let setup = Setup::new();
    let server = Http1Server::start(&setup.authority, &["http/1.1"], |_| Turn::AnswerAndClose(201)).await;
    let pool = setup.older_pool(&server.url(), Limits::default());
    for _ in 0..3 {
        assert_eq!(ok(setup.send(&pool)).await.status, 201);
    }
    assert_eq!(server.opened(), 3);
}

#[tokio::test]
async fn an_answer_beyond_the_limit_is_refused() {
    let setup = Setup::new();
    let server = Http1Server::start(&setup.authority, &["http/1.1"], |seen| {
        Turn::Answer(200, if seen.connection == 1 { "x".repeat(2_000) } else { String::new() })
    })
    .await;
    let pool = setup.older_pool(&server.url(), Limits { answer_bytes: 1_000, ..Limits::default() });
    let error = failed(setup.send(&pool)).await;
    assert!(matches!(error, Error::AnswerTooLarge(1_000)), "{error:?}");
    assert_eq!(ok(setup.send(&pool)).await.status, 200);
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let setup = Setup::new();
    let server = Http1Server::start(&setup.authority, &["http/1.1"], |_| OK()).await;
    let pool = setup.older_pool(&server.url(), Limits { idle: Some(SHORT), ..Limits::default() });
    ok(setup.send(&pool)).await;
    assert_eq!(server.open(), 1);
    until(|| server.open() == 0).await;
    ok(setup.send(&pool)).await;
    assert_eq!(server.opened(), 2);
}

#[tokio::test]
async fn the_end_of_the_pool_is_the_end_of_its_connections() {
    let setup = Setup::new();
    let server = Http1Server::start(&setup.authority, &["http/1.1"], |_| OK()).await;
    let pool = setup.older_pool(&server.url(), Limits::default());
    ok(setup.send(&pool)).await;
    drop(pool);
    until(|| server.open() == 0).await;
    setup.context.tasks.close();
    tokio::time::timeout(LONG, setup.context.tasks.wait()).await.unwrap();
}

/// A name with an address of ours is not connected to, and asking again at once resolves nothing.
#[tokio::test]
async fn only_the_public_internet_is_reached_where_that_is_asked_for() {
    let setup = Setup::new();
    let server = Http1Server::start(&setup.authority, &["http/1.1"], |_| OK()).await;
    let port = server.url().rsplit_once(':').unwrap().1.to_owned();
    for host in ["localhost", "127.0.0.1", "[::ffff:127.0.0.1]"] {
        let pool = setup.older_pool(&format!("https://{host}:{port}"), Limits { reach: Reach::Public, ..Limits::default() });
        for _ in 0..2 {
            let error = failed(setup.send(&pool)).await;
            let (Error::Connect(cause) | Error::BackingOff { cause, .. }) = &error else { panic!("{error:?}") };
            assert!(matches!(**cause, ConnectError::Forbidden), "{error:?}");
        }
    }
    assert_eq!(server.opened(), 0);
}
