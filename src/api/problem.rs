//! Every error that leaves the API: RFC 9457 `application/problem+json`, made here and nowhere else.
//!
//! The layers below know no status codes. What they say of themselves goes to the log, once, under the request's id; callers get the
//! fixed words of the contract.

mod code;

use std::borrow::Cow;

use axum::response::{IntoResponse, Response};
use http::HeaderValue;
use http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use serde::Serialize;
use utoipa::ToSchema;

use super::request_id;
use crate::dispatch::draft::{FieldError, Rejected};
use crate::domain::device::ProviderKind;
use crate::domain::phone_settings::Required;
use crate::store;
use crate::store::key::Scope;

pub(crate) use code::Code;

/// Errors of one answer, at most: beyond it more of them help nobody.
const MAX_ERRORS: usize = 100;
/// Of a text that names what a caller sent, so many characters: an answer is not to be as large as what was wrong.
const MAX_TEXT: usize = 300;

/// An error on its way to a caller.
#[derive(Debug)]
pub(crate) struct Problem {
    code: Code,
    detail: Cow<'static, str>,
    errors: Vec<FieldError>,
    size: Option<(ProviderKind, usize, usize)>,
    away: Vec<&'static str>,
    required: Option<Box<Required>>,
}

/// The body of an error.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemBody {
    /// `urn:herald:` and the code.
    #[serde(rename = "type")]
    kind: &'static str,
    /// The same for every error of this code.
    title: &'static str,
    /// The status, again.
    status: u16,
    /// What it was this time, for people.
    detail: Cow<'static, str>,
    /// Stable and machine-readable. Callers ignore codes that they do not know.
    code: &'static str,
    /// What is wrong with which field.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    errors: Vec<FieldProblem>,
    /// With `payload_too_large`: which provider.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, required = false)]
    provider: Option<&'static str>,
    /// With `payload_too_large`: the size after rendering, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, required = false)]
    size: Option<usize>,
    /// With `payload_too_large`: what the provider takes, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, required = false)]
    limit: Option<usize>,
    /// With `client_too_old`: the oldest version of the app that is served.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, required = false)]
    minimum_app_version: Option<String>,
    /// With `client_too_old`: where a newer one is had; null where the app names no place.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, required = false)]
    upgrade_url: Option<serde_json::Value>,
    /// With `not_ready`: what does not answer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<String>, required = false)]
    away: Vec<&'static str>,
    /// The request's id, as in `X-Request-Id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, required = false)]
    request_id: Option<String>,
}

/// What is wrong with one field.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FieldError)]
pub(crate) struct FieldProblem {
    /// Where, from the root of the body, such as `to.user_ids[3]`; else the name of a parameter or header.
    field: String,
    /// Stable and machine-readable: `invalid`, `required`, `unknown_field`, `unknown_timezone`, `unknown_category`, …
    code: &'static str,
    /// For people.
    message: String,
}

impl Problem {
    pub(crate) fn new(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { code, detail: clipped(detail.into()), errors: Vec::new(), size: None, away: Vec::new(), required: None }
    }

