//! `herald send`: one notification, and what becomes of it.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use serde_json::{Map, Value, json};

use super::client::{Client, Daemon};
use super::ending::{Ending, WrongUsage};
use super::output::{Output, cell};
use super::watch;

/// Send a notification.
///
/// FILE holds one as the API takes it, in JSON or TOML; flags go over what is in it. With --watch the exit status is 0 only if
/// something was sent and nothing failed.
#[derive(Args)]
pub(super) struct Arguments {
    /// To a user; may be repeated.
    #[arg(long, value_name = "USER", conflicts_with = "to_device")]
    to_user: Vec<String>,
    /// To a device; may be repeated.
    #[arg(long, value_name = "DEVICE", required_unless_present_any = ["to_user", "file"])]
    to_device: Vec<String>,
    /// A notification, .json or .toml; - is JSON on standard input.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// The title.
    #[arg(long, value_name = "TEXT")]
    title: Option<String>,
    /// The body.
    #[arg(long, value_name = "TEXT")]
    body: Option<String>,
    /// The category; it must be declared.
    #[arg(long, value_name = "CATEGORY")]
    category: Option<String>,
    /// Send nothing: show the targets, the decisions and the payloads, and have FCM check its own; status 1 if it would refuse one.
    #[arg(long, conflicts_with_all = ["watch", "test"])]
    dry_run: bool,
    /// A test send, to at most 20 devices, counted nowhere.
    #[arg(long)]
    test: bool,
    /// Wait, and show what becomes of it.
    #[arg(long)]
    watch: bool,
    #[command(flatten)]
    daemon: Daemon,
}

pub(super) async fn run(arguments: Arguments, output: Output) -> anyhow::Result<Ending> {
    let notification = arguments.notification()?;
    let client = arguments.daemon.client().await?;
    if arguments.dry_run {
        let preview = client.post_with(&["v1", "notifications", "preview"], &[("validate", "true")], &notification).await?;
        show(&preview, output);
        return Ok(if is_valid(&preview) { Ending::Done } else { Ending::Failed });
    }
    let accepted = client.post(&["v1", "notifications"], &notification).await?;
    let id = accepted.get("id").and_then(Value::as_str).context("the daemon answered no id")?;
    if arguments.watch {
        output.note(&format!("accepted {id}"));
        return watch::follow(&client, id, output).await;
    }
    output.say(id, &accepted);
    Ok(Ending::Done)
}

impl Arguments {
    /// The file's notification with the flags over it.
    fn notification(&self) -> anyhow::Result<Value> {
        let mut notification = match &self.file {
            Some(file) => read(file)?,
            None => Map::new(),
        };
        for (names, one, many) in [(&self.to_user, "user_id", "user_ids"), (&self.to_device, "device_id", "device_ids")] {
            match names.as_slice() {
                [] => {}
                [name] if one == "user_id" => drop(notification.insert("to".to_owned(), json!({ one: name }))),
                names => drop(notification.insert("to".to_owned(), json!({ many: names }))),
            }
        }
        for (key, text) in [("title", &self.title), ("body", &self.body)] {
            let Some(text) = text else { continue };
            let content = notification.entry("content").or_insert_with(|| json!({}));
            let content = content.as_object_mut().ok_or_else(|| WrongUsage("the file's content is not an object".to_owned()))?;
            content.insert(key.to_owned(), json!(text));
        }
        if let Some(category) = &self.category {
            notification.insert("category".to_owned(), json!(category));
        }
        if self.test {
            notification.insert("test".to_owned(), json!(true));
        }
        Ok(Value::Object(notification))
    }
}

fn read(file: &Path) -> anyhow::Result<Map<String, Value>> {
    let name = || format!("{} cannot be read", file.display());
    let text = if file == Path::new("-") {
        std::io::read_to_string(std::io::stdin()).with_context(name)?
    } else {
        std::fs::read_to_string(file).with_context(name)?
    };
    if file.extension().is_some_and(|extension| extension == "toml") {
        return toml::from_str(&text).with_context(|| format!("{} is no notification", file.display()));
    }
    serde_json::from_str(&text).with_context(|| format!("{} is no notification", file.display()))
}

