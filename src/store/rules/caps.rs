//! Who gets a place under a frequency cap, and how the places of a holder are kept: pairs of 24 bytes, a notification's id and the
//! microseconds since 1970 at which it was admitted.

use std::collections::BTreeMap;

use chrono::DateTime;
use uuid::Uuid;

use super::super::cap::Reservation;
use crate::domain::Timestamp;
use crate::domain::cap::FrequencyCap;
use crate::domain::id::{NotificationId, Target};

/// The bytes of one pair.
const PAIR: usize = 24;

/// A holder and a category.
pub(in crate::store) type Key = (Target, String);

/// The places of one holder in one category.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::store) struct Places(Vec<(NotificationId, Timestamp)>);

impl Places {
    /// As the store keeps them.
    pub(in crate::store) fn encode(&self) -> Vec<u8> {
        let pair = |(id, at): &(NotificationId, Timestamp)| [id.0.as_bytes().as_slice(), &at.timestamp_micros().to_be_bytes()].concat();
        self.0.iter().flat_map(pair).collect()
    }

    /// What [`Places::encode`] wrote; `None` where it is anything else.
    pub(in crate::store) fn decode(bytes: &[u8]) -> Option<Self> {
        let (pairs, rest) = bytes.as_chunks::<PAIR>();
        let read = |pair: &[u8; PAIR]| {
            let (id, at) = pair.split_first_chunk::<16>()?;
            let at = DateTime::from_timestamp_micros(i64::from_be_bytes(at.try_into().ok()?))?;
            Some((NotificationId(Uuid::from_bytes(*id)), at))
        };
        if rest.is_empty() { pairs.iter().map(read).collect::<Option<Vec<_>>>().map(Self) } else { None }
    }

    /// Whether a notification is admitted. What has had its time makes room first, also for one that had a place itself: it would be one
    /// too many beside those that came meanwhile. An instant further ahead than the window is of a clock that was wrong.
    fn admit(&mut self, id: NotificationId, cap: FrequencyCap, now: Timestamp) -> bool {
        self.0.retain(|(_, at)| (now - *at).abs() < cap.window());
        let has_room = self.0.len() < cap.count as usize;
        match self.0.iter_mut().find(|(known, _)| *known == id) {
            Some((_, at)) => *at = now,
            None if has_room => self.0.push((id, now)),
            None => return false,
        }
        true
    }
}

/// A row to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::store) struct Taken {
    /// Its places.
    pub(in crate::store) places: Places,
    /// From when on none of them counts.
    pub(in crate::store) over_at: Timestamp,
}

/// The rows that reservations look at, each once, in the order in which they are locked.
pub(in crate::store) fn keys(reservations: &[Reservation]) -> Vec<Key> {
    let mut keys: Vec<Key> = reservations.iter().map(|one| (one.holder, one.category.clone())).collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}

