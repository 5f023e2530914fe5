//! Every status and reason of Apple's page, and what is unknown.

use super::*;

const WAIT: Option<Duration> = Some(Duration::from_secs(7));

fn classify_with(status: u16, body: &str, patience: Patience) -> Verdict {
    classify(StatusCode::from_u16(status).unwrap(), body.as_bytes(), patience)
}

fn reason(word: &str) -> Reason {
    Reason::new(word)
}

type Row = (u16, &'static str, fn(Reason) -> Outcome, Option<Remedy>);

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

fn throttled_token(reason: Reason) -> Outcome {
    Outcome::Throttled { retry_after: None, reason, scope: ThrottleScope::Token }
}

fn throttled_lane(reason: Reason) -> Outcome {
    Outcome::Throttled { retry_after: None, reason, scope: ThrottleScope::Lane }
}

fn unavailable(reason: Reason) -> Outcome {
    Outcome::Unavailable { retry_after: None, reason, fault: Fault::Answered }
}

const DOCUMENTED: [Row; 44] = [
    (400, "BadCollapseId", rejected, None),
    (400, "BadDeviceToken", mismatched, None),
    (400, "BadExpirationDate", rejected, None),
    (400, "BadMessageId", rejected, None),
    (400, "BadPriority", rejected, None),
    (400, "BadTopic", refused, None),
    (400, "DeviceTokenNotForTopic", mismatched, None),
    (400, "DuplicateHeaders", rejected, None),
    (400, "IdleTimeout", unavailable, Some(Remedy::OtherConnection)),
    (400, "InvalidPushType", rejected, None),
    (400, "MissingDeviceToken", rejected, None),
    (400, "MissingTopic", refused, None),
    (400, "PayloadEmpty", rejected, None),
    (400, "TopicDisallowed", refused, Some(Remedy::FreshConnection)),
    (403, "BadCertificate", refused, None),
    (403, "BadCertificateEnvironment", refused, None),
    (403, "ExpiredProviderToken", refused, Some(Remedy::Resign)),
    (403, "Forbidden", refused, None),
    (403, "InvalidProviderToken", refused, Some(Remedy::FreshConnection)),
    (403, "MissingProviderToken", refused, None),
    (403, "UnrelatedKeyIdInToken", refused, Some(Remedy::FreshConnection)),
    (403, "BadEnvironmentKeyIdInToken", refused, None),
    (403, "BadEnvironmentKeyInToken", refused, None),
    (404, "BadPath", rejected, None),
    (405, "MethodNotAllowed", rejected, None),
    (410, "ExpiredToken", dead, None),
    (410, "Unregistered", dead, None),
    (413, "PayloadTooLarge", too_large, None),
    (429, "TooManyProviderTokenUpdates", throttled_lane, Some(Remedy::OlderToken)),
    (429, "TooManyRequests", throttled_token, None),
    (500, "InternalServerError", unavailable, None),
    (503, "ServiceUnavailable", unavailable, None),
    (503, "Shutdown", unavailable, Some(Remedy::OtherConnection)),
    (503, "Service Unavailable", unavailable, None),
    (400, "FeatureNotEnabled", rejected, None),
    (400, "MissingChannelId", rejected, None),
    (400, "BadChannelId", rejected, None),
    (400, "ChannelNotRegistered", rejected, None),
    (400, "BadRequestParams", rejected, None),
    (400, "BadRequestPayload", rejected, None),
    (400, "MissingPushType", rejected, None),
    (400, "CannotCreateChannelConfig", rejected, None),
    (403, "TopicMismatch", rejected, None),
    // the reason decides, whatever the status it comes with
    (400, "Unregistered", dead, None),
];

#[test]
fn every_documented_reason_has_its_outcome() {
    for (status, word, outcome, remedy) in DOCUMENTED {
        let verdict = classify_with(status, &format!(r#"{{"reason":"{word}"}}"#), Patience::default());
        assert_eq!(verdict, Verdict { outcome: outcome(reason(word)), remedy }, "{status} {word}");
    }
}

#[test]
fn an_unknown_reason_goes_by_its_status_and_costs_nobody_a_device() {
    for (status, outcome) in [
        (400, rejected as fn(Reason) -> Outcome),
        (401, refused),
        (403, refused),
        (404, rejected),
        (405, rejected),
        (410, rejected),
        (413, too_large),
        (418, rejected),
        (429, throttled_token),
        (408, unavailable),
        (500, unavailable),
        (502, unavailable),
        (503, unavailable),
        (504, unavailable),
        (302, unavailable),
    ] {
        let verdict = classify_with(status, r#"{"reason":"SomethingNew"}"#, Patience::default());
        assert_eq!(verdict, Verdict { outcome: outcome(reason("SomethingNew")), remedy: None }, "{status}");
        for body in ["{}", "", "<html>", r#"{"reason":17}"#, r#"{"reason":""}"#] {
            let verdict = classify_with(status, body, Patience::default());
            assert_eq!(verdict, Verdict { outcome: outcome(reason(&format!("status {status}"))), remedy: None }, "{status} {body}");
        }
    }
}

#[test]
fn the_timestamp_of_a_410_is_in_milliseconds() {
    let verdict = classify_with(410, r#"{"reason":"Unregistered","timestamp":1600000000123}"#, Patience::default());
    let since = Utc.timestamp_millis_opt(1_600_000_000_123).single();
    assert_eq!(verdict.outcome, Outcome::TokenDead { since, reason: reason("Unregistered") });
}

#[test]
fn one_odd_member_does_not_spoil_the_others() {
    let at = Utc.timestamp_millis_opt(1_600_000_000_123).single();
    for (body, since) in [
        (r#"{"reason":"Unregistered","timestamp":"1600000000123"}"#, at),
        (r#"{"reason":"Unregistered","timestamp":1600000000123.5}"#, None),
        (r#"{"reason":"Unregistered","timestamp":null}"#, None),
        (r#"{"reason":"Unregistered","timestamp":{}}"#, None),
        (r#"{"reason":"Unregistered","timestamp":99999999999999999999}"#, None),
    ] {
        let verdict = classify_with(410, body, Patience::default());
        assert_eq!(verdict.outcome, Outcome::TokenDead { since, reason: reason("Unregistered") }, "{body}");
    }
}

fn wait(outcome: &Outcome) -> Option<Duration> {
    match outcome {
        Outcome::Throttled { retry_after, .. } | Outcome::Unavailable { retry_after, .. } => *retry_after,
        Outcome::Accepted { .. }
        | Outcome::TokenDead { .. }
        | Outcome::TokenMismatched { .. }
        | Outcome::MessageRejected { .. }
        | Outcome::CredentialRefused { .. }
        | Outcome::Withheld => panic!("{outcome:?} waits for nothing"),
    }
}

#[test]
fn retry_after_is_kept_and_apples_waits_stand_in_for_it() {
    for (status, word, floor) in [
        (500, "InternalServerError", Some(900)),
        (503, "ServiceUnavailable", Some(900)),
        (503, "Shutdown", Some(900)),
        (503, "SomethingNew", Some(900)),
        (400, "IdleTimeout", None),
        (502, "", None),
        (429, "TooManyRequests", None),
        (429, "TooManyProviderTokenUpdates", Some(1200)),
    ] {
        let body = format!(r#"{{"reason":"{word}"}}"#);
        let waited = |patience| wait(&classify_with(status, &body, patience).outcome);
        assert_eq!(waited(Patience { retry_after: WAIT, floors: true }), WAIT, "{word}");
        assert_eq!(waited(Patience { retry_after: WAIT, floors: false }), WAIT, "{word}");
        assert_eq!(waited(Patience { retry_after: None, floors: true }), floor.map(Duration::from_secs), "{word}");
        assert_eq!(waited(Patience::default()), None, "{word}");
    }
}
