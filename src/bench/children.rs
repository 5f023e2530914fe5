//! The simulator and the daemon, each a process of its own, ended when the bench is.

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;

use anyhow::{Context, ensure};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use super::{context, number};
use crate::domain::Timestamp;
use crate::domain::clock::Clock;
use crate::system::SystemClock;

pub(super) struct Children {
    pub(super) daemon_url: String,
    pub(super) daemon_pid: u32,
    pub(super) simulator_pid: u32,
    pub(super) key: String,
    simulator_url: String,
    clock: Arc<dyn Clock>,
    http: reqwest::Client,
    _processes: [Child; 2],
    _folder: TempDir,
}

impl Children {
    pub(super) async fn start() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let config = folder.path().join("herald.toml");
        let (simulator, simulator_url) =
            serving(herald(&config)?.args(["simulate", "--listen", "127.0.0.1:0", "--write-config"]).arg(&config)).await?;
        let key = key(&config).await?;
        let (daemon, daemon_url) = serving(herald(&config)?.args(["serve", "--config"]).arg(&config)).await?;
        let children = Self {
            daemon_pid: context(daemon.id(), "serve")?,
            simulator_pid: context(simulator.id(), "simulate")?,
            daemon_url,
            simulator_url,
            key,
            clock: Arc::new(SystemClock),
            http: reqwest::Client::new(),
            _processes: [daemon, simulator],
            _folder: folder,
        };
        children.declare_category().await?;
        Ok(children)
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

/// This binary, on a store beside the configuration.
fn herald(config: &Path) -> anyhow::Result<Command> {
    let mut command = Command::new(std::env::current_exe().context("this program cannot be found")?);
    let database = config.with_file_name("herald.db");
    command.env("HERALD__DATABASE__URL", format!("sqlite://{}", database.display()));
    command.env("HERALD__SERVER__LISTEN", "127.0.0.1:0").env("HERALD__LOG__LEVEL", "warn");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
    Ok(command)
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

async fn key(config: &Path) -> anyhow::Result<String> {
    let mut command = herald(config)?;
    command.args(["key", "create", "--app", "demo", "--name", "bench", "--scopes", "send,manage,read", "--output", "json", "--config"]);
    let output = command.arg(config).output().await?;
    ensure!(output.status.success(), "no key could be made: {}", String::from_utf8_lossy(&output.stderr));
    let answer: Value = serde_json::from_slice(&output.stdout)?;
    context(answer.get("key").and_then(Value::as_str).map(ToOwned::to_owned), "key create")
}
