//! The look-alike of a web push service (RFC 8030), with subscriptions of its own.
//!
//! It checks what push services check, and what a browser finds out later: a push to a subscription that was made here is
//! decrypted, and shown as the service worker would get it. One to any other path below `/push/` is taken as well, unless its
//! form is wrong; what is shown of it is its body in base64url, as a JSON string.

mod answer;
mod checks;
mod open;
mod subscriptions;
mod vapid;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::StatusCode;
use http::header::AUTHORIZATION;
use serde_json::Value;

use super::behaviour::{Conduct, Fault, Provider};
use super::book::{Book, Booking};
use super::conduct::Shared;
use super::look_alike::{Arrived, Ending, LookAlike, Verdict};
use super::record::{Record, Source};
use answer::Refusal;
use vapid::Verifier;

pub(super) use subscriptions::{Asked, Subscriptions, Unmade};

/// What endpoints begin with, before the subscription's id.
pub(super) const PATH: &str = "/push/";

/// The look-alike.
pub(super) struct Webpush {
    subscriptions: Arc<Subscriptions>,
    verifier: Verifier,
    shared: Arc<Shared>,
    /// Numbers the messages.
    messages: AtomicU64,
}

/// A push that passed the checks.
struct Push<'a> {
    id: &'a str,
    /// What is shown of it.
    body: Bytes,
    herald_id: String,
    request: &'a Arrived,
}

impl Webpush {
    pub(super) fn new(subscriptions: Arc<Subscriptions>, shared: Arc<Shared>) -> Self {
        let verifier = Verifier::new(subscriptions.origin().to_owned());
        Self { subscriptions, verifier, shared, messages: AtomicU64::new(0) }
    }

    /// What is wrong with a request, or its push.
    fn check<'a>(&self, id: &'a str, request: &'a Arrived) -> Result<Push<'a>, Refusal> {
        let parts = &request.parts;
        checks::check_form(parts, id)?;
        let key = self.verifier.check(parts.headers.get(AUTHORIZATION), request.received_ms)?;
        let subscription = self.subscriptions.get(id);
        if subscription.as_ref().is_some_and(|subscription| subscription.application_server_key != key) {
            return Err(Refusal::OtherKey);
        }
        checks::check_headers(&parts.headers)?;
        let sealed = checks::check_body(&request.body)?;
        let Some(subscription) = subscription else {
            let body = Value::String(URL_SAFE_NO_PAD.encode(&request.body)).to_string();
            return Ok(Push { id, body: body.into(), herald_id: String::new(), request });
        };
        let body = open::open(&sealed, &subscription).ok_or(Refusal::Sealed("The message cannot be decrypted"))?;
        let json: Value = serde_json::from_slice(&body).unwrap_or_default();
        let herald_id = json.pointer("/data/herald_id").and_then(Value::as_str).unwrap_or_default().to_owned();
        Ok(Push { id, body: body.into(), herald_id, request })
    }

    /// What becomes of a push that is as it should be.
    fn conduct(&self, conduct: &Conduct, push: &Push<'_>) -> (Option<Booking>, Ending) {
        match conduct {
            Conduct::Good => self.accept(StatusCode::CREATED, push),
            Conduct::Respond(respond) if respond.is_success() => {
                self.accept(StatusCode::from_u16(respond.status).unwrap_or_default(), push)
            }
            Conduct::Respond(respond) => {
                let booking = Booking { record: push.record().answered(respond.status), accepted: None };
                (Some(booking), Ending::Answer(answer::scripted(respond)))
            }
            Conduct::Fault(Fault::Stall) => (Some(self.booking(push.record(), push)), Ending::Stall),
            Conduct::Fault(Fault::Goaway) => (None, Ending::Goaway),
            Conduct::Fault(Fault::Reset) => (None, Ending::Reset),
            Conduct::Fault(Fault::ResetConnection) => (None, Ending::ResetConnection),
        }
    }

    fn accept(&self, status: StatusCode, push: &Push<'_>) -> (Option<Booking>, Ending) {
        let booking = self.booking(push.record().answered(status.as_u16()), push);
        let number = self.messages.fetch_add(1, Ordering::Relaxed);
        let location = format!("{}/message/{number:016x}", self.subscriptions.origin());
        (Some(booking), Ending::Answer(answer::success(status, &location, &push.request.parts.headers)))
    }

    fn booking(&self, record: Record, push: &Push<'_>) -> Booking {
        self.book().accepted(record, (Source::Webpush, push.id), &push.herald_id, true)
    }
}

impl Push<'_> {
    fn record(&self) -> Record {
        record(self.id, &self.body, self.request)
    }
}

fn record(id: &str, body: &Bytes, request: &Arrived) -> Record {
    Record::new(Source::Webpush, id, &request.parts.headers, body).received(request.received_ms)
}

fn refuse(refusal: &Refusal, id: &str, request: &Arrived) -> Verdict {
    let body = Value::String(URL_SAFE_NO_PAD.encode(&request.body)).to_string();
    let record = record(id, &body.into(), request).answered(refusal.status().as_u16());
    Verdict { booking: Some(Booking { record, accepted: None }), ..Verdict::unbooked(refusal.answer()) }
}

impl LookAlike for Webpush {
    type Connection = ();

    fn decide(&self, (): &mut (), request: Arrived) -> Verdict {
        let id = request.parts.uri.path().strip_prefix(PATH).unwrap_or_default();
        let push = match self.check(id, &request) {
            Ok(push) => push,
            Err(refusal) => return refuse(&refusal, id, &request),
        };
        let (delay, conduct) = self.shared.conduct(Provider::Webpush, Source::Webpush, id);
        let (booking, ending) = self.conduct(&conduct, &push);
        Verdict { delay, booking, ending }
    }

    fn proven(&self, (): &()) -> bool {
        true
    }

    fn book(&self) -> &Book {
        &self.shared.book
    }

    fn now_ms(&self) -> i64 {
        self.shared.now_ms()
    }
}
