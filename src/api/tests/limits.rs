//! How much and how often: what is refused before the routes.

use std::num::NonZeroU32;
use std::time::Duration;

use axum::body::Body;
use futures_util::future::join_all;
use http::{Method, Request, StatusCode};
use serde_json::json;

use super::kit::{KEY, Reply, World};
use super::phones::Phone;
use crate::api::peer::Peer;
use crate::api::{Rate, Rates, Settings};

fn rate(count: u32) -> Rate {
    Rate { count: NonZeroU32::new(count).unwrap(), per: Duration::from_secs(1) }
}

async fn world(listen: &str) -> World {
    let rates = Rates { per_key: rate(3), per_client_token: rate(1), per_address: rate(2) };
    let trusted_proxies = vec!["10.0.0.0/8".parse().unwrap()];
    World::serving(Settings { listen: listen.to_owned(), rates, trusted_proxies, ..Settings::default() }).await
}

/// Asks from an address with a credential.
async fn ask(world: &World, path: &str, address: [u8; 4], credential: Option<&str>) -> Reply {
    let mut request = Request::builder().method(Method::GET).uri(path);
    if let Some(credential) = credential {
        request = request.header("authorization", format!("Bearer {credential}"));
    }
    let mut request = request.body(Body::empty()).unwrap();
    request.extensions_mut().insert(Peer { address: address.into(), is_secure: false });
    world.send(request).await
}

const HERE: [u8; 4] = [192, 0, 2, 1];
const THERE: [u8; 4] = [192, 0, 2, 2];

#[tokio::test]
async fn a_key_has_a_rate_and_is_told_how_it_stands() {
    let world = world("127.0.0.1:8080").await;
    for left in (0..6).rev() {
        let reply = ask(&world, "/v1/devices", HERE, Some(KEY)).await;
        assert_eq!(reply.status, StatusCode::OK);
        assert_eq!(reply.header("ratelimit-policy"), "\"per_key\";q=6;w=2");
        assert!(reply.header("ratelimit").starts_with(&format!("\"per_key\";r={left};t=")), "{reply:?}");
    }
    let refused = ask(&world, "/v1/devices", HERE, Some(KEY)).await;
    assert_eq!(refused.problem(), (429, "rate_limited".to_owned()));
    assert_eq!((refused.header("retry-after"), refused.header("ratelimit")), ("1", "\"per_key\";r=0;t=1"));
    assert_eq!(ask(&world, "/v1/devices", HERE, Some("other-key")).await.status, StatusCode::OK, "another key");
    world.clock.pass(Duration::from_secs(1));
    assert_eq!(ask(&world, "/v1/devices", HERE, Some(KEY)).await.status, StatusCode::OK);
}

#[tokio::test]
async fn what_needs_no_key_is_counted_by_address() {
    let world = world("127.0.0.1:8080").await;
    for path in ["/openapi.json", "/nowhere", "/docs/", "/v1/nothing"] {
        assert_ne!(ask(&world, path, HERE, Some(KEY)).await.status, StatusCode::TOO_MANY_REQUESTS, "{path}");
    }
    let refused = ask(&world, "/openapi.json", HERE, None).await;
    assert_eq!((refused.problem(), refused.header("retry-after")), ((429, "rate_limited".to_owned()), "1"));
    assert_eq!(ask(&world, "/openapi.json", THERE, None).await.status, StatusCode::OK);
    for path in ["/health", "/ready", "/metrics"] {
        assert_eq!(ask(&world, path, HERE, None).await.status, StatusCode::OK, "{path}");
    }
}

#[tokio::test]
async fn keys_cannot_be_guessed_at_speed_and_nobody_is_locked_out_by_it() {
    let world = world("0.0.0.0:8080").await;
    assert_eq!(ask(&world, "/v1/devices", HERE, Some(KEY)).await.status, StatusCode::OK);
    for guess in 0..3 {
        assert_eq!(ask(&world, "/metrics", HERE, Some(&format!("guess-{guess}"))).await.problem().0, 401);
    }
    for path in ["/v1/devices", "/metrics"] {
        for credential in [None, Some("guess"), Some("other-key")] {
            assert_eq!(ask(&world, path, HERE, credential).await.problem().0, 429, "{path} {credential:?}");
        }
    }
    assert_eq!(ask(&world, "/v1/devices", HERE, Some(KEY)).await.status, StatusCode::OK, "it was good from there before");
    assert_eq!(ask(&world, "/v1/devices", THERE, Some("other-key")).await.status, StatusCode::OK);
}

/// All of them come before the first is judged.
#[tokio::test]
async fn a_guess_that_comes_many_times_at_once_counts_each_time() {
    let rates = Rates { per_key: rate(1000), per_client_token: rate(1), per_address: rate(2) };
    let world = World::serving(Settings { rates, ..Settings::default() }).await;
    let at_once = async |credential: &str| {
        let replies = join_all((0..50).map(|_| ask(&world, "/v1/devices", HERE, Some(credential)))).await;
        let mut statuses: Vec<u16> = replies.iter().map(|reply| reply.status.as_u16()).collect();
        statuses.sort_unstable();
        statuses
    };
    let key = world.post("/v1/keys", json!({"name": "k", "scopes": ["read"]})).await.json()["key"].as_str().unwrap().to_owned();
    assert_eq!(at_once(&key).await, [200; 50], "a backend's connections to a node that starts");
    assert_eq!(at_once("herald_guess").await, [&[401; 3][..], &[429; 47]].concat(), "the good one cost one, too");
    assert_eq!(at_once(&key).await, [200; 50]);
}

