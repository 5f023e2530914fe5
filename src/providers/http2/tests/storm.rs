//! Everything at once: whatever becomes of requests, their streams come back.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::providers::testing::{Reply, Server};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_stream_is_lost_in_a_storm() {
    let setup = Setup::new();
    let turn = AtomicUsize::new(0);
    let server = Server::start(&setup.authority, move |_| match turn.fetch_add(1, Ordering::Relaxed) % 11 {
        3 => Reply::Reset(h2::Reason::REFUSED_STREAM),
        5 => Reply::Reset(h2::Reason::INTERNAL_ERROR),
        7 => Reply::new(500, "x".repeat(2_000)),
        _ => Reply::ok(),
    })
    .await;
    let limits = Limits { connections: 2, streams: 10, answer_bytes: 1_000, ..Limits::default() };
    let pool = setup.pool(&server.url(), limits);
    let storm: Vec<_> = (0..3_000_u64)
        .map(|n| setup.send_within(&pool, Want::any(), if n % 5 == 0 { Duration::from_millis(n % 40) } else { LONG }))
        .collect();
    for (n, sending) in storm.into_iter().enumerate() {
        // every third caller goes away before its answer
        if n % 3 == 0 {
            drop(sending);
            continue;
        }
        let ended = sending.await.unwrap();
        let expected = match &ended {
            Ok(answer) => answer.status.is_success(),
            Err(Error::NoStream | Error::NoConnection | Error::TimedOut) => n % 5 == 0,
            Err(error) => matches!(error, Error::Reset(_) | Error::AnswerTooLarge(_) | Error::Refused),
        };
        assert!(expected, "{ended:?}");
    }
    // those who went away may still be on their way out
    while pool.streams_under_way() > 0 {
        tokio::task::yield_now().await;
    }
    let round: Vec<_> = (0..20).map(|_| setup.send(&pool)).collect();
    for sending in round {
        let ended = sending.await.unwrap();
        assert!(!matches!(ended, Err(Error::NoStream | Error::NoConnection | Error::TimedOut)), "{ended:?}");
    }
}
