//! Connections: opened as load asks, found dead, left alone, closed.

use super::peer::{Event, Peer};
use super::*;

#[tokio::test]
async fn more_waiting_than_the_connections_take_opens_others_up_to_the_limit() {
    let setup = Setup::new();
    let peer = Peer::bind(&setup.authority).await;
    let pool = setup.pool(&peer.url(), Limits { connections: 3, ..Limits::default() });
    let sendings: Vec<_> = (0..4).map(|_| setup.send(&pool)).collect();
    let mut links = Vec::new();
    for _ in 0..3 {
        let mut link = peer.accept(1).await;
        assert_eq!(link.request().await, 1);
        links.push(link);
    }
    for link in &mut links {
        link.answer(1).await;
    }
    // the fourth goes to whichever connection was free first
    let [a, b, c] = &mut links[..] else { panic!("three connections") };
    tokio::select! {
        stream = a.request() => a.answer(stream).await,
        stream = b.request() => b.answer(stream).await,
        stream = c.request() => c.answer(stream).await,
    }
    for sending in sendings {
        ok(sending).await;
    }
}

#[tokio::test]
async fn requests_spread_over_the_connections() {
    let setup = Setup::new();
    let peer = Peer::bind(&setup.authority).await;
    let pool = setup.pool(&peer.url(), Limits { connections: 2, ..Limits::default() });
    let first: Vec<_> = (0..2).map(|_| setup.send(&pool)).collect();
    let (mut a, mut b) = (peer.accept(1).await, peer.accept(1).await);
    assert_eq!((a.request().await, b.request().await), (1, 1));
    a.allow(100).await;
    b.allow(100).await;
    a.answer(1).await;
    b.answer(1).await;
    for sending in first {
        ok(sending).await;
    }
    let more: Vec<_> = (0..10).map(|_| setup.send(&pool)).collect();
    for _ in 0..5 {
        let (on_a, on_b) = (a.request().await, b.request().await);
        a.answer(on_a).await;
        b.answer(on_b).await;
    }
    for sending in more {
        ok(sending).await;
    }
}

#[tokio::test]
async fn an_origin_that_refuses_is_left_alone_for_a_while() {
    let setup = Setup::new();
    let address = Peer::bind(&setup.authority).await.address();
    let pool = setup.pool(&format!("https://{address}"), Limits::default());
    let error = failed(setup.send(&pool)).await;
    assert!(matches!(&error, Error::Connect(cause) if matches!(**cause, ConnectError::Tcp(_))), "{error:?}");
    assert!(error.is_certainly_unprocessed());
    let error = failed(setup.send(&pool)).await;
    assert!(matches!(error, Error::BackingOff { .. }), "{error:?}");
    assert!(error.is_certainly_unprocessed());
}

#[tokio::test]
async fn a_server_that_comes_back_is_found_again() {
    let setup = Setup::new();
    let peer = Peer::bind(&setup.authority).await;
    let (address, url) = (peer.address(), peer.url());
    let pool = setup.pool(&url, Limits::default());
    drop(setup.warm(&peer, &pool, 100).await);
    drop(peer);
    let error = loop {
        // the loss of the connection may be noticed by the first request or before it
        match failed(setup.send(&pool)).await {
            Error::Lost => {}
            error => break error,
        }
    };
    assert!(matches!(error, Error::Connect(_) | Error::BackingOff { .. }), "{error:?}");
    let peer = Peer::bind_to(address, &setup.authority, "h2").await;
    let sending = loop {
        let sending = setup.send(&pool);
        tokio::select! {
            mut link = peer.accept(100) => {
                link.request().await;
                link.answer(1).await;
                break sending;
            }
            () = async { while !sending.is_finished() { tokio::task::yield_now().await; } } => {}
        }
    };
    ok(sending).await;
}

