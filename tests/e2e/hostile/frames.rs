//! HTTP/2 that breaks its rules, or keeps them and means harm.

use tokio::task::JoinSet;

use super::Target;
use super::wire::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, PING, PRIORITY, RST_STREAM, SETTINGS, WINDOW_UPDATE, Wire, field, frame, get,
    request,
};
use crate::daemon::PATIENCE;

fn headers(flags: u8, fields: &[u8]) -> Vec<u8> {
    frame(HEADERS, flags, 1, fields)
}

/// A request whose fields have these beside them.
fn and(more: &[u8]) -> Vec<u8> {
    headers(END_STREAM | END_HEADERS, &[request("GET", "/v1/devices"), more.to_vec()].concat())
}

/// What breaks a rule, and how the daemon ends the stream or the connection, with h2's choice among RFC 9113's codes: 1 `PROTOCOL_ERROR`,
/// 3 `FLOW_CONTROL_ERROR`, 6 `FRAME_SIZE_ERROR`.
fn rows() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let post = |length: &str, body: &[u8]| {
        let fields =
            [request("POST", "/v1/notifications"), field("content-type", "application/json"), field("content-length", length)].concat();
        [headers(END_HEADERS, &fields), frame(DATA, END_STREAM, 1, body)].concat()
    };
    let without = |fields: &[Vec<u8>]| headers(END_STREAM | END_HEADERS, &fields.concat());
    let (method, scheme, path) = (field(":method", "GET"), field(":scheme", "http"), field(":path", "/health"));
    let window = |by: u32| frame(WINDOW_UPDATE, 0, 0, &by.to_be_bytes());
    vec![
        ("a request as it should be", and(b""), "answer"),
        ("a field in capitals", and(&field("X-A", "1")), "goaway 1"),
        ("connection", and(&field("connection", "close")), "reset 1"),
        ("transfer-encoding", and(&field("transfer-encoding", "chunked")), "reset 1"),
        ("a pseudo field behind others", and(&field(":path", "/v1/keys")), "reset 1"),
        ("a pseudo field that there is none of", without(&[method.clone(), scheme.clone(), path.clone(), field(":x", "1")]), "goaway 1"),
        ("no method", without(&[scheme.clone(), path.clone()]), "reset 1"),
        // 404: no route is without a path
        ("no path", without(&[method.clone(), scheme.clone()]), "answer"),
        ("two paths", without(&[method.clone(), scheme.clone(), path.clone(), path]), "reset 1"),
        ("an empty path", without(&[method, scheme, field(":path", "")]), "reset 1"),
        ("a body longer than its length", post("1", b"{}"), "reset 1"),
        ("a body shorter than its length", post("3", b"{}"), "reset 1"),
        ("an even stream", frame(HEADERS, END_STREAM | END_HEADERS, 2, &request("GET", "/health")), "goaway 1"),
        ("stream 0", frame(HEADERS, END_STREAM | END_HEADERS, 0, &request("GET", "/health")), "goaway 1"),
        ("data for no stream", frame(DATA, END_STREAM, 5, b"{}"), "goaway 1"),
        ("a frame of 16 MiB", [&[0xff, 0xff, 0xff, DATA, 0][..], &1_u32.to_be_bytes(), &[0; 4096]].concat(), "goaway 6"),
        ("a window beyond 2^31", window(0x7fff_ffff), "goaway 3"),
        ("a window by 0", window(0), "goaway 1"),
        ("settings of 5 bytes", frame(SETTINGS, 0, 0, &[0; 5]), "goaway 1"),
        ("a ping of 7 bytes", frame(PING, 0, 0, &[0; 7]), "goaway 1"),
        ("a continuation of nothing", frame(CONTINUATION, END_HEADERS, 1, b""), "goaway 1"),
        ("fields that cannot be decoded", headers(END_STREAM | END_HEADERS, &[0xff; 64]), "goaway 1"),
        ("another frame within a head", [headers(END_STREAM, &request("GET", "/health")), frame(PING, 0, 0, &[0; 8])].concat(), "goaway 1"),
    ]
}

