//! Phones: who calls with a client token, a receipt token, or a token of the app's own sign-in, and which devices are theirs.

use std::time::Duration;

use axum::extract::FromRequestParts;
use http::request::Parts;
use http::{HeaderMap, HeaderName, Method};
use moka::sync::Cache;
use uuid::Uuid;

use super::report::Reporter;
use super::{Caller, Need, ToKnowOneself, bearer_of, is_token};
use crate::api::Api;
use crate::api::client_tokens::{Lets, not_ours};
use crate::api::json::{Given, Unknown};
use crate::api::limits;
use crate::api::problem::{Code, Problem};
use crate::domain::device::{Device, Platform};
use crate::domain::id::AppId;
use crate::domain::phone_settings::Required;
use crate::domain::principal::Principal;
use crate::domain::version::Version;
use crate::store::device::SEEN_EVERY;

/// How often a device is looked up to note that its phone called.
const LOOK_EVERY: Duration = Duration::from_mins(10);
/// Phones that are remembered for that, at most.
const PHONES: u64 = 10_000;
/// Which version of the app calls.
const APP_VERSION: HeaderName = HeaderName::from_static("x-app-version");

/// A phone that may act for a user, or for a device on which nobody is signed in.
#[derive(Debug)]
pub(in crate::api) struct Phone {
    /// The app.
    pub(in crate::api) app: AppId,
    principal: Principal,
    /// What its one device runs on, where the token is bound to one and that is registered.
    platform: Option<Platform>,
}

/// The phones that called lately for a device of their own.
pub(in crate::api) struct SeenPhones(Cache<(AppId, Principal), Sighting>);

#[derive(Clone, Copy)]
struct Sighting {
    at: Duration,
    platform: Platform,
}

impl Default for SeenPhones {
    fn default() -> Self {
        Self(Cache::new(PHONES))
    }
}

/// Whoever has a token.
pub(super) enum Bearer {
    Phone(Phone),
    Reporter(Reporter),
}

/// Someone with a key that has the scope of `N`, or a phone.
pub(in crate::api) enum KeyOrPhone<N> {
    /// A key may do it to every device of its app.
    Key(Caller<N>),
    /// A phone to its own.
    Phone(Phone),
}

impl Phone {
    /// Of what a token says; `None`: it says neither who nor what it is.
    fn new(app: AppId, user: Option<String>, device: Option<String>) -> Option<Self> {
        let principal = match (user, device) {
            (Some(user), device) => Principal::User { user, device },
            (None, Some(device)) => Principal::Installation { device },
            (None, None) => return None,
        };
        Some(Self { app, principal, platform: None })
    }

    /// Who is signed in; `None`: nobody, it acts for a device alone.
    pub(in crate::api) fn user(&self) -> Option<&str> {
        match &self.principal {
            Principal::User { user, .. } => Some(user),
            Principal::Installation { .. } | Principal::Backend => None,
        }
    }

    /// The one device that it is bound to.
    pub(in crate::api) fn device(&self) -> Option<&str> {
        self.principal.bound_to()
    }

    /// Whether a device of this name may be its own: a token that is bound to one knows of no other.
    pub(in crate::api) fn may_have(&self, device: &str) -> bool {
        !self.principal.is_bound_elsewhere(device)
    }

    /// Whether a device is its own.
    pub(in crate::api) fn owns(&self, device: &Device) -> bool {
        self.principal.owns(device)
    }

    /// Refuses a name that cannot be its own device's.
    pub(in crate::api) fn check_name(&self, device: &str) -> Result<(), Problem> {
        if self.may_have(device) { Ok(()) } else { Err(Problem::not_found("device")) }
    }

    /// Whose a device is that it registers: its own user's, whether the request says so or nothing.
    pub(in crate::api) fn check_user(&self, given: Given<String>) -> Result<Given<String>, Problem> {
        let own = self.user().map_or(Given::Null, |user| Given::Value(user.to_owned()));
        match given {
            Given::Absent => Ok(own),
            given if given == own => Ok(own),
            Given::Null | Given::Value(_) => Err(Problem::new(Code::UserMismatch, "user_id is not that of the client token")),
        }
    }

    /// Its own device of a name. What is another's is not there.
    pub(in crate::api) async fn own(&self, api: &Api, name: &str) -> Result<Device, Problem> {
        self.check_name(name)?;
        let device = api.store.device(self.app, name).await?.filter(|device| self.owns(device));
        let device = device.ok_or_else(|| Problem::not_found("device"))?;
        self.seen_on(api, &device).await?;
        Ok(device)
    }

    /// What the app asks of this installation.
    pub(in crate::api) fn required(&self, api: &Api) -> Required {
        api.path.phone_settings(self.app).required(self.platform)
    }

    /// Refuses a version of the app that is too old. One that says nothing that is a version is not judged.
    fn check_version(&self, api: &Api, headers: &HeaderMap) -> Result<(), Problem> {
        let said = headers.get(APP_VERSION).and_then(|value| value.to_str().ok());
        let Some(version) = said.and_then(Version::read) else { return Ok(()) };
        let required = self.required(api);
        if required.refuses(&version) { Err(Problem::client_too_old(required)) } else { Ok(()) }
    }

    async fn admitted(self, api: &Api, family: Option<Uuid>) -> Result<Bearer, Problem> {
        api.limits.take(self.counted(family))?;
        let platform = self.seen(api).await?;
        Ok(Bearer::Phone(Self { platform, ..self }))
    }

