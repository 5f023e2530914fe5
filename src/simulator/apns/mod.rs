//! The look-alike of APNs: `POST /3/device/<token>` and `POST /4/broadcasts/apps/<bundle id>` over HTTP/2 with a provider token.
//!
//! It knows one team, one key and one bundle id. A connection allows few streams until its first
//! valid token. A client with a certificate of the simulator's authority needs no token, and may
//! not send what Apple takes from token keys only. The management of broadcast channels and shrinking
//! stream limits are not imitated.

mod answer;
mod broadcast;
mod checks;
mod jwt;
mod payload;
mod reason;
mod topic;

use std::sync::Arc;

use http::StatusCode;
use http::header::AUTHORIZATION;
use jsonwebtoken::DecodingKey;

use super::behaviour::{Conduct, Fault, Provider};
use super::book::{Book, Booking};
use super::conduct::Shared;
use super::look_alike::{Arrived, Ending, LookAlike, Verdict};
use super::record::{Record, Source};
use jwt::{ProviderTokens, Verifier};
use reason::Reason;
use topic::PushType;

/// The credentials that both endpoints accept.
pub(super) struct Credentials {
    verifier: Verifier,
    bundle_id: String,
}

impl Credentials {
    pub(super) fn new(public: DecodingKey, key_id: &str, team_id: &str, bundle_id: &str) -> Self {
        Self { verifier: Verifier::new(public, key_id, team_id), bundle_id: bundle_id.to_owned() }
    }

    /// Takes another key of the team, with those before or in their place.
    pub(super) fn rotate(&self, key_id: String, public: DecodingKey, revoke: bool) {
        self.verifier.rotate(key_id, public, revoke);
    }
}

/// One of the two endpoints.
pub(super) struct Apns {
    pub(super) source: Source,
    pub(super) credentials: Arc<Credentials>,
    pub(super) shared: Arc<Shared>,
}

impl Apns {
    /// What is wrong with a request, or its `herald_id`.
    fn check<'a>(&self, link: &mut Link, address: &Address<'_>, request: &'a Arrived) -> Result<&'a str, Reason> {
        checks::check_form(&request.parts)?;
        let headers = &request.parts.headers;
        let authorization = headers.get(AUTHORIZATION).map(http::HeaderValue::as_bytes);
        let Credentials { verifier, bundle_id } = &*self.credentials;
        if !link.certified {
            verifier.check(&mut link.tokens, authorization, request.received_ms)?;
        }
        let token = match address {
            Address::Device(token) => token,
            Address::Channel { app, .. } => {
                broadcast::check_headers(headers, (app, bundle_id))?;
                return broadcast::check_payload(&request.body);
            }
        };
        let push_type = checks::check_headers(headers, bundle_id)?;
        if link.certified && push_type == Some(PushType::Location) {
            return Err(Reason::TopicDisallowed);
        }
        checks::check_token(token)?;
        payload::check(&request.body, push_type)
    }

    fn refuse(&self, reason: Reason, address: &Address<'_>, request: &Arrived) -> Verdict {
        let record = self.record(address, request);
        let answer = answer::refusal(reason, &request.parts.headers);
        Verdict {
            booking: Some(Booking { record: record.answered(reason.status().as_u16()), accepted: None }),
            ..Verdict::unbooked(answer)
        }
    }

    fn record(&self, address: &Address<'_>, request: &Arrived) -> Record {
        let Arrived { parts, body, received_ms } = request;
        Record::new(self.source, address.text(), &parts.headers, body).fanned_out(!address.is_device()).received(*received_ms)
    }

    /// What becomes of a push that is as it should be.
    fn conduct(&self, conduct: &Conduct, push: &Push<'_>) -> (Option<Booking>, Ending) {
        let headers = &push.request.parts.headers;
        let record = || self.record(push.address, push.request);
        match conduct {
            Conduct::Good => self.accept(StatusCode::OK, push),
            Conduct::Respond(respond) if respond.is_success() => {
                let status = StatusCode::from_u16(respond.status).unwrap_or_default();
                self.accept(status, push)
            }
            Conduct::Respond(respond) => {
                let booking = Booking { record: record().answered(respond.status), accepted: None };
                let answer = answer::scripted(respond, headers, push.request.received_ms);
                (Some(booking), Ending::Answer(answer))
            }
            Conduct::Fault(Fault::Stall) => (Some(self.booking(record(), push)), Ending::Stall),
            Conduct::Fault(Fault::Goaway) => (None, Ending::Goaway),
            Conduct::Fault(Fault::Reset) => (None, Ending::Reset),
            Conduct::Fault(Fault::ResetConnection) => (None, Ending::ResetConnection),
        }
    }

    fn accept(&self, status: StatusCode, push: &Push<'_>) -> (Option<Booking>, Ending) {
        let record = self.record(push.address, push.request);
        let booking = self.booking(record.answered(status.as_u16()), push);
        let is_sandbox = self.source == Source::ApnsSandbox;
        let answer = answer::success(status, &push.request.parts.headers, is_sandbox);
        (Some(booking), Ending::Answer(answer))
    }

    fn booking(&self, record: Record, push: &Push<'_>) -> Booking {
        let address = (self.source, push.address.text());
        self.book().accepted(record, address, push.herald_id, push.address.is_device())
    }
}

/// Where a request goes, whatever that looks like.
enum Address<'a> {
    /// A device token.
    Device(&'a str),
    /// A channel of an app.
    Channel {
        app: &'a str,
        /// `channel:…`, which is what tells it from a token.
        text: String,
    },
}

impl<'a> Address<'a> {
    fn of(parts: &'a http::request::Parts) -> Result<Self, Reason> {
        match broadcast::app(parts.uri.path()) {
            Some(app) => {
                let channel = broadcast::channel(&parts.headers).unwrap_or_default();
                Ok(Self::Channel { app, text: format!("channel:{channel}") })
            }
            None => checks::device_token(parts.uri.path()).map(Self::Device),
        }
    }

    fn text(&self) -> &str {
        match self {
            Self::Device(token) => token,
            Self::Channel { text, .. } => text,
        }
    }

    fn is_device(&self) -> bool {
        matches!(self, Self::Device(_))
    }
}

/// A push that passed the checks.
struct Push<'a> {
    address: &'a Address<'a>,
    herald_id: &'a str,
    request: &'a Arrived,
}

/// What is remembered of a connection.
#[derive(Debug, Default)]
pub(super) struct Link {
    tokens: ProviderTokens,
    /// The client showed a certificate; tokens are not looked at then.
    certified: bool,
}

impl LookAlike for Apns {
    type Connection = Link;

    fn connected(&self, certified: bool) -> Link {
        Link { certified, ..Link::default() }
    }

    fn decide(&self, link: &mut Link, request: Arrived) -> Verdict {
        let address = match Address::of(&request.parts) {
            Ok(address) => address,
            Err(reason) => return self.refuse(reason, &Address::Device(""), &request),
        };
        let herald_id = match self.check(link, &address, &request) {
            Ok(herald_id) => herald_id,
            Err(reason) => return self.refuse(reason, &address, &request),
        };
        let (delay, conduct) = self.shared.conduct(Provider::Apns, self.source, address.text());
        let push = Push { address: &address, herald_id, request: &request };
        let (booking, ending) = self.conduct(&conduct, &push);
        Verdict { delay, booking, ending }
    }

    fn proven(&self, link: &Link) -> bool {
        link.certified || link.tokens.any()
    }

    fn book(&self) -> &Book {
        &self.shared.book
    }

    fn now_ms(&self) -> i64 {
        self.shared.now_ms()
    }
}
