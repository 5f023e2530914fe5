//! The simulator and the daemon, each a process of its own, ended when the bench is.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;

use anyhow::{Context, ensure};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use super::cpu::peak_mib;
use super::{Servers, context, number};
use crate::domain::Timestamp;
use crate::domain::clock::Clock;
use crate::system::SystemClock;

pub(super) struct Children {
    /// Where the API is.
    pub(super) daemon_url: String,
    /// The processes of all nodes.
    pub(super) nodes: Vec<u32>,
    /// PostgreSQL and Redis have processes of their own.
    pub(super) has_servers: bool,
    pub(super) simulator_pid: u32,
    pub(super) key: String,
    pub(super) clock: Arc<dyn Clock>,
    simulator_url: String,
    http: reqwest::Client,
    _processes: Vec<Child>,
    _folder: TempDir,
}

impl Children {
    pub(super) async fn start(servers: Option<&Servers>) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let place = Place { config: folder.path().join("herald.toml"), servers };
        let mut simulate = place.herald()?;
        simulate.args(["simulate", "--listen", "127.0.0.1:0", "--write-config"]).arg(&place.config);
        let (simulator, simulator_url) = serving(&mut simulate).await?;
        let simulator_pid = context(simulator.id(), "simulate")?;
        let key = place.key().await?;
        let mut processes = vec![simulator];
        let (mut nodes, mut urls) = (Vec::new(), Vec::new());
        for roles in place.roles() {
            let (node, url) = serving(place.herald()?.args(["serve", "--role", roles, "--config"]).arg(&place.config)).await?;
            nodes.push(context(node.id(), "serve")?);
            processes.push(node);
            urls.push(url);
        }
        let children = Self {
            daemon_url: context(urls.into_iter().next(), "serve")?,
            nodes,
            has_servers: servers.is_some(),
            simulator_pid,
            key,
            clock: Arc::new(SystemClock),
            simulator_url,
            http: reqwest::Client::new(),
            _processes: processes,
            _folder: folder,
        };
        children.declare_category().await?;
        Ok(children)
    }

    /// The largest node's highest resident memory, in MiB.
    pub(super) fn peak_mib(&self) -> anyhow::Result<u64> {
        let peaks = self.nodes.iter().map(|node| peak_mib(*node)).collect::<anyhow::Result<Vec<_>>>()?;
        Ok(peaks.into_iter().max().unwrap_or_default())
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(super) async fn stats(&self) -> anyhow::Result<Value> {
        let url = format!("{}/simulator/stats", self.simulator_url);
        Ok(self.http.get(url).send().await?.error_for_status()?.json().await?)
    }

    pub(super) async fn accepted(&self) -> anyhow::Result<u64> {
        Ok(number(&self.stats().await?, "accepted"))
    }

    async fn declare_category(&self) -> anyhow::Result<()> {
        let url = format!("{}/v1/categories/bench", self.daemon_url);
        self.http.put(url).bearer_auth(&self.key).json(&serde_json::json!({})).send().await?.error_for_status()?;
        Ok(())
    }
}

/// Where the nodes find everything.
struct Place<'s> {
    config: PathBuf,
    servers: Option<&'s Servers>,
}

impl Place<'_> {
    /// This binary, on the servers, or on a store beside the configuration.
    fn herald(&self) -> anyhow::Result<Command> {
        let mut command = Command::new(std::env::current_exe().context("this program cannot be found")?);
        let file = || format!("sqlite://{}", self.config.with_file_name("herald.db").display());
        command.env("HERALD__DATABASE__URL", self.servers.map_or_else(file, |servers| servers.database.clone()));
        command.env("HERALD__QUEUE__URL", self.servers.map_or("embedded", |servers| &servers.queue));
        command.env("HERALD__SERVER__LISTEN", "127.0.0.1:0").env("HERALD__LOG__LEVEL", "warn");
        // one key brings all of the load: it is counted, and never too much
        command.env("HERALD__LIMITS__PER_KEY", "1000000000/s");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
        Ok(command)
    }

    /// The roles of each node; the first serves the API.
    fn roles(&self) -> Vec<&'static str> {
        match self.servers {
            None => vec!["api,worker,scheduler"],
            Some(servers) => std::iter::once("api,scheduler").chain(std::iter::repeat_n("worker", servers.workers)).collect(),
        }
    }

    async fn key(&self) -> anyhow::Result<String> {
        let mut command = self.herald()?;
        command.args(["key", "create", "--app", "demo", "--name", "bench", "--scopes", "send,manage,read", "--output", "json", "--config"]);
        let output = command.arg(&self.config).output().await?;
        ensure!(output.status.success(), "no key could be made: {}", String::from_utf8_lossy(&output.stderr));
        let answer: Value = serde_json::from_slice(&output.stdout)?;
        context(answer.get("key").and_then(Value::as_str).map(ToOwned::to_owned), "key create")
    }
}

async fn serving(command: &mut Command) -> anyhow::Result<(Child, String)> {
    let mut child = command.spawn()?;
    let mut lines = BufReader::new(context(child.stdout.take(), "a child")?).lines();
    while let Some(line) = lines.next_line().await? {
        if let Some(url) = line.strip_prefix("ready ") {
            return Ok((child, url.trim().trim_end_matches('/').to_owned()));
        }
    }
    anyhow::bail!("a child ended before it served")
}
