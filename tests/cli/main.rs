//! The `herald` command as a caller sees it: what it asks of a daemon, what it prints, and how it ends.
#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod campaign;

use std::process::Output;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::process::Command;

/// The `ETag` of all that a stand-in for a daemon answers.
const TAG: &str = "\"7\"";

/// What a stand-in for a daemon was asked: method, path with query, and body.
type Asked = (String, String, String);

/// Status and body, made of method, path and how many requests came before.
type Answer = dyn Fn(&str, &str, usize) -> (u16, Value) + Send + Sync;

/// A daemon that answers as it is told and remembers what it was asked.
#[derive(Clone)]
struct Daemon {
    url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    /// The `If-Match` of each request.
    conditions: Arc<Mutex<Vec<Option<String>>>>,
    answer: Arc<Answer>,
}

impl Daemon {
    #[expect(clippy::disallowed_methods, reason = "it ends with the test's runtime")]
    async fn start(answer: impl Fn(&str, &str, usize) -> (u16, Value) + Send + Sync + 'static) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let daemon = Self { url, asked: Arc::default(), conditions: Arc::default(), answer: Arc::new(answer) };
        let router = Router::new().fallback(respond).with_state(daemon.clone());
        tokio::spawn(axum::serve(listener, router).into_future());
        daemon
    }

    async fn run(&self, arguments: &[&str]) -> Output {
        herald(arguments).env("HERALD_URL", &self.url).output().await.unwrap()
    }

    fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    fn conditions(&self) -> Vec<Option<String>> {
        self.conditions.lock().unwrap().clone()
    }
}

async fn respond(State(daemon): State<Daemon>, request: Request) -> Response {
    assert_eq!(request.headers()["authorization"], "Bearer herald_secret");
    let condition = request.headers().get("if-match").map(|tag| tag.to_str().unwrap().to_owned());
    daemon.conditions.lock().unwrap().push(condition);
    let (method, path) = (request.method().to_string(), request.uri().to_string());
    let body = String::from_utf8(to_bytes(request.into_body(), usize::MAX).await.unwrap().to_vec()).unwrap();
    let before = daemon.asked().len();
    let (status, answer) = (daemon.answer)(&method, &path, before);
    daemon.asked.lock().unwrap().push((method, path, body));
    (StatusCode::from_u16(status).unwrap(), [("etag", TAG)], axum::Json(answer)).into_response()
}

fn herald(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_herald"));
    command.args(arguments).env("HERALD_API_KEY", "herald_secret").env_remove("HERALD_URL").env_remove("HERALD_ASK_ABOVE");
    command
}

