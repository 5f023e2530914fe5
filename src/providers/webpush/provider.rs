//! The provider: services, signer and the way of one push.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version};
use tokio::time::Instant;

use super::acceptance::{Acceptance, Blame};
use super::headers::TTL;
use super::reason::{self, Verdict};
use super::render::render;
use super::seal::{Keys, seal};
use super::services::{Service, Services};
use super::settings::Settings;
use super::vapid::{Token, Vapid};
use crate::domain::Timestamp;
use crate::domain::device::{ProviderKind, PushToken};
use crate::domain::endpoint::{AllowedHosts, Endpoint};
use crate::domain::outcome::{Fault, Outcome, Reason};
use crate::providers::fault::{self, Patience};
use crate::providers::fingerprint::fingerprint;
use crate::providers::http2::{Origin, Want, client_config_with_http1};
use crate::providers::{Body, Context, Fingerprint, InitError, Message, Provider, Push, RenderError, Rendered, Secret};

const TIME_TO_LIVE: HeaderName = HeaderName::from_static(TTL);
/// As many fields as a push has, with room.
const FIELDS: usize = 10;

/// Web Push with one app's VAPID key.
pub struct WebpushProvider {
    /// Of the key and whom it names: both are in what push services are shown.
    fingerprint: Fingerprint,
    vapid: Vapid,
    allowed: AllowedHosts,
    services: Services,
    acceptance: Acceptance,
    context: Context,
}

impl WebpushProvider {
    /// Reads the key file and builds the provider. Nothing is sent: the first push connects.
    pub fn load(settings: &Settings, context: &Context) -> Result<Self, InitError> {
        settings.check()?;
        Self::new(settings, &Secret::read("vapid_key_file", &settings.vapid_key_file)?, context)
    }

    /// The same with the key's text (PEM, PKCS#8) given.
    pub fn new(settings: &Settings, key_pem: &Secret, context: &Context) -> Result<Self, InitError> {
        settings.check()?;
        let tls = client_config_with_http1(settings.extra_roots())?;
        let vapid = Vapid::new(key_pem, &settings.subject, Arc::clone(&context.clock))?;
        Ok(Self {
            fingerprint: fingerprint(&[vapid.public_key().as_bytes(), settings.subject.as_bytes()]),
            vapid,
            allowed: settings.allowed()?,
            services: Services::new(tls, settings.reach(), context),
            acceptance: Acceptance::default(),
            context: context.clone(),
        })
    }

    /// The public half of the VAPID key, base64url: what pages subscribe with.
    pub fn public_key(&self) -> &str {
        self.vapid.public_key()
    }

    /// Signs a token, for `herald check`. Says the public key; no push service is asked.
    pub fn prove(&self) -> Result<String, InitError> {
        let refused = |source| InitError::Key { key: "vapid_key_file", expected: "EC P-256", source };
        self.vapid.sign("https://push.example.com").map_err(refused)?;
        Ok(format!("the VAPID key signs; its public key is {}", self.public_key()))
    }

    /// What goes to one browser: where, and the body that only it can read.
    fn addressed(&self, push: &Push) -> Result<(Arc<Service>, Uri, Bytes), Reason> {
        let PushToken::Webpush { endpoint: url, p256dh, auth } = &push.token else { return Err(Reason::new("not a subscription")) };
        let Body::Sealed(text) = &push.rendered.body else { return Err(Reason::new("not a Web Push body")) };
        // it was allowed when it was stored, but lists change
        let endpoint = Endpoint::parse(url).filter(|endpoint| self.allows(endpoint)).ok_or(Reason::new(FORBIDDEN))?;
        let odd = || Reason::new("endpoint malformed");
        let service = self.services.at(&endpoint).map_err(|_| odd())?;
        let (_, path) = Origin::split(url).map_err(|_| odd())?;
        let uri = service.pool.origin().uri(path).ok_or_else(odd)?;
        let body = Keys::parse(p256dh, auth).and_then(|keys| seal(text, &keys)).map_err(|_| Reason::new("subscription keys unusable"))?;
        Ok((service, uri, body))
    }

