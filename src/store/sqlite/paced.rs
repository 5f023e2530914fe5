//! The turn of a run that has a pace: as many of its rows are released as it is fed.

use std::time::Duration;

use super::super::Result;
use super::super::engine::Ready;
use super::super::rules::pacing::{Fed, release};
use super::batch::execute;
use super::release::SERVED;
use super::row::{instant, micros};
use super::schedule::{Due, publish};
use super::writer::Tx;

/// Serves it, as far as it is fed. `due`: its rows that are due.
pub(super) async fn serve(tx: &mut Tx<'_>, guard: Duration, (id, run): (&[u8], Fed), due: Due) -> Result<Ready> {
    let now = instant(tx.now).unwrap_or_default();
    let (free, at) = release(run, now, due.free);
    let due = Due { free, ..due };
    publish(tx, &due, guard).await?;
    let served = execute(tx.conn, SERVED, |binds| {
        binds.push(id).push(micros(at));
    });
    served.await?;
    Ok(Ready { entries: due.free, more: false })
}
