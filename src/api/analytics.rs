//! `GET /v1/analytics`: what became of pushes by time and kind, as JSON page by page or as CSV in one.

mod csv;
mod query;

use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, HeaderValue, Uri, header};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use self::query::{Asked, Group};
use super::auth::{Caller, ToRead};
use super::instant::Instant;
use super::page::{self, List, Listed};
use super::problem::Problem;
use super::{Api, schema};
use crate::domain::device::{Platform, ProviderKind};
use crate::store::analytics::AnalyticsRow;

/// The routes.
pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(read))
}

/// What became of the pushes of one bucket and group. A group that was not asked for is absent; null: there was none.
///
/// Receipts are unique per notification and device, and stand in the bucket of the send, so that rates are of one cohort; a rate is null where
/// its denominator is 0. Silence says nothing: not every app reports `delivered`, and no phone always can.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AnalyticsRow)]
#[expect(clippy::option_option, reason = "a group is absent, or null, or has a word")]
struct RowResponse {
    /// When the bucket begins.
    #[schema(value_type = schema::Instant)]
    bucket: Instant,
    /// The category.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, required = false)]
    category: Option<Option<String>>,
    /// What the devices run on; null where a person had no device, and for broadcasts.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Platform>, required = false)]
    platform: Option<Option<Platform>>,
    /// Who carried the pushes, or would have; null where a person had no device.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Provider>, required = false)]
    provider: Option<Option<ProviderKind>>,
    /// The campaign.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Uuid>, required = false)]
    campaign_id: Option<Option<Uuid>>,
    /// The campaign's variant.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, required = false)]
    variant: Option<Option<String>>,
    /// The provider accepted them, which does not say that a phone got them.
    sent: u64,
    /// Herald decided against them.
    suppressed: u64,
    /// They failed for good.
    failed: u64,
    /// Their time ran out.
    expired: u64,
    /// They were cancelled before they were sent.
    cancelled: u64,
    /// Of those sent, the app said that it got them.
    delivered: u64,
    /// Of those sent, the person opened them.
    opened: u64,
    /// Of those sent, the person dismissed them.
    dismissed: u64,
    /// `delivered / sent`
    delivery_rate: Option<f64>,
    /// `opened / sent`
    open_rate: Option<f64>,
    /// `opened / delivered`
    confirmed_open_rate: Option<f64>,
    /// `dismissed / delivered`
    dismiss_rate: Option<f64>,
}

/// Read analytics
///
/// Counts of the pushes that ended in each bucket, in UTC, the oldest bucket first; buckets in which none ended are absent. It answers the
/// buckets that begin in `[from, to)`, so that ranges which follow each other count nothing twice and leave nothing out; a bucket that has not
/// ended is still growing. Buckets older than the retention (`[analytics]` of the configuration) are gone. Test sends are counted nowhere.
/// With `Accept: text/csv` all rows come at once, under the same names, without `limit` and `cursor`; a text that a spreadsheet would take for
/// a formula has an apostrophe before it. Scope `read`.
#[utoipa::path(
    get,
    path = "/v1/analytics",
    operation_id = "read_analytics",
    tag = "analytics",
    params(
        ("from" = Option<schema::Instant>, Query, description = "The first instant; default an hour, a day or 30 days before `to`, as `interval` is minute, hour or day"),
        ("to" = Option<schema::Instant>, Query, description = "The first instant that is not asked for; default now"),
        ("interval" = inline(Option<schema::Interval>), Query, description = "How long a bucket is; default hour. A range of more than 3000 is 422"),
        ("group_by" = Option<String>, Query, description = "Of `category`, `platform`, `provider`, `campaign_id` and `variant`, those to tell apart, with commas"),
    ),
    responses((status = 200, content((List<RowResponse> = "application/json"), (String = "text/csv")))),
    security(("api_key" = ["read"]))
)]
async fn read(State(api): State<Api>, caller: Caller<ToRead>, headers: HeaderMap, uri: Uri) -> Result<Response, Problem> {
    let now = api.clock.now();
    let list = Listed { app: caller.app, route: "analytics", subject: "", now };
    let as_csv = csv::is_wanted(&headers);
    if as_csv {
        query::refuse_paging(&uri)?;
    }
    let (mut params, listing) = page::listing::<RowResponse>(&uri, list)?;
    let asked = Asked::take(&mut params, now);
    params.finish()?;
    let question = asked.question(&api.analytics, now);
    let mut answer = if as_csv {
        csv::answer(api, caller.app, question, csv::columns(&asked.groups, listing.fields())).await?
    } else {
        let page = api.store.analytics(caller.app, &question, &listing.request()).await?;
        listing.answer(page.items.into_iter().map(|row| RowResponse::of(row, &asked.groups)).collect(), page.next)?
    };
    answer.headers_mut().append(header::VARY, HeaderValue::from_static("accept"));
    Ok(answer)
}

impl RowResponse {
    fn of(row: AnalyticsRow, groups: &[Group]) -> Self {
        let totals = row.totals;
        let asked = |group| groups.contains(&group);
        Self {
            bucket: Instant(row.bucket),
            category: asked(Group::Category).then_some(row.category),
            platform: asked(Group::Platform).then_some(row.platform),
            provider: asked(Group::Provider).then_some(row.provider),
            campaign_id: asked(Group::Campaign).then_some(row.campaign.map(|campaign| campaign.0)),
            variant: asked(Group::Variant).then_some(row.variant),
            sent: totals.sent,
            suppressed: totals.suppressed,
            failed: totals.failed,
            expired: totals.expired,
            cancelled: totals.cancelled,
            delivered: totals.delivered,
            opened: totals.opened,
            dismissed: totals.dismissed,
            delivery_rate: rate(totals.delivered, totals.sent),
            open_rate: rate(totals.opened, totals.sent),
            confirmed_open_rate: rate(totals.opened, totals.delivered),
            dismiss_rate: rate(totals.dismissed, totals.delivered),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "exact to 2^53 pushes of one bucket")]
fn rate(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}
