//! `GET /v1/me/config`: what a phone must know of its app before it shows its settings.

use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, Uri};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::Phone;
use super::etag::{self, Tag};
use super::preferences::Owner;
use super::problem::Problem;
use super::{Api, query};
use crate::domain::category::Category;
use crate::domain::phone_settings::Poll;
use crate::domain::preferences::CategoryChoice;

/// What a phone must know of its app.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PhoneConfig)]
struct ConfigResponse {
    /// The app's categories with what counts for whoever is signed in, by id.
    categories: Vec<OwnCategory>,
    /// Versions of the app below it are answered 426 `client_too_old`; null: none are.
    minimum_app_version: Option<String>,
    /// Where a newer version is had.
    upgrade_url: Option<String>,
    /// How often to ask.
    poll: PollResponse,
    /// What a page subscribes with (`applicationServerKey`), base64url; null: the app has no way to browsers.
    vapid_public_key: Option<String>,
}

/// A category with what counts: the person's own choice, else the default. Switches of whole channels are in the preferences, and go before these.
#[derive(Debug, Serialize, ToSchema)]
#[expect(clippy::struct_excessive_bools, reason = "they are switches")]
struct OwnCategory {
    /// Its id.
    id: String,
    /// Whether people who chose nothing get it.
    default_on: bool,
    /// It cannot be switched off.
    required: bool,
    /// Pushes to devices.
    push: bool,
    /// E-mail.
    email: bool,
    /// Text messages.
    sms: bool,
    /// The list inside the app.
    inbox: bool,
    /// It comes in quiet hours: the person lets it through, or it is not held.
    in_quiet_hours: bool,
}

/// How often a phone is to look for what is new, at most.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Poll)]
struct PollResponse {
    /// For its inbox, in seconds.
    inbox_seconds: u32,
    /// For preferences and for this document, in seconds.
    preferences_seconds: u32,
}

/// The routes.
pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(read))
}

/// Read one's app's settings
///
/// The app's categories with one's own choices, the oldest version of the app that is served, how often to ask, and the key that pages subscribe with.
/// With a client token for a device alone the choices are the device's own, until somebody signs in on it.
#[utoipa::path(
    get,
    path = "/v1/me/config",
    operation_id = "get_own_config",
    tag = "phones",
    params(("If-None-Match" = Option<String>, Header, description = "304 where this is still the present `ETag`")),
    responses(
        (status = 200, body = ConfigResponse, headers(("ETag" = String, description = "The present version"))),
        (status = 304, description = "The caller has the present version"),
    ),
    security(("client_token" = []))
)]
async fn read(State(api): State<Api>, phone: Phone, uri: Uri, headers: HeaderMap) -> Result<Response, Problem> {
    query::none(&uri)?;
    let declared = api.path.categories(phone.app).await?;
    let preferences = Owner::of(&phone).find(&api, phone.app).await?.map(|found| found.value).unwrap_or_default();
    let own = |(id, category): (&String, &Category)| OwnCategory::of(id, category, preferences.categories.get(id));
    let required = phone.required(&api);
    let Poll { inbox_seconds, preferences_seconds } = api.path.phone_settings(phone.app).poll;
    let config = ConfigResponse {
        categories: declared.iter().map(own).collect(),
        minimum_app_version: required.minimum,
        upgrade_url: required.upgrade_url,
        poll: PollResponse { inbox_seconds, preferences_seconds },
        vapid_public_key: api.path.application_server_key(phone.app),
    };
    // it is put together from several places
    Ok(etag::answer(&headers, &Tag::of_content(&config)?, &config))
}

impl OwnCategory {
    fn of(id: &str, category: &Category, choice: Option<&CategoryChoice>) -> Self {
        let CategoryChoice { push, email, sms, inbox, in_quiet_hours } = choice.copied().unwrap_or_default();
        Self {
            id: id.to_owned(),
            default_on: category.default_on,
            required: category.required,
            push: category.is_wanted(push),
            email: category.is_wanted(email),
            sms: category.is_wanted(sms),
            inbox: category.is_wanted(inbox),
            in_quiet_hours: category.bypass_quiet_hours || in_quiet_hours == Some(true),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_goes_before_the_default_but_not_before_what_is_required() {
        for (default_on, required, switch, expected) in [
            (true, false, None, true),
            (true, false, Some(false), false),
            (false, false, None, false),
            (false, false, Some(true), true),
            (false, true, None, true),
            (true, true, Some(false), true),
        ] {
            let category = Category { default_on, required, ..Category::default() };
            let choice = CategoryChoice { push: switch, ..CategoryChoice::default() };
            let own = OwnCategory::of("news", &category, Some(&choice));
            assert_eq!(own.push, expected, "{default_on} {required} {switch:?}");
            assert_eq!(own.sms, default_on || required, "a switch is of one channel");
        }
    }

    #[test]
    fn quiet_hours_let_through_what_the_person_or_the_category_says() {
        for (bypass, lets, expected) in
            [(false, None, false), (false, Some(true), true), (false, Some(false), false), (true, None, true), (true, Some(false), true)]
        {
            let category = Category { bypass_quiet_hours: bypass, ..Category::default() };
            let choice = CategoryChoice { in_quiet_hours: lets, ..CategoryChoice::default() };
            assert_eq!(OwnCategory::of("news", &category, Some(&choice)).in_quiet_hours, expected, "{bypass} {lets:?}");
        }
    }
}
