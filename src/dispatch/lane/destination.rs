//! Where a push of a lane goes.

use std::sync::Arc;

use crate::domain::device::{Platform, PushToken};
use crate::domain::endpoint::Endpoint;

/// To which platform, and to which of the peers behind the lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// `None`: to all that the provider carries to, as a broadcast does.
    pub platform: Option<Platform>,
    /// Of Web Push, the push service.
    pub service: Service,
}

/// A push service, by its origin; none where the provider is one peer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Service(Option<Arc<str>>);

impl Service {
    /// The one that a subscription is at.
    pub fn of(token: &PushToken) -> Self {
        let PushToken::Webpush { endpoint, .. } = token else { return Self::default() };
        Self(Endpoint::parse(endpoint).map(|endpoint| endpoint.origin().into()))
    }

    /// Its origin, `https://push.example.com`.
    pub fn origin(&self) -> Option<&str> {
        self.0.as_deref()
    }
}
