//! The load: HTTP/1.1 requests over connections that stay open, made ahead, so that it costs as little as it can beside what it measures.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use bytes::Bytes;
use chrono::TimeDelta;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::domain::Timestamp;
use crate::domain::clock::Clock;

/// A steady load.
#[derive(Clone, Copy)]
pub(super) struct Pace {
    /// Requests per second.
    pub(super) per_second: u32,
    /// Over so many connections, one request at a time on each.
    pub(super) connections: usize,
}

/// Speaks to the daemon.
#[derive(Clone)]
pub(super) struct Client {
    url: String,
    address: String,
    key: String,
    http: reqwest::Client,
}

impl Client {
    pub(super) fn new(url: &str, key: &str) -> anyhow::Result<Self> {
        let address = url.strip_prefix("http://").context("the daemon serves http")?.to_owned();
        Ok(Self { url: url.to_owned(), address, key: key.to_owned(), http: reqwest::Client::new() })
    }

    pub(super) async fn import(&self, lines: String) -> anyhow::Result<Value> {
        let request = self.http.post(format!("{}/v1/devices/import", self.url)).bearer_auth(&self.key);
        Ok(request.header("content-type", "application/x-ndjson").body(lines).send().await?.error_for_status()?.json().await?)
    }

    pub(super) async fn post(&self, body: String) -> anyhow::Result<String> {
        let mut sender = self.connect().await?;
        self.one(&mut sender, body).await
    }

    /// Sends all bodies over as many connections; the ids that were answered.
    pub(super) async fn post_all(&self, bodies: Vec<String>, connections: usize) -> anyhow::Result<Vec<String>> {
        let bodies = Arc::new(Mutex::new(bodies));
        let mut tasks = JoinSet::new();
        for _ in 0..connections {
            let (client, bodies) = (self.clone(), Arc::clone(&bodies));
            tasks.spawn(async move {
                let (mut sender, mut ids) = (client.connect().await?, Vec::new());
                loop {
                    let Some(body) = bodies.lock().await.pop() else { return anyhow::Ok(ids) };
                    ids.push(client.one(&mut sender, body).await?);
                }
            });
        }
        let mut ids = Vec::new();
        while let Some(done) = tasks.join_next().await {
            ids.extend(done??);
        }
        Ok(ids)
    }

    /// Sends at a steady rate over several connections; each id and when its 202 came.
    pub(super) async fn post_paced(
        &self,
        bodies: Vec<String>,
        pace: Pace,
        clock: &Arc<dyn Clock>,
    ) -> anyhow::Result<Vec<(String, Timestamp)>> {
        let started = Instant::now();
        let mut shares: Vec<Vec<(u32, String)>> = (0..pace.connections).map(|_| Vec::new()).collect();
        for ((number, body), share) in (0_u32..).zip(bodies).zip((0..pace.connections).cycle()) {
            shares.get_mut(share).context("a connection")?.push((number, body));
        }
        let mut tasks = JoinSet::new();
        for share in shares {
            let (client, clock) = (self.clone(), Arc::clone(clock));
            tasks.spawn(async move {
                let (mut sender, mut answered) = (client.connect().await?, Vec::with_capacity(share.len()));
                for (number, body) in share {
                    sleep_until(started + Duration::from_secs(1) * number / pace.per_second).await;
                    answered.push((client.one(&mut sender, body).await?, clock.now()));
                }
                anyhow::Ok(answered)
            });
        }
        let mut answered = Vec::new();
        while let Some(done) = tasks.join_next().await {
            answered.extend(done??);
        }
        Ok(answered)
    }

    /// When a notification's only push was answered by the provider.
    pub(super) async fn sent_at(&self, id: &str) -> anyhow::Result<Timestamp> {
        let url = format!("{}/v1/notifications/{id}/deliveries", self.url);
        loop {
            let answer: Value = self.http.get(&url).bearer_auth(&self.key).send().await?.error_for_status()?.json().await?;
            if let Some(sent_at) = answer.pointer("/items/0/sent_at").and_then(Value::as_str) {
                return Ok(sent_at.parse()?);
            }
            tokio::time::sleep(super::LOOK_EVERY).await;
        }
    }

    async fn connect(&self) -> anyhow::Result<SendRequest<Full<Bytes>>> {
        let stream = TcpStream::connect(&self.address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        #[expect(clippy::disallowed_methods, reason = "the bench ends with its process, nothing waits for it")]
        drop(tokio::spawn(connection));
        Ok(sender)
    }

    async fn one(&self, sender: &mut SendRequest<Full<Bytes>>, body: String) -> anyhow::Result<String> {
        let request = hyper::Request::post("/v1/notifications")
            .header("host", &self.address)
            .header("authorization", format!("Bearer {}", self.key))
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(body)))?;
        sender.ready().await?;
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        ensure!(status == 202, "answered {status}: {}", String::from_utf8_lossy(&body));
        let answer: Value = serde_json::from_slice(&body)?;
        answer.get("id").and_then(Value::as_str).map(ToOwned::to_owned).context("an answer without an id")
    }
}

/// From the 202 to the provider's answer, in milliseconds. Negative: the provider was quicker than the 202's way back.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Latencies {
    /// Half of them were quicker.
    pub p50: f64,
    /// Nineteen of twenty.
    pub p95: f64,
    /// Ninety-nine of a hundred.
    pub p99: f64,
}

impl Latencies {
    pub(super) fn of(mut all: Vec<TimeDelta>) -> Self {
        all.sort_unstable();
        let at = |share: usize| all.get((all.len() * share / 100).min(all.len().saturating_sub(1))).map_or(0.0, |latency| millis(*latency));
        Self { p50: at(50), p95: at(95), p99: at(99) }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn millis(latency: TimeDelta) -> f64 {
    latency.num_microseconds().unwrap_or(i64::MAX) as f64 / 1000.0
}
