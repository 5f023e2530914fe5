//! Who was reached and with what, for millions of pushes: hashes only, 9 to 18 bytes each.
//!
//! A hash has 64 bits of a keyed function, so a false repeat among ten million pushes has a
//! chance of about one in a million.

use std::collections::HashSet;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::record::Source;

/// Shards, so that a growing table holds up few pushes.
const SHARDS: u64 = 64;

/// What tells one accepted push from another.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key {
    /// The provider and token; nothing for what has no device, such as a topic.
    device: Option<u64>,
    /// The provider, token and `herald_id`; nothing without a `herald_id`.
    push: Option<u64>,
}

/// Devices and pushes seen so far.
#[derive(Debug)]
pub(super) struct Memory {
    hasher: RandomState,
    shards: Vec<Mutex<Shard>>,
    per_generation: usize,
}

#[derive(Debug, Default)]
struct Shard {
    devices: Hashes,
    young: Hashes,
    old: Hashes,
    repeats: u64,
}

type Hashes = HashSet<u64, BuildHasherDefault<AsIs>>;

impl Memory {
    /// Remembers at least `pushes` accepted pushes, and at most twice as many.
    pub(super) fn new(pushes: usize) -> Self {
        Self {
            hasher: RandomState::new(),
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            per_generation: pushes.div_ceil(64).max(1),
        }
    }

    /// The key of a push; `is_device` is false for topics and conditions.
    pub(super) fn key(&self, source: Source, token: &str, herald_id: &str, device: bool) -> Key {
        let provider = source.provider();
        Key {
            device: device.then(|| self.hasher.hash_one((provider, token))),
            push: (!herald_id.is_empty()).then(|| self.hasher.hash_one((provider, token, herald_id))),
        }
    }

    /// A number for a (provider, token) that is the same while this memory lives.
    pub(super) fn number(&self, source: Source, token: &str) -> u64 {
        self.hasher.hash_one((source.provider(), token))
    }

    /// Remembers an accepted push.
    pub(super) fn accept(&self, key: Key) {
        if let Some(mut shard) = key.device.and_then(|hash| self.shard(hash).zip(Some(hash))) {
            shard.0.devices.insert(shard.1);
        }
        let Some(hash) = key.push else { return };
        let Some(mut shard) = self.shard(hash) else {
            return;
        };
        if shard.old.contains(&hash) || !shard.young.insert(hash) {
            shard.repeats += 1;
        } else if shard.young.len() >= self.per_generation {
            shard.old = std::mem::take(&mut shard.young);
        }
    }

    /// The devices reached and the repeats seen.
    pub(super) fn counts(&self) -> (u64, u64) {
        self.shards.iter().fold((0, 0), |(devices, repeats), shard| {
            let shard = lock(shard);
            (devices + shard.devices.len() as u64, repeats + shard.repeats)
        })
    }

    /// Forgets everything.
    pub(super) fn forget(&self) {
        for shard in &self.shards {
            let forgotten = std::mem::take(&mut *lock(shard));
            drop(forgotten);
        }
    }

    fn shard(&self, hash: u64) -> Option<MutexGuard<'_, Shard>> {
        // the table takes its place from the lowest and its tag from the highest bits
        let index = usize::try_from((hash >> 32) % SHARDS).ok()?;
        self.shards.get(index).map(lock)
    }
}

/// A lock whose holder panicked is as good as any: nothing in here panics half way.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Hashes need no hashing.
#[derive(Clone, Copy, Debug, Default)]
struct AsIs(u64);

impl Hasher for AsIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accept(memory: &Memory, source: Source, token: &str, id: &str) {
        memory.accept(memory.key(source, token, id, true));
    }

    #[test]
    fn a_repeat_has_the_same_provider_token_and_id() {
        let memory = Memory::new(1000);
        accept(&memory, Source::Fcm, "a", "1");
        accept(&memory, Source::Fcm, "a", "2");
        accept(&memory, Source::Fcm, "b", "1");
        accept(&memory, Source::ApnsProduction, "a", "1");
        assert_eq!(memory.counts(), (3, 0));
        accept(&memory, Source::ApnsSandbox, "a", "1");
        accept(&memory, Source::Fcm, "a", "2");
        assert_eq!(memory.counts(), (3, 2));
    }

    #[test]
    fn without_an_id_nothing_is_a_repeat() {
        let memory = Memory::new(1000);
        accept(&memory, Source::Fcm, "a", "");
        accept(&memory, Source::Fcm, "a", "");
        assert_eq!(memory.counts(), (1, 0));
    }

    #[test]
    fn a_topic_is_no_device() {
        let memory = Memory::new(1000);
        memory.accept(memory.key(Source::Fcm, "topic:news", "1", false));
        memory.accept(memory.key(Source::Fcm, "topic:news", "1", false));
        assert_eq!(memory.counts(), (0, 1));
    }

    #[test]
    fn the_newest_are_remembered_and_the_memory_stays_bounded() {
        let memory = Memory::new(6400);
        for number in 0..100_000 {
            accept(&memory, Source::Fcm, "a", &number.to_string());
        }
        let held: usize = memory.shards.iter().map(lock).map(|shard| shard.young.len() + shard.old.len()).sum();
        assert!(held <= 2 * 6400, "{held}");
        accept(&memory, Source::Fcm, "a", "99999");
        assert_eq!(memory.counts(), (1, 1));
        memory.forget();
        accept(&memory, Source::Fcm, "a", "99999");
        assert_eq!(memory.counts(), (1, 0));
    }
}
