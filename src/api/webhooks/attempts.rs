//! `GET /v1/webhooks/{id}/attempts`

use axum::extract::State;
use axum::response::Response;
use http::Uri;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::unknown;
use crate::api::auth::{Caller, ToManage};
use crate::api::instant::Instant;
use crate::api::page::{self, List, Listed};
use crate::api::path::WebhookPath;
use crate::api::problem::Problem;
use crate::api::{Api, schema};
use crate::domain::webhook::message_type::MessageType;
use crate::store::webhook::{ListedAttempt, MessageStatus};

/// An attempt to hand over a message.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WebhookAttempt)]
pub(super) struct AttemptResponse {
    /// The message, its `webhook-id`.
    message_id: Uuid,
    /// The message's `type`: one of the webhook's events, or `webhook.test`.
    #[serde(rename = "type")]
    #[schema(value_type = String)]
    kind: MessageType,
    /// When it began.
    #[schema(value_type = schema::Instant)]
    at: Instant,
    /// How long it took, in milliseconds.
    #[schema(minimum = 0)]
    took_ms: u64,
    /// The status that the receiver answered; null: none.
    status: Option<u16>,
    /// Why there was no answer, or none that counts.
    error: Option<String>,
    /// How the message stands by now.
    #[schema(value_type = schema::WebhookMessageStatus)]
    message_status: &'static str,
}

/// List a webhook's attempts
///
/// Latest first, for as long as they are kept (`[webhooks] retention_days`). Scope `manage`.
#[utoipa::path(
    get,
    path = "/v1/webhooks/{id}/attempts",
    operation_id = "list_webhook_attempts",
    tag = "webhooks",
    params(("id" = Uuid, Path, description = "The webhook")),
    responses((status = 200, body = List<AttemptResponse>)),
    security(("api_key" = ["manage"]))
)]
pub(super) async fn list(
    State(api): State<Api>,
    caller: Caller<ToManage>,
    WebhookPath(id): WebhookPath,
    uri: Uri,
) -> Result<Response, Problem> {
    let subject = id.to_string();
    let list = Listed { app: caller.app, route: "webhook_attempts", subject: &subject, now: api.clock.now() };
    let (params, listing) = page::listing::<AttemptResponse>(&uri, list)?;
    params.finish()?;
    let page = api.store.webhook_attempts(caller.app, id, &listing.request()).await?.ok_or_else(unknown)?;
    listing.answer(page.items.into_iter().map(AttemptResponse::from).collect(), page.next)
}

impl From<ListedAttempt> for AttemptResponse {
    fn from(ListedAttempt { attempt, event, message_status }: ListedAttempt) -> Self {
        Self {
            message_id: attempt.message,
            kind: event.into(),
            at: Instant(attempt.at),
            took_ms: attempt.took_ms,
            status: attempt.status,
            error: attempt.error,
            message_status: match message_status {
                MessageStatus::Waiting => "waiting",
                MessageStatus::Delivered => "delivered",
                MessageStatus::Failed => "failed",
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Timestamp;
    use crate::store::webhook::Attempt;

    #[test]
    fn the_status_of_its_message_is_one_of_the_described() {
        let of = |message_status| {
            let (message, webhook, at) = (Uuid::nil(), Uuid::nil(), Timestamp::UNIX_EPOCH);
            let attempt = Attempt { message, webhook, at, took_ms: 1, status: Some(200), error: None };
            AttemptResponse::from(ListedAttempt { attempt, event: None, message_status }).message_status
        };
        let all = [MessageStatus::Waiting, MessageStatus::Delivered, MessageStatus::Failed];
        assert_eq!(all.map(of), schema::WebhookMessageStatus::WORDS);
    }
}
