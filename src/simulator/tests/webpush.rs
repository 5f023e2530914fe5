//! The web push service.

use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http_body_util::BodyExt;
use tower::ServiceExt;

use super::*;
use crate::domain::clock::{Clock, Rng};
use crate::domain::content::Content;
use crate::domain::device::{Environment, Platform, PushToken};
use crate::domain::id::NotificationId;
use crate::domain::notification::Priority;
use crate::domain::outcome::Outcome;
use crate::providers::webpush::{Settings, WebpushProvider};
use crate::providers::{Context, Handover, Message, Provider, Push, Secret};
use crate::system::{SystemClock, SystemRng};

async fn subscribe(bench: &Bench, asked: &str) -> (u16, Value) {
    let request = http::Request::post("/simulator/subscriptions").body(Body::from(asked.to_owned())).unwrap();
    let answer = bench.simulator.control_router().oneshot(request).await.unwrap();
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap())
}

async fn connect(bench: &Bench) -> Client {
    Client::connect(&bench.simulator.endpoints().webpush, bench.simulator.ca_pem()).await
}

/// A VAPID header with the simulator's key.
fn vapid(bench: &Bench) -> String {
    let claims = json!({"aud": bench.simulator.endpoints().webpush, "exp": bench.now_s() + 3600, "sub": "mailto:a@b"});
    let key = rcgen::KeyPair::from_pem(bench.simulator.vapid_key_pem()).unwrap();
    let token = client::sign_es256(bench.simulator.vapid_key_pem(), "x", &claims);
    format!("vapid t={token}, k={}", URL_SAFE_NO_PAD.encode(key.public_key_raw()))
}

/// A sound request, but for who can read its body.
fn request(bench: &Bench, id: &str) -> http::request::Builder {
    http::Request::post(format!("/push/{id}"))
        .header("authorization", vapid(bench))
        .header("ttl", "60")
        .header("urgency", "high")
        .header("topic", "a-topic")
        .header("content-encoding", "aes128gcm")
}

/// The right form, and nothing in it.
fn body() -> Vec<u8> {
    let mut body = vec![1; 16];
    body.extend([0, 0, 16, 0, 65]);
    body.extend([4; 65]);
    body.extend([0; 40]);
    body
}

#[tokio::test]
async fn a_push_to_a_stranger_s_subscription_is_kept_as_it_came() {
    let bench = Bench::start().await;
    let client = connect(&bench).await;
    let answer = client.send(request(&bench, "elsewhere").body(()).unwrap(), body()).await.unwrap();
    assert_eq!(answer.status, 201, "{answer:?}");
    let location = answer.headers["location"].to_str().unwrap();
    assert!(location.starts_with(&format!("{}/message/", bench.simulator.endpoints().webpush)), "{location}");
    let pushes = bench.simulator.pushes(Some("elsewhere"));
    assert_eq!((pushes[0].provider, pushes[0].environment, pushes[0].status), ("webpush", None, Some(201)));
    assert_eq!(pushes[0].body.get(), format!("\"{}\"", URL_SAFE_NO_PAD.encode(body())));
    bench.stop().await;
}

