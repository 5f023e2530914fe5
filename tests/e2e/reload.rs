//! Apps and credentials that change while pushes are under way.

use serde_json::{Value, json};

use crate::daemon::{Client, Process, Simulator, apns_token, until};

const EACH: usize = 1500;

/// Half iPhones, half Androids.
async fn register(client: &Client) {
    client.import_many(0..EACH).await;
    let line = |n: usize| json!({"device_id": format!("android-{n}"), "user_id": format!("user-{n}"), "platform": "android", "token": format!("alive-{n}")});
    let lines: String = (0..EACH).map(|n| format!("{}\n", line(n))).collect();
    assert_eq!(client.import("", &lines).await.expect(200)["created"], EACH);
}

/// Has Apple and Google make new keys, and revoke the old ones if wanted; the files of the configuration are replaced by them.
async fn rotate(simulator: &Simulator, revoke: bool) {
    let keys = simulator.client.post("/simulator/keys", &json!({ "revoke": revoke })).await.expect(201);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    std::fs::write(simulator.dir.path().join("new.p8"), text(&keys["apns"]["key"])).unwrap();
    std::fs::write(simulator.dir.path().join("service-account.json"), keys["fcm"]["service_account"].to_string()).unwrap();
    simulator.set("key_id", &text(&keys["apns"]["key_id"]));
    simulator.set("key_file", "new.p8");
}

/// Asks a daemon to read its configuration again, and waits until it has so many times.
async fn reload(daemon: &Process, client: &Client, result: &str, times: usize) {
    daemon.signal("HUP");
    let line = format!("herald_reloads_total{{result=\"{result}\"}} {times}");
    until(&line, async || client.get("/metrics").await.body.as_str().unwrap().contains(&line).then_some(())).await;
}

/// Show: a rotated key under load loses nothing. First both keys are good for a while, as it should be done; then the old one is revoked before
/// anybody knows the new one.
#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::print_stdout, reason = "the figures are worth knowing")]
async fn a_key_that_is_rotated_under_load_loses_nothing() {
    let simulator = Simulator::start();
    let key = simulator.key("send,manage,read");
    let daemon = simulator.serve(&[]);
    let client = Client::new(&daemon.url, &key);
    register(&client).await;
    let all = json!({"to": {"all": true}, "content": {"title": "t"}});
    let mut ids = Vec::new();
    for (times, revoke) in [(1, false), (2, true)] {
        let before = simulator.client.get("/simulator/stats").await.expect(200)["received"].as_u64().unwrap();
        for _ in 0..5 {
            ids.push(client.notify(&all).await);
        }
        until("pushes are under way", async || {
            let stats = simulator.client.get("/simulator/stats").await.expect(200);
            (stats["received"].as_u64().unwrap() > before + 200).then_some(())
        })
        .await;
        rotate(&simulator, revoke).await;
        reload(&daemon, &client, "done", times).await;
        ids.push(client.notify(&all).await);
    }
    for id in &ids {
        let done = client.done(id).await;
        assert_eq!((&done["counts"]["targeted"], &done["counts"]["sent"]), (&json!(2 * EACH), &json!(2 * EACH)), "{done}");
    }
    let stats = simulator.client.get("/simulator/stats").await.expect(200);
    assert_eq!((&stats["repeats"], &stats["accepted"]), (&json!(0), &json!(ids.len() * 2 * EACH)), "{stats}");
    let lanes = client.items("/v1/lanes").await;
    assert!(lanes.iter().all(|lane| lane["state"] == "running"), "{lanes:?}");
    println!("{} pushes over two rotations: {stats}", ids.len() * 2 * EACH);
}

#[tokio::test]
async fn a_configuration_with_a_fault_changes_nothing() {
    let simulator = Simulator::start();
    let key = simulator.key("send,manage,read");
    let daemon = simulator.serve(&[]);
    let client = Client::new(&daemon.url, &key);
    client.ios("d1", "u1", &apns_token("c0", 1)).await;
    let good = std::fs::read_to_string(simulator.config()).unwrap();
    simulator.set("key_file", "nowhere.p8");
    reload(&daemon, &client, "refused", 1).await;
    std::fs::write(simulator.dir.path().join("nowhere.p8"), "no key").unwrap();
    reload(&daemon, &client, "refused", 2).await;
    let sent = client.send_and_wait(&json!({"to": {"user_id": "u1"}, "content": {"title": "t"}})).await;
    assert_eq!(sent["counts"]["sent"], 1, "{sent}");
    std::fs::write(simulator.config(), good).unwrap();
    reload(&daemon, &client, "done", 1).await;
}

#[tokio::test]
async fn an_app_comes_and_goes() {
    let simulator = Simulator::start();
    let one = std::fs::read_to_string(simulator.config()).unwrap();
    simulator.add_app("second");
    let two = std::fs::read_to_string(simulator.config()).unwrap();
    let [first, second] = ["demo", "second"].map(|app| simulator.key_of(app, "send,manage,read"));
    std::fs::write(simulator.config(), &one).unwrap();
    let daemon = simulator.serve(&[]);
    let client = Client::new(&daemon.url, &first);
    let second = client.with_key(&second);
    second.get("/v1/lanes").await.problem(401, "key_invalid");
    std::fs::write(simulator.config(), two).unwrap();
    reload(&daemon, &client, "done", 1).await;
    second.ios("d1", "u1", &apns_token("c0", 1)).await;
    let sent = second.send_and_wait(&json!({"to": {"user_id": "u1"}, "content": {"title": "t"}})).await;
    assert_eq!(sent["counts"]["sent"], 1, "{sent}");
    std::fs::write(simulator.config(), one).unwrap();
    reload(&daemon, &client, "done", 2).await;
    second.get("/v1/lanes").await.problem(401, "key_invalid");
    assert_eq!(client.get("/v1/lanes").await.status, 200);
}

/// What a payload carries of the configuration changes with it, for what was accepted before as well.
#[tokio::test]
async fn what_is_sent_after_a_reload_is_rendered_anew() {
    let simulator = Simulator::start();
    let key = simulator.key("send,manage,read");
    let daemon = simulator.serve(&[]);
    let client = Client::new(&daemon.url, &key);
    let token = apns_token("c0", 1);
    client.ios("d1", "u1", &token).await;
    simulator.client.behave(json!([{"respond": {"status": 503, "retry_after": 3}, "times": 1}])).await;
    let id = client.notify(&json!({"to": {"user_id": "u1"}, "content": {"title": "t"}})).await;
    client.waits(&id, "d1", "unavailable").await;
    simulator.set("service_extension", "true");
    reload(&daemon, &client, "done", 1).await;
    client.done(&id).await;
    let mutable: Vec<_> = simulator.client.pushes(&token).await.iter().map(|push| push["body"]["aps"]["mutable-content"].clone()).collect();
    assert_eq!(mutable, [Value::Null, json!(1)]);
}
