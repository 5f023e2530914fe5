//! The ready window in Redis streams, shared by any number of nodes.
//!
//! Each priority is a stream, read by one consumer group: an entry is *unread* until a node takes it, then *pending* until that
//! node ends it, which deletes it. What a dead node held is *reclaimed*. So a stream's length is what is unread and pending.
//! Streams are cut by no length of their own, which could drop what is unread: publishing looks at the length instead.
//!
//! [`shard`] knows the keys and the commands, [`server`] the connections, [`listener`] waits, [`spare`] keeps what was heard and
//! did not fit. What takes several steps is a script beside them, so that nobody comes between.
//!
//! In a cluster there are several shards, each with three streams, so that its nodes share the load. Work is spread over them
//! piece by piece, and not by notification: all chunks of a campaign in one shard would be one node's load.

mod connection;
mod entry;
mod listener;
mod open;
mod server;
mod shard;
mod shared;
mod spare;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::{join_all, select_all};
use tokio::time::Instant;

use super::{Entry, Error, Queue, Taken};
use crate::domain::work::Stream;

pub use open::{Looked, OpenError, Options};
pub use shared::{Change, SharedValues};

use listener::Listener;
use server::{Fault, Server};
use shard::Shard;
use spare::Spare;

/// Numbers of the shards of a cluster: with the usual prefix each falls into another eighth of the slots, near its middle, so that masters
/// that share the slots evenly share the shards. Every node must know of the same: to change them is to lose what is ready, until its guard
/// brings it back.
const CLUSTER_SHARDS: [usize; 8] = [85, 27, 84, 26, 87, 25, 86, 24];
/// The only shard of a server that is alone.
const LONE_SHARD: [usize; 1] = [0];
/// How long one read blocks. A node that dies leaves no read behind for longer, and a server that stalls is noticed.
const BLOCK: Duration = Duration::from_secs(1);

/// A queue for any number of nodes.
pub struct RedisQueue {
    server: Arc<Server>,
    prefix: String,
    shards: Vec<(Shard, Listener)>,
    spare: Spare,
    window: usize,
    forget_after: Duration,
    /// Which shard is asked first, in turns.
    turn: AtomicUsize,
}

impl RedisQueue {
    /// What the nodes of this queue share beside it.
    pub fn shared_values(&self) -> SharedValues {
        SharedValues::new(Arc::clone(&self.server), &self.prefix)
    }

    /// The shard of an entry.
    fn shard_of(&self, entry: &Entry) -> usize {
        let number = entry.key.notification.0.as_u64_pair().1.wrapping_add(entry.key.work.0.cast_unsigned());
        // multiplied so that numbers that lie close do not fall together; the high bits are the best mixed
        let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        let shards = self.shards.len() as u64;
        usize::try_from(mixed.checked_rem(shards).unwrap_or_default()).unwrap_or_default()
    }

    /// Parts things by the shard of their entries.
    fn by_shard<T>(&self, things: impl IntoIterator<Item = T>, entry: impl Fn(&T) -> &Entry) -> Vec<(&Shard, Vec<T>)> {
        let mut parts: Vec<(&Shard, Vec<T>)> = self.shards.iter().map(|(shard, _)| (shard, Vec::new())).collect();
        for thing in things {
            let number = self.shard_of(entry(&thing));
            if let Some((_, part)) = parts.get_mut(number) {
                part.push(thing);
            }
        }
        parts.retain(|(_, part)| !part.is_empty());
        parts
    }

    /// Entries of at most `max` targets that are there now, or one with more.
    async fn collect(&self, max: usize) -> Result<Vec<Taken>, Fault> {
        for (shard, listener) in &self.shards {
            self.spare.put(shard.heard(&self.server, listener.found(&self.server)?).await?);
        }
        let mut taken = self.spare.draw(max);
        match self.collect_shards(max, &mut taken).await {
            Err(fault) if taken.is_empty() => Err(fault),
            // what is in hand is worked on; who asks again is told again
            _ => Ok(taken),
        }
    }

    /// Each shard is asked at once for its share; those that had to leave something for want of room are asked again, one by one.
    async fn collect_shards(&self, max: usize, taken: &mut Vec<Taken>) -> Result<(), Fault> {
        let count = self.shards.len();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let room = max.saturating_sub(weight(taken));
        let is_single = count == 1;
        let alone = is_single && taken.is_empty();
        let asked = self.shards.iter().enumerate().map(|(number, (shard, _))| async move {
            let share = room / count + usize::from((number + turn) % count < room % count);
            if share == 0 { Ok(None) } else { shard.take(&self.server, share, alone).await.map(Some) }
        });
        let mut fault = None;
        let mut short = Vec::new();
        for (answer, (shard, _)) in join_all(asked).await.into_iter().zip(&self.shards) {
            match answer {
                Ok(Some(found)) => {
                    taken.extend(found.taken);
                    if found.is_short {
                        short.push(shard);
                    }
                }
                Ok(None) => short.push(shard),
                Err(error) => fault = Some(error),
            }
        }
        let first = turn.checked_rem(short.len()).unwrap_or_default();
        short.rotate_left(first);
        for shard in short {
            let room = max.saturating_sub(weight(taken));
            if room == 0 || is_single {
                break;
            }
            taken.extend(shard.take(&self.server, room, taken.is_empty()).await?.taken);
        }
        fault.map_or(Ok(()), Err)
    }

