//! The control view: what the look-alikes were sent, counters, and scripts for misbehaviour.
//! It needs no credential, so it belongs on loopback only.

use std::sync::Arc;

use axum::Json;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::arrivals;
use super::behaviour::Rule;
use super::book::Stats;
use super::conduct::Shared;
use super::record::Push;
use super::rotation::{self, Rotation};
use super::webpush::{Asked, PATH, Subscriptions, Unmade};

/// The routes, with their full paths `/simulator/…`.
pub(super) fn router(shared: Arc<Shared>, subscriptions: Arc<Subscriptions>, rotation: Arc<Rotation>) -> Router {
    let subscribing = Router::new().route("/simulator/subscriptions", post(subscribe)).with_state(subscriptions);
    Router::new()
        .route("/simulator/pushes", get(pushes).delete(forget))
        .route("/simulator/arrivals", get(arrivals))
        .route("/simulator/stats", get(stats))
        .route("/simulator/behaviours", put(behaviours))
        .with_state(shared)
        .merge(subscribing)
        .merge(Router::new().route("/simulator/keys", post(rotate)).with_state(rotation))
}

#[derive(Deserialize)]
struct Filter {
    /// Of Web Push the end of the endpoint, or the whole of it.
    device_token: Option<String>,
}

impl Filter {
    fn token(&self) -> Option<&str> {
        let token = self.device_token.as_deref()?;
        let end = token.strip_prefix("https://").and_then(|endpoint| endpoint.split_once(PATH));
        Some(end.map_or(token, |(_, id)| id))
    }
}

#[derive(Serialize)]
struct Pushes {
    items: Vec<Push>,
}

async fn pushes(State(shared): State<Arc<Shared>>, Query(filter): Query<Filter>) -> Json<Pushes> {
    let items = shared.book.pushes(filter.token());
    Json(Pushes { items })
}

async fn forget(State(shared): State<Arc<Shared>>) -> StatusCode {
    shared.forget();
    StatusCode::NO_CONTENT
}

/// How many pushes were received in each tenth of a second, by provider.
async fn arrivals(State(shared): State<Arc<Shared>>) -> Json<arrivals::View> {
    Json(shared.book.arrivals())
}

async fn stats(State(shared): State<Arc<Shared>>) -> Json<Stats> {
    Json(shared.book.stats())
}

async fn behaviours(State(shared): State<Arc<Shared>>, body: Bytes) -> Response {
    match parse(&body) {
        Ok(rules) => {
            shared.behaviours.replace(rules);
            StatusCode::NO_CONTENT.into_response()
        }
        Err(problem) => problem.into_response(),
    }
}

/// Subscribes as a browser would: 201 with the subscription, which goes into a device's `token` as it is.
async fn subscribe(State(subscriptions): State<Arc<Subscriptions>>, body: Bytes) -> Response {
    match asked::<Asked>(&body).and_then(|asked| subscriptions.make(asked).map_err(Problem::from)) {
        Ok(made) => (StatusCode::CREATED, Json(made)).into_response(),
        Err(problem) => problem.into_response(),
    }
}

/// New keys for the app, as made in the providers' consoles: 201 with them.
async fn rotate(State(rotation): State<Arc<Rotation>>, body: Bytes) -> Response {
    match asked(&body).map(|asked: rotation::Asked| rotation.rotate(&asked)) {
        Ok(Ok(keys)) => (StatusCode::CREATED, Json(keys)).into_response(),
        Ok(Err(error)) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
        Err(problem) => problem.into_response(),
    }
}

/// What a body asks for; nothing in particular where there is none.
fn asked<T: Default + DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    if body.is_empty() {
        return Ok(T::default());
    }
    let json = serde_json::from_slice::<Value>(body).map_err(|error| Problem::BadJson(error.to_string()))?;
    serde_path_to_error::deserialize(json)
        .map_err(|error| Problem::Invalid { field: error.path().to_string(), message: error.inner().to_string() })
}

impl From<Unmade> for Problem {
    fn from((field, message): Unmade) -> Self {
        Self::Invalid { field: field.to_owned(), message: message.to_owned() }
    }
}

/// Why rules or subscriptions are refused.
#[derive(Debug, Eq, PartialEq)]
enum Problem {
    /// 400: not JSON.
    BadJson(String),
    /// 422: a field, and what is wrong with it.
    Invalid { field: String, message: String },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rules {
    rules: Vec<Rule>,
}

/// Reads `{"rules": […]}`, or the bare list.
fn parse(body: &[u8]) -> Result<Vec<Rule>, Problem> {
    let json = serde_json::from_slice::<Value>(body);
    let mut json = json.map_err(|error| Problem::BadJson(error.to_string()))?;
    if json.is_array() {
        json = json!({ "rules": json });
    }
    let Rules { rules } = serde_path_to_error::deserialize(json)
        .map_err(|error| Problem::Invalid { field: error.path().to_string(), message: error.inner().to_string() })?;
    let flaws = rules.iter().map(Rule::flaw).enumerate();
    for (index, flaw) in flaws {
        if let Some((field, message)) = flaw {
            return Err(Problem::Invalid { field: format!("rules[{index}].{field}"), message: message.to_owned() });
        }
    }
    Ok(rules)
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, code, detail, errors) = match self {
            Self::BadJson(detail) => (StatusCode::BAD_REQUEST, "bad_json", detail, json!([])),
            Self::Invalid { field, message } => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "invalid",
                format!("{field}: {message}"),
                json!([{"field": field, "code": "invalid", "message": message}]),
            ),
        };
        let body = json!({
            "type": "about:blank",
            "title": status.canonical_reason(),
            "status": status.as_u16(),
            "detail": detail,
            "code": code,
            "errors": errors,
        });
        let headers = [(CONTENT_TYPE, "application/problem+json")];
        (status, headers, body.to_string()).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_read() {
        let all = r#"{"rules":[{"provider":"fcm","token_prefix":"a","respond":{"status":503,
            "reason":"UNAVAILABLE","retry_after":"Wed, 21 Oct 2026 07:28:00 GMT","timestamp":1,
            "details":[{}],"message":"m"},"delay_ms":5,"times":2},
            {"fault":"reset_connection"}]}"#;
        assert_eq!(parse(all.as_bytes()).unwrap().len(), 2);
        assert_eq!(parse(br#"{"rules":[]}"#).unwrap().len(), 0);
        assert_eq!(parse(b"[]").unwrap().len(), 0);
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert!(matches!(parse(b"{"), Err(Problem::BadJson(_))));
        for (body, expected) in [
            (r#"{"rules":[{"fault":"explode"}]}"#, "rules[0].fault"),
            (r#"{"rules":[{"provider":"sms"}]}"#, "rules[0].provider"),
            (r#"{"rules":[{"respond":{}}]}"#, "rules[0].respond"),
            (r#"{"rules":[{"respond":{"status":"x"}}]}"#, "rules[0].respond.status"),
            (r#"{"rules":[{"respond":{"status":99}}]}"#, "rules[0].respond.status"),
            (r#"{"rules":[{"delay_ms":1},{"times":0,"delay_ms":1}]}"#, "rules[1].times"),
            (r#"{"rules":[{"dalay_ms":1}]}"#, "rules[0].dalay_ms"),
        ] {
            match parse(body.as_bytes()) {
                Err(Problem::Invalid { field, .. }) => assert_eq!(field, expected),
                other => panic!("{body}: {other:?}"),
            }
        }
    }
}
