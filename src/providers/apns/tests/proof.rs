//! What `herald check` asks Apple.

use super::*;
use crate::providers::apns::ProveError;

async fn proof(setup: &Setup) -> Result<String, ProveError> {
    setup.provider.prove().await
}

#[tokio::test]
async fn a_token_that_nobody_has_proves_a_credential_that_is_taken() {
    let setup = setup(|_| refusal(400, "BadDeviceToken")).await;
    assert_eq!(proof(&setup).await.unwrap(), "production takes it");
    let seen = setup.server.seen();
    let [asked] = &*seen else { panic!("{seen:?}") };
    assert!(asked.path.starts_with("/3/device/bad0000000000000"), "{}", asked.path);
    assert_eq!(
        (asked.header("apns-push-type"), asked.header("apns-priority"), asked.header("apns-expiration")),
        (Some("background"), Some("5"), Some("0"))
    );
    assert_eq!(asked.header("apns-topic"), Some("com.example.demo"));
}

#[tokio::test]
async fn what_apple_says_of_the_credential_is_told() {
    for (status, reason, told) in [
        (403, "InvalidProviderToken", "production refuses it (InvalidProviderToken)"),
        (403, "BadEnvironmentKeyIdInToken", "production refuses it (BadEnvironmentKeyIdInToken)"),
        (400, "TopicDisallowed", "production refuses it (TopicDisallowed)"),
        (503, "Shutdown", "production cannot be asked (Shutdown)"),
    ] {
        let setup = setup(move |_| refusal(status, reason)).await;
        assert_eq!(proof(&setup).await.unwrap_err().to_string(), format!("Apple does not take it: {told}"));
    }
}
