//! A running `herald`, and what a caller does with it.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

/// Longer than anything here should take, on a slow machine with others at work.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The key that `herald dev` accepts from loopback.
pub(crate) const DEV_KEY: &str = "herald_dev_key";

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
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().expect("the binary starts");
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

    /// Ends it without a warning.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to stop and waits until it has; its exit status.
    pub(crate) async fn terminate(mut self) -> std::process::ExitStatus {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        until("the process has stopped", async || self.child.try_wait().unwrap()).await
    }

    /// Its resident memory, in bytes.
    pub(crate) fn resident(&self) -> u64 {
        let statm = std::fs::read_to_string(format!("/proc/{}/statm", self.child.id())).unwrap();
        statm.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Looks until there is something to see.
pub(crate) async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(seen) = look().await {
            return seen;
        }
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} in vain until {what}");
        sleep(LOOK_EVERY).await;
    }
}

/// An answer, read.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    /// The body, if the status is the expected one.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
        self.body
    }

    /// The problem, if the status and the code are the expected ones.
    #[track_caller]
    pub(crate) fn problem(self, status: u16, code: &str) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
        assert_eq!(self.headers["content-type"], "application/problem+json", "{}", self.body);
        assert_eq!(self.body["code"], code, "{}", self.body);
        assert_eq!(self.body["status"], status, "{}", self.body);
        self.body
    }

    /// The problem's error at a field, with its code.
    #[track_caller]
    pub(crate) fn invalid(self, field: &str, code: &str) {
        let body = self.problem(422, "invalid");
        let errors = body["errors"].as_array().unwrap();
        assert!(errors.iter().any(|error| error["field"] == field && error["code"] == code), "{field} {code} in {body}");
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// Speaks HTTP to a running `herald`.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) url: String,
    pub(crate) key: String,
    http: reqwest::Client,
}

impl Client {
    pub(crate) fn new(url: &str, key: &str) -> Self {
        Self { url: url.to_owned(), key: key.to_owned(), http: reqwest::Client::new() }
    }

    /// A request that is not sent yet, with the key.
    pub(crate) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url)).bearer_auth(&self.key)
    }

    /// Sends a request and reads its answer.
    pub(crate) async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        let response = request.timeout(PATIENCE).send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let bytes = response.bytes().await.unwrap();
        let body = serde_json::from_slice(&bytes).unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned()));
        Answer { status, headers, body }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send(self.request(Method::DELETE, path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(self.request(Method::POST, path).json(body)).await
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> Answer {
        self.send(self.request(Method::PUT, path).json(body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: &Value) -> Answer {
        self.send(self.request(Method::PATCH, path).json(body)).await
    }

    /// Registers an Apple device.
    pub(crate) async fn ios(&self, device: &str, user: &str, token: &str) -> Value {
        let body = json!({"user_id": user, "platform": "ios", "token": token});
        let answer = self.put(&format!("/v1/devices/{device}"), &body).await;
        assert!(answer.status.is_success(), "{}", answer.body);
        answer.body
    }

    /// Registers an Android device.
    pub(crate) async fn android(&self, device: &str, user: &str, token: &str) -> Value {
        let body = json!({"user_id": user, "platform": "android", "token": token});
        let answer = self.put(&format!("/v1/devices/{device}"), &body).await;
        assert!(answer.status.is_success(), "{}", answer.body);
        answer.body
    }

    /// Accepts a notification; its id.
    #[track_caller]
    pub(crate) async fn notify(&self, body: &Value) -> String {
        self.post("/v1/notifications", body).await.expect(202)["id"].as_str().unwrap().to_owned()
    }

    /// Waits until nothing of a notification waits any more.
    pub(crate) async fn done(&self, id: &str) -> Value {
        until(&format!("notification {id} is done"), async || {
            let body = self.get(&format!("/v1/notifications/{id}")).await.expect(200);
            ["done", "cancelled"].contains(&body["status"].as_str().unwrap()).then_some(body)
        })
        .await
    }

    /// Sends and waits until nothing waits; the notification as it ended.
    pub(crate) async fn send_and_wait(&self, body: &Value) -> Value {
        let id = self.notify(body).await;
        self.done(&id).await
    }

    /// A notification's deliveries.
    pub(crate) async fn deliveries(&self, id: &str) -> Vec<Value> {
        self.get(&format!("/v1/notifications/{id}/deliveries?limit=500")).await.expect(200)["items"].as_array().unwrap().clone()
    }

    /// The delivery at one device.
    pub(crate) async fn delivery(&self, id: &str, device: &str) -> Value {
        let deliveries = self.deliveries(id).await;
        deliveries.iter().find(|delivery| delivery["device_id"] == device).unwrap_or_else(|| panic!("{device} in {deliveries:?}")).clone()
    }

    /// What the simulator got for a token.
    pub(crate) async fn pushes(&self, token: &str) -> Vec<Value> {
        self.get(&format!("/simulator/pushes?device_token={token}")).await.expect(200)["items"].as_array().unwrap().clone()
    }

    /// Makes the simulator misbehave.
    pub(crate) async fn behave(&self, rules: Value) {
        self.put("/simulator/behaviours", &json!({ "rules": rules })).await.expect(204);
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

    /// Starts it with settings from the environment.
    pub(crate) fn start_with(env: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let process = Self::spawn(dir.path(), env);
        let client = Client::new(&process.url, DEV_KEY);
        Self { process, client, dir }
    }

    fn spawn(dir: &Path, env: &[(&str, &str)]) -> Process {
        let mut command = herald();
        command.args(["dev", "--listen", "127.0.0.1:0", "--data-dir"]).arg(dir).envs(env.iter().copied()).env("RUST_LOG", "warn");
        Process::start(&mut command)
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
    pub(crate) process: Process,
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
        Self { process, client, dir, config }
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

    /// A key with these scopes, made on the store itself.
    pub(crate) fn key(&self, scopes: &str) -> String {
        let output = herald()
            .args(["key", "create", "--app", "demo", "--name", "test", "--scopes", scopes, "--output", "json", "--config"])
            .arg(&self.config)
            .env("HERALD__DATABASE__URL", self.database())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let body: Value = serde_json::from_slice(&output.stdout).unwrap();
        body["key"].as_str().unwrap().to_owned()
    }

    fn database(&self) -> String {
        format!("sqlite://{}", self.dir.path().join("herald.db").display())
    }
}

/// An Apple token of 64 digits, beginning as given.
pub(crate) fn apns_token(prefix: &str, number: usize) -> String {
    format!("{prefix}{number:0width$x}", width = 64 - prefix.len())
}
