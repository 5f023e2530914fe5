//! Every status and reason that push services document, and what it comes to.

use std::time::Duration;

use serde_json::json;

use super::*;

const PATIENCE: Patience = Patience { retry_after: Some(Duration::from_secs(7)), floors: true };
const MISMATCH: &str =
    "the VAPID credentials in the authorization header do not correspond to the credentials used to create the subscriptions.\n";

fn rejected(reason: &str) -> Outcome {
    Outcome::MessageRejected { reason: Reason::new(reason), too_large: false }
}

fn too_large(reason: &str) -> Outcome {
    Outcome::MessageRejected { reason: Reason::new(reason), too_large: true }
}

fn dead(reason: &str) -> Outcome {
    Outcome::TokenDead { since: None, reason: Reason::new(reason) }
}

fn mismatched(reason: &str) -> Outcome {
    Outcome::TokenMismatched { reason: Reason::new(reason) }
}

fn refused(reason: &str) -> Outcome {
    Outcome::CredentialRefused { reason: Reason::new(reason), scope: RefusalScope::Lane }
}

fn throttled(reason: &str) -> Outcome {
    Outcome::Throttled { retry_after: PATIENCE.retry_after, reason: Reason::new(reason), scope: ThrottleScope::Token }
}

fn unavailable(reason: &str) -> Outcome {
    Outcome::Unavailable { retry_after: PATIENCE.retry_after, reason: Reason::new(reason), fault: Fault::Answered }
}

fn read(status: u16, body: &str) -> Verdict {
    classify(StatusCode::from_u16(status).unwrap(), body.as_bytes(), PATIENCE, || Blame::Key)
}

