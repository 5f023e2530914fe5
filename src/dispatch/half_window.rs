//! The half of each stream's window that accept may fill. The queue is looked at beside the commits, so that no request waits for it; where
//! the last look is old there is no room.

use std::time::Duration;

use futures_util::future::try_join_all;
use parking_lot::Mutex;

use super::node::Node;
use crate::domain::work::Stream;
use crate::queue::Entry;
use crate::store::engine::Room;

/// How old a look may be: for so long a queue that says nothing is believed to have room.
const FRESH: Duration = Duration::from_secs(1);

/// What was seen at the last look, and what came of it since.
#[derive(Default)]
pub struct HalfWindow(Mutex<State>);

#[derive(Default)]
struct State {
    /// Entries that each stream had room for.
    free: Room,
    /// Those of them that belong to entries which are yet to be published.
    promised: Room,
    /// The monotonic instant before the look.
    looked_at: Option<Duration>,
}

impl HalfWindow {
    /// Asks the queue, unless it failed a moment ago.
    pub async fn look(&self, node: &Node) {
        let asked_at = node.monotonic();
        if node.queue_outage.is_fresh(asked_at) {
            return;
        }
        let half = node.queue.window() / 2;
        let asked = Stream::ALL.iter().map(|stream| async move { Ok((*stream, half.saturating_sub(node.queue.len(*stream).await?))) });
        if let Ok(free) = node.heard_queue(try_join_all(asked).await) {
            self.saw(free.into_iter().collect(), asked_at);
        }
    }

    fn saw(&self, free: Room, asked_at: Duration) {
        let mut state = self.0.lock();
        state.free = free;
        state.looked_at = Some(asked_at);
    }

    /// What each stream has room for. None while the queue is away, or says nothing.
    pub fn free(&self, node: &Node) -> Room {
        if node.queue_outage.is_on() { Room::new() } else { self.free_at(node.monotonic()) }
    }

    fn free_at(&self, now: Duration) -> Room {
        let state = self.0.lock();
        if state.looked_at.is_none_or(|looked_at| now.saturating_sub(looked_at) > FRESH) {
            return Room::new();
        }
        let promised = |stream| state.promised.get(stream).copied().unwrap_or_default();
        state.free.iter().map(|(stream, free)| (*stream, free.saturating_sub(promised(stream)))).collect()
    }

    /// These entries are going to be published.
    pub fn promise<'a>(&self, entries: impl IntoIterator<Item = &'a Entry>) {
        let mut state = self.0.lock();
        for entry in entries {
            *state.promised.entry(entry.stream).or_default() += 1;
        }
    }

    /// These entries are not going to be published after all.
    pub fn give_back<'a>(&self, entries: impl IntoIterator<Item = &'a Entry>) {
        let mut state = self.0.lock();
        for entry in entries {
            less(&mut state.promised, entry.stream);
        }
    }

    /// These entries are published, or lost: until the next look they take up room.
    pub fn used<'a>(&self, entries: impl IntoIterator<Item = &'a Entry>) {
        let mut state = self.0.lock();
        for entry in entries {
            less(&mut state.promised, entry.stream);
            less(&mut state.free, entry.stream);
        }
    }
}

fn less(room: &mut Room, stream: Stream) {
    if let Some(count) = room.get_mut(&stream) {
        *count = count.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::domain::id::{AppId, NotificationId, WorkId};
    use crate::domain::work::WorkKey;

    const NOW: Duration = Duration::from_secs(1000);
    const STREAM: Stream = Stream::High;

    fn entries(count: usize) -> Vec<Entry> {
        let key = WorkKey { app: AppId(1), notification: NotificationId(Uuid::nil()), work: WorkId(1) };
        vec![Entry { key, stream: STREAM, targets: 1 }; count]
    }

    fn free(half: &HalfWindow) -> usize {
        half.free_at(NOW).get(&STREAM).copied().unwrap_or_default()
    }

    #[test]
    fn what_is_promised_takes_up_room_until_a_look_sees_it() {
        let half = HalfWindow::default();
        assert_eq!(free(&half), 0, "nobody has looked");
        half.saw(Room::from([(STREAM, 10)]), NOW);
        half.promise(&entries(6));
        assert_eq!(free(&half), 4);
        half.give_back(&entries(1));
        assert_eq!(free(&half), 5, "it was not accepted");
        half.saw(Room::from([(STREAM, 9)]), NOW);
        assert_eq!(free(&half), 4, "the look does not see what is yet to be published");
        half.used(&entries(5));
        assert_eq!(free(&half), 4, "published and not seen");
        half.saw(Room::from([(STREAM, 4)]), NOW);
        assert_eq!(free(&half), 4);
    }

    #[test]
    fn an_old_look_is_no_room() {
        let half = HalfWindow::default();
        half.saw(Room::from([(STREAM, 10)]), NOW.saturating_sub(FRESH));
        assert_eq!(free(&half), 10);
        half.saw(Room::from([(STREAM, 10)]), NOW.saturating_sub(FRESH + Duration::from_millis(1)));
        assert_eq!(free(&half), 0);
    }
}
