//! `herald campaign`: what it asks of a daemon, what it prints, and how it ends.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::{Daemon, TAG, body, herald, status, stderr, stdout};

fn campaign(status: &str) -> Value {
    json!({
        "id": "c1", "name": "spring", "status": status, "reason": null, "notification": {"category": "news", "content": {"title": "A", "body": "B"}},
        "segment": {"everyone": true}, "schedule": null, "if_past": null, "per_second": 500, "max_targets": null, "variants": null,
        "next_run_at": null, "created_at": "2026-11-22T09:00:00Z", "updated_at": "2026-11-22T09:00:00Z",
    })
}

fn preview() -> Value {
    json!({
        "targeted": 1500, "left_out": {"stale": 3}, "decisions": {"send": 1200, "category_off": 300},
        "timeline": [{"at": "2026-12-01T08:00:00Z", "timezone": "Europe/Paris", "devices": 1500}],
        "rendered": [{"provider": "apns", "platform": "ios", "locale": "fr", "variant": "a", "bytes": 120, "payload": {"aps": {}}}],
    })
}

/// A daemon that takes all that is right.
async fn daemon() -> Daemon {
    Daemon::start(|method, path, _| match (method, path) {
        ("POST", "/v1/campaigns/preview") => (200, preview()),
        ("POST", "/v1/campaigns") => (201, campaign("draft")),
        ("POST", "/v1/campaigns/c1/start") => (200, campaign("scheduled")),
        ("POST", "/v1/campaigns/c1/test") => (202, json!({ "id": "n1", "status": "accepted" })),
        ("DELETE", _) => (204, Value::Null),
        _ => (200, campaign("paused")),
    })
    .await
}

fn asked(daemon: &Daemon) -> Vec<String> {
    daemon.asked().iter().map(|(method, path, _)| format!("{method} {path}")).collect()
}

