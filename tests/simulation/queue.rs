//! The queue as one process reaches it: entries are lost, doubled and moved, and it knows nothing of it.

use std::time::Duration;

use async_trait::async_trait;
use herald::domain::work::Stream;
use herald::queue::{Entry, Error, Queue, Taken};

use crate::network::{Network, NoAnswer};

/// The queue of one process.
pub struct SimQueue(pub Network);

fn away(_: NoAnswer) -> Error {
    Error::Unavailable(Box::new(NoAnswer))
}

impl SimQueue {
    /// What arrives of what was published.
    fn arriving(&self, entries: &[Entry]) -> Vec<Entry> {
        let sim = &self.0.sim;
        let mut arriving = Vec::with_capacity(entries.len());
        for entry in entries {
            if sim.strikes(sim.weather.queue_faults) {
                match sim.chance.below(3) {
                    0 => sim.note(format_args!("an entry is lost")),
                    1 => {
                        sim.book().doubled();
                        arriving.extend([*entry, *entry]);
                    }
                    _ => arriving.insert(0, *entry),
                }
            } else {
                arriving.push(*entry);
            }
        }
        arriving
    }
}

#[async_trait]
impl Queue for SimQueue {
    async fn publish(&self, entries: &[Entry]) -> Result<(), Error> {
        self.0.there("publish").await.map_err(away)?;
        let sim = &self.0.sim;
        let arriving = self.arriving(entries);
        sim.queue.publish(&arriving).await?;
        for stream in Stream::ALL {
            let len = sim.queue.streams.lock().len(*stream);
            sim.book().queue_holds(*stream, len);
        }
        self.0.back("publish").await.map_err(away)
    }

    async fn take(&self, max: usize, wait: Duration) -> Result<Vec<Taken>, Error> {
        self.0.there("take").await.map_err(away)?;
        let taken = self.0.sim.queue.take(max, wait).await?;
        self.0.back("take").await.map_err(away)?;
        Ok(taken)
    }

    async fn ack(&self, taken: &[Taken]) -> Result<(), Error> {
        self.0.there("ack").await.map_err(away)?;
        self.0.sim.queue.ack(taken).await?;
        self.0.back("ack").await.map_err(away)
    }

    async fn reclaim(&self, max: usize, idle: Duration) -> Result<Vec<Taken>, Error> {
        self.0.there("reclaim").await.map_err(away)?;
        let taken = self.0.sim.queue.reclaim(max, idle).await?;
        self.0.back("reclaim").await.map_err(away)?;
        Ok(taken)
    }

    async fn len(&self, stream: Stream) -> Result<usize, Error> {
        self.0.there("len").await.map_err(away)?;
        self.0.sim.queue.len(stream).await
    }

    async fn ping(&self) -> Result<(), Error> {
        self.0.there("ping").await.map_err(away)
    }

    async fn tidy(&self) -> Result<(), Error> {
        self.0.there("tidy").await.map_err(away)
    }

    fn window(&self) -> usize {
        self.0.sim.weather.window
    }
}
