//! When nodes handed pushes to a provider, as their logs tell it.
//!
//! A pace is of these instants: how long a request is on its way then, on a machine that is busy, is nobody's to say.

use std::fs::{File, read_to_string};

use serde_json::Value;
use tempfile::TempDir;

use crate::daemon::Process;
use crate::nodes::Cluster;

/// In a second.
const MICROS: i64 = 1_000_000;

/// The logs of nodes, which tell of nothing else.
pub(crate) struct Handovers {
    logs: TempDir,
    nodes: usize,
}

impl Handovers {
    pub(crate) fn new() -> Self {
        Self { logs: tempfile::tempdir().unwrap(), nodes: 0 }
    }

    /// A node with these roles.
    pub(crate) fn node(&mut self, cluster: &Cluster, roles: &str) -> Process {
        let log = File::create(self.logs.path().join(self.nodes.to_string())).unwrap();
        self.nodes += 1;
        cluster.node_in(roles, vec![("RUST_LOG".to_owned(), "off,herald::providers::handover=trace".to_owned())], log.into())
    }

    /// When requests were started, by the store's clock, in microseconds.
    pub(crate) fn instants(&self) -> Vec<i64> {
        let mut instants = Vec::new();
        for node in 0..self.nodes {
            for line in read_to_string(self.logs.path().join(node.to_string())).unwrap().lines() {
                let told: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("no event: {line}"));
                instants.push(told["at_micros"].as_i64().unwrap());
            }
        }
        instants.sort_unstable();
        instants
    }
}

/// The most of these in a second, wherever it begins.
pub(crate) fn most_in_a_second(instants: &[i64]) -> usize {
    (0..instants.len()).map(|first| instants[first..].partition_point(|at| *at < instants[first] + MICROS)).max().unwrap()
}
