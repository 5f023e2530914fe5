//! Imports as CSV, from other systems, and with an answer that streams.

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;
use http::{Method, Request};
use serde_json::{Value, json};

use super::kit::{KEY, Reply, World};

const EVENTS: (&str, &str) = ("accept", "application/x-ndjson");

async fn csv(world: &World, query: &str, text: &str, more: &[(&str, &str)]) -> Reply {
    let headers: Vec<(&str, &str)> = [("content-type", "text/csv")].iter().chain(more).copied().collect();
    world.ask(Method::POST, &format!("/v1/devices/import{query}"), &headers, text.to_owned()).await
}

fn events(reply: &Reply) -> Vec<Value> {
    assert_eq!((reply.status.as_u16(), reply.header("content-type")), (200, "application/x-ndjson"), "{reply:?}");
    String::from_utf8(reply.bytes.to_vec()).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A body that comes in these pieces and then breaks off.
async fn broken(world: &World, pieces: Vec<String>, more: &[(&str, &str)]) -> Reply {
    let pieces = pieces.into_iter().map(|piece| Ok(Bytes::from(piece))).chain([Err(std::io::Error::other("gone"))]);
    let mut request = Request::post("/v1/devices/import").header("authorization", format!("Bearer {KEY}"));
    for (name, value) in [("content-type", "application/x-ndjson")].iter().chain(more) {
        request = request.header(*name, *value);
    }
    world.send(request.body(Body::from_stream(stream::iter(pieces.collect::<Vec<_>>()))).unwrap()).await
}

fn line(number: usize) -> String {
    format!("{}\n", json!({"device_id": format!("d{number}"), "user_id": "u", "platform": "android", "token": format!("t{number}")}))
}

#[tokio::test]
async fn rows_are_counted_by_the_lines_of_the_file() {
    let world = World::new().await;
    let text = concat!(
        "\u{feff}device_id,user_id,platform,token,model,tags.plan\r\n",
        "d1,ann,android,t1,\"two\r\nlines\",pro\r\n",
        "\r\n",
        "d2,ann,android,t2,,\"say \"\"hi\"\"\"\r\n",
        "d3,ann,symbian,t3,,\r\n",
        "d4,ann,android\r\n",
        "d5,,android,t5,Pixel,"
    );
    for (query, devices) in [("?dry_run=true", 0), ("", 1)] {
        let body = csv(&world, query, text, &[]).await.json();
        assert_eq!((&body["lines"], &body["created"], &body["failed"]), (&json!(5), &json!(1), &json!(4)), "{body}");
        let told: Vec<_> =
            body["errors"].as_array().unwrap().iter().map(|e| (e["line"].as_u64().unwrap(), e["field"].as_str().unwrap())).collect();
        assert_eq!(told, [(2, "model"), (6, "platform"), (7, ""), (8, "user_id")], "{body}");
        assert!(body.get("ignored").is_none());
        assert_eq!(world.get("/v1/devices").await.json()["items"].as_array().unwrap().len(), devices);
    }
    assert_eq!(world.get("/v1/devices/d2").await.json()["tags"], json!({"plan": "say \"hi\""}));
    assert_eq!(csv(&world, "", "device_id,colour\nd1,red\n", &[]).await.field(), ("header.colour".to_owned(), "unknown_field".to_owned()));
    assert_eq!(csv(&world, "", "", &[]).await.field(), ("header".to_owned(), "required".to_owned()));
    assert_eq!(csv(&world, "", "\"device_id\n", &[]).await.field(), ("header".to_owned(), "unclosed_quote".to_owned()));
}

#[tokio::test]
async fn what_is_not_taken_over_is_told() {
    let world = World::new().await;
    let text = "id,identifier,device_type,external_user_id,ad_id,playtime\np1,t1,1,ann,x,12\np2,a@b.example,11,ann,,\n";
    let body = csv(&world, "?format=onesignal", text, &[]).await.json();
    assert_eq!((&body["created"], &body["failed"], &body["ignored"]), (&json!(1), &json!(1), &json!(["ad_id", "playtime"])), "{body}");
    assert_eq!((&body["errors"][0]["line"], &body["errors"][0]["field"]), (&json!(3), &json!("device_type")));
    assert!(!body.to_string().contains("a@b.example"));
    assert_eq!(world.get("/v1/devices/p1").await.json()["user_id"], "ann");
    // what the store refuses is named as it is called there, too
    let ios = format!("id,identifier,device_type\np1,{},0\n", "ab".repeat(32));
    assert_eq!(csv(&world, "?format=onesignal", &ios, &[]).await.json()["updated"], 1, "the platform changed with the token");
}

#[tokio::test]
async fn all_errors_are_told_where_the_answer_streams() {
    let world = World::new().await;
    let rows: String = (0..1300).map(|n| if n % 2 == 0 { "bad,,,\n".to_owned() } else { format!("d{n},u,android,t{n}\n") }).collect();
    let reply = csv(&world, "", &format!("device_id,user_id,platform,token\n{rows}"), &[EVENTS]).await;
    let events = events(&reply);
    let lines: Vec<u64> = events.iter().filter_map(|event| event["error"]["line"].as_u64()).collect();
    assert_eq!(lines, (0..650).map(|n| 2 * n + 2).collect::<Vec<u64>>(), "each once, in order");
    let progress: Vec<u64> = events.iter().filter_map(|event| event["progress"]["line"].as_u64()).collect();
    assert_eq!(progress, [257, 513, 769, 1025, 1281, 1301]);
    let done = json!({"done": {"lines": 1300, "created": 650, "updated": 0, "failed": 650}});
    assert_eq!(events.last(), Some(&done));
}

#[tokio::test]
async fn a_body_that_breaks_off_says_how_far_it_came() {
    let world = World::new().await;
    let pieces = || vec![(0..700).map(line).collect::<String>(), "{\"device_id\": \"ha".to_owned()];
    let reply = broken(&world, pieces(), &[]).await;
    assert_eq!(reply.problem(), (400, "bad_request".to_owned()));
    assert!(reply.json()["detail"].as_str().unwrap().ends_with("what came up to line 700 was taken"), "{}", reply.json());
    assert_eq!(world.get("/v1/devices/d699").await.status.as_u16(), 200);
    let events = events(&broken(&world, pieces(), &[EVENTS]).await);
    let counts = json!({"line": 700, "lines": 700, "created": 0, "updated": 700, "failed": 0});
    assert_eq!(events[events.len() - 2], json!({"progress": counts}));
    assert_eq!(events.last().unwrap()["problem"]["code"], "bad_request");
    let nothing = broken(&world, vec!["{".to_owned()], &[]).await;
    assert!(nothing.json()["detail"].as_str().unwrap().ends_with("nothing was taken"), "{}", nothing.json());
}

/// The same key and file again is what the first answered; another file under it is refused before anything of it is written.
#[tokio::test]
async fn an_import_with_a_key_is_answered_once() {
    let world = World::new().await;
    let keyed = async |key: &str, query: &str, text: &str, more: &[(&str, &str)]| {
        let headers: Vec<_> = [("content-type", "application/x-ndjson"), ("idempotency-key", key)].iter().chain(more).copied().collect();
        world.ask(Method::POST, &format!("/v1/devices/import{query}"), &headers, text.to_owned()).await
    };
    let file: String = (0..600).map(line).chain(["{}\n".to_owned()]).collect();
    let first = keyed("k1", "", &file, &[]).await;
    assert_eq!((first.json()["created"].as_u64(), first.json()["failed"].as_u64()), (Some(600), Some(1)), "{first:?}");
    assert_eq!(first.header("idempotency-replayed"), "");
    world.delete("/v1/devices/d7").await;
    let again = keyed("\"k1\"", "", &file, &[]).await;
    assert_eq!((again.header("idempotency-replayed"), again.header("content-type")), ("true", "application/json"));
    assert_eq!(again.json(), first.json());
    assert_eq!(world.get("/v1/devices/d7").await.status.as_u16(), 404, "it was not taken again");
    for (query, text) in [("", line(601)), ("?dry_run=true", file.clone()), ("", format!("{file} "))] {
        let other = keyed("k1", query, &text, &[]).await;
        assert_eq!(other.problem(), (422, "idempotency_key_reused".to_owned()), "{query}");
    }
    assert_eq!(world.get("/v1/devices/d601").await.status.as_u16(), 404);
    assert_eq!(keyed("k2", "", &line(601), &[]).await.json()["created"], 1);
    // what is refused whole is not remembered
    let bad = keyed("k3", "?format=onesignal", "x", &[]).await;
    assert_eq!(bad.problem().0, 415);
    assert_eq!(keyed("k3", "", &line(602), &[]).await.json()["created"], 1);
    for (key, more) in [("k 4", &[][..]), ("", &[]), ("k4", &[EVENTS])] {
        assert_eq!(keyed(key, "", &line(603), more).await.field(), ("Idempotency-Key".to_owned(), "invalid".to_owned()), "{key}");
    }
    assert_eq!(world.get("/v1/devices/d603").await.status.as_u16(), 404);
}
