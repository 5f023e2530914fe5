//! What is rolled up is what the deliveries say, after every commit of outcomes.

use std::collections::BTreeMap;

use herald::store::analytics::{Resolution, Totals};

use crate::memory::analytics::{Group, RollupKey, count_of};
use crate::memory::receipts::WORDS;
use crate::memory::state::State;

/// Counts the deliveries anew and compares.
pub fn check(state: &State) -> Result<(), String> {
    let recounted = recount(state);
    if state.rollups == recounted {
        return Ok(());
    }
    Err(format!("{:?} is rolled up, and a recount gives {recounted:?}", state.rollups))
}

fn recount(state: &State) -> BTreeMap<RollupKey, Totals> {
    let mut recounted: BTreeMap<RollupKey, Totals> = BTreeMap::new();
    for row in state.deliveries.values().filter(|row| !row.delivery.cohort.test) {
        let delivery = &row.delivery;
        let receipts = WORDS.into_iter().zip(row.receipts).filter_map(|(word, at)| at.map(|_| word));
        for word in std::iter::once(delivery.ending.state().as_str()).chain(receipts) {
            for resolution in Resolution::ALL {
                let key = (delivery.cohort.app, *resolution, resolution.begin(delivery.at), Group::of(row));
                *count_of(recounted.entry(key).or_default(), word) += 1;
            }
        }
    }
    recounted
}
