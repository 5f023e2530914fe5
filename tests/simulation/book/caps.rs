//! What people got of the capped category lately.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use herald::dispatch::audience::MAX_AGE;
use herald::domain::id::{NotificationId, Target};

use crate::callers::CAP;

/// Pushes that began, by whom they count for.
#[derive(Default)]
pub struct Caps {
    pushes: BTreeMap<Target, Vec<(Duration, NotificationId)>>,
    /// From when on the places of pushes were taken by the present clock.
    since: Duration,
}

impl Caps {
    /// The clock of the day stepped, or the store fell back: what was taken before is not known any more, or is of another time. A push may still
    /// begin by it, as long as what it was decided on is not old.
    pub fn begin_anew(&mut self, at: Duration) {
        *self = Self { since: at + MAX_AGE, ..Self::default() };
    }

    /// A push begins. Its place was taken at most so long before as what it was decided on may be old.
    pub fn begun(&mut self, holder: Target, id: NotificationId, at: Duration) -> Result<(), String> {
        if at < self.since {
            return Ok(());
        }
        let window = Duration::from_secs(u64::from(CAP.per_seconds)).saturating_sub(MAX_AGE);
        let pushes = self.pushes.entry(holder).or_default();
        pushes.push((at, id));
        pushes.retain(|(began, _)| *began + window > at);
        let different: BTreeSet<NotificationId> = pushes.iter().map(|(_, id)| *id).collect();
        if different.len() <= CAP.count as usize { Ok(()) } else { Err(format!("it is one more than the cap allows within {window:?}")) }
    }
}
