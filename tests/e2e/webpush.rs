//! Browsers: what they get, what their push services' answers come to, and where nobody is connected to.

use serde_json::{Value, json};

use crate::clock::instant;
use crate::daemon::{Client, Dev, Process, Simulator, herald, until};

/// A subscription whose endpoint ends so.
async fn subscribe(simulator: &Client, id: &str) -> Value {
    simulator.post("/simulator/subscriptions", &json!({"id": id})).await.expect(201)
}

fn web(user: &str, token: &Value) -> Value {
    json!({"user_id": user, "platform": "web", "token": token})
}

/// A browser of this user, whose endpoint ends like its name.
async fn browser(dev: &Client, name: &str, user: &str) {
    let subscription = subscribe(dev, name).await;
    dev.put(&format!("/v1/devices/{name}"), &web(user, &subscription)).await.expect(201);
}

fn to(user: &str) -> Value {
    json!({"to": {"user_id": user}, "content": {"title": "t"}})
}

/// Sends one push to a user; how it ended at the device.
async fn ended(dev: &Client, user: &str, device: &str) -> Value {
    let done = dev.send_and_wait(&to(user)).await;
    dev.delivery(done["id"].as_str().unwrap(), device).await
}

async fn lane(dev: &Client) -> Value {
    let lanes = dev.items("/v1/lanes").await;
    lanes.iter().find(|lane| lane["provider"] == "webpush").unwrap().clone()
}

#[tokio::test]
async fn a_browser_gets_what_was_said() {
    let dev = Dev::start();
    browser(&dev, "firefox", "ann").await;
    let done = dev
        .send_and_wait(&json!({
            "to": {"user_id": "ann"}, "category": "messages", "collapse_key": "chat-9", "ttl_seconds": 600,
            "content": {"title": "Ann", "body": "Lunch?", "image_url": "https://example.com/i.png", "link": "https://example.com/chat/9",
                        "actions": [{"id": "reply", "title": "Reply"}], "data": {"chat": "9"}},
            "platforms": {"web": {"title": "New message"}},
            "webpush": {"requireInteraction": true, "headers": {"X-Mine": "1"}},
        }))
        .await;
    assert_eq!(done["counts"]["sent"], 1, "{done}");
    let push = dev.push("firefox").await;
    assert_eq!((&push["provider"], &push["status"], &push["environment"]), (&json!("webpush"), &json!(201), &Value::Null));
    assert_eq!(
        push["body"],
        json!({
            "title": "New message", "body": "Lunch?", "image": "https://example.com/i.png", "tag": "chat-9", "requireInteraction": true,
            "actions": [{"action": "reply", "title": "Reply"}],
            "data": {"chat": "9", "herald_id": done["id"], "herald_link": "https://example.com/chat/9"},
        })
    );
    let headers = &push["headers"];
    for (name, value) in [("urgency", "high"), ("content-encoding", "aes128gcm"), ("x-mine", "1")] {
        assert_eq!(headers[name], value, "{headers}");
    }
    let ttl: u64 = headers["ttl"].as_str().unwrap().parse().unwrap();
    assert!((590..=600).contains(&ttl), "{headers}");
    assert_eq!(headers["topic"].as_str().unwrap().len(), 32, "{headers}");
    assert!(headers["authorization"].as_str().unwrap().starts_with("vapid t="), "{headers}");
    assert_eq!(lane(&dev).await["state"], "running");
    let device = dev.get("/v1/devices/firefox").await.expect(200);
    assert_eq!((&device["provider"], &device["status"]), (&json!("webpush"), &json!("active")));
    assert!(!device.to_string().contains("/push/"), "{device}");
}

/// Nobody shows it, and browsers revoke subscriptions that show nothing.
#[tokio::test]
async fn a_silent_push_is_not_for_browsers() {
    let dev = Dev::start();
    browser(&dev, "firefox", "ann").await;
    let body = json!({"to": {"user_id": "ann"}, "content": {"data": {"k": "v"}}, "silent": true});
    assert_eq!(dev.send_and_wait(&body).await["reasons"]["suppressed"], json!({"unsupported": 1}));
    assert!(dev.pushes("firefox").await.is_empty());
}

