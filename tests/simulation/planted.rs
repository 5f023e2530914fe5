//! Mistakes that can be planted into the store, to see that they are found.

use herald::domain::clock::Clock;
use herald::domain::work::{NewWork, WorkKey};
use herald::store::Result;
use herald::store::cap::{Caps, Reservation};
use herald::store::engine::{AudiencePage, Engine, Record, Recorded};

use crate::book::Commit;
use crate::memory::state::State;
use crate::store::{SimStore, away};

/// A mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// Rows end, and what follows is written, whatever the epoch.
    NoFence,
    /// A row is ended in a commit of its own, and its facts are written in the next.
    EndedBeforeItsFacts,
    /// The chunks of a page are written in one commit, and the cursor moves in the next.
    CursorOutsideTheCommit,
    /// Places under a cap are taken, and whoever asks is told that there is room.
    RoomForEverybody,
}

/// Writes a record, as it should be unless a mistake was planted.
pub async fn record(store: &SimStore, record: &Record) -> Result<Recorded> {
    match store.network.sim.flaw {
        Some(Flaw::NoFence) => {
            let unfenced = unfenced(&mut store.network.sim.rows.lock(), record, &*store.network.sim.wall)?;
            let recorded = store.inner.record(&unfenced).await?;
            store.enter(&Commit::Record(record));
            Ok(recorded)
        }
        Some(Flaw::EndedBeforeItsFacts) => {
            let ends = Record { finished: record.finished.clone(), ..Record::default() };
            let ended = store.inner.record(&ends).await?;
            store.enter(&Commit::Record(record));
            store.network.back("record").await.map_err(away)?;
            let facts = Record { finished: Vec::new(), ..record.clone() };
            let recorded = store.inner.record(&facts).await?;
            store.enter(&Commit::Record(&facts));
            Ok(Recorded { ended: ended.ended, ..recorded })
        }
        _ => {
            let recorded = store.inner.record(record).await?;
            store.enter(&Commit::Record(record));
            Ok(recorded)
        }
    }
}

/// The same record under whatever epochs the rows have now; what follows rows that are gone is added all the same.
fn unfenced(state: &mut State, record: &Record, clock: &dyn Clock) -> Result<Record> {
    let mut unfenced = record.clone();
    for finished in &mut unfenced.finished {
        let key = finished.key;
        if let Some(row) = state.work.get(&(key.notification, key.work)) {
            finished.epoch = row.epoch;
        } else {
            let next = std::mem::take(&mut finished.follow_ups);
            next.iter().try_for_each(|next| state.add_work((key.app, key.notification), next, (false, clock.now())))?;
        }
    }
    Ok(unfenced)
}

/// Takes places, as it should be unless a mistake was planted.
pub async fn reserve(store: &SimStore, reservations: &[Reservation]) -> Result<Vec<bool>> {
    let admitted = store.inner.reserve(reservations).await?;
    let everybody = store.network.sim.flaw == Some(Flaw::RoomForEverybody);
    Ok(if everybody { vec![true; reservations.len()] } else { admitted })
}

/// Writes a page, as it should be unless a mistake was planted.
pub async fn commit_page(store: &SimStore, (key, epoch): (WorkKey, i64), page: &AudiencePage, chunks: &[NewWork]) -> Result<bool> {
    if store.network.sim.flaw == Some(Flaw::CursorOutsideTheCommit) {
        add_chunks(&mut store.network.sim.rows.lock(), key, (chunks, store.network.sim.wall.as_ref()))?;
        store.enter(&Commit::Page(key, epoch));
        store.network.back("commit_page").await.map_err(away)?;
        let moved = store.inner.commit_page(key, epoch, page, &[]).await?;
        store.enter(&Commit::Page(key, epoch));
        return Ok(moved);
    }
    let committed = store.inner.commit_page(key, epoch, page, chunks).await?;
    store.enter(&Commit::Page(key, epoch));
    Ok(committed)
}

fn add_chunks(state: &mut State, key: WorkKey, (chunks, clock): (&[NewWork], &dyn Clock)) -> Result<()> {
    let taken: usize = chunks.iter().map(|chunk| chunk.targets.len()).sum();
    if let Some(run) = state.runs.get_mut(&key.notification) {
        run.targeted = run.targeted.map(|targeted| targeted + taken as u64);
    }
    chunks.iter().try_for_each(|chunk| state.add_work((key.app, key.notification), chunk, (true, clock.now())))
}
