//! The lanes of a node.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::{Lane, LaneKey, Wire};
use crate::domain::clock::Clock;
use crate::domain::device::{Environment, ProviderKind};

/// The environments in which a provider has lanes.
pub fn environments(provider: ProviderKind) -> &'static [Environment] {
    match provider {
        ProviderKind::Apns => &[Environment::Production, Environment::Sandbox],
        ProviderKind::Fcm | ProviderKind::Webpush => &[Environment::Production],
    }
}

/// All lanes of this node; made when first used.
pub struct Lanes {
    clock: Arc<dyn Clock>,
    wire: Arc<Wire>,
    all: Mutex<HashMap<LaneKey, Arc<Lane>>>,
}

impl Lanes {
    /// Lanes that have so many pushes under way at most, together.
    pub fn new(permits: usize, clock: Arc<dyn Clock>) -> Self {
        Self { clock, wire: Arc::new(Wire::new(permits)), all: Mutex::default() }
    }

    /// One lane.
    pub fn get(&self, key: LaneKey) -> Arc<Lane> {
        Arc::clone(self.all.lock().entry(key).or_insert_with(|| Arc::new(Lane::new(key, &self.clock, &self.wire))))
    }

    /// What all of them have under way.
    pub fn wire(&self) -> &Wire {
        &self.wire
    }
}