    /// Waits until there is an entry, or for about `wait`.
    async fn listen(&self, wait: Duration) -> Result<(), Fault> {
        let waits = self.shards.iter().map(|(shard, listener)| {
            Box::pin(async move { shard.heard(&self.server, listener.wait(&self.server, shard, wait).await?).await })
        });
        let (heard, _, _) = select_all(waits).await;
        self.spare.put(heard?);
        Ok(())
    }

    /// What each stream has room for, over all shards.
    async fn fitting(&self, entries: &[Entry]) -> Result<Vec<Entry>, Fault> {
        let mut fitting = Vec::with_capacity(entries.len());
        for stream in Stream::ALL {
            let of_stream: Vec<Entry> = entries.iter().filter(|entry| entry.stream == *stream).copied().collect();
            if !of_stream.is_empty() {
                let room = self.limit().saturating_sub(self.length(*stream).await?);
                fitting.extend(of_stream.into_iter().take(room));
            }
        }
        Ok(fitting)
    }

    async fn length(&self, stream: Stream) -> Result<usize, Fault> {
        let lengths = join_all(self.shards.iter().map(|(shard, _)| shard.len(&self.server, stream))).await;
        lengths.into_iter().sum()
    }
}

/// Targets of entries, each of which takes up at least one place.
fn weight(taken: &[Taken]) -> usize {
    taken.iter().map(|taken| taken.entry.targets.max(1)).sum()
}

#[async_trait]
impl Queue for RedisQueue {
    async fn publish(&self, entries: &[Entry]) -> Result<(), Error> {
        let fitting;
        let entries = if self.shards.len() == 1 {
            entries
        } else {
            // no shard knows the length of the others
            fitting = self.fitting(entries).await?;
            &fitting
        };
        let parts = self.by_shard(entries.iter().copied(), |entry| entry);
        let added = parts.iter().map(|(shard, part)| shard.publish(&self.server, part, self.limit()));
        Ok(join_all(added).await.into_iter().collect::<Result<_, _>>()?)
    }

    async fn take(&self, max: usize, wait: Duration) -> Result<Vec<Taken>, Error> {
        if max == 0 {
            return Ok(Vec::new());
        }
        let began = Instant::now();
        loop {
            let taken = self.collect(max).await?;
            let left = wait.saturating_sub(began.elapsed());
            if !taken.is_empty() || left.is_zero() {
                return Ok(taken);
            }
            self.listen(left.min(BLOCK)).await?;
        }
    }

    async fn ack(&self, taken: &[Taken]) -> Result<(), Error> {
        let parts = self.by_shard(taken, |taken| &taken.entry);
        let ended = parts.iter().map(|(shard, part)| async move {
            let ended: Vec<_> = part.iter().map(|taken| (taken.entry.stream, taken.receipt.as_str())).collect();
            shard.ack(&self.server, &ended).await
        });
        Ok(join_all(ended).await.into_iter().collect::<Result<_, _>>()?)
    }

    async fn reclaim(&self, max: usize, idle: Duration) -> Result<Vec<Taken>, Error> {
        let mut taken = Vec::new();
        for (shard, _) in &self.shards {
            taken.extend(shard.reclaim(&self.server, max.saturating_sub(taken.len()), idle).await?);
        }
        Ok(taken)
    }

    async fn len(&self, stream: Stream) -> Result<usize, Error> {
        Ok(self.length(stream).await?)
    }

    async fn ping(&self) -> Result<(), Error> {
        Ok(self.server.ask(&redis::cmd("PING")).await?)
    }

    async fn tidy(&self) -> Result<(), Error> {
        let mut cleared = 0;
        for (shard, _) in &self.shards {
            cleared += shard.tidy(&self.server, self.forget_after).await?;
        }
        if cleared > 0 {
            tracing::warn!(entries = cleared, "entries of the queue that nobody held were cleared away");
        }
        Ok(())
    }

    fn window(&self) -> usize {
        self.window
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The slot of a key, as the cluster's specification has it (CRC-16/XMODEM).
    fn slot(tag: &str) -> u16 {
        let crc = tag.bytes().fold(0_u16, |crc, byte| {
            (0..8).fold(crc ^ (u16::from(byte) << 8), |crc, _| if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 })
        });
        crc % 16_384
    }

    #[test]
    fn each_eighth_of_the_slots_has_a_shard() {
        assert_eq!(slot("123456789"), 0x31c3);
        for (eighth, number) in (0..).zip(CLUSTER_SHARDS) {
            let middle = eighth * 2_048 + 1_024;
            assert!(slot(&format!("herald:{number}")).abs_diff(middle) < 128, "{number}");
        }
    }
}
