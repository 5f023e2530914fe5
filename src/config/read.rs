//! Reads a whole tree although parts of it are wrong: what is reported is taken out or stood in for, and reading begins again.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;

use super::failure::{Failure, Kind};
use super::tree::{Node, Way};

/// Every round takes something out, so that this many are never needed; it holds if a type should refuse every stand-in.
const ROUNDS: usize = 10_000;

/// A problem before its origin is looked up.
pub(super) type Found = (Way, String);

/// How a fault has been worked round so far.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Detour {
    Removed,
    Blank,
}

/// Reads a tree as a `T`; every problem goes into `found`. `None` where not even stand-ins made a `T` of it.
pub(super) fn read<T: DeserializeOwned>(tree: &Node, found: &mut Vec<Found>) -> Option<T> {
    let mut tree = tree.clone();
    let mut detours = BTreeMap::<Way, Detour>::new();
    for _ in 0..ROUNDS {
        let failure = match T::deserialize(&tree) {
            Ok(value) => return Some(value),
            Err(failure) => failure,
        };
        let way = failure.way();
        let known = detours.keys().filter(|detour| way.is_within(detour)).max().cloned();
        match known {
            Some(known) => go_further(&mut tree, &mut detours, known)?,
            None => go_round(&mut tree, &mut detours, way, &failure, found),
        }
    }
    None
}

/// A new fault: it is reported and worked round.
fn go_round(tree: &mut Node, detours: &mut BTreeMap<Way, Detour>, way: Way, failure: &Failure, found: &mut Vec<Found>) {
    found.push((way.clone(), failure.to_string()));
    match failure.kind {
        Kind::Unknown(_) | Kind::Wrong(_) => {
            tree.remove(&way);
            detours.insert(way, Detour::Removed);
        }
        Kind::Missing => {
            tree.blank(&way);
            detours.insert(way, Detour::Blank);
        }
    }
}

/// A detour that led to another fault: what is absent is stood in for, and what cannot be stood in for goes with its parent.
fn go_further(tree: &mut Node, detours: &mut BTreeMap<Way, Detour>, way: Way) -> Option<()> {
    if detours.get(&way) == Some(&Detour::Removed) {
        tree.blank(&way);
        detours.insert(way, Detour::Blank);
        return Some(());
    }
    let parent = way.parent().filter(|parent| !parent.0.is_empty())?;
    tree.remove(&parent);
    detours.remove(&way);
    detours.insert(parent, Detour::Removed);
    Some(())
}
