//! What an import answers: the counts, and what was wrong, by line.

use serde::Serialize;
use utoipa::ToSchema;

use crate::api::problem::{Problem, ProblemBody};
use crate::dispatch::draft::FieldError;

/// Errors that an answer in one piece holds; the others are counted.
const MAX_ERRORS: usize = 100;

/// How far an import is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ImportCounts)]
pub(super) struct Counts {
    /// Lines of NDJSON or rows of CSV that were not empty, the header left out.
    pub(super) lines: u64,
    /// Devices that are new.
    pub(super) created: u64,
    /// Devices that were there.
    pub(super) updated: u64,
    /// Lines that were refused.
    pub(super) failed: u64,
}

/// What an import came to.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(super) struct ImportResponse {
    /// How many of what.
    #[serde(flatten)]
    counts: Counts,
    /// Fields or columns of the other system that were there and are not taken over.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false, max_items = 1000)]
    ignored: Vec<String>,
    /// What was wrong with the first of those that were refused.
    #[schema(max_items = 100)]
    errors: Vec<LineError>,
}

/// What was wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct LineError {
    /// The line of the body, from 1, empty ones and the header counted; of a row with line ends in quotes, the first.
    line: u64,
    /// The field, as it is called in the format; empty where it is the line itself.
    field: String,
    /// Stable and machine-readable.
    code: &'static str,
    /// For people.
    message: String,
}

/// One line of an answer that streams: exactly one of these members.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ImportEvent)]
#[serde(rename_all = "snake_case")]
pub(super) enum Event {
    /// What was wrong with a line.
    Error(LineError),
    /// All up to a line is written.
    Progress(Progress),
    /// The last line: the end of the body was reached.
    Done(Done),
    /// The last line: the import broke off. What the last progress tells was written.
    Problem(ProblemBody),
}

/// How far it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ImportProgress)]
pub(super) struct Progress {
    /// The last line that was written or refused.
    pub(super) line: u64,
    /// How many of what so far.
    #[serde(flatten)]
    pub(super) counts: Counts,
}

/// The end.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ImportDone)]
pub(super) struct Done {
    /// How many of what.
    #[serde(flatten)]
    counts: Counts,
    /// Fields or columns of the other system that were there and are not taken over.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false, max_items = 1000)]
    ignored: Vec<String>,
}

impl LineError {
    /// All that is wrong with a line.
    pub(super) fn of(line: u64, problem: &Problem, name_of: impl Fn(&str) -> String) -> Vec<Self> {
        let whole = FieldError { field: String::new(), code: problem.code().as_str(), message: problem.detail().to_owned() };
        let errors = if problem.errors().is_empty() { std::slice::from_ref(&whole) } else { problem.errors() };
        let told = |error: &FieldError| Self { line, field: name_of(&error.field), code: error.code, message: error.message.clone() };
        errors.iter().map(told).collect()
    }

    /// Where it belongs among others.
    pub(super) fn line(&self) -> u64 {
        self.line
    }
}

impl ImportResponse {
    /// Takes what a step found, as far as there is room.
    pub(super) fn take(&mut self, counts: Counts, errors: Vec<LineError>) {
        self.counts = counts;
        self.errors.extend(errors.into_iter().take(MAX_ERRORS.saturating_sub(self.errors.len())));
    }

    /// Tells at the end what was left behind.
    pub(super) fn leave(&mut self, ignored: Vec<String>) {
        self.ignored = ignored;
    }
}

impl Event {
    /// The end.
    pub(super) fn done(counts: Counts, ignored: Vec<String>) -> Self {
        Self::Done(Done { counts, ignored })
    }

    /// Its line.
    pub(super) fn write_to(&self, text: &mut Vec<u8>) {
        let written = serde_json::to_writer(&mut *text, self);
        debug_assert!(written.is_ok(), "an event is always JSON");
        text.push(b'\n');
    }
}
