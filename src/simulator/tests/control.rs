//! The control view.

use axum::body::Body;
use http_body_util::BodyExt;
use tower::ServiceExt;

use super::*;

async fn call(bench: &Bench, method: &str, path: &str, body: &str) -> (u16, Value) {
    let request = http::Request::builder().method(method).uri(path).body(Body::from(body.to_owned())).unwrap();
    let router = bench.simulator.control_router();
    let answer = router.oneshot(request).await.unwrap();
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

#[tokio::test]
async fn views_show_pushes_and_counters() {
    let bench = Bench::start().await;
    let client = bench.apns().await;
    let (alive, dead) = (token("a1"), token("dead0"));
    for device in [&alive, &dead] {
        send_push(&bench, &client, device, "n1").await.unwrap();
        bench.pass(1);
    }
    let path = format!("/simulator/pushes?device_token={dead}");
    let (status, body) = call(&bench, "GET", &path, "").await;
    assert_eq!(status, 200);
    let item = &body["items"][0];
    assert_eq!(body["items"].as_array().unwrap().len(), 1);
    assert_eq!(item["provider"], "apns");
    assert_eq!(item["environment"], "production");
    assert_eq!(item["device_token"], json!(dead));
    assert_eq!(item["received_at"], "2027-01-15T08:00:01.000Z");
    assert_eq!(item["status"], 410);
    assert_eq!(item["headers"]["apns-push-type"], "alert");
    assert_eq!(item["body"]["aps"]["alert"]["title"], "Ann");
    let (_, all) = call(&bench, "GET", "/simulator/pushes", "").await;
    assert_eq!(all["items"].as_array().unwrap().len(), 2);

    let (_, arrivals) = call(&bench, "GET", "/simulator/arrivals", "").await;
    let slices = json!([
        {"at": "2027-01-15T08:00:00.000Z", "apns": 1, "fcm": 0, "webpush": 0},
        {"at": "2027-01-15T08:00:01.000Z", "apns": 1, "fcm": 0, "webpush": 0},
    ]);
    assert_eq!(arrivals, json!({"slice_ms": 100, "items": slices}), "refused ones too");

    let (_, stats) = call(&bench, "GET", "/simulator/stats", "").await;
    let expected = json!({
        "received": 2, "accepted": 1, "devices": 1, "repeats": 0,
        "by_status": {"200": 1, "410": 1}, "oauth_tokens": 0, "connections": 1,
    });
    assert_eq!(stats, expected);

    let (status, _) = call(&bench, "DELETE", "/simulator/pushes", "").await;
    assert_eq!(status, 204);
    let (_, stats) = call(&bench, "GET", "/simulator/stats", "").await;
    assert_eq!(stats["received"], 0);
    let (_, arrivals) = call(&bench, "GET", "/simulator/arrivals", "").await;
    assert_eq!(arrivals["items"], json!([]));
    bench.stop().await;
}

#[tokio::test]
async fn behaviours_are_put_cleared_and_refused() {
    let bench = Bench::start().await;
    let client = bench.apns().await;
    let path = "/simulator/behaviours";
    let rules = r#"{"rules":[{"respond":{"status":500}}]}"#;
    assert_eq!(call(&bench, "PUT", path, rules).await.0, 204);
    let answer = send_push(&bench, &client, &token("a1"), "n1").await.unwrap();
    assert_eq!(answer.status, 500);

    for (body, status, code) in [
        ("{", 400, "bad_json"),
        (r#"{"rules":[{"fault":"explode"}]}"#, 422, "invalid"),
        (r#"{"rules":[{"times":1}]}"#, 422, "invalid"),
        (r#"{"rule":[]}"#, 422, "invalid"),
    ] {
        let (answered, problem) = call(&bench, "PUT", path, body).await;
        assert_eq!((answered, &problem["code"]), (status, &json!(code)), "{body}");
    }
    let answer = send_push(&bench, &client, &token("a1"), "n1").await.unwrap();
    assert_eq!(answer.status, 500, "a refused body changes nothing");

    assert_eq!(call(&bench, "PUT", path, r#"{"rules":[]}"#).await.0, 204);
    let answer = send_push(&bench, &client, &token("a1"), "n1").await.unwrap();
    assert_eq!(answer.status, 200);
    bench.stop().await;
}

#[tokio::test]
async fn the_view_can_be_served_alone() {
    let bench = Bench::start().await;
    let anywhere = "127.0.0.1:0".parse().unwrap();
    let address = bench.simulator.serve_control(anywhere).await.unwrap();
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let io = hyper_util::rt::TokioIo::new(stream);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
    let driver = TaskTracker::new().spawn(connection);
    let request = http::Request::get("/simulator/stats").header("host", "x").body(String::new()).unwrap();
    let answer = sender.send_request(request).await.unwrap();
    assert_eq!(answer.status(), 200);
    drop(sender);
    driver.abort();
    bench.stop().await;
}
