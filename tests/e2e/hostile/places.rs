//! Places among the requests at once: one address that asks and takes no answer leaves those of others to them.

use serde_json::json;
use tokio::io::AsyncWriteExt;

use super::Target;
use super::raw::from;
use super::wire::{END_HEADERS, END_STREAM, HEADERS, Wire, field, frame, get};
use crate::daemon::until;

/// As few as can be set: an address may have two of them.
const PLACES: (&str, &str) = ("HERALD__SERVER__MAX_REQUESTS", "10");
/// Longer than these tests take.
const NEVER: (&str, &str) = ("HERALD__SERVER__WRITE_TIMEOUT_SECONDS", "600");
/// A window of no bytes: heads of answers come, and nothing of their bodies.
const TAKES_NOTHING: &[u8] = &[0, 4, 0, 0, 0, 0];
/// Of one connection, which may have 128 requests at once.
const ASKED: u32 = 100;

/// Who asks at this address of loopback's, and reads heads only.
async fn greedy(target: &Target, last: u8) -> Wire {
    Wire::over(from(last, &target.address()).await, TAKES_NOTHING).await
}

/// Whether one who asks at this address is served now.
async fn is_served(target: &Target, last: u8) -> bool {
    let mut wire = Wire::over(from(last, &target.address()).await, &[]).await;
    wire.send(&get(1, "/v1/devices")).await;
    wire.good_of(1).await == 1
}

/// A GET without a key.
fn without_key(stream: u32, path: &str) -> Vec<u8> {
    let fields = [field(":method", "GET"), field(":scheme", "http"), field(":path", path), field(":authority", "herald")].concat();
    frame(HEADERS, END_STREAM | END_HEADERS, stream, &fields)
}

#[tokio::test]
async fn errors_that_nobody_takes_hold_no_place() {
    let target = Target::start_with(&[PLACES, NEVER]);
    let mut wire = greedy(&target, 1).await;
    for number in 0..ASKED {
        // 401 and 404
        let path = if number % 2 == 0 { "/v1/devices" } else { "/nowhere" };
        wire.send(&without_key(1 + 2 * number, path)).await;
    }
    assert_eq!(wire.good_of(ASKED as usize).await, 0);
    assert!(is_served(&target, 1).await, "the same address");
    target.unharmed().await;
    drop(wire);
}

#[tokio::test]
async fn an_address_has_a_quarter_of_all_places() {
    let target = Target::start_with(&[PLACES, NEVER]);
    let mut wires = Vec::new();
    let mut good = 0;
    for _ in 0..10 {
        let mut wire = greedy(&target, 1).await;
        for number in 0..5 {
            wire.send(&get(1 + 2 * number, "/openapi.json")).await;
        }
        good += wire.good_of(5).await;
        wires.push(wire);
    }
    assert_eq!(good, 2, "those that are held for it");
    assert!(!is_served(&target, 1).await);
    assert!(is_served(&target, 2).await, "another address");
    drop(wires);
    until("the places are given back", async || is_served(&target, 1).await.then_some(())).await;
    target.unharmed().await;
}

/// One after the other on many connections, and what fits on the way is taken: an answer is held for each of them.
#[tokio::test]
async fn what_is_held_for_one_address_leaves_room_for_others_bodies() {
    let target = Target::start_with(&[("HERALD__SERVER__MAX_IN_FLIGHT_MIB", "16"), NEVER]);
    let mut streams = Vec::new();
    for _ in 0..60 {
        let mut stream = from(1, &target.address()).await;
        stream.write_all("GET /openapi.json HTTP/1.1\r\nhost: a\r\n\r\n".repeat(100).as_bytes()).await.unwrap();
        streams.push(stream);
    }
    let is_taken = async || target.dev.post("/v1/receipts", &json!({"receipts": []})).await.status == 202;
    until("there is no room any more", async || (!is_served(&target, 1).await || !is_taken().await).then_some(())).await;
    assert!(is_taken().await, "another's body");
    assert!(is_served(&target, 2).await);
    drop(streams);
    until("the room is given back", async || is_served(&target, 1).await.then_some(())).await;
    target.unharmed().await;
}
