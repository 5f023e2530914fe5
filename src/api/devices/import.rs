//! `POST /v1/devices/import`: NDJSON, read line by line and written in chunks, so that memory does not grow with the file.

use std::collections::HashSet;
use std::pin::Pin;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::{Request, State};
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use serde::Serialize;
use utoipa::ToSchema;

use super::change::{self, names_user, token_of_other_provider};
use super::dto::ImportLine;
use super::token::Allows;
use crate::api::Api;
use crate::api::auth::{Caller, ToManage};
use crate::api::body::{is_of_type, too_slow, unreadable};
use crate::api::checks::Checks;
use crate::api::json::{self, Reading};
use crate::api::problem::{Code, Problem};
use crate::api::query::Params;
use crate::api::tags::Tags;
use crate::dispatch::draft::FieldError;
use crate::domain::Timestamp;
use crate::domain::device::{DeviceChange, DeviceStatus, Imported};
use crate::domain::id::AppId;
use crate::domain::name::check_device_id;
use crate::store::device::Registered;

/// Lines that are written in one transaction.
const CHUNK: usize = 500;
/// A line, at most, in bytes.
const MAX_LINE: usize = 64 * 1024;
/// Errors that are answered; the others are counted.
const MAX_ERRORS: usize = 100;

/// What an import came to.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(super) struct ImportResponse {
    /// Lines that were not empty.
    lines: u64,
    /// Devices that are new.
    created: u64,
    /// Devices that were there.
    updated: u64,
    /// Lines that were refused.
    failed: u64,
    /// What was wrong with the first of them.
    #[schema(max_items = 100)]
    errors: Vec<LineError>,
}

/// What was wrong with a line.
#[derive(Debug, Serialize, ToSchema)]
struct LineError {
    /// The line, from 1, empty ones counted.
    line: u64,
    /// The field; empty where it is the line itself.
    field: String,
    /// Stable and machine-readable.
    code: &'static str,
    /// For people.
    message: String,
}

/// Import devices
///
/// One registration a line, with its `device_id`. Lines stand for themselves: good ones are written though others are bad, and the same file
/// may be sent again. An import never re-activates a device that Herald deactivated. With `dry_run` nothing is written, and the counts
/// are what they would be. Scope `manage`.
#[utoipa::path(
    post,
    path = "/v1/devices/import",
    operation_id = "import_devices",
    tag = "devices",
    params(
        ("format" = Option<String>, Query, description = "`herald`, which is also what is taken where it is absent"),
        ("dry_run" = Option<bool>, Query, description = "Whether only to look"),
    ),
    request_body(content = ImportLine, content_type = "application/x-ndjson", description = "One object a line"),
    responses((status = 200, body = ImportResponse)),
    security(("api_key" = ["manage"]))
)]
pub(super) async fn import(State(api): State<Api>, caller: Caller<ToManage>, request: Request) -> Result<Json<ImportResponse>, Problem> {
    let mut params = Params::of(request.uri());
    params.word("format", &[("herald", ())]);
    let dry_run = params.flag("dry_run");
    params.finish()?;
    if !is_of_type(request.headers(), &["application/x-ndjson", "application/ndjson", "application/jsonl"]) {
        return Err(Problem::new(Code::UnsupportedMediaType, "the body must be application/x-ndjson, in UTF-8"));
    }
    let mut import = Import { app: caller.app, now: api.clock.now(), dry_run, chunk: Vec::new(), answer: ImportResponse::default(), api };
    let mut lines = Lines::new(request.into_body(), import.api.settings.body_timeout());
    while let Some((number, line)) = lines.next().await? {
        import.take(number, line);
        if import.chunk.len() >= CHUNK {
            import.write().await?;
        }
    }
    import.write().await?;
    Ok(Json(import.answer))
}

struct Import {
    api: Api,
    app: AppId,
    now: Timestamp,
    dry_run: bool,
    chunk: Vec<(u64, String, DeviceChange)>,
    answer: ImportResponse,
}

impl Import {
    /// Judges a line and puts it with those to be written.
    fn take(&mut self, number: u64, line: Line) {
        let parsed = match line {
            Line::Whole(bytes) if bytes.iter().all(u8::is_ascii_whitespace) => return,
            Line::Whole(bytes) => json::read::<ImportLine>(&bytes).and_then(|reading| self.registration(reading)),
            Line::TooLong => Err(Problem::invalid_field("", "line_too_long", format!("must have at most {MAX_LINE} bytes"))),
        };
        self.answer.lines += 1;
        match parsed {
            Ok((name, change)) => self.chunk.push((number, name, change)),
            Err(problem) => self.fail(number, &problem),
        }
    }

    fn registration(&self, reading: Reading<ImportLine>) -> Result<(String, DeviceChange), Problem> {
        registration(reading, self.now, &|endpoint| self.api.path.allows(self.app, endpoint))
    }

    fn fail(&mut self, line: u64, problem: &Problem) {
        self.answer.failed += 1;
        let of_line = FieldError { field: String::new(), code: problem.code().as_str(), message: problem.detail().to_owned() };
        let errors = if problem.errors().is_empty() { std::slice::from_ref(&of_line) } else { problem.errors() };
        let errors =
            errors.iter().map(|error| LineError { line, field: error.field.clone(), code: error.code, message: error.message.clone() });
        // writing judges a line after those behind it were read
        let place = self.answer.errors.partition_point(|known| known.line <= line);
        self.answer.errors.splice(place..place, errors);
        self.answer.errors.truncate(MAX_ERRORS);
    }

