//! The access token: fetched once for all who need it, renewed before it expires.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, StatusCode, Version};
use rustls::ClientConfig;
use serde::Deserialize;
use serde_json::{Map, Value};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::account::ServiceAccount;
use crate::providers::http2::{self, Answer, Limits, Pool, Proxy, Want, retry_after};
use crate::providers::{Context, Secret};

/// So long before its end a token is renewed, while sends go on with it.
const RENEW_BEFORE: Duration = Duration::from_mins(5);
/// So long before its end a token is not used any more.
const UNUSABLE_BEFORE: Duration = Duration::from_secs(20);
/// After a failure nobody asks again for this long.
const REST: Duration = Duration::from_secs(1);
/// The same while the token at hand is still good.
const REST_BETWEEN_RENEWALS: Duration = Duration::from_secs(15);
/// What Google calls a failure of its own in an answer that blames the client (RFC 6749, 4.1.2.1 and 5.2, has no better status for them).
const PASSING: [&str; 5] = ["temporarily_unavailable", "server_error", "internal_failure", "rate_limit_exceeded", "slow_down"];
/// An answer without an `expires_in` that can be read.
const USUAL_LIFE: u64 = 3600;

/// Why there is no access token.
#[derive(Clone, Debug, thiserror::Error)]
pub enum OAuthError {
    /// Google refuses the account (`invalid_grant`, a disabled key, a clock that is wrong).
    #[error("the token endpoint refuses the service account: {0}")]
    Refused(String),
    /// The token endpoint answers something that is neither.
    #[error("the token endpoint answers {status}")]
    Unavailable {
        /// The HTTP status.
        status: StatusCode,
        /// `Retry-After`.
        retry_after: Option<Duration>,
    },
    /// It cannot be reached.
    #[error("the token endpoint: {0}")]
    Http(#[source] http2::Error),
    /// The assertion cannot be signed.
    #[error("cannot sign")]
    Sign,
}

impl OAuthError {
    /// Whether it is the service account that is wrong, until somebody mends it.
    fn is_refusal(&self) -> bool {
        match self {
            Self::Refused(_) | Self::Sign => true,
            Self::Unavailable { .. } | Self::Http(_) => false,
        }
    }
}

/// An access token, ready to be sent.
#[derive(Debug)]
pub(super) struct AccessToken {
    /// `Bearer …`.
    pub(super) authorization: HeaderValue,
    expires_at: Duration,
}

type Fetched = Result<Arc<AccessToken>, OAuthError>;

/// Keeps the access token of one service account.
pub(super) struct OAuth {
    account: ServiceAccount,
    pool: Pool,
    context: Context,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    token: Option<Arc<AccessToken>>,
    under_way: Option<watch::Receiver<Option<Fetched>>>,
    failed: Option<Failure>,
}

/// Where a token may come from.
enum Look {
    Here(Arc<AccessToken>),
    Waiting(watch::Receiver<Option<Fetched>>),
    /// Not now.
    Resting(Failure),
}

/// The last fetch, where it failed.
#[derive(Clone)]
struct Failure {
    error: OAuthError,
    at: Instant,
    /// Nobody asks before that.
    until: Instant,
}

#[derive(Default, Deserialize)]
struct Denied {
    #[serde(default)]
    error: String,
}

impl OAuth {
    pub(super) fn new(account: ServiceAccount, tls: Arc<ClientConfig>, proxy: Option<Proxy>, context: &Context) -> Arc<Self> {
        // asked once an hour: a connection that stays would only be kept alive for nothing
        let limits = Limits { connections: 1, idle: Some(Duration::from_mins(1)), ..Limits::default() };
        let pool = Pool::through(proxy, account.token_origin().clone(), tls, limits, context);
        Arc::new(Self { account, pool, context: context.clone(), state: Mutex::default() })
    }

    /// A token that is good now. Near its end a new one is fetched behind the sends.
    ///
    /// A refusal from before the question is no answer to it: who asks again, as after the lane was resumed, is told by Google, at most once a
    /// second.
    pub(super) async fn token(self: &Arc<Self>) -> Fetched {
        let asked_at = Instant::now();
        loop {
            match self.look() {
                Look::Here(token) => return Ok(token),
                Look::Waiting(waiting) => return wait(waiting).await,
                Look::Resting(failure) if failure.error.is_refusal() && failure.at < asked_at => sleep_until(failure.until).await,
                Look::Resting(failure) => return Err(failure.error),
            }
        }
    }

    fn look(self: &Arc<Self>) -> Look {
        let mut state = self.lock();
        match &state.token {
            Some(token) if self.left(token) > RENEW_BEFORE => return Look::Here(Arc::clone(token)),
            Some(token) if self.left(token) > UNUSABLE_BEFORE => {
                let token = Arc::clone(token);
                if state.failure().is_none() {
                    self.fetch_once(&mut state);
                }
                return Look::Here(token);
            }
            Some(_) | None => {}
        }
        match state.failure() {
            Some(failure) => Look::Resting(failure.clone()),
            None => Look::Waiting(self.fetch_once(&mut state)),
        }
    }

