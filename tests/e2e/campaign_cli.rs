//! `herald campaign` against a running daemon: from a file to its figures.

use std::collections::BTreeSet;
use std::process::{Command, Output};

use chrono::TimeDelta;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::cli::{command, json_of, run};
use crate::clock::{now, text};
use crate::daemon::{DEV_KEY, Dev, apns_token};

/// Users of the audience that campaigns here are for, each with a phone and a tablet.
const USERS: usize = 6;

/// In two variants, to those that [`enrol`] makes.
const SALE: &str = "\
name = 'Sale'

[segment]
field = 'tags.audience'
op = 'eq'
value = 'cli'

[notification]
category = 'marketing'
content.title = 'Sale'
content.body = 'Today'
localized.fr.title = 'Soldes'

[[variants]]
name = 'plain'
weight = 1
content = {}

[[variants]]
name = 'loud'
weight = 1
content.title = 'SALE'
";

async fn enrol(dev: &Dev) {
    let mut lines = String::new();
    for n in 0..USERS {
        let common = json!({"user_id": format!("c{n}"), "tags": {"audience": "cli"}, "locale": if n == 0 { "fr" } else { "en" }});
        let phone = json!({"device_id": format!("phone-{n}"), "platform": "ios", "token": apns_token("c1", n)});
        let tablet = json!({"device_id": format!("tablet-{n}"), "platform": "android", "token": format!("campaign-tablet-{n}")});
        for own in [phone, tablet] {
            let mut device = common.clone();
            device.as_object_mut().unwrap().extend(own.as_object().unwrap().clone());
            lines.push_str(&format!("{device}\n"));
        }
    }
    assert_eq!(dev.import("", &lines).await.expect(200)["created"], 2 * USERS);
}

