//! `herald simulate`: the look-alikes of APNs, FCM and a web push service alone, for any number of daemons.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use clap::Args;

use super::demo;
use super::dev::Harness;
use super::ending::Ending;
use super::output::Output;
use crate::lifecycle::{Hangup, Lifecycle};
use crate::simulator::Simulator;

/// Run look-alikes of APNs, FCM, Google's token endpoint and a web push service.
///
/// They check what the real ones check, misbehave on demand and count every push; /simulator/pushes shows them.
#[derive(Args)]
pub(super) struct Arguments {
    /// Where the control view listens. The look-alikes take free ports of loopback, unless --host is given.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8090")]
    listen: SocketAddr,
    /// The name under which daemons on other machines reach the look-alikes, which then take free ports of every address.
    #[arg(long, value_name = "NAME")]
    host: Option<String>,
    /// Write a configuration with `[apps.demo]` that fits, and beside it the keys and the certificate it names.
    #[arg(long, value_name = "FILE")]
    write_config: Option<PathBuf>,
}

pub(super) async fn run(arguments: Arguments, output: Output) -> anyhow::Result<Ending> {
    let life = Lifecycle::new();
    life.listen(Duration::ZERO, Hangup::Stops).context("signals cannot be listened to")?;
    let harness = Harness::start(arguments.host.clone()).await?;
    if let Some(file) = &arguments.write_config {
        write(&harness.simulator, file).await.with_context(|| format!("{} cannot be written", file.display()))?;
    }
    let address = harness.simulator.serve_control(arguments.listen).await?;
    output.line(&format!("ready http://{address}"));
    life.soft().cancelled().await;
    harness.stop().await;
    Ok(Ending::Done)
}

async fn write(simulator: &Simulator, file: &Path) -> anyhow::Result<()> {
    let folder = std::path::absolute(file)?.parent().map(Path::to_owned).unwrap_or_default();
    simulator.write_files(&folder).await?;
    tokio::fs::write(file, simulator.config_toml(demo::APP, &folder)?).await?;
    Ok(())
}
