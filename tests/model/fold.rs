//! A hash that is cheap without optimisation: most of an exploration in a debug build is hashing.

use std::hash::{Hash, Hasher};

use crate::state::State;

const ODD: u64 = 0xa076_1d64_78bd_642f;

/// Multiplies and folds; what differs in one word goes on to differ.
#[derive(Default)]
pub(crate) struct Fold(u64);

impl Fold {
    fn mix(&mut self, word: u64) {
        let mixed = (self.0.rotate_left(23) ^ word).wrapping_mul(ODD);
        self.0 = mixed ^ (mixed >> 29);
    }
}

impl Hasher for Fold {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.mix(u64::from(*byte));
        }
    }

    fn write_u8(&mut self, word: u8) {
        self.mix(u64::from(word));
    }

    fn write_u64(&mut self, word: u64) {
        self.mix(word);
    }

    fn write_usize(&mut self, word: usize) {
        self.mix(word as u64);
    }

    fn write_isize(&mut self, word: isize) {
        self.mix(word.cast_unsigned() as u64);
    }
}

impl Hash for State {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self { notes, rows, facts, devices, queue, nodes, pushes, excused, budget, forbidden } = self;
        let mut fold = Fold::default();
        (notes, rows, facts, devices, queue).hash(&mut fold);
        (nodes, pushes, excused, budget, forbidden).hash(&mut fold);
        state.write_u64(fold.finish());
    }
}