    /// What its requests count for.
    fn counted(&self, family: Option<Uuid>) -> limits::Caller<'_> {
        match (self.device(), family) {
            (Some(device), _) => limits::Caller::Device(self.app, self.user(), device),
            (None, Some(family)) => limits::Caller::Family(family),
            (None, None) => limits::Caller::User(self.app, self.user().unwrap_or_default()),
        }
    }

    /// Notes that it called for a device of its own.
    async fn seen_on(&self, api: &Api, device: &Device) -> Result<(), Problem> {
        let now = api.clock.now();
        if now.signed_duration_since(device.last_seen_at) >= SEEN_EVERY {
            api.store.saw_device(self.app, &device.name, now).await?;
        }
        Ok(())
    }

    /// Any call with a token that is bound to a device is one for that device; once it is there, it is looked up now and then only. Answers
    /// what it runs on.
    async fn seen(&self, api: &Api) -> Result<Option<Platform>, Problem> {
        let Some(name) = self.device() else { return Ok(None) };
        let (key, at) = ((self.app, self.principal.clone()), api.clock.monotonic());
        if let Some(seen) = api.seen.0.get(&key)
            && at.saturating_sub(seen.at) < LOOK_EVERY
        {
            return Ok(Some(seen.platform));
        }
        let Some(device) = api.store.device(self.app, name).await?.filter(|device| self.owns(device)) else { return Ok(None) };
        api.seen.0.insert(key, Sighting { at, platform: device.platform });
        self.seen_on(api, &device).await?;
        Ok(Some(device.platform))
    }
}

impl<N> KeyOrPhone<N> {
    /// The app.
    pub(in crate::api) fn app(&self) -> AppId {
        match self {
            Self::Key(caller) => caller.app,
            Self::Phone(phone) => phone.app,
        }
    }

    /// The phone, if it is one.
    pub(in crate::api) fn phone(&self) -> Option<&Phone> {
        match self {
            Self::Key(_) => None,
            Self::Phone(phone) => Some(phone),
        }
    }

    /// Who asks, as the store takes it: there it is decided whose a device is, in one transaction with what is done to it.
    pub(in crate::api) fn principal(&self) -> Principal {
        match self {
            Self::Key(_) => Principal::Backend,
            Self::Phone(phone) => phone.principal.clone(),
        }
    }

    /// What becomes of what it says that is not known here.
    pub(in crate::api) fn unknown(&self) -> Unknown {
        Unknown::of(&self.principal())
    }

    /// A device that it may read.
    pub(in crate::api) async fn device(&self, api: &Api, name: &str) -> Result<Device, Problem> {
        match self {
            Self::Key(caller) => api.store.device(caller.app, name).await?.ok_or_else(|| Problem::not_found("device")),
            Self::Phone(phone) => phone.own(api, name).await,
        }
    }
}

/// What is for phones alone, `/v1/me/…`, is only for versions of the app that are not too old. All else that a phone may goes on, so that it can register,
/// sign out and report.
impl FromRequestParts<Api> for Phone {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        let no_token = || Problem::new(Code::TokenInvalid, "a client token is needed: Authorization: Bearer <access token>");
        let Some(text) = bearer_of(parts) else { return Err(no_token()) };
        if is_token(text) {
            let phone = read(api, &parts.method, text).await?.phone()?;
            phone.check_version(api, &parts.headers)?;
            return Ok(phone);
        }
        match Caller::<ToKnowOneself>::from_request_parts(parts, api).await {
            Ok(_) => Err(Problem::new(Code::ScopeMissing, "this is for phones: it needs a client token")),
            // an app that calls here signs in again; of keys it knows nothing
            Err(problem) if problem.code() == Code::KeyInvalid => Err(no_token()),
            Err(problem) => Err(problem),
        }
    }
}

impl<N: Need> FromRequestParts<Api> for KeyOrPhone<N> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        match bearer_of(parts).filter(|text| is_token(text)) {
            Some(text) => read(api, &parts.method, text).await?.phone().map(Self::Phone),
            None => Caller::from_request_parts(parts, api).await.map(Self::Key),
        }
    }
}

impl Bearer {
    fn phone(self) -> Result<Phone, Problem> {
        match self {
            Self::Phone(phone) => Ok(phone),
            Self::Reporter(_) => Err(Problem::new(Code::ScopeMissing, "a receipt token only reports receipts")),
        }
    }
}

/// Refuses whoever has a good token where a key is needed, and says what is wrong with one that is not good.
pub(super) async fn refuse(api: &Api, method: &Method, token: &str, needed: Option<crate::store::key::Scope>) -> Problem {
    match read(api, method, token).await {
        Ok(_) => Problem::key_needed(needed),
        Err(problem) => problem,
    }
}

/// Whose a token is.
pub(super) async fn read(api: &Api, method: &Method, token: &str) -> Result<Bearer, Problem> {
    if let Some(signed_in) = api.sign_ins.read(token, api.clock.now()) {
        let signed_in = signed_in?;
        let phone = Phone::new(signed_in.app, signed_in.user, signed_in.device).filter(|phone| api.path.has_app(phone.app));
        return phone.ok_or_else(not_ours)?.admitted(api, None).await;
    }
    let says = api.issuer.read(token).await?;
    let app = api.path.app_named(&says.app).ok_or_else(not_ours)?;
    match says.lets {
        Lets::Act { family, generation, device } => {
            api.issuer.check_standing(app, (family, generation, device.as_deref()), method).await?;
            Phone::new(app, says.user, device).ok_or_else(not_ours)?.admitted(api, Some(family)).await
        }
        Lets::Report { device } => {
            api.limits.take(limits::Caller::Reporter(app, says.user.as_deref(), &device))?;
            Ok(Bearer::Reporter(Reporter { app, device, user: says.user }))
        }
    }
}
