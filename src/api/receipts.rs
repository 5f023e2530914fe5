//! `POST /v1/receipts`: what devices report of pushes that reached them.

use axum::Json;
use axum::extract::State;
use http::{StatusCode, Uri};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::MayReport;
use super::body::JsonBody;
use super::checks::Checks;
use super::instant::Instant;
use super::json::{self, Reading, Unknown, objects};
use super::problem::Problem;
use super::{Api, query, schema};
use crate::domain::id::NotificationId;
use crate::domain::name::check_device_id;
use crate::store::receipt::{Receipt, ReceiptKind, ReceiptVerdict};

/// Receipts of one request, at most.
const MAX_RECEIPTS: usize = 500;
/// The id of a button, at most, in characters: as in a notification's `actions`.
const MAX_ACTION: usize = 64;

/// Reports.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
struct ReceiptsRequest {
    /// Up to 500 of them.
    #[schema(max_items = 500)]
    receipts: Vec<ReceiptRequest>,
}

/// One report. `opened` and `dismissed` imply `delivered`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
#[schema(as = Receipt)]
struct ReceiptRequest {
    /// Of which push: `herald_id` in its data.
    notification_id: String,
    /// On which device.
    device_id: String,
    /// What happened.
    #[serde(rename = "type")]
    #[schema(value_type = schema::ReceiptType)]
    kind: ReceiptKind,
    /// When; the arrival of this request where absent, before the send or in the future.
    #[serde(default)]
    #[schema(value_type = Option<schema::Instant>)]
    at: Option<Instant>,
    /// With `opened`: which button. It is not kept yet.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 64)]
    action: Option<String>,
}

/// The same, whose items are read one by one.
#[derive(Deserialize)]
struct Items<'a> {
    #[serde(borrow)]
    receipts: Vec<&'a RawValue>,
}

objects!(ReceiptsRequest, ReceiptRequest);

/// What became of the reports.
#[derive(Debug, Serialize, ToSchema)]
struct ReceiptsResponse {
    /// How many counted, now or before, or are kept until the send is booked.
    accepted: usize,
    /// The others.
    rejected: Vec<RejectedReceipt>,
}

/// A report that does not count.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
struct RejectedReceipt {
    /// Its place in the request, from 0.
    index: usize,
    /// `unknown_delivery`: no push that was sent to that device, whatever the cause. `too_late`: more than 30 days after the send. `invalid`: a phone's
    /// that cannot be read.
    code: &'static str,
}

/// The routes.
pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(receive))
}

/// Report receipts
///
/// Repeats do not count twice. Scope `send`; a phone reports those of its own devices (of 50 in one request), with a receipt token those of the one
/// device. Others are `unknown_delivery`. What is wrong with one report of a phone's is wrong with that one only (`invalid`), since an app in the field
/// cannot be recalled.
#[utoipa::path(
    post,
    path = "/v1/receipts",
    operation_id = "report_receipts",
    tag = "receipts",
    request_body = ReceiptsRequest,
    responses((status = 202, body = ReceiptsResponse)),
    security(("api_key" = ["send"]), ("client_token" = []), ("receipt_token" = []))
)]
async fn receive(
    State(api): State<Api>,
    caller: MayReport,
    uri: Uri,
    JsonBody(body): JsonBody,
) -> Result<(StatusCode, Json<ReceiptsResponse>), Problem> {
    query::none(&uri)?;
    let reports = read(&body, caller.unknown())?;
    let devices = caller.devices(&api, reports.iter().flatten().map(|report| report.device_id.as_str())).await?;
    let mut rejected = Vec::new();
    let mut places = Vec::with_capacity(reports.len());
    let mut receipts = Vec::with_capacity(reports.len());
    for (index, report) in reports.into_iter().enumerate() {
        let Some(report) = report else {
            rejected.push(RejectedReceipt { index, code: "invalid" });
            continue;
        };
        // an id that none of ours can have is a delivery that is not known, like any other
        match report.notification_id.parse::<NotificationId>() {
            Ok(notification) if check_device_id(&report.device_id).is_ok() && devices.have(&report.device_id) => {
                places.push(index);
                receipts.push(Receipt { notification, device: report.device_id, kind: report.kind, at: report.at.map(|at| at.0) });
            }
            _ => rejected.push(RejectedReceipt { index, code: "unknown_delivery" }),
        }
    }
    let verdicts = if receipts.is_empty() { Vec::new() } else { api.store.receive(caller.app(), &receipts).await? };
    let mut accepted = 0;
    for (index, verdict) in places.into_iter().zip(verdicts) {
        match verdict {
            ReceiptVerdict::Accepted | ReceiptVerdict::Early => accepted += 1,
            ReceiptVerdict::UnknownDelivery => rejected.push(RejectedReceipt { index, code: "unknown_delivery" }),
            ReceiptVerdict::TooLate => rejected.push(RejectedReceipt { index, code: "too_late" }),
        }
    }
    rejected.sort_unstable_by_key(|one| one.index);
    Ok((StatusCode::ACCEPTED, Json(ReceiptsResponse { accepted, rejected })))
}

/// The reports, in order; `None`: one of a phone's that cannot be read, which does not take the others with it.
fn read(body: &[u8], unknown: Unknown) -> Result<Vec<Option<ReceiptRequest>>, Problem> {
    match (read_all(body, unknown), unknown) {
        (Ok(reports), _) => Ok(reports.into_iter().map(Some).collect()),
        (Err(problem), Unknown::Refused) => Err(problem),
        (Err(problem), Unknown::Ignored) => read_each(body, problem),
    }
}

fn read_all(body: &[u8], unknown: Unknown) -> Result<Vec<ReceiptRequest>, Problem> {
    let reports = json::read_with::<ReceiptsRequest>(body, unknown)?.whole()?.receipts;
    check_length(reports.len())?;
    check_actions(&reports)?;
    Ok(reports)
}

/// `problem`: what is said where there is no list.
fn read_each(body: &[u8], problem: Problem) -> Result<Vec<Option<ReceiptRequest>>, Problem> {
    let Ok(items) = serde_json::from_slice::<Items<'_>>(body) else { return Err(problem) };
    check_length(items.receipts.len())?;
    let read = |item: &RawValue| {
        let report = json::read_with::<ReceiptRequest>(item.get().as_bytes(), Unknown::Ignored).and_then(Reading::whole).ok()?;
        check_actions(std::slice::from_ref(&report)).is_ok().then_some(report)
    };
    Ok(items.receipts.into_iter().map(read).collect())
}

fn check_length(reports: usize) -> Result<(), Problem> {
    if reports <= MAX_RECEIPTS {
        return Ok(());
    }
    Err(Problem::invalid_field("receipts", "invalid", format!("must have at most {MAX_RECEIPTS} items")))
}

/// A button belongs to `opened`.
fn check_actions(reports: &[ReceiptRequest]) -> Result<(), Problem> {
    let mut checks = Checks::default();
    for (index, report) in reports.iter().enumerate() {
        let field = format!("receipts[{index}].action");
        if report.action.is_some() && report.kind != ReceiptKind::Opened {
            checks.invalid(field, "is only for opened");
        } else {
            checks.line(field, report.action.as_deref(), MAX_ACTION);
        }
    }
    checks.done(())
}
