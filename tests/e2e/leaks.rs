//! What somebody finds who has a copy of the store, its log at its loudest and its metrics.

use std::fs::{self, File};

use serde_json::Value;

use crate::daemon::{Client, Process, Simulator};
use crate::secrets::{ENCRYPTION_KEY, Secrets, run};

/// What such a one has.
struct Copies {
    secrets: Secrets,
    log: Vec<u8>,
    metrics: Vec<u8>,
    while_it_ran: Vec<u8>,
    store: Vec<u8>,
}

impl Copies {
    /// After a run with these settings.
    async fn of(simulator: &Simulator, env: &[(&str, &str)]) -> Self {
        let arguments = ["key", "create", "--app", "demo", "--name", "test", "--scopes", "send,manage,read", "--output", "json"];
        let made = simulator.on_the_store(&arguments).envs(env.iter().copied()).output().unwrap();
        let made: Value = serde_json::from_slice(&made.stdout).unwrap();
        let log = simulator.dir.path().join("log");
        let mut command = simulator.serve_command(env);
        let daemon = Process::start_with_log(command.env("RUST_LOG", "trace"), File::create(&log).unwrap().into());
        let backend = Client::new(&daemon.url, made["key"].as_str().unwrap());
        let secrets = run(&backend, simulator).await;
        let metrics = backend.get("/metrics").await.expect(200).to_string().into_bytes();
        let while_it_ran = store(simulator);
        assert!(daemon.terminate().await.success());
        Self { secrets, log: fs::read(&log).unwrap(), metrics, while_it_ran, store: store(simulator) }
    }
}

/// No API key, no client token and no provider's secret; and with an encryption key no device's token and nobody's contacts.
#[tokio::test]
async fn nothing_secret_is_in_the_store_the_log_or_the_metrics() {
    let simulator = Simulator::start();
    let key_file = simulator.dir.path().join("store.key");
    fs::write(&key_file, ENCRYPTION_KEY).unwrap();
    let copies = Copies::of(&simulator, &[("HERALD__DATABASE__ENCRYPTION_KEY_FILE", key_file.to_str().unwrap())]).await;
    for (place, bytes, word) in [
        ("the log", &copies.log, "/v1/client-tokens"),
        ("the metrics", &copies.metrics, "herald_"),
        ("the store", &copies.while_it_ran, "anns-iphone"),
        ("the store that is closed", &copies.store, "anns-iphone"),
    ] {
        assert!(String::from_utf8_lossy(bytes).contains(word), "{place} is there");
        assert_eq!(copies.secrets.found_in(bytes), [""; 0], "in {place}");
    }
}

/// Without an encryption key what is sealed otherwise is found, and nothing else.
#[tokio::test]
async fn without_a_key_tokens_and_contacts_are_in_the_store() {
    let copies = Copies::of(&Simulator::start(), &[]).await;
    for bytes in [&copies.log, &copies.metrics] {
        assert_eq!(copies.secrets.found_in(bytes), [""; 0]);
    }
    let found = copies.secrets.found_in(&copies.store);
    let plain = ["an address for calls", "an endpoint", "ann's Android token", "ann's e-mail", "ann's iPhone's token", "ann's telephone"];
    for what in plain {
        assert!(found.contains(&what), "{what} is not in {found:?}");
    }
    let others = ["key", "refresh", "signature", "signs in"];
    assert!(!found.iter().any(|what| others.iter().any(|word| what.contains(word)) && *what != "its key"), "{found:?}");
}

/// The files of the store, as they lie there.
fn store(simulator: &Simulator) -> Vec<u8> {
    let files = ["herald.db", "herald.db-wal"].map(|name| simulator.dir.path().join(name));
    files.iter().flat_map(|file| fs::read(file).unwrap_or_default()).collect()
}
