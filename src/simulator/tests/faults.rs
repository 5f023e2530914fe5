//! Scripts and faults of streams and connections.

use std::time::Duration;

use futures_util::FutureExt;

use super::*;

/// Connections that allow many streams at once: the faults are what is tried here.
async fn start() -> Bench {
    Bench::with(|options| options.first_streams = options.apns_streams).await
}

#[tokio::test]
async fn a_script_answers_as_given_its_times() {
    let bench = start().await;
    bench.rules(&json!([
        {"provider": "apns", "token_prefix": "dead", "times": 1,
         "respond": {"status": 410, "reason": "ExpiredToken", "timestamp": 17}},
        {"provider": "apns", "token_prefix": "a1", "times": 1,
         "respond": {"status": 503, "retry_after": 7}},
        {"provider": "fcm", "respond": {"status": 500}},
    ]));
    let client = bench.apns().await;
    let send = async |prefix| send_push(&bench, &client, &token(prefix), "n1").await.unwrap();
    let answer = send("dead0").await;
    let expected = json!({"reason": "ExpiredToken", "timestamp": 17});
    assert_eq!((answer.status, answer.json()), (410, expected));
    assert_eq!(send("dead0").await.json()["reason"], "Unregistered");
    let answer = send("a1").await;
    assert_eq!((answer.status, answer.json()), (503, json!({})));
    assert_eq!(answer.headers["retry-after"], "7");
    assert_eq!(send("a1").await.status, 200);
    bench.stop().await;
}

#[tokio::test]
async fn a_goaway_names_the_stream_before_as_last() {
    let bench = start().await;
    let client = bench.apns().await;
    let send = async |prefix| send_push(&bench, &client, &token(prefix), "n1").await;
    assert_eq!(send("a1").await.unwrap().status, 200);
    bench.rules(&json!([
        {"token_prefix": "b1", "delay_ms": 100},
        {"token_prefix": "c1", "fault": "goaway"},
    ]));
    let (slow, (cut, late)) = futures_util::future::join(send("b1"), futures_util::future::join(send("c1"), send("d1"))).await;
    assert_eq!(slow.unwrap().status, 200, "a stream before is answered");
    assert_eq!(cut.unwrap_err(), Failure::Unprocessed);
    assert_eq!(late.unwrap_err(), Failure::Unprocessed);
    client.closed().await.unwrap();
    assert_eq!(bench.simulator.stats().received, 2, "nothing else is booked");
    let again = bench.apns().await;
    let answer = send_push(&bench, &again, &token("d1"), "n1").await.unwrap();
    assert_eq!(answer.status, 200);
    bench.stop().await;
}

#[tokio::test]
async fn a_goaway_closes_a_connection_that_the_client_keeps() {
    let bench = start().await;
    let client = bench.apns().await;
    bench.rules(&json!([{"fault": "goaway", "times": 1}]));
    let cut = send_push(&bench, &client, &token("a1"), "n1").await;
    assert_eq!(cut.unwrap_err(), Failure::Unprocessed);
    drop(client.closed().await);
    bench.stop().await;
}

#[tokio::test]
async fn a_reset_ends_one_stream() {
    let bench = start().await;
    let client = bench.apns().await;
    bench.rules(&json!([{"fault": "reset", "times": 1}]));
    let cut = send_push(&bench, &client, &token("a1"), "n1").await;
    assert_eq!(cut.unwrap_err(), Failure::Reset(h2::Reason::INTERNAL_ERROR));
    assert_eq!(bench.simulator.stats().received, 0);
    let answer = send_push(&bench, &client, &token("a1"), "n1").await.unwrap();
    assert_eq!(answer.status, 200);
    bench.stop().await;
}

#[tokio::test]
async fn a_connection_is_reset() {
    let bench = start().await;
    let client = bench.apns().await;
    bench.rules(&json!([{"fault": "reset_connection", "times": 1}]));
    let cut = send_push(&bench, &client, &token("a1"), "n1").await;
    assert_eq!(cut.unwrap_err(), Failure::Broken);
    assert_eq!(client.closed().await, Err(Failure::Broken));
    assert_eq!(bench.simulator.stats().received, 0);
    bench.stop().await;
}

#[tokio::test]
async fn a_stall_books_and_never_answers() {
    let bench = start().await;
    let client = bench.apns().await;
    let device = token("ffff1");
    let request = push(&bench, &device).body(()).unwrap();
    let stalled = client.begin(request, alert("n1")).await.unwrap();
    // requests of a connection are answered in turn
    let next = send_push(&bench, &client, &token("a1"), "n1").await;
    assert_eq!(next.unwrap().status, 200);
    assert!(stalled.now_or_never().is_none(), "there is no answer");
    let pushes = bench.simulator.pushes(Some(&device));
    assert_eq!(pushes.len(), 1);
    assert_eq!(pushes[0].status, None);
    let stats = bench.simulator.stats();
    assert_eq!((stats.received, stats.accepted), (2, 2));
    assert_eq!(stats.by_status.values().sum::<u64>(), 1);

    let answer = send_push(&bench, &client, &device, "n1").await.unwrap();
    assert_eq!(answer.status, 200, "the connection goes on");
    assert_eq!(bench.simulator.stats().repeats, 1);
    bench.stop().await;
}

#[tokio::test]
async fn a_delayed_push_is_booked_when_it_is_answered() {
    let bench = start().await;
    let client = bench.apns().await;
    bench.rules(&json!([{"token_prefix": "a1", "delay_ms": 500}]));
    let begun = tokio::time::Instant::now();
    let device = token("a1");
    let request = push(&bench, &device).body(()).unwrap();
    let slow = client.begin(request, alert("n1")).await.unwrap();
    let quick = send_push(&bench, &client, &token("b1"), "n2").await.unwrap();
    assert_eq!(quick.status, 200);
    assert!(bench.simulator.pushes(Some(&device)).is_empty());
    assert_eq!(slow.await.unwrap().status, 200);
    assert!(begun.elapsed() >= Duration::from_millis(500));
    assert_eq!(bench.simulator.pushes(Some(&device)).len(), 1);
    bench.stop().await;
}

#[tokio::test]
async fn a_delayed_push_that_is_given_up_is_not_booked() {
    let bench = start().await;
    let client = bench.apns().await;
    bench.rules(&json!([
        {"token_prefix": "a1", "delay_ms": 50},
        {"token_prefix": "c1", "delay_ms": 100},
    ]));
    let request = push(&bench, &token("a1")).body(()).unwrap();
    let slow = client.begin(request, alert("n1")).await.unwrap();
    let answer = send_push(&bench, &client, &token("b1"), "n2").await.unwrap();
    assert_eq!(answer.status, 200, "the slow one has been read");
    drop(slow);
    let answer = send_push(&bench, &client, &token("c1"), "n3").await.unwrap();
    assert_eq!(answer.status, 200, "the slow one's time has come before");
    let stats = bench.simulator.stats();
    assert_eq!((stats.received, stats.accepted), (3, 2));
    bench.stop().await;
}
