//! `herald serve`: the daemon.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::{Args, ValueEnum};
use tokio::sync::Notify;

use super::ending::{Ending, WrongUsage};
use super::output::Output;
use crate::app::{Daemon, Extras, Reload};
use crate::config::{self, QueueUrl};
use crate::dispatch::role::Roles;
use crate::lifecycle::{Hangup, Lifecycle};
use crate::telemetry;

/// Run the daemon.
///
/// SIGTERM and SIGINT stop it once what is under way is finished, within `dispatch.grace_seconds`; a second one at once. SIGHUP has it read
/// its configuration again: apps and credentials change without dropping a send.
#[derive(Args)]
pub(super) struct Arguments {
    /// The configuration [default: config/herald.toml where it is there].
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// What this node does; with the embedded queue one node does everything. /health, /ready and /metrics are served in any case.
    #[arg(long, value_enum, value_delimiter = ',', value_name = "ROLES", default_values_t = Role::ALL)]
    role: Vec<Role>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Role {
    /// Serves the API.
    Api,
    /// Sends.
    Worker,
    /// Makes due work ready.
    Scheduler,
}

impl Role {
    const ALL: [Self; 3] = [Self::Api, Self::Worker, Self::Scheduler];
}

fn roles(named: &[Role]) -> Roles {
    Roles { api: named.contains(&Role::Api), worker: named.contains(&Role::Worker), scheduler: named.contains(&Role::Scheduler) }
}

pub(super) async fn run(arguments: Arguments, output: Output) -> anyhow::Result<Ending> {
    let roles = roles(&arguments.role);
    let settings = config::load(arguments.config.as_deref())?;
    if settings.queue.url == QueueUrl::Embedded && roles != Roles::ALL {
        let message =
            "the embedded queue is in the process, so that one node has all roles: leave --role out, or name api,worker,scheduler";
        return Err(WrongUsage(message.to_owned()).into());
    }
    telemetry::start_log(&settings.log)?;
    let life = Lifecycle::new();
    let asked = Arc::new(Notify::new());
    let hangup = Hangup::Reloads(Arc::clone(&asked));
    life.listen(Duration::from_secs(settings.dispatch.grace_seconds), hangup).context("signals cannot be listened to")?;
    let reload = Reload { asked, read: Box::new(move || config::load(arguments.config.as_deref())) };
    let daemon = Box::pin(Daemon::start(settings, roles, &life, Extras { reload: Some(reload), ..Extras::default() })).await?;
    output.line(&format!("ready {}", daemon.url()));
    tracing::info!(address = %daemon.address(), version = env!("CARGO_PKG_VERSION"), "serving");
    daemon.stopped().await?;
    tracing::info!("stopped");
    Ok(Ending::Done)
}
