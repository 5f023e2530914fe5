//! What a caller does with a running `herald`, over HTTP.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::daemon::{PATIENCE, until};

/// An answer, read.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    /// The body, if the status is the expected one.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
        self.body
    }

    /// The problem, if the status and the code are the expected ones.
    #[track_caller]
    pub(crate) fn problem(self, status: u16, code: &str) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
        assert_eq!(self.headers["content-type"], "application/problem+json", "{}", self.body);
        assert_eq!(self.body["code"], code, "{}", self.body);
        assert_eq!(self.body["status"], status, "{}", self.body);
        self.body
    }

    /// The problem's error at a field, with its code.
    #[track_caller]
    pub(crate) fn invalid(self, field: &str, code: &str) {
        let body = self.problem(422, "invalid");
        let errors = body["errors"].as_array().unwrap();
        assert!(errors.iter().any(|error| error["field"] == field && error["code"] == code), "{field} {code} in {body}");
    }

    /// A header field; empty where there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// Speaks HTTP to a running `herald`.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) url: String,
    pub(crate) key: String,
    http: reqwest::Client,
}

impl Client {
    pub(crate) fn new(url: &str, key: &str) -> Self {
        Self { url: url.to_owned(), key: key.to_owned(), http: reqwest::Client::new() }
    }

    /// The same daemon with another key.
    pub(crate) fn with_key(&self, key: &str) -> Self {
        Self { key: key.to_owned(), ..self.clone() }
    }

