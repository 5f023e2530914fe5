//! What the forms of the providers come to when a notification is accepted: every one that the app's devices could need.

use serde_json::json;

use crate::daemon::Dev;

/// A name that HTTP/2 keeps for itself is no more the caller's than the credential is.
#[tokio::test]
async fn a_header_of_the_connection_may_not_be_overridden() {
    let dev = Dev::start();
    let body = json!({"to": {"user_id": "ann"}, "content": {"title": "t"}, "apns": {"headers": {"te": "trailers"}}});
    dev.post("/v1/notifications", &body).await.invalid("apns.headers.te", "override_forbidden");
}