/// Whether no provider would refuse a payload, as far as any was asked.
fn is_valid(preview: &Value) -> bool {
    let mut rendered = preview.get("rendered").and_then(Value::as_array).into_iter().flatten();
    rendered.all(|one| one.get("validated").and_then(Value::as_str) != Some("invalid"))
}

fn show(preview: &Value, output: Output) {
    if output.is_json() {
        output.json(preview);
        return;
    }
    output.record(preview, &[("targeted", "/targeted"), ("decisions", "/decisions")]);
    for rendered in preview.get("rendered").and_then(Value::as_array).into_iter().flatten() {
        let words = ["/provider", "/platform", "/locale"].map(|pointer| cell(rendered.pointer(pointer)));
        let checked =
            ["/validated", "/validated_reason", "/validated_field", "/validated_message"].map(|pointer| cell(rendered.pointer(pointer)));
        let checked = checked.join(" ").replace("not_checked", "not checked:");
        output.line(&format!("\n{} {} bytes, {}", words.join(" ").trim_end(), cell(rendered.pointer("/bytes")), checked.trim_end()));
        output.line(&format!("{:#}", rendered.pointer("/payload").unwrap_or(&Value::Null)));
    }
}

/// Shows a notification and its counts.
pub(super) async fn show_one(client: &Client, id: &str, output: Output) -> anyhow::Result<()> {
    let notification = client.get(&["v1", "notifications", id], &[]).await?;
    output.record(
        &notification,
        &[
            ("id", "/id"),
            ("status", "/status"),
            ("category", "/category"),
            ("accepted at", "/accepted_at"),
            ("targeted", "/counts/targeted"),
            ("waiting", "/counts/waiting"),
            ("  because", "/reasons/waiting"),
            ("sent", "/counts/sent"),
            ("suppressed", "/counts/suppressed"),
            ("  because", "/reasons/suppressed"),
            ("failed", "/counts/failed"),
            ("  because", "/reasons/failed"),
            ("expired", "/counts/expired"),
            ("cancelled", "/counts/cancelled"),
            ("delivered", "/counts/delivered"),
            ("opened", "/counts/opened"),
            ("dismissed", "/counts/dismissed"),
        ],
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        arguments: Arguments,
    }

    fn notification(line: &str) -> Value {
        Line::try_parse_from(line.split(' ')).unwrap().arguments.notification().unwrap()
    }

    #[test]
    fn flags_make_a_notification() {
        assert_eq!(notification("send --to-user u1 --title Hi"), json!({ "to": { "user_id": "u1" }, "content": { "title": "Hi" } }));
        assert_eq!(notification("send --to-user u1 --to-user u2 --test"), json!({ "to": { "user_ids": ["u1", "u2"] }, "test": true }));
        assert_eq!(
            notification("send --to-device d1 --body Hi --category messages"),
            json!({ "to": { "device_ids": ["d1"] }, "content": { "body": "Hi" }, "category": "messages" })
        );
    }

    #[test]
    fn flags_go_over_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("lunch.toml");
        std::fs::write(&file, "category = 'marketing'\n[to]\nall = true\n[content]\ntitle = 'Lunch'\nbody = 'At noon'\n").unwrap();
        let line = format!("send --file {} --title Dinner --to-user u1", file.display());
        let expected = json!({ "category": "marketing", "to": { "user_id": "u1" }, "content": { "title": "Dinner", "body": "At noon" } });
        assert_eq!(notification(&line), expected);
    }

    #[test]
    fn somebody_must_be_meant() {
        assert!(Line::try_parse_from(["send", "--title", "Hi"]).is_err());
        assert!(Line::try_parse_from(["send", "--to-user", "u", "--to-device", "d"]).is_err());
    }
}
