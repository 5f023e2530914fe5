//! Messages that are checked and not delivered.

use super::*;
use crate::providers::Validity;

/// As `send`, and not delivered.
#[tokio::test]
async fn a_message_can_be_checked_only() {
    let setup = setup(grant, accept).await;
    assert_eq!(setup.provider.validate(setup.push()).await, Validity::Valid);
    assert_eq!(setup.send().await, Setup::accepted());
    let [checked, sent] = pushes(&setup).try_into().unwrap();
    let mut expected = sent.json();
    expected["validate_only"] = json!(true);
    assert_eq!((checked.json(), checked.path), (expected, sent.path));
    let apns = Push { token: PushToken::Apns("ab".to_owned()), ..setup.push() };
    assert_eq!(setup.provider.validate(apns).await, Validity::Unanswered { reason: Reason::new("not an FCM push") });
}

#[tokio::test]
async fn what_google_says_of_a_checked_message_is_told_apart() {
    let details = |code: &str, field: &str| {
        json!([
            {"@type": "x.BadRequest", "fieldViolations": [{"field": field}]}, {"@type": "x.FcmError", "errorCode": code},
        ])
    };
    let reason = Reason::new;
    let ttl = "message.android.ttl";
    for (status, code, field, expected) in [
        (
            400,
            "INVALID_ARGUMENT",
            ttl,
            // never the address, should Google repeat it
            Validity::Invalid { reason: reason("INVALID_ARGUMENT"), field: Some(ttl.to_owned()), message: "not for <token>".to_owned() },
        ),
        (400, "INVALID_ARGUMENT", "message.token", Validity::AddressRefused { reason: reason("INVALID_ARGUMENT") }),
        (403, "SENDER_ID_MISMATCH", "", Validity::AddressRefused { reason: reason("SENDER_ID_MISMATCH") }),
        (404, "UNREGISTERED", "", Validity::AddressRefused { reason: reason("UNREGISTERED") }),
        (401, "THIRD_PARTY_AUTH_ERROR", "", Validity::Unanswered { reason: reason("THIRD_PARTY_AUTH_ERROR") }),
        (429, "QUOTA_EXCEEDED", "", Validity::Unanswered { reason: reason("QUOTA_EXCEEDED") }),
        (503, "UNAVAILABLE", "", Validity::Unanswered { reason: reason("UNAVAILABLE") }),
    ] {
        let body = json!({"error": {"message": "not for\u{7} token-1", "details": details(code, field)}});
        let setup = setup(grant, move |_| Reply::json(status, &body)).await;
        assert_eq!(setup.provider.validate(setup.push()).await, expected, "{code} {field}");
    }
    let refused = setup(|_| Reply::json(400, &json!({"error": "invalid_grant"})), accept).await;
    let expected = Validity::Unanswered { reason: reason("oauth invalid_grant") };
    assert_eq!(refused.provider.validate(refused.push()).await, expected);
}
