//! Google: "FCM Error Codes"; `FcmError.errorCode` decides, not the status.

use serde_json::{Value, json};

use super::answer::{Answer, To, UNKNOWN, answer, bare, fault, page};
use super::carrier::Carrier;
use super::row::Device::{Active, Dead, Mismatched};
use super::row::Lane::{Paused, PausedButAndroid, Rests, Runs};
use super::row::{AWAY, DEAD, HELD_UP, MISMATCHED, REJECTED, Row, SENT, THROTTLED, TOO_LARGE};
use super::stage::acted_out;

#[tokio::test]
async fn every_answer_of_googles_has_its_consequences() {
    acted_out(Carrier::Fcm, [of_the_message(), of_the_credential(), of_the_moment(), unknown()].concat()).await;
}

/// A code, with another detail beside it.
fn with(answer: Answer, detail: &Value) -> Answer {
    let code = json!({"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": answer.word});
    answer.with("details", json!([detail, code]))
}

fn bad(field: &str) -> Value {
    json!({"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [{"field": field, "description": "d"}]})
}

fn apple(reason: &str) -> Value {
    json!({"@type": "type.googleapis.com/google.firebase.fcm.v1.ApnsError", "statusCode": 400, "reason": reason})
}

fn quota_of(subject: &str) -> Value {
    json!({"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"subject": subject, "description": "d"}]})
}

/// What is wrong with the message or the address.
fn of_the_message() -> Vec<Row> {
    let invalid = || answer(400, "INVALID_ARGUMENT");
    vec![
        (invalid(), REJECTED, 1, Active, Runs),
        (with(invalid(), &bad("message.android.ttl")), REJECTED, 1, Active, Runs),
        (with(invalid(), &apple("BadTopic")), REJECTED, 1, Active, Runs),
        (invalid().with("message", "Android message is too big"), TOO_LARGE, 1, Active, Runs),
        // only what names the address is about it; and nothing is, where too little is known of the lane
        (with(invalid(), &bad("message.token")), MISMATCHED, 1, Mismatched, Runs),
        (with(invalid(), &bad("message.token")).first(), MISMATCHED, 1, Active, Runs),
        (with(invalid(), &bad("message.fid")), MISMATCHED, 1, Mismatched, Runs),
        (with(invalid(), &apple("BadDeviceToken")), MISMATCHED, 1, Mismatched, Runs),
        (invalid().with("message", "The registration token is not a valid FCM registration token"), MISMATCHED, 1, Mismatched, Runs),
        (answer(403, "SENDER_ID_MISMATCH"), MISMATCHED, 1, Mismatched, Runs),
        (answer(403, "SENDER_ID_MISMATCH").first(), MISMATCHED, 1, Active, Runs),
        (answer(404, "UNREGISTERED"), DEAD, 1, Dead, Runs),
        (with(answer(404, "UNREGISTERED"), &apple("Unregistered")), DEAD, 1, Dead, Runs),
        // the code decides, whatever the status it comes with
        (answer(400, "UNREGISTERED"), DEAD, 1, Dead, Runs),
    ]
}

/// What is wrong with the service account, the project, or the keys that Firebase has for Apple and for browsers.
fn of_the_credential() -> Vec<Row> {
    let third_party = || answer(401, "THIRD_PARTY_AUTH_ERROR").at(To::Ios);
    vec![
        (third_party(), HELD_UP, 1, Active, PausedButAndroid),
        (with(third_party(), &apple("InvalidProviderToken")).kept_as("InvalidProviderToken"), HELD_UP, 1, Active, PausedButAndroid),
        (answer(401, "APNS_AUTH_ERROR").at(To::Ios), HELD_UP, 1, Active, PausedButAndroid),
        (third_party().now_or_never(), ("expired", "credential_refused"), 1, Active, PausedButAndroid),
        // without a code it is the access token, of which another is fetched once
        (bare(401).kept_as("UNAUTHENTICATED"), HELD_UP, 2, Active, Paused),
        (bare(401).once(), SENT, 2, Active, Runs),
        (bare(403).kept_as("PERMISSION_DENIED"), HELD_UP, 1, Active, Paused),
        // a wrong project: the address is innocent
        (bare(404).kept_as("NOT_FOUND"), HELD_UP, 1, Active, Paused),
    ]
}

/// What passes: quotas, and a service or connection that fails.
fn of_the_moment() -> Vec<Row> {
    let quota = || answer(429, "QUOTA_EXCEEDED");
    vec![
        (quota(), THROTTLED, 1, Active, Rests),
        (quota().retry_after(900), THROTTLED, 1, Active, Rests),
        (with(quota(), &quota_of("project:herald-demo")), THROTTLED, 1, Active, Rests),
        // a device's own: no other waits
        (with(quota(), &quota_of("device:x")), THROTTLED, 1, Active, Runs),
        (with(quota(), &apple("TooManyRequests")), THROTTLED, 1, Active, Runs),
        (quota().now_or_never(), ("expired", "throttled"), 1, Active, Rests),
        (bare(429), THROTTLED, 1, Active, Rests),
        (answer(500, "INTERNAL"), AWAY, 1, Active, Runs),
        (answer(503, "UNAVAILABLE"), AWAY, 1, Active, Runs),
        (answer(503, "UNAVAILABLE").retry_after(900), AWAY, 1, Active, Runs),
        (answer(503, "UNAVAILABLE").now_or_never(), ("expired", "unavailable"), 1, Active, Runs),
        (bare(500), AWAY, 1, Active, Runs),
        (bare(502), AWAY, 1, Active, Runs),
        (bare(503), AWAY, 1, Active, Runs),
        (bare(504), AWAY, 1, Active, Runs),
        (fault("goaway").once(), SENT, 2, Active, Runs),
        (fault("reset"), AWAY, 1, Active, Runs),
        (fault("reset_connection"), AWAY, 1, Active, Runs),
        (fault("stall"), AWAY, 1, Active, Runs),
    ]
}

/// A code that says nothing, or that Google does not document, goes by its status, and costs nobody a device; so does another's status
/// without one.
fn unknown() -> Vec<Row> {
    let by_status = |(status, delivery, lane)| ["UNSPECIFIED_ERROR", UNKNOWN].map(|code| (answer(status, code), delivery, 1, Active, lane));
    let coded = [
        (400, REJECTED, Runs),
        (401, HELD_UP, Paused),
        (403, HELD_UP, Paused),
        (404, REJECTED, Runs),
        (408, AWAY, Runs),
        (413, TOO_LARGE, Runs),
        (429, THROTTLED, Rests),
        (500, AWAY, Runs),
        (503, AWAY, Runs),
    ];
    let uncoded = [
        (bare(400).kept_as("INVALID_ARGUMENT"), REJECTED, 1, Active, Runs),
        (bare(405).kept_as("UNKNOWN"), REJECTED, 1, Active, Runs),
        (bare(408), AWAY, 1, Active, Runs),
        (bare(413).kept_as("UNKNOWN"), TOO_LARGE, 1, Active, Runs),
        (bare(302), AWAY, 1, Active, Runs),
        // where it is not Google that answers
        (page(400), REJECTED, 1, Active, Runs),
        (page(401), HELD_UP, 2, Active, Paused),
        (page(403), HELD_UP, 1, Active, Paused),
        (page(404), HELD_UP, 1, Active, Paused),
        (page(413), TOO_LARGE, 1, Active, Runs),
        (page(429), THROTTLED, 1, Active, Rests),
        (page(500), AWAY, 1, Active, Runs),
        (page(502), AWAY, 1, Active, Runs),
        (page(503), AWAY, 1, Active, Runs),
    ];
    coded.into_iter().flat_map(by_status).chain(uncoded).collect()
}