#[tokio::test]
async fn what_is_larger_than_a_push_service_takes_is_refused_at_once() {
    let dev = Dev::start();
    browser(&dev, "firefox", "ann").await;
    let mut body = to("ann");
    body["platforms"] = json!({"web": {"body": "x".repeat(3990)}});
    let problem = dev.post("/v1/notifications", &body).await.problem(413, "payload_too_large");
    let at_most = [("fcm", 4096), ("webpush", 3993)];
    assert!(at_most.iter().any(|(provider, limit)| problem["provider"] == *provider && problem["limit"] == *limit), "{problem}");
    let mut body = to("ann");
    body["webpush"] = json!({"body": "x".repeat(3990)});
    let problem = dev.post("/v1/notifications", &body).await.problem(413, "payload_too_large");
    assert_eq!((&problem["provider"], &problem["limit"]), (&json!("webpush"), &json!(3993)));
}

#[tokio::test]
async fn an_override_that_no_push_service_takes_is_refused() {
    let dev = Dev::start();
    for (headers, field, code) in [
        (json!({"Urgency": "urgent"}), "webpush.headers.urgency", "invalid"),
        (json!({"Topic": "a b"}), "webpush.headers.topic", "invalid"),
        (json!({"Content-Encoding": "aesgcm"}), "webpush.headers.content-encoding", "override_forbidden"),
    ] {
        let mut body = to("ann");
        body["webpush"] = json!({ "headers": headers });
        dev.post("/v1/notifications", &body).await.invalid(field, code);
    }
}

#[tokio::test]
async fn a_subscription_that_is_over_makes_the_device_inactive() {
    let dev = Dev::start();
    for name in ["dead-1x", "missing-1x"] {
        browser(&dev, name, name).await;
        let delivery = ended(&dev, name, name).await;
        assert_eq!((&delivery["status"], &delivery["reason"]), (&json!("failed"), &json!("token_dead")), "{delivery}");
        let device = dev.get(&format!("/v1/devices/{name}")).await.expect(200);
        assert_eq!((&device["status"], &device["inactive_reason"]), (&json!("inactive"), &json!("token_dead")));
    }
    assert_eq!(lane(&dev).await["state"], "running");
}

#[tokio::test]
async fn patience_is_kept_as_it_is_asked_for() {
    let dev = Dev::start();
    browser(&dev, "quota-1-x", "ann").await;
    let delivery = ended(&dev, "ann", "quota-1-x").await;
    assert_eq!((&delivery["status"], &delivery["attempts"]), (&json!("sent"), &json!(2)), "{delivery}");
    let pushes = dev.pushes("quota-1-x").await;
    assert_eq!((&pushes[0]["status"], &pushes[1]["status"]), (&json!(429), &json!(201)));
    let waited = instant(&pushes[1]["received_at"]) - instant(&pushes[0]["received_at"]);
    assert!(waited.num_milliseconds() >= 1000, "{waited}");
    let topic = |push: &Value| push["headers"]["topic"].clone();
    assert_eq!(topic(&pushes[0]), topic(&pushes[1]), "a repeat replaces the first");

    browser(&dev, "down-2-x", "ben").await;
    let delivery = ended(&dev, "ben", "down-2-x").await;
    assert_eq!((&delivery["status"], &delivery["attempts"]), (&json!("sent"), &json!(3)), "{delivery}");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let dev = Dev::start();
    browser(&dev, "moved-x", "ann").await;
    let delivery = ended(&dev, "ann", "moved-x").await;
    assert_eq!((&delivery["status"], &delivery["reason"]), (&json!("failed"), &json!("message_rejected")), "{delivery}");
    assert_eq!(delivery["detail"], "status 307", "{delivery}");
    assert_eq!(dev.push("moved-x").await["status"], 307);
    assert!(dev.pushes("moved").await.is_empty());
    assert_eq!(dev.get("/v1/devices/moved-x").await.expect(200)["status"], "active");
}

