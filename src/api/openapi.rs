//! The contract as OpenAPI 3.1, generated from the routes, and the page that shows it.
//!
//! Routes say what is their own; what all of them have in common (ids, errors, parameters of lists) is added here, once.

use axum::Router;
use axum::response::IntoResponse;
use axum::routing::get;
use bytes::Bytes;
use http::Method;
use http::header::CONTENT_TYPE;
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{SchemaType, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    ContentBuilder, HeaderBuilder, InfoBuilder, LicenseBuilder, ObjectBuilder, OpenApi, OpenApiBuilder, PathItem, Ref, RefOr,
    ResponseBuilder,
};
use utoipa::{PartialSchema, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_swagger_ui::{Config, SwaggerUi};

use super::deprecation::{self, Departure};
use super::problem::{Code, FieldProblem, ProblemBody};
use super::{
    Api, analytics, app, audit, campaigns, categories, client_tokens, contacts, dead_letters, devices, explain, health, keys, lanes,
    notifications, own_config, preferences, receipts, segments, templates, topics, users, webhooks,
};

const DESCRIPTION: &str = "Push notifications through APNs, FCM and Web Push: who gets what, when and whether.\n\n\
    JSON in and out. Unknown fields and parameters are refused, so that a typo is never a silent default; callers ignore fields and enum values \
    that they do not know. Errors are `application/problem+json` (RFC 9457) with a stable `code`. `X-Request-Id` is taken or made, and answered \
    with everything. Bodies may be compressed with gzip or brotli, both ways. What is on its way out says so in its \
    answers, with `Deprecation` (RFC 9745) and, once it is known when it goes, `Sunset` (RFC 8594).";

/// Operations that take a notification, which may be too large for a provider.
const TAKES_NOTIFICATION: [&str; 8] = [
    "create_notification",
    "create_notifications",
    "preview_notification",
    "create_campaign",
    "put_campaign",
    "preview_campaign",
    "start_campaign",
    "test_campaign",
];
/// Operations whose body, not their path, names what they are about.
const NAMES_ONE: [&str; 2] = ["preview_campaign", "explain"];
/// Operations on a campaign that it may be too late for, or that there is no way to from where it is.
const STEPS: [&str; 4] = ["start_campaign", "pause_campaign", "resume_campaign", "cancel_campaign"];

/// Operations that need neither a key nor a client token, and read or write.
const WITHOUT_CALLER: [&str; 3] = ["refresh_client_token", "revoke_client_token", "get_client_token_keys"];

/// All routes, and the document of them, with those that are on their way out.
pub(super) fn routes(departures: &[Departure]) -> (Router<Api>, OpenApi) {
    let router = OpenApiRouter::with_openapi(document())
        .merge(notifications::routes())
        .merge(analytics::routes())
        .merge(explain::routes())
        .merge(receipts::routes())
        .merge(devices::routes())
        .merge(client_tokens::routes())
        .merge(preferences::routes())
        .merge(own_config::routes())
        .merge(contacts::routes())
        .merge(users::routes())
        .merge(campaigns::routes())
        .merge(segments::routes())
        .merge(topics::routes())
        .merge(categories::routes())
        .merge(templates::routes())
        .merge(lanes::routes())
        .merge(dead_letters::routes())
        .merge(keys::routes())
        .merge(webhooks::routes())
        .merge(audit::routes())
        .merge(app::routes())
        .merge(health::routes());
    let (router, mut document) = router.split_for_parts();
    let schemas = &mut document.components.get_or_insert_default().schemas;
    schemas.insert(ProblemBody::name().into_owned(), ProblemBody::schema());
    schemas.insert(FieldProblem::name().into_owned(), FieldProblem::schema());
    for (route, item) in &mut document.paths.paths {
        for operation in operations(item) {
            complete(operation, route);
            operation.deprecated = operation.operation_id.as_deref().and_then(|id| deprecation::described(departures, id));
        }
    }
    (router, document)
}

/// What a node without the API serves: for machines that watch over it.
pub(super) fn probes() -> Router<Api> {
    health::routes().split_for_parts().0
}

/// `/openapi.json` and `/docs`.
pub(super) fn pages(document: &OpenApi) -> Result<Router<Api>, serde_json::Error> {
    let json = Bytes::from(serde_json::to_vec(document)?);
    let page = SwaggerUi::new("/docs").config(Config::from("/openapi.json"));
    let serve = move || std::future::ready(([(CONTENT_TYPE, "application/json")], json.clone()).into_response());
    Ok(Router::new().route("/openapi.json", get(serve)).merge(page))
}

fn document() -> OpenApi {
    let license = LicenseBuilder::new().name("Apache-2.0").identifier(Some("Apache-2.0")).build();
    let info =
        InfoBuilder::new().title("Herald").version(env!("CARGO_PKG_VERSION")).description(Some(DESCRIPTION)).license(Some(license)).build();
    let mut document = OpenApiBuilder::new().info(info).build();
    let components = document.components.get_or_insert_default();
    let key = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("An API key. It belongs to one app and names it; its scopes are `send`, `manage`, `read` and `critical`."))
        .build();
    components.add_security_scheme("api_key", SecurityScheme::Http(key));
    for (name, description) in [
        ("client_token", "The access token of a phone, from `POST /v1/client-tokens`, or a token of the app's own sign-in."),
        ("receipt_token", "What a device was answered when it registered: it only reports receipts of it, while it keeps its user."),
    ] {
        let token = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").description(Some(description)).build();
        components.add_security_scheme(name, SecurityScheme::Http(token));
    }
    document
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let PathItem { get, put, post, delete, patch, .. } = item;
    [get, put, post, delete, patch].into_iter().flatten()
}

