//! Places under frequency caps.

use async_trait::async_trait;
use herald::domain::Timestamp;
use herald::store::Result;
use herald::store::cap::{Caps, Reservation};

use super::MemoryStore;
use super::state::State;

impl State {
    fn admit(&mut self, one: &Reservation, now: Timestamp) -> bool {
        let (places, over_at) = self.caps.entry((one.holder, one.category.clone())).or_default();
        let mut young = places.clone();
        young.retain(|_, at| *at + one.cap.window() > now && *at - one.cap.window() < now);
        if young.len() >= one.cap.count as usize && !young.contains_key(&one.notification) {
            return false;
        }
        young.insert(one.notification, now);
        (*places, *over_at) = (young, now + one.cap.window());
        true
    }
}

#[async_trait]
impl Caps for MemoryStore {
    async fn reserve(&self, reservations: &[Reservation]) -> Result<Vec<bool>> {
        Ok(self.commit(|state, now| reservations.iter().map(|one| state.admit(one, now)).collect()))
    }

    async fn would_admit(&self, reservations: &[Reservation], at: Timestamp) -> Result<Vec<bool>> {
        let mut copy = self.read(|state, _| State { caps: state.caps.clone(), ..State::default() });
        Ok(reservations.iter().map(|one| copy.admit(one, at)).collect())
    }
}
