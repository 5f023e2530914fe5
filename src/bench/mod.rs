//! `herald bench`: drives the whole path against the simulator, in processes of their own on loopback, and says what it cost.
//!
//! Three loads: requests that are only accepted, requests that become one push each, and one notification to a whole audience.
//! The first is what accepting costs, the third what sending costs, the second both together.

mod children;
mod cpu;
mod load;
mod report;

use std::time::Duration;

use anyhow::{Context, ensure};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use children::Children;
use cpu::Cpu;
use load::{Client, Latencies, Pace};
pub use report::Report;

/// How often the simulator is asked how far it is.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Nothing here takes longer, on a machine that works.
const PATIENCE: Duration = Duration::from_mins(10);
/// The gentle load, at which latencies are taken first.
const GENTLE: Pace = Pace { per_second: 500, connections: 1 };
/// How long half of what was measured is asked for, in seconds.
const HALF_LOAD_SECONDS: usize = 5;

/// How much of each load.
#[derive(Clone, Debug)]
pub struct Options {
    /// Requests of one push each; as many again that are only accepted.
    pub notifications: usize,
    /// Devices of the audience.
    pub audience: usize,
    /// Requests under way at once.
    pub in_flight: usize,
    /// Requests whose latency from the 202 to the provider's answer is looked up.
    pub samples: usize,
    /// Where they run.
    pub servers: Option<Servers>,
}

impl Options {
    /// Devices that are registered.
    fn devices(&self) -> usize {
        self.audience.max(self.notifications).max(1)
    }
}

/// PostgreSQL and Redis, and the nodes on them: one that accepts and schedules, and workers. They are not cleaned up.
#[derive(Clone, Debug)]
pub struct Servers {
    /// An empty database, as `database.url` has it.
    pub database: String,
    /// As `queue.url` has it.
    pub queue: String,
    /// Nodes that send.
    pub workers: usize,
}

/// One load and what it cost.
#[derive(Clone, Debug, Serialize)]
pub struct Phase {
    /// Which.
    pub name: &'static str,
    /// Requests or pushes.
    pub items: usize,
    /// Wall-clock seconds.
    pub seconds: f64,
    /// CPU microseconds per item.
    pub cpu: CpuPerItem,
    /// The largest node's resident memory at its highest, in MiB.
    pub peak_mib: u64,
}

/// CPU microseconds per item, by who used them.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct CpuPerItem {
    /// The nodes, without the threads of an embedded store.
    pub daemon: f64,
    /// The threads of an embedded store; else every process of PostgreSQL and Redis on this machine.
    pub store: f64,
    /// The simulator.
    pub simulator: f64,
    /// This process: the load itself.
    pub load: f64,
}

/// Runs all loads.
pub async fn run(options: Options, mut said: impl FnMut(&str)) -> anyhow::Result<Report> {
    let children = Children::start(options.servers.as_ref()).await?;
    let client = Client::new(&children.daemon_url, &children.key)?;
    said("registering devices");
    let import = import(&client, options.devices()).await?;
    said("accepting");
    let accept = accepted_only(&children, &client, &options).await?;
    said("one push for each request");
    let direct = direct(&children, &client, &options).await?;
    said("one notification for everyone");
    let fan_out = fan_out(&children, &client, &options).await?;
    said("latency at a gentle load");
    let latency = latencies(&children, &client, GENTLE, options.samples, &options).await?;
    said("latency at half load");
    let half = half_of(&direct, options.in_flight);
    let requests = HALF_LOAD_SECONDS.saturating_mul(half.per_second as usize);
    let at_half = latencies(&children, &client, half, requests, &options).await?;
    let stats = children.stats().await?;
    Ok(Report {
        import_per_second: import,
        phases: vec![accept, direct, fan_out],
        latency,
        half_load: (half.per_second, at_half),
        repeats: number(&stats, "repeats"),
    })
}

async fn import(client: &Client, devices: usize) -> anyhow::Result<f64> {
    let started = Instant::now();
    let numbers: Vec<usize> = (0..devices).collect();
    for chunk in numbers.chunks(10_000) {
        let lines = chunk.iter().fold(String::new(), |lines, number| lines + &device(*number).to_string() + "\n");
        let answer = client.import(lines).await?;
        ensure!(number(&answer, "failed") == 0, "devices were refused: {answer}");
    }
    Ok(per_second(devices, started.elapsed()))
}

