//! What an app stores under a name.

use std::collections::BTreeMap;

use herald::domain::Timestamp;
use herald::domain::id::AppId;
use herald::store::definition::{Put, Stored};

/// By app and name.
pub type Definitions<T> = BTreeMap<(AppId, String), Stored<T>>;

/// The version after this one: an old one never becomes valid again, whatever was forgotten.
pub fn version_after(version: i64, now: Timestamp) -> i64 {
    now.timestamp_micros().max(version + 1)
}

pub fn put<T: Clone>(
    all: &mut Definitions<T>,
    (app, name): (AppId, &str),
    definition: &T,
    (if_match, now): (Option<i64>, Timestamp),
) -> Put<T> {
    let key = (app, name.to_owned());
    let before = all.get(&key);
    if if_match.is_some() && if_match != before.map(|before| before.version) {
        return Put::Stale;
    }
    let version = before.map_or(now.timestamp_micros(), |before| version_after(before.version, now));
    let (created_at, is_new) = (before.map_or(now, |before| before.created_at), before.is_none());
    let after = Stored { name: name.to_owned(), definition: definition.clone(), version, created_at };
    all.insert(key, after.clone());
    if is_new { Put::Created(after) } else { Put::Updated(after) }
}

/// All of an app's, newest first.
pub fn newest<T: Clone>(all: &Definitions<T>, app: AppId) -> Vec<Stored<T>> {
    let mut found: Vec<Stored<T>> = all.iter().filter(|((of, _), _)| *of == app).map(|(_, one)| one.clone()).collect();
    found.sort_by(|a, b| (b.created_at, &b.name).cmp(&(a.created_at, &a.name)));
    found
}
