//! The provider: pool, access token and the way of one push.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri, Version};
use serde::Deserialize;
use tokio::time::{Instant, timeout_at};

use super::account::ServiceAccount;
use super::broadcast::render_broadcast;
use super::oauth::{AccessToken, OAuth, OAuthError};
use super::reason::{self, SERVER_FLOOR, Verdict};
use super::render::render;
use super::settings::{Display, Settings};
use super::splice::{fill, fill_broadcast};
use super::validate;
use crate::domain::broadcast::Broadcast;
use crate::domain::device::ProviderKind;
use crate::domain::outcome::{Fault, Outcome, Reason, RefusalScope};
use crate::providers::Handover;
use crate::providers::fault::{self, Patience};
use crate::providers::fingerprint::fingerprint;
use crate::providers::http2::{Answer, Limits, Pool, Want, client_config};
use crate::providers::{
    Body, BroadcastPush, Context, Fingerprint, InitError, Message, Provider, Push, RenderError, Rendered, Secret, Validity,
};

/// What was rendered by another provider, or is for another's address.
const NOT_FCM: &str = "not an FCM push";

/// FCM with one app's service account.
pub struct FcmProvider {
    fingerprint: Fingerprint,
    project_id: String,
    display: Display,
    service_extension: bool,
    send: Uri,
    pool: Pool,
    oauth: Arc<OAuth>,
    context: Context,
}

/// Why `herald check` found a service account wanting.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct ProveError(#[from] OAuthError);

#[derive(Deserialize)]
struct Sent {
    name: String,
}

impl FcmProvider {
    /// Reads the service account's file and builds the provider. Nothing is sent: the first push connects.
    pub fn load(settings: &Settings, context: &Context) -> Result<Self, InitError> {
        settings.check()?;
        let json = Secret::read("service_account_file", &settings.service_account_file)?;
        Self::new(settings, ServiceAccount::parse(&json)?, context)
    }

    /// The same with the service account given.
    pub fn new(settings: &Settings, account: ServiceAccount, context: &Context) -> Result<Self, InitError> {
        settings.check()?;
        let origin = settings.origin()?;
        let (tls, proxy) = (client_config(settings.extra_roots())?, settings.proxy().load()?);
        let path = format!("/v1/projects/{}/messages:send", account.project_id());
        let send = path.parse().ok().and_then(|path| origin.uri(path));
        let send = send.ok_or(InitError::Invalid { key: "service_account_file", message: "project_id is no project's" })?;
        Ok(Self {
            project_id: account.project_id().to_owned(),
            fingerprint: fingerprint(&[&account.fingerprint(), settings.endpoint.as_bytes()]),
            display: settings.display,
            service_extension: false,
            send,
            pool: Pool::through(proxy.clone(), origin, Arc::clone(&tls), Limits::default(), context),
            oauth: OAuth::new(account, tls, proxy, context),
            context: context.clone(),
        })
    }

    /// Says whether the app's iOS build has a service extension, which runs for mutable alerts only, whoever carries them.
    #[must_use]
    pub fn with_service_extension(self, service_extension: bool) -> Self {
        Self { service_extension, ..self }
    }

    /// Fetches an access token, for `herald check`. Says for which project.
    pub async fn prove(&self) -> Result<String, ProveError> {
        self.oauth.token().await?;
        Ok(format!("an access token for project {}", self.project_id))
    }

    /// Sends, and once more with another access token where that is what Google refuses. The answer is there unless nothing was heard.
    async fn exchange(&self, body: Bytes, handover: &Handover) -> (Outcome, Bytes) {
        match self.request(body, handover).await {
            Ok(answer) => (self.outcome(&answer), answer.body),
            Err(outcome) => (outcome, Bytes::new()),
        }
    }

    fn outcome(&self, answer: &Answer) -> Outcome {
        if answer.status == StatusCode::OK {
            let message_id = serde_json::from_slice::<Sent>(&answer.body).ok().map(|sent| sent.name);
            return Outcome::Accepted { message_id, environment: None };
        }
        self.verdict(answer).outcome
    }

    fn verdict(&self, answer: &Answer) -> Verdict {
        reason::classify(answer.status, &answer.body, Patience::of(answer, &self.context))
    }

