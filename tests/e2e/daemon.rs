//! A running `herald`, and what a caller does with it.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

pub(crate) use crate::client::{Client, apns_token};

/// Longer than anything here should take, on a slow machine with others at work.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The key that `herald dev` accepts from loopback.
pub(crate) const DEV_KEY: &str = "herald_dev_key";

/// Where a kept log is.
const LOG: &str = "log";

/// The binary under test.
pub(crate) fn herald() -> Command {
    Command::new(env!("CARGO_BIN_EXE_herald"))
}

/// A process of ours that serves HTTP; killed when dropped.
pub(crate) struct Process {
    child: Child,
    /// Where it serves.
    pub(crate) url: String,
}

impl Process {
    /// Starts a command and waits for its line `ready http://…`.
    pub(crate) fn start(command: &mut Command) -> Self {
        Self::start_with_log(command, Stdio::inherit())
    }

    /// The same, with somewhere for its log.
    pub(crate) fn start_with_log(command: &mut Command, log: Stdio) -> Self {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).spawn().expect("the binary starts");
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let url = loop {
            let line = lines.next().expect("a line `ready …` before the output ends").unwrap();
            if let Some(url) = line.strip_prefix("ready ") {
                break url.trim().trim_end_matches('/').to_owned();
            }
        };
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, url }
    }

    /// Its resident memory at its highest, in MiB, since the start or the last [`Process::forget_peak`].
    pub(crate) fn peak_mib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").trim().parse::<u64>().unwrap() / 1024
    }

    /// Begins anew to look for the highest.
    pub(crate) fn forget_peak(&self) {
        std::fs::write(format!("/proc/{}/clear_refs", self.child.id()), "5").unwrap();
    }

    /// Lets no file of its grow beyond so many bytes from now on, as if the disk were full; `None` lets them.
    pub(crate) fn limit_files(&self, bytes: Option<u64>) {
        let (pid, limit) = (self.child.id().to_string(), bytes.map_or("unlimited".to_owned(), |bytes| bytes.to_string()));
        // only the soft limit, so that it can be lifted again
        assert!(Command::new("prlimit").args(["--pid", &pid]).arg(format!("--fsize={limit}:unlimited")).status().unwrap().success());
    }

    /// Ends it without a warning.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Sends it a signal, by name.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success(), "signal {name}");
    }

    /// Asks it to stop and waits until it has; its exit status.
    pub(crate) async fn terminate(mut self) -> std::process::ExitStatus {
        self.signal("TERM");
        until("the process has stopped", async || self.child.try_wait().unwrap()).await
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Looks until there is something to see.
pub(crate) async fn until<T>(what: &str, look: impl AsyncFnMut() -> Option<T>) -> T {
    until_within(PATIENCE, what, look).await
}

/// The same for what has its time, as something that is done once a minute.
pub(crate) async fn until_within<T>(patience: Duration, what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(seen) = look().await {
            return seen;
        }
        assert!(Instant::now() < deadline, "waited {patience:?} in vain until {what}");
        sleep(LOOK_EVERY).await;
    }
}

/// `herald dev` in a folder of its own.
pub(crate) struct Dev {
    pub(crate) process: Process,
    pub(crate) client: Client,
    pub(crate) dir: TempDir,
}

impl Dev {
    /// Starts it with an empty store.
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts it for more calls from here than one address and one phone may make.
    pub(crate) fn unlimited() -> Self {
        Self::start_with(&[("HERALD__LIMITS__PER_ADDRESS", "100000/s"), ("HERALD__LIMITS__PER_CLIENT_TOKEN", "100000/s")])
    }

    /// Starts it with settings from the environment.
    pub(crate) fn start_with(env: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let process = Self::spawn(dir.path(), env);
        let client = Client::new(&process.url, DEV_KEY);
        Self { process, client, dir }
    }

    /// Starts it with a log of this loudness, which is kept.
    pub(crate) fn logging(filter: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let log = std::fs::File::create(dir.path().join(LOG)).unwrap();
        let process = Process::start_with_log(Self::command(dir.path()).env("RUST_LOG", filter), log.into());
        let client = Client::new(&process.url, DEV_KEY);
        Self { process, client, dir }
    }

    /// Stops it and reads the log that was kept.
    pub(crate) async fn stop_and_read(self) -> String {
        assert!(self.process.terminate().await.success());
        String::from_utf8_lossy(&std::fs::read(self.dir.path().join(LOG)).unwrap()).into_owned()
    }

