//! `/v1/users/{user_id}/contacts`: where fallbacks go. Personal, so even reading them needs `manage`.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, Uri};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::{Caller, ToManage};
use super::body::JsonBody;
use super::checks::Checks;
use super::etag::{self, Tag};
use super::json::{self, Reading, objects};
use super::path::UserId;
use super::problem::Problem;
use super::{Api, query};
use crate::domain::preferences::Contacts;
use crate::store::person::Versioned;

/// An e-mail address, at most, in bytes (RFC 5321).
const MAX_EMAIL: usize = 254;

/// Where a person's fallbacks go.
#[derive(Default, Serialize, Deserialize, ToSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
#[schema(as = Contacts)]
pub(super) struct ContactsBody {
    /// An e-mail address.
    #[schema(max_length = 254)]
    email: Option<String>,
    /// E.164, with `+`.
    #[schema(pattern = r"^\+[1-9][0-9]{4,14}$")]
    phone: Option<String>,
}

objects!(ContactsBody);

impl Serialize for ContactsBody {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, to)
    }
}

/// The routes.
pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(read, put, delete))
}

/// Read a user's contacts
///
/// Scope `manage`.
#[utoipa::path(
    get,
    path = "/v1/users/{user_id}/contacts",
    operation_id = "get_contacts",
    tag = "contacts",
    params(
        ("user_id" = String, Path, description = "The user, percent-encoded"),
        ("If-None-Match" = Option<String>, Header, description = "304 where this is still the present `ETag`"),
    ),
    responses(
        (status = 200, body = ContactsBody, headers(("ETag" = String, description = "The present version"))),
        (status = 304, description = "The caller has the present version"),
    ),
    security(("api_key" = ["manage"]))
)]
async fn read(
    State(api): State<Api>,
    caller: Caller<ToManage>,
    UserId(user): UserId,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    query::none(&uri)?;
    let stored = api.store.contacts(caller.app, &user).await?;
    Ok(etag::answer(&headers, &Tag::new(stored.version), &ContactsBody::from(stored.value)))
}

/// Replace a user's contacts
///
/// What is absent is removed. Scope `manage`.
#[utoipa::path(
    put,
    path = "/v1/users/{user_id}/contacts",
    operation_id = "put_contacts",
    tag = "contacts",
    params(
        ("user_id" = String, Path, description = "The user, percent-encoded"),
        ("If-Match" = Option<String>, Header, description = "412 unless this is the present `ETag`"),
    ),
    request_body = ContactsBody,
    responses((status = 200, body = ContactsBody, headers(("ETag" = String, description = "The new version")))),
    security(("api_key" = ["manage"]))
)]
async fn put(
    State(api): State<Api>,
    caller: Caller<ToManage>,
    UserId(user): UserId,
    uri: Uri,
    headers: HeaderMap,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    query::none(&uri)?;
    let contacts = checked(json::read(&body)?)?;
    let mut if_match = None;
    if etag::has_condition(&headers) {
        let version = api.store.contacts(caller.app, &user).await?.version;
        etag::check(&headers, Some(&Tag::new(version)))?;
        if_match = Some(version);
    }
    let written = api.store.put_contacts(caller.app, &user, &contacts, if_match).await?;
    let Versioned { value, version } = written.ok_or_else(Problem::stale)?;
    Ok(etag::tagged(axum::Json(ContactsBody::from(value)).into_response(), &Tag::new(version)))
}

/// Delete a user's contacts
///
/// 204 also when there were none. Scope `manage`.
#[utoipa::path(
    delete,
    path = "/v1/users/{user_id}/contacts",
    operation_id = "delete_contacts",
    tag = "contacts",
    params(("user_id" = String, Path, description = "The user, percent-encoded")),
    responses((status = 204, description = "There are none any more")),
    security(("api_key" = ["manage"]))
)]
async fn delete(State(api): State<Api>, caller: Caller<ToManage>, UserId(user): UserId, uri: Uri) -> Result<StatusCode, Problem> {
    query::none(&uri)?;
    api.store.delete_contacts(caller.app, &user).await?;
    Ok(StatusCode::NO_CONTENT)
}

impl From<Contacts> for ContactsBody {
    fn from(contacts: Contacts) -> Self {
        Self { email: contacts.email, phone: contacts.phone }
    }
}

fn checked(reading: Reading<ContactsBody>) -> Result<Contacts, Problem> {
    let mut checks = Checks::with(reading.errors);
    let ContactsBody { email, phone } = reading.value;
    if email.as_deref().is_some_and(|email| !is_email(email)) {
        checks.invalid("email", "must be an e-mail address");
    }
    if phone.as_deref().is_some_and(|phone| !is_phone(phone)) {
        checks.invalid("phone", "must be a number in E.164, such as +33612345678");
    }
    checks.done(Contacts { email, phone })
}

/// One `@` with something on both sides, and nothing that could end a header: the rest only the mail server knows.
fn is_email(text: &str) -> bool {
    let plain = text.len() <= MAX_EMAIL && text.chars().all(|c| !c.is_control() && !c.is_whitespace() && !"<>(),;:\"[]\\".contains(c));
    plain && text.split_once('@').is_some_and(|(local, domain)| !local.is_empty() && is_domain(domain))
}

fn is_domain(text: &str) -> bool {
    text.split('.').all(|label| !label.is_empty() && !label.contains('@') && !label.starts_with('-') && !label.ends_with('-'))
}

fn is_phone(text: &str) -> bool {
    let Some(digits) = text.strip_prefix('+') else { return false };
    (5..=15).contains(&digits.len()) && !digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contacts_have_a_shape() {
        for email in ["ann@example.com", "a.b+c@sub.example.org", "ann@localhost", "用户@例子.中国"] {
            assert!(is_email(email), "{email}");
        }
        for email in
            ["", "ann", "@example.com", "ann@", "a@b@c", "a b@c.d", "a@b..c", "a@b\n.c", "Ann <a@b.c>", &format!("{}@b.c", "a".repeat(260))]
        {
            assert!(!is_email(email), "{email}");
        }
        for phone in ["+33612345678", "+12025550123"] {
            assert!(is_phone(phone), "{phone}");
        }
        for phone in ["", "+", "0612345678", "33612345678", "+0612345678", "+336 1234", "+1234567890123456", "+12٣45"] {
            assert!(!is_phone(phone), "{phone}");
        }
    }

    #[test]
    fn both_may_be_wrong_at_once() {
        let problem = checked(json::read(br#"{"email": "x", "phone": "y"}"#).unwrap()).unwrap_err();
        let fields: Vec<_> = problem.errors().iter().map(|error| error.field.as_str()).collect();
        assert_eq!(fields, ["email", "phone"]);
    }
}
