//! When the simulator received pushes, held against a pace.

use crate::clock::instant;
use crate::nodes::Cluster;

/// Slices of time in a second.
const SECOND: usize = 10;

/// Pushes by tenths of a second, from the first one to the last, answered or refused.
pub(crate) struct Arrivals {
    slices: Vec<u64>,
}

impl Arrivals {
    /// All that were received.
    pub(crate) async fn of(cluster: &Cluster) -> Self {
        let told = cluster.simulator.client.get("/simulator/arrivals").await.expect(200);
        assert_eq!(told["slice_ms"], 1000 / SECOND);
        let items = told["items"].as_array().unwrap();
        let number = |at| usize::try_from(instant(at).timestamp_millis() / 100).unwrap();
        let first = number(&items[0]["at"]);
        let mut slices = vec![0; number(&items[items.len() - 1]["at"]) - first + 1];
        for item in items {
            slices[number(&item["at"]) - first] += ["apns", "fcm"].map(|provider| item[provider].as_u64().unwrap()).iter().sum::<u64>();
        }
        Self { slices }
    }

    /// How many there were.
    pub(crate) fn sum(&self) -> u64 {
        self.slices.iter().sum()
    }

    /// The most in a second, wherever it begins.
    pub(crate) fn most(&self) -> u64 {
        self.slices.windows(SECOND).map(|second| second.iter().sum()).max().unwrap()
    }

    /// How many there were in each second that is whole.
    pub(crate) fn seconds(&self) -> Vec<u64> {
        self.slices.chunks_exact(SECOND).map(|second| second.iter().sum()).collect()
    }
}
