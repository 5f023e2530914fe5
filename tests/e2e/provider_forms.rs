//! What a notification comes to in the form of every provider and platform: known when it is accepted.

use serde_json::{Value, json};

use crate::daemon::{Client, Dev, Simulator};

fn to_ann(mut body: Value) -> Value {
    body["to"] = json!({"user_id": "ann"});
    body
}

/// A name that HTTP/2 keeps for itself is no more the caller's than the credential is.
#[tokio::test]
async fn a_header_of_the_connection_may_not_be_overridden() {
    let dev = Dev::start();
    let body = to_ann(json!({"content": {"title": "t"}, "apns": {"headers": {"te": "trailers"}}}));
    dev.post("/v1/notifications", &body).await.invalid("apns.headers.te", "override_forbidden");
}

/// FCM carries three platforms, each in a form of its own.
#[tokio::test]
async fn what_is_too_large_for_one_platform_of_a_provider_is_refused() {
    let dev = Dev::start();
    let long = "x".repeat(5000);
    for body in [
        json!({"content": {"title": "t"}, "platforms": {"web": {"body": long}}}),
        json!({"content": {"title": "t"}, "platforms": {"android": {"body": long}}}),
        json!({"content": {"title": "t"}, "localized": {"fr": {"title": "f"}}, "fcm": {"webpush": {"notification": {"body": long}}}}),
        json!({"content": {"title": "t"}, "fcm": {"apns": {"payload": {"aps": {"alert": {"body": long}}}}}}),
    ] {
        let problem = dev.post("/v1/notifications", &to_ann(body.clone())).await.problem(413, "payload_too_large");
        assert_eq!(problem["provider"], "fcm", "{body}");
        assert!(problem["size"].as_u64().unwrap() > 5000, "{problem}");
        dev.post("/v1/notifications/preview", &to_ann(body)).await.problem(413, "payload_too_large");
    }
}

/// An app without APNs may have iOS devices all the same.
#[tokio::test]
async fn the_form_of_ios_is_fcms_where_there_is_no_apns() {
    let simulator = Simulator::start();
    simulator.remove("[apps.demo.apns]");
    let key = simulator.key("send,manage,read");
    let daemon = simulator.serve(&[]);
    let client = Client::new(&daemon.url, &key);
    let body = to_ann(json!({"content": {"title": "t"}, "platforms": {"ios": {"body": "x".repeat(5000)}}}));
    let problem = client.post("/v1/notifications", &body).await.problem(413, "payload_too_large");
    assert_eq!(problem["provider"], "fcm");
}

/// What Apple refuses is refused whoever carries it.
#[tokio::test]
async fn what_apple_refuses_is_refused_in_fcms_form_too() {
    let dev = Dev::start();
    let fcm = |headers: Value| to_ann(json!({"content": {"title": "t"}, "fcm": {"apns": {"headers": headers}}}));
    for (headers, field) in [
        (json!({"apns-push-type": "background", "apns-priority": "10"}), "fcm.apns.headers.apns-priority"),
        (json!({"apns-push-type": "background"}), "fcm.apns.headers.apns-push-type"),
        (json!({"apns-priority": "7"}), "fcm.apns.headers.apns-priority"),
    ] {
        dev.post("/v1/notifications", &fcm(headers.clone())).await.invalid(field, "invalid");
        dev.post("/v1/notifications/preview", &fcm(headers)).await.invalid(field, "invalid");
    }
    dev.post("/v1/notifications", &fcm(json!({"apns-priority": "5"}))).await.expect(202);
}

/// Only a mutable alert wakes the extension that reports `delivered`, whoever carries it.
#[tokio::test]
async fn alerts_to_ios_are_mutable_by_either_way() {
    let simulator = Simulator::start();
    let key = simulator.key("send,manage,read");
    let daemon = simulator.serve(&[("HERALD__APPS__DEMO__APNS__SERVICE_EXTENSION", "true")]);
    let client = Client::new(&daemon.url, &key);
    let device = json!({"user_id": "ann", "platform": "ios", "provider": "fcm", "token": "well-1"});
    client.put("/v1/devices/phone", &device).await.expect(201);
    let done = client.send_and_wait(&to_ann(json!({"content": {"title": "t"}}))).await;
    assert_eq!(done["counts"]["sent"], 1, "{done}");
    let push = simulator.client.push("well-1").await;
    assert_eq!(push["body"]["message"]["apns"]["payload"]["aps"], json!({"alert": {"title": "t"}, "mutable-content": 1}));
}
