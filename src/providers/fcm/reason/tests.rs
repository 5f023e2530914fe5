//! Every row of Google's error page, and what is unknown.

use serde_json::{Value, json};

use super::*;
use crate::domain::outcome::ThrottleScope;

fn fcm_error(code: &str) -> Value {
    json!({"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": code})
}

fn body(code: Option<&str>, more: &[Value]) -> String {
    let details: Vec<Value> = code.map(fcm_error).into_iter().chain(more.iter().cloned()).collect();
    of_details("no", &details)
}

fn of_details(message: &str, details: &[Value]) -> String {
    json!({"error": {"code": 400, "message": message, "status": "SOME_STATUS", "details": details}}).to_string()
}

/// The same details in other orders, and with fields as they are defined in place of protocol buffers' JSON.
fn every_form(code: &str, more: &[Value]) -> Vec<String> {
    let mut details: Vec<Value> = more.to_vec();
    details.insert(0, fcm_error(code));
    let mut forms = Vec::new();
    for _ in 0..details.len() {
        details.rotate_left(1);
        forms.push(of_details("no", &details));
    }
    let snake =
        [("errorCode", "error_code"), ("fieldViolations", "field_violations"), ("quotaMetric", "quota_metric"), ("quotaId", "quota_id")];
    forms.push(snake.iter().fold(of_details("no", &details), |text, (camel, snake)| text.replace(camel, snake)));
    forms
}

fn bad_request(field: &str) -> Value {
    json!({"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [{"field": "x"}, {"field": field, "description": "d"}]})
}

fn apns_error(reason: &str) -> Value {
    json!({"@type": "type.googleapis.com/google.firebase.fcm.v1.ApnsError", "statusCode": 400, "reason": reason})
}

fn quota_failure(violation: &Value) -> Value {
    json!({"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [violation]})
}

/// As Google's front door tells of a project's quota, without FCM.
fn rate_limit_exceeded() -> Value {
    json!({
        "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "RATE_LIMIT_EXCEEDED", "domain": "googleapis.com",
        "metadata": {
            "consumer": "projects/1", "quota_limit": "SendsPerMinutePerProject", "quota_metric": "fcm.googleapis.com/send_requests",
            "quota_unit": "1/min/{project}", "service": "fcm.googleapis.com",
        },
    })
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

fn throttled_token(reason: Reason) -> Outcome {
    Outcome::Throttled { retry_after: None, reason, scope: ThrottleScope::Token }
}

fn unavailable(reason: Reason) -> Outcome {
    Outcome::Unavailable { retry_after: None, reason, fault: Fault::Answered }
}

type Made = fn(Reason) -> Outcome;

#[test]
fn every_documented_code_has_its_outcome() {
    let about_device = json!({"subject": "device", "description": "d"});
    let about_project = json!({"subject": "project:1", "description": "Message rate exceeded"});
    let rows: [(u16, &str, Vec<Value>, Made, &str); 22] = [
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
        (404, "UNREGISTERED", vec![apns_error("Unregistered")], dead, "UNREGISTERED"),
        (429, "QUOTA_EXCEEDED", vec![], throttled, "QUOTA_EXCEEDED"),
        (429, "QUOTA_EXCEEDED", vec![quota_failure(&about_project)], throttled, "QUOTA_EXCEEDED"),
        (429, "QUOTA_EXCEEDED", vec![quota_failure(&about_device)], throttled_token, "QUOTA_EXCEEDED"),
        (429, "QUOTA_EXCEEDED", vec![rate_limit_exceeded()], throttled, "QUOTA_EXCEEDED"),
        (500, "INTERNAL", vec![], unavailable, "INTERNAL"),
        (503, "UNAVAILABLE", vec![], unavailable, "UNAVAILABLE"),
        // the code decides, not the status it comes with
        (400, "UNREGISTERED", vec![json!({"no": "type"}), json!(3)], dead, "UNREGISTERED"),
        (404, "INTERNAL", vec![], unavailable, "INTERNAL"),
        (503, "QUOTA_EXCEEDED", vec![], throttled, "QUOTA_EXCEEDED"),
    ];
    for (status, code, more, outcome, reason) in rows {
        let expected = Verdict { outcome: outcome(Reason::new(reason)), refresh: false };
        for body in every_form(code, &more) {
            assert_eq!(read(status, &body), expected, "{status} {body}");
        }
    }
}

/// The project's and a topic's are everybody's; a device's is its own. What tells nothing is everybody's.
#[test]
fn a_quota_is_whose_google_says_it_is() {
    use ThrottleScope::{Lane, Token};
    let violation = |violation: &Value| vec![quota_failure(violation)];
    let rows: [(&str, Vec<Value>, ThrottleScope); 17] = [
        ("no", vec![], Lane),
        ("no", violation(&json!({})), Lane),
        ("no", violation(&json!(3)), Lane),
        ("no", vec![json!({"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": "many"})], Lane),
        ("no", violation(&json!({"subject": "project:herald-demo"})), Lane),
        ("no", violation(&json!({"description": "Message rate exceeded"})), Lane),
        ("no", violation(&json!({"description": "Topic message rate exceeded"})), Lane),
        ("no", violation(&json!({"description": "Device message rate exceeded"})), Token),
        ("no", violation(&json!({"subject": "device:abc"})), Token),
        ("no", violation(&json!({"quotaMetric": "fcm.googleapis.com/device_messages"})), Token),
        ("no", violation(&json!({"quotaId": "MessagesPerMinutePerDevice"})), Token),
        ("no", violation(&json!({"quotaDimensions": {"registration_token": "x"}})), Token),
        // of two the one that spares more
        ("no", vec![quota_failure(&json!({"subject": "device"})), rate_limit_exceeded()], Lane),
        // the text counts where nothing else tells
        ("Topic quota exceeded.", vec![], Lane),
        ("Quota exceeded for the device.", vec![], Token),
        ("Quota exceeded for the device.", violation(&json!({"subject": "project:1"})), Lane),
        ("no", vec![apns_error("TooManyRequests")], Token),
    ];
    for (message, details, scope) in rows {
        let expected = |reason| Outcome::Throttled { retry_after: None, reason: Reason::new(reason), scope };
        let from_fcm: Vec<Value> = details.iter().cloned().chain([fcm_error("QUOTA_EXCEEDED")]).collect();
        assert_eq!(read(429, &of_details(message, &from_fcm)).outcome, expected("QUOTA_EXCEEDED"), "{message} {details:?}");
    }
}

/// Google's front door answers before FCM does: a project that is over its quota, or has the API switched off.
#[test]
fn what_the_front_door_says_is_the_reason() {
    let info = |reason| json!({"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason});
    let rows: [(u16, Value, Made, bool, &str); 4] = [
        (429, rate_limit_exceeded(), throttled, false, "RATE_LIMIT_EXCEEDED"),
        (403, info("SERVICE_DISABLED"), refused, false, "SERVICE_DISABLED"),
        (403, info("IAM_PERMISSION_DENIED"), refused, false, "IAM_PERMISSION_DENIED"),
        (401, info("ACCESS_TOKEN_EXPIRED"), refused, true, "ACCESS_TOKEN_EXPIRED"),
    ];
    for (status, detail, outcome, refresh, reason) in rows {
        let expected = Verdict { outcome: outcome(Reason::new(reason)), refresh };
        assert_eq!(read(status, &body(None, &[detail])), expected, "{status}");
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
