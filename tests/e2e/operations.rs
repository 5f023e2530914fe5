//! What operators and machines read: health, metrics, documents.

use reqwest::Method;
use serde_json::{Value, json};

use crate::daemon::{Client, Dev, Process, Simulator, apns_token, until};

/// Every route of this daemon that callers may rely on.
const ROUTES: [(&str, &[&str]); 27] = [
    ("/v1/devices/{device_id}", &["get", "put", "patch", "delete"]),
    ("/v1/devices", &["get"]),
    ("/v1/devices/import", &["post"]),
    ("/v1/users/{user_id}/devices", &["get"]),
    ("/v1/users/{user_id}/preferences", &["get", "put", "patch"]),
    ("/v1/users/{user_id}/contacts", &["get", "put", "delete"]),
    ("/v1/app", &["get"]),
    ("/v1/categories/{id}", &["get", "put", "delete"]),
    ("/v1/categories", &["get"]),
    ("/v1/notifications", &["get", "post"]),
    ("/v1/notifications/batch", &["post"]),
    ("/v1/notifications/preview", &["post"]),
    ("/v1/notifications/{id}", &["get", "delete"]),
    ("/v1/notifications/{id}/deliveries", &["get"]),
    ("/v1/users/{user_id}/deliveries", &["get"]),
    ("/v1/explain", &["post"]),
    ("/v1/receipts", &["post"]),
    ("/v1/keys", &["get", "post"]),
    ("/v1/keys/{id}", &["delete"]),
    ("/v1/lanes", &["get"]),
    ("/v1/lanes/{provider}/resume", &["post"]),
    ("/v1/dead-letters", &["get"]),
    ("/v1/dead-letters/{id}", &["get"]),
    ("/v1/dead-letters/{id}/retry", &["post"]),
    ("/health", &["get"]),
    ("/ready", &["get"]),
    ("/metrics", &["get"]),
];

/// A path with its parameters' names taken out.
fn shape(path: &str) -> String {
    path.split('/').map(|part| if part.starts_with('{') { "{}" } else { part }).collect::<Vec<_>>().join("/")
}

#[tokio::test]
async fn it_is_alive_and_ready_without_a_key() {
    let dev = Dev::start();
    let client = dev.with_key("");
    for path in ["/health", "/ready"] {
        let answer = reqwest::get(format!("{}{path}", dev.url)).await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
    }
    assert_eq!(client.get("/health").await.status, 200, "a wrong key does not matter here");
}

#[tokio::test]
async fn metrics_count_and_name_nobody() {
    let dev = Dev::start();
    let token = apns_token("a1", 77);
    dev.ios("phone-of-metrics", "user-of-metrics", &token).await;
    dev.send_and_wait(&json!({"to": {"user_id": "user-of-metrics"}, "content": {"title": "secret words"}})).await;
    let answer = reqwest::get(format!("{}/metrics", dev.url)).await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(answer.headers()["content-type"].to_str().unwrap().starts_with("text/plain"));
    let text = answer.text().await.unwrap();
    assert!(text.lines().any(|line| line.starts_with("herald_") && line.contains("apns")), "{text}");
    assert!(text.contains("# TYPE herald_"), "{text}");
    for secret in [token.as_str(), "user-of-metrics", "phone-of-metrics", "secret words", "herald_dev_key"] {
        assert!(!text.contains(secret), "{secret}");
    }
}

/// On an address that others can reach, metrics need a key of scope `read`.
#[tokio::test]
async fn metrics_of_a_public_address_need_a_key() {
    let simulator = Simulator::start();
    let (reader, sender) = (simulator.key("read"), simulator.key("send"));
    let mut command = simulator.serve_command(&[]);
    let daemon = Process::start(command.env("HERALD__SERVER__LISTEN", "0.0.0.0:0"));
    let url = daemon.url.replace("0.0.0.0", "127.0.0.1");
    let client = Client::new(&url, &reader);
    assert_eq!(reqwest::get(format!("{url}/metrics")).await.unwrap().status(), 401);
    client.with_key("nonsense").get("/metrics").await.problem(401, "key_invalid");
    client.with_key(&sender).get("/metrics").await.problem(403, "scope_missing");
    client.get("/metrics").await.expect(200);
    assert_eq!(reqwest::get(format!("{url}/health")).await.unwrap().status(), 200);
}

#[tokio::test]
async fn the_contract_is_served_as_open_api() {
    let dev = Dev::start();
    let document: Value = reqwest::get(format!("{}/openapi.json", dev.url)).await.unwrap().json().await.unwrap();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1."), "{}", document["openapi"]);
    let paths = document["paths"].as_object().unwrap();
    for (path, methods) in ROUTES {
        let (_, operations) =
            paths.iter().find(|(known, _)| shape(known) == shape(path)).unwrap_or_else(|| panic!("{path} in {:?}", paths.keys()));
        for method in methods {
            let operation = &operations[method];
            assert!(operation.is_object(), "{method} {path}");
            if path.starts_with("/v1") {
                assert!(operation["responses"]["401"].is_object(), "{method} {path}");
                assert!(operation["responses"]["403"].is_object(), "{method} {path}");
            }
            assert!(operation["summary"].is_string() || operation["description"].is_string(), "{method} {path}");
        }
    }
    check_references(&document, &document);
}

