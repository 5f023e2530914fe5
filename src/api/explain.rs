//! `POST /v1/explain`: what the gate would decide, and why.

use axum::Json;
use axum::extract::State;
use http::Uri;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::{Caller, ToSend};
use super::body::JsonBody;
use super::checks::Checks;
use super::instant::{Instant, LocalTime};
use super::json::{self, Reading, objects};
use super::problem::Problem;
use super::{Api, query, schema, ttl};
use crate::dispatch::handle::{Explained, Question, Who};
use crate::domain::name::{check_category_id, check_device_id, check_user_id};
use crate::domain::notification::{IfPast, InQuietHours, Priority};

/// A push that is imagined. Exactly one of `user_id` and `device_id` is needed.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
struct ExplainRequest {
    /// About a user's devices.
    #[schema(max_length = 256)]
    user_id: Option<String>,
    /// About one device.
    #[schema(max_length = 128)]
    device_id: Option<String>,
    /// A declared category.
    #[schema(max_length = 64)]
    category: Option<String>,
    /// The category's, else `high`, where absent.
    #[schema(value_type = Option<schema::Priority>)]
    priority: Option<Priority>,
    /// A data-only push.
    silent: Option<bool>,
    /// The category's, else a day, where absent.
    #[serde(default, deserialize_with = "ttl::read")]
    #[schema(maximum = 2_419_200)]
    ttl_seconds: Option<u32>,
    /// `defer` where absent.
    #[schema(value_type = Option<schema::InQuietHours>)]
    in_quiet_hours: Option<InQuietHours>,
    /// Due by each device's wall clock.
    #[schema(value_type = Option<schema::LocalTime>)]
    send_at_local: Option<LocalTime>,
    /// With `send_at_local`: what if that has passed; `skip` where absent.
    #[schema(value_type = Option<schema::IfPast>)]
    if_past: Option<IfPast>,
    /// The instant to judge at; the present where absent.
    #[schema(value_type = Option<schema::Instant>)]
    at: Option<Instant>,
}

objects!(ExplainRequest);

/// What the gate says.
#[derive(Debug, Serialize, ToSchema)]
struct ExplainResponse {
    /// One for each device.
    decisions: Vec<DecisionResponse>,
}

/// What the gate says of one device.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Decision)]
struct DecisionResponse {
    /// Which; null where the user has no active device.
    device_id: Option<String>,
    /// `send`, `defer` or `suppress`.
    decision: &'static str,
    /// The instant at which it would be sent.
    #[schema(value_type = Option<schema::Instant>)]
    until: Option<Instant>,
    /// Why.
    reason: Option<String>,
    /// The zone that counts.
    timezone: String,
    /// The wall clock there at the instant judged.
    #[schema(value_type = schema::LocalTime)]
    local_time: LocalTime,
}

/// The routes.
pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(explain))
}

/// Explain a decision
///
/// What the gate would decide of a push at an instant, per device. Nothing is sent. Scope `send`.
#[utoipa::path(
    post,
    path = "/v1/explain",
    operation_id = "explain",
    tag = "notifications",
    request_body = ExplainRequest,
    responses((status = 200, body = ExplainResponse)),
    security(("api_key" = ["send"]))
)]
async fn explain(
    State(api): State<Api>,
    caller: Caller<ToSend>,
    uri: Uri,
    JsonBody(body): JsonBody,
) -> Result<Json<ExplainResponse>, Problem> {
    query::none(&uri)?;
    let question = question(json::read(&body)?)?;
    let explained = api.path.explain(caller.app, &question).await?.ok_or_else(|| Problem::not_found("device"))?;
    Ok(Json(ExplainResponse { decisions: explained.into_iter().map(DecisionResponse::from).collect() }))
}

fn question(reading: Reading<ExplainRequest>) -> Result<Question, Problem> {
    let mut checks = Checks::with(reading.errors);
    let request = reading.value;
    let who = match (request.user_id, request.device_id) {
        (Some(user), None) => {
            checks.name("user_id", &user, check_user_id);
            Who::User(user)
        }
        (None, Some(device)) => {
            checks.name("device_id", &device, check_device_id);
            Who::Device(device)
        }
        (Some(_), Some(_)) => {
            checks.invalid("device_id", "cannot stand beside user_id");
            Who::User(String::new())
        }
        (None, None) => {
            if !checks.has_below("device_id") {
                checks.required("user_id");
            }
            Who::User(String::new())
        }
    };
    if let Some(category) = &request.category {
        checks.name("category", category, check_category_id);
    }
    if request.if_past.is_some() && request.send_at_local.is_none() {
        checks.invalid("if_past", "is only for send_at_local");
    }
    checks.done(Question {
        who,
        category: request.category,
        priority: request.priority,
        silent: request.silent.unwrap_or_default(),
        ttl_seconds: request.ttl_seconds,
        in_quiet_hours: request.in_quiet_hours.unwrap_or_default(),
        send_at_local: request.send_at_local.map(|time| time.0),
        if_past: request.if_past.unwrap_or_default(),
        at: request.at.map(|at| at.0),
    })
}

impl From<Explained> for DecisionResponse {
    fn from(explained: Explained) -> Self {
        Self {
            device_id: explained.device,
            decision: explained.decision,
            until: explained.until.map(Instant),
            reason: explained.reason,
            timezone: explained.timezone,
            local_time: LocalTime(explained.local_time),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(body: &str) -> Result<Question, Problem> {
        json::read(body.as_bytes()).and_then(question)
    }

    #[test]
    fn a_question_is_about_one_user_or_device() {
        assert_eq!(ask(r#"{"user_id": "u1"}"#).unwrap().who, Who::User("u1".into()));
        assert_eq!(ask(r#"{"device_id": "d1"}"#).unwrap().who, Who::Device("d1".into()));
        for (body, field) in [
            ("{}", "user_id"),
            (r#"{"user_id": "u1", "device_id": "d1"}"#, "device_id"),
            (r#"{"device_id": 5}"#, "device_id"),
            (r#"{"user_id": "u1", "ttl_seconds": 2419201}"#, "ttl_seconds"),
            (r#"{"user_id": "u1", "if_past": "send"}"#, "if_past"),
            (r#"{"user_id": "u1", "at": "noon"}"#, "at"),
            (r#"{"user_id": "u1", "to": {}}"#, "to"),
        ] {
            let problem = ask(body).unwrap_err();
            assert_eq!(problem.errors().len(), 1, "{body}");
            assert_eq!(problem.errors()[0].field, field, "{body}");
        }
    }
}
