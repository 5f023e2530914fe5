//! Versions of the app that are too old, and what an app tells its phones.

use reqwest::Method;
use serde_json::{Value, json};

use crate::client::Answer;
use crate::daemon::{Client, Process, Simulator, apns_token, until};
use crate::phones::sign_in;

const ORIGIN: &str = "https://app.example.com";

/// The configuration of the simulator's app, with minima for iOS and Android.
fn with_minima(plain: &str, ios: &str, android: &str) -> String {
    let settings = format!(
        "[apps.demo]\nallowed_origins = ['{ORIGIN}']\nmin_app_version = {{ ios = '{ios}', android = '{android}' }}\n\
         upgrade_url = {{ ios = 'https://apple.example/app' }}\npoll = {{ inbox_seconds = 15, preferences_seconds = 600 }}\n"
    );
    plain.replacen("[apps.demo.apns]", &format!("{settings}[apps.demo.apns]"), 1)
}

async fn reload(daemon: &Process, client: &Client, times: usize) {
    daemon.signal("HUP");
    let line = format!("herald_reloads_total{{result=\"done\"}} {times}");
    until(&line, async || client.get("/metrics").await.body.as_str().unwrap().contains(&line).then_some(())).await;
}

async fn call(phone: &Client, version: &str, path: &str) -> Answer {
    phone.send(phone.request(Method::GET, path).header("x-app-version", version)).await
}

#[tokio::test]
async fn a_version_that_is_too_old_is_told_where_the_next_is() {
    let simulator = Simulator::start();
    let plain = std::fs::read_to_string(simulator.config()).unwrap();
    std::fs::write(simulator.config(), with_minima(&plain, "3.10", "1.0")).unwrap();
    let key = simulator.key("send,manage,read");
    let daemon = simulator.serve(&[("HERALD__LIMITS__PER_ADDRESS", "100000/s"), ("HERALD__LIMITS__PER_CLIENT_TOKEN", "100000/s")]);
    let backend = Client::new(&daemon.url, &key);
    let tokens = sign_in(&backend, &json!({"user_id": "ann", "device_id": "phone"})).await;
    let phone = backend.with_key(&tokens.access);
    let register = || {
        let body = json!({"platform": "ios", "token": apns_token("a1", 1), "app_version": "3.9"});
        phone.send(phone.request(Method::PUT, "/v1/devices/phone").header("x-app-version", "3.9").json(&body))
    };
    let device = register().await.expect(201);

    let document = backend.get("/openapi.json").await.expect(200);
    let own = document["paths"].as_object().unwrap().iter().filter(|(path, _)| path.starts_with("/v1/me/"));
    let mut asked = 0;
    for (path, item) in own {
        for method in item.as_object().unwrap().keys() {
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            let request = phone.request(method, path).header("x-app-version", "3.9").json(&json!({}));
            let told = phone.send(request).await.problem(426, "client_too_old");
            assert_eq!((&told["minimum_app_version"], &told["upgrade_url"]), (&json!("3.10"), &json!("https://apple.example/app")));
            asked += 1;
        }
    }
    assert!(asked >= 5, "{asked}");
    call(&phone, "3.10", "/v1/me/devices").await.expect(200);
    call(&phone, "nightly", "/v1/me/devices").await.expect(200);
    // all else goes on
    register().await.expect(200);
    let reporter = backend.with_key(device["receipt_token"].as_str().unwrap());
    let report = reporter.request(Method::POST, "/v1/receipts").header("x-app-version", "3.9").json(&json!({"receipts": []}));
    reporter.send(report).await.expect(202);
    let refresh = reqwest::Client::new().post(format!("{}/v1/client-tokens/refresh", daemon.url)).header("x-app-version", "3.9");
    phone.send(refresh.json(&json!({"refresh_token": tokens.refresh}))).await.expect(200);
    call(&backend, "3.9", "/v1/users/ann/preferences").await.expect(200);

    // a page may say its version, and read that it is too old
    let preflight = phone.request(Method::OPTIONS, "/v1/me/config").header("origin", ORIGIN);
    let permission = phone.send(preflight.header("access-control-request-method", "GET")).await;
    assert!(permission.header("access-control-allow-headers").contains("x-app-version"), "{permission:?}");
    let told = phone.send(phone.request(Method::GET, "/v1/me/config").header("origin", ORIGIN).header("x-app-version", "3.9")).await;
    assert_eq!((told.status.as_u16(), told.header("access-control-allow-origin")), (426, ORIGIN));

    phone.send(phone.request(Method::DELETE, "/v1/devices/phone").header("x-app-version", "3.9")).await.expect(204);
}

