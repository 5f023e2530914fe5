//! Where nobody is connected to.

use std::net::{IpAddr, ToSocketAddrs as _};
use std::process::Command;

use serde_json::{Value, json};

use super::Hook;
use super::receiver::Receiver;
use crate::daemon::Dev;

#[tokio::test]
async fn what_is_not_public_is_refused_when_it_is_named() {
    let dev = Dev::start_with(&[("HERALD__WEBHOOKS__ALLOW_PRIVATE_ADDRESSES", "false")]);
    let make = async |url: &str| dev.post("/v1/webhooks", &json!({"url": url, "events": ["lane.paused"]})).await;
    for url in [
        "https://127.0.0.1/x",
        "https://127.1/x",
        "https://2130706433/x",
        "https://[::1]/x",
        "https://[::ffff:10.0.0.1]/x",
        "https://169.254.169.254/latest/meta-data",
        "https://localhost:8443/x",
        "https://a.localhost/x",
        "https://ann:secret@example.com/x",
    ] {
        make(url).await.invalid("url", "address_forbidden");
    }
    for url in ["http://example.com/x", "ftp://example.com/x", "example.com", "https://example.com/#x", ""] {
        make(url).await.invalid("url", "invalid");
    }
    let hook = make("https://hooks.example.com:8443/x?key=1").await.expect(201);
    let path = format!("/v1/webhooks/{}", hook["id"].as_str().unwrap());
    dev.patch(&path, &json!({"url": "https://10.0.0.1/"})).await.invalid("url", "address_forbidden");
    assert_eq!(dev.get(&path).await.expect(200)["url"], "https://hooks.example.com:8443/x?key=1");
}

/// This machine's own name, which is no public address's.
fn own_name() -> String {
    let said = Command::new("hostname").output().unwrap();
    let name = String::from_utf8(said.stdout).unwrap().trim().to_owned();
    let is_private = |address: IpAddr| match address {
        IpAddr::V4(address) => address.is_loopback() || address.is_private() || address.is_link_local(),
        IpAddr::V6(address) => address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local(),
    };
    let addresses: Vec<_> = (name.as_str(), 443).to_socket_addrs().unwrap().map(|address| address.ip()).collect();
    assert!(addresses.iter().any(|address| is_private(*address)), "{name} is at {addresses:?}");
    name
}

#[tokio::test]
async fn a_name_with_a_private_address_is_refused_when_it_is_used() {
    let name = own_name();
    let receiver = Receiver::start(&[&name]).await;
    let [(ca, file), _] = receiver.settings();
    let dev = Dev::start_with(&[(ca, &file), ("HERALD__WEBHOOKS__ALLOW_PRIVATE_ADDRESSES", "false")]);
    let hook = Hook::make(&dev, &receiver.url_at(&name, "/x"), &["lane.paused"]).await;
    let message = hook.test(&dev).await;
    let attempt = hook.attempt(&dev, &message, |_| true).await;
    assert_eq!((&attempt["status"], &attempt["error"]), (&Value::Null, &json!("address forbidden")), "{attempt}");
    assert!(receiver.got("/x").is_empty());

    // the same name and receiver, where it may
    let open = super::dev_for(&receiver);
    let hook = Hook::make(&open, &receiver.url_at(&name, "/x"), &["lane.paused"]).await;
    hook.test(&open).await;
    receiver.wait("/x", 1).await;
}

/// Neither where it is, beyond its origin, nor what signs is in the most verbose log.
#[tokio::test]
async fn the_log_has_no_secret_of_a_webhook() {
    let dev = Dev::logging("trace");
    let hook = Hook::make(&dev, "http://127.0.0.1:9/HIDDENPATH?key=HIDDENQUERY", &["lane.paused"]).await;
    let message = hook.test(&dev).await;
    hook.attempt(&dev, &message, |attempt| attempt["error"] == "connection refused").await;
    let log = dev.stop_and_read().await;
    assert!(log.contains(&message), "the attempt is in it");
    for secret in ["HIDDENPATH", "HIDDENQUERY", hook.secret.trim_start_matches("whsec_")] {
        assert!(!log.contains(secret), "{secret}");
    }
}
