//! What a campaign would come to, as people read it.

use serde_json::{Value, json};

use crate::cli::output::{Column, Output, cell};

const DECISIONS: &[Column] = &[("DECISION", "/decision"), ("DEVICES", "/devices")];
const LEFT_OUT: &[Column] = &[("LEFT OUT", "/decision"), ("DEVICES", "/devices")];
const TIMELINE: &[Column] = &[("AT", "/at"), ("TIMEZONE", "/timezone"), ("DEVICES", "/devices")];

/// The audience, the decisions by their reasons, when each zone's turn is, and an example of each kind of push.
pub(super) fn show(preview: &Value, output: Output) {
    if output.is_json() {
        output.json(preview);
        return;
    }
    output.line(&format!("targeted  {}", cell(preview.get("targeted"))));
    for (name, columns) in [("left_out", LEFT_OUT), ("decisions", DECISIONS)] {
        section(&by_count(preview.get(name)), columns, output);
    }
    let timeline = preview.get("timeline").and_then(Value::as_array).cloned().unwrap_or_default();
    section(&timeline, TIMELINE, output);
    for rendered in preview.get("rendered").and_then(Value::as_array).into_iter().flatten() {
        output.line(&format!("\n{}", heading(rendered)));
        output.line(&format!("{:#}", rendered.get("payload").unwrap_or(&Value::Null)));
    }
}

/// How many devices it would be for.
pub(super) fn targeted(preview: &Value) -> Option<u64> {
    preview.get("targeted").and_then(Value::as_u64)
}

fn section(rows: &[Value], columns: &[Column], output: Output) {
    if !rows.is_empty() {
        output.line("");
        output.list(rows, columns);
    }
}

/// Counts by name as rows, the greatest first.
fn by_count(counts: Option<&Value>) -> Vec<Value> {
    let counts = counts.and_then(Value::as_object);
    let mut rows: Vec<(&String, u64)> = counts
        .into_iter()
        .flatten()
        .map(|(name, count)| (name, count.as_u64().unwrap_or_default()))
        .filter(|(_, count)| *count > 0)
        .collect();
    rows.sort_by(|(name, count), (other, more)| more.cmp(count).then(name.cmp(other)));
    rows.into_iter().map(|(name, count)| json!({ "decision": name, "devices": count })).collect()
}

/// Of one example: for whom, and how large.
fn heading(rendered: &Value) -> String {
    let words = [("provider", ""), ("platform", ""), ("locale", ""), ("variant", "variant ")];
    let words = words.map(|(name, before)| (before, cell(rendered.get(name))));
    let words: Vec<String> =
        words.into_iter().filter(|(_, text)| !text.is_empty()).map(|(before, text)| format!("{before}{text}")).collect();
    format!("{}: {} bytes", words.join(" "), cell(rendered.get("bytes")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decisions_are_listed_by_how_many_they_are() {
        let decisions = json!({"category_off": 3, "send": 10, "quiet_hours": 3, "push_off": 0});
        let rows = by_count(Some(&decisions));
        let told: Vec<String> = rows.iter().map(|row| format!("{} {}", cell(row.get("decision")), row["devices"])).collect();
        assert_eq!(told, ["send 10", "category_off 3", "quiet_hours 3"]);
        assert!(by_count(None).is_empty());
    }

    #[test]
    fn an_example_says_whom_it_is_for() {
        for (rendered, expected) in [
            (
                json!({"provider": "apns", "platform": "ios", "locale": "fr-CA", "variant": "b", "bytes": 120}),
                "apns ios fr-CA variant b: 120 bytes",
            ),
            (json!({"platform": "android", "locale": null, "variant": null, "bytes": 9}), "android: 9 bytes"),
        ] {
            assert_eq!(heading(&rendered), expected);
        }
    }
}
