//! One shard: three streams and what they have been charged, which a cluster keeps on one node.

use std::sync::LazyLock;
use std::time::Duration;

use redis::{Cmd, Script, cmd};

use super::super::{Entry, Taken};
use super::entry::{fields_of, parse, work_field};
use super::server::{Fault, Server};
use crate::domain::work::Stream;

/// The one consumer group: every entry goes to one consumer of it.
const GROUP: &str = "herald";
/// Entries in one call, so that the server does not stop over it for long; and no script can hold more than some thousands.
const AT_ONCE: usize = 500;

static PUBLISH: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("publish.lua")));
static TAKE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("take.lua")));
static ACK: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("ack.lua")));
static TIDY: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("tidy.lua")));

/// Ids and fields of a stream's entries.
type Told = Vec<(String, Vec<String>)>;

/// What a blocked read answers: nothing, or entries by the key of their stream.
pub(super) type Read = Option<Vec<(String, Told)>>;

/// What a take found.
pub(super) struct Found {
    pub(super) taken: Vec<Taken>,
    /// Whether entries were left for want of room.
    pub(super) is_short: bool,
}

/// The keys of a shard, and who takes from it.
pub(super) struct Shard {
    /// With a hash tag, so that a cluster keeps all of its keys together.
    tag: String,
    consumer: String,
}

impl Shard {
    pub(super) fn new(prefix: &str, number: usize, consumer: &str) -> Self {
        Self { tag: format!("{{{prefix}:{number}}}"), consumer: consumer.to_owned() }
    }

    fn key(&self, stream: Stream) -> String {
        format!("{}:{stream}", self.tag)
    }

    fn keys(&self) -> Vec<String> {
        Stream::ALL.iter().map(|stream| self.key(*stream)).collect()
    }

    /// Adds entries to streams that hold fewer than `limit`.
    pub(super) async fn publish(&self, server: &Server, entries: &[Entry], limit: usize) -> Result<(), Fault> {
        for entries in entries.chunks(AT_ONCE) {
            let mut call = PUBLISH.key(self.keys());
            call.arg(limit);
            for entry in entries {
                call.arg(place_of(entry.stream)).arg(entry.targets).arg(work_field(&entry.key));
            }
            server.call::<()>(&call).await?;
        }
        Ok(())
    }

    /// Entries of at most `room` targets together; where `alone`, one may have more if it comes alone.
    pub(super) async fn take(&self, server: &Server, room: usize, alone: bool) -> Result<Found, Fault> {
        let mut call = TAKE.key(self.keys());
        call.key(format!("{}:charges", self.tag));
        call.arg(GROUP).arg(&self.consumer).arg(room).arg(u8::from(alone));
        let (is_short, told): (bool, Vec<(usize, String, String, String)>) = server.call(&call).await?;
        let mut taken = Vec::with_capacity(told.len());
        let mut unreadable = Vec::new();
        for (place, id, targets, work) in told {
            let Some(stream) = stream_at(place) else { continue };
            match parse(stream, id.clone(), &targets, &work) {
                Some(entry) => taken.push(entry),
                None => unreadable.push((stream, id)),
            }
        }
        self.end_unreadable(server, unreadable).await?;
        Ok(Found { taken, is_short })
    }

    /// A read that waits for the next entry of any stream. One entry, since several may be more than there is room for.
    pub(super) fn read(&self, block: Duration) -> Cmd {
        let mut read = cmd("XREADGROUP");
        // zero would be for ever
        read.arg("GROUP").arg(GROUP).arg(&self.consumer).arg("COUNT").arg(1).arg("BLOCK").arg(block.as_millis().max(1));
        read.arg("STREAMS").arg(self.keys());
        for _ in Stream::ALL {
            read.arg(">");
        }
        read
    }

