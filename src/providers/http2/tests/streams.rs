//! Streams: how many, how they end, what is repeated.

use super::peer::{CANCEL, Event, INTERNAL_ERROR, Peer, REFUSED_STREAM};
use super::*;

#[tokio::test]
async fn one_stream_at_a_time_until_the_peer_allows_more() {
    let setup = Setup::new();
    let peer = Peer::bind(&setup.authority).await;
    let pool = setup.pool(&peer.url(), one_connection());
    let (first, second, third) = (setup.send(&pool), setup.send(&pool), setup.send(&pool));
    let mut link = peer.accept(1).await;
    assert_eq!(link.request().await, 1);
    // a PING of ours would overtake nothing: the next frame is the second request only because the first was answered
    link.answer(1).await;
    ok(first).await;
    assert_eq!(link.request().await, 3);
    link.allow(100).await;
    assert_eq!(link.request().await, 5, "raised while a request is under way");
    link.answer(5).await;
    link.answer(3).await;
    ok(third).await;
    ok(second).await;
}

#[tokio::test]
async fn a_peer_may_begin_with_none_and_change_its_mind() {
    let setup = Setup::new();
    let peer = Peer::bind(&setup.authority).await;
    let pool = setup.pool(&peer.url(), one_connection());
    let first = setup.send(&pool);
    let mut link = peer.accept(0).await;
    link.allow(3).await;
    assert_eq!(link.request().await, 1, "not before it may");
    let (second, third) = (setup.send(&pool), setup.send(&pool));
    assert_eq!((link.request().await, link.request().await), (3, 5));
    // fewer than are open already: those go on, and nothing comes until all but none of them have ended
    link.allow(1).await;
    link.answer(1).await;
    ok(first).await;
    let (fourth, fifth) = (setup.send(&pool), setup.send(&pool));
    link.answer(3).await;
    ok(second).await;
    assert_eq!(pool.streams_under_way(), 1, "the third alone");
    link.answer(5).await;
    ok(third).await;
    assert_eq!(link.request().await, 7);
    assert_eq!(pool.streams_under_way(), 1);
    // none at all for a while
    link.allow(0).await;
    link.answer(7).await;
    ok(fourth).await;
    assert_eq!(pool.streams_under_way(), 0);
    link.allow(2).await;
    assert_eq!(link.request().await, 9);
    link.answer(9).await;
    ok(fifth).await;
}

#[tokio::test]
async fn those_who_wait_are_served_in_their_order() {
    let setup = Setup::new();
    let peer = Peer::bind(&setup.authority).await;
    let pool = setup.pool(&peer.url(), one_connection());
    let (finished, mut order) = tokio::sync::mpsc::unbounded_channel();
    let senders: Vec<_> = (0..50)
        .map(|n| {
            let (sending, finished) = (setup.send(&pool), finished.clone());
            AbortOnDropHandle::new(setup.context.tasks.spawn(async move {
                ok(sending).await;
                finished.send(n).unwrap();
            }))
        })
        .collect();
    let mut link = peer.accept(1).await;
    for n in 0..50 {
        let stream = link.request().await;
        link.answer(stream).await;
        assert_eq!(order.recv().await, Some(n));
    }
    drop(senders);
}

#[tokio::test]
async fn a_stalled_stream_times_out_alone_and_is_reset() {
    let setup = Setup::new();
    let peer = Peer::bind(&setup.authority).await;
    let pool = setup.pool(&peer.url(), one_connection());
    let mut link = setup.warm(&peer, &pool, 100).await;
    let stalled = setup.send_within(&pool, Want::any(), SHORT);
    assert_eq!(link.request().await, 3);
    let other = setup.send(&pool);
    assert_eq!(link.request().await, 5);
    assert!(matches!(failed(stalled).await, Error::TimedOut));
    assert_eq!(link.next_but_ping().await, Event::Reset(3, CANCEL));
    link.answer(5).await;
    ok(other).await;
}