#[tokio::test]
async fn refusals_are_as_push_services() {
    let bench = Bench::start().await;
    subscribe(&bench, r#"{"id": "mine"}"#).await;
    let client = connect(&bench).await;
    let with = |name: &'static str, value: Option<&str>| {
        let mut request = request(&bench, "elsewhere").body(()).unwrap();
        request.headers_mut().remove(name);
        if let Some(value) = value {
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        request
    };
    let to = |path: &str| {
        let mut request = request(&bench, "x").body(()).unwrap();
        *request.uri_mut() = path.parse().unwrap();
        request
    };
    let long_topic = "t".repeat(33);
    let mut small_record = body();
    small_record[18] = 0;
    let other_key = URL_SAFE_NO_PAD.encode([4; 65]);
    for (request, body, status, errno) in [
        (to("/other/x"), body(), 404, 102),
        (to("/push/"), body(), 404, 102),
        (to("/push/a/b"), body(), 404, 102),
        (with("authorization", None), body(), 401, 109),
        (with("authorization", Some("Bearer x")), body(), 401, 109),
        (with("authorization", Some(&format!("vapid t=x, k={other_key}"))), body(), 401, 109),
        (with("ttl", None), body(), 400, 111),
        (with("ttl", Some("soon")), body(), 400, 112),
        (with("ttl", Some("-1")), body(), 400, 112),
        (with("urgency", Some("urgent")), body(), 400, 112),
        (with("topic", Some(&long_topic)), body(), 400, 113),
        (with("topic", Some("a b")), body(), 400, 113),
        (with("content-encoding", None), body(), 400, 110),
        (with("content-encoding", Some("aesgcm")), body(), 400, 110),
        (with("x", None), vec![0; 4097], 413, 104),
        (with("x", None), vec![0; 86], 400, 110),
        (with("x", None), small_record, 400, 110),
        (to("/push/mine"), body(), 400, 110),
    ] {
        let told = format!("{request:?}");
        let answer = client.send(request, body).await.unwrap();
        assert_eq!((answer.status, &answer.json()["errno"]), (status, &json!(errno)), "{told}");
    }
    let mut get = request(&bench, "x").body(()).unwrap();
    *get.method_mut() = http::Method::GET;
    assert_eq!(client.send(get, Vec::new()).await.unwrap().status, 405);
    assert_eq!(bench.simulator.stats().accepted, 0);
    bench.stop().await;
}

#[tokio::test]
async fn a_token_ends() {
    let bench = Bench::start().await;
    let client = connect(&bench).await;
    let token = vapid(&bench);
    let send = || {
        let mut request = request(&bench, "x").body(()).unwrap();
        request.headers_mut().insert("authorization", token.parse().unwrap());
        client.send(request, body())
    };
    assert_eq!(send().await.unwrap().status, 201);
    bench.pass(3600);
    assert_eq!(send().await.unwrap().status, 401);
    bench.stop().await;
}

#[tokio::test]
async fn scripts_answer_as_any_push_service() {
    let bench = Bench::start().await;
    let client = connect(&bench).await;
    for (respond, body) in [
        (json!({"status": 400, "reason": "BadTtl"}), r#"{"reason":"BadTtl"}"#),
        (json!({"status": 401, "reason": "109", "message": "m"}), r#"{"code":401,"errno":109,"error":"Unauthorized","message":"m"}"#),
        (json!({"status": 403, "message": "plain"}), "plain"),
        (json!({"status": 503, "retry_after": 3}), ""),
        (json!({"status": 301, "location": "https://elsewhere.example/"}), ""),
        (json!({"status": 202}), ""),
    ] {
        bench.rules(&json!([{"provider": "webpush", "token_prefix": "x", "respond": respond}]));
        let answer = client.send(request(&bench, "x1").body(()).unwrap(), self::body()).await.unwrap();
        assert_eq!((json!(answer.status), std::str::from_utf8(&answer.body).unwrap()), (respond["status"].clone(), body));
        for (name, header) in [("retry_after", "retry-after"), ("location", "location")] {
            let asked = respond.get(name).map(|value| value.to_string().trim_matches('"').to_owned());
            let given = answer.headers.get(header).map(|value| value.to_str().unwrap().to_owned());
            assert!(asked.is_none() || asked == given, "{respond} {given:?}");
        }
    }
    bench.stop().await;
}

#[tokio::test]
async fn subscriptions_are_made_as_asked_for() {
    let bench = Bench::start().await;
    let (status, made) = subscribe(&bench, "").await;
    assert_eq!(status, 201);
    assert!(made["endpoint"].as_str().unwrap().starts_with(&format!("{}/push/", bench.simulator.endpoints().webpush)), "{made}");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    assert!(PushToken::webpush(&text(&made["endpoint"]), &text(&made["keys"]["p256dh"]), &text(&made["keys"]["auth"])).is_ok());
    let (_, first) = subscribe(&bench, r#"{"id": "dead-1"}"#).await;
    assert!(first["endpoint"].as_str().unwrap().ends_with("/push/dead-1"));
    assert_eq!(subscribe(&bench, r#"{"id": "dead-1"}"#).await, (201, first), "the same again");
    for (asked, status, field) in [
        ("{", 400, Value::Null),
        (r#"{"id": ""}"#, 422, json!("id")),
        (r#"{"id": "a/b"}"#, 422, json!("id")),
        (r#"{"id": 5}"#, 422, json!("id")),
        (r#"{"name": "x"}"#, 422, json!("name")),
        (r#"{"application_server_key": "AAAA"}"#, 422, json!("application_server_key")),
    ] {
        let (answered, problem) = subscribe(&bench, asked).await;
        assert_eq!((answered, &problem["errors"][0]["field"]), (status, &field), "{asked}");
    }
    bench.stop().await;
}

/// What the daemon's own provider sends opens here, and is counted by notification.
#[tokio::test]
async fn a_push_to_a_subscription_of_ours_is_shown_as_the_service_worker_gets_it() {
    let bench = Bench::with(|options| options.now = Arc::new(|| SystemClock.now())).await;
    let folder = tempfile::tempdir().unwrap();
    bench.simulator.write_files(folder.path()).await.unwrap();
    let config: toml::Table = bench.simulator.config_toml("demo", folder.path()).unwrap().parse().unwrap();
    let settings: Settings = config["apps"]["demo"]["webpush"].clone().try_into().unwrap();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let rng: Arc<dyn Rng> = Arc::new(SystemRng);
    let context = Context {
        clock: Arc::clone(&clock),
        rng,
        tasks: bench.tasks.clone(),
        cancel: bench.cancel.clone(),
        send_timeout: std::time::Duration::from_secs(10),
        provider_floors: false,
    };
    let key = Secret::new(bench.simulator.vapid_key_pem().to_owned());
    let provider = WebpushProvider::new(&settings, &key, &context).unwrap();
    let (_, made) = subscribe(&bench, r#"{"id": "mine"}"#).await;
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let content = Content { title: Some("Ann".to_owned()), body: Some("é".repeat(1000)), ..Content::default() };
    let message = Message {
        notification: NotificationId(uuid::Uuid::from_u128(7)),
        platform: Platform::Web,
        content: &content,
        silent: false,
        push_type: &crate::domain::push_type::PushType::Usual,
        start_at: clock.now(),
        priority: Priority::Normal,
        collapse_id: "chat-9",
        expires_at: None,
        overrides: None,
    };
    let rendered = Arc::new(provider.render(&message).unwrap());
    for _ in 0..2 {
        let push = Push {
            rendered: Arc::clone(&rendered),
            token: PushToken::webpush(&text(&made["endpoint"]), &text(&made["keys"]["p256dh"]), &text(&made["keys"]["auth"])).unwrap(),
            environment: Environment::Production,
            id: uuid::Uuid::from_u128(9),
            expires_at: None,
            now: clock.now(),
            handover: Handover::until(crate::domain::Timestamp::MAX_UTC, std::time::Duration::MAX, Arc::clone(&clock)),
        };
        assert_eq!(provider.send(push).await, Outcome::Accepted { message_id: None, environment: None });
    }
    let pushes = bench.simulator.pushes(Some("mine"));
    let shown: Value = serde_json::from_str(pushes[1].body.get()).unwrap();
    assert_eq!((&shown["title"], &shown["body"]), (&json!("Ann"), &json!("é".repeat(1000))));
    let stats = bench.simulator.stats();
    assert_eq!((stats.accepted, stats.devices, stats.repeats), (2, 1, 1));
    drop(provider);
    bench.stop().await;
}