fn write(folder: &tempfile::TempDir, name: &str, text: &str) -> String {
    let path: PathBuf = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

const TOML: &str = "name = 'spring'\n[notification]\ncategory = 'news'\ncontent.title = 'A'\n[segment]\neveryone = true\n\
                    [schedule]\nat = 2026-12-01T09:00:00Z\n";

#[tokio::test]
async fn a_draft_is_made_of_a_file_with_the_flags_over_it() {
    let daemon = daemon().await;
    let folder = tempfile::tempdir().unwrap();
    let file = write(&folder, "spring.toml", TOML);
    let output = daemon.run(&["campaign", "create", "--file", &file, "--title", "Hello", "--per-second", "5"]).await;
    assert_eq!((status(&output), stdout(&output).as_str()), (0, "c1\n"), "{output:?}");
    assert_eq!(asked(&daemon), ["POST /v1/campaigns"]);
    let expected = json!({
        "name": "spring", "notification": {"category": "news", "content": {"title": "Hello"}}, "segment": {"everyone": true},
        "schedule": {"at": "2026-12-01T09:00:00Z"}, "per_second": 5,
    });
    assert_eq!(body(&daemon.asked()[0]), expected);
}

#[tokio::test]
async fn a_dry_run_shows_what_it_would_come_to_and_makes_nothing() {
    let daemon = daemon().await;
    let output = daemon.run(&["campaign", "create", "--name", "spring", "--dry-run"]).await;
    assert_eq!(status(&output), 0, "{output:?}");
    assert_eq!(
        stdout(&output),
        "targeted  1500\n\n\
         LEFT OUT  DEVICES\nstale     3\n\n\
         DECISION      DEVICES\nsend          1200\ncategory_off  300\n\n\
         AT                    TIMEZONE      DEVICES\n2026-12-01T08:00:00Z  Europe/Paris  1500\n\n\
         apns ios fr variant a: 120 bytes\n{\n  \"aps\": {}\n}\n"
    );
    assert_eq!(asked(&daemon), ["POST /v1/campaigns/preview"]);
    let output = daemon.run(&["campaign", "preview", "c1", "--output", "json"]).await;
    assert_eq!(serde_json::from_str::<Value>(&stdout(&output)).unwrap(), preview());
    assert_eq!(body(&daemon.asked()[1]), json!({ "id": "c1" }));
}

#[tokio::test]
async fn it_is_counted_before_it_is_started_and_without_a_terminal_nothing_is_asked() {
    let daemon = daemon().await;
    let output = daemon.run(&["campaign", "create", "--name", "spring", "--start"]).await;
    assert_eq!((status(&output), stdout(&output).as_str()), (0, "c1\n"), "{output:?}");
    assert_eq!(stderr(&output), "goes to 1500 devices; without a terminal nothing is asked\nmade c1\nc1 is scheduled\n");
    assert_eq!(asked(&daemon), ["POST /v1/campaigns/preview", "POST /v1/campaigns", "POST /v1/campaigns/c1/start"]);
    for (line, told, requests) in [
        (&["campaign", "start", "c1"][..], "goes to 1500 devices; without a terminal nothing is asked\n", 2),
        (&["campaign", "start", "c1", "--ask-above", "1500"], "", 2),
        (&["campaign", "start", "c1", "--yes"], "", 1),
    ] {
        let before = asked(&daemon).len();
        let output = daemon.run(line).await;
        assert_eq!((status(&output), stdout(&output).as_str()), (0, "c1 is scheduled\n"), "{line:?} {output:?}");
        assert_eq!((stderr(&output).as_str(), asked(&daemon).len() - before), (told, requests), "{line:?}");
    }
    let output =
        herald(&["campaign", "start", "c1"]).env("HERALD_URL", &daemon.url).env("HERALD_ASK_ABOVE", "2000").output().await.unwrap();
    assert_eq!((status(&output), stderr(&output).as_str()), (0, ""));
}

#[tokio::test]
async fn each_step_is_one_request() {
    for (line, expected, told) in [
        (&["pause", "c1"][..], "POST /v1/campaigns/c1/pause", "c1 is paused\n"),
        (&["resume", "c1"], "POST /v1/campaigns/c1/resume", "c1 is paused\n"),
        (&["cancel", "c1"], "POST /v1/campaigns/c1/cancel", "c1 is paused\n"),
        (&["delete", "c1"], "DELETE /v1/campaigns/c1", "deleted c1\n"),
        (&["test", "c1", "--to-user", "u1", "--variant", "b"], "POST /v1/campaigns/c1/test", "n1\n"),
    ] {
        let daemon = daemon().await;
        let line: Vec<&str> = ["campaign"].iter().chain(line).copied().collect();
        let output = daemon.run(&line).await;
        assert_eq!((status(&output), stdout(&output).as_str()), (0, told), "{line:?} {output:?}");
        assert_eq!(asked(&daemon), [expected], "{line:?}");
    }
    let daemon = daemon().await;
    daemon.run(&["campaign", "test", "c1", "--to-user", "u1", "--variant", "b"]).await;
    daemon.run(&["campaign", "test", "c1", "--to-device", "d1", "--to-device", "d2"]).await;
    assert_eq!(body(&daemon.asked()[0]), json!({ "to": { "user_ids": ["u1"] }, "variant": "b" }));
    assert_eq!(body(&daemon.asked()[1]), json!({ "to": { "device_ids": ["d1", "d2"] } }));
}

#[tokio::test]
async fn an_edit_by_flags_changes_only_what_was_read() {
    let daemon = Daemon::start(|_, _, _| (200, campaign("scheduled"))).await;
    let output = daemon.run(&["campaign", "edit", "c1", "--title", "New", "--at", "2026-12-01T09:00:00Z"]).await;
    assert_eq!((status(&output), stdout(&output).as_str()), (0, "c1 is scheduled\n"), "{output:?}");
    assert_eq!(asked(&daemon), ["GET /v1/campaigns/c1", "PUT /v1/campaigns/c1"]);
    let expected = json!({
        "name": "spring", "notification": {"category": "news", "content": {"title": "New", "body": "B"}}, "segment": {"everyone": true},
        "per_second": 500, "schedule": {"at": "2026-12-01T09:00:00Z"},
    });
    assert_eq!(body(&daemon.asked()[1]), expected);
    assert_eq!(daemon.conditions(), [None, Some(TAG.to_owned())]);

    let folder = tempfile::tempdir().unwrap();
    let file = write(&folder, "spring.toml", TOML);
    assert_eq!(status(&daemon.run(&["campaign", "edit", "c1", "--file", &file]).await), 0);
    assert_eq!(asked(&daemon)[2..], ["PUT /v1/campaigns/c1"], "a file says all there is");
    assert_eq!(daemon.conditions()[2], None);
}

#[tokio::test]
async fn what_is_wrong_is_told_with_its_line() {
    let daemon = daemon().await;
    let folder = tempfile::tempdir().unwrap();
    for (name, text, told) in [
        ("a.toml", "name = 'x'\nper_secnd = 5\n", ["a.toml:2: per_secnd is not a field"].as_slice()),
        (
            "b.yaml",
            "name: 5\nnotification:\n  content:\n    titel: A\n",
            &["b.yaml:1: name must be a text", "b.yaml:4: notification.content.titel is not a field"],
        ),
        ("c.yml", "name: a\nname: b\n", &["c.yml:2: is not YAML"]),
        ("d.toml", "name = \n", &["d.toml:1: is not TOML"]),
        ("e.json", "{\"name\": \"x\", \"colour\": \"red\"}", &["e.json:1: colour is not a field"]),
    ] {
        let file = write(&folder, name, text);
        let output = daemon.run(&["campaign", "create", "--file", &file]).await;
        assert_eq!((status(&output), asked(&daemon).len()), (1, 0), "{name} {output:?}");
        for told in told {
            assert!(stderr(&output).contains(told), "{name} {}", stderr(&output));
        }
    }
    let refused = json!({"title": "Invalid", "status": 422, "detail": "notification.category: is not declared", "code": "invalid",
        "errors": [{"field": "notification.category", "code": "unknown_category", "message": "is not declared"}]});
    let strict = Daemon::start(move |_, _, _| (422, refused.clone())).await;
    let file = write(&folder, "spring.toml", TOML);
    let output = strict.run(&["campaign", "create", "--file", &file]).await;
    assert_eq!(status(&output), 1);
    assert!(stderr(&output).ends_with("spring.toml:3: notification.category: is not declared\n"), "{}", stderr(&output));
    for line in [
        &["campaign", "create"][..],
        &["campaign", "edit", "c1"],
        &["campaign", "test", "c1"],
        &["campaign", "create", "--file", "campaign"],
    ] {
        assert_eq!(status(&daemon.run(line).await), 2, "{line:?}");
    }
}

#[tokio::test]
async fn watch_ends_with_the_campaign() {
    for (last, sent, failed, expected) in
        [("done", 3, 0, 0), ("done", 3, 1, 1), ("done", 0, 0, 1), ("paused", 3, 0, 1), ("cancelled", 3, 0, 1), ("draft", 0, 0, 1)]
    {
        let daemon = Daemon::start(move |_, path, before| {
            let is_over = before >= 4;
            let counts =
                json!({ "targeted": 4, "waiting": if is_over { 0 } else { 4 }, "sent": if is_over { sent } else { 0 }, "failed": failed });
            match (path, before) {
                ("/v1/campaigns/c1/stats", _) => (200, json!({ "counts": counts, "by_platform": {"ios": counts}, "by_variant": {} })),
                (_, 0) => (200, campaign("scheduled")),
                (_, 1..4) => (200, campaign("running")),
                _ => (200, campaign(last)),
            }
        })
        .await;
        let output = daemon.run(&["campaign", "watch", "c1"]).await;
        assert_eq!(status(&output), expected, "{last} {sent} {failed} {output:?}");
        assert!(stderr(&output).starts_with("scheduled: 4 waiting"), "{}", stderr(&output));
        assert!(stdout(&output).lines().nth(2).unwrap().starts_with("ios"), "{}", stdout(&output));
    }
}

#[tokio::test]
async fn lists_and_stats_are_tables() {
    let counts = |sent: u64| json!({ "targeted": 4, "waiting": 0, "sent": sent, "suppressed": 0, "failed": 0, "expired": 0, "cancelled": 0, "delivered": 2, "opened": 1, "dismissed": 0 });
    let daemon = Daemon::start(move |_, path, _| match path {
        "/v1/campaigns?status=paused&limit=7" => (200, json!({ "items": [campaign("paused")], "next_cursor": null })),
        "/v1/campaigns/c1/runs?limit=500" => (
            200,
            json!({ "items": [{"id": "r2", "notification_id": null, "status": "skipped", "started_at": "2026-11-22T09:00:00Z", "counts": null}], "next_cursor": null }),
        ),
        "/v1/campaigns/c1/stats?run=r1" => (
            200,
            json!({ "counts": counts(4), "by_platform": {"ios": counts(3), "web": counts(1)}, "by_variant": {"a": counts(4)},
                "latency_ms": {"p50": 120, "p95": 480, "p99": 1200} }),
        ),
        _ => (200, campaign("paused")),
    })
    .await;
    let listed = daemon.run(&["campaign", "list", "--status", "paused", "--limit", "7"]).await;
    assert!(stdout(&listed).lines().nth(1).unwrap().starts_with("c1  spring  paused"), "{}", stdout(&listed));
    let runs = daemon.run(&["campaign", "show", "c1", "--runs"]).await;
    assert!(stdout(&runs).lines().nth(1).unwrap().starts_with("r2   skipped"), "{}", stdout(&runs));
    let stats = daemon.run(&["campaign", "stats", "c1", "--run", "r1"]).await;
    assert_eq!(
        stdout(&stats),
        "           TARGETED  SENT  DELIVERED  OPENED  DISMISSED  WAITING  SUPPRESSED  FAILED  EXPIRED  CANCELLED\n\
         all        4         4     2          1       0          0        0           0       0        0\n\
         ios        4         3     2          1       0          0        0           0       0        0\n\
         web        4         1     2          1       0          0        0           0       0        0\n\
         variant a  4         4     2          1       0          0        0           0       0        0\n\n\
         sent within  p50 120 ms, p95 480 ms, p99 1200 ms\n"
    );
    let shown = stdout(&daemon.run(&["campaign", "show", "c1"]).await);
    assert!(shown.contains("status       paused\n") && shown.contains("\nsegment\n{\n  \"everyone\": true\n}\n"), "{shown}");
}
