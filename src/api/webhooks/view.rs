//! Webhooks as they are answered.

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::api::etag::Tag;
use crate::api::instant::Instant;
use crate::api::problem::Problem;
use crate::api::schema;
use crate::domain::webhook::signature::secret_text;
use crate::domain::webhook::{Disabled, EventType, Webhook};
use crate::store::webhook::WebhookSecret;

/// A webhook, without its secret.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Webhook)]
pub(super) struct WebhookResponse {
    /// Its id.
    id: Uuid,
    /// Where messages are posted.
    url: String,
    /// What it is told of.
    #[schema(value_type = Vec<schema::WebhookEvent>)]
    events: Vec<EventType>,
    /// Whether it is sent to.
    #[schema(value_type = schema::WebhookStatus)]
    status: &'static str,
    /// Why it is not; null while it is.
    #[schema(value_type = Option<schema::WebhookDisabledReason>)]
    disabled_reason: Option<Disabled>,
    /// Since when every attempt has failed; null after one that did not.
    #[schema(value_type = Option<schema::Instant>)]
    failing_since: Option<Instant>,
    /// When it was made.
    #[schema(value_type = schema::Instant)]
    created_at: Instant,
    /// When it was changed last.
    #[schema(value_type = schema::Instant)]
    updated_at: Instant,
}

/// A webhook with a secret that was made now.
#[derive(Serialize, ToSchema)]
pub(super) struct NewWebhook {
    #[serde(flatten)]
    webhook: WebhookResponse,
    /// What signs its messages: `whsec_` and base64. It is not shown again.
    secret: String,
}

impl NewWebhook {
    pub(super) fn new(webhook: Webhook, secret: &WebhookSecret) -> Self {
        Self { webhook: webhook.into(), secret: secret_text(secret).to_string() }
    }

    /// The webhook's tag, in which the secret has no part.
    pub(super) fn tag(&self) -> Result<Tag, Problem> {
        self.webhook.tag()
    }
}

impl WebhookResponse {
    /// Its tag. The store counts no versions of it, so that one which fails, or does no more, has another.
    pub(super) fn tag(&self) -> Result<Tag, Problem> {
        Tag::of_content(self)
    }
}

impl From<Webhook> for WebhookResponse {
    fn from(webhook: Webhook) -> Self {
        Self {
            id: webhook.id,
            url: webhook.url,
            events: webhook.events.into_iter().collect(),
            status: if webhook.disabled.is_none() { "enabled" } else { "disabled" },
            disabled_reason: webhook.disabled,
            failing_since: webhook.failing_since.map(Instant),
            created_at: Instant(webhook.created_at),
            updated_at: Instant(webhook.updated_at),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::domain::Timestamp;
    use crate::domain::id::AppId;

    #[test]
    fn its_status_is_one_of_the_described() {
        let at = Timestamp::UNIX_EPOCH;
        let of = |disabled| {
            let (url, events) = (String::new(), BTreeSet::from([EventType::LanePaused]));
            let id = Uuid::nil();
            let webhook = Webhook { id, app: AppId(1), url, events, disabled, failing_since: None, created_at: at, updated_at: at };
            WebhookResponse::from(webhook).status
        };
        assert_eq!([of(None), of(Some(Disabled::Gone))], schema::WebhookStatus::WORDS);
        assert_eq!(of(Some(Disabled::Switched)), of(Some(Disabled::Failing)));
    }
}
