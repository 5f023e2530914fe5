//! `POST /v1/campaigns/{id}/test`

use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, Uri};
use serde::Deserialize;
use utoipa::ToSchema;

use super::find;
use crate::api::auth::{Caller, ToManage};
use crate::api::body::JsonBody;
use crate::api::checks::Checks;
use crate::api::json::{self, objects};
use crate::api::notifications::{Accepted, accept};
use crate::api::path::CampaignPath;
use crate::api::problem::Problem;
use crate::api::{Api, idempotency, query};
use crate::dispatch::campaign::Plan;
use crate::dispatch::draft::{Draft, To};
use crate::domain::name::{NameError, check_device_id, check_user_id};
use crate::store::campaign::StoredCampaign;

/// Names of a test, at most.
const MAX_NAMES: usize = 20;

/// A test of a campaign.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
#[schema(as = CampaignTest)]
pub(super) struct TestRequest {
    /// To whom.
    #[schema(value_type = TestTo, required = true)]
    to: Option<TestTo>,
    /// In this variant; absent: each in their own.
    variant: Option<String>,
}

/// To whom: exactly one.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
#[schema(as = CampaignTestTo)]
pub(super) struct TestTo {
    /// The active devices of these users.
    #[schema(min_items = 1, max_items = 20)]
    user_ids: Option<Vec<String>>,
    /// These devices.
    #[schema(min_items = 1, max_items = 20)]
    device_ids: Option<Vec<String>>,
}

objects!(TestRequest, TestTo);

/// Test a campaign
///
/// Sends it now to at most 20 devices, past quiet hours, whatever its status; it is counted nowhere. Scope `manage`.
#[utoipa::path(
    post,
    path = "/v1/campaigns/{id}/test",
    operation_id = "test_campaign",
    tag = "campaigns",
    params(
        ("id" = uuid::Uuid, Path, description = "The campaign"),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key and body within 24 h answers what the first answered."),
    ),
    request_body = TestRequest,
    responses((status = 202, body = Accepted, headers(
        ("Idempotency-Replayed" = Option<String>, description = "`true` where the answer was given before"),
    ))),
    security(("api_key" = ["manage"]))
)]
pub(super) async fn test(
    State(api): State<Api>,
    caller: Caller<ToManage>,
    CampaignPath(id): CampaignPath,
    uri: Uri,
    headers: HeaderMap,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    query::none(&uri)?;
    let stored = find(&api, caller.app, id).await?;
    // the path is part of what the key is for
    let asked = [id.0.as_bytes(), &body[..]].concat();
    let key = idempotency::of_request(&headers, caller.app, "campaigns/test", &asked)?;
    accept(&api, caller.app, key, async || draft(&stored, &body)).await
}

fn draft(stored: &StoredCampaign, body: &[u8]) -> Result<Draft, Problem> {
    let reading = json::read::<TestRequest>(body)?;
    let mut checks = Checks::with(reading.errors);
    let request = reading.value;
    if request.to.is_none() {
        checks.required("to");
    }
    let to = take_to(request.to.unwrap_or_default(), &mut checks);
    let plan = Plan::read(&stored.definition.plan).map_err(|error| Problem::internal(&error))?;
    let variants = plan.draft.campaign.iter().flat_map(|campaign| &campaign.variants);
    if let Some(name) = &request.variant
        && !variants.into_iter().any(|variant| variant.name == *name)
    {
        checks.invalid("variant", "is no variant of this campaign");
    }
    let to = checks.done(to)?;
    Ok(plan.test(to, request.variant.as_deref()))
}

fn take_to(to: TestTo, checks: &mut Checks) -> To {
    match (to.user_ids, to.device_ids) {
        (Some(users), None) => To::Users(few("to.user_ids", users, check_user_id, checks)),
        (None, Some(devices)) => To::Devices(few("to.device_ids", devices, check_device_id, checks)),
        _ => {
            if !checks.has_below("to") {
                checks.invalid("to", "must have exactly one of user_ids, device_ids");
            }
            To::Devices(Vec::new())
        }
    }
}

fn few(field: &str, names: Vec<String>, check: fn(&str) -> Result<(), NameError>, checks: &mut Checks) -> Vec<String> {
    if names.is_empty() || names.len() > MAX_NAMES {
        checks.invalid(field, format_args!("must have 1 to {MAX_NAMES} items"));
    }
    checks.names(field, &names, check);
    names
}
