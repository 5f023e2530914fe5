//! A PostgreSQL, a Redis, a simulator, and any number of nodes that share them, each a process of its own.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::daemon::{Client, Process, Simulator, herald, until};
use crate::services::postgres::Postgres;
use crate::services::redis::Redis;

/// Notifications in one request.
const BATCH: usize = 500;
/// Of so many notifications one is looked at as callers do.
const SEEN: usize = 50;
/// Where a target may be.
const STATES: [&str; 6] = ["waiting", "sent", "suppressed", "failed", "expired", "cancelled"];

/// What nodes share.
pub(crate) struct Cluster {
    pub(crate) postgres: Postgres,
    pub(crate) redis: Redis,
    pub(crate) simulator: Simulator,
    /// A key of the app `demo` with every scope that these tests need.
    pub(crate) key: String,
    settings: BTreeMap<String, String>,
}

impl Cluster {
    /// Starts the servers, with settings that every node gets from its environment.
    pub(crate) fn start(settings: &[(&str, &str)]) -> Self {
        Self::start_on(Postgres::start(), Redis::start(), settings)
    }

    /// The same on servers that run already.
    pub(crate) fn start_on(postgres: Postgres, redis: Redis, settings: &[(&str, &str)]) -> Self {
        let simulator = Simulator::start();
        let mut all = BTreeMap::from([
            ("HERALD__DATABASE__URL".to_owned(), postgres.url()),
            ("HERALD__QUEUE__URL".to_owned(), redis.url()),
            ("HERALD__SERVER__LISTEN".to_owned(), "127.0.0.1:0".to_owned()),
            ("HERALD__RETRY__PROVIDER_FLOORS".to_owned(), "false".to_owned()),
            ("RUST_LOG".to_owned(), "error".to_owned()),
        ]);
        all.extend(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let mut cluster = Self { postgres, redis, simulator, key: String::new(), settings: all };
        cluster.key = cluster.make_key();
        cluster
    }

    /// A node with these roles.
    pub(crate) fn node(&self, roles: &str) -> Process {
        let mut command = self.command(&["serve"]);
        Process::start(command.args(["--role", roles]))
    }

    /// A node with these roles and more in its environment, and where its log goes.
    pub(crate) fn node_in(&self, roles: &str, environment: Vec<(String, String)>, log: Stdio) -> Process {
        let mut command = self.command(&["serve"]);
        Process::start_with_log(command.args(["--role", roles]).envs(environment), log)
    }

    /// A command on the configuration that all nodes share.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = herald();
        command.args(arguments).arg("--config").arg(self.simulator.config()).envs(&self.settings);
        command
    }

    fn make_key(&self) -> String {
        let output = self
            .command(&["key", "create", "--app", "demo", "--name", "test", "--scopes", "send,manage,read", "--output", "json"])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        answer["key"].as_str().unwrap().to_owned()
    }

    /// Speaks to a node that serves the API.
    pub(crate) fn client(&self, node: &Process) -> Client {
        Client::new(&node.url, &self.key)
    }

    /// What the simulator counted.
    pub(crate) async fn stats(&self) -> Stats {
        let stats = self.simulator.client.get("/simulator/stats").await.expect(200);
        let number = |name: &str| stats[name].as_u64().unwrap();
        Stats { accepted: number("accepted"), devices: number("devices"), repeats: number("repeats"), received: number("received") }
    }

    /// What the store answers, a line for each row.
    pub(crate) fn sql(&self, statement: &str) -> String {
        let told = Command::new("psql").args([&self.postgres.url(), "-Atc", statement]).output().unwrap();
        assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
        String::from_utf8_lossy(&told.stdout).trim().to_owned()
    }

    /// Pieces of work that are not over.
    pub(crate) fn waiting(&self) -> u64 {
        self.sql("SELECT count(*) FROM work").parse().unwrap()
    }

    /// Waits until nothing of these notifications waits, which are all there are, and adds up where their targets ended: by the store, and of
    /// some of them as callers see it.
    pub(crate) async fn tally(&self, client: &Client, ids: &[String]) -> BTreeMap<String, u64> {
        let mut waiting = self.waiting();
        while waiting > 0 {
            // however much it is: there is less and less
            let before = waiting;
            waiting = until("less work waits", async || Some(self.waiting()).filter(|now| *now < before)).await;
        }
        for id in ids.iter().step_by(SEEN) {
            let done = client.done(id).await;
            let sum = STATES.iter().map(|state| done["counts"][state].as_u64().unwrap()).sum::<u64>();
            assert_eq!(done["counts"]["targeted"], sum, "{done}");
        }
        let counts = self.sql("SELECT state, count(*) FROM delivery GROUP BY state");
        counts.lines().map(|line| line.split_once('|').unwrap()).map(|(state, n)| (state.to_owned(), n.parse().unwrap())).collect()
    }

    /// Waits until the simulator accepted so many pushes.
    pub(crate) async fn until_accepted(&self, pushes: u64) {
        let mut accepted = self.stats().await.accepted;
        while accepted < pushes {
            // however many they are: there are more and more
            let before = accepted;
            let look = async || Some(self.stats().await.accepted).filter(|now| *now > before);
            accepted = until(&format!("more than {before} of {pushes} pushes were accepted"), look).await;
        }
    }
}

/// See [`Cluster::stats`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stats {
    /// Pushes that were accepted.
    pub(crate) accepted: u64,
    /// Devices that got one.
    pub(crate) devices: u64,
    /// Pushes that a device got a second time, with the same ids.
    pub(crate) repeats: u64,
    /// Requests, whatever became of them.
    pub(crate) received: u64,
}

/// One notification for each of these users; their ids.
pub(crate) async fn notify_each(client: &Client, users: std::ops::Range<usize>) -> Vec<String> {
    let mut ids = Vec::with_capacity(users.len());
    for chunk in users.collect::<Vec<_>>().chunks(BATCH) {
        let answer = client.post("/v1/notifications/batch", &batch(chunk)).await.expect(202);
        ids.extend(accepted_ids(&answer));
    }
    ids
}

/// The same beside what else the test does.
pub(crate) fn notifying(client: &Client, users: std::ops::Range<usize>) -> JoinHandle<Vec<String>> {
    let client = client.clone();
    tokio::spawn(async move { notify_each(&client, users).await })
}

/// A batch of one notification for each of these users.
pub(crate) fn batch(users: &[usize]) -> Value {
    let one = |n: &usize| json!({"to": {"user_id": format!("user-{n}")}, "content": {"title": "t", "body": format!("{n}")}});
    json!({"notifications": users.iter().map(one).collect::<Vec<_>>()})
}

/// The ids of a batch's answer.
pub(crate) fn accepted_ids(answer: &Value) -> Vec<String> {
    answer["results"].as_array().unwrap().iter().map(|result| result["id"].as_str().unwrap().to_owned()).collect()
}

/// Whether the long form was asked for, as `scripts/chaos` does.
pub(crate) fn is_long() -> bool {
    std::env::var("HERALD_CHAOS").is_ok_and(|form| form == "long")
}

/// A number for the short form or the long one.
pub(crate) fn scaled(short: usize, long: usize) -> usize {
    if is_long() { long } else { short }
}