/// Without a platform only what is below every minimum is too old; another minimum holds once the configuration was read again.
#[tokio::test]
async fn a_minimum_holds_for_its_platform_and_from_the_next_reading_on() {
    let simulator = Simulator::start();
    let plain = std::fs::read_to_string(simulator.config()).unwrap();
    let key = simulator.key("send,manage,read");
    let daemon = simulator.serve(&[]);
    let backend = Client::new(&daemon.url, &key);
    let signed_in = async |body: Value| backend.with_key(&sign_in(&backend, &body).await.access);
    let free = signed_in(json!({"user_id": "ann"})).await;
    let [iphone, android] = ["iphone", "android"].map(|name| json!({"user_id": "ann", "device_id": name}));
    let (iphone, android) = (signed_in(iphone).await, signed_in(android).await);
    iphone.put("/v1/devices/iphone", &json!({"platform": "ios", "token": apns_token("a1", 1)})).await.expect(201);
    android.put("/v1/devices/android", &json!({"platform": "android", "token": "well-1"})).await.expect(201);
    let served = async |version: &str| {
        let mut answers = Vec::new();
        for phone in [&iphone, &android, &free] {
            answers.push(call(phone, version, "/v1/me/config").await.status.as_u16());
        }
        answers
    };
    assert_eq!(served("1.5").await, [200, 200, 200]);
    for (times, ios, android, version, expected) in
        [(1, "2.0", "1.0", "1.5", [426, 200, 200]), (2, "2.0", "1.0", "0.9", [426, 426, 426]), (3, "1.5", "1.10", "1.9", [200, 426, 200])]
    {
        std::fs::write(simulator.config(), with_minima(&plain, ios, android)).unwrap();
        reload(&daemon, &backend, times).await;
        assert_eq!(served(version).await, expected, "{ios} {android} {version}");
    }
    let told = free.get("/v1/me/config").await.expect(200);
    assert_eq!((&told["minimum_app_version"], &told["upgrade_url"]), (&json!("1.5"), &json!("https://apple.example/app")));
    std::fs::write(simulator.config(), plain).unwrap();
    reload(&daemon, &backend, 4).await;
    assert_eq!(served("0.1").await, [200, 200, 200]);
}

#[tokio::test]
async fn a_phone_is_told_what_it_must_know_of_its_app() {
    let simulator = Simulator::start();
    let plain = std::fs::read_to_string(simulator.config()).unwrap();
    std::fs::write(simulator.config(), with_minima(&plain, "1.0", "1.0")).unwrap();
    let key = simulator.key("send,manage,read");
    let daemon = simulator.serve(&[]);
    let backend = Client::new(&daemon.url, &key);
    backend.put("/v1/categories/news", &json!({"default_on": false})).await.expect(201);
    let ann = backend.with_key(&sign_in(&backend, &json!({"user_id": "ann"})).await.access);
    let nobody = backend.with_key(&sign_in(&backend, &json!({"device_id": "phone"})).await.access);
    ann.patch("/v1/me/preferences", &json!({"categories": {"news": {"push": true}}})).await.expect(200);
    let answer = ann.get("/v1/me/config").await;
    let tag = answer.header("etag").to_owned();
    let config = answer.expect(200);
    assert_eq!(config["poll"], json!({"inbox_seconds": 15, "preferences_seconds": 600}));
    assert_eq!((&config["categories"][0]["id"], &config["categories"][0]["push"]), (&json!("news"), &json!(true)));
    assert_eq!(nobody.get("/v1/me/config").await.expect(200)["categories"][0]["push"], false);
    let again = ann.send(ann.request(Method::GET, "/v1/me/config").header("if-none-match", tag)).await;
    assert_eq!(again.status, 304);
    // the key that `herald check` says, which pages subscribe with
    let output = simulator.on_the_store(&["check"]).output().unwrap();
    let public_key = config["vapid_public_key"].as_str().unwrap();
    assert_eq!(public_key.len(), 87, "65 bytes");
    assert!(String::from_utf8_lossy(&output.stdout).contains(public_key), "{output:?}");
    backend.get("/v1/me/config").await.problem(403, "scope_missing");
}
