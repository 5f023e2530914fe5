//! `/v1/campaigns`: what is sent to a segment, when, how fast, and in which variants.

mod dto;
mod edit;
mod given;
mod list;
mod preview;
mod runs;
mod stats;
mod steps;
mod test;
mod view;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::problem::Problem;
use crate::dispatch::campaign::Plan;
use crate::domain::id::{AppId, CampaignId};
use crate::store::campaign::StoredCampaign;

/// The routes.
pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list::list, edit::create))
        .routes(routes!(preview::preview))
        .routes(routes!(list::read, edit::put, edit::delete))
        .routes(routes!(steps::start))
        .routes(routes!(steps::pause))
        .routes(routes!(steps::resume))
        .routes(routes!(steps::cancel))
        .routes(routes!(runs::runs))
        .routes(routes!(stats::stats))
        .routes(routes!(test::test))
}

/// One of the app's.
async fn find(api: &Api, app: AppId, id: CampaignId) -> Result<StoredCampaign, Problem> {
    api.store.campaign(app, id).await?.ok_or_else(unknown)
}

/// What its next run sends: a template's words are those of the present, as they are when a run begins.
async fn plan_of(api: &Api, app: AppId, stored: &StoredCampaign) -> Result<Plan, Problem> {
    let mut plan = Plan::read(&stored.definition.plan).map_err(|error| Problem::internal(&error))?;
    let read = plan.draft.read_template(&*api.store, app).await;
    read.map_err(|rejected| Problem::from(rejected).within(|field| format!("notification.{field}"), Vec::new()))?;
    Ok(plan)
}

fn unknown() -> Problem {
    Problem::not_found("campaign")
}