    /// 400: the bytes are not JSON as it must be.
    pub(crate) fn bad_json(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::BadJson, detail)
    }

    /// 422: these fields.
    pub(crate) fn invalid(mut errors: Vec<FieldError>) -> Self {
        errors.truncate(MAX_ERRORS);
        for error in &mut errors {
            error.field = clipped(std::mem::take(&mut error.field).into()).into_owned();
            error.message = clipped(std::mem::take(&mut error.message).into()).into_owned();
        }
        let detail = match errors.as_slice() {
            [one] if one.field.is_empty() => format!("the body {}", one.message),
            [one] => format!("{}: {}", one.field, one.message),
            many => format!("{} fields are invalid", many.len()),
        };
        Self { errors, ..Self::new(Code::Invalid, detail) }
    }

    /// 422: this field.
    pub(crate) fn invalid_field(field: &str, code: &'static str, message: impl Into<String>) -> Self {
        Self::invalid(vec![FieldError { field: field.to_owned(), code, message: message.into() }])
    }

    /// The same about a part of the body, whose fields are where `place` says, with what else is wrong with the whole.
    #[must_use]
    pub(crate) fn within(self, place: fn(&str) -> String, mut others: Vec<FieldError>) -> Self {
        if self.errors.is_empty() {
            return self;
        }
        others.extend(self.errors.into_iter().map(|error| FieldError { field: place(&error.field), ..error }));
        Self::invalid(others)
    }

    /// 422 with a code of its own, about one parameter or header.
    pub(crate) fn about(code: Code, field: &str, detail: &'static str) -> Self {
        let error = FieldError { field: field.to_owned(), code: code.as_str(), message: detail.to_owned() };
        Self { errors: vec![error], ..Self::new(code, detail) }
    }

    /// 422: a cursor that nobody here has made.
    pub(crate) fn foreign_cursor() -> Self {
        Self::invalid_field("cursor", "invalid", "is not a cursor that was answered here")
    }

    /// 401.
    pub(crate) fn key_invalid(detail: &'static str) -> Self {
        Self::new(Code::KeyInvalid, detail)
    }

    /// 403, naming the scope.
    pub(crate) fn scope_missing(scope: Scope) -> Self {
        let name = match scope {
            Scope::Send => "send",
            Scope::Manage => "manage",
            Scope::Read => "read",
            Scope::Critical => "critical",
        };
        Self::new(Code::ScopeMissing, format!("this needs an API key with the scope {name}"))
    }

    /// 403: whoever calls is known, and has no key.
    pub(crate) fn key_needed(scope: Option<Scope>) -> Self {
        scope.map_or_else(|| Self::new(Code::ScopeMissing, "this needs an API key"), Self::scope_missing)
    }

    /// 404.
    pub(crate) fn not_found(what: &'static str) -> Self {
        Self::new(Code::NotFound, format!("there is no such {what}"))
    }

    /// 412.
    pub(crate) fn stale() -> Self {
        Self::new(Code::Stale, "If-Match names another version than the present one")
    }

    /// 426: what is asked of the app, and where it is had.
    pub(crate) fn client_too_old(required: Required) -> Self {
        let detail = match &required.minimum {
            Some(minimum) => format!("X-App-Version is below {minimum}, the oldest version that is served"),
            None => "X-App-Version is below the oldest version that is served".to_owned(),
        };
        Self { required: Some(Box::new(required)), ..Self::new(Code::ClientTooOld, detail) }
    }

    /// 500, with nothing of the cause, which is logged here.
    pub(crate) fn internal(error: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(error = %Chain(error), "the request failed for a fault of ours");
        Self::internal_logged()
    }

    /// 500 for a fault that is in the log already.
    pub(crate) fn internal_logged() -> Self {
        Self::new(Code::Internal, "the cause is in the log, under the request's id")
    }

    /// 503 of `/ready`.
    pub(crate) fn not_ready(away: &[&'static str]) -> Self {
        Self { away: away.to_vec(), ..Self::new(Code::NotReady, format!("{} does not answer", away.join(" and "))) }
    }

    /// 503 of `/ready` while the daemon stops.
    pub(crate) fn stopping() -> Self {
        Self::new(Code::NotReady, "the daemon is stopping")
    }

    /// The same, of a body that is read as it comes: how far it came.
    #[must_use]
    pub(crate) fn after(self, line: u64) -> Self {
        let reached = if line == 0 { "nothing was taken".to_owned() } else { format!("what came up to line {line} was taken") };
        Self { detail: format!("{}; {reached}", self.detail).into(), ..self }
    }

    pub(crate) fn code(&self) -> Code {
        self.code
    }

    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }

    pub(crate) fn errors(&self) -> &[FieldError] {
        &self.errors
    }

    /// The body, as it also stands in the results of a batch.
    pub(crate) fn into_body(self) -> ProblemBody {
        let code = self.code;
        let (minimum_app_version, upgrade_url) = match self.required {
            Some(required) => (required.minimum, Some(required.upgrade_url.into())),
            None => (None, None),
        };
        let errors = self.errors.into_iter().map(|error| FieldProblem { field: error.field, code: error.code, message: error.message });
        ProblemBody {
            kind: code.type_uri(),
            title: code.title(),
            status: code.status().as_u16(),
            detail: self.detail,
            code: code.as_str(),
            errors: errors.collect(),
            provider: self.size.map(|(provider, ..)| provider.as_str()),
            size: self.size.map(|(_, size, _)| size),
            limit: self.size.map(|(.., limit)| limit),
            minimum_app_version,
            upgrade_url,
            away: self.away,
            request_id: request_id::current(),
        }
    }
}

