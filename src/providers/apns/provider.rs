//! The provider: pools, signer and the way of one push.

mod proof;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::StatusCode;
use tokio::time::Instant;

pub use proof::ProveError;

use super::credential::Credential;
use super::head::Head;
use super::reason::{self, Remedy, Verdict};
use super::render::{App, render};
use super::service::Service;
use super::settings::Settings;
use super::signers::Signers;
use super::token::Token;
use crate::domain::Timestamp;
use crate::domain::broadcast::Broadcast;
use crate::domain::device::{Environment, ProviderKind, PushToken};
use crate::domain::outcome::{Fault, Outcome, Reason, ThrottleScope};
use crate::domain::push_type::PushType;
use crate::providers::fault::{self, Patience};
use crate::providers::fingerprint::fingerprint;
use crate::providers::http2::{Answer, Limits, Pool, Want, client_config_as};
use crate::providers::{Body, BroadcastPush, Context, Fingerprint, InitError, Message, Provider, Push, RenderError, Rendered, Secret};

/// APNs with one app's credential, for both environments.
pub struct ApnsProvider {
    bundle_id: String,
    service_extension: bool,
    credential: Credential,
    production: Service,
    sandbox: Service,
    context: Context,
}

impl ApnsProvider {
    /// Reads the key or certificate and builds the provider. Nothing is sent: the first push connects.
    pub fn load(settings: &Settings, signers: &Signers, context: &Context) -> Result<Self, InitError> {
        settings.check()?;
        Self::with(settings, Credential::load(settings, signers, context)?, context)
    }

    /// The same with the text of a token key (PEM, PKCS#8) given.
    pub fn new(settings: &Settings, key_pem: &Secret, signers: &Signers, context: &Context) -> Result<Self, InitError> {
        settings.check()?;
        Self::with(settings, Credential::token(settings, key_pem, signers, context)?, context)
    }

    fn with(settings: &Settings, credential: Credential, context: &Context) -> Result<Self, InitError> {
        let (production, sandbox) = settings.origins()?;
        let tls = client_config_as(settings.extra_roots(), credential.identity())?;
        let proxy = settings.proxy().load()?;
        let service = |origin| Service::new(Pool::through(proxy.clone(), origin, Arc::clone(&tls), Limits::default(), context));
        Ok(Self {
            bundle_id: settings.bundle_id.clone(),
            service_extension: settings.service_extension,
            credential,
            production: service(production),
            sandbox: service(sandbox),
            context: context.clone(),
        })
    }

    fn service(&self, environment: Environment) -> &Service {
        match environment {
            Environment::Production => &self.production,
            Environment::Sandbox => &self.sandbox,
        }
    }

    /// Sends to the environment that the device is registered with; one that does not know the token may be the wrong one.
    async fn deliver(&self, push: &Push, token: &str, body: &Bytes) -> Outcome {
        let deadline = Instant::now() + self.context.send_timeout;
        let outcome = self.deliver_to(push.environment, (push, token), body, deadline).await;
        let other = push.environment.other();
        if !reason::may_be_elsewhere(&outcome) || !self.is_worth_asking(other) {
            return outcome;
        }
        let before = push.handover.requests();
        let second = self.deliver_to(other, (push, token), body, deadline).await;
        if matches!(second, Outcome::CredentialRefused { .. }) {
            self.service(other).shut();
        }
        of_both(outcome, second, (other, push.handover.requests() > before))
    }

    /// Where both are one peer, or the other takes no push of this app's, it would say the same.
    fn is_worth_asking(&self, other: Environment) -> bool {
        self.production.pool.origin() != self.sandbox.pool.origin() && !self.service(other).is_shut()
    }

    async fn deliver_to(&self, environment: Environment, (push, token): (&Push, &str), body: &Bytes, deadline: Instant) -> Outcome {
        let service = self.service(environment);
        match Head::of_device(service.pool.origin(), token, push) {
            Some(head) => self.request(service, &head, body, deadline).await,
            // it cannot be put into a path; Apple would call it this
            None => Outcome::TokenMismatched { reason: Reason::new("BadDeviceToken") },
        }
    }

    /// Sends, and once more where Apple's answer names what would help.
    async fn request(&self, service: &Service, head: &Head<'_>, body: &Bytes, deadline: Instant) -> Outcome {
        let Ok(mut token) = self.token().await else {
            return Outcome::Unavailable { retry_after: None, reason: Reason::new("cannot sign"), fault: Fault::Silent };
        };
        let mut want = Want::any();
        let mut repeated = false;
        loop {
            let answer = match service.pool.send(|| head.start(token.as_deref()), body.clone(), want, deadline).await {
                Ok(answer) => answer,
                Err(error) => return fault::outcome(&error),
            };
            if answer.status == StatusCode::OK {
                return Outcome::Accepted { message_id: None, environment: None };
            }
            let Verdict { outcome, remedy } = reason::classify(answer.status, &answer.body, Patience::of(&answer, &self.context));
            let Some(remedy) = remedy.filter(|_| !repeated) else { return outcome };
            match self.apply(remedy, &answer, service, token.clone()).await {
                Some((next_token, next_want)) => (token, want) = (next_token, next_want),
                None => return outcome,
            }
            repeated = true;
        }
    }