fn status(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn body(asked: &Asked) -> Value {
    serde_json::from_str(&asked.2).unwrap()
}

#[tokio::test]
async fn send_posts_a_notification_and_prints_its_id() {
    let daemon = Daemon::start(|_, _, _| (202, json!({ "id": "n1", "status": "accepted" }))).await;
    let output = daemon.run(&["send", "--to-user", "u1", "--title", "Ann", "--body", "Lunch?", "--category", "messages"]).await;
    assert_eq!((status(&output), stdout(&output).as_str()), (0, "n1\n"), "{output:?}");
    let asked = daemon.asked();
    assert_eq!((asked[0].0.as_str(), asked[0].1.as_str()), ("POST", "/v1/notifications"));
    let expected = json!({ "to": { "user_id": "u1" }, "category": "messages", "content": { "title": "Ann", "body": "Lunch?" } });
    assert_eq!(body(&asked[0]), expected);
}

#[tokio::test]
async fn a_dry_run_asks_for_a_preview_only() {
    for (checked, shown, expected) in [
        (json!({ "validated": "valid", "validated_reason": null }), "fcm android 9 bytes, valid\n", 0),
        (json!({ "validated": "not_checked", "validated_reason": "no_device" }), "fcm android 9 bytes, not checked: no_device\n", 0),
        (
            json!({ "validated": "invalid", "validated_reason": "INVALID_ARGUMENT", "validated_field": "message.android.ttl", "validated_message": "no" }),
            "fcm android 9 bytes, invalid INVALID_ARGUMENT message.android.ttl no\n",
            1,
        ),
    ] {
        let mut rendered = json!({ "provider": "fcm", "platform": "android", "bytes": 9, "payload": { "message": {} } });
        rendered.as_object_mut().unwrap().extend(checked.as_object().unwrap().clone());
        let preview = json!({ "targeted": 1, "decisions": { "send": 1 }, "rendered": [rendered] });
        let daemon = Daemon::start(move |_, _, _| (200, preview.clone())).await;
        let output = daemon.run(&["send", "--to-user", "u1", "--dry-run"]).await;
        assert_eq!(status(&output), expected);
        assert!(stdout(&output).contains("decisions  send 1"), "{}", stdout(&output));
        assert!(stdout(&output).contains(shown), "{}", stdout(&output));
        let paths: Vec<String> = daemon.asked().into_iter().map(|(_, path, _)| path).collect();
        assert_eq!(paths, ["/v1/notifications/preview?validate=true"]);
    }
}

#[tokio::test]
async fn watch_waits_for_the_end_and_its_status_says_what_became_of_it() {
    for (sent, failed, expected) in [(1, 0, 0), (1, 1, 1), (0, 0, 1)] {
        let daemon = Daemon::start(move |method, _, before| match (method, before) {
            ("POST", _) => (202, json!({ "id": "n1" })),
            (_, 1) => (200, json!({ "id": "n1", "status": "sending", "counts": { "targeted": 2, "waiting": 2 } })),
            _ => (200, json!({ "id": "n1", "status": "done", "counts": { "targeted": 2, "sent": sent, "failed": failed } })),
        })
        .await;
        let output = daemon.run(&["send", "--to-user", "u1", "--watch"]).await;
        assert_eq!(status(&output), expected, "{output:?}");
        assert!(stderr(&output).contains("sending: 2 waiting\n"), "{}", stderr(&output));
    }
}

#[tokio::test]
async fn a_problem_is_shown_with_its_fields() {
    let problem = json!({ "title": "Invalid", "status": 422, "detail": "1 field is invalid", "code": "invalid",
        "errors": [{ "field": "category", "code": "unknown_category", "message": "is not declared" }] });
    let daemon = Daemon::start(move |_, _, _| (422, problem.clone())).await;
    let output = daemon.run(&["send", "--to-user", "u1", "--category", "nonsense"]).await;
    assert_eq!(status(&output), 1);
    assert_eq!(stderr(&output), "herald: 1 field is invalid (422 invalid)\n  category: is not declared\n");
    let output = daemon.run(&["send", "--to-user", "u1", "--output", "json"]).await;
    let told: Value = serde_json::from_str(&stderr(&output)).unwrap();
    assert_eq!(told["code"], "invalid");
}

#[tokio::test]
async fn another_app_than_the_keys_is_refused_before_anything_is_asked() {
    let daemon = Daemon::start(|_, _, _| (200, json!({ "name": "demo" }))).await;
    let output = daemon.run(&["device", "delete", "d1", "--app", "shop"]).await;
    assert_eq!((status(&output), stderr(&output).as_str()), (2, "herald: HERALD_API_KEY is of the app demo, not of shop\n"));
    assert_eq!(daemon.asked().len(), 1);
    assert_eq!(status(&daemon.run(&["device", "delete", "d1", "--app", "demo"]).await), 0);
    assert_eq!(daemon.asked()[2].0, "DELETE");
}

#[tokio::test]
async fn a_list_is_read_page_by_page() {
    let daemon = Daemon::start(|_, path, _| {
        let item = |id: &str| json!({ "device_id": id, "platform": "ios", "status": "active" });
        if path.contains("cursor=abc") {
            (200, json!({ "items": [item("d3")], "next_cursor": null, "has_more": false }))
        } else {
            (200, json!({ "items": [item("d1"), item("d2")], "next_cursor": "abc", "has_more": true }))
        }
    })
    .await;
    let output = daemon.run(&["device", "list", "--user", "u 1", "--limit", "3"]).await;
    let ids: Vec<String> = stdout(&output).lines().skip(1).map(|line| line.split(' ').next().unwrap().to_owned()).collect();
    assert_eq!(ids, ["d1", "d2", "d3"], "{output:?}");
    let paths: Vec<String> = daemon.asked().into_iter().map(|(_, path, _)| path).collect();
    assert_eq!(paths, ["/v1/devices?user_id=u+1&limit=3", "/v1/devices?user_id=u+1&limit=1&cursor=abc"]);
}

fn done(lines: usize) -> Value {
    json!({ "done": { "lines": lines, "created": lines - 1, "updated": 1, "failed": 0 } })
}

#[tokio::test]
async fn an_import_is_sent_in_parts_and_sums_them_up() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("devices.ndjson");
    let lines = "{\"device_id\":\"d1\"}\n".repeat(15_000);
    std::fs::write(&file, &lines).unwrap();
    let daemon = Daemon::start(|_, _, before| (200, done(if before == 0 { 10_000 } else { 5_000 }))).await;
    let output = daemon.run(&["device", "import", file.to_str().unwrap(), "--dry-run", "--format", "pinpoint"]).await;
    assert_eq!(status(&output), 0, "{output:?}");
    assert_eq!(stdout(&output), "lines        15000\ncreated      14998\nupdated      2\nfailed       0\n");
    let asked = daemon.asked();
    assert_eq!(asked.len(), 2);
    assert!(asked.iter().all(|(_, path, _)| path == "/v1/devices/import?format=pinpoint&dry_run=true"));
    assert!(asked[0].2.clone() + &asked[1].2 == lines);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside the file");
}

