//! APNs: success, refusals and misbehaving tokens.

use super::*;

#[tokio::test]
async fn a_push_is_accepted_and_shown() {
    let bench = Bench::start().await;
    let client = bench.apns().await;
    let device = token("a1");
    let answer = send_push(&bench, &client, &device, "n1").await.unwrap();
    assert_eq!(answer.status, 200);
    assert!(answer.body.is_empty());
    assert_eq!(answer.headers["apns-id"], "6a3a4e5c-1111-4222-8333-944445555666");
    assert!(!answer.headers.contains_key("apns-unique-id"));

    let pushes = bench.simulator.pushes(Some(&device));
    assert_eq!(pushes.len(), 1);
    assert_eq!(pushes[0].provider, "apns");
    assert_eq!(pushes[0].environment, Some("production"));
    assert_eq!(pushes[0].status, Some(200));
    assert_eq!(pushes[0].received_at, "2027-01-15T08:00:00.000Z");
    assert_eq!(pushes[0].headers["apns-topic"], "com.example.demo");
    assert_eq!(pushes[0].body.get(), alert("n1"));
    let stats = bench.simulator.stats();
    assert_eq!((stats.received, stats.accepted, stats.devices), (1, 1, 1));
    assert_eq!((stats.repeats, stats.connections), (0, 1));
    bench.stop().await;
}

#[tokio::test]
async fn the_sandbox_is_told_apart() {
    let bench = Bench::start().await;
    let endpoints = bench.simulator.endpoints();
    let client = Client::connect(&endpoints.apns_sandbox, bench.simulator.ca_pem()).await;
    let mut request = push(&bench, &token("a1")).body(()).unwrap();
    request.headers_mut().remove("apns-id");
    let answer = client.send(request, alert("n1")).await.unwrap();
    assert!(answer.headers.contains_key("apns-unique-id"));
    assert_eq!(answer.headers["apns-id"].len(), 36);
    let pushes = bench.simulator.pushes(None);
    assert_eq!(pushes[0].environment, Some("sandbox"));
    bench.stop().await;
}

#[tokio::test]
async fn a_certificate_stands_for_the_token() {
    let bench = Bench::start().await;
    let (endpoints, ca) = (bench.simulator.endpoints(), bench.simulator.ca_pem());
    let client = Client::connect_as(&endpoints.apns, ca, Some(bench.simulator.apns_certificate_pem())).await;
    let bare = |push_type: &str, topic: &str| {
        let mut request = push(&bench, &token("a1")).body(()).unwrap();
        request.headers_mut().remove("authorization");
        request.headers_mut().insert("apns-push-type", push_type.parse().unwrap());
        request.headers_mut().insert("apns-topic", topic.parse().unwrap());
        request
    };
    let answer = client.send(bare("alert", "com.example.demo"), alert("n1")).await.unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    let answer = client.send(bare("location", "com.example.demo.location-query"), alert("n2")).await.unwrap();
    assert_eq!((answer.status, answer.json()["reason"].as_str()), (400, Some("TopicDisallowed")), "from token keys only");
    let answer = bench.apns().await.send(bare("alert", "com.example.demo"), alert("n3")).await.unwrap();
    assert_eq!((answer.status, answer.json()["reason"].as_str()), (403, Some("MissingProviderToken")));
    bench.stop().await;
}

#[tokio::test]
async fn a_channel_takes_updates_of_live_activities() {
    let bench = Bench::start().await;
    let client = bench.apns().await;
    let to_channel = |app: &str| {
        let request = http::Request::post(format!("/4/broadcasts/apps/{app}"));
        let request = request.header("authorization", format!("bearer {}", bench.provider_token()));
        request.header("apns-channel-id", "AAAA").header("apns-push-type", "liveactivity").body(()).unwrap()
    };
    let body = json!({"aps": {"event": "update", "timestamp": 1, "content-state": {}}, "herald_id": "n1"}).to_string();
    let answer = client.send(to_channel("com.example.demo"), body.clone()).await.unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    let answer = client.send(to_channel("com.example.other"), body).await.unwrap();
    assert_eq!((answer.status, answer.json()["reason"].as_str()), (403, Some("TopicMismatch")));
    let view = serde_json::to_value(&bench.simulator.pushes(None)[0]).unwrap();
    assert_eq!((&view["device_token"], &view["channel"]), (&json!(null), &json!("AAAA")));
    let stats = bench.simulator.stats();
    assert_eq!((stats.accepted, stats.devices), (1, 0));
    bench.stop().await;
}

#[tokio::test]
async fn repeats_are_counted() {
    let bench = Bench::start().await;
    let client = bench.apns().await;
    for (device, id) in [("a1", "n1"), ("a1", "n2"), ("b1", "n1"), ("a1", "n1")] {
        let answer = send_push(&bench, &client, &token(device), id).await.unwrap();
        assert_eq!(answer.status, 200);
    }
    let stats = bench.simulator.stats();
    assert_eq!((stats.accepted, stats.devices, stats.repeats), (4, 2, 1));
    bench.simulator.forget();
    let answer = send_push(&bench, &client, &token("a1"), "n1").await.unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(bench.simulator.stats().repeats, 0);
    bench.stop().await;
}

/// Sends a request that is refused with a status and reason.
async fn refuse(bench: &Bench, client: &Client, request: http::Request<()>, body: &str) -> String {
    let answer = client.send(request, body.to_owned()).await.unwrap();
    assert!(answer.headers.contains_key("apns-id"));
    assert_eq!(bench.simulator.stats().accepted, 0);
    format!("{} {}", answer.status, answer.json()["reason"].as_str().unwrap())
}

