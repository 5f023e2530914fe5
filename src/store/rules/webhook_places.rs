//! Of how many messages each may have how many.

use std::collections::HashMap;

use super::super::webhook::ClaimBounds;
use crate::domain::id::AppId;

/// Places for messages, while they are given away.
pub(in crate::store) struct Places {
    bounds: ClaimBounds,
    claimed: usize,
    held: HashMap<AppId, usize>,
}

impl Places {
    /// All of them, of which apps hold so many.
    pub(in crate::store) fn new(bounds: ClaimBounds, held: HashMap<AppId, usize>) -> Self {
        Self { bounds, claimed: 0, held }
    }

    /// For a webhook that holds so many.
    pub(in crate::store) fn room(&self, app: AppId, held: usize) -> usize {
        let of_app = self.held.get(&app).copied().unwrap_or_default();
        let ClaimBounds { limit, of_webhook, of_app: most } = self.bounds;
        limit.saturating_sub(self.claimed).min(of_webhook.saturating_sub(held)).min(most.saturating_sub(of_app))
    }

    /// So many were claimed.
    pub(in crate::store) fn take(&mut self, app: AppId, claimed: usize) {
        self.claimed += claimed;
        *self.held.entry(app).or_default() += claimed;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_of_three_bounds_counts() {
        let bounds = ClaimBounds { limit: 10, of_webhook: 4, of_app: 6 };
        let (one, other) = (AppId(1), AppId(2));
        let mut places = Places::new(bounds, HashMap::from([(one, 3)]));
        assert_eq!([0, 1, 2, 4, 9].map(|held| places.room(one, held)), [3, 3, 2, 0, 0], "of the app, then of the webhook");
        assert_eq!(places.room(other, 0), 4);
        places.take(one, 3);
        assert_eq!((places.room(one, 0), places.room(other, 0)), (0, 4));
        places.take(other, 4);
        places.take(AppId(3), 1);
        assert_eq!((places.room(other, 0), places.room(AppId(4), 0)), (2, 2), "two are left in all");
        places.take(AppId(4), 2);
        assert_eq!(places.room(AppId(5), 0), 0);
    }
}
