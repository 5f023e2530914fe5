//! How many streams a connection allows, and large bodies.

use futures_util::future::join_all;

use super::*;

#[tokio::test]
async fn a_connection_allows_one_stream_until_its_first_valid_token() {
    let bench = Bench::start().await;
    let client = bench.apns().await;
    let mut invalid = push(&bench, &token("a1")).body(()).unwrap();
    invalid.headers_mut().insert("authorization", "bearer x".parse().unwrap());
    let answer = client.send(invalid, alert("n1")).await.unwrap();
    assert_eq!(answer.status, 403);
    assert_eq!(client.streams(), 1);

    let answer = send_push(&bench, &client, &token("a1"), "n1").await.unwrap();
    assert_eq!(answer.status, 200);
    // the SETTINGS were written with the answer or are written before the next one
    let answer = send_push(&bench, &client, &token("a1"), "n2").await.unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(client.streams(), 1000);

    let pushes = (0..500).map(|n| {
        let (bench, client) = (&bench, &client);
        async move {
            let id = format!("m{n}");
            send_push(bench, client, &token("a1"), &id).await.unwrap().status
        }
    });
    assert!(join_all(pushes).await.iter().all(|status| *status == 200));
    assert_eq!(bench.simulator.stats().repeats, 0);
    bench.stop().await;
}

#[tokio::test]
async fn streams_beyond_the_first_are_refused_unprocessed() {
    let bench = Bench::start().await;
    let client = bench.apns().await;
    // all are sent before the client has read the server's SETTINGS
    let mut begun = Vec::new();
    for _ in 0..10 {
        let request = push(&bench, &token("a1")).body(()).unwrap();
        begun.push(client.begin(request, alert("n1")).await.unwrap());
    }
    let ends = join_all(begun).await;
    let refused = |end: &Result<Answer, Failure>| matches!(end, Err(Failure::Reset(h2::Reason::REFUSED_STREAM)));
    let accepted = ends.iter().filter(|end| end.is_ok()).count() as u64;
    assert!(accepted >= 1);
    assert!(ends.iter().all(|end| end.is_ok() || refused(end)));
    assert_eq!(bench.simulator.stats().received, accepted);
    bench.stop().await;
}

#[tokio::test]
async fn the_first_number_of_streams_is_an_option() {
    let bench = Bench::with(|options| options.first_streams = 1000).await;
    let client = bench.apns().await;
    let answer = send_push(&bench, &client, &token("a1"), "n1").await.unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(client.streams(), 1000);
    bench.stop().await;
}

#[tokio::test]
async fn a_body_of_many_frames_is_read_and_a_huge_one_is_refused() {
    let bench = Bench::start().await;
    let client = bench.apns().await;
    for size in [40_000, 200_000] {
        let request = push(&bench, &token("a1")).body(()).unwrap();
        let body = json!({"aps": {"alert": "x".repeat(size)}}).to_string();
        let end = client.send(request, body).await;
        let answer = end.unwrap();
        assert_eq!(answer.json(), json!({"reason": "PayloadTooLarge"}), "{size}");
    }
    bench.stop().await;
}

#[tokio::test]
async fn only_the_newest_pushes_are_kept_whole() {
    let bench = Bench::with(|options| options.kept_pushes = 3).await;
    let client = bench.apns().await;
    for n in 0..5 {
        let answer = send_push(&bench, &client, &token("a1"), &n.to_string()).await.unwrap();
        assert_eq!(answer.status, 200);
    }
    let pushes = bench.simulator.pushes(None);
    let first: Value = serde_json::from_str(pushes[0].body.get()).unwrap();
    assert_eq!((pushes.len(), &first["herald_id"]), (3, &json!("2")));
    assert_eq!(bench.simulator.stats().accepted, 5);
    bench.stop().await;
}