/// The operations that do not go without a credential: route and method.
pub(super) fn keyed(document: &OpenApi) -> impl Iterator<Item = (&str, Method)> {
    all(document).filter(|(_, _, operation)| needs_credential(operation)).map(|(route, method, _)| (route, method))
}

/// The operations that a client token may, and those below `/v1/client-tokens` that it is had and given back with.
pub(super) fn of_phones(document: &OpenApi) -> impl Iterator<Item = (&str, Method)> {
    let token = SecurityRequirement::new::<_, [&str; 0], &str>("client_token", []);
    let may = move |operation: &Operation| operation.security.as_ref().is_some_and(|ways| ways.contains(&token));
    let of_phones = move |route: &str, operation: &Operation| {
        may(operation) || (route.starts_with("/v1/client-tokens/") && !needs_credential(operation))
    };
    all(document).filter(move |(route, _, operation)| of_phones(route, operation)).map(|(route, method, _)| (route, method))
}

/// All operations, with route and method.
pub(super) fn all(document: &OpenApi) -> impl Iterator<Item = (&str, Method, &Operation)> {
    document.paths.paths.iter().flat_map(|(route, item)| {
        let PathItem { get, put, post, delete, patch, .. } = item;
        let all = [(get, Method::GET), (put, Method::PUT), (post, Method::POST), (delete, Method::DELETE), (patch, Method::PATCH)];
        all.into_iter().filter_map(|(operation, method)| Some((route.as_str(), method, operation.as_ref()?)))
    })
}

/// An empty requirement says that it also goes without.
fn needs_credential(operation: &Operation) -> bool {
    operation.security.as_ref().is_some_and(|ways| !ways.contains(&SecurityRequirement::default()))
}

