//! What operators do from the command line: notifications, lanes, keys, large imports.

use serde_json::{Value, json};

use crate::cli::{command, json_of, run};
use crate::clock::{in_seconds, instant, text};
use crate::daemon::{Client, DEV_KEY, Dev, Process, Simulator, apns_token, herald};

/// What a command prints for people, once it is done.
async fn text_of(dev: &Dev, line: &[&str]) -> String {
    let output = run(command(dev, line)).await;
    let (out, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{line:?}: {out}{error}");
    out.into_owned()
}

fn ids(list: &Value) -> Vec<&str> {
    list["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn notifications_are_listed_shown_and_cancelled() {
    let dev = Dev::start();
    dev.android("tablet", "ann", "well-1").await;
    let content = json!({"title": "t"});
    let sent = dev.notify(&json!({"to": {"user_id": "ann"}, "category": "messages", "content": content})).await;
    dev.done(&sent).await;
    let waiting = dev.notify(&json!({"to": {"user_id": "ann"}, "content": content, "send_at": text(in_seconds(3600))})).await;

    let list = ["notification", "list"];
    assert_eq!(ids(&json_of(&dev, &list, 0).await), [waiting.as_str(), &sent]);
    for (filter, expected) in [
        (&["--status", "scheduled"][..], vec![waiting.as_str()]),
        (&["--status", "done"], vec![&sent]),
        (&["--category", "messages"], vec![&sent]),
        (&["--category", "messages", "--status", "scheduled"], vec![]),
        (&["--limit", "1"], vec![&waiting]),
    ] {
        assert_eq!(ids(&json_of(&dev, &[&list, filter].concat(), 0).await), expected, "{filter:?}");
    }
    let refused = json_of(&dev, &["notification", "list", "--status", "lost"], 1).await;
    assert_eq!((&refused["code"], &refused["errors"][0]["field"]), (&json!("invalid"), &json!("status")), "{refused}");
    let table = text_of(&dev, &list).await;
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines[0].starts_with("ID") && lines[1].starts_with(&waiting) && lines[2].starts_with(&sent), "{table}");

    let cancelled = json_of(&dev, &["notification", "cancel", &waiting], 0).await;
    assert_eq!((&cancelled["id"], &cancelled["status"]), (&json!(waiting), &json!("cancelled")), "{cancelled}");
    assert_eq!(dev.done(&waiting).await["counts"]["cancelled"], 1);
    let late = json_of(&dev, &["notification", "cancel", &sent], 0).await;
    assert_eq!((&late["status"], &late["counts"]["sent"]), (&json!("done"), &json!(1)), "there was nothing left to cancel: {late}");

    assert_eq!(json_of(&dev, &["notification", "show", &sent], 0).await["counts"]["sent"], 1);
    let deliveries = json_of(&dev, &["notification", "show", &sent, "--deliveries"], 0).await;
    assert_eq!((&deliveries["items"][0]["device_id"], &deliveries["items"][0]["status"]), (&json!("tablet"), &json!("sent")));
    assert!(text_of(&dev, &["notification", "show", &sent, "--deliveries"]).await.contains("tablet"));
    for action in ["show", "cancel"] {
        let unknown = json_of(&dev, &["notification", action, "019aa0c4-0000-7000-8000-000000000000"], 1).await;
        assert_eq!(unknown["code"], "not_found", "{action}");
    }
}

#[tokio::test]
async fn a_paused_lane_is_seen_and_resumed() {
    let dev = Dev::start();
    dev.ios("phone", "ann", &apns_token("a1", 1)).await;
    dev.behave(json!([{"provider": "apns", "respond": {"status": 403, "reason": "Forbidden"}, "times": 1}])).await;
    let id = dev.notify(&json!({"to": {"user_id": "ann"}, "content": {"title": "t"}})).await;
    dev.waits(&id, "phone", "lane_paused").await;

    let lanes = json_of(&dev, &["lane", "list"], 0).await;
    assert_eq!(lanes["items"], dev.get("/v1/lanes").await.expect(200)["items"], "as the daemon answers them");
    let of = |lanes: &Value, environment: &str| {
        let lanes = lanes["items"].as_array().unwrap();
        lanes.iter().find(|lane| lane["provider"] == "apns" && lane["environment"] == environment).unwrap().clone()
    };
    let production = of(&lanes, "production");
    assert_eq!((&production["state"], &production["reason"]), (&json!("paused"), &json!("credential_refused: Forbidden")));
    let table = text_of(&dev, &["lane", "list"]).await;
    assert!(table.lines().any(|line| line.contains("production") && line.contains("paused") && line.contains("Forbidden")), "{table}");

    let resumed = json_of(&dev, &["lane", "resume", "apns"], 0).await;
    assert_eq!((&of(&resumed, "production")["state"], &of(&resumed, "production")["reason"]), (&json!("running"), &Value::Null));
    assert_eq!(dev.done(&id).await["counts"]["sent"], 1);
    let unknown = json_of(&dev, &["lane", "resume", "pigeon"], 1).await;
    assert_eq!((&unknown["status"], &unknown["code"]), (&json!(404), &json!("not_found")));
}

#[tokio::test]
async fn keys_are_made_listed_and_revoked() {
    let dev = Dev::start();
    let end = text(in_seconds(3600));
    let made = json_of(&dev, &["key", "create", "--name", "nightly", "--scopes", "read,manage", "--expires-at", &end], 0).await;
    assert_eq!(made.as_object().unwrap().len(), 2, "an id and a key");
    let (id, key) = (made["id"].as_str().unwrap(), made["key"].as_str().unwrap());
    dev.with_key(key).get("/v1/devices").await.expect(200);

    let listed = json_of(&dev, &["key", "list"], 0).await;
    let mine = listed["items"].as_array().unwrap().iter().find(|item| item["id"] == id).unwrap();
    assert_eq!((&mine["name"], &mine["scopes"]), (&json!("nightly"), &json!(["manage", "read"])), "{mine}");
    assert_eq!(text(instant(&mine["expires_at"])), end);
    assert!(!listed.to_string().contains(key) && !text_of(&dev, &["key", "list"]).await.contains(key), "it is shown once");

    assert_eq!(json_of(&dev, &["key", "revoke", id], 0).await, json!({ "id": id }));
    dev.with_key(key).get("/v1/devices").await.problem(401, "key_invalid");
    assert!(!ids(&json_of(&dev, &["key", "list"], 0).await).contains(&id));
    assert_eq!(json_of(&dev, &["key", "revoke", id], 1).await["code"], "not_found");
    let past = json_of(&dev, &["key", "create", "--name", "old", "--scopes", "read", "--expires-at", "2020-01-01T00:00:00Z"], 1).await;
    assert_eq!((&past["code"], &past["errors"][0]["field"]), (&json!("invalid"), &json!("expires_at")), "{past}");
}

/// Of a large file the good lines are taken; the counts tell of all, and the errors of the first bad ones.
#[tokio::test]
async fn an_import_with_errors_says_what_it_took() {
    let dev = Dev::start();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("devices.ndjson");
    let line = |n: usize| match n % 3 {
        0 => json!({"device_id": format!("d-{n}"), "user_id": "ann", "platform": "ios", "token": "secret-not-hex"}),
        _ => json!({"device_id": format!("d-{n}"), "user_id": format!("u-{n}"), "platform": "android", "token": format!("well-{n}")}),
    };
    std::fs::write(&file, (1..=1200).map(|n| format!("{}\n", line(n))).collect::<String>()).unwrap();
    let name = file.to_str().unwrap();
    let output = run(command(&dev, &["device", "import", name, "--output", "json"])).await;
    assert_eq!(output.status.code(), Some(1));
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&told["lines"], &told["created"], &told["failed"]), (&json!(1200), &json!(800), &json!(400)), "{told}");
    let errors = told["errors"].as_array().unwrap();
    assert_eq!((errors.len(), &errors[0]["line"], &errors[99]["line"]), (100, &json!(3), &json!(300)));
    assert!(!told.to_string().contains("secret-not-hex"));
    dev.get("/v1/devices/d-1200").await.problem(404, "not_found");
    dev.get("/v1/devices/d-1199").await.expect(200);

    let human = run(command(&dev, &["device", "import", name])).await;
    assert_eq!(human.status.code(), Some(1));
    let told = String::from_utf8_lossy(&human.stdout);
    assert!(told.lines().any(|line| line.starts_with("failed") && line.ends_with("400")), "{told}");
    assert!(told.contains("line 3: token"), "{told}");
    let missing = json_of(&dev, &["device", "import", "/no/such/file.ndjson"], 1).await;
    assert!(missing["title"].as_str().unwrap().contains("/no/such/file.ndjson"), "{missing}");
}

