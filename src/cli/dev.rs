//! `herald dev`: daemon, simulator and demo data in one process, with nothing else needed.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use super::client::Client;
use super::demo;
use super::ending::Ending;
use super::output::Output;
use crate::app::{Daemon, Extras};
use crate::config::{self, DatabaseUrl, Remote, Settings};
use crate::dispatch::role::Roles;
use crate::domain::clock::Clock;
use crate::lifecycle::{Hangup, Lifecycle};
use crate::simulator::{Options, Simulator};
use crate::system::SystemClock;
use crate::telemetry;

/// The database's file in the folder of the data.
const DATABASE: &str = "herald.db";
/// The file that says that the demo data was brought in.
const FILLED: &str = "demo-data";

/// The key of every `herald dev` that only this machine can reach.
const KEY: &str = "herald_dev_key";

/// Run daemon, simulator and demo data together, for a first try and for tests.
///
/// It has one app `demo` and accepts the API key `herald_dev_key`; beyond loopback a key is made for this start and printed.
/// What would go to Apple, Google and browsers' push services goes to the simulator, which shows it under /simulator/pushes.
#[derive(Args)]
pub(super) struct Arguments {
    /// Where to listen.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Keep the data in this folder [default: a new one that is removed at the end].
    #[arg(long, value_name = "FOLDER")]
    data_dir: Option<PathBuf>,
}

pub(super) async fn run(arguments: Arguments, output: Output) -> anyhow::Result<Ending> {
    let folder = Folder::open(arguments.data_dir)?;
    let is_new = !folder.is_filled();
    let simulator = Harness::start(None).await?;
    let settings = settings(&simulator.simulator, &folder.path, arguments.listen).await?;
    telemetry::start_log(&settings.log)?;
    let life = Lifecycle::new();
    life.listen(Duration::from_secs(settings.dispatch.grace_seconds), Hangup::Stops).context("signals cannot be listened to")?;
    let api_key = if arguments.listen.ip().is_loopback() { KEY.to_owned() } else { format!("herald_{}", Uuid::new_v4().simple()) };
    let extras = Extras {
        api_key: Some((demo::APP.to_owned(), api_key.clone())),
        routes: Some(simulator.simulator.control_router()),
        ..Extras::default()
    };
    let daemon = Box::pin(Daemon::start(settings, Roles::ALL, &life, extras)).await?;
    let url = format!("http://{}", reachable(daemon.address()));
    let remote = Remote { url: url.clone(), api_key: Some(api_key.clone()) };
    if is_new {
        demo::fill(&Client::new(remote)?).await.context("the demo data")?;
        folder.note_filled().context("the demo data")?;
    } else {
        demo::resubscribe(&Client::new(remote)?).await.context("the demo data")?;
    }
    if api_key != KEY {
        output.note(&format!("the API key of this start: {api_key}"));
    }
    output.line(&format!("ready {url}"));
    daemon.stopped().await?;
    simulator.stop().await;
    Ok(Ending::Done)
}

async fn settings(simulator: &Simulator, folder: &Path, listen: SocketAddr) -> anyhow::Result<Settings> {
    simulator.write_files(folder).await?;
    let apps = simulator.config_toml(demo::APP, folder)?;
    // whoever develops has their receiver on the same machine
    let mut settings = config::from_text(&format!("{apps}\n[webhooks]\nallow_private_addresses = true\n"), folder)?;
    settings.server.listen = listen;
    settings.database.url = DatabaseUrl::Sqlite(folder.join(DATABASE));
    // The simulator asks for no patience, and whoever watches has none.
    settings.retry.provider_floors = false;
    Ok(settings)
}

/// An address that a client on this machine can use.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        _ => address.ip(),
    };
    SocketAddr::new(ip, address.port())
}

/// The simulator with tasks of its own: it must outlive the daemon, whose last pushes go to it.
pub(super) struct Harness {
    pub(super) simulator: Simulator,
    tasks: TaskTracker,
}

impl Harness {
    /// Known to other machines by the name `host`, or to this one only.
    pub(super) async fn start(host: Option<String>) -> anyhow::Result<Self> {
        let tasks = TaskTracker::new();
        let options = Options::new(Arc::new(|| SystemClock.now()), tasks.clone(), CancellationToken::new());
        let options = match host {
            Some(host) => options.reachable_as(host),
            None => options,
        };
        Ok(Self { simulator: Simulator::start(options).await?, tasks })
    }

    pub(super) async fn stop(self) {
        self.simulator.shutdown();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// Where the data is; removed when dropped, unless the caller named it.
struct Folder {
    path: PathBuf,
    _ours: Option<TempDir>,
}

impl Folder {
    fn open(named: Option<PathBuf>) -> anyhow::Result<Self> {
        let Some(path) = named else {
            let ours = tempfile::Builder::new().prefix("herald-dev-").tempdir().context("a folder for the data")?;
            return Ok(Self { path: ours.path().to_owned(), _ours: Some(ours) });
        };
        let name = || format!("the folder {}", path.display());
        // It holds private keys, though worthless ones.
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&path).with_context(name)?;
        // The settings name files in it, and must not depend on the working directory.
        let path = path.canonicalize().with_context(name)?;
        Ok(Self { path, _ours: None })
    }

    /// Whether the demo data was brought into this database: what was changed or deleted of it since stays so.
    fn is_filled(&self) -> bool {
        self.path.join(DATABASE).is_file() && self.path.join(FILLED).is_file()
    }

    /// Remembers that it was, wholly.
    fn note_filled(&self) -> std::io::Result<()> {
        std::fs::write(self.path.join(FILLED), "")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_stands_for_all_is_reached_through_loopback() {
        for (bound, url) in [("0.0.0.0:80", "127.0.0.1:80"), ("[::]:80", "[::1]:80"), ("10.0.0.1:80", "10.0.0.1:80")] {
            assert_eq!(reachable(bound.parse().unwrap()).to_string(), url);
        }
    }

    #[test]
    fn demo_data_is_brought_into_a_new_database() {
        let folder = Folder::open(None).unwrap();
        assert!(!folder.is_filled());
        std::fs::write(folder.path.join(DATABASE), "").unwrap();
        assert!(!folder.is_filled(), "a start that was cut short");
        folder.note_filled().unwrap();
        assert!(folder.is_filled());
        std::fs::remove_file(folder.path.join(DATABASE)).unwrap();
        assert!(!folder.is_filled(), "the database was thrown away");
    }

    #[test]
    fn a_folder_of_its_own_is_removed_and_a_named_one_kept() {
        let own = Folder::open(None).unwrap();
        let path = own.path.clone();
        assert!(path.is_dir());
        drop(own);
        assert!(!path.exists());

        let outer = tempfile::tempdir().unwrap();
        drop(Folder::open(Some(outer.path().join("data"))).unwrap());
        assert!(outer.path().join("data").is_dir());
    }
}
