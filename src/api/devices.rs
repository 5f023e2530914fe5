//! Devices: `/v1/devices`.

mod change;
mod dto;
mod import;
mod list;
mod own;
mod read;
mod register;
mod token;
mod tokens;
mod view;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;

/// The routes.
pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list::list))
        .routes(routes!(import::import))
        .routes(routes!(read::read, register::put, register::patch, read::delete))
        .routes(routes!(tokens::put, tokens::delete))
        .routes(routes!(list::of_user))
        .routes(routes!(own::list))
}

#[cfg(feature = "fuzzing")]
pub use import::fuzz::import as import_fuzz;
pub(super) use view::DeviceResponse;

#[cfg(test)]
mod tests;
