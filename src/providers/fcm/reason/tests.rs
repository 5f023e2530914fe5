//! Every row of Google's error page, and what is unknown.

use serde_json::{Value, json};

use super::*;

fn body(code: Option<&str>, more: &[Value]) -> String {
    let mut details = more.to_vec();
    if let Some(code) = code {
        // last: details come in any order
        details.push(json!({"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": code}));
    }
    json!({"error": {"code": 400, "message": "no", "status": "SOME_STATUS", "details": details}}).to_string()
}

fn bad_request(field: &str) -> Value {
    json!({"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [{"field": "x"}, {"field": field, "description": "d"}]})
}

fn apns_error(reason: &str) -> Value {
    json!({"@type": "type.googleapis.com/google.firebase.fcm.v1.ApnsError", "statusCode": 400, "reason": reason})
}

fn read(status: u16, body: &str) -> Verdict {
    classify(StatusCode::from_u16(status).unwrap(), body.as_bytes(), Patience::default())
}

fn rejected(reason: Reason) -> Outcome {
    Outcome::MessageRejected { reason, too_large: false }
}

fn too_large(reason: Reason) -> Outcome {
    Outcome::MessageRejected { reason, too_large: true }
}

fn mismatched(reason: Reason) -> Outcome {
    Outcome::TokenMismatched { reason }
}

fn dead(reason: Reason) -> Outcome {
    Outcome::TokenDead { since: None, reason }
}

fn refused(reason: Reason) -> Outcome {
    Outcome::CredentialRefused { reason, scope: RefusalScope::Lane }
}

fn ios_and_web(reason: Reason) -> Outcome {
    Outcome::CredentialRefused { reason, scope: RefusalScope::IosAndWeb }
}

fn throttled(reason: Reason) -> Outcome {
    Outcome::Throttled { retry_after: None, reason, scope: ThrottleScope::Lane }
}

fn unavailable(reason: Reason) -> Outcome {
    Outcome::Unavailable { retry_after: None, reason, answered: true }
}

type Made = fn(Reason) -> Outcome;

#[test]
fn every_documented_code_has_its_outcome() {
    let rows: [(u16, &str, Vec<Value>, Made, &str); 17] = [
        (400, "INVALID_ARGUMENT", vec![bad_request("message.token")], mismatched, "INVALID_ARGUMENT"),
        (400, "INVALID_ARGUMENT", vec![bad_request("message.fid")], mismatched, "INVALID_ARGUMENT"),
        (400, "INVALID_ARGUMENT", vec![apns_error("BadDeviceToken")], mismatched, "INVALID_ARGUMENT"),
        (400, "INVALID_ARGUMENT", vec![apns_error("BadTopic")], rejected, "INVALID_ARGUMENT"),
        (400, "INVALID_ARGUMENT", vec![bad_request("message.data")], rejected, "INVALID_ARGUMENT"),
        (400, "INVALID_ARGUMENT", vec![bad_request("message.token_x")], rejected, "INVALID_ARGUMENT"),
        (400, "INVALID_ARGUMENT", vec![], rejected, "INVALID_ARGUMENT"),
        (401, "THIRD_PARTY_AUTH_ERROR", vec![], ios_and_web, "THIRD_PARTY_AUTH_ERROR"),
        (401, "THIRD_PARTY_AUTH_ERROR", vec![apns_error("InvalidProviderToken")], ios_and_web, "InvalidProviderToken"),
        (401, "APNS_AUTH_ERROR", vec![], ios_and_web, "APNS_AUTH_ERROR"),
        (403, "SENDER_ID_MISMATCH", vec![], mismatched, "SENDER_ID_MISMATCH"),
        (404, "UNREGISTERED", vec![], dead, "UNREGISTERED"),
        (429, "QUOTA_EXCEEDED", vec![json!({"@type": "type.googleapis.com/google.rpc.QuotaFailure"})], throttled, "QUOTA_EXCEEDED"),
        (500, "INTERNAL", vec![], unavailable, "INTERNAL"),
        (503, "UNAVAILABLE", vec![], unavailable, "UNAVAILABLE"),
        // the code decides, not the status it comes with
        (400, "UNREGISTERED", vec![json!({"no": "type"}), json!(3)], dead, "UNREGISTERED"),
        (404, "INTERNAL", vec![], unavailable, "INTERNAL"),
    ];
    for (status, code, more, outcome, reason) in rows {
        let expected = Verdict { outcome: outcome(Reason::new(reason)), refresh: false };
        assert_eq!(read(status, &body(Some(code), &more)), expected, "{status} {code} {more:?}");
    }
}

#[test]
fn an_invalid_token_is_also_told_by_the_text() {
    let body = json!({"error": {"message": "The registration token is not a valid FCM registration token", "details": [
        {"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": "INVALID_ARGUMENT"}]}});
    assert_eq!(read(400, &body.to_string()).outcome, mismatched(Reason::new("INVALID_ARGUMENT")));
}

#[test]
fn one_odd_member_does_not_spoil_the_others() {
    let fcm_error = json!({"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": "UNREGISTERED"});
    for error in [
        json!({"message": null, "details": [fcm_error]}),
        json!({"message": {"x": 1}, "status": 404, "details": [null, [], {"@type": 3}, fcm_error]}),
        json!({"code": "404", "status": null, "details": [{"@type": "x.BadRequest", "fieldViolations": {}}, fcm_error]}),
    ] {
        let outcome = read(404, &json!({ "error": error }).to_string()).outcome;
        assert_eq!(outcome, dead(Reason::new("UNREGISTERED")), "{error}");
    }
    let no_details = json!({"error": {"status": "NOT_FOUND", "message": "m", "details": null}});
    assert_eq!(read(404, &no_details.to_string()).outcome, refused(Reason::new("NOT_FOUND")));
}

/// Google has no code for it.
#[test]
fn a_message_that_is_too_large_is_told_by_the_text() {
    let body = json!({"error": {"status": "INVALID_ARGUMENT", "message": "Android message is too big", "details": [
        {"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": "INVALID_ARGUMENT"}]}});
    assert_eq!(read(400, &body.to_string()).outcome, too_large(Reason::new("INVALID_ARGUMENT")));
}

#[test]
fn without_a_code_the_status_decides_and_nobody_loses_a_device() {
    let rows: [(u16, Made, bool); 13] = [
        (400, rejected, false),
        (401, refused, true),
        (403, refused, false),
        (404, refused, false),
        (405, rejected, false),
        (408, unavailable, false),
        (413, too_large, false),
        (429, throttled, false),
        (500, unavailable, false),
        (502, unavailable, false),
        (503, unavailable, false),
        (504, unavailable, false),
        (302, unavailable, false),
    ];
    for (status, outcome, refresh) in rows {
        let expected = Verdict { outcome: outcome(Reason::new("SOME_STATUS")), refresh };
        assert_eq!(read(status, &body(None, &[])), expected, "{status}");
        for text in ["", "<html>", "{}", "[]", r#"{"error": 3}"#] {
            let expected = Verdict { outcome: outcome(Reason::new(&format!("status {status}"))), refresh };
            assert_eq!(read(status, text), expected, "{status} {text}");
        }
    }
}

/// A proxy's 400 may say the same of something else.
#[test]
fn without_a_code_only_googles_own_word_blames_the_address() {
    let said = |status: Option<&str>| {
        let error = json!({"error": {"status": status, "message": "not a valid FCM registration token", "details": [bad_request("message.token")]}});
        read(400, &error.to_string()).outcome
    };
    assert_eq!(said(Some("INVALID_ARGUMENT")), mismatched(Reason::new("INVALID_ARGUMENT")));
    assert_eq!(said(Some("FAILED_PRECONDITION")), rejected(Reason::new("FAILED_PRECONDITION")));
    assert_eq!(said(None), rejected(Reason::new("status 400")));
}

#[test]
fn an_unknown_code_goes_by_its_status_and_costs_nobody_a_device() {
    for code in ["UNSPECIFIED_ERROR", "SOMETHING_NEW"] {
        let rows: [(u16, Made); 7] =
            [(400, rejected), (401, refused), (403, refused), (404, rejected), (429, throttled), (500, unavailable), (503, unavailable)];
        for (status, outcome) in rows {
            let expected = Verdict { outcome: outcome(Reason::new(code)), refresh: false };
            assert_eq!(read(status, &body(Some(code), &[bad_request("message.token")])), expected, "{status} {code}");
        }
    }
}

#[test]
fn retry_after_is_kept_and_googles_waits_stand_in_for_it() {
    for (status, code, floor) in [
        (429, Some("QUOTA_EXCEEDED"), 60),
        (429, None, 60),
        (500, Some("INTERNAL"), 10),
        (503, Some("UNAVAILABLE"), 10),
        (503, None, 10),
        (502, None, 10),
    ] {
        let asked = Some(Duration::from_secs(3));
        let waited = |patience| match classify(StatusCode::from_u16(status).unwrap(), body(code, &[]).as_bytes(), patience).outcome {
            Outcome::Throttled { retry_after, .. } | Outcome::Unavailable { retry_after, .. } => retry_after,
            Outcome::Accepted { .. }
            | Outcome::TokenDead { .. }
            | Outcome::TokenMismatched { .. }
            | Outcome::MessageRejected { .. }
            | Outcome::CredentialRefused { .. }
            | Outcome::Withheld => panic!("{code:?} waits for nothing"),
        };
        assert_eq!(waited(Patience { retry_after: asked, floors: true }), asked);
        assert_eq!(waited(Patience { retry_after: asked, floors: false }), asked);
        assert_eq!(waited(Patience { retry_after: None, floors: true }), Some(Duration::from_secs(floor)));
        assert_eq!(waited(Patience::default()), None);
    }
}