/// The key that everyone knows is for this machine only.
#[tokio::test]
async fn dev_on_a_public_address_has_a_key_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let said = folder.path().join("said");
    let mut command = herald();
    command.args(["dev", "--listen", "0.0.0.0:0", "--data-dir"]).arg(folder.path().join("data")).env("RUST_LOG", "off");
    let process = Process::start_with_log(&mut command, std::fs::File::create(&said).unwrap().into());
    let told = std::fs::read_to_string(&said).unwrap();
    let key = told.lines().find_map(|line| line.strip_prefix("the API key of this start: ")).unwrap_or_else(|| panic!("{told}"));
    assert_ne!(key, DEV_KEY);
    let client = Client::new(&process.url, key);
    client.get("/v1/devices/demo-ann-iphone").await.expect(200);
    client.with_key(DEV_KEY).get("/v1/devices").await.problem(401, "key_invalid");
}

/// What is wrong is told to programs too, one by one.
#[tokio::test]
async fn a_check_names_its_faults_in_json() {
    let simulator = Simulator::start();
    std::fs::write(simulator.dir.path().join("herald.db"), "no database ".repeat(400)).unwrap();
    let output = run(simulator.on_the_store(&["check", "--output", "json"])).await;
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    let faulty: Vec<&Value> = told["items"].as_array().unwrap().iter().filter(|item| item["fault"].is_string()).collect();
    assert_eq!((faulty.len(), &faulty[0]["what"]), (1, &json!("store")), "{told}");

    simulator.configure("[dispatch]\npermitz = 3");
    let output = run(simulator.on_the_store(&["check", "--output", "json"])).await;
    assert_eq!(output.status.code(), Some(1));
    let told: Value = serde_json::from_slice(&output.stderr).unwrap();
    assert!(told["title"].as_str().unwrap().contains("permitz"), "{told}");
}

