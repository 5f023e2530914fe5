//! The look-alike of FCM HTTP v1, with Google's token endpoint on the same listener.
//!
//! It knows one project and one service account. A `validate_only` message is checked and
//! answered as any other, but is no push: it is not written down, refused or not.

mod answer;
mod checks;
mod message;
mod value;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http::header::AUTHORIZATION;
use http::{Method, StatusCode};
use serde_json::Value;

use super::behaviour::{Conduct, Fault, Provider};
use super::book::{Book, Booking};
use super::conduct::Shared;
use super::look_alike::{Arrived, Ending, LookAlike, Verdict};
use super::oauth::{self, Bearer, OAuth};
use super::record::{Record, Source};
use answer::Refusal;
use checks::Push;

/// The look-alike.
pub(super) struct Fcm {
    project_id: String,
    send_path: String,
    oauth: Arc<OAuth>,
    shared: Arc<Shared>,
    /// Numbers the messages.
    messages: AtomicU64,
}

impl Fcm {
    pub(super) fn new(project_id: &str, oauth: Arc<OAuth>, shared: Arc<Shared>) -> Self {
        Self {
            send_path: format!("/v1/projects/{project_id}/messages:send"),
            project_id: project_id.to_owned(),
            oauth,
            shared,
            messages: AtomicU64::new(0),
        }
    }

    /// What is wrong with a request, or its push.
    fn check<'a>(&self, bearer: &mut Bearer, request: &'a Arrived) -> Result<Push<'a>, Refusal> {
        let parts = &request.parts;
        if parts.method != Method::POST {
            return Err(Refusal::NotFound);
        }
        let authorization = parts.headers.get(AUTHORIZATION);
        let authorization = authorization.map(http::HeaderValue::as_bytes);
        if !self.oauth.is_valid(bearer, authorization, request.received_ms) {
            return Err(Refusal::Unauthenticated);
        }
        if parts.uri.path() != self.send_path {
            return Err(Refusal::NotFound);
        }
        checks::check(&request.body).map_err(Refusal::Invalid)
    }

    /// What becomes of a push that is as it should be.
    fn conduct(&self, conduct: &Conduct, push: &Push<'_>, request: &Arrived) -> (Option<Booking>, Ending) {
        match conduct {
            Conduct::Good => self.accept(StatusCode::OK, push, request),
            Conduct::Respond(respond) if respond.is_success() => {
                let status = StatusCode::from_u16(respond.status).unwrap_or_default();
                self.accept(status, push, request)
            }
            Conduct::Respond(respond) => {
                let booking = Booking { record: record_of(push, request).answered(respond.status), accepted: None };
                (Some(booking), Ending::Answer(answer::scripted(respond)))
            }
            Conduct::Fault(Fault::Stall) => {
                let record = record_of(push, request);
                (Some(self.booking(record, push)), Ending::Stall)
            }
            Conduct::Fault(Fault::Goaway) => (None, Ending::Goaway),
            Conduct::Fault(Fault::Reset) => (None, Ending::Reset),
            Conduct::Fault(Fault::ResetConnection) => (None, Ending::ResetConnection),
        }
    }

    fn accept(&self, status: StatusCode, push: &Push<'_>, request: &Arrived) -> (Option<Booking>, Ending) {
        let record = record_of(push, request).answered(status.as_u16());
        let booking = self.booking(record, push);
        let number = self.messages.fetch_add(1, Ordering::Relaxed);
        let project = &self.project_id;
        let name = if push.validate_only {
            format!("projects/{project}/messages/fake_message_id")
        } else {
            let at_ms = request.received_ms;
            format!("projects/{project}/messages/0:{at_ms}%{number:016x}")
        };
        (Some(booking), Ending::Answer(answer::success(status, &name)))
    }

    fn booking(&self, record: Record, push: &Push<'_>) -> Booking {
        let address = (Source::Fcm, &*push.target);
        self.book().accepted(record, address, &push.herald_id, push.is_device)
    }
}

fn refuse(refusal: &Refusal, request: &Arrived) -> Verdict {
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let is_push = ["validate_only", "validateOnly"].iter().all(|name| body.get(name) != Some(&Value::Bool(true)));
    let record = record(named_token(&body), request).answered(refusal.status().as_u16());
    Verdict { booking: is_push.then_some(Booking { record, accepted: None }), ..Verdict::unbooked(refusal.answer()) }
}

fn record_of(push: &Push<'_>, request: &Arrived) -> Record {
    record(&push.target, request).fanned_out(!push.is_device)
}

fn record(target: &str, request: &Arrived) -> Record {
    let Arrived { parts, body, received_ms } = request;
    Record::new(Source::Fcm, target, &parts.headers, body).received(*received_ms)
}

/// The token in a body that was refused, as far as one can be made out.
fn named_token(body: &Value) -> &str {
    let message = body.get("message");
    let text = |name: &str| message?.get(name)?.as_str();
    text("token").or_else(|| text("fid")).unwrap_or_default()
}

impl LookAlike for Fcm {
    type Connection = Bearer;

    fn decide(&self, bearer: &mut Bearer, request: Arrived) -> Verdict {
        if request.parts.uri.path() == oauth::PATH {
            return self.oauth.decide(&self.shared, &request);
        }
        let push = match self.check(bearer, &request) {
            Ok(push) => push,
            Err(refusal) => return refuse(&refusal, &request),
        };
        let (delay, conduct) = self.shared.conduct(Provider::Fcm, Source::Fcm, &push.target);
        let (booking, ending) = self.conduct(&conduct, &push, &request);
        Verdict { delay, booking: booking.filter(|_| !push.validate_only), ending }
    }

    fn proven(&self, _: &Bearer) -> bool {
        true
    }

    fn book(&self) -> &Book {
        &self.shared.book
    }

    fn now_ms(&self) -> i64 {
        self.shared.now_ms()
    }
}
