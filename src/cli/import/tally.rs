//! What an import came to so far.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::errors::ErrorsFile;
use super::parts::Part;
use crate::cli::ending::Ending;
use crate::cli::output::{Output, cell};

/// Errors that are shown to programs; all are in the file.
const SHOWN: usize = 100;
/// And to people.
const SHOWN_TO_PEOPLE: usize = 20;

/// Counts, and the first errors.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Tally {
    lines: u64,
    created: u64,
    updated: u64,
    failed: u64,
    ignored: BTreeSet<String>,
    errors: Vec<Value>,
}

impl Tally {
    /// Lines so far.
    pub(super) fn lines(&self) -> u64 {
        self.lines
    }

    /// Notes what was wrong with a line.
    pub(super) fn note(&mut self, error: Value) {
        self.errors.push(error);
    }

    /// Takes the daemon's counts.
    pub(super) fn count(&mut self, done: &Value) {
        let count = |name: &str| done.get(name).and_then(Value::as_u64).unwrap_or_default();
        (self.lines, self.created) = (count("lines"), count("created"));
        (self.updated, self.failed) = (count("updated"), count("failed"));
        let ignored = done.get("ignored").and_then(Value::as_array).into_iter().flatten();
        self.ignored = ignored.filter_map(Value::as_str).map(str::to_owned).collect();
    }

    /// Adds what a part came to; its errors, by the lines of the file.
    pub(super) fn take(&mut self, sent: Self, part: &Part) -> Vec<Value> {
        let faults = u64::try_from(part.faults.len()).unwrap_or(u64::MAX);
        self.lines += sent.lines + faults;
        self.created += sent.created;
        self.updated += sent.updated;
        self.failed += sent.failed + faults;
        self.ignored.extend(sent.ignored);
        let in_file = |mut error: Value| {
            if let Some(line) = error.get_mut("line") {
                *line = line.as_u64().map_or(Value::Null, |line| json!(part.line_of(line)));
            }
            error
        };
        let mut errors: Vec<Value> = sent.errors.into_iter().map(in_file).collect();
        let told = part.faults.iter();
        errors.extend(told.map(|(line, fault)| json!({"line": line, "field": "", "code": fault.code(), "message": fault.to_string()})));
        errors.sort_by_key(|error| error.get("line").and_then(Value::as_u64));
        let room = SHOWN.saturating_sub(self.errors.len());
        self.errors.extend(errors.iter().take(room).cloned());
        errors
    }

    /// For the progress bar.
    pub(super) fn in_short(&self) -> String {
        format!("{} new, {} known, {} bad", self.created, self.updated, self.failed)
    }

    /// The counts, then the first errors and where all of them are.
    pub(super) fn show(&self, file: &ErrorsFile, output: Output) -> Ending {
        let path = file.written().map(|path| path.display().to_string());
        if output.is_json() {
            let mut told = json!({"lines": self.lines, "created": self.created, "updated": self.updated, "failed": self.failed,
                "ignored": self.ignored, "errors": self.errors});
            if let (Some(members), Some(path)) = (told.as_object_mut(), path) {
                members.insert("errors_file".to_owned(), json!(path));
            }
            output.json(&told);
        } else {
            for (name, count) in [("lines", self.lines), ("created", self.created), ("updated", self.updated), ("failed", self.failed)] {
                output.line(&format!("{name:12} {count}"));
            }
            if !self.ignored.is_empty() {
                output.line(&format!("{:12} {}", "ignored", cell(Some(&json!(self.ignored)))));
            }
            for error in self.errors.iter().take(SHOWN_TO_PEOPLE) {
                let part = |pointer: &str| cell(error.pointer(pointer));
                output.line(&format!("line {}: {} {}", part("/line"), part("/field"), part("/message")));
            }
            if let Some(path) = path {
                output.line(&format!("what was wrong with each line: {path}"));
            }
        }
        if self.failed == 0 { Ending::Done } else { Ending::Failed }
    }
}
