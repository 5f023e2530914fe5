//! `/v1/audit`: who changed what.

mod record;

use axum::extract::State;
use axum::response::Response;
use http::Uri;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::auth::{Caller, ToManage};
use super::instant::Instant;
use super::page::{self, List, Listed};
use super::problem::Problem;
use super::query::Params;
use super::{Api, schema};
use crate::store::audit::{Act, AuditFilter};

pub(super) use self::record::{Audited, Object, Operations, around};

/// An operation's id, at most, in bytes.
const MAX_ACT: usize = 64;

/// Something that was done, or tried.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Act)]
struct ActResponse {
    /// Its id.
    id: Uuid,
    /// When it began.
    #[schema(value_type = schema::Instant)]
    at: Instant,
    /// Who did it: `key`, someone with an API key; `local`, someone on the store itself, by the command line; `built_in`, the key of `herald dev`.
    #[schema(value_type = schema::Actor)]
    actor: &'static str,
    /// The key's id.
    key_id: Option<Uuid>,
    /// What the key was called then.
    key_name: Option<String>,
    /// The id of the request, as in the log.
    request_id: Option<String>,
    /// What was done: the `operationId` in this document.
    act: String,
    /// What it was done to: what the path names, or the id of what was made. A user is named by the first 16 hex digits of the SHA-256 of
    /// their id, as `user:3f2a…`, so that nobody is left in here who was erased.
    object: Option<String>,
    /// The status of the answer; null where it is not known how it ended: it may have been done, or not.
    status: Option<u16>,
}

/// The routes.
pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list))
}

/// List the audit log
///
/// Everything that a key of scope `manage` changes, but what backends do on behalf of phones and people: client tokens, registrations, preferences, users' tags.
/// Refused attempts are in it with their status; those for want of a scope up to ten a minute of one key. It is written before anything is done,
/// or nothing is done. Latest first. Scope `manage`.
#[utoipa::path(
    get,
    path = "/v1/audit",
    operation_id = "list_audit",
    tag = "operations",
    params(
        ("act" = Option<String>, Query, description = "Of this operation"),
        ("key_id" = Option<Uuid>, Query, description = "By this key"),
        ("from" = Option<schema::Instant>, Query, description = "Begun at or after"),
        ("to" = Option<schema::Instant>, Query, description = "Begun before"),
    ),
    responses((status = 200, body = List<ActResponse>)),
    security(("api_key" = ["manage"]))
)]
async fn list(State(api): State<Api>, caller: Caller<ToManage>, uri: Uri) -> Result<Response, Problem> {
    let list = Listed { app: caller.app, route: "audit", subject: "", now: api.clock.now() };
    let (mut params, listing) = page::listing::<ActResponse>(&uri, list)?;
    let filter = AuditFilter {
        act: act_of(&mut params),
        key: params.id("key_id", "an API key"),
        from: params.instant("from"),
        to: params.instant("to"),
    };
    params.finish()?;
    let page = api.store.acts(caller.app, &filter, &listing.request()).await?;
    listing.answer(page.items.into_iter().map(ActResponse::from).collect(), page.next)
}

fn act_of(params: &mut Params) -> Option<String> {
    let act = params.text("act")?;
    let is_name = (1..=MAX_ACT).contains(&act.len()) && act.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    if !is_name {
        params.invalid("act", "must be the operationId of an operation, such as create_key");
    }
    Some(act)
}

impl From<Act> for ActResponse {
    fn from(act: Act) -> Self {
        let key = act.begun.actor.key().map(|(id, name)| (id, name.to_owned()));
        let (key_id, key_name) = key.unzip();
        Self {
            id: act.begun.id,
            at: Instant(act.at),
            actor: act.begun.actor.as_str(),
            key_id,
            key_name,
            request_id: act.begun.request_id,
            act: act.begun.act,
            object: act.begun.object,
            status: act.status,
        }
    }
}
