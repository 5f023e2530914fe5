//! All chance of a run, from one seed.

use std::time::Duration;

use herald::domain::Timestamp;
use herald::domain::clock::{Ids, Rng};
use herald::domain::id::{NotificationId, WorkId};
use parking_lot::Mutex;
use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng};
use uuid::Uuid;

/// One sequence of numbers for everything: whoever asks first gets the next.
pub struct Chance(Mutex<SmallRng>);

impl Chance {
    pub fn of(seed: u64) -> Self {
        Self(Mutex::new(SmallRng::seed_from_u64(seed)))
    }

    /// Uniform in `0..n`; 0 where `n` is 0.
    pub fn below(&self, n: u64) -> u64 {
        if n == 0 { 0 } else { self.0.lock().random_range(0..n) }
    }

    /// True once in `n` times; never where `n` is 0.
    pub fn one_in(&self, n: u64) -> bool {
        n > 0 && self.below(n) == 0
    }

    pub fn millis(&self, from: u64, to: u64) -> Duration {
        Duration::from_millis(from + self.below(to - from))
    }

    pub fn pick<'a, T>(&self, list: &'a [T]) -> Option<&'a T> {
        list.get(usize::try_from(self.below(list.len() as u64)).unwrap())
    }

    fn bits(&self) -> u64 {
        self.0.lock().random()
    }
}

impl Rng for Chance {
    fn fraction(&self) -> f64 {
        self.0.lock().random()
    }
}

/// The ids of one process.
pub struct SimIds {
    chance: std::sync::Arc<Chance>,
    latest: Mutex<u128>,
}

impl SimIds {
    pub fn new(chance: std::sync::Arc<Chance>) -> Self {
        Self { chance, latest: Mutex::new(0) }
    }
}

impl Ids for SimIds {
    fn notification(&self, now: Timestamp) -> NotificationId {
        let millis = u128::try_from(now.timestamp_millis()).unwrap();
        let of_now = (millis << 80) | (0x7 << 76) | (0x2 << 62) | u128::from(self.chance.bits() >> 16);
        let mut latest = self.latest.lock();
        *latest = of_now.max(*latest + 1);
        NotificationId(Uuid::from_u128(*latest))
    }

    fn work(&self) -> WorkId {
        WorkId((self.chance.bits() >> 2).cast_signed())
    }
}
