//! A daemon with an app for each lane that a table needs, and every line of the table acted out on it.

use std::time::Duration;

use chrono::TimeDelta;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::answer::To;
use super::carrier::Carrier;
use super::row::{Row, Seen, has_own_lane, of_another};
use crate::clock::instant;
use crate::daemon::{Client, PATIENCE, Process, Simulator};

/// The app whose lane is known to work.
const KNOWN: &str = "demo";
/// Devices there that are sent to at once, and how often: twice as often as is needed to judge a mismatched token.
const WELL: (usize, usize) = (20, 10);
/// A retry is not to come before all has been looked at: where the provider asks for no more, one comes after half of this or later.
const FIRST_RETRY_SECONDS: &str = "600";
/// How long what stalls is waited for.
const SEND_TIMEOUT_SECONDS: &str = "5";

const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The kinds of devices, as tokens begin.
const WELL_ONE: &str = "c1";
const ACTING: &str = "c2";
const ANOTHER: &str = "c3";

/// The table holds.
pub(super) async fn acted_out(carrier: Carrier, rows: Vec<Row>) {
    let stage = Stage::set(carrier, rows.iter().filter(|row| has_own_lane(row)).count());
    stage.make_known().await;
    let acts = stage.begin(rows).await;
    let mut wrong = stage.watch_all(&acts).await;
    wrong.extend(stage.watch_others(&acts).await);
    if wrong.is_empty() {
        // what was seen stays so
        wrong = stage.watch_all(&acts).await;
    }
    assert!(wrong.is_empty(), "{} of {} rows:\n{}", wrong.len(), acts.len(), wrong.join("\n"));
}

struct Stage {
    carrier: Carrier,
    // stopped first: it would miss the simulator
    _daemon: Process,
    simulator: Simulator,
    /// Of the app whose lane is known.
    known: Client,
    /// Of one app for each row with a lane of its own.
    own: Vec<Client>,
}

/// A row, under way.
struct Act {
    row: Row,
    number: usize,
    client: Client,
    notification: String,
}

impl Stage {
    fn set(carrier: Carrier, own_lanes: usize) -> Self {
        let simulator = Simulator::start();
        let demo = std::fs::read_to_string(simulator.config()).unwrap();
        let configure = |toml: &str| std::fs::write(simulator.config(), toml).unwrap();
        let key_of = |app: &str| {
            // reading all of them for each takes long
            configure(&format!("[apps.{app}]"));
            simulator.key_of(app, "send,manage,read,critical")
        };
        let apps: Vec<_> = (0..own_lanes).map(|number| format!("own{number}")).collect();
        let (known, own): (_, Vec<_>) = (key_of(KNOWN), apps.iter().map(|app| key_of(app)).collect());
        let more: String = apps.iter().map(|app| demo.replace("[apps.demo", &format!("[apps.{app}"))).collect();
        configure(&format!("{demo}\n{more}"));
        let daemon = simulator.serve(&[
            ("HERALD__RETRY__FIRST_SECONDS", FIRST_RETRY_SECONDS),
            ("HERALD__DISPATCH__SEND_TIMEOUT_SECONDS", SEND_TIMEOUT_SECONDS),
            // so many keys, all of them new, would be too many for one address
            ("HERALD__LIMITS__PER_ADDRESS", "100000/s"),
        ]);
        let known = Client::new(&daemon.url, &known);
        let own = own.iter().map(|key| known.with_key(key)).collect();
        Self { carrier, _daemon: daemon, simulator, known, own }
    }

    async fn register(&self, client: &Client, kind: &str, number: usize, to: To) -> String {
        let name = name(kind, number);
        self.carrier.register(&self.simulator.client, client, (&name, &self.carrier.token(kind, number)), to).await;
        name
    }

    /// Sends so much on the known lane that a mismatched token is judged there.
    async fn make_known(&self) {
        let (devices, times) = WELL;
        let mut names = Vec::new();
        for number in 0..devices {
            names.push(self.register(&self.known, WELL_ONE, number, To::Device).await);
        }
        for _ in 0..times {
            let done = self.known.send_and_wait(&json!({"to": {"device_ids": names}, "content": {"title": "t"}})).await;
            assert_eq!(done["counts"]["sent"], devices, "{done}");
        }
    }

    /// Has the simulator answer as the rows say, and sends each its push.
    async fn begin(&self, rows: Vec<Row>) -> Vec<Act> {
        let rule = |(number, row): (usize, &Row)| {
            let token = if row.0.to == To::Channel { format!("channel:{}", channel(number)) } else { self.carrier.token(ACTING, number) };
            row.0.rule(self.carrier.name(), &token)
        };
        self.simulator.client.behave(rows.iter().enumerate().map(rule).collect()).await;
        let (mut own, mut acts) = (self.own.iter(), Vec::new());
        for (number, row) in rows.into_iter().enumerate() {
            let client = if has_own_lane(&row) { own.next().unwrap() } else { &self.known }.clone();
            if row.0.to != To::Channel {
                self.register(&client, ACTING, number, row.0.to).await;
            }
            let notification = client.notify(&push(&row, number)).await;
            acts.push(Act { row, number, client, notification });
        }
        acts
    }