#[test]
fn every_documented_answer_has_its_outcome() {
    let apple = |word: &str| json!({"reason": word}).to_string();
    let mozilla = |code: u16, errno: u64| json!({"code": code, "errno": errno, "error": "x", "message": "y"}).to_string();
    let none = String::new;
    for (status, body, expected) in [
        // RFC 8030, without a word
        (301, none(), rejected("status 301")),
        (302, none(), rejected("status 302")),
        (307, none(), rejected("status 307")),
        (308, none(), rejected("status 308")),
        (400, none(), rejected("status 400")),
        (401, none(), refused("status 401")),
        (403, none(), refused("status 403")),
        (404, none(), dead("status 404")),
        (405, none(), rejected("status 405")),
        (406, none(), throttled("status 406")),
        (408, none(), unavailable("status 408")),
        (410, none(), dead("status 410")),
        (413, none(), too_large("status 413")),
        (415, none(), rejected("status 415")),
        (429, none(), throttled("status 429")),
        (500, none(), unavailable("status 500")),
        (502, none(), unavailable("status 502")),
        (503, none(), unavailable("status 503")),
        (504, none(), unavailable("status 504")),
        // Apple
        (400, apple("BadTtl"), rejected("BadTtl")),
        (400, apple("BadUrgency"), rejected("BadUrgency")),
        (400, apple("BadWebPushRequest"), rejected("BadWebPushRequest")),
        (400, apple("BadWebPushTopic"), rejected("BadWebPushTopic")),
        (400, apple("VapidPkHashMismatch"), mismatched("VapidPkHashMismatch")),
        (403, apple("BadAuthorizationHeader"), refused("BadAuthorizationHeader")),
        (403, apple("BadJwtToken"), refused("BadJwtToken")),
        (403, apple("BadVapidPublicKey"), refused("BadVapidPublicKey")),
        (404, apple("BadPath"), rejected("BadPath")),
        (405, apple("MethodNotAllowed"), rejected("MethodNotAllowed")),
        (410, apple("Unregistered"), dead("Unregistered")),
        (413, apple("PayloadTooLarge"), too_large("PayloadTooLarge")),
        (429, apple("TooManyRequests"), throttled("TooManyRequests")),
        (400, apple("IdleTimeout"), unavailable("IdleTimeout")),
        (500, apple("InternalServerError"), unavailable("InternalServerError")),
        (503, apple("ServiceUnavailable"), unavailable("ServiceUnavailable")),
        (503, apple("Shutdown"), unavailable("Shutdown")),
        (400, apple("SomethingNew"), rejected("SomethingNew")),
        (500, apple(""), unavailable("status 500")),
        // Mozilla
        (400, mozilla(400, 101), rejected("errno 101")),
        (404, mozilla(404, 102), dead("errno 102")),
        (404, mozilla(404, 103), dead("errno 103")),
        (413, mozilla(413, 104), too_large("errno 104")),
        (410, mozilla(410, 105), dead("errno 105")),
        (410, mozilla(410, 106), dead("errno 106")),
        (401, mozilla(401, 109), refused("errno 109")),
        (400, mozilla(400, 110), rejected("errno 110")),
        (400, mozilla(400, 111), rejected("errno 111")),
        (400, mozilla(400, 112), rejected("errno 112")),
        (400, mozilla(400, 113), rejected("errno 113")),
        (503, mozilla(503, 201), unavailable("errno 201")),
        (503, mozilla(503, 202), unavailable("errno 202")),
        (502, mozilla(502, 900), unavailable("errno 900")),
        (502, mozilla(502, 901), unavailable("errno 901")),
        (502, mozilla(502, 902), unavailable("errno 902")),
        (502, mozilla(502, 903), unavailable("errno 903")),
        (500, mozilla(500, 999), unavailable("status 500")),
        // a subscription made with another key
        (401, json!({"code": 401, "errno": 109, "message": "VAPID public key mismatch"}).to_string(), mismatched("errno 109")),
        (403, MISMATCH.to_owned(), mismatched("status 403")),
        (403, "the key in the authorization header does not correspond to the sender ID used".to_owned(), mismatched("status 403")),
        // nonsense
        (404, "<html>".to_owned(), dead("status 404")),
        (400, r#"{"reason": 5, "errno": "x"}"#.to_owned(), rejected("status 400")),
        (400, "[]".to_owned(), rejected("status 400")),
        (500, "\u{0}".to_owned(), unavailable("status 500")),
    ] {
        assert_eq!(read(status, &body).outcome, expected, "{status} {body}");
    }
}

/// A refusal that does not say whose fault it is follows what is known of the key: a service that has taken it holds up nobody, and while nothing
/// is known the push waits. What a service does say stays said.
#[test]
fn what_a_service_does_not_say_is_judged_by_what_is_known() {
    let read = |status, body: &str, blame| classify(StatusCode::from_u16(status).unwrap(), body.as_bytes(), PATIENCE, || blame).outcome;
    for (status, body, reason) in [(401, "", "status 401"), (403, "whatever", "status 403"), (401, r#"{"errno": 109}"#, "errno 109")] {
        for (blame, expected) in [(Blame::Push, rejected(reason)), (Blame::Open, unavailable(reason)), (Blame::Key, refused(reason))] {
            assert_eq!(read(status, body, blame), expected, "{status} {body} {blame:?}");
        }
    }
    for blame in [Blame::Push, Blame::Open, Blame::Key] {
        assert_eq!(read(403, MISMATCH, blame), mismatched("status 403"));
        assert_eq!(read(400, r#"{"reason": "VapidPkHashMismatch"}"#, blame), mismatched("VapidPkHashMismatch"));
        assert_eq!(read(403, r#"{"reason": "BadJwtToken"}"#, blame), refused("BadJwtToken"));
        assert_eq!(read(404, "", blame), dead("status 404"));
    }
}

#[test]
fn another_token_is_tried_where_it_may_help() {
    for (status, body, resign) in [
        (401, "", true),
        (403, "", true),
        (403, r#"{"reason": "BadJwtToken"}"#, true),
        (401, r#"{"errno": 109}"#, true),
        (403, MISMATCH, false),
        (400, r#"{"reason": "VapidPkHashMismatch"}"#, false),
        (400, "", false),
        (410, "", false),
        (503, "", false),
    ] {
        assert_eq!(read(status, body).resign, resign, "{status} {body}");
    }
}

#[test]
fn no_wait_is_made_up() {
    let none = Patience { retry_after: None, floors: true };
    for status in [429, 500, 503] {
        let outcome = classify(StatusCode::from_u16(status).unwrap(), b"", none, || Blame::Push).outcome;
        let (Outcome::Throttled { retry_after, .. } | Outcome::Unavailable { retry_after, .. }) = outcome else { panic!("{outcome:?}") };
        assert_eq!(retry_after, None, "{status}");
    }
}