/// Two of three are Apple's.
fn device(number: usize) -> Value {
    let (id, user) = (format!("bench-{number}"), format!("bench-{number}"));
    if number % 3 == 2 {
        json!({"device_id": id, "user_id": user, "platform": "android", "token": format!("bench-{number}:APA91b{number:0>120}")})
    } else {
        json!({"device_id": id, "user_id": user, "platform": "ios", "token": format!("c0{number:062x}")})
    }
}

fn direct_body(number: usize, send_at: Option<&str>) -> String {
    let mut body = json!({
        "to": {"user_id": format!("bench-{number}")}, "category": "bench", "priority": "high",
        "content": {"title": "Ann", "body": "Lunch at twelve, the usual place?", "sound": "default", "link": "myapp://chat/9", "data": {"chat": "9"}},
    });
    if let (Some(send_at), Some(body)) = (send_at, body.as_object_mut()) {
        body.insert("send_at".to_owned(), json!(send_at));
    }
    body.to_string()
}

async fn accepted_only(children: &Children, client: &Client, options: &Options) -> anyhow::Result<Phase> {
    let tomorrow = (children.now() + chrono::TimeDelta::days(1)).to_rfc3339();
    let bodies = (0..options.notifications).map(|number| direct_body(number, Some(&tomorrow))).collect();
    measured("accept", options.notifications, children, async || client.post_all(bodies, options.in_flight).await.map(drop)).await
}

async fn direct(children: &Children, client: &Client, options: &Options) -> anyhow::Result<Phase> {
    let before = children.accepted().await?;
    let bodies = (0..options.notifications).map(|number| direct_body(number, None)).collect();
    measured("direct", options.notifications, children, async || {
        client.post_all(bodies, options.in_flight).await?;
        reached(children, before + options.notifications as u64).await
    })
    .await
}

async fn fan_out(children: &Children, client: &Client, options: &Options) -> anyhow::Result<Phase> {
    let before = children.accepted().await?;
    let audience = options.devices();
    let body = json!({"to": {"all": true}, "category": "bench", "priority": "normal", "content": {"title": "Sale", "body": "Everything must go."}});
    measured("fan-out", audience, children, async || {
        client.post(body.to_string()).await?;
        reached(children, before + audience as u64).await
    })
    .await
}

/// Half of what was measured at full load.
fn half_of(direct: &Phase, connections: usize) -> Pace {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate of some thousands")]
    let per_second = (direct.rate() / 2.0).max(1.0) as u32;
    Pace { per_second, connections }
}

/// A steady load, and how long a sample of its requests took from the 202 to the provider's answer.
async fn latencies(children: &Children, client: &Client, pace: Pace, requests: usize, options: &Options) -> anyhow::Result<Latencies> {
    let before = children.accepted().await?;
    let bodies = (0..requests).map(|number| direct_body(number % options.devices(), None)).collect();
    let accepted = client.post_paced(bodies, pace, &children.clock).await?;
    reached(children, before + requests as u64).await?;
    let every = requests.checked_div(options.samples).unwrap_or_default().max(1);
    let mut latencies = Vec::with_capacity(options.samples);
    for (id, answered_at) in accepted.iter().step_by(every) {
        latencies.push(client.sent_at(id).await? - *answered_at);
    }
    Ok(Latencies::of(latencies))
}

async fn measured(
    name: &'static str,
    items: usize,
    children: &Children,
    work: impl AsyncFnOnce() -> anyhow::Result<()>,
) -> anyhow::Result<Phase> {
    let (before, started) = (Cpu::read(children)?, Instant::now());
    work().await?;
    let (seconds, after) = (started.elapsed().as_secs_f64(), Cpu::read(children)?);
    Ok(Phase { name, items, seconds, cpu: after.since(&before).per_item(items), peak_mib: children.peak_mib()? })
}

async fn reached(children: &Children, accepted: u64) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while children.accepted().await? < accepted {
        ensure!(Instant::now() < deadline, "the simulator did not get {accepted} pushes within {PATIENCE:?}");
        sleep(LOOK_EVERY).await;
    }
    Ok(())
}

fn number(value: &Value, key: &str) -> u64 {
    value.get(key).and_then(Value::as_u64).unwrap_or_default()
}

#[expect(clippy::cast_precision_loss, reason = "a rate for people")]
fn per_second(items: usize, elapsed: Duration) -> f64 {
    items as f64 / elapsed.as_secs_f64().max(f64::MIN_POSITIVE)
}

/// A child that did not say where it serves.
fn silent(name: &str) -> impl FnOnce() -> String {
    let name = name.to_owned();
    move || format!("{name} ended before it served")
}

fn context<T>(value: Option<T>, name: &str) -> anyhow::Result<T> {
    value.with_context(silent(name))
}