    /// Google refused `refused`: the next one, unless somebody has fetched it already.
    pub(super) async fn after(self: &Arc<Self>, refused: &Arc<AccessToken>) -> Fetched {
        {
            let mut state = self.lock();
            if state.token.as_ref().is_some_and(|token| Arc::ptr_eq(token, refused)) {
                state.token = None;
            }
        }
        self.token().await
    }

    fn left(&self, token: &AccessToken) -> Duration {
        token.expires_at.saturating_sub(self.context.clock.monotonic())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Joins the fetch under way, or starts one. It is a task of its own: a sender that gives up does not end it.
    fn fetch_once(self: &Arc<Self>, state: &mut State) -> watch::Receiver<Option<Fetched>> {
        if let Some(waiting) = &state.under_way {
            return waiting.clone();
        }
        let (tell, waiting) = watch::channel(None);
        state.under_way = Some(waiting.clone());
        let oauth = Arc::clone(self);
        self.context.tasks.spawn(async move {
            let fetched = oauth.fetch().await;
            oauth.keep(&fetched);
            tell.send_replace(Some(fetched));
        });
        waiting
    }

    fn keep(&self, fetched: &Fetched) {
        let mut state = self.lock();
        state.under_way = None;
        match fetched {
            Ok(token) => {
                state.token = Some(Arc::clone(token));
                state.failed = None;
            }
            Err(error) => {
                tracing::warn!(provider = "fcm", project = self.account.project_id(), %error, "no access token");
                let usable = state.token.as_ref().map(|token| self.left(token).saturating_sub(UNUSABLE_BEFORE));
                let rest = usable.unwrap_or_default().clamp(REST, REST_BETWEEN_RENEWALS);
                let rest = if let OAuthError::Unavailable { retry_after: Some(wait), .. } = error { *wait } else { rest };
                let at = Instant::now();
                state.failed = Some(Failure { error: error.clone(), at, until: at + rest });
            }
        }
    }

    async fn fetch(&self) -> Fetched {
        let assertion = self.account.assertion(self.context.clock.now()).map_err(|_| OAuthError::Sign)?;
        let form = format!("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion={}", assertion.expose());
        let asked_at = self.context.clock.monotonic();
        let deadline = Instant::now() + self.context.send_timeout;
        let answer = self.pool.send(|| Some(self.head()), Bytes::from(form), Want::any(), deadline).await.map_err(OAuthError::Http)?;
        self.read(&answer, asked_at)
    }

    fn read(&self, answer: &Answer, asked_at: Duration) -> Fetched {
        if answer.status == StatusCode::OK
            && let Some(token) = granted(&answer.body, asked_at)
        {
            return Ok(Arc::new(token));
        }
        if answer.status.is_client_error() && !matches!(answer.status.as_u16(), 408 | 429) {
            let denied: Denied = serde_json::from_slice(&answer.body).unwrap_or_default();
            if !PASSING.contains(&denied.error.as_str()) {
                let word = if denied.error.is_empty() { answer.status.to_string() } else { denied.error };
                return Err(OAuthError::Refused(word));
            }
        }
        let retry_after = retry_after(&answer.headers, self.context.clock.now());
        Err(OAuthError::Unavailable { status: answer.status, retry_after })
    }

    fn head(&self) -> Request<()> {
        let mut request = Request::new(());
        *request.method_mut() = Method::POST;
        *request.version_mut() = Version::HTTP_2;
        *request.uri_mut() = self.account.token_uri().clone();
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        request
    }
}

impl State {
    /// The last failure, while nobody is to ask again.
    fn failure(&mut self) -> Option<&Failure> {
        self.failed.take_if(|failure| failure.until <= Instant::now());
        self.failed.as_ref()
    }
}

fn granted(body: &[u8], asked_at: Duration) -> Option<AccessToken> {
    let mut granted: Map<String, Value> = serde_json::from_slice(body).ok()?;
    let Some(Value::String(token)) = granted.remove("access_token") else { return None };
    let token = Secret::new(token);
    let life = granted.get("expires_in").and_then(|life| life.as_u64().or_else(|| life.as_str()?.parse().ok()));
    let mut authorization = HeaderValue::try_from(format!("Bearer {}", token.expose())).ok()?;
    authorization.set_sensitive(true);
    Some(AccessToken { authorization, expires_at: asked_at + Duration::from_secs(life.unwrap_or(USUAL_LIFE)) })
}

async fn wait(mut waiting: watch::Receiver<Option<Fetched>>) -> Fetched {
    let ended = Err(OAuthError::Http(http2::Error::ShuttingDown));
    waiting.wait_for(Option::is_some).await.map_or(ended.clone(), |fetched| fetched.clone().unwrap_or(ended))
}