#[tokio::test]
async fn nobody_uses_up_what_others_may_do_on_a_device() {
    let rates = Rates { per_key: rate(1000), per_client_token: rate(2), per_address: rate(1000) };
    let world = World::serving(Settings { rates, ..Settings::default() }).await;
    let ann = Phone::signed_in(&world, json!({"user_id": "ann", "device_id": "phone"})).await;
    let old = ann.register(&world, "phone", "token-1").await.json()["receipt_token"].as_str().unwrap().to_owned();
    let bob = Phone::signed_in(&world, json!({"user_id": "bob", "device_id": "phone"})).await;
    let through = async |credential: &str| {
        let mut good = 0;
        while ask(&world, "/v1/me/preferences", HERE, Some(credential)).await.status != StatusCode::TOO_MANY_REQUESTS {
            good += 1;
        }
        good
    };
    assert_eq!(through(&bob.access).await, 4, "who names another's device");
    assert_eq!(through(&old).await, 4, "a receipt token, which is refused here");
    assert_eq!(through(&ann.access).await, 3, "all but her registration");
    let again = Phone::signed_in(&world, json!({"user_id": "ann", "device_id": "phone"})).await;
    assert_eq!(through(&again.access).await, 0, "signing in again gives no new burst");
}

#[tokio::test]
async fn behind_a_proxy_callers_are_told_apart() {
    let world = world("127.0.0.1:8080").await;
    let through = async |peer: [u8; 4], forwarded: &'static str| {
        let request = Request::builder().uri("/openapi.json").header("x-forwarded-for", forwarded);
        let mut request = request.body(Body::empty()).unwrap();
        request.extensions_mut().insert(Peer { address: peer.into(), is_secure: false });
        world.send(request).await.status
    };
    for _ in 0..4 {
        assert_eq!(through([10, 0, 0, 1], "198.51.100.1").await, StatusCode::OK);
    }
    assert_eq!(through([10, 0, 0, 1], "198.51.100.1").await, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(through([10, 0, 0, 1], "198.51.100.1, 198.51.100.2").await, StatusCode::OK);
    for number in 0..4 {
        assert_eq!(through(HERE, ["1.1.1.1", "2.2.2.2", "3.3.3.3", "4.4.4.4"][number]).await, StatusCode::OK);
    }
    assert_eq!(through(HERE, "5.5.5.5").await, StatusCode::TOO_MANY_REQUESTS, "who is no proxy is not believed");
}

#[tokio::test]
async fn load_is_shed_and_probes_are_answered() {
    let settings = Settings { max_requests: 2, ..Settings::default() };
    let world = World::serving(settings).await;
    let (first, _second) = (world.shared.load.begin(HERE.into()).unwrap(), world.shared.load.begin(THERE.into()).unwrap());
    let shed = world.get("/v1/devices").await;
    assert_eq!((shed.problem(), shed.header("retry-after")), ((503, "overloaded".to_owned()), "1"));
    for path in ["/health", "/ready", "/metrics"] {
        assert_eq!(world.get(path).await.status, StatusCode::OK, "{path}");
    }
    drop(first);
    assert_eq!(world.get("/v1/devices").await.status, StatusCode::OK);
}

/// What one address has under way leaves room for others; behind a proxy that is who it speaks for.
#[tokio::test]
async fn an_address_has_a_part_of_what_is_under_way() {
    let trusted_proxies = vec!["10.0.0.0/8".parse().unwrap()];
    let world = World::serving(Settings { max_requests: 8, trusted_proxies, ..Settings::default() }).await;
    let _held = [world.shared.load.begin(HERE.into()).unwrap(), world.shared.load.begin(HERE.into()).unwrap()];
    let through = async |forwarded: &'static str| {
        let request = Request::builder().uri("/openapi.json").header("x-forwarded-for", forwarded);
        let mut request = request.body(Body::empty()).unwrap();
        request.extensions_mut().insert(Peer { address: [10, 0, 0, 1].into(), is_secure: false });
        world.send(request).await
    };
    for shed in [ask(&world, "/v1/devices", HERE, Some(KEY)).await, through("192.0.2.1").await] {
        assert_eq!((shed.problem(), shed.header("retry-after")), ((503, "overloaded".to_owned()), "1"));
    }
    assert_eq!(ask(&world, "/v1/devices", THERE, Some(KEY)).await.status, StatusCode::OK);
    assert_eq!(through("192.0.2.2").await.status, StatusCode::OK);
    assert_eq!(ask(&world, "/health", HERE, None).await.status, StatusCode::OK);
}

#[tokio::test]
async fn bodies_are_shed_before_memory_grows() {
    let settings = Settings { max_in_flight_mib: 1, ..Settings::default() };
    let world = World::serving(settings).await;
    let half = |address: [u8; 4]| world.shared.load.begin(address.into()).unwrap();
    let held = (half(HERE).answers(512 * 1024), half(THERE).hold(512 * 1024 - 10).unwrap());
    let body = r#"{"receipts": []}"#;
    assert_eq!(world.post("/v1/receipts", body).await.problem(), (503, "overloaded".to_owned()));
    let lines = [("content-type", "application/x-ndjson")];
    assert_eq!(world.ask(Method::POST, "/v1/devices/import", &lines, "{}").await.problem(), (503, "overloaded".to_owned()));
    drop(held.1);
    assert_eq!(world.post("/v1/receipts", body).await.status, StatusCode::ACCEPTED, "what one address has is the half of it");
    assert_eq!(ask(&world, "/v1/devices", HERE, Some(KEY)).await.problem(), (503, "overloaded".to_owned()));
    drop(held.0);
    assert_eq!(ask(&world, "/v1/devices", HERE, Some(KEY)).await.status, StatusCode::OK);
}