/// Every reference leads somewhere.
fn check_references(value: &Value, document: &Value) {
    match value {
        Value::Object(members) => {
            if let Some(Value::String(target)) = members.get("$ref") {
                let pointer = target.strip_prefix('#').unwrap_or_else(|| panic!("{target}"));
                assert!(document.pointer(pointer).is_some(), "{target}");
            }
            members.values().for_each(|member| check_references(member, document));
        }
        Value::Array(items) => items.iter().for_each(|item| check_references(item, document)),
        _ => {}
    }
}

#[tokio::test]
async fn the_docs_are_a_page() {
    let dev = Dev::start();
    let answer = reqwest::get(format!("{}/docs", dev.url)).await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(answer.headers()["content-type"].to_str().unwrap().starts_with("text/html"));
    let page = answer.text().await.unwrap();
    assert!(page.to_lowercase().contains("<html"), "{page}");
    assert!(!page.contains("src=\"http") && !page.contains("href=\"http"), "a page that needs nothing from elsewhere: {page}");
}

#[tokio::test]
async fn a_lane_is_listed_and_resumed() {
    let dev = Dev::start();
    let lanes = dev.items("/v1/lanes").await;
    let of = |provider: &str| lanes.iter().filter(|lane| lane["provider"] == provider).collect::<Vec<_>>();
    let mut environments: Vec<_> = of("apns").iter().map(|lane| lane["environment"].as_str().unwrap()).collect();
    environments.sort_unstable();
    assert_eq!(environments, ["production", "sandbox"]);
    assert!(!of("fcm").is_empty());
    for lane in &lanes {
        assert_eq!((&lane["state"], &lane["reason"]), (&json!("running"), &Value::Null), "{lane}");
    }
    for provider in ["apns", "fcm"] {
        let resumed = dev.send(dev.request(Method::POST, &format!("/v1/lanes/{provider}/resume"))).await.expect(200);
        assert_eq!((&resumed["provider"], &resumed["state"]), (&json!(provider), &json!("running")), "{resumed}");
        let parts: Vec<&Value> = resumed["items"].as_array().unwrap().iter().collect();
        assert_eq!(parts, of(provider), "as the list shows them");
        assert!(resumed.as_object().unwrap().contains_key("environment"), "{resumed}");
    }
    dev.send(dev.request(Method::POST, "/v1/lanes/pigeon/resume")).await.problem(404, "not_found");
}

#[tokio::test]
async fn what_is_no_dead_letter_is_not_found() {
    let dev = Dev::start();
    assert_eq!(dev.items("/v1/dead-letters").await, [] as [Value; 0]);
    for id in ["AZqgxAAAcACAAAAAAAAAAAAAAAAAAAAB", "nonsense"] {
        dev.get(&format!("/v1/dead-letters/{id}")).await.problem(404, "not_found");
        dev.send(dev.request(Method::POST, &format!("/v1/dead-letters/{id}/retry"))).await.problem(404, "not_found");
    }
}

/// A daemon that was told to stop is not ready from then on, answers what it is asked, and finishes what is under way.
#[tokio::test]
async fn a_stopping_daemon_is_not_ready_and_finishes() {
    let simulator = Simulator::start();
    let key = simulator.key("send,manage,read");
    let daemon = simulator.serve(&[]);
    let client = Client::new(&daemon.url, &key);
    let token = apns_token("a1", 3);
    client.ios("phone", "ann", &token).await;
    simulator.client.behave(json!([{"provider": "apns", "token_prefix": token, "delay_ms": 3000, "times": 1}])).await;
    let id = client.notify(&json!({"to": {"user_id": "ann"}, "content": {"title": "t"}})).await;
    let stats = async || simulator.client.get("/simulator/stats").await.expect(200);
    until("it is under way", async || (stats().await["received"] == 1).then_some(())).await;
    let stopped = daemon.terminate();
    let told = async {
        until("it is no longer ready", async || (client.get("/ready").await.status == 503).then_some(())).await;
        client.get("/ready").await.problem(503, "not_ready");
        client.get("/health").await.expect(200);
        assert_eq!(client.get(&format!("/v1/notifications/{id}")).await.expect(200)["counts"]["waiting"], 1);
    };
    let (status, ()) = tokio::join!(stopped, told);
    assert!(status.success());
    let stats = stats().await;
    assert_eq!((&stats["accepted"], &stats["repeats"]), (&json!(1), &json!(0)), "{stats}");
}

/// What a later step brings is unknown until then.
#[tokio::test]
async fn what_is_not_there_is_404_and_what_may_not_be_is_405() {
    let dev = Dev::start();
    let stranger = Client::new(&dev.url, "");
    for path in ["/", "/v1", "/v1/nothing", "/v2/devices", "/v1/inboxes", "/v1/me/inbox"] {
        dev.get(path).await.problem(404, "not_found");
        stranger.get(path).await.problem(404, "not_found");
    }
    for (method, path) in [
        (Method::POST, "/v1/devices"),
        (Method::DELETE, "/v1/devices"),
        (Method::PUT, "/v1/notifications"),
        (Method::POST, "/health"),
        (Method::PATCH, "/v1/categories/news"),
        (Method::GET, "/v1/explain"),
    ] {
        let answer = dev.send(dev.request(method.clone(), path)).await;
        assert!(!answer.header("allow").is_empty(), "{method} {path}");
        answer.problem(405, "method_not_allowed");
    }
}
