//! The command line against a running daemon: what it prints, and how it ends.

use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::daemon::{Client, DEV_KEY, Dev, Process, Simulator, apns_token, herald};

/// Runs a command to its end.
pub(crate) async fn run(mut command: Command) -> Output {
    tokio::task::spawn_blocking(move || command.stdin(std::process::Stdio::null()).output().unwrap()).await.unwrap()
}

pub(crate) fn command(dev: &Dev, line: &[&str]) -> Command {
    let mut command = herald();
    command.args(line).env("HERALD_URL", &dev.url).env("HERALD_API_KEY", DEV_KEY);
    command
}

/// Runs a command that prints JSON and must end with this status.
#[track_caller]
pub(crate) fn read(output: &Output, status: i32) -> Value {
    let (out, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(status), "{out}\n{error}");
    serde_json::from_str(if status == 0 { &out } else { &error }).unwrap_or_else(|_| json!({"out": out, "error": error}))
}

pub(crate) async fn json_of(dev: &Dev, line: &[&str], status: i32) -> Value {
    let mut command = command(dev, line);
    command.args(["--output", "json"]);
    read(&run(command).await, status)
}

#[tokio::test]
async fn send_says_what_became_of_it() {
    let dev = Dev::start();
    let token = apns_token("a1", 1);
    dev.ios("phone", "ann", &token).await;
    dev.ios("dead", "ben", &apns_token("dead0", 1)).await;

    let accepted = json_of(&dev, &["send", "--to-user", "ann", "--title", "Hi", "--body", "Lunch?"], 0).await;
    assert_eq!(dev.done(accepted["id"].as_str().unwrap()).await["counts"]["sent"], 1);
    assert_eq!(dev.push(&token).await["body"]["aps"]["alert"], json!({"title": "Hi", "body": "Lunch?"}));

    let watched = run(command(&dev, &["send", "--to-device", "phone", "--title", "t", "--watch"])).await;
    assert_eq!(watched.status.code(), Some(0), "{}", String::from_utf8_lossy(&watched.stderr));
    for (line, status) in [
        (vec!["send", "--to-user", "ben", "--title", "t", "--watch"], 1),
        (vec!["send", "--to-user", "nobody", "--title", "t", "--watch"], 1),
        (vec!["send", "--to-user", "ann", "--title", "t", "--test", "--watch"], 0),
        (vec!["send", "--to-user", "ann"], 1),
        (vec!["send", "--title", "t"], 2),
        (vec!["send", "--to-user", "a", "--to-device", "b", "--title", "t"], 2),
        (vec!["send", "--to-user", "ann", "--title", "t", "--colour", "red"], 2),
    ] {
        let output = run(command(&dev, &line)).await;
        assert_eq!(output.status.code(), Some(status), "{line:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    let before = dev.items("/v1/notifications?limit=500").await.len();
    let preview = json_of(&dev, &["send", "--to-user", "ann", "--title", "t", "--dry-run"], 0).await;
    assert_eq!(preview["decisions"], json!({"send": 1}));
    assert_eq!(dev.items("/v1/notifications?limit=500").await.len(), before);
}

#[tokio::test]
async fn send_reads_a_file() {
    let dev = Dev::start();
    dev.android("tablet", "ann", "well-1").await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("lunch.json");
    std::fs::write(
        &file,
        json!({"to": {"user_id": "ann"}, "content": {"title": "Lunch", "body": "At noon"}, "ttl_seconds": 60}).to_string(),
    )
    .unwrap();
    let name = file.to_str().unwrap();
    let accepted = json_of(&dev, &["send", "--file", name, "--title", "Dinner"], 0).await;
    dev.done(accepted["id"].as_str().unwrap()).await;
    let notification = &dev.push("well-1").await["body"]["message"]["android"]["notification"];
    assert_eq!((&notification["title"], &notification["body"]), (&json!("Dinner"), &json!("At noon")), "flags go over the file");
    std::fs::write(&file, json!({"to": {"user_id": "ann"}, "contents": {}}).to_string()).unwrap();
    let output = run(command(&dev, &["send", "--file", name])).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("contents"), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(run(command(&dev, &["send", "--file", "/no/such/file.json"])).await.status.code(), Some(1));
}

#[tokio::test]
async fn devices_are_registered_listed_shown_imported_and_deleted() {
    let dev = Dev::start();
    let token = apns_token("a1", 1);
    let made = json_of(&dev, &["device", "register", "phone", "--user", "ann", "--platform", "ios", "--token", &token], 0).await;
    assert_eq!((&made["device_id"], &made["status"]), (&json!("phone"), &json!("active")));
    let shown = json_of(&dev, &["device", "show", "phone"], 0).await;
    assert_eq!((&shown["user_id"], &shown["platform"]), (&json!("ann"), &json!("ios")));
    let listed = json_of(&dev, &["device", "list", "--user", "ann"], 0).await;
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
    assert!(!format!("{made}{shown}{listed}").contains(&token));
    let human = run(command(&dev, &["device", "list", "--user", "ann"])).await;
    assert!(String::from_utf8_lossy(&human.stdout).contains("phone"), "{}", String::from_utf8_lossy(&human.stdout));

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("devices.ndjson");
    let good = json!({"device_id": "tablet", "user_id": "ben", "platform": "android", "token": "well-1"});
    std::fs::write(&file, format!("{good}\n")).unwrap();
    let name = file.to_str().unwrap();
    assert_eq!(json_of(&dev, &["device", "import", name, "--dry-run"], 0).await["created"], 1);
    dev.get("/v1/devices/tablet").await.problem(404, "not_found");
    assert_eq!(json_of(&dev, &["device", "import", name], 0).await["created"], 1);
    std::fs::write(&file, format!("{good}\nnonsense\n")).unwrap();
    assert_eq!(run(command(&dev, &["device", "import", name])).await.status.code(), Some(1));

    assert_eq!(run(command(&dev, &["device", "delete", "phone"])).await.status.code(), Some(0));
    let gone = json_of(&dev, &["device", "show", "phone"], 1).await;
    assert_eq!((&gone["status"], &gone["code"]), (&json!(404), &json!("not_found")));
    assert_eq!(run(command(&dev, &["device", "delete", "phone"])).await.status.code(), Some(1));
    assert_eq!(run(command(&dev, &["device", "register", "phone", "--platform", "symbian"])).await.status.code(), Some(2));
}

#[tokio::test]
async fn keys_lanes_and_explanations() {
    let dev = Dev::start();
    let made = json_of(&dev, &["key", "create", "--name", "backend", "--scopes", "send,read"], 0).await;
    let (id, key) = (made["id"].as_str().unwrap(), made["key"].as_str().unwrap());
    dev.with_key(key).get("/v1/devices").await.expect(200);
    let listed = json_of(&dev, &["key", "list"], 0).await;
    assert!(
        listed["items"].as_array().unwrap().iter().any(|item| item["id"] == id && item["scopes"] == json!(["send", "read"])),
        "{listed}"
    );
    assert!(!listed.to_string().contains(key));
    assert_eq!(run(command(&dev, &["key", "revoke", id])).await.status.code(), Some(0));
    dev.with_key(key).get("/v1/devices").await.problem(401, "key_invalid");
    assert_eq!(run(command(&dev, &["key", "revoke", id])).await.status.code(), Some(1));
    assert_eq!(run(command(&dev, &["key", "create", "--name", "x", "--scopes", "root"])).await.status.code(), Some(2));

    let lanes = json_of(&dev, &["lane", "list"], 0).await;
    assert!(lanes["items"].as_array().unwrap().iter().any(|lane| lane["provider"] == "apns" && lane["state"] == "running"), "{lanes}");
    assert_eq!(run(command(&dev, &["lane", "resume", "apns"])).await.status.code(), Some(0));
    assert_eq!(run(command(&dev, &["lane", "resume", "pigeon"])).await.status.code(), Some(1));

    dev.android("tablet", "ann", "well-1").await;
    dev.prefer("ann", &json!({"categories": {"marketing": {"push": false}}})).await;
    let told =
        json_of(&dev, &["explain", "--app", "demo", "--user", "ann", "--category", "marketing", "--at", "2026-12-01T09:00:00Z"], 0).await;
    assert_eq!((&told["decisions"][0]["decision"], &told["decisions"][0]["reason"]), (&json!("suppress"), &json!("category_off")));
    assert_eq!(told["decisions"][0]["local_time"], "2026-12-01T09:00:00");
    assert_eq!(run(command(&dev, &["explain", "--app", "other", "--user", "ann"])).await.status.code(), Some(2));
    assert_eq!(run(command(&dev, &["explain"])).await.status.code(), Some(2));
}

#[tokio::test]
async fn a_daemon_that_cannot_be_spoken_to_is_a_failure() {
    let dev = Dev::start();
    let with = |url: &str, key: Option<&str>| {
        let mut command = herald();
        command.args(["lane", "list"]).env("HERALD_URL", url).env_remove("HERALD_API_KEY");
        if let Some(key) = key {
            command.env("HERALD_API_KEY", key);
        }
        command
    };
    assert_eq!(run(with("http://127.0.0.1:1", Some(DEV_KEY))).await.status.code(), Some(1));
    assert_eq!(run(with(&dev.url, Some("wrong"))).await.status.code(), Some(1));
    assert_eq!(run(with(&dev.url, None)).await.status.code(), Some(2));
    assert_eq!(run(with("nonsense", Some(DEV_KEY))).await.status.code(), Some(2));
    let mut unknown = herald();
    unknown.arg("fly");
    assert_eq!(run(unknown).await.status.code(), Some(2));
}

#[tokio::test]
async fn a_configuration_is_checked_and_a_store_migrated_without_serving() {
    let simulator = Simulator::start();
    let migrated = run(simulator.on_the_store(&["migrate"])).await;
    assert_eq!(migrated.status.code(), Some(0), "{}", String::from_utf8_lossy(&migrated.stderr));
    let checked = read(&run(simulator.on_the_store(&["check", "--output", "json"])).await, 0);
    assert!(checked["items"].as_array().unwrap().iter().all(|item| item["fault"].is_null()), "{checked}");
    let first =
        run(simulator.on_the_store(&["key", "create", "--app", "demo", "--name", "first", "--scopes", "manage", "--output", "json"])).await;
    let id = read(&first, 0)["id"].as_str().unwrap().to_owned();
    let listed = read(&run(simulator.on_the_store(&["key", "list", "--app", "demo", "--output", "json"])).await, 0);
    assert_eq!(listed["items"][0]["id"], id.as_str());
    assert_eq!(run(simulator.on_the_store(&["key", "revoke", &id, "--app", "demo"])).await.status.code(), Some(0));
    assert_eq!(run(simulator.on_the_store(&["key", "list", "--app", "nobody"])).await.status.code(), Some(2));

    simulator.configure("[dispatch]\npermitz = 3");
    let line = std::fs::read_to_string(simulator.config()).unwrap().lines().position(|line| line.starts_with("permitz")).unwrap() + 1;
    for words in [&["check"][..], &["serve"], &["migrate"]] {
        let output = run(simulator.on_the_store(words)).await;
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{words:?}: {told}");
        assert!(told.contains("permitz") && told.contains(&format!("herald.toml:{line}")), "{words:?}: {told}");
    }
}

/// `herald check` looks without touching: it neither makes a store nor is in the way of the daemon that has it.
#[tokio::test]
async fn a_check_leaves_the_store_alone() {
    let simulator = Simulator::start();
    let files = || {
        let entries = std::fs::read_dir(simulator.dir.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        entries.filter(|name| name.contains(".db")).collect::<Vec<_>>()
    };
    let store = async || {
        let checked = read(&run(simulator.on_the_store(&["check", "--output", "json"])).await, 0);
        checked["items"].as_array().unwrap().iter().find(|item| item["what"] == "store").unwrap().clone()
    };
    let absent = store().await;
    assert!(absent["fault"].is_null() && absent["note"].as_str().unwrap().contains("none yet"), "{absent}");
    assert!(files().is_empty(), "{:?}", files());
    let daemon = simulator.serve(&[]);
    assert_eq!(store().await, json!({"what": "store", "fault": null, "note": null}));
    assert!(daemon.terminate().await.success());
    std::fs::write(simulator.dir.path().join("herald.db"), "no database ".repeat(400)).unwrap();
    let broken = run(simulator.on_the_store(&["check"])).await;
    assert_eq!(broken.status.code(), Some(1), "{}", String::from_utf8_lossy(&broken.stdout));
}

/// `herald dev --data-dir` keeps what was changed, its own demo data included.
#[tokio::test]
async fn dev_keeps_its_data_as_it_was_left() {
    let dir = tempfile::tempdir().unwrap();
    let start = || {
        let mut command = herald();
        command.args(["dev", "--listen", "127.0.0.1:0", "--data-dir"]).arg(dir.path()).env("RUST_LOG", "warn");
        let process = Process::start(&mut command);
        let client = Client::new(&process.url, DEV_KEY);
        (process, client)
    };
    let (process, client) = start();
    client.put("/v1/categories/messages", &json!({"ttl_seconds": 60})).await.expect(200);
    client.delete("/v1/categories/marketing").await.expect(204);
    client.delete("/v1/devices/demo-ann-pixel").await.expect(204);
    assert!(process.terminate().await.success());
    let (_process, client) = start();
    let messages = client.get("/v1/categories/messages").await.expect(200);
    assert_eq!((&messages["ttl_seconds"], &messages["priority"]), (&json!(60), &Value::Null));
    client.get("/v1/categories/marketing").await.problem(404, "not_found");
    client.get("/v1/devices/demo-ann-pixel").await.problem(404, "not_found");
    client.get("/v1/devices/demo-ann-iphone").await.expect(200);
}

#[tokio::test]
async fn shells_are_told_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        let mut command = herald();
        command.args(["completions", shell]);
        let output = run(command).await;
        assert_eq!(output.status.code(), Some(0), "{shell}");
        assert!(String::from_utf8_lossy(&output.stdout).contains("simulate"), "{shell}");
    }
    for (words, status) in [(&["completions", "abacus"][..], 2), (&["--version"], 0), (&["--help"], 0), (&["send", "--help"], 0), (&[], 2)]
    {
        let mut command = herald();
        command.args(words);
        assert_eq!(run(command).await.status.code(), Some(status), "{words:?}");
    }
}
