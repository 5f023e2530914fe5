//! Every push type of Apple's page: topic, priority, size.

use serde_json::{Value, json};

use super::super::render::{App, render};
use super::*;
use crate::domain::content::Content;
use crate::domain::device::Platform;
use crate::domain::notification::Priority;
use crate::providers::testing::message;
use crate::providers::{Message, RenderError, Rendered};

struct Row {
    name: &'static str,
    suffix: &'static str,
    /// Where the message is `normal` and `high`, and nothing else was asked for.
    priorities: (&'static str, &'static str),
    /// Bytes.
    limit: usize,
    /// Whether a certificate will do.
    certificate: bool,
}

const fn row(name: &'static str, suffix: &'static str, priorities: (&'static str, &'static str)) -> Row {
    Row { name, suffix, priorities, limit: 4096, certificate: true }
}

const TABLE: [Row; 11] = [
    row("alert", "", ("5", "10")),
    row("background", "", ("5", "5")),
    row("complication", ".complication", ("5", "10")),
    row("controls", ".push-type.controls", ("5", "10")),
    row("fileprovider", ".pushkit.fileprovider", ("5", "10")),
    row("liveactivity", ".push-type.liveactivity", ("5", "10")),
    Row { certificate: false, ..row("location", ".location-query", ("5", "10")) },
    row("mdm", "", ("5", "10")),
    row("pushtotalk", ".voip-ptt", ("10", "10")),
    Row { limit: 5120, ..row("voip", ".voip", ("10", "10")) },
    row("widgets", ".push-type.widgets", ("5", "10")),
];

fn rendered(row: &Row, priority: Priority, asked: Option<&str>, data: usize) -> Result<Rendered, RenderError> {
    let content = Content { data: Some([("x".to_owned(), "y".repeat(data))].into()), ..Content::default() };
    let aps = if row.name == "background" { json!({"content-available": 1}) } else { json!({"alert": "t"}) };
    let mut headers = json!({"apns-push-type": row.name});
    if let Some(asked) = asked {
        headers["apns-priority"] = Value::from(asked);
    }
    let overrides = json!({"headers": headers, "payload": {"aps": aps}});
    let message = Message { priority, overrides: Some(&overrides), ..message(&content, Platform::Ios) };
    render(&message, App { bundle_id: "com.example.demo", service_extension: false, certificate: None })
}

#[test]
fn the_table_has_them_all() {
    let names: Vec<&str> = PushType::ALL.iter().map(|push_type| push_type.as_str()).collect();
    assert_eq!(names, TABLE.map(|row| row.name));
    for row in TABLE {
        assert_eq!(PushType::parse(row.name).map(PushType::goes_with_certificate), Some(row.certificate), "{}", row.name);
    }
    assert_eq!(PushType::parse("Alert"), None);
}

#[test]
fn each_has_its_topic_and_priority() {
    for row in TABLE {
        for (priority, expected) in
            [(Priority::Normal, row.priorities.0), (Priority::High, row.priorities.1), (Priority::Critical, row.priorities.1)]
        {
            let headers = rendered(&row, priority, None, 0).unwrap().headers;
            assert_eq!(headers["apns-push-type"], row.name);
            assert_eq!(headers["apns-topic"], format!("com.example.demo{}", row.suffix));
            assert_eq!(headers["apns-priority"], expected, "{} {priority:?}", row.name);
        }
    }
}

#[test]
fn a_priority_that_apple_refuses_is_refused() {
    for row in TABLE {
        for (asked, is_good) in [("10", row.name != "background"), ("5", true), ("1", row.name != "background"), ("7", false), ("", false)]
        {
            let result = rendered(&row, Priority::High, Some(asked), 0);
            assert_eq!(result.is_ok(), is_good, "{} {asked}: {result:?}", row.name);
        }
    }
}

#[test]
fn each_has_its_limit() {
    for row in TABLE {
        let empty = rendered(&row, Priority::High, None, 0).unwrap().size;
        let fits = rendered(&row, Priority::High, None, row.limit - empty).unwrap();
        assert_eq!(fits.size, row.limit, "{}", row.name);
        let larger = rendered(&row, Priority::High, None, row.limit - empty + 1).unwrap_err();
        assert_eq!(larger, RenderError::TooLarge { size: row.limit + 1, limit: row.limit }, "{}", row.name);
    }
}
