//! What became of a campaign's targets: the funnel as a table.

use serde_json::{Value, json};

use crate::cli::output::{Column, Output, cell};

const FUNNEL: &[Column] = &[
    ("", "/part"),
    ("TARGETED", "/counts/targeted"),
    ("SENT", "/counts/sent"),
    ("DELIVERED", "/counts/delivered"),
    ("OPENED", "/counts/opened"),
    ("DISMISSED", "/counts/dismissed"),
    ("WAITING", "/counts/waiting"),
    ("SUPPRESSED", "/counts/suppressed"),
    ("FAILED", "/counts/failed"),
    ("EXPIRED", "/counts/expired"),
    ("CANCELLED", "/counts/cancelled"),
];

/// The funnel of all, by platform and by variant, and how long what was sent took.
pub(super) fn show(stats: &Value, output: Output) {
    if output.is_json() {
        output.json(stats);
        return;
    }
    output.list(&rows(stats), FUNNEL);
    if let Some(latency) = latency(stats) {
        output.line(&format!("\nsent within  {latency}"));
    }
}

fn rows(stats: &Value) -> Vec<Value> {
    let mut rows = vec![json!({ "part": "all", "counts": stats.get("counts") })];
    for (name, before) in [("by_platform", ""), ("by_variant", "variant ")] {
        let parts = stats.get(name).and_then(Value::as_object).into_iter().flatten();
        rows.extend(parts.map(|(part, counts)| json!({ "part": format!("{before}{part}"), "counts": counts })));
    }
    rows
}

/// `None`: nothing was sent.
fn latency(stats: &Value) -> Option<String> {
    let part = |name: &str| {
        let milliseconds = stats.get("latency_ms")?.get(name).filter(|value| !value.is_null())?;
        Some(format!("{name} {} ms", cell(Some(milliseconds))))
    };
    let parts: Vec<String> = ["p50", "p95", "p99"].into_iter().filter_map(part).collect();
    Some(parts.join(", ")).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_funnel_has_a_row_for_each_part() {
        let stats = json!({"counts": {"targeted": 3}, "by_platform": {"ios": {"targeted": 1}, "web": {"targeted": 2}}, "by_variant": {"a": {"targeted": 3}}});
        let told: Vec<String> = rows(&stats).iter().map(|row| format!("{} {}", cell(row.get("part")), row["counts"]["targeted"])).collect();
        assert_eq!(told, ["all 3", "ios 1", "web 2", "variant a 3"]);
    }

    #[test]
    fn latencies_are_told_once_something_was_sent() {
        assert_eq!(latency(&json!({"latency_ms": {"p50": 120, "p95": 480, "p99": 1200}})).unwrap(), "p50 120 ms, p95 480 ms, p99 1200 ms");
        assert_eq!(latency(&json!({"latency_ms": {"p50": null, "p95": null, "p99": null}})), None);
        assert_eq!(latency(&json!({"latency_ms": null})), None);
    }
}