#[tokio::test]
async fn each_part_of_a_table_has_its_header() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("devices.csv");
    std::fs::write(&file, "id,identifier,device_type\r\n".to_owned() + &"a,b,0\r\n".repeat(10_001)).unwrap();
    let daemon = Daemon::start(|_, _, before| (200, done(if before == 0 { 10_000 } else { 1 }))).await;
    let output = daemon.run(&["device", "import", file.to_str().unwrap(), "--format", "onesignal"]).await;
    assert_eq!(status(&output), 0, "{output:?}");
    assert_eq!(daemon.asked()[1].2, "id,identifier,device_type\na,b,0\n");
}

#[tokio::test]
async fn a_part_is_sent_again_until_the_daemon_is_back() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("devices.ndjson");
    std::fs::write(&file, "{}\n{}\n").unwrap();
    let away = json!({ "title": "away", "status": 503, "code": "store_unavailable", "detail": "try again" });
    let told = json!({ "problem": away });
    let answer = move |_: &str, _: &str, before: usize| match before {
        0 => (503, away.clone()),
        1 => (200, told.clone()),
        2 => (200, json!({ "progress": { "line": 1 } })),
        _ => (200, done(2)),
    };
    let daemon = Daemon::start(answer).await;
    let output = daemon.run(&["device", "import", file.to_str().unwrap()]).await;
    assert_eq!(status(&output), 0, "{output:?}");
    assert_eq!(stderr(&output), "herald: try again (503 store_unavailable); trying again\n");
    assert_eq!(daemon.asked().len(), 4);
    assert!(daemon.asked().iter().all(|(_, _, body)| body == "{}\n{}\n"));
}

#[tokio::test]
async fn what_will_not_pass_ends_an_import() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("devices.ndjson");
    std::fs::write(&file, "{}\n").unwrap();
    let name = file.to_str().unwrap();
    let refused = json!({ "title": "no", "status": 403, "code": "scope_missing", "detail": "this needs manage" });
    let daemon = Daemon::start(move |_, _, _| (403, refused.clone())).await;
    let output = daemon.run(&["device", "import", name]).await;
    assert_eq!((status(&output), daemon.asked().len()), (1, 1));
    assert!(stderr(&output).ends_with("herald: this needs manage (403 scope_missing)\n"), "{output:?}");
    let away = Daemon::start(|_, _, _| (503, json!({}))).await;
    let output = away.run(&["device", "import", name, "--retry-for", "0"]).await;
    assert_eq!((status(&output), away.asked().len()), (1, 1));
    for (arguments, expected) in [
        (&["device", "import", "-", "--resume"][..], 2),
        (&["device", "import", "/no/such/file"], 1),
        (&["device", "import", name, "--format", "carrier"], 2),
    ] {
        assert_eq!(status(&daemon.run(arguments).await), expected, "{arguments:?}");
    }
    assert_eq!(daemon.asked().len(), 1);
}

/// What is beside a file is of that file, or nothing is sent.
#[tokio::test]
async fn an_import_goes_on_in_the_same_file_only() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("devices.ndjson");
    std::fs::write(&file, "{\"device_id\": 1}\n".repeat(10_001)).unwrap();
    let name = file.to_str().unwrap();
    let daemon = Daemon::start(|_, _, before| if before == 0 { (200, done(10_000)) } else { (503, json!({})) }).await;
    let output = daemon.run(&["device", "import", name, "--retry-for", "0"]).await;
    assert_eq!(status(&output), 1);
    assert!(stderr(&output).contains("stopped after 10000 lines; --resume"), "{output:?}");
    let state = folder.path().join("devices.ndjson.import.json");
    assert!(state.exists());

    let other = daemon.run(&["device", "import", name, "--resume", "--format", "pinpoint"]).await;
    assert_eq!((status(&other), daemon.asked().len()), (2, 2), "{other:?}");
    let elsewhere = Daemon::start(|_, _, _| (200, done(1))).await;
    assert_eq!((status(&elsewhere.run(&["device", "import", name, "--resume"]).await), elsewhere.asked().len()), (2, 0));
    std::fs::write(&file, "{\"device_id\": 2}\n".repeat(10_001)).unwrap();
    let changed = daemon.run(&["device", "import", name, "--resume"]).await;
    assert_eq!((status(&changed), daemon.asked().len()), (2, 2), "{changed:?}");
    assert!(stderr(&changed).contains("is of another file"), "{changed:?}");
    std::fs::write(&state, "nonsense").unwrap();
    assert_eq!((status(&daemon.run(&["device", "import", name, "--resume"]).await), daemon.asked().len()), (2, 2));
}

