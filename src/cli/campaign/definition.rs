//! What a campaign says, from a file, from flags, or from both: flags go over the file.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use serde_json::{Map, Value, json};

use super::file::{Document, Format};
use super::shape::Shape;
use super::tree::Node;
use crate::cli::ending::WrongUsage;

/// A file, and what goes over it.
#[derive(Args)]
pub(super) struct Definition {
    /// A campaign, .toml, .yaml or .json, with the fields of `POST /v1/campaigns`; - is standard input.
    #[arg(long, value_name = "FILE")]
    pub(super) file: Option<PathBuf>,
    /// What FILE is, where its name does not say so.
    #[arg(long, value_enum, value_name = "FORMAT", requires = "file")]
    format: Option<Format>,
    /// What people call it.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// The category of its notification; it must be declared.
    #[arg(long, value_name = "CATEGORY")]
    category: Option<String>,
    /// The title.
    #[arg(long, value_name = "TEXT")]
    title: Option<String>,
    /// The body.
    #[arg(long, value_name = "TEXT")]
    body: Option<String>,
    /// Whom for, as JSON, or @FILE that holds it: '{"everyone": true}'.
    #[arg(long, value_name = "JSON|@FILE")]
    segment: Option<String>,
    /// Begin at this instant, as 2026-12-01T09:00:00Z.
    #[arg(long, value_name = "INSTANT", group = "schedule")]
    at: Option<String>,
    /// Reach each device when its own clock shows this, as 2026-12-01T09:00:00.
    #[arg(long, value_name = "LOCAL TIME", group = "schedule")]
    at_local: Option<String>,
    /// Run again and again, as '0 9 * * MON'.
    #[arg(long, value_name = "PATTERN", group = "schedule")]
    cron: Option<String>,
    /// The zone of the pattern, an IANA name [default: that of the pattern before, else the app's].
    #[arg(long, value_name = "ZONE", requires = "cron", conflicts_with_all = ["at", "at_local"])]
    timezone: Option<String>,
    /// The pattern's last instant, as 2027-03-01T00:00:00Z [default: none].
    #[arg(long, value_name = "INSTANT", requires = "cron", conflicts_with_all = ["at", "at_local"])]
    until: Option<String>,
    /// send or skip: what becomes of devices whose clock has passed the local time [default: skip].
    #[arg(long, value_name = "WHAT")]
    if_past: Option<String>,
    /// Pushes a second, at most [default: as fast as it can be].
    #[arg(long, value_name = "N")]
    per_second: Option<u64>,
    /// Pause before the first push if the audience is larger.
    #[arg(long, value_name = "N")]
    max_targets: Option<u64>,
}

impl Definition {
    /// The file, or what was `before`, with the flags over it.
    pub(super) fn document(&self, before: Node, shape: &Shape) -> anyhow::Result<Document> {
        let mut document = match &self.file {
            Some(file) => Document::read(file, self.format, shape)?,
            None => Document::unwritten(before),
        };
        if self.at.is_some() || self.cron.is_some() {
            // it is said of a local time only
            document.root.remove("if_past");
        }
        let zone = document.root.member("schedule").and_then(|schedule| schedule.member("timezone")).map(Node::to_json);
        for (way, value) in self.flags()? {
            if !document.root.put(way, value) {
                anyhow::bail!("the file's {} is no object", way.first().unwrap_or(&"campaign"));
            }
        }
        if let (Some(zone), Some(_), None) = (zone, &self.cron, &self.timezone) {
            // another pattern is of the same clock
            document.root.put(&["schedule", "timezone"], zone);
        }
        Ok(document)
    }

    /// Each flag that is given, and the way to its field.
    fn flags(&self) -> anyhow::Result<Vec<(&'static [&'static str], Value)>> {
        let texts: [(&'static [&'static str], &Option<String>); 5] = [
            (&["name"], &self.name),
            (&["notification", "category"], &self.category),
            (&["notification", "content", "title"], &self.title),
            (&["notification", "content", "body"], &self.body),
            (&["if_past"], &self.if_past),
        ];
        let numbers: [(&'static [&'static str], Option<u64>); 2] =
            [(&["per_second"], self.per_second), (&["max_targets"], self.max_targets)];
        let mut flags: Vec<(&'static [&'static str], Value)> = Vec::new();
        flags.extend(texts.into_iter().filter_map(|(way, text)| Some((way, json!(text.as_ref()?)))));
        flags.extend(numbers.into_iter().filter_map(|(way, number)| Some((way, json!(number?)))));
        if let Some(segment) = &self.segment {
            flags.push((&["segment"], read_segment(segment)?));
        }
        // a schedule is of one kind: another one replaces it whole
        let schedule =
            [("at", &self.at), ("at_local", &self.at_local), ("cron", &self.cron), ("timezone", &self.timezone), ("until", &self.until)];
        let schedule: Map<String, Value> =
            schedule.into_iter().filter_map(|(name, text)| Some((name.to_owned(), json!(text.as_ref()?)))).collect();
        if !schedule.is_empty() {
            flags.push((&["schedule"], Value::Object(schedule)));
        }
        Ok(flags)
    }

    /// Whether there is nothing in it.
    pub(super) fn is_empty(&self) -> anyhow::Result<bool> {
        Ok(self.file.is_none() && self.flags()?.is_empty())
    }
}

