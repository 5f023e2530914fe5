//! What people got of the capped category lately.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use herald::dispatch::audience::MAX_AGE;
use herald::domain::id::{NotificationId, Target};

use crate::callers::CAP;

/// Pushes that began, by whom they count for. After the clock of the day stepped, or the store fell back, it begins anew.
#[derive(Default)]
pub struct Caps(BTreeMap<Target, Vec<(Duration, NotificationId)>>);

impl Caps {
    /// A push begins. Its place was taken at most so long before as what it was decided on may be old.
    pub fn begun(&mut self, holder: Target, id: NotificationId, at: Duration) -> Result<(), String> {
        let window = Duration::from_secs(u64::from(CAP.per_seconds)).saturating_sub(MAX_AGE);
        let pushes = self.0.entry(holder).or_default();
        pushes.push((at, id));
        pushes.retain(|(began, _)| *began + window > at);
        let different: BTreeSet<NotificationId> = pushes.iter().map(|(_, id)| *id).collect();
        if different.len() <= CAP.count as usize { Ok(()) } else { Err(format!("it is one more than the cap allows within {window:?}")) }
    }
}