#[tokio::test]
async fn connections_that_end_before_an_answer_are_not_made_without_end() {
    let setup = Setup::new();
    let peer = Peer::bind(&setup.authority).await;
    let pool = setup.pool(&peer.url(), one_connection());
    let sending = setup.send(&pool);
    for _ in 0..2 {
        let mut link = peer.accept(100).await;
        assert_eq!(link.request().await, 1);
        link.go_away(0).await;
        assert!(matches!(link.next().await, Event::GoAway | Event::End));
    }
    let error = failed(sending).await;
    assert!(
        matches!(&error, Error::BackingOff { cause, .. } | Error::Connect(cause) if matches!(**cause, ConnectError::Barren)),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_peer_that_hangs_up_during_tls_is_a_tls_fault() {
    let setup = Setup::new();
    let peer = Peer::bind(&setup.authority).await;
    let pool = setup.pool(&peer.url(), Limits::default());
    let sending = setup.send(&pool);
    peer.accept_and_cut().await;
    let error = failed(sending).await;
    assert!(matches!(&error, Error::Connect(cause) if matches!(**cause, ConnectError::Tls(_) | ConnectError::Tcp(_))), "{error:?}");
}

#[tokio::test]
async fn an_unknown_authority_and_another_protocol_are_refused() {
    let setup = Setup::new();
    for (authority, alpn) in [(&Authority::new(), "h2"), (&setup.authority, "http/1.1")] {
        let peer = Peer::bind_to("127.0.0.1:0".parse().unwrap(), authority, alpn).await;
        let pool = setup.pool(&peer.url(), Limits::default());
        let sending = setup.send(&pool);
        let handshake = setup.context.tasks.spawn(async move { peer.accept_and_fail().await });
        let error = failed(sending).await;
        assert!(matches!(&error, Error::Connect(cause) if matches!(**cause, ConnectError::Tls(_) | ConnectError::NotHttp2)), "{error:?}");
        handshake.await.unwrap();
    }
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_said_so() {
    let setup = Setup::new();
    let pool = setup.pool("https://herald.invalid", Limits::default());
    let error = failed(setup.send(&pool)).await;
    assert!(matches!(&error, Error::Connect(cause) if matches!(**cause, ConnectError::Resolve(_))), "{error:?}");
}

#[tokio::test]
async fn a_peer_without_settings_is_given_up() {
    let setup = Setup::new();
    let peer = Peer::bind(&setup.authority).await;
    let pool = setup.pool(&peer.url(), Limits { connect_within: SHORT, ..Limits::default() });
    let sending = setup.send(&pool);
    let link = peer.accept(0).await;
    let error = failed(sending).await;
    assert!(matches!(&error, Error::Connect(cause) if matches!(**cause, ConnectError::TimedOut(_))), "{error:?}");
    drop(link);
}

#[tokio::test]
async fn a_silent_connection_is_found_by_ping() {
    let setup = Setup::new();
    let peer = Peer::bind(&setup.authority).await;
    let pool = setup.pool(&peer.url(), Limits { ping_after: SHORT, pong_within: SHORT * 4, ..one_connection() });
    let sending = setup.send(&pool);
    let mut link = peer.accept(100).await;
    assert_eq!(link.request().await, 1);
    let Event::Ping(payload) = link.next().await else { panic!("no PING") };
    link.pong(payload).await;
    assert!(matches!(link.next().await, Event::Ping(_)), "alive, but the answer is still due");
    assert!(matches!(failed(sending).await, Error::Lost));
}

#[tokio::test]
async fn a_timeout_on_a_silent_connection_asks_at_once() {
    let setup = Setup::new();
    let peer = Peer::bind(&setup.authority).await;
    let pool = setup.pool(&peer.url(), Limits { pong_within: SHORT, ..one_connection() });
    let mut link = setup.warm(&peer, &pool, 100).await;
    let sending = setup.send_within(&pool, Want::any(), SHORT);
    let patient = setup.send(&pool);
    assert_eq!((link.request().await, link.request().await), (3, 5));
    assert!(matches!(failed(sending).await, Error::TimedOut));
    loop {
        match link.next().await {
            Event::Reset(..) => {}
            Event::Ping(_) => break,
            other => panic!("{other:?}"),
        }
    }
    assert!(matches!(failed(patient).await, Error::Lost));
}

#[tokio::test]
async fn a_fresh_connection_is_made_for_who_wants_one() {
    let setup = Setup::new();
    let peer = Peer::bind(&setup.authority).await;
    let pool = setup.pool(&peer.url(), one_connection());
    let _old = setup.warm(&peer, &pool, 100).await;
    let fresh = setup.send_within(&pool, Want::opened_after(Instant::now()), LONG);
    let mut new = peer.accept(100).await;
    assert_eq!(new.request().await, 1);
    new.answer(1).await;
    ok(fresh).await;
}

#[tokio::test]
async fn an_idle_connection_is_closed_where_that_is_wanted() {
    let setup = Setup::new();
    let peer = Peer::bind(&setup.authority).await;
    let pool = setup.pool(&peer.url(), Limits { ping_after: SHORT, idle: Some(SHORT), ..one_connection() });
    let mut link = setup.warm(&peer, &pool, 100).await;
    assert_eq!(link.next().await, Event::GoAway);
}

#[tokio::test]
async fn shutdown_lets_what_is_under_way_end_and_takes_nothing_new() {
    let setup = Setup::new();
    let peer = Peer::bind(&setup.authority).await;
    let pool = setup.pool(&peer.url(), one_connection());
    let (under_way, waiting) = (setup.send(&pool), setup.send(&pool));
    let mut link = peer.accept(1).await;
    assert_eq!(link.request().await, 1);
    setup.context.cancel.cancel();
    let error = failed(waiting).await;
    assert!(matches!(error, Error::ShuttingDown), "{error:?}");
    assert!(matches!(failed(setup.send(&pool)).await, Error::ShuttingDown));
    link.answer(1).await;
    ok(under_way).await;
    assert_eq!(link.next().await, Event::GoAway);
    drop(link);
    setup.context.tasks.close();
    setup.context.tasks.wait().await;
}

#[tokio::test]
async fn many_requests_at_once_are_all_answered() {
    let setup = Setup::new();
    let server = crate::providers::testing::Server::forgetful(&setup.authority).await;
    let pool = setup.pool(&server.url(), Limits::default());
    let sendings: Vec<_> = (0..5_000).map(|_| setup.send(&pool)).collect();
    for sending in sendings {
        assert_eq!(ok(sending).await.status.as_u16(), 200);
    }
    assert!(server.connections() <= 4);
}

#[tokio::test]
async fn a_pool_that_nobody_holds_any_more_closes_its_connections() {
    let setup = Setup::new();
    let peer = Peer::bind(&setup.authority).await;
    let pool = setup.pool(&peer.url(), one_connection());
    let mut link = setup.warm(&peer, &pool, 100).await;
    drop(pool);
    assert_eq!(link.next().await, Event::GoAway);
}

#[tokio::test]
async fn loopback_may_go_without_tls() {
    let setup = Setup::new();
    let peer = Peer::bind_plain().await;
    let pool = setup.pool(&format!("http://{}", peer.address()), one_connection());
    setup.warm(&peer, &pool, 100).await;
}