#[tokio::test]
async fn waiting_for_a_stream_ends_at_the_deadline_and_nothing_was_sent() {
    let setup = Setup::new();
    let peer = Peer::bind(&setup.authority).await;
    let pool = setup.pool(&peer.url(), one_connection());
    let first = setup.send(&pool);
    let mut link = peer.accept(1).await;
    assert_eq!(link.request().await, 1);
    let error = failed(setup.send_within(&pool, Want::any(), SHORT)).await;
    assert!(matches!(error, Error::NoStream), "{error:?}");
    assert!(error.is_certainly_unprocessed());
    link.answer(1).await;
    ok(first).await;
    let next = setup.send(&pool);
    let stream = link.request().await;
    link.answer(stream).await;
    ok(next).await;
}

#[tokio::test]
async fn who_lacks_more_than_a_free_stream_is_told_so() {
    let setup = Setup::new();
    let peer = Peer::bind(&setup.authority).await;
    let pool = setup.pool(&peer.url(), one_connection());
    // nobody greets them
    let error = failed(setup.send_within(&pool, Want::any(), SHORT)).await;
    assert!(matches!(error, Error::NoConnection), "{error:?}");
    let peer = Peer::bind(&setup.authority).await;
    let pool = setup.pool(&peer.url(), one_connection());
    let mut link = setup.warm(&peer, &pool, 100).await;
    link.allow(0).await;
    loop {
        match failed(setup.send_within(&pool, Want::any(), SHORT)).await {
            Error::Refused => break,
            // it was quicker than the word that there are none any more
            Error::TimedOut => {}
            error => panic!("{error:?}"),
        }
    }
}

#[tokio::test]
async fn what_the_peer_had_not_looked_at_when_it_went_away_is_sent_again_elsewhere() {
    let setup = Setup::new();
    let peer = Peer::bind(&setup.authority).await;
    let pool = setup.pool(&peer.url(), one_connection());
    let first = setup.send(&pool);
    let mut old = peer.accept(100).await;
    assert_eq!(old.request().await, 1);
    let (second, third) = (setup.send(&pool), setup.send(&pool));
    assert_eq!((old.request().await, old.request().await), (3, 5));
    old.go_away(1).await;
    let mut new = peer.accept(100).await;
    assert_eq!((new.request().await, new.request().await), (1, 3));
    new.answer(1).await;
    new.answer(3).await;
    old.answer(1).await;
    for sending in [first, second, third] {
        ok(sending).await;
    }
}

#[tokio::test]
async fn a_connection_lost_with_requests_under_way_leaves_their_outcome_unknown() {
    let setup = Setup::new();
    let peer = Peer::bind(&setup.authority).await;
    let pool = setup.pool(&peer.url(), one_connection());
    let first = setup.send(&pool);
    let mut link = peer.accept(100).await;
    assert_eq!(link.request().await, 1);
    drop(link);
    let error = failed(first).await;
    assert!(matches!(error, Error::Lost), "{error:?}");
    assert!(!error.is_certainly_unprocessed());
    let next = setup.send(&pool);
    let mut link = peer.accept(100).await;
    assert_eq!(link.request().await, 1, "the request in doubt is not repeated");
    link.answer(1).await;
    ok(next).await;
}

#[tokio::test]
async fn a_refused_stream_is_sent_again_on_another_connection() {
    let setup = Setup::new();
    let peer = Peer::bind(&setup.authority).await;
    let pool = setup.pool(&peer.url(), Limits::default());
    let sending = setup.send(&pool);
    let mut first = peer.accept(100).await;
    assert_eq!(first.request().await, 1);
    first.reset(1, REFUSED_STREAM).await;
    let mut second = peer.accept(100).await;
    assert_eq!(second.request().await, 1);
    second.answer(1).await;
    ok(sending).await;
}

#[tokio::test]
async fn a_stream_that_is_always_refused_is_given_up() {
    let setup = Setup::new();
    let peer = Peer::bind(&setup.authority).await;
    let pool = setup.pool(&peer.url(), one_connection());
    let sending = setup.send(&pool);
    let mut link = peer.accept(100).await;
    for _ in 0..3 {
        let stream = link.request().await;
        link.reset(stream, REFUSED_STREAM).await;
    }
    let error = failed(sending).await;
    assert!(matches!(error, Error::Refused), "{error:?}");
    assert!(error.is_certainly_unprocessed());
}

