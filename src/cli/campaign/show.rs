//! A campaign as people read it: what it says, where it is, and when it runs.

use chrono::{SecondsFormat, TimeDelta};
use serde_json::{Value, json};

use crate::cli::output::{Column, Output};
use crate::domain::Timestamp;
use crate::domain::recurrence::Recurrence;

/// Runs to come that are told, at most.
const NEXT_RUNS: usize = 5;

/// Of a list of them.
pub(super) const COLUMNS: &[Column] = &[
    ("ID", "/id"),
    ("NAME", "/name"),
    ("STATUS", "/status"),
    ("REASON", "/reason"),
    ("NEXT RUN", "/next_run_at"),
    ("CREATED", "/created_at"),
];

/// Of a list of runs.
pub(super) const RUNS: &[Column] = &[
    ("RUN", "/id"),
    ("STATUS", "/status"),
    ("SCHEDULED", "/scheduled_at"),
    ("STARTED", "/started_at"),
    ("NOTIFICATION", "/notification_id"),
    ("TARGETED", "/counts/targeted"),
    ("WAITING", "/counts/waiting"),
    ("SENT", "/counts/sent"),
    ("FAILED", "/counts/failed"),
];

const FIELDS: &[Column] = &[
    ("id", "/id"),
    ("name", "/name"),
    ("status", "/status"),
    ("  because", "/reason"),
    ("next runs", "/next_runs"),
    ("schedule", "/schedule"),
    ("if past", "/if_past"),
    ("per second", "/per_second"),
    ("max targets", "/max_targets"),
    ("created at", "/created_at"),
    ("updated at", "/updated_at"),
];

/// What is shown as it was written.
const WRITTEN: [&str; 3] = ["segment", "notification", "variants"];

/// One of them whole.
pub(super) fn show(campaign: &Value, output: Output) {
    if output.is_json() {
        output.json(campaign);
        return;
    }
    let mut told = campaign.clone();
    if let Some(members) = told.as_object_mut() {
        members.insert("next_runs".to_owned(), json!(next_runs(campaign)));
    }
    output.record(&told, FIELDS);
    for name in WRITTEN {
        if let Some(written) = campaign.get(name).filter(|written| !written.is_null()) {
            output.line(&format!("\n{name}\n{written:#}"));
        }
    }
}

/// Its name, where it is and when it runs next, in one line.
pub(super) fn in_short(campaign: &Value) -> String {
    let text = |name: &str| campaign.get(name).and_then(Value::as_str).unwrap_or_default();
    let next = match text("next_run_at") {
        "" => String::new(),
        next => format!(", next run at {next}"),
    };
    let reason = match text("reason") {
        "" => String::new(),
        reason => format!(" ({reason})"),
    };
    format!("{} is {}{reason}{next}", text("id"), text("status"))
}

/// The next run, and of a recurring campaign those after it, by the rule that the daemon goes by.
fn next_runs(campaign: &Value) -> Vec<String> {
    let Some(next) = campaign.get("next_run_at").and_then(instant) else { return Vec::new() };
    let recurrence = recurrence(campaign, next);
    let runs = std::iter::successors(Some(next), |run| recurrence.as_ref()?.after(*run));
    runs.take(NEXT_RUNS).map(|run| run.to_rfc3339_opts(SecondsFormat::AutoSi, true)).collect()
}

fn recurrence(campaign: &Value, next: Timestamp) -> Option<Recurrence> {
    let schedule = campaign.get("schedule")?;
    let zone = schedule.get("timezone")?.as_str()?.parse().ok()?;
    Recurrence::new(schedule.get("cron")?.as_str()?, zone, schedule.get("until").and_then(instant), next - TimeDelta::seconds(1)).ok()
}

fn instant(text: &Value) -> Option<Timestamp> {
    text.as_str()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_runs_to_come_are_told() {
        let weekly = |until: Value| json!({"next_run_at": "2026-12-07T08:00:00Z", "schedule": {"cron": "0 9 * * MON", "timezone": "Europe/Paris", "until": until}});
        let all = ["2026-12-07T08:00:00Z", "2026-12-14T08:00:00Z", "2026-12-21T08:00:00Z", "2026-12-28T08:00:00Z", "2027-01-04T08:00:00Z"];
        assert_eq!(next_runs(&weekly(Value::Null)), all);
        assert_eq!(next_runs(&weekly(json!("2026-12-14T09:00:00+01:00"))), all[..2]);
        assert_eq!(next_runs(&json!({"next_run_at": "2026-12-07T08:00:00Z", "schedule": {"at": "2026-12-07T08:00:00Z"}})), all[..1]);
        assert!(next_runs(&json!({"next_run_at": null, "schedule": null})).is_empty());
    }

    #[test]
    fn a_line_says_where_it_is() {
        for (campaign, expected) in [
            (
                json!({"id": "c", "status": "scheduled", "reason": null, "next_run_at": "2026-12-07T08:00:00Z"}),
                "c is scheduled, next run at 2026-12-07T08:00:00Z",
            ),
            (json!({"id": "c", "status": "paused", "reason": "max_targets", "next_run_at": null}), "c is paused (max_targets)"),
            (json!({"id": "c", "status": "done"}), "c is done"),
        ] {
            assert_eq!(in_short(&campaign), expected);
        }
    }
}
