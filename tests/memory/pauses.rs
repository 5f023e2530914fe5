//! Lanes that are paused.

use async_trait::async_trait;
use herald::domain::device::ProviderKind;
use herald::domain::id::AppId;
use herald::store::Result;
use herald::store::pause::{LanePause, Pauses};

use super::MemoryStore;

fn is_same(one: &LanePause, other: &LanePause) -> bool {
    LanePause { reason: String::new(), ..one.clone() } == LanePause { reason: String::new(), ..other.clone() }
}

#[async_trait]
impl Pauses for MemoryStore {
    async fn lane_pauses(&self) -> Result<Vec<LanePause>> {
        Ok(self.read(|state, _| state.pauses.clone()))
    }

    async fn pause_lanes(&self, pauses: &[LanePause]) -> Result<()> {
        self.commit(|state, now| {
            for pause in pauses {
                if !state.pauses.iter().any(|known| is_same(known, pause)) {
                    state.pauses.push(pause.clone());
                    state.tell_lane(pause, now);
                }
            }
        });
        Ok(())
    }

    async fn resume_lanes(&self, app: AppId, provider: ProviderKind) -> Result<()> {
        self.commit(|state, _| state.pauses.retain(|pause| (pause.app, pause.provider) != (app, provider)));
        Ok(())
    }
}