fn read_segment(given: &str) -> anyhow::Result<Value> {
    let text = match given.strip_prefix('@') {
        Some(file) => std::fs::read_to_string(Path::new(file)).with_context(|| format!("{file} cannot be read"))?,
        None => given.to_owned(),
    };
    serde_json::from_str(&text).map_err(|error| WrongUsage(format!("--segment is not JSON: {error}")).into())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        definition: Definition,
    }

    fn parse(line: &[&str]) -> Result<Definition, clap::Error> {
        Ok(Line::try_parse_from(["create"].iter().chain(line))?.definition)
    }

    fn said(line: &[&str], before: Value) -> Value {
        let shape = Shape::of_campaigns().unwrap();
        parse(line).unwrap().document(Node::from_json(before), &shape).unwrap().root.to_json()
    }

    #[test]
    fn flags_make_a_campaign() {
        let everyone = r#"{"everyone": true}"#;
        assert_eq!(
            said(
                &["--name", "x", "--category", "news", "--title", "A", "--body", "B", "--segment", everyone, "--per-second", "5"],
                json!({})
            ),
            json!({
                "name": "x", "notification": {"category": "news", "content": {"title": "A", "body": "B"}}, "segment": {"everyone": true},
                "per_second": 5,
            })
        );
        for (line, expected) in [
            (&["--at", "i"][..], json!({"schedule": {"at": "i"}})),
            (&["--at-local", "l", "--if-past", "send"], json!({"schedule": {"at_local": "l"}, "if_past": "send"})),
            (&["--cron", "c", "--until", "u"], json!({"schedule": {"cron": "c", "until": "u"}})),
            (
                &["--cron", "c", "--timezone", "UTC", "--until", "u", "--max-targets", "9"],
                json!({"schedule": {"cron": "c", "timezone": "UTC", "until": "u"}, "max_targets": 9}),
            ),
        ] {
            assert_eq!(said(line, json!({})), expected);
        }
    }

    #[test]
    fn flags_go_over_what_was_before_and_a_schedule_whole() {
        let before = json!({"name": "x", "schedule": {"at_local": "l"}, "if_past": "send", "notification": {"content": {"title": "A", "body": "B"}}});
        let expected = json!({"name": "x", "schedule": {"at": "i"}, "notification": {"content": {"title": "C", "body": "B"}}});
        assert_eq!(said(&["--title", "C", "--at", "i"], before), expected);
    }

    #[test]
    fn another_pattern_is_of_the_same_clock() {
        let before = json!({"schedule": {"cron": "a", "timezone": "Europe/Paris", "until": "u"}});
        assert_eq!(said(&["--cron", "c"], before.clone()), json!({"schedule": {"cron": "c", "timezone": "Europe/Paris"}}));
        assert_eq!(said(&["--cron", "c", "--timezone", "UTC"], before.clone()), json!({"schedule": {"cron": "c", "timezone": "UTC"}}));
        assert_eq!(said(&["--at", "i"], before), json!({"schedule": {"at": "i"}}));
    }

    #[test]
    fn flags_go_over_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let (file, segment) = (folder.path().join("a.yml"), folder.path().join("segment.json"));
        std::fs::write(&file, "name: x\nnotification:\n  content: {title: A}\n").unwrap();
        std::fs::write(&segment, r#"{"everyone": true}"#).unwrap();
        let segment = format!("@{}", segment.display());
        assert_eq!(
            said(&["--file", file.to_str().unwrap(), "--name", "y", "--segment", &segment], json!({"name": "before"})),
            json!({"name": "y", "notification": {"content": {"title": "A"}}, "segment": {"everyone": true}})
        );
    }

    #[test]
    fn flags_that_do_not_go_together_are_wrong_usage() {
        for line in [
            &["--at", "i", "--at-local", "l"][..],
            &["--at", "i", "--cron", "c", "--timezone", "UTC"],
            &["--timezone", "UTC"],
            &["--at", "i", "--until", "u"],
            &["--at-local", "l", "--timezone", "UTC"],
            &["--format", "toml"],
            &["--per-second", "many"],
        ] {
            assert!(parse(line).is_err(), "{line:?}");
        }
        let shape = Shape::of_campaigns().unwrap();
        for line in [&["--segment", "{"][..], &["--file", "-"], &["--file", "campaign"]] {
            let error = parse(line).unwrap().document(Node::empty(), &shape).unwrap_err();
            assert!(error.is::<WrongUsage>(), "{line:?}: {error}");
        }
        let error = parse(&["--title", "A"]).unwrap().document(Node::from_json(json!({"notification": 1})), &shape).unwrap_err();
        assert_eq!(error.to_string(), "the file's notification is no object");
    }
}