/// Adds what the operation has in common with others like it.
fn complete(operation: &mut Operation, route: &str) {
    let id = operation.operation_id.as_deref().unwrap_or_default().to_owned();
    let needs_caller = needs_credential(operation);
    let takes = |scheme: &str| needs_caller && operation.security.iter().flatten().any(|way| names_scheme(way, scheme));
    let (takes_key, takes_token) = (takes("api_key"), takes("client_token"));
    let has_body = operation.request_body.is_some();
    let parameters = operation.parameters.get_or_insert_default();
    let own = |parameter: &RefOr<Parameter>, matches: fn(&Parameter) -> bool| matches!(parameter, RefOr::T(own) if matches(own));
    let names_one = parameters.iter().any(|one| own(one, |one| one.parameter_in == ParameterIn::Path));
    let has_condition = parameters.iter().any(|one| own(one, |one| one.name == "If-Match"));
    let has_key = parameters.iter().any(|one| own(one, |one| one.name == "Idempotency-Key"));
    let takes_notification = TAKES_NOTIFICATION.contains(&id.as_str());
    let is_list = operation.responses.responses.get("200").is_some_and(answers_list);
    if is_list {
        parameters.push(in_query("limit", Type::Integer, "1 to 500; 50 where absent"));
        parameters.push(in_query("cursor", Type::String, "`next_cursor` of the page before; it carries the filters and lives 24 h"));
        parameters.push(in_query("fields", Type::String, "Top-level fields of the items, separated by commas; all where absent"));
    }
    let mut codes = Vec::new();
    // what is for phones alone
    if route.starts_with("/v1/me/") {
        let version = "The version of the app that calls; below the app's minimum 426. What is no version says nothing";
        parameters.push(parameter(ParameterIn::Header, "X-App-Version", Type::String, version));
        codes.push(Code::ClientTooOld);
    }
    if !health::is_probe(route) {
        codes.extend([Code::RateLimited, Code::Overloaded]);
    }
    if takes_key {
        codes.push(Code::KeyInvalid);
    }
    if takes_token || takes_key {
        codes.extend([Code::TokenExpired, Code::TokenInvalid, Code::TokenRevoked]);
    }
    if needs_caller {
        codes.push(Code::ScopeMissing);
    }
    if needs_caller || WITHOUT_CALLER.contains(&id.as_str()) {
        codes.extend([Code::Invalid, Code::Internal, Code::StoreUnavailable]);
    }
    if names_one || operation.operation_id.as_deref().is_some_and(|id| NAMES_ONE.contains(&id)) {
        codes.push(Code::NotFound);
    }
    if has_condition {
        codes.push(Code::Stale);
    }
    if is_list {
        codes.extend([Code::CursorMismatch, Code::CursorExpired]);
    }
    if has_body {
        codes.extend([Code::BadJson, Code::BadRequest, Code::RequestTimeout, Code::BodyTooLarge, Code::UnsupportedMediaType]);
    }
    if takes_notification {
        codes.push(Code::PayloadTooLarge);
    }
    match id.as_str() {
        "put_campaign" | "delete_campaign" => codes.push(Code::CampaignStarted),
        "rotate_key" => codes.extend([Code::KeyRotated, Code::KeyExpired]),
        "create_webhook" => codes.push(Code::TooManyWebhooks),
        "put_device" => codes.extend([Code::UserMismatch, Code::DeviceOfAnotherUser]),
        "patch_device" => codes.push(Code::UserMismatch),
        "get_own_preferences" | "put_own_preferences" | "patch_own_preferences" => codes.push(Code::DeviceOfAnotherUser),
        "refresh_client_token" => codes.extend([Code::TokenInvalid, Code::TokenRevoked, Code::RefreshTokenReused]),
        id if STEPS.contains(&id) => codes.push(Code::InvalidTransition),
        _ => {}
    }
    if has_key {
        codes.extend([Code::IdempotencyKeyReused, Code::IdempotencyInProgress]);
    }
    for code in &codes {
        let status = code.status().as_u16().to_string();
        operation.responses.responses.entry(status).or_insert_with(|| problem(*code, &codes));
    }
    for (status, response) in &mut operation.responses.responses {
        if let RefOr::T(response) = response {
            if response.description.is_empty() {
                response.description.push_str(if status == "202" { "Accepted" } else { "Done" });
            }
            let id = HeaderBuilder::new().schema(Some(String::schema())).description(Some("The request's id")).build();
            response.headers.insert("X-Request-Id".to_owned(), id.into());
        }
    }
}

fn names_scheme(way: &SecurityRequirement, scheme: &str) -> bool {
    serde_json::to_value(way).is_ok_and(|way| way.get(scheme).is_some())
}

fn answers_list(response: &RefOr<utoipa::openapi::Response>) -> bool {
    let RefOr::T(response) = response else { return false };
    let Some(RefOr::T(content)) = response.content.get("application/json") else { return false };
    matches!(&content.schema, Some(RefOr::Ref(to)) if to.ref_location.contains("/List_"))
}

fn in_query(name: &str, kind: Type, description: &str) -> RefOr<Parameter> {
    parameter(ParameterIn::Query, name, kind, description)
}

fn parameter(place: ParameterIn, name: &str, kind: Type, description: &str) -> RefOr<Parameter> {
    let schema = ObjectBuilder::new().schema_type(SchemaType::new(kind)).build();
    ParameterBuilder::new().name(name).parameter_in(place).description(Some(description)).schema(Some(schema)).build().into()
}

fn problem(code: Code, codes: &[Code]) -> RefOr<utoipa::openapi::Response> {
    let alike = codes.iter().filter(|other| other.status() == code.status());
    let alike: Vec<_> = alike.map(|other| format!("`{}`", other.as_str())).collect();
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(ProblemBody::name()))).build();
    ResponseBuilder::new()
        .description(format!("The code is {}", alike.join(" or ")))
        .content("application/problem+json", content)
        .build()
        .into()
}

#[cfg(test)]
mod tests;