#[tokio::test]
async fn names_are_one_segment_of_a_path() {
    let daemon = Daemon::start(|_, _, _| (200, json!({}))).await;
    daemon.run(&["notification", "show", "../keys?x#y"]).await;
    assert_eq!(daemon.asked()[0].1, "/v1/notifications/..%2Fkeys%3Fx%23y");
}

#[tokio::test]
async fn a_key_is_printed_alone_once_it_is_made() {
    let daemon = Daemon::start(|_, _, _| (201, json!({ "id": "k1", "key": "herald_new" }))).await;
    let output = daemon.run(&["key", "create", "--name", "backend", "--scopes", "send,read"]).await;
    assert_eq!(stdout(&output), "herald_new\n");
    assert_eq!(body(&daemon.asked()[0]), json!({ "name": "backend", "scopes": ["send", "read"] }));
}

#[tokio::test]
async fn a_dead_letter_is_listed_shown_and_retried() {
    let letter = json!({ "id": "x1", "notification_id": "n1", "device_id": "phone", "user_id": null, "takes": 5, "attempts": 0,
        "died_at": "2026-11-02T09:00:00Z", "expires_at": "2026-11-03T09:00:00Z" });
    let daemon = Daemon::start(move |_, path, _| match path {
        "/v1/dead-letters?limit=7" => (200, json!({ "items": [letter], "next_cursor": null, "has_more": false })),
        _ => (200, letter.clone()),
    })
    .await;
    let listed = daemon.run(&["dead-letter", "list", "--limit", "7"]).await;
    assert!(stdout(&listed).lines().nth(1).is_some_and(|line| line.starts_with("x1") && line.contains("phone")), "{}", stdout(&listed));
    let shown = daemon.run(&["dead-letter", "show", "x1"]).await;
    assert!(stdout(&shown).contains("TAKES         5\n"), "{}", stdout(&shown));
    let retried = daemon.run(&["dead-letter", "retry", "x1", "--output", "json"]).await;
    assert_eq!(serde_json::from_str::<Value>(&stdout(&retried)).unwrap()["id"], "x1");
    let asked: Vec<_> = daemon.asked().into_iter().map(|(method, path, _)| format!("{method} {path}")).collect();
    assert_eq!(asked, ["GET /v1/dead-letters?limit=7", "GET /v1/dead-letters/x1", "POST /v1/dead-letters/x1/retry"]);
}

#[tokio::test]
async fn wrong_usage_ends_with_2_and_a_failure_with_1() {
    let cases: &[(&[&str], i32, &str)] = &[
        (&["send", "--title", "nobody"], 2, "--to-device"),
        (&["sned"], 2, "send"),
        (&["serve", "--role", "api"], 2, "the embedded queue is in the process"),
        (&["serve", "--config", "/no/such.toml"], 1, "/no/such.toml cannot be read"),
        (&["check", "--config", "/no/such.toml"], 1, "/no/such.toml cannot be read"),
        (&["key", "list", "--config", "/no/such.toml"], 2, "--config needs --app"),
    ];
    for (arguments, expected, told) in cases {
        let output = herald(arguments).output().await.unwrap();
        assert_eq!(status(&output), *expected, "{arguments:?} {output:?}");
        assert!(stderr(&output).contains(told), "{arguments:?} {}", stderr(&output));
    }
    let output = herald(&["lane", "list"]).env_remove("HERALD_API_KEY").output().await.unwrap();
    assert_eq!((status(&output), stderr(&output).as_str()), (2, "herald: HERALD_API_KEY is not set\n"));
    let output = herald(&["lane", "list"]).env("HERALD_URL", "http://127.0.0.1:1").output().await.unwrap();
    assert_eq!(status(&output), 1);
    assert!(stderr(&output).starts_with("herald: the daemon at http://127.0.0.1:1/ cannot be reached"), "{}", stderr(&output));
}

#[tokio::test]
async fn check_names_every_mistake_of_the_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("herald.toml");
    std::fs::write(&file, "[server]\nlisten = 1\n[queue]\nurl = 'redis://x'\n").unwrap();
    let output = herald(&["check", "--config", file.to_str().unwrap()]).env("HERALD__LOG__COLOUR", "red").output().await.unwrap();
    assert_eq!(status(&output), 1);
    let told = stderr(&output);
    for part in
        ["herald.toml:2: server.listen ", "herald.toml:4: queue.url names Redis", "HERALD__LOG__COLOUR: log.colour is not a setting"]
    {
        assert!(told.contains(part), "{told}");
    }
}

#[tokio::test]
async fn completions_are_printed() {
    for shell in ["bash", "zsh", "fish"] {
        let output = herald(&["completions", shell]).output().await.unwrap();
        assert!(status(&output) == 0 && stdout(&output).contains("simulate"), "{shell}");
    }
}
