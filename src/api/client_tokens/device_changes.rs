//! When devices were registered or deleted last: a token that is bound to one is asked about again, since the device may be another user's
//! now, or gone.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::domain::id::AppId;

/// Places that devices share by a hash of their names. Who shares one with a device that changed is asked about once more than needed.
const PLACES: usize = 4096;

/// The monotonic instants of the last changes, in microseconds.
pub(super) struct DeviceChanges(Box<[AtomicU64]>);

impl Default for DeviceChanges {
    fn default() -> Self {
        Self((0..PLACES).map(|_| AtomicU64::new(0)).collect())
    }
}

impl DeviceChanges {
    /// Notes that a device has changed by now.
    pub(super) fn note(&self, app: AppId, device: &str, now: Duration) {
        if let Some(place) = self.place(app, device) {
            place.fetch_max(micros(now), Ordering::AcqRel);
        }
    }

    /// Whether what was known of a device at an instant may be otherwise since.
    pub(super) fn came_since(&self, app: AppId, device: &str, at: Duration) -> bool {
        self.place(app, device).is_none_or(|place| place.load(Ordering::Acquire) >= micros(at))
    }

    fn place(&self, app: AppId, device: &str) -> Option<&AtomicU64> {
        let mut hasher = DefaultHasher::new();
        (app, device).hash(&mut hasher);
        let place = usize::try_from(hasher.finish() % PLACES as u64).ok()?;
        self.0.get(place)
    }
}

fn micros(at: Duration) -> u64 {
    u64::try_from(at.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_known_before_a_change_is_asked_again() {
        let changes = DeviceChanges::default();
        let at = Duration::from_secs;
        changes.note(AppId(1), "phone", at(5));
        changes.note(AppId(1), "phone", at(3));
        for (known_at, expected) in [(4, true), (5, true), (6, false)] {
            assert_eq!(changes.came_since(AppId(1), "phone", at(known_at)), expected, "{known_at}");
        }
        let others = (0..100).filter(|n| changes.came_since(AppId(1), &format!("phone-{n}"), at(4)));
        assert!(others.count() < 5, "few share a place");
    }
}