#[tokio::test]
async fn frames_that_break_the_rules() {
    let target = Target::start();
    let mut wrong = Vec::new();
    for (name, bytes, expected) in rows() {
        let mut wire = Wire::open(&target.address(), &[]).await;
        wire.send(&bytes).await;
        let told = wire.verdict().await;
        if told != expected {
            wrong.push(format!("{name}: {told}, not {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    target.unharmed().await;
}

/// Frames without end, each by itself allowed; the connection is ended.
fn floods() -> Vec<(&'static str, Vec<u8>, Vec<u8>)> {
    let big = field("x-big", &"x".repeat(4000));
    // an entry of the dynamic table, and then references to it: the newest is 62, as 0xbe (RFC 7541, 6.1)
    let indexed = [&[0x40][..], &big[1..]].concat();
    let bomb = [request("GET", "/health"), indexed, vec![0xbe; 10_000]].concat();
    vec![
        ("PING", Vec::new(), frame(PING, 0, 0, &[0; 8])),
        ("SETTINGS", Vec::new(), frame(SETTINGS, 0, 0, &[0, 1, 0, 0, 16, 0])),
        ("PRIORITY", Vec::new(), frame(PRIORITY, 0, 3, &[0, 0, 0, 0, 16])),
        ("frames of a kind that there is none of", Vec::new(), frame(0x42, 0, 0, &[0; 64])),
        ("WINDOW_UPDATE", get(1, "/health"), frame(WINDOW_UPDATE, 0, 0, &1_u32.to_be_bytes())),
        ("CONTINUATION", headers(END_STREAM, b""), frame(CONTINUATION, 0, 1, &field("x", "y"))),
        ("empty CONTINUATION", headers(END_STREAM, b""), frame(CONTINUATION, 0, 1, b"")),
        ("empty DATA", headers(END_HEADERS, &request("POST", "/v1/notifications")), frame(DATA, 0, 1, b"")),
        ("DATA of one byte", headers(END_HEADERS, &request("POST", "/v1/notifications")), frame(DATA, 0, 1, b" ")),
        ("a head that is small as it comes", and(b""), headers(END_STREAM | END_HEADERS, &bomb)),
    ]
}

/// Sends without end, reading meanwhile, until the daemon has enough.
async fn flood(address: String, name: &'static str, first: Vec<u8>, again: Vec<u8>) {
    let mut wire = Wire::open(&address, &[]).await;
    wire.send(&first).await;
    let piece = again.repeat((16 * 1024 / again.len()).max(1));
    let (mut reader, mut writer) = wire.split();
    let write = async { while writer.send(&piece).await {} };
    let read = async { while reader.goes_on().await {} };
    let ended = tokio::time::timeout(PATIENCE, async {
        tokio::select! { () = write => {} () = read => {} }
    })
    .await;
    assert!(ended.is_ok(), "{name} goes on for ever");
}

#[tokio::test]
async fn floods_of_frames() {
    let target = Target::start();
    let mut floods_under_way = JoinSet::new();
    for (name, first, again) in floods() {
        floods_under_way.spawn(flood(target.address(), name, first, again));
    }
    while let Some(done) = floods_under_way.join_next().await {
        done.unwrap();
    }
    target.unharmed().await;
}

/// CVE-2023-44487: requests that are taken back at once, so that there are never many at a time.
#[tokio::test]
async fn requests_that_are_taken_back() {
    let target = Target::start();
    let mut wire = Wire::open(&target.address(), &[]).await;
    let mut sent = 0_u32;
    for batch in 0..2000 {
        let streams = (0..20).map(|n| 1 + 2 * (batch * 20 + n));
        let bytes: Vec<u8> =
            streams.flat_map(|stream| [get(stream, "/v1/devices"), frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes())].concat()).collect();
        if !wire.send(&bytes).await {
            break;
        }
        sent += 20;
    }
    assert!(sent < 40_000, "all of them were taken");
    target.unharmed().await;
}

/// A peer that asks for much and takes nothing of it (CVE-2019-9517).
#[tokio::test]
async fn answers_that_nobody_takes() {
    let target = Target::start();
    let mut wire = Wire::open(&target.address(), &[0, 4, 0, 0, 0, 0]).await;
    for stream in 0..100 {
        wire.send(&get(1 + 2 * stream, "/openapi.json")).await;
    }
    assert!(wire.is_left().await, "its answers are kept for ever");
    target.unharmed().await;
}