    async fn request(&self, body: Bytes, handover: &Handover) -> Result<Answer, Outcome> {
        let deadline = Instant::now() + self.context.send_timeout;
        let mut token = match timeout_at(deadline, self.oauth.token()).await {
            Ok(Ok(token)) => token,
            Ok(Err(error)) => return Err(self.without_token(&error)),
            Err(_) => {
                return Err(Outcome::Unavailable {
                    retry_after: None,
                    reason: Reason::new("no access token in time"),
                    fault: Fault::Silent,
                });
            }
        };
        let mut refreshed = false;
        loop {
            let answer = self.pool.send(|| handover.start().then(|| self.head(&token)), body.clone(), Want::any(), deadline).await;
            let answer = answer.map_err(|error| fault::outcome(&error))?;
            if refreshed || answer.status == StatusCode::OK || !self.verdict(&answer).refresh {
                return Ok(answer);
            }
            token = match timeout_at(deadline, self.oauth.after(&token)).await {
                Ok(Ok(token)) => token,
                Ok(Err(error)) => return Err(self.without_token(&error)),
                Err(_) => return Ok(answer),
            };
            refreshed = true;
        }
    }

    fn without_token(&self, error: &OAuthError) -> Outcome {
        match error {
            OAuthError::Refused(word) => {
                Outcome::CredentialRefused { reason: Reason::new(&format!("oauth {word}")), scope: RefusalScope::Lane }
            }
            OAuthError::Unavailable { status, retry_after } => {
                let patience = Patience { retry_after: *retry_after, floors: self.context.provider_floors };
                Outcome::Unavailable {
                    retry_after: patience.or(SERVER_FLOOR),
                    reason: Reason::new(&format!("oauth status {}", status.as_u16())),
                    fault: Fault::Answered,
                }
            }
            OAuthError::Http(error) => fault::outcome(error),
            OAuthError::Sign => Outcome::CredentialRefused { reason: Reason::new("cannot sign"), scope: RefusalScope::Lane },
        }
    }

    fn head(&self, token: &AccessToken) -> Request<()> {
        let mut headers = HeaderMap::with_capacity(4);
        headers.insert(AUTHORIZATION, token.authorization.clone());
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let mut request = Request::new(());
        *request.method_mut() = Method::POST;
        *request.version_mut() = Version::HTTP_2;
        *request.uri_mut() = self.send.clone();
        *request.headers_mut() = headers;
        request
    }
}

/// The body for one device. `None` if it is no FCM push.
fn filled(push: &Push) -> Option<Bytes> {
    match &push.rendered.body {
        Body::Spliced(pieces) => fill(pieces, push),
        Body::Whole(_) | Body::Sealed(_) => None,
    }
}

#[async_trait]
impl Provider for FcmProvider {
    fn kind(&self) -> ProviderKind {
        ProviderKind::Fcm
    }

    fn credential(&self) -> Fingerprint {
        self.fingerprint
    }

    fn render(&self, message: &Message<'_>) -> Result<Rendered, RenderError> {
        render(message, self.display, self.service_extension)
    }

    fn render_broadcast(&self, to: &Broadcast, messages: &[Message<'_>]) -> Result<Rendered, RenderError> {
        render_broadcast(to, messages, (self.display, self.service_extension))
    }

    fn validates(&self) -> bool {
        true
    }

    async fn validate(&self, push: Push) -> Validity {
        let Some(body) = filled(&push).and_then(|body| validate::body(&body)) else {
            return Validity::Unanswered { reason: Reason::new(NOT_FCM) };
        };
        let (outcome, answer) = self.exchange(body, &push.handover).await;
        validate::validity(outcome, &answer, &push.token)
    }

    async fn send(&self, push: Push) -> Outcome {
        match filled(&push) {
            Some(body) => self.exchange(body, &push.handover).await.0,
            None => not_ours(),
        }
    }

    async fn send_broadcast(&self, push: BroadcastPush) -> Outcome {
        let body = match &push.rendered.body {
            Body::Spliced(pieces) => fill_broadcast(pieces, &push),
            Body::Whole(_) | Body::Sealed(_) => None,
        };
        match body {
            Some(body) => self.exchange(body, &push.handover).await.0,
            None => not_ours(),
        }
    }
}

fn not_ours() -> Outcome {
    Outcome::MessageRejected { reason: Reason::new(NOT_FCM), too_large: false }
}

impl std::fmt::Debug for FcmProvider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FcmProvider").field("project_id", &self.project_id).field("display", &self.display).finish_non_exhaustive()
    }
}