/// A subscription made with another key costs nobody else anything; a key that nobody takes stops the lane.
#[tokio::test]
async fn a_refused_key_is_the_subscription_s_or_the_lane_s() {
    let dev = Dev::start();
    let other = "BNcRdreALRFXTkOOUHK1EtK2wtaz5Ry4YfYCA_0QTpQtUbVlUls0VJXg7A8u-Ts1XbjhazAkj7I99e8QcYP7DkM";
    let asked = json!({"id": "stranger", "application_server_key": other});
    let subscription = dev.post("/simulator/subscriptions", &asked).await.expect(201);
    dev.put("/v1/devices/stranger", &web("ann", &subscription)).await.expect(201);
    let delivery = ended(&dev, "ann", "stranger").await;
    assert_eq!((&delivery["status"], &delivery["reason"]), (&json!("failed"), &json!("token_mismatched")), "{delivery}");
    assert_eq!(dev.get("/v1/devices/stranger").await.expect(200)["status"], "active", "held back until more is known");
    assert_eq!(lane(&dev).await["state"], "running");

    browser(&dev, "firefox", "ben").await;
    dev.behave(json!([{"provider": "webpush", "respond": {"status": 403}}])).await;
    let id = dev.notify(&to("ben")).await;
    dev.waits(&id, "firefox", "unavailable").await;
    assert_eq!(lane(&dev).await["state"], "running", "one proves nothing");
    for n in 0..9 {
        browser(&dev, &format!("firefox-{n}"), "eve").await;
    }
    let others = dev.notify(&to("eve")).await;
    dev.waits(&id, "firefox", "lane_paused").await;
    let paused = lane(&dev).await;
    assert_eq!((&paused["state"], &paused["reason"]), (&json!("paused"), &json!("credential_refused: status 403")));
    dev.behave(json!([])).await;
    assert_eq!(dev.post("/v1/lanes/webpush/resume", &Value::Null).await.expect(200)["state"], "running");
    assert_eq!(dev.done(&id).await["counts"]["sent"], 1);
    assert_eq!(dev.done(&others).await["counts"]["sent"], 9);

    // from now on it is known to be taken
    dev.behave(json!([{"provider": "webpush", "respond": {"status": 401, "reason": "109"}, "times": 1}])).await;
    assert_eq!(ended(&dev, "ben", "firefox").await["reason"], "message_rejected");
    assert_eq!(lane(&dev).await["state"], "running");
}

const KEYS: (&str, &str) =
    ("BNcRdreALRFXTkOOUHK1EtK2wtaz5Ry4YfYCA_0QTpQtUbVlUls0VJXg7A8u-Ts1XbjhazAkj7I99e8QcYP7DkM", "tBHItJI5svbpez7KI4CCXg");

fn at(endpoint: &str) -> Value {
    json!({"endpoint": endpoint, "keys": {"p256dh": KEYS.0, "auth": KEYS.1}})
}

