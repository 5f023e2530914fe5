//! `/v1/client-tokens`: how a phone comes to a token, a newer one, and none any more; and the keys that tokens are signed with.

mod claims;
mod device_changes;
#[cfg(feature = "fuzzing")]
pub(super) mod fuzz;
mod issuer;
mod refresh_token;
mod signing;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::CACHE_CONTROL;
use http::{HeaderValue, StatusCode, Uri};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::issuer::{Bearer, TokenPair};
use super::auth::{Caller, ToManage};
use super::body::JsonBody;
use super::checks::Checks;
use super::json::{self, Reading, objects};
use super::path::UserId;
use super::problem::Problem;
use super::{Api, query};
use crate::domain::name::{check_device_id, check_user_id};

pub(super) use self::claims::verified;
pub(super) use self::issuer::{Issuer, Lets, not_ours, revoked};

/// How long the published keys may be kept, in seconds: less than a key is known before it signs.
const KEYS_MAX_AGE: &str = "public, max-age=300";

/// For whom a token is.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
struct ClientTokenRequest {
    /// The user who signed in.
    #[schema(max_length = 256)]
    user_id: Option<String>,
    /// The one device that it is bound to. Alone: an installation on which nobody is signed in.
    #[schema(max_length = 128)]
    device_id: Option<String>,
}

/// A refresh token.
#[derive(Default, Deserialize, ToSchema)]
#[serde(remote = "Self")]
struct RefreshRequest {
    /// The newest that was answered.
    #[schema(required = true, nullable = false)]
    refresh_token: Option<String>,
}

objects!(ClientTokenRequest, RefreshRequest);

/// Public keys (RFC 7517).
#[derive(Serialize, ToSchema)]
struct KeySet {
    /// One at least. A new one stands here for ten minutes before it signs, an old one until what it signed holds no more.
    keys: Vec<PublicKey>,
}

/// An Ed25519 key (RFC 8037).
#[derive(Serialize, ToSchema)]
struct PublicKey {
    /// `OKP`
    kty: &'static str,
    /// `Ed25519`
    crv: &'static str,
    /// The key, in base64url.
    x: String,
    /// The header field `kid` of what it signed.
    kid: String,
    /// `EdDSA`
    alg: &'static str,
    /// `sig`
    #[serde(rename = "use")]
    purpose: &'static str,
}

/// The routes.
pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(create))
        .routes(routes!(refresh))
        .routes(routes!(revoke))
        .routes(routes!(revoke_user))
        .routes(routes!(key_set))
}

/// Make a client token
///
/// For the phone of somebody whom the app backend has signed in. With `user_id` it acts for that user, with `device_id` on that device only; one of
/// them is needed. The access token goes into `Authorization: Bearer`, the refresh token gets the next pair. Scope `manage`.
#[utoipa::path(
    post,
    path = "/v1/client-tokens",
    operation_id = "create_client_token",
    tag = "client tokens",
    request_body = ClientTokenRequest,
    responses((status = 201, body = TokenPair)),
    security(("api_key" = ["manage"]))
)]
async fn create(State(api): State<Api>, caller: Caller<ToManage>, uri: Uri, JsonBody(body): JsonBody) -> Result<Response, Problem> {
    query::none(&uri)?;
    let ClientTokenRequest { user_id: user, device_id: device } = checked(json::read(&body)?)?;
    let app_name = api.path.app_name(caller.app).ok_or_else(|| Problem::not_found("app"))?;
    let pair = api.issuer.begin(Bearer { app: caller.app, app_name, user, device }).await?;
    Ok(unkept((StatusCode::CREATED, Json(pair))))
}

/// Refresh a client token
///
/// Answers a new pair; the old refresh token is spent. An answer may get lost: until the new pair has been used, and for 60 seconds at most, the old
/// one answers a pair again. Any other use of a spent one revokes all tokens of the sign-in. No key is needed.
#[utoipa::path(
    post,
    path = "/v1/client-tokens/refresh",
    operation_id = "refresh_client_token",
    tag = "client tokens",
    request_body = RefreshRequest,
    responses((status = 200, body = TokenPair)),
    security(())
)]
async fn refresh(State(api): State<Api>, uri: Uri, JsonBody(body): JsonBody) -> Result<Response, Problem> {
    query::none(&uri)?;
    let pair = api.issuer.refresh(&refresh_token(&body)?, |app| api.path.app_name(app)).await?;
    Ok(unkept(Json(pair)))
}