    /// A request that is not sent yet, with the key.
    pub(crate) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url)).bearer_auth(&self.key)
    }

    /// Sends a request and reads its answer.
    pub(crate) async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        let response = request.timeout(PATIENCE).send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let bytes = response.bytes().await.unwrap();
        let body = serde_json::from_slice(&bytes).unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned()));
        Answer { status, headers, body }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send(self.request(Method::DELETE, path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(self.request(Method::POST, path).json(body)).await
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> Answer {
        self.send(self.request(Method::PUT, path).json(body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: &Value) -> Answer {
        self.send(self.request(Method::PATCH, path).json(body)).await
    }

    /// A POST of bytes that need not be JSON, as `application/json`.
    pub(crate) async fn post_text(&self, path: &str, body: impl Into<reqwest::Body>) -> Answer {
        self.send(self.request(Method::POST, path).header("content-type", "application/json").body(body)).await
    }

    /// A POST with an `Idempotency-Key`.
    pub(crate) async fn post_once(&self, path: &str, key: &str, body: &str) -> Answer {
        let request = self.request(Method::POST, path).header("content-type", "application/json").header("idempotency-key", key);
        self.send(request.body(body.to_owned())).await
    }

    /// The items of a list's first page.
    pub(crate) async fn items(&self, path: &str) -> Vec<Value> {
        self.get(path).await.expect(200)["items"].as_array().unwrap().clone()
    }

    /// Imports devices, one JSON object a line.
    pub(crate) async fn import(&self, query: &str, lines: &str) -> Answer {
        let request = self.request(Method::POST, &format!("/v1/devices/import{query}"));
        self.send(request.header("content-type", "application/x-ndjson").body(lines.to_owned())).await
    }

    /// Imports iPhones, `phone-0` of `user-0` and so on.
    pub(crate) async fn import_many(&self, numbers: std::ops::Range<usize>) {
        for chunk in numbers.collect::<Vec<_>>().chunks(5000) {
            let line = |n: &usize| json!({"device_id": format!("phone-{n}"), "user_id": format!("user-{n}"), "platform": "ios", "token": apns_token("c0", *n)});
            let lines: String = chunk.iter().map(|n| format!("{}\n", line(n))).collect();
            let answer = self.import("", &lines).await.expect(200);
            assert_eq!(answer["created"], chunk.len(), "{answer}");
        }
    }

    /// Sets a user's preferences.
    pub(crate) async fn prefer(&self, user: &str, preferences: &Value) {
        self.put(&format!("/v1/users/{user}/preferences"), preferences).await.expect(200);
    }

    /// Registers an Apple device.
    pub(crate) async fn ios(&self, device: &str, user: &str, token: &str) -> Value {
        let body = json!({"user_id": user, "platform": "ios", "token": token});
        let answer = self.put(&format!("/v1/devices/{device}"), &body).await;
        assert!(answer.status.is_success(), "{}", answer.body);
        answer.body
    }

    /// Registers an Android device.
    pub(crate) async fn android(&self, device: &str, user: &str, token: &str) -> Value {
        let body = json!({"user_id": user, "platform": "android", "token": token});
        let answer = self.put(&format!("/v1/devices/{device}"), &body).await;
        assert!(answer.status.is_success(), "{}", answer.body);
        answer.body
    }

    /// Accepts a notification; its id.
    pub(crate) async fn notify(&self, body: &Value) -> String {
        self.post("/v1/notifications", body).await.expect(202)["id"].as_str().unwrap().to_owned()
    }

    /// Waits until nothing waits; the notification as it ended. Whenever its counts have changed it has its time
    /// anew: how long a large one takes is the machine's affair.
    pub(crate) async fn done(&self, id: &str) -> Value {
        let mut seen = Value::Null;
        loop {
            let body = until(&format!("notification {id} goes on"), async || {
                let body = self.get(&format!("/v1/notifications/{id}")).await.expect(200);
                (is_over(&body) || body["counts"] != seen).then_some(body)
            })
            .await;
            if is_over(&body) {
                return body;
            }
            seen = body["counts"].clone();
        }
    }

    /// Sends and waits until nothing waits; the notification as it ended.
    pub(crate) async fn send_and_wait(&self, body: &Value) -> Value {
        let id = self.notify(body).await;
        self.done(&id).await
    }

    /// A notification's deliveries.
    pub(crate) async fn deliveries(&self, id: &str) -> Vec<Value> {
        self.get(&format!("/v1/notifications/{id}/deliveries?limit=500")).await.expect(200)["items"].as_array().unwrap().clone()
    }

    /// The delivery at one device.
    pub(crate) async fn delivery(&self, id: &str, device: &str) -> Value {
        let deliveries = self.deliveries(id).await;
        deliveries.iter().find(|delivery| delivery["device_id"] == device).unwrap_or_else(|| panic!("{device} in {deliveries:?}")).clone()
    }

    /// Waits until a notification's delivery at one device waits for this reason; the delivery.
    pub(crate) async fn waits(&self, id: &str, device: &str, reason: &str) -> Value {
        until(&format!("{device} waits for {reason}"), async || {
            let delivery = self.delivery(id, device).await;
            (delivery["status"] == "waiting" && delivery["reason"] == reason).then_some(delivery)
        })
        .await
    }

    /// The one push that a token got.
    pub(crate) async fn push(&self, token: &str) -> Value {
        let mut pushes = self.pushes(token).await;
        assert_eq!(pushes.len(), 1, "{pushes:?}");
        pushes.remove(0)
    }

    /// What the simulator got for a token.
    pub(crate) async fn pushes(&self, token: &str) -> Vec<Value> {
        self.get(&format!("/simulator/pushes?device_token={token}")).await.expect(200)["items"].as_array().unwrap().clone()
    }

    /// Makes the simulator misbehave.
    pub(crate) async fn behave(&self, rules: Value) {
        self.put("/simulator/behaviours", &json!({ "rules": rules })).await.expect(204);
    }
}

/// An Apple token of 64 digits, beginning as given.
pub(crate) fn apns_token(prefix: &str, number: usize) -> String {
    format!("{prefix}{number:0width$x}", width = 64 - prefix.len())
}

/// Whether nothing of a notification is left to do.
fn is_over(notification: &Value) -> bool {
    ["done", "cancelled"].contains(&notification["status"].as_str().unwrap()) && notification["counts"]["waiting"] == 0
}
