//! `POST /v1/devices/import`: devices by the million, as NDJSON or CSV, Herald's own or another system's export.

mod answer;
mod decode;
#[cfg(feature = "fuzzing")]
pub(in crate::api) mod fuzz;
mod herald_csv;
mod line;
mod members;
mod once;
mod onesignal;
mod pinpoint;
mod source;
mod steps;
mod table;

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, StreamExt};
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};

use self::answer::{Event, ImportResponse, Progress};
use self::decode::{Decoder, Format};
use self::once::Sum;
use self::source::Source;
use self::steps::{Import, Step, steps};
use super::dto::ImportLine;
use crate::api::auth::{Caller, ToManage};
use crate::api::body::is_of_type;
use crate::api::load::Permit;
use crate::api::problem::{Code, Problem};
use crate::api::query::Params;
use crate::api::{Api, idempotency};
use crate::domain::records::Shape;

const NDJSON: &[&str] = &["application/x-ndjson", "application/ndjson", "application/jsonl"];
const CSV: &[&str] = &["text/csv"];

/// Import devices
///
/// One registration a line, with its `device_id`; as `text/csv` the header names the fields, `tags.<name>` a tag, and an empty cell is
/// absent. Lines stand for themselves: good ones are written though others are bad, and the same file may be sent again. An import never
/// re-activates a device that Herald deactivated. With `dry_run` nothing is written, and the counts are what they would be. With
/// `Accept: application/x-ndjson` the answer streams while the body is read: each error, how far it is, and at the end what it came to;
/// read it while sending. With an `Idempotency-Key` the same key, body and query within 24 hours answer what the first answered, and nothing is
/// taken; such an answer cannot stream. Scope `manage`.
#[utoipa::path(
    post,
    path = "/v1/devices/import",
    operation_id = "import_devices",
    tag = "devices",
    params(
        (
            "format" = Option<String>, Query,
            description = "`herald`, which is also what is taken where it is absent, `onesignal` (its CSV export) or `pinpoint` (its export of endpoints)"
        ),
        ("dry_run" = Option<bool>, Query, description = "Whether only to look"),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key, body and query within 24 h answers what the first answered."),
    ),
    request_body(
        content((ImportLine = "application/x-ndjson"), (String = "text/csv")),
        description = "One object a line, or one row a device under a header"
    ),
    responses((status = 200, content((ImportResponse = "application/json"), (Event = "application/x-ndjson")), headers(
        ("Idempotency-Replayed" = Option<String>, description = "`true` where the answer was given before"),
    ))),
    security(("api_key" = ["manage"]))
)]
pub(super) async fn import(State(api): State<Api>, caller: Caller<ToManage>, request: Request) -> Result<Response, Problem> {
    let mut params = Params::of(request.uri());
    let formats = [("herald", Format::Herald), ("onesignal", Format::Onesignal), ("pinpoint", Format::Pinpoint)];
    let format = params.word("format", &formats).unwrap_or(Format::Herald);
    let dry_run = params.flag("dry_run");
    params.finish()?;
    let shape = shape(request.headers()).filter(|shape| format.comes_as(*shape)).ok_or_else(|| other_type(format))?;
    let streams = wants_events(request.headers());
    let key = idempotency::of_request(request.headers(), caller.app, once::ROUTE, b"")?;
    if streams && key.is_some() {
        return Err(idempotency::unusable("cannot stand beside Accept: application/x-ndjson, whose answer is not kept"));
    }
    let permit = Permit::of(request.extensions())?;
    let patience = api.settings.body_timeout();
    let import = Import { app: caller.app, format, now: api.clock.now(), dry_run, api: Arc::clone(&api) };
    let decoder = Decoder::new(format, shape);
    if let Some(key) = key {
        let (sum, body) = Sum::of(request.into_body(), &format!("{format:?} {shape:?} {dry_run}"));
        let source = Source::new(body, shape, patience);
        // while it lives, the key is this request's
        let idempotency::Stands::New(_turn) = idempotency::stands(&api, &key).await? else {
            return once::again(&api, key, &sum, (&permit, source)).await;
        };
        let answer = at_once(steps(import, &permit, source, decoder).await?).await?;
        return once::remember(&api, key, &sum, answer).await;
    }
    let steps = steps(import, &permit, Source::new(request.into_body(), shape, patience), decoder).await?;
    if streams {
        let body = Body::from_stream(steps.map(|step| Ok::<_, std::convert::Infallible>(events(step))));
        let kind = HeaderValue::from_static("application/x-ndjson");
        return Ok(([(CONTENT_TYPE, kind)], body).into_response());
    }
    Ok(Json(at_once(steps).await?).into_response())
}

/// The whole answer, with the first errors.
async fn at_once(steps: impl Stream<Item = Step> + Send) -> Result<ImportResponse, Problem> {
    let mut steps = std::pin::pin!(steps);
    let mut answer = ImportResponse::default();
    let mut reached = 0;
    while let Some(step) = steps.next().await {
        match step {
            Step::Part { errors, progress: Progress { line, counts } } => {
                answer.take(counts, errors);
                reached = line;
            }
            Step::Done { ignored, .. } => answer.leave(ignored),
            Step::Broken(problem) => return Err(problem.after(reached)),
        }
    }
    Ok(answer)
}

/// The lines that tell of a step.
fn events(step: Step) -> Vec<u8> {
    let mut text = Vec::new();
    match step {
        Step::Part { errors, progress } => {
            for error in errors {
                Event::Error(error).write_to(&mut text);
            }
            Event::Progress(progress).write_to(&mut text);
        }
        Step::Done { counts, ignored } => Event::done(counts, ignored).write_to(&mut text),
        Step::Broken(problem) => Event::Problem(problem.into_body()).write_to(&mut text),
    }
    text
}

fn shape(headers: &HeaderMap) -> Option<Shape> {
    let kinds = [(NDJSON, Shape::Lines), (CSV, Shape::Csv)];
    kinds.into_iter().find(|(types, _)| is_of_type(headers, types)).map(|(_, shape)| shape)
}

fn other_type(format: Format) -> Problem {
    let detail = if format.comes_as(Shape::Lines) {
        "the body must be application/x-ndjson or text/csv, in UTF-8"
    } else {
        "the body must be text/csv, in UTF-8"
    };
    Problem::new(Code::UnsupportedMediaType, detail)
}

/// Whether the caller asks for the answer line by line.
fn wants_events(headers: &HeaderMap) -> bool {
    let values = headers.get_all(ACCEPT).into_iter().filter_map(|value| value.to_str().ok());
    let kinds = values.flat_map(|value| value.split(',')).map(|kind| kind.split(';').next().unwrap_or_default().trim());
    kinds.into_iter().any(|kind| NDJSON.iter().any(|name| name.eq_ignore_ascii_case(kind)))
}

#[cfg(test)]
mod tests;