/// However it comes, a subscription elsewhere than at an allowed push service is not taken.
#[tokio::test]
async fn an_endpoint_that_is_not_allowed_is_not_stored() {
    let dev = Dev::start();
    browser(&dev, "firefox", "ann").await;
    let real = subscribe(&dev, "other").await["endpoint"].as_str().unwrap().to_owned();
    let port = real.strip_prefix("https://localhost:").unwrap().split_once('/').unwrap().0;
    for endpoint in [
        "https://127.0.0.1/x".to_owned(),
        format!("https://127.0.0.1:{port}/push/x"),
        format!("https://[::1]:{port}/push/x"),
        format!("https://[::ffff:127.0.0.1]:{port}/push/x"),
        format!("https://2130706433:{port}/push/x"),
        format!("https://localhost.:{port}/push/x"),
        format!("https://u:p@localhost:{port}/push/x"),
        format!("https://localhost.evil.example:{port}/push/x"),
        "https://169.254.169.254/latest/meta-data".to_owned(),
        "https://localhost/push/x".to_owned(),
        "https://fcm.googleapis.com/fcm/send/x".to_owned(),
        "https://permanently-removed.invalid/x".to_owned(),
    ] {
        dev.put("/v1/devices/new", &web("ann", &at(&endpoint))).await.invalid("token.endpoint", "address_forbidden");
        dev.put("/v1/devices/firefox", &json!({"token": at(&endpoint)})).await.invalid("token.endpoint", "address_forbidden");
        dev.patch("/v1/devices/firefox", &json!({"token": at(&endpoint)})).await.invalid("token.endpoint", "address_forbidden");
        for query in ["", "?dry_run=true"] {
            let mut line = web("ann", &at(&endpoint));
            line["device_id"] = json!("new");
            let answer = dev.import(query, &format!("{line}\n")).await.expect(200);
            assert_eq!((&answer["failed"], &answer["errors"][0]["code"]), (&json!(1), &json!("address_forbidden")), "{endpoint} {answer}");
        }
    }
    dev.get("/v1/devices/new").await.problem(404, "not_found");
    assert_eq!(ended(&dev, "ann", "firefox").await["status"], "sent", "it has the subscription that it had");
}

/// A daemon beside a simulator, and its client.
fn serve(simulator: &Simulator, key: &str, env: &[(&str, &str)]) -> (Process, Client) {
    let daemon = simulator.serve(env);
    let client = Client::new(&daemon.url, key);
    (daemon, client)
}