#[tokio::test]
async fn a_reset_stream_is_not_repeated_and_harms_no_other() {
    let setup = Setup::new();
    let peer = Peer::bind(&setup.authority).await;
    let pool = setup.pool(&peer.url(), one_connection());
    let first = setup.send(&pool);
    let mut link = peer.accept(100).await;
    assert_eq!(link.request().await, 1);
    let second = setup.send(&pool);
    assert_eq!(link.request().await, 3);
    link.reset(1, INTERNAL_ERROR).await;
    link.answer(3).await;
    let error = failed(first).await;
    assert!(matches!(error, Error::Reset(h2::Reason::INTERNAL_ERROR)), "{error:?}");
    assert!(!error.is_certainly_unprocessed());
    ok(second).await;
}

#[tokio::test]
async fn a_body_comes_whole_and_has_a_limit() {
    let setup = Setup::new();
    let peer = Peer::bind(&setup.authority).await;
    let pool = setup.pool(&peer.url(), Limits { answer_bytes: 10, ..one_connection() });
    let whole = setup.send(&pool);
    let mut link = peer.accept(100).await;
    assert_eq!(link.request().await, 1);
    link.answer_with(1, &[b"one ", b"two ", b"3."]).await;
    let answer = ok(whole).await;
    assert_eq!((answer.status.as_u16(), &answer.body[..]), (200, &b"one two 3."[..]));
    let large = setup.send(&pool);
    assert_eq!(link.request().await, 3);
    link.answer_with(3, &[b"one ", b"two ", b"3.."]).await;
    assert!(matches!(failed(large).await, Error::AnswerTooLarge(10)));
}

#[tokio::test]
async fn a_body_that_does_not_end_times_out() {
    let setup = Setup::new();
    let peer = Peer::bind(&setup.authority).await;
    let pool = setup.pool(&peer.url(), one_connection());
    let mut link = setup.warm(&peer, &pool, 100).await;
    let sending = setup.send_within(&pool, Want::any(), SHORT);
    let stream = link.request().await;
    link.begin_answer(stream).await;
    assert!(matches!(failed(sending).await, Error::TimedOut));
}

#[tokio::test]
async fn late_frames_of_streams_that_timed_out_do_not_end_the_connection() {
    let setup = Setup::new();
    let peer = Peer::bind(&setup.authority).await;
    let pool = setup.pool(&peer.url(), one_connection());
    let mut link = setup.warm(&peer, &pool, 500).await;
    let stalled: Vec<_> = (0..300).map(|_| setup.send_within(&pool, Want::any(), SHORT * 4)).collect();
    let mut streams = Vec::new();
    for _ in 0..300 {
        streams.push(link.request().await);
    }
    for sending in stalled {
        assert!(matches!(failed(sending).await, Error::TimedOut));
    }
    for _ in 0..300 {
        assert!(matches!(link.next_but_ping().await, Event::Reset(_, CANCEL)));
    }
    for stream in streams {
        link.answer(stream).await;
    }
    let next = setup.send(&pool);
    let stream = link.request().await;
    link.answer(stream).await;
    ok(next).await;
}

#[tokio::test]
async fn a_request_that_http2_forbids_is_malformed_and_not_sent() {
    let setup = Setup::new();
    let server = crate::providers::testing::Server::forgetful(&setup.authority).await;
    let pool = setup.pool(&server.url(), Limits::default());
    let uri = pool.origin().uri("/".parse().unwrap()).unwrap();
    let head = || Some(Request::builder().uri(uri.clone()).header("connection", "close").body(()).unwrap());
    let error = pool.send(head, Bytes::new(), Want::any(), Instant::now() + LONG).await.unwrap_err();
    assert!(matches!(error, Error::Malformed), "{error:?}");
}