    /// Looks until every row is as the table says; what is wrong with those that never are.
    async fn watch_all(&self, acts: &[Act]) -> Vec<String> {
        let (deadline, mut wrong) = (Instant::now() + PATIENCE, Vec::new());
        for act in acts {
            let expected = Seen::of(self.carrier, &act.row);
            let seen = look_until(&expected, deadline, async || self.look(act).await).await;
            wrong.extend(seen.map(|seen| format!("{}\n  expected {expected:?}\n  but saw  {seen:?}", act.row.0)));
        }
        wrong
    }

    async fn look(&self, act: &Act) -> Seen {
        let delivery = only_delivery(&act.client, &act.notification).await;
        let is_failed = delivery["status"] == "failed";
        let is_patient = match act.row.0.patience {
            Some(seconds) => self.waits(act, &delivery, seconds).await,
            None => true,
        };
        let device = match act.row.0.to {
            To::Channel => None,
            To::Device | To::Ios => Some(self.look_at_device(act).await),
        };
        Seen {
            delivery: in_words(&delivery),
            detail: delivery["detail"].as_str().filter(|_| is_failed).map(ToOwned::to_owned),
            is_patient,
            device,
            lane: self.carrier.lane(&act.client).await,
        }
    }

    /// Whether a delivery waits for so many seconds from its last request on.
    async fn waits(&self, act: &Act, delivery: &Value, seconds: u32) -> bool {
        let pushes = self.simulator.client.pushes(&self.carrier.token(ACTING, act.number)).await;
        let (Some(last), true) = (pushes.last(), delivery["next_attempt_at"].is_string()) else { return false };
        instant(&delivery["next_attempt_at"]) - instant(&last["received_at"]) >= TimeDelta::seconds(seconds.into())
    }

    async fn look_at_device(&self, act: &Act) -> String {
        let device = act.client.get(&format!("/v1/devices/{}", name(ACTING, act.number))).await.expect(200);
        let environment = device["environment"].as_str().filter(|environment| *environment == "sandbox");
        let words = [device["status"].as_str(), device["inactive_reason"].as_str(), environment];
        words.into_iter().flatten().collect::<Vec<_>>().join(" ")
    }

    /// Sends to another device of each row's own lane; what is wrong with what becomes of those pushes.
    async fn watch_others(&self, acts: &[Act]) -> Vec<String> {
        let mut others = Vec::new();
        for act in acts.iter().filter(|act| has_own_lane(&act.row)) {
            let device = self.register(&act.client, ANOTHER, act.number, To::Device).await;
            others.push((act, act.client.notify(&to_device(&device)).await));
        }
        let (deadline, mut wrong) = (Instant::now() + PATIENCE, Vec::new());
        for (act, notification) in others {
            let (status, reason, requests) = of_another(act.row.4);
            let expected = (status.to_owned(), reason.to_owned(), requests);
            let seen = look_until(&expected, deadline, async || in_words(&only_delivery(&act.client, &notification).await)).await;
            wrong.extend(seen.map(|seen| format!("{}\n  another device: expected {expected:?}\n  but saw {seen:?}", act.row.0)));
        }
        wrong
    }
}

/// Looks until what is expected is seen; what is seen at last, if it never is.
async fn look_until<T: PartialEq>(expected: &T, deadline: Instant, look: impl AsyncFn() -> T) -> Option<T> {
    loop {
        let seen = look().await;
        if seen == *expected {
            return None;
        }
        if Instant::now() > deadline {
            return Some(seen);
        }
        sleep(LOOK_EVERY).await;
    }
}

fn push((answer, ..): &Row, number: usize) -> Value {
    let mut body = match answer.to {
        To::Device | To::Ios => to_device(&name(ACTING, number)),
        To::Channel => json!({
            "to": {"broadcast": {"apns_channel": channel(number)}}, "in_quiet_hours": "ignore",
            "live_activity": {"event": "update", "content_state": {"score": "2:1"}},
        }),
    };
    if answer.is_now_or_never {
        body["ttl_seconds"] = json!(0);
    }
    body
}

fn to_device(device: &str) -> Value {
    json!({"to": {"device_ids": [device]}, "content": {"title": "t"}})
}

fn name(kind: &str, number: usize) -> String {
    format!("device-{kind}-{number}")
}

/// The channel of a row: base64, as Apple's are.
fn channel(number: usize) -> String {
    format!("row{number:05}")
}

async fn only_delivery(client: &Client, notification: &str) -> Value {
    let mut deliveries = client.deliveries(notification).await;
    assert_eq!(deliveries.len(), 1, "{deliveries:?}");
    deliveries.remove(0)
}

/// Status, reason, requests.
fn in_words(delivery: &Value) -> (String, String, u64) {
    let text = |name: &str| delivery[name].as_str().unwrap_or("").to_owned();
    (text("status"), text("reason"), delivery["attempts"].as_u64().unwrap())
}
