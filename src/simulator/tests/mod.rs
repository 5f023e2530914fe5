//! The simulator over real connections: HTTP/2 and TLS with its own CA, on port 0.

mod apns;
mod client;
mod control;
mod faults;
mod fcm;
mod files;
mod limits;
mod webpush;

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use chrono::DateTime;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Options, Rule, Simulator};
use client::{Answer, Client, Failure};

/// The instant at which every test begins.
const START_S: i64 = 1_800_000_000;

/// A simulator with a clock that stands still until it is moved.
struct Bench {
    simulator: Simulator,
    clock_ms: Arc<AtomicI64>,
    tasks: TaskTracker,
    cancel: CancellationToken,
    /// The provider token made last, and when: each signature is another.
    provider_token: Mutex<(i64, String)>,
}

impl Bench {
    async fn start() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut Options)) -> Self {
        let clock_ms = Arc::new(AtomicI64::new(START_S * 1000));
        let (tasks, cancel) = (TaskTracker::new(), CancellationToken::new());
        let clock = Arc::clone(&clock_ms);
        let now = move || DateTime::from_timestamp_millis(clock.load(Ordering::Relaxed)).unwrap_or_default();
        let mut options = Options::new(Arc::new(now), tasks.clone(), cancel.clone());
        change(&mut options);
        let simulator = Simulator::start(options).await.unwrap();
        Self { simulator, clock_ms, tasks, cancel, provider_token: Mutex::default() }
    }

    fn pass(&self, seconds: i64) {
        self.clock_ms.fetch_add(seconds * 1000, Ordering::Relaxed);
    }

    fn now_s(&self) -> i64 {
        self.clock_ms.load(Ordering::Relaxed) / 1000
    }

    fn rules(&self, rules: &Value) {
        let rules: Vec<Rule> = serde_json::from_value(rules.clone()).unwrap();
        self.simulator.set_behaviours(rules);
    }

    async fn apns(&self) -> Client {
        Client::connect(&self.simulator.endpoints().apns, self.simulator.ca_pem()).await
    }

    async fn fcm(&self) -> Client {
        Client::connect(&self.simulator.endpoints().fcm, self.simulator.ca_pem()).await
    }

    /// An APNs provider token, renewed every 20 minutes.
    fn provider_token(&self) -> String {
        let mut made = self.provider_token.lock().unwrap();
        if made.0 + 1200 <= self.now_s() {
            *made = (self.now_s(), self.sign_provider_token());
        }
        made.1.clone()
    }

    fn sign_provider_token(&self) -> String {
        let claims = json!({"iss": self.simulator.team_id(), "iat": self.now_s()});
        let (key, key_id) = (self.simulator.apns_key_pem(), self.simulator.key_id());
        client::sign_es256(key, key_id, &claims)
    }

    /// An access token from the token endpoint.
    async fn access_token(&self) -> String {
        let form = client::token_form(self.simulator.service_account_json(), self.now_s());
        let request = http::Request::post("/token").body(()).unwrap();
        let answer = self.fcm().await.send(request, form).await.unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["access_token"].as_str().unwrap().to_owned()
    }

    /// Ends everything; fails when a task is left over.
    async fn stop(self) {
        self.cancel.cancel();
        self.tasks.close();
        let wait = tokio::time::timeout(std::time::Duration::from_secs(10), self.tasks.wait());
        wait.await.expect("a task is left over");
    }
}

/// An APNs device token that begins as given.
fn token(prefix: &str) -> String {
    format!("{prefix:0<64}")
}

/// A sound APNs request.
fn push(bench: &Bench, token: &str) -> http::request::Builder {
    http::Request::post(format!("/3/device/{token}"))
        .header("authorization", format!("bearer {}", bench.provider_token()))
        .header("apns-topic", bench.simulator.bundle_id())
        .header("apns-push-type", "alert")
        .header("apns-id", "6a3a4e5c-1111-4222-8333-944445555666")
}

/// An alert of a notification.
fn alert(herald_id: &str) -> String {
    json!({"aps": {"alert": {"title": "Ann"}}, "herald_id": herald_id}).to_string()
}

/// Sends a sound APNs push.
async fn send_push(bench: &Bench, client: &Client, token: &str, id: &str) -> Result<Answer, Failure> {
    let request = push(bench, token).body(()).unwrap();
    client.send(request, alert(id)).await
}

/// A sound FCM request.
fn message(bench: &Bench, access_token: &str) -> http::Request<()> {
    let project = bench.simulator.project_id();
    http::Request::post(format!("/v1/projects/{project}/messages:send"))
        .header("authorization", format!("Bearer {access_token}"))
        .body(())
        .unwrap()
}
