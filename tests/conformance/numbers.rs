//! The numbers of people and devices are each store's own: only their order is the same everywhere.

use std::collections::BTreeMap;
use std::fmt::Write;

/// Numbers by kind, in the order in which they were first told.
#[derive(Default)]
pub struct Numbers(BTreeMap<(&'static str, i64), usize>);

/// What the stores' own numbers are written in.
const KINDS: [(&str, &str); 3] = [("DevicePk(", "device"), ("PersonPk(", "person"), ("Target(", "device")];

impl Numbers {
    /// The text with each number in the place of the store's own.
    pub fn in_order(&mut self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        loop {
            let next = KINDS.iter().filter_map(|(open, kind)| Some((rest.find(open)? + open.len(), *kind))).min();
            let Some((at, kind)) = next else { break };
            let (before, after) = rest.split_at(at);
            let (number, after) = after.split_once(')').unwrap();
            let number: i64 = number.parse().unwrap();
            // a target that is no device is a person, written with a minus
            let (kind, sign) = if number < 0 { ("person", "-") } else { (kind, "") };
            let count = self.0.len();
            let order = if number == 0 { 0 } else { *self.0.entry((kind, number.abs())).or_insert(count + 1) };
            out.push_str(before);
            write!(out, "{sign}{order})").unwrap();
            rest = after;
        }
        out.push_str(rest);
        out
    }
}
