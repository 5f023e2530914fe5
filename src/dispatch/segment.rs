//! How many a segment means now.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::directory::App;
use super::node::Node;
use super::select::{PAGE, part};
use crate::domain::id::PersonPk;
use crate::domain::segment::Segment;
use crate::store;
use crate::store::engine::Selection;

/// How many a segment means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Meant {
    /// Active devices that are not stale: those that an audience would take.
    pub devices: u64,
    /// The people they belong to.
    pub users: u64,
}

/// Counts them. Nothing is written.
pub async fn count(node: &Node, app: &App, segment: Segment) -> Result<Meant, store::Error> {
    let now = node.now();
    let selection = Selection { segments: vec![Arc::new(segment)], ..Selection::everyone(now) };
    let limit = part(PAGE, &selection);
    let (mut devices, mut people, mut after) = (0, People::default(), 0);
    loop {
        let scan = node.store.read_devices(app.id, after, limit, &selection).await?;
        for member in scan.devices.iter().filter(|member| !app.staleness.leaves_out(member.last_seen_at, now)) {
            devices += 1;
            people.add(member.pair.person);
        }
        if scan.last {
            return Ok(Meant { devices, users: people.known });
        }
        after = scan.to;
    }
}

/// People, each counted once. Their numbers are dense, so that a bit for each takes little room: an eighth of a megabyte for a million.
#[derive(Debug, Default)]
struct People {
    seen: BTreeMap<i64, Vec<u64>>,
    known: u64,
}

/// Numbers that share a block of bits.
const BLOCK: i64 = 65_536;

impl People {
    fn add(&mut self, person: Option<PersonPk>) {
        let Some(PersonPk(number)) = person else { return };
        let (block, within) = (number.div_euclid(BLOCK), number.rem_euclid(BLOCK));
        let bits = self.seen.entry(block).or_insert_with(|| vec![0; usize::try_from(BLOCK / 64).unwrap_or_default()]);
        let Some(word) = usize::try_from(within / 64).ok().and_then(|place| bits.get_mut(place)) else { return };
        let bit = 1 << (within % 64);
        self.known += u64::from(*word & bit == 0);
        *word |= bit;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn each_is_counted_once(numbers in proptest::collection::vec(proptest::option::of(prop_oneof![1..200_i64, 65_500..65_600_i64, 1..i64::MAX]), 0..300)) {
            let mut people = People::default();
            for number in &numbers {
                people.add(number.map(PersonPk));
            }
            let expected: HashSet<i64> = numbers.into_iter().flatten().collect();
            prop_assert_eq!(people.known, expected.len() as u64);
        }
    }
}