/// An app that shows a certificate instead of a token key.
#[tokio::test]
async fn a_certificate_sends_and_says_when_it_expires() {
    let simulator = Simulator::start();
    let certificate = simulator.dir.path().join("push-certificate.pem").to_string_lossy().into_owned();
    let env = [
        ("HERALD__APPS__DEMO__APNS__CERT_FILE", certificate.as_str()),
        ("HERALD__APPS__DEMO__APNS__KEY_FILE", ""),
        ("HERALD__APPS__DEMO__APNS__KEY_ID", ""),
        ("HERALD__APPS__DEMO__APNS__TEAM_ID", ""),
    ];
    let mut command = simulator.on_the_store(&["check", "--output", "json"]);
    command.envs(env);
    let output = run(command).await;
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    let apns = told["items"].as_array().unwrap().iter().find(|item| item["what"] == "apps.demo.apns").unwrap();
    assert!(apns["note"].as_str().unwrap().contains("its certificate expires at"), "{told}");

    let key = simulator.key("send,manage,read");
    let daemon = simulator.serve(&env);
    let client = Client::new(&daemon.url, &key);
    client.ios("phone", "ann", &apns_token("a1", 1)).await;
    let done = client.send_and_wait(&json!({"to": {"user_id": "ann"}, "content": {"title": "t"}})).await;
    assert_eq!(done["counts"]["sent"], 1, "{done}");
    let lanes = client.items("/v1/lanes").await;
    for lane in &lanes {
        assert_eq!(lane["credential_expires_at"].is_string(), lane["provider"] == "apns", "{lane}");
    }
}

#[tokio::test]
async fn a_user_is_shown_exported_and_erased() {
    let dev = Dev::start();
    dev.android("tablet", "ann", "well-1").await;
    dev.android("other", "bob", "well-2").await;
    let sent = dev.notify(&json!({"to": {"user_ids": ["ann", "bob"]}, "content": {"title": "t"}})).await;
    dev.done(&sent).await;

    assert_eq!(json_of(&dev, &["user", "show", "ann"], 0).await["locale"], json!(null));
    let export = json_of(&dev, &["user", "export", "ann"], 0).await;
    assert_eq!((&export["user_id"], &export["devices"][0]["device_id"]), (&json!("ann"), &json!("tablet")), "{export}");
    assert_eq!(export["deliveries"].as_array().unwrap().len(), 1, "{export}");
    assert_eq!(export["deliveries"][0]["notification_id"], json!(sent));
    assert!(!export.to_string().contains("well-1"), "no token: {export}");

    let (content, send_at) = (json!({"title": "t"}), text(in_seconds(3600)));
    let late = dev.notify(&json!({"to": {"device_ids": ["tablet"]}, "content": content, "send_at": send_at})).await;
    let shared = dev.notify(&json!({"to": {"user_ids": ["ann", "bob"]}, "content": content, "send_at": send_at})).await;
    let export = json_of(&dev, &["user", "export", "ann"], 0).await;
    let told: Vec<_> = export["deliveries"].as_array().unwrap().iter().map(|delivery| &delivery["notification_id"]).collect();
    assert_eq!(told, [&json!(shared), &json!(late), &json!(sent)], "{export}");
    assert_eq!(json_of(&dev, &["user", "erase", "ann"], 0).await["user_id"], "ann");
    assert_eq!(text_of(&dev, &["user", "erase", "ann"]).await, "erased ann\n", "nothing is found any more");
    let export = json_of(&dev, &["user", "export", "ann"], 0).await;
    assert_eq!((&export["devices"], &export["deliveries"]), (&json!([]), &json!([])), "{export}");
    let none = json!({"no_active_device": 1});
    let hers = json_of(&dev, &["notification", "show", &late], 0).await;
    assert_eq!(
        (&hers["status"], &hers["counts"]["suppressed"], &hers["reasons"]["suppressed"]),
        (&json!("done"), &json!(1), &none),
        "{hers}"
    );
    let theirs = json_of(&dev, &["notification", "show", &shared], 0).await;
    assert_eq!((&theirs["counts"]["suppressed"], &theirs["counts"]["waiting"]), (&json!(1), &json!(1)), "{theirs}");
    assert_eq!(json_of(&dev, &["notification", "cancel", &shared], 0).await["status"], "cancelled");

    let shown = json_of(&dev, &["notification", "show", &sent, "--deliveries"], 0).await;
    let mut people: Vec<&Value> = shown["items"].as_array().unwrap().iter().map(|delivery| &delivery["user_id"]).collect();
    people.sort_by_key(|name| name.as_str());
    assert_eq!(people, [&json!(null), &json!("bob")], "{shown}");
    assert_eq!(json_of(&dev, &["notification", "show", &sent], 0).await["counts"]["sent"], 2);
}
