//! A refusal of the daemon (RFC 9457), as people read it.

use std::fmt;

use reqwest::StatusCode;
use serde_json::Value;

/// What the daemon answered instead of what was asked for.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    document: Value,
}

impl Problem {
    /// Of an answer's body; one that is no problem document (a proxy's page) is left out.
    pub(super) fn of(status: StatusCode, body: &[u8]) -> Self {
        let document = serde_json::from_slice(body).ok().filter(Value::is_object);
        Self { status, document: document.unwrap_or_else(|| serde_json::json!({ "status": status.as_u16() })) }
    }

    /// Of a problem document in the middle of an answer.
    pub(super) fn told(document: Value) -> Self {
        let status = document.get("status").and_then(Value::as_u64).and_then(|status| u16::try_from(status).ok());
        let status = status.and_then(|status| StatusCode::from_u16(status).ok()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self { status, document }
    }

    /// The status.
    pub(super) fn status(&self) -> u16 {
        self.status.as_u16()
    }

    /// As the daemon wrote it.
    pub(super) fn document(&self) -> &Value {
        &self.document
    }

    /// With where each wrong field was written, as far as that is known.
    pub(super) fn placed(mut self, place: impl Fn(&str) -> Option<String>) -> Self {
        for error in self.document.get_mut("errors").and_then(Value::as_array_mut).into_iter().flatten() {
            let place = error.get("field").and_then(Value::as_str).and_then(&place);
            if let (Some(error), Some(place)) = (error.as_object_mut(), place) {
                error.insert("place".to_owned(), place.into());
            }
        }
        self
    }

    fn text(&self, key: &str) -> Option<&str> {
        self.document.get(key).and_then(Value::as_str)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let told = self.text("detail").or_else(|| self.text("title")).or_else(|| self.status.canonical_reason()).unwrap_or("refused");
        write!(f, "{told} ({}", self.status.as_u16())?;
        match self.text("code") {
            Some(code) => write!(f, " {code})")?,
            None => f.write_str(")")?,
        }
        for error in self.document.get("errors").and_then(Value::as_array).into_iter().flatten() {
            let part = |key| error.get(key).and_then(Value::as_str).unwrap_or_default();
            let line = format!("{}: {}", part("field"), part("message"));
            match part("place") {
                // The detail of a single error says it already.
                "" if line == told => {}
                "" => write!(f, "\n  {line}")?,
                place => write!(f, "\n  {place}: {line}")?,
            }
        }
        Ok(())
    }
}

impl std::error::Error for Problem {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_of_a_problem_are_listed() {
        let body = br#"{"title": "Invalid", "status": 422, "detail": "2 fields are invalid", "code": "invalid",
            "errors": [{"field": "to", "message": "is missing"}, {"field": "content.badge", "code": "invalid", "message": "must be a number"}]}"#;
        let problem = Problem::of(StatusCode::UNPROCESSABLE_ENTITY, body);
        assert_eq!(problem.to_string(), "2 fields are invalid (422 invalid)\n  to: is missing\n  content.badge: must be a number");
    }

    #[test]
    fn a_field_that_the_detail_names_is_not_said_twice() {
        let body = br#"{"detail": "to: is missing", "code": "invalid", "errors": [{"field": "to", "message": "is missing"}]}"#;
        assert_eq!(Problem::of(StatusCode::UNPROCESSABLE_ENTITY, body).to_string(), "to: is missing (422 invalid)");
    }

    #[test]
    fn a_field_is_told_with_where_it_was_written() {
        let body = br#"{"detail": "to: is missing", "code": "invalid", "errors": [{"field": "to", "message": "is missing"}]}"#;
        let problem = Problem::of(StatusCode::UNPROCESSABLE_ENTITY, body);
        let problem = problem.placed(|field| (field == "to").then(|| "a.toml:3".to_owned()));
        assert_eq!(problem.to_string(), "to: is missing (422 invalid)\n  a.toml:3: to: is missing");
        assert_eq!(problem.document()["errors"][0]["place"], "a.toml:3");
    }

    #[test]
    fn a_page_of_a_proxy_is_no_problem_document() {
        assert_eq!(Problem::of(StatusCode::BAD_GATEWAY, b"<html>").to_string(), "Bad Gateway (502)");
    }
}