/// Revoke a client token
///
/// All tokens of the sign-in: 204 whatever the token was. Access tokens of it are refused from now on; by other nodes within a second. No key is needed.
#[utoipa::path(
    post,
    path = "/v1/client-tokens/revoke",
    operation_id = "revoke_client_token",
    tag = "client tokens",
    request_body = RefreshRequest,
    responses((status = 204, description = "It is good for nothing")),
    security(())
)]
async fn revoke(State(api): State<Api>, uri: Uri, JsonBody(body): JsonBody) -> Result<StatusCode, Problem> {
    query::none(&uri)?;
    api.issuer.revoke(&refresh_token(&body)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Revoke a user's client tokens
///
/// On all devices: 204 also when there were none. Refused from now on; by other nodes within a second. Scope `manage`.
#[utoipa::path(
    delete,
    path = "/v1/users/{user_id}/client-tokens",
    operation_id = "revoke_user_client_tokens",
    tag = "client tokens",
    params(("user_id" = String, Path, description = "The user, percent-encoded")),
    responses((status = 204, description = "There are none any more")),
    security(("api_key" = ["manage"]))
)]
async fn revoke_user(State(api): State<Api>, caller: Caller<ToManage>, UserId(user): UserId, uri: Uri) -> Result<StatusCode, Problem> {
    query::none(&uri)?;
    api.issuer.revoke_user(caller.app, &user).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Read the keys of client tokens
///
/// For a backend that checks the tokens of its phones itself. They may be kept for five minutes.
#[utoipa::path(
    get,
    path = "/.well-known/jwks.json",
    operation_id = "get_client_token_keys",
    tag = "client tokens",
    responses((status = 200, body = KeySet))
)]
async fn key_set(State(api): State<Api>) -> Result<Response, Problem> {
    let keys = api.issuer.keys().await?;
    let public = |key: &signing::Key| PublicKey {
        kty: "OKP",
        crv: "Ed25519",
        x: URL_SAFE_NO_PAD.encode(&key.public),
        kid: key.id.clone(),
        alg: "EdDSA",
        purpose: "sig",
    };
    let mut response = Json(KeySet { keys: keys.all.iter().map(public).collect() }).into_response();
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static(KEYS_MAX_AGE));
    Ok(response)
}

fn checked(reading: Reading<ClientTokenRequest>) -> Result<ClientTokenRequest, Problem> {
    let mut checks = Checks::with(reading.errors);
    let request = reading.value;
    if request.user_id.is_none() && request.device_id.is_none() && !checks.has_below("device_id") {
        checks.required("user_id");
    }
    if let Some(user) = &request.user_id {
        checks.name("user_id", user, check_user_id);
    }
    if let Some(device) = &request.device_id {
        checks.name("device_id", device, check_device_id);
    }
    checks.done(request)
}

/// Phones ask for this: what they say beside it is passed over.
fn refresh_token(body: &[u8]) -> Result<String, Problem> {
    let request = json::read::<RefreshRequest>(body)?.whole()?;
    request.refresh_token.ok_or_else(|| Problem::invalid_field("refresh_token", "required", "is required"))
}

/// An answer that nobody on the way keeps (RFC 6749, 5.1).
fn unkept(answer: impl IntoResponse) -> Response {
    let mut response = answer.into_response();
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_for_somebody_or_something() {
        for (body, field, code) in [
            ("{}", "user_id", "required"),
            (r#"{"user_id": null, "device_id": null}"#, "user_id", "required"),
            (r#"{"user_id": ""}"#, "user_id", "invalid"),
            (r#"{"device_id": "a b"}"#, "device_id", "invalid"),
            (r#"{"device_id": 1}"#, "device_id", "invalid"),
            (r#"{"user_id": "ann", "scope": "x"}"#, "scope", "unknown_field"),
        ] {
            let problem = json::read(body.as_bytes()).and_then(checked).unwrap_err();
            let errors: Vec<_> = problem.errors().iter().map(|error| (error.field.as_str(), error.code)).collect();
            assert_eq!(errors, [(field, code)], "{body}");
        }
    }

    #[test]
    fn a_refresh_token_is_needed_and_nothing_else_matters() {
        assert_eq!(refresh_token(br#"{"refresh_token": "x", "os": "ios"}"#).unwrap(), "x");
        for body in ["{}", r#"{"refresh_token": null}"#, r#"{"refresh_token": 1}"#] {
            assert_eq!(refresh_token(body.as_bytes()).unwrap_err().errors()[0].field, "refresh_token", "{body}");
        }
    }
}