fn write(folder: &TempDir, name: &str, text: &str) -> String {
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

async fn say(dev: &Dev, line: &[&str]) -> Output {
    run(command(dev, line)).await
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What went wrong, with its status.
fn failure(output: &Output) -> (Option<i32>, String) {
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Makes it; its id.
async fn created(dev: &Dev, flags: &[&str]) -> String {
    let line: Vec<&str> = ["campaign", "create"].iter().chain(flags).copied().collect();
    json_of(dev, &line, 0).await["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_campaign_goes_from_its_file_to_its_figures() {
    let dev = Dev::start();
    enrol(&dev).await;
    let folder = tempfile::tempdir().unwrap();
    let file = write(&folder, "sale.toml", SALE);

    let preview = json_of(&dev, &["campaign", "create", "--file", &file, "--dry-run"], 0).await;
    assert_eq!((&preview["targeted"], &preview["decisions"]), (&json!(2 * USERS), &json!({"send": 2 * USERS})));
    let kinds: BTreeSet<String> = preview["rendered"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|one| one["provider"] == "apns")
        .map(|one| format!("{} {}", one["locale"], one["variant"]))
        .collect();
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), ["\"fr\" \"loud\"", "\"fr\" \"plain\"", "null \"loud\"", "null \"plain\""]);
    let people = out(&say(&dev, &["campaign", "create", "--file", &file, "--dry-run"]).await);
    for told in [format!("targeted  {}\n", 2 * USERS), "\napns ios fr variant plain: ".to_owned(), "\"title\": \"Soldes\"".to_owned()] {
        assert!(people.contains(&told), "{told}: {people}");
    }
    assert_eq!(json_of(&dev, &["campaign", "list"], 0).await["items"], json!([]), "a dry run makes nothing");

    let id = created(&dev, &["--file", &file]).await;
    let edited = json_of(&dev, &["campaign", "edit", &id, "--body", "Only today"], 0).await;
    assert_eq!(edited["notification"]["content"], json!({"title": "Sale", "body": "Only today"}));
    assert_eq!((&edited["status"], &edited["variants"][1]["name"]), (&json!("draft"), &json!("loud")));
    assert_eq!(json_of(&dev, &["campaign", "preview", &id], 0).await["targeted"], 2 * USERS);
    assert_eq!(
        say(&dev, &["campaign", "test", &id, "--to-device", "phone-1", "--variant", "loud", "--watch"]).await.status.code(),
        Some(0)
    );
    assert_eq!(dev.push(&apns_token("c1", 1)).await["body"]["aps"]["alert"], json!({"title": "SALE", "body": "Only today"}));
    assert_eq!(json_of(&dev, &["campaign", "stats", &id], 0).await["counts"]["sent"], 0, "a test is counted nowhere");

    let started = say(&dev, &["campaign", "start", &id, "--ask-above", "3"]).await;
    let told = format!("goes to {} devices; without a terminal nothing is asked\n", 2 * USERS);
    assert_eq!(failure(&started), (Some(0), told));
    let watched = say(&dev, &["campaign", "watch", &id]).await;
    assert_eq!(watched.status.code(), Some(0), "{watched:?}");
    assert!(failure(&watched).1.ends_with(&format!("done: {} sent\n", 2 * USERS)), "{watched:?}");
    let stats = json_of(&dev, &["campaign", "stats", &id], 0).await;
    assert_eq!((&stats["counts"]["targeted"], &stats["counts"]["sent"]), (&json!(2 * USERS), &json!(2 * USERS)));
    let runs = json_of(&dev, &["campaign", "show", &id, "--runs"], 0).await;
    assert_eq!((runs["items"].as_array().unwrap().len(), &runs["items"][0]["status"]), (1, &json!("done")));
    let of_run = json_of(&dev, &["campaign", "stats", &id, "--run", runs["items"][0]["id"].as_str().unwrap()], 0).await;
    assert_eq!(of_run["by_platform"], stats["by_platform"]);
    let people = out(&say(&dev, &["campaign", "stats", &id]).await);
    for told in ["android", "ios", "variant ", "sent within  p50 "] {
        assert!(people.contains(told), "{told}: {people}");
    }
    for (line, code) in [
        (&["campaign", "edit", &id, "--name", "x"][..], "campaign_started"),
        (&["campaign", "delete", &id], "campaign_started"),
        (&["campaign", "pause", &id], "invalid_transition"),
        (&["campaign", "start", &id, "--yes"], "invalid_transition"),
    ] {
        assert_eq!(json_of(&dev, line, 1).await["code"], code, "{line:?}");
    }
}

#[tokio::test]
async fn a_scheduled_campaign_is_held_edited_and_given_up() {
    let dev = Dev::start();
    enrol(&dev).await;
    let folder = tempfile::tempdir().unwrap();
    let file = write(&folder, "sale.toml", SALE);
    let at = text(now() + TimeDelta::hours(1));
    let id = created(&dev, &["--file", &file, "--at", &at, "--start", "--yes"]).await;
    for (step, status) in [("pause", "paused"), ("resume", "scheduled")] {
        assert_eq!(json_of(&dev, &["campaign", step, &id], 0).await["status"], status);
    }
    let later = text(now() + TimeDelta::hours(2));
    let edited = json_of(&dev, &["campaign", "edit", &id, "--at", &later], 0).await;
    assert_eq!((&edited["status"], &edited["next_run_at"], &edited["name"]), (&json!("scheduled"), &json!(later), &json!("Sale")));
    let people = out(&say(&dev, &["campaign", "show", &id]).await);
    assert!(people.contains(&format!("next runs    {later}\n")) && people.contains("\"tags.audience\""), "{people}");
    assert_eq!(json_of(&dev, &["campaign", "pause", &id], 0).await["status"], "paused");
    assert_eq!(say(&dev, &["campaign", "watch", &id]).await.status.code(), Some(1), "it does not go on by itself");
    assert_eq!(json_of(&dev, &["campaign", "list", "--status", "paused"], 0).await["items"][0]["id"], id.as_str());
    assert_eq!(json_of(&dev, &["campaign", "cancel", &id], 0).await["status"], "cancelled");
    assert_eq!(json_of(&dev, &["campaign", "cancel", &id], 1).await["code"], "invalid_transition");

    let draft = created(&dev, &["--file", &file, "--cron", "0 9 * * MON", "--timezone", "Europe/Paris"]).await;
    assert_eq!(say(&dev, &["campaign", "delete", &draft]).await.status.code(), Some(0));
    assert_eq!(json_of(&dev, &["campaign", "show", &draft], 1).await["status"], 404);
}

#[tokio::test]
async fn what_the_daemon_refuses_is_told_with_its_line() {
    let dev = Dev::start();
    let folder = tempfile::tempdir().unwrap();
    for (right, wrong, told) in [
        ("'eq'", "'equals'", "sale.toml:5: segment.op: must be one of "),
        ("'marketing'", "'nonsense'", "sale.toml:9: notification.category: "),
        ("weight = 1\ncontent.title", "weight = 2000000\ncontent.title", "sale.toml:21: variants[1].weight: "),
    ] {
        let file = write(&folder, "sale.toml", &SALE.replace(right, wrong));
        let (status, error) = failure(&say(&dev, &["campaign", "create", "--file", &file]).await);
        assert!(status == Some(1) && error.contains(told), "{told}: {error}");
        let refused = json_of(&dev, &["campaign", "create", "--file", &file, "--dry-run"], 1).await;
        assert!(told.starts_with(refused["errors"][0]["place"].as_str().unwrap().rsplit('/').next().unwrap()), "{refused}");
    }
    let (status, told) = failure(&say(&dev, &["campaign", "create", "--name", "Sale", "--category", "marketing", "--title", "t"]).await);
    assert!(status == Some(1) && told.contains("segment"), "an empty segment is never everyone: {told}");
    assert_eq!(json_of(&dev, &["campaign", "list"], 0).await["items"], json!([]));
}

/// What stands in `config/campaigns` is taken by a daemon as it is.
#[tokio::test]
async fn the_examples_can_be_sent() {
    let dev = Dev::start();
    for name in ["spring-sale.toml", "weekly-digest.yaml"] {
        let file = format!("{}/config/campaigns/{name}", env!("CARGO_MANIFEST_DIR"));
        let preview = json_of(&dev, &["campaign", "create", "--file", &file, "--dry-run"], 0).await;
        assert!(preview["targeted"].is_u64(), "{name}: {preview}");
        let id = created(&dev, &["--file", &file]).await;
        assert_eq!(json_of(&dev, &["campaign", "show", &id], 0).await["status"], "draft", "{name}");
    }
}

#[tokio::test]
async fn the_script_shows_creates_and_starts() {
    let dev = Dev::start();
    enrol(&dev).await;
    let folder = tempfile::tempdir().unwrap();
    let file = write(&folder, "sale.toml", SALE);
    let script = |arguments: &[&str]| {
        let mut command = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/schedule-campaign"));
        command.args(arguments).env("HERALD", env!("CARGO_BIN_EXE_herald")).env("HERALD_URL", &dev.url).env("HERALD_API_KEY", DEV_KEY);
        command
    };
    for arguments in [&[][..], &["/no/such.toml"], &[&file, "--no"], &[&file, "--yes", "more"]] {
        assert_eq!(run(script(arguments)).await.status.code(), Some(2), "{arguments:?}");
    }
    for arguments in [&[file.as_str()][..], &[&file, "--yes"]] {
        let output = run(script(arguments)).await;
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert!(failure(&output).1.contains("\"title\": \"Soldes\""), "{output:?}");
        let id = out(&output).trim().to_owned();
        assert_eq!(say(&dev, &["campaign", "watch", &id]).await.status.code(), Some(0));
        assert_eq!(json_of(&dev, &["campaign", "stats", &id], 0).await["counts"]["sent"], 2 * USERS);
    }
    let wrong = write(&folder, "wrong.toml", "name = 1\n");
    assert_eq!(run(script(&[&wrong])).await.status.code(), Some(1));
    let all: Vec<Value> = dev.items("/v1/campaigns").await;
    assert_eq!(all.len(), 2, "{all:?}");
}
