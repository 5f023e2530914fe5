//! Lanes that are paused, known to every node: what one of them found out holds for all, and so does a resumption.

use async_trait::async_trait;

use super::Result;
use crate::domain::device::{Environment, Platform, ProviderKind};
use crate::domain::id::AppId;

/// A pause of a lane, or of a part of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LanePause {
    /// Whose.
    pub app: AppId,
    /// Through whom.
    pub provider: ProviderKind,
    /// Apple's service; `Production` elsewhere.
    pub environment: Environment,
    /// The part, where it is not all of it.
    pub part: Option<Platform>,
    /// The fingerprint of the credential that it is of: who has another has nothing to do with it.
    pub credential: [u8; 32],
    /// Why.
    pub reason: String,
}

/// The pauses of all lanes.
#[async_trait]
pub trait Pauses: Send + Sync {
    /// All there are.
    async fn lane_pauses(&self) -> Result<Vec<LanePause>>;

    /// Adds these; one that is there already keeps its reason.
    async fn pause_lanes(&self, pauses: &[LanePause]) -> Result<()>;

    /// Ends those of an app's provider, whatever credential they are of.
    async fn resume_lanes(&self, app: AppId, provider: ProviderKind) -> Result<()>;
}