/// Whether each is admitted, one after the other, and the rows that change by it.
pub(in crate::store) fn decide(
    reservations: &[Reservation],
    mut rows: BTreeMap<Key, Places>,
    now: Timestamp,
) -> (Vec<bool>, BTreeMap<Key, Taken>) {
    let mut taken = BTreeMap::new();
    let admit = |one: &Reservation| {
        let key = (one.holder, one.category.clone());
        let places = rows.entry(key.clone()).or_default();
        let is_admitted = places.admit(one.notification, one.cap, now);
        if is_admitted {
            taken.insert(key, Taken { places: places.clone(), over_at: now + one.cap.window() });
        }
        is_admitted
    };
    let admitted = reservations.iter().map(admit).collect();
    (admitted, taken)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CAP: FrequencyCap = FrequencyCap { count: 2, per_seconds: 60 };

    fn id(n: u64) -> NotificationId {
        NotificationId(Uuid::from_u64_pair(7, n))
    }

    fn at(second: i64) -> Timestamp {
        DateTime::from_timestamp(1_700_000_000 + second, 0).unwrap()
    }

    /// Second, notification, whether it is admitted.
    fn story(cap: FrequencyCap, steps: &[(i64, u64, bool)]) {
        let mut places = Places::default();
        for (second, n, admitted) in steps {
            assert_eq!(places.admit(id(*n), cap, at(*second)), *admitted, "{n} at {second}");
        }
    }

    #[test]
    fn so_many_are_admitted_in_a_window_that_slides() {
        story(CAP, &[(0, 1, true), (30, 2, true), (31, 3, false), (59, 3, false), (60, 3, true), (61, 4, false), (90, 4, true)]);
    }

    #[test]
    fn what_comes_back_has_its_place_and_keeps_it_longer() {
        story(CAP, &[(0, 1, true), (10, 2, true), (50, 1, true), (61, 3, false), (70, 3, true), (109, 4, false), (110, 4, true)]);
    }

    #[test]
    fn what_comes_back_too_late_asks_as_if_it_were_new() {
        story(CAP, &[(0, 1, true), (61, 2, true), (62, 3, true), (63, 1, false)]);
    }

    #[test]
    fn a_clock_that_was_far_ahead_holds_nobody_up() {
        story(CAP, &[(3_600, 1, true), (3_600, 2, true), (0, 3, true), (1, 4, true), (2, 5, false)]);
    }

    #[test]
    fn another_cap_judges_what_is_there() {
        let mut places = Places::default();
        assert!((0..5).all(|n| places.admit(id(n), FrequencyCap { count: 5, per_seconds: 60 }, at(0))));
        assert!(!places.admit(id(9), CAP, at(10)), "there are more than the smaller cap allows");
        assert!(places.admit(id(0), CAP, at(10)), "it has its place");
        assert!(places.admit(id(9), FrequencyCap { count: 6, per_seconds: 60 }, at(10)));
        assert!(places.admit(id(10), FrequencyCap { count: 1, per_seconds: 5 }, at(20)), "the window is shorter");
    }

    #[test]
    fn of_several_the_first_goes_first() {
        let ask = |n: u64, holder: i64| Reservation {
            holder: Target::from_raw(holder),
            category: "news".to_owned(),
            notification: id(n),
            cap: FrequencyCap { count: 1, per_seconds: 60 },
        };
        let asked = [ask(3, -1), ask(1, -1), ask(1, -2), ask(3, -1)];
        let (admitted, taken) = decide(&asked, BTreeMap::new(), at(0));
        assert_eq!(admitted, [true, false, true, true]);
        assert_eq!(taken.values().map(|row| row.over_at).collect::<Vec<_>>(), [at(60), at(60)]);
        assert_eq!(keys(&asked).iter().map(|(holder, _)| holder.raw()).collect::<Vec<_>>(), [-2, -1]);
    }

    #[test]
    fn foreign_bytes_are_told() {
        for length in [1, 23, 25, 47] {
            assert_eq!(Places::decode(&vec![1; length]), None, "{length}");
        }
        assert_eq!(Places::decode(&[0xff; 24]).map(|places| places.0.len()), Some(1));
        assert_eq!(Places::decode(&[0x7f; 24]), None, "no calendar has that instant");
    }

    proptest! {
        #[test]
        fn no_window_has_more_than_the_cap(
            count in 1_u32..5,
            per_seconds in 1_u32..50,
            steps in proptest::collection::vec((0_i64..20, 0_u64..8), 0..80),
        ) {
            let cap = FrequencyCap { count, per_seconds };
            let (mut places, mut now, mut admitted) = (Places::default(), 0, Vec::new());
            for (pause, n) in steps {
                now += pause;
                places = Places::decode(&places.encode()).unwrap();
                if places.admit(id(n), cap, at(now)) {
                    admitted.push((now, n));
                }
                let lately = admitted.iter().filter(|(at, _)| now - at < i64::from(per_seconds));
                let mut different: Vec<u64> = lately.map(|(_, n)| *n).collect();
                different.sort_unstable();
                different.dedup();
                prop_assert!(different.len() <= count as usize, "{different:?} at {now}");
            }
        }
    }
}