    /// What a blocked read answered.
    pub(super) async fn heard(&self, server: &Server, read: Read) -> Result<Vec<Taken>, Fault> {
        let mut taken = Vec::new();
        for (key, told) in read.unwrap_or_default() {
            if let Some(stream) = Stream::ALL.iter().find(|stream| self.key(**stream) == key) {
                taken.extend(self.readable(server, *stream, told).await?);
            }
        }
        Ok(taken)
    }

    /// Ends entries of this shard.
    pub(super) async fn ack(&self, server: &Server, ended: &[(Stream, &str)]) -> Result<(), Fault> {
        for ended in ended.chunks(AT_ONCE) {
            let mut call = ACK.key(self.keys());
            call.arg(GROUP);
            for (stream, id) in ended {
                call.arg(place_of(*stream)).arg(*id);
            }
            server.call::<()>(&call).await?;
        }
        Ok(())
    }

    /// Entries that nobody has ended for `idle` since they were taken: they are this consumer's from now on.
    pub(super) async fn reclaim(&self, server: &Server, max: usize, idle: Duration) -> Result<Vec<Taken>, Fault> {
        let mut taken = Vec::new();
        for stream in Stream::ALL {
            let mut from = "0-0".to_owned();
            while taken.len() < max {
                let mut claim = cmd("XAUTOCLAIM");
                claim.arg(self.key(*stream)).arg(GROUP).arg(&self.consumer).arg(idle.as_millis());
                claim.arg(&from).arg("COUNT").arg((max - taken.len()).min(AT_ONCE));
                let (next, told, _deleted): (String, Told, Vec<String>) = match server.ask(&claim).await {
                    Err(fault) if fault.is_no_group() => break,
                    answer => answer?,
                };
                taken.extend(self.readable(server, *stream, told).await?);
                if next == "0-0" {
                    break;
                }
                from = next;
            }
        }
        Ok(taken)
    }

    /// Entries of a stream, unread and pending: what is ended is deleted.
    pub(super) async fn len(&self, server: &Server, stream: Stream) -> Result<usize, Fault> {
        server.ask(cmd("XLEN").arg(self.key(stream))).await
    }

    /// Clears away what nobody can reach any more; answers how many entries that were.
    pub(super) async fn tidy(&self, server: &Server, forget_after: Duration) -> Result<usize, Fault> {
        let mut cleared = 0;
        for stream in Stream::ALL {
            let mut call = TIDY.key(self.key(*stream));
            call.arg(GROUP).arg(forget_after.as_millis()).arg(&self.consumer);
            cleared += server.call::<usize>(&call).await?;
        }
        Ok(cleared)
    }

    async fn readable(&self, server: &Server, stream: Stream, told: Told) -> Result<Vec<Taken>, Fault> {
        let mut taken = Vec::with_capacity(told.len());
        let mut unreadable = Vec::new();
        for (id, fields) in told {
            let (targets, work) = fields_of(&fields);
            match parse(stream, id.clone(), targets, work) {
                Some(entry) => taken.push(entry),
                None => unreadable.push((stream, id)),
            }
        }
        self.end_unreadable(server, unreadable).await?;
        Ok(taken)
    }

    /// What another version wrote in another form is ended: its row brings it back, perhaps to a node that can read it.
    async fn end_unreadable(&self, server: &Server, entries: Vec<(Stream, String)>) -> Result<(), Fault> {
        if entries.is_empty() {
            return Ok(());
        }
        tracing::warn!(entries = entries.len(), "entries of the queue cannot be read and are left to their guard");
        let ended: Vec<(Stream, &str)> = entries.iter().map(|(stream, id)| (*stream, id.as_str())).collect();
        self.ack(server, &ended).await
    }
}

/// A stream's place among the keys of a script, from 1.
fn place_of(stream: Stream) -> usize {
    1 + Stream::ALL.iter().take_while(|other| **other != stream).count()
}

fn stream_at(place: usize) -> Option<Stream> {
    Stream::ALL.get(place.checked_sub(1)?).copied()
}
