//! FCM and the token endpoint.

use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;

use super::*;

fn to(token: &str, herald_id: &str) -> String {
    json!({"message": {"token": token, "data": {"herald_id": herald_id}}}).to_string()
}

#[tokio::test]
async fn a_message_is_accepted_and_shown() {
    let bench = Bench::start().await;
    let access_token = bench.access_token().await;
    let client = bench.fcm().await;
    for _ in 0..2 {
        let request = message(&bench, &access_token);
        let answer = client.send(request, to("t1", "n1")).await.unwrap();
        assert_eq!(answer.status, 200);
        let name = answer.json()["name"].as_str().unwrap().to_owned();
        assert!(name.starts_with("projects/herald-demo/messages/0:"), "{name}");
    }
    let pushes = bench.simulator.pushes(Some("t1"));
    assert_eq!(pushes.len(), 2);
    assert_eq!((pushes[0].provider, pushes[0].environment), ("fcm", None));
    assert_eq!(pushes[0].body.get(), to("t1", "n1"));
    let stats = bench.simulator.stats();
    assert_eq!((stats.accepted, stats.devices, stats.repeats), (2, 1, 1));
    assert_eq!((stats.oauth_tokens, stats.connections), (1, 2));
    bench.stop().await;
}

#[tokio::test]
async fn a_topic_and_a_condition_are_shown_by_name() {
    let bench = Bench::start().await;
    let access_token = bench.access_token().await;
    let client = bench.fcm().await;
    for (name, text) in [("topic", "news"), ("condition", "'a' in topics")] {
        let body = json!({"message": {name: text, "data": {"herald_id": "n1"}}}).to_string();
        assert_eq!(client.send(message(&bench, &access_token), body).await.unwrap().status, 200);
    }
    let views: Vec<_> = bench.simulator.pushes(None).iter().map(|push| serde_json::to_value(push).unwrap()).collect();
    assert_eq!((&views[0]["device_token"], &views[0]["topic"], views[0].get("condition")), (&json!(null), &json!("news"), None));
    assert_eq!((&views[1]["condition"], views[1].get("topic")), (&json!("'a' in topics"), None));
    let stats = bench.simulator.stats();
    assert_eq!((stats.accepted, stats.devices, stats.repeats), (2, 0, 0));
    bench.stop().await;
}

#[tokio::test]
async fn a_dry_run_is_no_push() {
    let bench = Bench::start().await;
    let access_token = bench.access_token().await;
    let client = bench.fcm().await;
    let body = r#"{"validate_only":true,"message":{"token":"t1"}}"#;
    let request = message(&bench, &access_token);
    let answer = client.send(request, body).await.unwrap();
    assert_eq!(answer.json()["name"], "projects/herald-demo/messages/fake_message_id");
    let wrong = r#"{"validate_only":true,"message":{"token":"t1","colour":"red"}}"#;
    let answer = client.send(message(&bench, &access_token), wrong).await.unwrap();
    assert_eq!(answer.json()["error"]["details"][1]["fieldViolations"][0]["field"], "message.colour");
    assert_eq!(bench.simulator.stats().received, 0);
    bench.stop().await;
}

#[tokio::test]
async fn refusals_are_as_googles() {
    let bench = Bench::start().await;
    let access_token = bench.access_token().await;
    let client = bench.fcm().await;
    let good = to("t1", "n1");
    let other_project =
        http::Request::post("/v1/projects/other/messages:send").header("authorization", format!("Bearer {access_token}")).body(()).unwrap();
    let mut anonymous = message(&bench, &access_token);
    anonymous.headers_mut().remove("authorization");
    let unknown = r#"{"message":{"token":"t1","colour":"red"}}"#.to_owned();
    let (sound, made_up) = (message(&bench, &access_token), message(&bench, "x"));
    for (request, body, status, code, details) in [
        (anonymous, &good, 401, "UNAUTHENTICATED", 0),
        (made_up, &good, 401, "UNAUTHENTICATED", 0),
        (other_project, &good, 404, "NOT_FOUND", 0),
        (sound, &unknown, 400, "INVALID_ARGUMENT", 2),
    ] {
        let answer = client.send(request, body.clone()).await.unwrap();
        let error = &answer.json()["error"];
        assert_eq!((answer.status, &error["status"]), (status, &json!(code)));
        let found = error["details"].as_array().map_or(0, Vec::len);
        assert_eq!(found, details, "{error}");
    }
    let pushes = bench.simulator.pushes(Some("t1"));
    let statuses: Vec<_> = pushes.iter().filter_map(|push| push.status).collect();
    assert_eq!(statuses, [401, 401, 404, 400]);
    bench.stop().await;
}

#[tokio::test]
async fn an_access_token_expires() {
    let bench = Bench::with(|options| options.access_token_seconds = 60).await;
    let access_token = bench.access_token().await;
    let client = bench.fcm().await;
    let request = message(&bench, &access_token);
    let answer = client.send(request, to("t1", "n1")).await.unwrap();
    assert_eq!(answer.status, 200);
    bench.pass(60);
    let request = message(&bench, &access_token);
    let answer = client.send(request, to("t1", "n1")).await.unwrap();
    assert_eq!(answer.status, 401);
    bench.stop().await;
}

#[tokio::test]
async fn tokens_misbehave_by_their_prefix() {
    let bench = Bench::start().await;
    let access_token = bench.access_token().await;
    let client = bench.fcm().await;
    for (token, statuses, code) in [
        ("dead-x", [404, 404], "UNREGISTERED"),
        ("bad-x", [400, 400], "INVALID_ARGUMENT"),
        ("mismatch-x", [403, 403], "SENDER_ID_MISMATCH"),
        ("quota-x", [429, 429], "QUOTA_EXCEEDED"),
        ("down-x", [503, 503], "UNAVAILABLE"),
        ("down-1-x", [503, 200], "UNAVAILABLE"),
    ] {
        for status in statuses {
            let request = message(&bench, &access_token);
            let answer = client.send(request, to(token, "n1")).await.unwrap();
            assert_eq!(answer.status, status, "{token}");
            if status != 200 {
                let details = answer.json()["error"]["details"].clone();
                assert_eq!(details[0]["errorCode"], code, "{token}");
                let field = &details[1]["fieldViolations"][0]["field"];
                assert_eq!(*field == "message.token", token == "bad-x", "{token}");
            }
        }
    }
    bench.stop().await;
}

#[tokio::test]
async fn http_1_is_spoken_as_well() {
    let bench = Bench::start().await;
    let access_token = bench.access_token().await;
    let endpoint = &bench.simulator.endpoints().fcm;
    let io = client::tls(endpoint, bench.simulator.ca_pem(), &[b"http/1.1"]).await;
    let io = TokioIo::new(io);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
    let driver = TaskTracker::new().spawn(connection);
    let mut request = message(&bench, &access_token).map(|()| Full::<bytes::Bytes>::from(to("t1", "n1")));
    request.headers_mut().insert("host", "x".parse().unwrap());
    let answer = sender.send_request(request.clone()).await.unwrap();
    assert_eq!(answer.status(), 200);
    answer.into_body().collect().await.unwrap();

    bench.rules(&json!([{"fault": "reset"}]));
    assert!(sender.send_request(request).await.is_err());
    drop(driver.await.unwrap());
    assert_eq!(bench.simulator.stats().received, 1);
    bench.stop().await;
}