/// A text of bounded length.
fn clipped(text: Cow<'static, str>) -> Cow<'static, str> {
    match text.char_indices().nth(MAX_TEXT) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()).into(),
        None => text,
    }
}

impl From<store::Error> for Problem {
    fn from(error: store::Error) -> Self {
        if matches!(error, store::Error::ForeignCursor) {
            return Self::foreign_cursor();
        }
        if error.is_transient() {
            tracing::warn!(error = %Chain(&error), "the store cannot be reached");
            Self::new(Code::StoreUnavailable, "the store cannot be reached; try again")
        } else {
            Self::internal(&error)
        }
    }
}

impl From<Rejected> for Problem {
    fn from(rejected: Rejected) -> Self {
        match rejected {
            Rejected::Invalid(errors) => Self::invalid(errors),
            Rejected::TooLarge { provider, size, limit } => {
                let detail = format!("{size} bytes for {} after rendering, which takes {limit}", provider.as_str());
                Self { size: Some((provider, size, limit)), ..Self::new(Code::PayloadTooLarge, detail) }
            }
            Rejected::Store(error) => error.into(),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let code = self.code;
        let body = serde_json::to_vec(&self.into_body()).unwrap_or_default();
        let mut response = (code.status(), body).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        match code {
            Code::KeyInvalid => drop(headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"herald\""))),
            // RFC 6750, 3.1
            Code::TokenExpired | Code::TokenInvalid | Code::TokenRevoked | Code::RefreshTokenReused => {
                let challenge = HeaderValue::from_static("Bearer realm=\"herald\", error=\"invalid_token\"");
                drop(headers.insert(WWW_AUTHENTICATE, challenge));
            }
            Code::Overloaded | Code::StoreUnavailable | Code::NotReady | Code::IdempotencyInProgress => {
                drop(headers.insert(RETRY_AFTER, HeaderValue::from_static("1")));
            }
            _ => {}
        }
        response
    }
}

/// An error with its causes, for the log.
struct Chain<'a>(&'a (dyn std::error::Error + 'static));

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut error = self.0;
        while let Some(source) = error.source() {
            write!(f, ": {source}")?;
            error = source;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;

    #[test]
    fn what_was_sent_is_not_repeated_at_length() {
        let name = "ü".repeat(1_000_000);
        let problem = Problem::invalid_field(&name, "unknown_field", format!("{name} is not known"));
        let body = serde_json::to_string(&problem.into_body()).unwrap();
        assert!(body.len() < 4000 && body.contains("üü…"), "{}", body.len());
        assert!(serde_json::to_string(&Problem::bad_json(name).into_body()).unwrap().len() < 2000);
    }

    #[test]
    fn a_fault_of_the_store_says_nothing_of_itself() {
        let error = store::Error::Refused("UNIQUE constraint failed: device.name".into());
        let body = serde_json::to_string(&Problem::from(error).into_body()).unwrap();
        assert!(!body.contains("UNIQUE"), "{body}");
        let foreign = Problem::from(store::Error::ForeignCursor);
        assert_eq!((foreign.code(), foreign.errors()[0].field.as_str()), (Code::Invalid, "cursor"));
        let away = Problem::from(store::Error::Unavailable("refused".into())).into_response();
        assert_eq!(away.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(away.headers()[RETRY_AFTER], "1");
    }

    #[test]
    fn a_payload_that_is_too_large_names_provider_and_size() {
        let problem = Problem::from(Rejected::TooLarge { provider: ProviderKind::Apns, size: 5000, limit: 4096 });
        let body = serde_json::to_value(problem.into_body()).unwrap();
        assert_eq!((body["status"].as_u64(), &body["code"]), (Some(413), &"payload_too_large".into()));
        assert_eq!((&body["provider"], body["size"].as_u64(), body["limit"].as_u64()), (&"apns".into(), Some(5000), Some(4096)));
    }
}