    /// Starts it so that a full disk is an error to it, not its end; see [`Process::limit_files`].
    pub(crate) fn start_limitable() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let plain = Self::command(dir.path());
        let mut command = Command::new("sh");
        command.args(["-c", r#"trap "" XFSZ; exec "$0" "$@""#]).arg(plain.get_program()).args(plain.get_args()).env("RUST_LOG", "off");
        let process = Process::start(&mut command);
        let client = Client::new(&process.url, DEV_KEY);
        Self { process, client, dir }
    }

    /// The process alone, on a store in this folder.
    pub(crate) fn spawn(dir: &Path, env: &[(&str, &str)]) -> Process {
        Process::start(Self::command(dir).envs(env.iter().copied()))
    }

    fn command(dir: &Path) -> Command {
        let mut command = herald();
        command.args(["dev", "--listen", "127.0.0.1:0", "--data-dir"]).arg(dir).env("RUST_LOG", "warn");
        command
    }
}

impl std::ops::Deref for Dev {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

/// `herald simulate` and the configuration it wrote, for daemons that come and go beside it.
pub(crate) struct Simulator {
    _process: Process,
    pub(crate) client: Client,
    pub(crate) dir: TempDir,
    config: PathBuf,
}

impl Simulator {
    pub(crate) fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("herald.toml");
        let mut command = herald();
        command.args(["simulate", "--listen", "127.0.0.1:0", "--write-config"]).arg(&config).env("RUST_LOG", "warn");
        let process = Process::start(&mut command);
        let client = Client::new(&process.url, "");
        Self { _process: process, client, dir, config }
    }

    /// Gives the configuration a second app that sends to this simulator too.
    pub(crate) fn add_app(&self, name: &str) {
        let demo = std::fs::read_to_string(&self.config).unwrap();
        std::fs::write(&self.config, format!("{demo}\n{}", demo.replace("[apps.demo", &format!("[apps.{name}")))).unwrap();
    }

    /// Takes a section out of the configuration.
    pub(crate) fn remove(&self, section: &str) {
        let old = std::fs::read_to_string(&self.config).unwrap();
        let start = old.find(section).unwrap();
        let end = old[start + 1..].find("\n[").map_or(old.len(), |at| start + 1 + at);
        std::fs::write(&self.config, format!("{}{}", &old[..start], &old[end..])).unwrap();
    }

    /// Sets a value of the app's `apns` section.
    pub(crate) fn set(&self, key: &str, value: &str) {
        let mut config: toml::Table = std::fs::read_to_string(&self.config).unwrap().parse().unwrap();
        let value = if value == "true" { toml::Value::Boolean(true) } else { toml::Value::String(value.to_owned()) };
        config["apps"]["demo"]["apns"].as_table_mut().unwrap().insert(key.to_owned(), value);
        std::fs::write(&self.config, config.to_string()).unwrap();
    }

    /// Writes more into the configuration.
    pub(crate) fn configure(&self, toml: &str) {
        let old = std::fs::read_to_string(&self.config).unwrap();
        std::fs::write(&self.config, format!("{old}\n{toml}\n")).unwrap();
    }

    /// Starts a daemon on the store in this folder, with settings from the environment.
    pub(crate) fn serve(&self, env: &[(&str, &str)]) -> Process {
        Process::start(&mut self.serve_command(env))
    }

    /// The command that does.
    pub(crate) fn serve_command(&self, env: &[(&str, &str)]) -> Command {
        let mut command = herald();
        command.args(["serve", "--config"]).arg(&self.config).env("RUST_LOG", "warn").envs(env.iter().copied());
        command.env("HERALD__SERVER__LISTEN", "127.0.0.1:0").env("HERALD__DATABASE__URL", self.database());
        command
    }

    /// A key of the app `demo` with these scopes, made on the store itself.
    pub(crate) fn key(&self, scopes: &str) -> String {
        self.key_of("demo", scopes)
    }

    /// A key of an app.
    pub(crate) fn key_of(&self, app: &str, scopes: &str) -> String {
        let arguments = ["key", "create", "--app", app, "--name", "test", "--scopes", scopes, "--output", "json"];
        let output = self.on_the_store(&arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let body: Value = serde_json::from_slice(&output.stdout).unwrap();
        body["key"].as_str().unwrap().to_owned()
    }

    /// A command that works on the store itself.
    pub(crate) fn on_the_store(&self, arguments: &[&str]) -> Command {
        let mut command = herald();
        command.args(arguments).arg("--config").arg(&self.config).env("HERALD__DATABASE__URL", self.database());
        command
    }

    /// The configuration.
    pub(crate) fn config(&self) -> &Path {
        &self.config
    }

    fn database(&self) -> String {
        format!("sqlite://{}", self.dir.path().join("herald.db").display())
    }
}
