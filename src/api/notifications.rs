//! Notifications: `/v1/notifications`.

mod batch;
mod broadcast;
mod cancel;
mod content;
mod create;
mod critical;
mod deliveries;
pub(super) mod dto;
#[cfg(feature = "fuzzing")]
pub(super) mod fuzz;
mod list;
mod overrides;
mod preview;
mod push_type;
mod read;
mod template;
mod validate;
mod view;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;

pub(super) use content::{check_templates, check_words};
pub(super) use create::{Accepted, accept};
pub(super) use deliveries::DeliveryResponse;
pub(super) use dto::{ContentRequest, NotificationRequest};
pub(super) use validate::{Given, draft_of_campaign};
pub(super) use view::{CountsResponse, LeftOutResponse};

/// The routes.
pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(create::create, list::list))
        .routes(routes!(batch::batch))
        .routes(routes!(preview::preview))
        .routes(routes!(read::read, cancel::cancel))
        .routes(routes!(deliveries::deliveries))
        .routes(routes!(deliveries::of_user))
}

#[cfg(test)]
mod tests;