/// What was stored when it was allowed is not connected to any more when it is not: the list has changed, or the name's address is one of
/// ours. Everybody else gets what is theirs.
#[tokio::test]
async fn a_stored_endpoint_that_is_no_longer_allowed_is_not_connected_to() {
    let simulator = Simulator::start();
    let key = simulator.key("send,manage,read");
    let (daemon, client) = serve(&simulator, &key, &[]);
    let subscription = subscribe(&simulator.client, "firefox").await;
    client.put("/v1/devices/firefox", &web("ann", &subscription)).await.expect(201);
    client.android("tablet", "ann", "well-1").await;
    assert_eq!(client.send_and_wait(&to("ann")).await["counts"]["sent"], 2);
    assert!(daemon.terminate().await.success());

    for env in [
        ("HERALD__APPS__DEMO__WEBPUSH__ALLOW_PRIVATE_ADDRESSES", "false"),
        ("HERALD__APPS__DEMO__WEBPUSH__ALLOWED_HOSTS", r#"["push.example.com"]"#),
    ] {
        let (daemon, client) = serve(&simulator, &key, &[env]);
        let done = client.send_and_wait(&to("ann")).await;
        assert_eq!((&done["counts"]["sent"], &done["counts"]["failed"]), (&json!(1), &json!(1)), "{env:?} {done}");
        let delivery = client.delivery(done["id"].as_str().unwrap(), "firefox").await;
        assert_eq!((&delivery["reason"], &delivery["detail"]), (&json!("message_rejected"), &json!("address forbidden")), "{delivery}");
        assert_eq!(delivery["attempts"], 0, "nothing was handed over: {delivery}");
        assert_eq!(client.get("/v1/devices/firefox").await.expect(200)["status"], "active");
        assert_eq!(lane(&client).await["state"], "running");
        assert_eq!(simulator.client.pushes("firefox").await.len(), 1, "the one of before");
        assert!(daemon.terminate().await.success());
    }
}

/// Push services fail apart: one that is away, with most of what is sent, holds up no other of its app.
#[tokio::test]
async fn a_push_service_that_is_away_holds_up_no_other() {
    let simulator = Simulator::start();
    let key = simulator.key("send,manage,read");
    let subscription = subscribe(&simulator.client, "firefox").await;
    let real = subscription["endpoint"].as_str().unwrap().strip_prefix("https://").unwrap().split_once('/').unwrap().0.to_owned();
    // nobody listens there
    let away = "localhost:1";
    let hosts = json!([real, away]).to_string();
    let (_daemon, client) = serve(&simulator, &key, &[("HERALD__APPS__DEMO__WEBPUSH__ALLOWED_HOSTS", &hosts)]);
    client.put("/v1/devices/firefox", &web("ann", &subscription)).await.expect(201);
    for n in 0..40 {
        client.put(&format!("/v1/devices/gone-{n}"), &web("eve", &at(&format!("https://{away}/{n}")))).await.expect(201);
    }
    client.notify(&to("eve")).await;
    let held = until("what is away is held", async || {
        client.items("/v1/lanes").await.into_iter().find(|lane| lane["service"] == format!("https://{away}"))
    });
    let held = held.await;
    assert_eq!((&held["provider"], &held["state"]), (&json!("webpush"), &json!("running")), "{held}");
    assert_ne!(held["breaker"], "closed", "{held}");
    assert_eq!(client.send_and_wait(&to("ann")).await["counts"]["sent"], 1);
    let whole = lane(&client).await;
    assert_eq!((&whole["service"], &whole["breaker"], &whole["held_until"]), (&Value::Null, &json!("closed"), &Value::Null), "{whole}");
}

/// Registering a browser works; nobody here can send to it.
#[tokio::test]
async fn a_browser_is_unsupported_without_its_provider() {
    let simulator = Simulator::start();
    simulator.remove("[apps.demo.webpush]");
    let key = simulator.key("send,manage,read");
    let (_daemon, client) = serve(&simulator, &key, &[]);
    client.put("/v1/devices/browser", &web("ann", &at("https://127.0.0.1/x"))).await.invalid("token.endpoint", "address_forbidden");
    let device = client.put("/v1/devices/browser", &web("ann", &at("https://fcm.googleapis.com/fcm/send/abc"))).await.expect(201);
    assert_eq!((&device["platform"], &device["provider"], &device["status"]), (&json!("web"), &json!("webpush"), &json!("active")));
    for push in [json!({"content": {"title": "t"}}), json!({"content": {"data": {"k": "v"}}, "silent": true})] {
        let mut body = push.clone();
        body["to"] = json!({"user_id": "ann"});
        let done = client.send_and_wait(&body).await;
        assert_eq!(done["reasons"]["suppressed"], json!({"unsupported": 1}), "{push}");
    }
}

#[tokio::test]
async fn check_signs_and_says_the_public_key() {
    let simulator = Simulator::start();
    let output = simulator.on_the_store(&["check"]).output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{told}");
    let line = told.lines().find(|line| line.starts_with("apps.demo.webpush: ok")).unwrap();
    let key = line.rsplit_once("public key is ").unwrap().1.trim_end_matches(')');
    assert_eq!((key.len(), key.starts_with('B')), (87, true), "{line}");

    std::fs::write(simulator.dir.path().join("vapid.pem"), "no key").unwrap();
    let output = simulator.on_the_store(&["check"]).output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("apps.demo.webpush: vapid_key_file: no EC P-256 private key"), "{told}");
}

/// The demo's browser is reached after every start, though the push service of each is another.
#[tokio::test]
async fn the_browser_of_the_demo_survives_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let start = || {
        let mut command = herald();
        command.args(["dev", "--listen", "127.0.0.1:0", "--data-dir"]).arg(dir.path()).env("RUST_LOG", "warn");
        let process = Process::start(&mut command);
        let client = Client::new(&process.url, crate::daemon::DEV_KEY);
        (process, client)
    };
    for _ in 0..2 {
        let (process, client) = start();
        assert_eq!(ended(&client, "demo-eve", "demo-eve-firefox").await["status"], "sent");
        assert_eq!(client.push("demo-eve-firefox").await["body"]["title"], "t");
        assert!(process.terminate().await.success());
    }
    let (process, client) = start();
    client.delete("/v1/devices/demo-eve-firefox").await.expect(204);
    assert!(process.terminate().await.success());
    let (_process, client) = start();
    client.get("/v1/devices/demo-eve-firefox").await.problem(404, "not_found");
}
