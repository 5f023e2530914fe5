//! The state of many callers in bounded memory.
//!
//! Of each caller one number is kept: when its burst will be whole again. Once that instant is past, the caller is as one never seen, and to
//! forget it gives nothing away; nobody is forgotten before. So nobody can have the own limit lifted by bringing others to be kept. Where
//! there is no room for one more, those without room share [`SHARED`] states, each as of one caller, picked by a hash with a secret key:
//! whoever brings more addresses than there is room for slows down other newcomers, but gets no more himself, takes no more memory, and
//! changes nothing for those that have room.

use std::collections::HashMap;
use std::collections::hash_map::{Entry, RandomState};
use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::state::keyed::ShrinkableKeyedStateStore;
use parking_lot::Mutex;

/// Callers that are kept, at most, of one kind: about 4 MiB of them.
const KEPT: usize = 65_536;
/// Locks, so that callers seldom wait for each other.
const SHARDS: usize = 64;
/// States for those without room.
const SHARED: usize = 4096;

#[derive(Debug)]
pub(super) struct Buckets {
    hasher: RandomState,
    shards: Vec<Mutex<HashMap<u128, Nanos>>>,
    shared: Vec<Mutex<Option<Nanos>>>,
    room: usize,
    is_full: Arc<AtomicBool>,
}

impl Buckets {
    pub(super) fn new() -> Self {
        Self::with_room(KEPT / SHARDS)
    }

    fn with_room(room: usize) -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        let shared = (0..SHARED).map(|_| Mutex::default()).collect();
        Self { hasher: RandomState::new(), shards, shared, room, is_full: Arc::default() }
    }

    /// Set whenever there is no room for someone.
    pub(super) fn is_full(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.is_full)
    }
}

fn one_of<T>(all: &[T], hash: u64) -> Option<&T> {
    all.get(usize::try_from(hash).unwrap_or_default().checked_rem(all.len())?)
}

impl StateStore for Buckets {
    type Key = u128;

    fn measure_and_replace<T, F, E>(&self, key: &u128, measure: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let hash = self.hasher.hash_one(key);
        if let Some(shard) = one_of(&self.shards, hash) {
            let mut shard = shard.lock();
            let has_room = shard.len() < self.room;
            match shard.entry(*key) {
                Entry::Occupied(mut state) => {
                    let (allowed, next) = measure(Some(*state.get()))?;
                    state.insert(next);
                    return Ok(allowed);
                }
                Entry::Vacant(place) if has_room => {
                    let (allowed, next) = measure(None)?;
                    place.insert(next);
                    return Ok(allowed);
                }
                Entry::Vacant(_) => self.is_full.store(true, Ordering::Relaxed),
            }
        }
        // other bits of the hash than those that picked the shard
        let Some(shared) = one_of(&self.shared, hash.rotate_right(32)) else { return measure(None).map(|(allowed, _)| allowed) };
        let mut state = shared.lock();
        let (allowed, next) = measure(*state)?;
        *state = Some(next);
        Ok(allowed)
    }
}

impl ShrinkableKeyedStateStore<u128> for Buckets {
    fn retain_recent(&self, drop_below: Nanos) {
        for shard in &self.shards {
            shard.lock().retain(|_, whole_at| *whole_at > drop_below);
        }
    }

    fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().len()).sum()
    }

    fn is_empty(&self) -> bool {
        self.shards.iter().all(|shard| shard.lock().is_empty())
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;
    use std::time::Duration;

    use governor::clock::FakeRelativeClock;
    use governor::middleware::NoOpMiddleware;
    use governor::{Quota, RateLimiter};
    use proptest::prelude::*;

    use super::*;

    const BURST: u32 = 3;

    type Limiter = RateLimiter<u128, Buckets, FakeRelativeClock, NoOpMiddleware<Nanos>>;

    fn limiter(room: usize) -> (Limiter, FakeRelativeClock) {
        let clock = FakeRelativeClock::default();
        let quota = Quota::per_second(NonZeroU32::MIN).allow_burst(NonZeroU32::new(BURST).unwrap());
        (RateLimiter::new(quota, Buckets::with_room(room), clock.clone()), clock)
    }

    #[test]
    fn many_others_neither_grow_it_nor_lift_a_limit() {
        let (limiter, clock) = limiter(4);
        while limiter.check_key(&1).is_ok() {}
        for other in 2..100_000 {
            drop(limiter.check_key(&other));
        }
        assert!(limiter.len() <= 4 * SHARDS);
        limiter.retain_recent();
        assert!(limiter.check_key(&1).is_err(), "nobody is forgotten before his burst is whole");
        let allowed = (100_000..200_000).filter(|other| limiter.check_key(other).is_ok()).count();
        assert!(allowed <= SHARED * BURST as usize, "those without room share: {allowed}");
        clock.advance(Duration::from_secs(10));
        limiter.retain_recent();
        assert!(limiter.is_empty());
        assert!((0..BURST).all(|_| limiter.check_key(&1).is_ok()));
    }

    proptest! {
        /// As if there were one limiter for each caller, while there is room.
        #[test]
        fn callers_do_not_count_for_each_other(asks in proptest::collection::vec((0_u128..5, 0_u64..1500, any::<bool>()), 1..200)) {
            let (limiter, clock) = limiter(1000);
            let quota = Quota::per_second(NonZeroU32::MIN).allow_burst(NonZeroU32::new(BURST).unwrap());
            let alone: Vec<_> = (0..5).map(|_| RateLimiter::direct_with_clock(quota, clock.clone())).collect();
            for (who, pause, sweeps) in asks {
                clock.advance(Duration::from_millis(pause));
                if sweeps {
                    limiter.retain_recent();
                }
                let expected = alone[usize::try_from(who).unwrap()].check().is_ok();
                prop_assert_eq!(limiter.check_key(&who).is_ok(), expected);
            }
        }
    }
}