    /// Whose fault it is that a service refuses a push, where it does not say.
    fn blame(&self, service: &Service, push: &Push) -> Blame {
        let PushToken::Webpush { endpoint, .. } = &push.token else { return Blame::Push };
        let blame = self.acceptance.blame(service, endpoint);
        if blame == Blame::Open {
            service.doubt();
        }
        blame
    }

    /// Sends, and once more with another token where that may help.
    async fn deliver(&self, push: &Push, service: &Service, uri: &Uri, body: Bytes) -> Outcome {
        let deadline = Instant::now() + self.context.send_timeout;
        let Ok(mut token) = self.vapid.token(&service.current, &service.origin) else {
            return Outcome::Unavailable { retry_after: None, reason: Reason::new("cannot sign"), fault: Fault::Silent };
        };
        let mut repeated = false;
        loop {
            let head = || push.handover.start().then(|| head(push, uri, &token));
            let answer = match service.pool.send(head, body.clone(), Want::any(), deadline).await {
                Ok(answer) => answer,
                Err(error) => return fault::outcome(&error),
            };
            if answer.status.is_success() {
                self.acceptance.note(service);
                return Outcome::Accepted { message_id: None, environment: None };
            }
            let patience = Patience::of(&answer, &self.context);
            let Verdict { outcome, resign } = reason::classify(answer.status, &answer.body, patience, || self.blame(service, push));
            if answer.status.is_redirection() {
                tracing::warn!(origin = %service.origin, status = answer.status.as_u16(), "a push service redirects, which is not followed");
            }
            if !resign || repeated {
                return outcome;
            }
            match self.vapid.another(&service.current, &service.origin, &token) {
                Some(another) => token = another,
                None => return outcome,
            }
            repeated = true;
        }
    }
}

/// The reason of a push whose endpoint may not be sent to.
pub(super) const FORBIDDEN: &str = "address forbidden";

fn head(push: &Push, uri: &Uri, token: &Token) -> Request<()> {
    let mut headers = HeaderMap::with_capacity(FIELDS);
    headers.insert(TIME_TO_LIVE, HeaderValue::from(seconds_left(push.expires_at, push.now)));
    for (name, value) in &push.rendered.headers {
        headers.insert(name.clone(), value.clone());
    }
    headers.insert(AUTHORIZATION, token.authorization.clone());
    let mut request = Request::new(());
    *request.method_mut() = Method::POST;
    *request.version_mut() = Version::HTTP_2;
    *request.uri_mut() = uri.clone();
    *request.headers_mut() = headers;
    request
}

fn seconds_left(expires_at: Option<Timestamp>, now: Timestamp) -> u32 {
    expires_at.map_or(0, |instant| u32::try_from((instant - now).num_seconds().max(0)).unwrap_or(u32::MAX))
}

#[async_trait]
impl Provider for WebpushProvider {
    fn kind(&self) -> ProviderKind {
        ProviderKind::Webpush
    }

    fn credential(&self) -> Fingerprint {
        self.fingerprint
    }

    fn render(&self, message: &Message<'_>) -> Result<Rendered, RenderError> {
        render(message)
    }

    fn allows(&self, endpoint: &Endpoint) -> bool {
        self.allowed.allows(endpoint)
    }

    fn application_server_key(&self) -> Option<&str> {
        Some(self.public_key())
    }

    async fn send(&self, push: Push) -> Outcome {
        match self.addressed(&push) {
            Ok((service, uri, body)) => self.deliver(&push, &service, &uri, body).await,
            Err(reason) => Outcome::MessageRejected { reason, too_large: false },
        }
    }
}

impl std::fmt::Debug for WebpushProvider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WebpushProvider").field("vapid", &self.vapid).field("allowed", &self.allowed).finish_non_exhaustive()
    }
}