    async fn write(&mut self) -> Result<(), Problem> {
        let chunk = std::mem::take(&mut self.chunk);
        if self.dry_run {
            return self.look(chunk).await;
        }
        if chunk.is_empty() {
            return Ok(());
        }
        let numbers: Vec<u64> = chunk.iter().map(|(number, ..)| *number).collect();
        let changes = chunk.into_iter().map(|(_, name, change)| (name, change)).collect();
        let registered = self.api.store.put_devices(self.app, changes).await?;
        for (number, registered) in numbers.into_iter().zip(registered) {
            match registered {
                Registered::Created(_) => self.answer.created += 1,
                Registered::Updated(_) => self.answer.updated += 1,
                Registered::Missing(field) => self.fail(number, &missing(field)),
                Registered::TokenOfOtherProvider => self.fail(number, &token_of_other_provider()),
                Registered::Stale => self.fail(number, &Problem::stale()),
            }
        }
        Ok(())
    }

    /// What writing would come to, as far as reading tells.
    async fn look(&mut self, chunk: Vec<(u64, String, DeviceChange)>) -> Result<(), Problem> {
        let mut created = HashSet::new();
        for (number, name, change) in chunk {
            if created.contains(&name) {
                self.answer.updated += 1;
                continue;
            }
            if let Some(stored) = self.api.store.device(self.app, &name).await? {
                let provider = change.provider.unwrap_or(stored.provider);
                if change.token.as_ref().is_some_and(|token| token.provider() != provider) {
                    self.fail(number, &token_of_other_provider());
                } else {
                    self.answer.updated += 1;
                }
            } else if let Some(field) = missing_of(&change) {
                self.fail(number, &missing(field));
            } else {
                self.answer.created += 1;
                created.insert(name);
            }
        }
        Ok(())
    }
}

fn missing(field: &str) -> Problem {
    Problem::invalid_field(field, "required", "is required when the device is new")
}

fn missing_of(change: &DeviceChange) -> Option<&'static str> {
    if !names_user(change) {
        Some("user_id")
    } else if change.platform.is_none() {
        Some("platform")
    } else if change.token.is_none() {
        Some("token")
    } else {
        None
    }
}

fn registration(reading: Reading<ImportLine>, now: Timestamp, allows: Allows<'_>) -> Result<(String, DeviceChange), Problem> {
    let mut checks = Checks::with(reading.errors);
    let mut line = reading.value;
    let name = line.device_id.take();
    match &name {
        Some(name) => checks.name("device_id", name, check_device_id),
        None => checks.required("device_id"),
    }
    for (field, at) in [("created_at", line.created_at), ("last_seen_at", line.last_seen_at)] {
        if at.is_some_and(|at| at.0 > now) {
            checks.invalid(field, "must not lie in the future");
        }
    }
    let imported = Imported {
        created_at: line.created_at.map(|at| at.0),
        last_seen_at: line.last_seen_at.map(|at| at.0),
        inactive: line.status == Some(DeviceStatus::Inactive),
    };
    let request = Reading { value: line.into_request(), errors: checks.into_errors() };
    let change = change::change(request, Tags::Replace, None, allows)?;
    Ok((name.unwrap_or_default(), DeviceChange { imported: Some(imported), ..change }))
}

/// One line of a body.
enum Line {
    /// All of it, without its end.
    Whole(Bytes),
    /// It has more than [`MAX_LINE`] bytes and was passed over.
    TooLong,
}

/// A body, cut into lines.
struct Lines {
    body: Pin<Box<dyn Stream<Item = Result<Bytes, axum::Error>> + Send>>,
    patience: Duration,
    held: BytesMut,
    /// The line is too long: what comes up to its end is passed over.
    skipping: bool,
    ended: bool,
    number: u64,
}

impl Lines {
    fn new(body: Body, patience: Duration) -> Self {
        Self { body: Box::pin(body.into_data_stream()), patience, held: BytesMut::new(), skipping: false, ended: false, number: 0 }
    }

    /// The next line and its number; `None` at the end.
    async fn next(&mut self) -> Result<Option<(u64, Line)>, Problem> {
        let mut looked_at = 0;
        loop {
            let fresh = self.held.get(looked_at..).unwrap_or_default();
            if let Some(end) = fresh.iter().position(|byte| *byte == b'\n') {
                let mut line = self.held.split_to(looked_at + end + 1);
                line.truncate(looked_at + end);
                return Ok(Some(self.ended_line(line)));
            }
            looked_at = self.held.len();
            if looked_at > MAX_LINE {
                self.skipping = true;
                self.held.clear();
                looked_at = 0;
            }
            if self.ended {
                let rest = self.held.split();
                return Ok((!rest.is_empty() || self.skipping).then(|| self.ended_line(rest)));
            }
            match tokio::time::timeout(self.patience, self.body.next()).await {
                Err(_) => return Err(too_slow()),
                Ok(Some(Err(_))) => return Err(unreadable()),
                Ok(Some(Ok(bytes))) => self.held.extend_from_slice(&bytes),
                Ok(None) => self.ended = true,
            }
        }
    }

    fn ended_line(&mut self, line: BytesMut) -> (u64, Line) {
        self.number += 1;
        let too_long = std::mem::take(&mut self.skipping) || line.len() > MAX_LINE;
        (self.number, if too_long { Line::TooLong } else { Line::Whole(line.freeze()) })
    }
}

#[cfg(test)]
mod tests;
