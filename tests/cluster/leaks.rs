//! What somebody finds who has a dump of PostgreSQL, a node's log at its loudest and its metrics.

use std::fs::{self, File};
use std::process::Command;

use crate::nodes::Cluster;
use crate::secrets::{ENCRYPTION_KEY, run};

/// No API key, no client token and no provider's secret; and with an encryption key no device's token and nobody's contacts.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_secret_is_in_a_dump_the_log_or_the_metrics() {
    let cluster = Cluster::start(&[("HERALD__DATABASE__ENCRYPTION_KEY", ENCRYPTION_KEY)]);
    let log = cluster.simulator.dir.path().join("log");
    let loud = vec![("RUST_LOG".to_owned(), "trace".to_owned())];
    let node = cluster.node_in("api,worker,scheduler", loud, File::create(&log).unwrap().into());
    let backend = cluster.client(&node);

    let secrets = run(&backend, &cluster.simulator).await;
    let metrics = backend.get("/metrics").await.expect(200).to_string();
    assert!(node.terminate().await.success());

    let dump = Command::new("pg_dump").args([&cluster.postgres.url(), "--inserts"]).output().unwrap();
    assert!(dump.status.success(), "{}", String::from_utf8_lossy(&dump.stderr));
    for (place, bytes, word) in [
        ("the log", fs::read(&log).unwrap(), "/v1/client-tokens"),
        ("the metrics", metrics.into_bytes(), "herald_"),
        ("the dump", dump.stdout, "anns-iphone"),
    ] {
        assert!(String::from_utf8_lossy(&bytes).contains(word), "{place} is there");
        assert_eq!(secrets.found_in(&bytes), [""; 0], "in {place}");
    }
}
