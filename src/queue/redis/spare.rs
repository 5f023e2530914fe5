//! Entries that were heard and not handed on yet: a read that blocked knows no room.

use std::collections::VecDeque;
use std::sync::Mutex;

use super::super::Taken;
use super::connection::lock;

/// In the order in which they were heard.
#[derive(Default)]
pub(super) struct Spare {
    entries: Mutex<VecDeque<Taken>>,
}

impl Spare {
    pub(super) fn put(&self, heard: Vec<Taken>) {
        if !heard.is_empty() {
            lock(&self.entries).extend(heard);
        }
    }

    /// The first entries, of at most `max` targets together, or one with more.
    pub(super) fn draw(&self, max: usize) -> Vec<Taken> {
        let mut entries = lock(&self.entries);
        let mut drawn = Vec::new();
        let mut room = max;
        while room > 0
            && let Some(taken) = entries.pop_front_if(|taken| drawn.is_empty() || taken.entry.targets <= room)
        {
            room = room.saturating_sub(taken.entry.targets.max(1));
            drawn.push(taken);
        }
        drawn
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::super::super::Entry;
    use super::*;
    use crate::domain::id::{AppId, NotificationId, WorkId};
    use crate::domain::work::{Stream, WorkKey};

    fn taken(targets: usize) -> Taken {
        let key = WorkKey { app: AppId(1), notification: NotificationId(Uuid::nil()), work: WorkId(1) };
        Taken { entry: Entry { key, stream: Stream::Bulk, targets }, receipt: String::new() }
    }

    #[test]
    fn no_more_is_drawn_than_there_is_room_for() {
        let spare = Spare::default();
        spare.put(vec![taken(500), taken(1), taken(0), taken(2), taken(1)]);
        let targets = |max| spare.draw(max).iter().map(|taken| taken.entry.targets).collect::<Vec<_>>();
        assert_eq!(targets(0), [0; 0]);
        assert_eq!(targets(10), [500], "one may have more");
        assert_eq!(targets(3), [1, 0]);
        assert_eq!(targets(3), [2, 1]);
        assert_eq!(targets(3), [0; 0]);
    }
}
