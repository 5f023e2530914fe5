//! Large imports from the command line: killed on either side, nothing is lost, nothing twice, every error told once.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::cli::{read, run};
use crate::daemon::{Client, Process, Simulator, herald, until};

/// Three parts and a bit.
const LINES: usize = 31_000;
/// Each line of such a number is bad.
const BAD: usize = 1_000;

struct World {
    simulator: Simulator,
    key: String,
    address: String,
    folder: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let simulator = Simulator::start();
        let key = simulator.key("send,manage,read");
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        Self { simulator, key, address: free.to_string(), folder: tempfile::tempdir().unwrap() }
    }

    /// A daemon that is always at the same address.
    fn daemon(&self) -> Process {
        Process::start(self.simulator.serve_command(&[]).env("HERALD__SERVER__LISTEN", &self.address))
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn import(&self, file: &str, more: &[&str]) -> Command {
        let mut command = herald();
        command.args(["device", "import", file, "--output", "json"]).args(more);
        command.env("HERALD_URL", format!("http://{}", self.address)).env("HERALD_API_KEY", &self.key);
        command
    }

    /// Starts an import and waits until its first part is done, while others are still to come.
    async fn begun(&self, file: &str) -> Child {
        let mut command = self.import(file, &[]);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let state = format!("{file}.import.json");
        until("the first part is done", async || Path::new(&state).exists().then_some(())).await;
        assert!(child.try_wait().unwrap().is_none(), "the end came too soon to prove anything");
        child
    }

    /// What a dry run says: what is there is known.
    async fn known(&self, file: &str) -> (Value, Value) {
        let told = told(&run(self.import(file, &["--dry-run", "--errors", &format!("{file}.looked")])).await.stdout);
        (told["updated"].clone(), told["created"].clone())
    }
}

fn told(stdout: &[u8]) -> Value {
    serde_json::from_slice(stdout).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(stdout)))
}

fn lines(bad: usize) -> String {
    let line = |n: usize| match n % bad {
        0 => "not json\n".to_owned(),
        _ => {
            json!({"device_id": format!("d-{n}"), "user_id": format!("u-{n}"), "platform": "android", "token": format!("well-{n}")})
                .to_string()
                + "\n"
        }
    };
    (1..=LINES).map(line).collect()
}

#[tokio::test]
async fn an_import_that_is_killed_goes_on() {
    let world = World::new();
    let daemon = world.daemon();
    let file = world.file("devices.ndjson", &lines(BAD));
    let mut client = world.begun(&file).await;
    client.kill().unwrap();
    client.wait().unwrap();

    let output = run(world.import(&file, &["--resume"])).await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let told = told(&output.stdout);
    let good = LINES - LINES / BAD;
    assert_eq!((&told["lines"], &told["failed"]), (&json!(LINES), &json!(LINES / BAD)), "{told}");
    // of the part that was under way some devices may have been new in the first go, and known in the second
    assert_eq!(told["created"].as_u64().unwrap() + told["updated"].as_u64().unwrap(), good as u64, "{told}");
    let errors = std::fs::read_to_string(format!("{file}.errors.ndjson")).unwrap();
    let wrong: Vec<u64> = errors.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["line"].as_u64().unwrap()).collect();
    assert_eq!(wrong, (1..=LINES / BAD).map(|n| (n * BAD) as u64).collect::<Vec<_>>(), "each once, in order");
    assert_eq!(world.known(&file).await, (json!(good), json!(0)), "nothing is lost");
    assert!(!Path::new(&format!("{file}.import.json")).exists(), "it is done");
    assert!(daemon.terminate().await.success());
}

#[tokio::test]
async fn an_import_survives_the_daemon() {
    let world = World::new();
    let daemon = world.daemon();
    let file = world.file("devices.ndjson", &lines(LINES + 1));
    let client = world.begun(&file).await;
    daemon.kill();
    let daemon = world.daemon();
    let output = tokio::task::spawn_blocking(move || client.wait_with_output().unwrap()).await.unwrap();
    let told = read(&output, 0);
    assert_eq!((&told["lines"], &told["failed"]), (&json!(LINES), &json!(0)), "{told}");
    assert_eq!(world.known(&file).await, (json!(LINES), json!(0)), "nothing is lost");
    assert!(daemon.terminate().await.success());
}

#[tokio::test]
async fn an_interrupted_import_leaves_its_state() {
    let world = World::new();
    let daemon = world.daemon();
    let file = world.file("devices.ndjson", &lines(BAD));
    let client = world.begun(&file).await;
    assert!(Command::new("kill").args(["-s", "INT", &client.id().to_string()]).status().unwrap().success());
    let output = tokio::task::spawn_blocking(move || client.wait_with_output().unwrap()).await.unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("--resume"), "{output:?}");
    assert_eq!(run(world.import(&file, &["--resume"])).await.status.code(), Some(1));
    assert_eq!(world.known(&file).await.0, json!(LINES - LINES / BAD));
    assert!(daemon.terminate().await.success());
}

/// A table from another system, and from standard input.
#[tokio::test]
async fn an_export_of_another_system_is_imported() {
    let world = World::new();
    let daemon = world.daemon();
    let client = Client::new(&daemon.url, &world.key);
    let export = "id,identifier,device_type,external_user_id,tags,last_active,notification_types,ip\n\
                  d1,well-1,1,ann,\"{\"\"plan\"\":\"\"pro\"\"}\",2025-01-02 03:04:05 UTC,1,192.0.2.1\n\
                  d2,well-2,1,,\"{}\",,-2,\n\
                  d3,a@b.example,11,ann,,,,\n";
    let file = world.file("export.csv", export);
    let output = run(world.import(&file, &["--format", "onesignal"])).await;
    assert_eq!(output.status.code(), Some(1));
    let first = told(&output.stdout);
    assert_eq!((&first["created"], &first["failed"], &first["ignored"]), (&json!(2), &json!(1), &json!(["ip"])), "{first}");
    assert_eq!((&first["errors"][0]["line"], &first["errors_file"]), (&json!(4), &json!(format!("{file}.errors.ndjson"))));
    let one = client.get("/v1/devices/d1").await.expect(200);
    assert_eq!(
        (&one["user_id"], &one["tags"], &one["last_seen_at"]),
        (&json!("ann"), &json!({"plan": "pro"}), &json!("2025-01-02T03:04:05Z"))
    );
    assert_eq!(client.get("/v1/devices/d2").await.expect(200)["status"], "inactive");

    let mut piped = world.import("-", &["--type", "csv", "--errors", &format!("{file}.piped")]);
    piped.stdin(std::fs::File::open(world.file("own.csv", "device_id,locale\nd1,fr\nd9,fr\n")).unwrap());
    let output = tokio::task::spawn_blocking(move || piped.output().unwrap()).await.unwrap();
    let second = told(&output.stdout);
    assert_eq!((&second["updated"], &second["failed"], &second["errors"][0]["line"]), (&json!(1), &json!(1), &json!(3)), "{second}");
    assert_eq!(client.get("/v1/devices/d1").await.expect(200)["locale"], "fr");
    assert!(daemon.terminate().await.success());
}

/// A file of errors that was there makes room for the new one.
#[tokio::test]
async fn the_file_that_is_imported_is_never_removed() {
    let world = World::new();
    let file = world.file("devices.ndjson", "not json\n");
    let roundabout = world.folder.path().join(".").join("devices.ndjson");
    for errors in [file.as_str(), roundabout.to_str().unwrap()] {
        let output = run(world.import(&file, &["--errors", errors])).await;
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "not json\n");
    }
}