    /// The provider token; none with a certificate.
    async fn token(&self) -> Result<Option<Arc<Token>>, jsonwebtoken::errors::Error> {
        match &self.credential {
            Credential::Token(signer) => signer.token().await.map(Some),
            Credential::Certificate(_) => Ok(None),
        }
    }

    /// What to try instead: with which token, on which connection. `None`: the refusal is final.
    async fn apply(
        &self,
        remedy: Remedy,
        answer: &Answer,
        service: &Service,
        token: Option<Arc<Token>>,
    ) -> Option<(Option<Arc<Token>>, Want)> {
        match (remedy, &self.credential) {
            (Remedy::Resign, Credential::Token(signer)) => Some((Some(signer.expired(&token?).await.ok()?), Want::any())),
            (Remedy::OlderToken, Credential::Token(signer)) => {
                tracing::error!(provider = "apns", ?signer, "Apple says that provider tokens change too often: is the key shared?");
                signer.too_many(&*token?);
                service.pool.retire(answer.connection);
                Some((Some(signer.token().await.ok()?), Want::any()))
            }
            // there is no token that could be another
            (Remedy::Resign | Remedy::OlderToken, Credential::Certificate(_)) => None,
            (Remedy::FreshConnection, _) => Some((token, service.renew(answer.connection)?)),
            (Remedy::OtherConnection, _) => {
                service.pool.retire(answer.connection);
                Some((token, Want::any()))
            }
        }
    }
}

#[async_trait]
impl Provider for ApnsProvider {
    fn kind(&self) -> ProviderKind {
        ProviderKind::Apns
    }

    fn credential(&self) -> Fingerprint {
        let [production, sandbox] = [&self.production, &self.sandbox].map(|service| service.pool.origin().to_string());
        fingerprint(&[&self.credential.fingerprint(&self.bundle_id), production.as_bytes(), sandbox.as_bytes()])
    }

    fn render(&self, message: &Message<'_>) -> Result<Rendered, RenderError> {
        let certificate = match &self.credential {
            Credential::Token(_) => None,
            Credential::Certificate(certificate) => Some(&**certificate),
        };
        render(message, App { bundle_id: &self.bundle_id, service_extension: self.service_extension, certificate })
    }

    fn credential_expires_at(&self) -> Option<Timestamp> {
        match &self.credential {
            Credential::Token(_) => None,
            Credential::Certificate(certificate) => Some(certificate.expires_at()),
        }
    }

    async fn send(&self, push: Push) -> Outcome {
        let PushToken::Apns(token) = &push.token else {
            return Outcome::MessageRejected { reason: Reason::new("not an APNs token"), too_large: false };
        };
        let Body::Whole(body) = &push.rendered.body else {
            return Outcome::MessageRejected { reason: Reason::new("not an APNs body"), too_large: false };
        };
        self.deliver(&push, token, body).await
    }

    fn render_broadcast(&self, to: &Broadcast, messages: &[Message<'_>]) -> Result<Rendered, RenderError> {
        match (to, messages) {
            (Broadcast::ApnsChannel { .. }, [message]) if matches!(message.push_type, PushType::LiveActivity(_)) => self.render(message),
            _ => Err(RenderError::Unsupported),
        }
    }

    async fn send_broadcast(&self, push: BroadcastPush) -> Outcome {
        let deadline = Instant::now() + self.context.send_timeout;
        let (Broadcast::ApnsChannel { channel, environment }, Body::Whole(body)) = (&push.to, &push.rendered.body) else {
            return Outcome::MessageRejected { reason: Reason::new("not an APNs broadcast"), too_large: false };
        };
        let service = self.service(*environment);
        match Head::of_channel(service.pool.origin(), (&self.bundle_id, channel), &push) {
            Some(head) => self.request(service, &head, body, deadline).await,
            // it cannot be put into a request; Apple would call it this
            None => Outcome::MessageRejected { reason: Reason::new("BadChannelId"), too_large: false },
        }
    }
}

/// What becomes of a push that one environment refused and the `other` answered so; `asked`: whether a request went there.
fn of_both(first: Outcome, second: Outcome, (other, asked): (Environment, bool)) -> Outcome {
    match second {
        Outcome::Accepted { message_id, .. } => Outcome::Accepted { message_id, environment: Some(other) },
        Outcome::TokenDead { .. } | Outcome::Withheld => second,
        // it may have arrived, or is to be asked again; the lane's own environment has answered
        Outcome::Unavailable { retry_after, reason, .. } if asked => Outcome::Unavailable { retry_after, reason, fault: Fault::Elsewhere },
        // its patience is not that of the lane
        Outcome::Throttled { retry_after, reason, .. } if asked => Outcome::Throttled { retry_after, reason, scope: ThrottleScope::Token },
        Outcome::Unavailable { .. }
        | Outcome::Throttled { .. }
        | Outcome::TokenMismatched { .. }
        | Outcome::MessageRejected { .. }
        | Outcome::CredentialRefused { .. } => first,
    }
}

impl std::fmt::Debug for ApnsProvider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ApnsProvider").field("bundle_id", &self.bundle_id).field("credential", &self.credential).finish_non_exhaustive()
    }
}