#[tokio::test]
async fn each_wrong_header_has_its_reason() {
    let bench = Bench::start().await;
    let client = bench.apns().await;
    let long = "x".repeat(65);
    let silent = r#"{"aps":{"content-available":1}}"#;
    let visible = alert("n1");
    for (name, value, body, expected) in [
        ("authorization", "", visible.as_str(), "403 MissingProviderToken"),
        ("authorization", "bearer x", &visible, "403 InvalidProviderToken"),
        ("apns-topic", "", &visible, "400 MissingTopic"),
        ("apns-topic", "a..b", &visible, "400 BadTopic"),
        ("apns-topic", "com.other", &visible, "400 TopicDisallowed"),
        ("apns-push-type", "banner", &visible, "400 InvalidPushType"),
        ("apns-push-type", "alert", silent, "400 InvalidPushType"),
        ("apns-push-type", "background", silent, "400 BadPriority"),
        ("apns-priority", "7", &visible, "400 BadPriority"),
        ("apns-expiration", "soon", &visible, "400 BadExpirationDate"),
        ("apns-id", "x", &visible, "400 BadMessageId"),
        ("apns-collapse-id", &long, &visible, "400 BadCollapseId"),
    ] {
        let mut request = push(&bench, &token("a1")).body(()).unwrap();
        request.headers_mut().remove(name);
        if !value.is_empty() {
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        assert_eq!(refuse(&bench, &client, request, body).await, expected);
    }
    let stats = bench.simulator.stats();
    assert_eq!((stats.received, stats.devices), (12, 0));
    assert_eq!(stats.by_status[&400], 10);
    let pushes = bench.simulator.pushes(Some(&token("a1")));
    assert_eq!(pushes.len(), 12, "refused ones are shown");
    bench.stop().await;
}

#[tokio::test]
async fn each_wrong_request_has_its_reason() {
    let bench = Bench::start().await;
    let client = bench.apns().await;
    let large = json!({"aps": {"alert": "x".repeat(4100)}}).to_string();
    let visible = alert("n1");
    let device = token("a1");
    let to = |token: &str| push(&bench, token);
    let twice = to(&device).header("apns-topic", "x");
    for (request, body, expected) in [
        (to(&device).method("GET"), visible.as_str(), "405 MethodNotAllowed"),
        (to(&device).uri("/4/x"), &visible, "404 BadPath"),
        (to(""), &visible, "400 MissingDeviceToken"),
        (to("abcdefgh01234567"), &visible, "400 BadDeviceToken"),
        (to("abc"), &visible, "400 BadDeviceToken"),
        (twice, &visible, "400 DuplicateHeaders"),
        (to(&device), &large, "413 PayloadTooLarge"),
        (to(&device), "", "400 PayloadEmpty"),
        (to(&device), "{", "400 PayloadEmpty"),
    ] {
        let request = request.body(()).unwrap();
        assert_eq!(refuse(&bench, &client, request, body).await, expected);
    }
    bench.stop().await;
}

#[tokio::test]
async fn a_provider_token_ages_and_may_not_change_too_soon() {
    let bench = Bench::start().await;
    let client = bench.apns().await;
    let device = token("a1");
    let request = || push(&bench, &device).body(()).unwrap();
    let old = request().headers()["authorization"].clone();
    let send = async |authorization: &http::HeaderValue| {
        let mut request = request();
        request.headers_mut().insert("authorization", authorization.clone());
        let answer = client.send(request, alert("n1")).await.unwrap();
        let reason = (answer.status != 200).then(|| answer.json()["reason"].clone());
        (answer.status, reason)
    };
    assert_eq!(send(&old).await, (200, None));
    bench.pass(3600);
    assert_eq!(send(&old).await, (200, None));
    bench.pass(1);
    assert_eq!(send(&old).await, (403, Some(json!("ExpiredProviderToken"))));
    let new = request().headers()["authorization"].clone();
    assert_eq!(send(&new).await, (200, None));
    bench.pass(60);
    let newer = format!("bearer {}", bench.sign_provider_token());
    let newer = newer.parse().unwrap();
    let too_many = Some(json!("TooManyProviderTokenUpdates"));
    assert_eq!(send(&newer).await, (429, too_many));
    bench.stop().await;
}

#[tokio::test]
async fn tokens_misbehave_by_their_prefix() {
    let bench = Bench::start().await;
    let client = bench.apns().await;
    for (prefix, expected) in [
        ("dead0", [(410, "Unregistered"), (410, "Unregistered")]),
        ("dead1", [(410, "Unregistered"), (200, "")]),
        ("bad00", [(400, "BadDeviceToken"), (400, "BadDeviceToken")]),
        ("50001", [(500, "InternalServerError"), (200, "")]),
        ("50302", [(503, "ServiceUnavailable"), (503, "ServiceUnavailable")]),
        ("42901", [(429, "TooManyRequests"), (200, "")]),
    ] {
        for (status, reason) in expected {
            let answer = send_push(&bench, &client, &token(prefix), "n1").await.unwrap();
            assert_eq!(answer.status, status, "{prefix}");
            if status != 200 {
                assert_eq!(answer.json()["reason"], reason, "{prefix}");
            }
            if status == 410 {
                assert_eq!(answer.json()["timestamp"], START_S * 1000);
            }
            let waits = answer.headers.get("retry-after").is_some();
            assert_eq!(waits, status == 503, "{prefix}");
        }
    }
    let answer = send_push(&bench, &client, &token("50302"), "n1").await.unwrap();
    assert_eq!(answer.status, 200);
    bench.stop().await;
}
