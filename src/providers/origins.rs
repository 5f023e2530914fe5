//! What is kept of each origin that strangers' URLs name, a pool of connections above all. There are as many as they name hosts, so the number is
//! bounded: of those that never did what they are for, else of all, the one longest unused goes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// What can be told of an origin by its past.
pub(super) trait Proven {
    /// Whether it ever did what it is for, so that made-up ones make room for it.
    fn is_proven(&self) -> bool;
}

/// The origins lately used.
pub(super) struct Origins<T> {
    kept: Mutex<Kept<T>>,
    most: usize,
}

struct Kept<T> {
    by_origin: HashMap<String, (u64, Arc<T>)>,
    /// Grows with each use.
    uses: u64,
}

impl<T: Proven> Origins<T> {
    /// None yet, and `most` at the same time.
    pub(super) fn new(most: usize) -> Self {
        Self { kept: Mutex::new(Kept { by_origin: HashMap::new(), uses: 0 }), most }
    }

    /// What is kept of one, made where there is nothing. What has to go for it ends what is under way first.
    pub(super) fn at<E>(&self, origin: &str, make: impl FnOnce() -> Result<T, E>) -> Result<Arc<T>, E> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.uses += 1;
        let now = kept.uses;
        if let Some((used, one)) = kept.by_origin.get_mut(origin) {
            *used = now;
            return Ok(Arc::clone(one));
        }
        let one = Arc::new(make()?);
        let gone = if kept.by_origin.len() >= self.most { kept.remove_oldest() } else { None };
        kept.by_origin.insert(origin.to_owned(), (now, Arc::clone(&one)));
        drop(kept);
        // outside the lock: the last one who has it closes its connections
        drop(gone);
        Ok(one)
    }

    #[cfg(test)]
    pub(super) fn has(&self, origin: &str) -> bool {
        self.kept.lock().unwrap().by_origin.contains_key(origin)
    }
}

impl<T: Proven> Kept<T> {
    fn remove_oldest(&mut self) -> Option<Arc<T>> {
        let oldest = self.by_origin.iter().min_by_key(|(_, (used, one))| (one.is_proven(), *used)).map(|(origin, _)| origin.clone())?;
        self.by_origin.remove(&oldest).map(|(_, one)| one)
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[derive(Default)]
    struct Thing(AtomicBool);

    impl Proven for Thing {
        fn is_proven(&self) -> bool {
            self.0.load(Ordering::Relaxed)
        }
    }

    #[test]
    fn the_one_longest_unused_goes() {
        let origins = Origins::<Thing>::new(3);
        let at = |origin: &str| origins.at(origin, || Ok::<_, Infallible>(Thing::default())).unwrap();
        let [a, b, c] = ["a", "b", "c"].map(at);
        assert!(Arc::ptr_eq(&at("a"), &a));
        let d = at("d");
        for (origin, one) in [("a", &a), ("c", &c), ("d", &d)] {
            assert!(Arc::ptr_eq(&at(origin), one), "{origin} is kept");
        }
        assert!(!Arc::ptr_eq(&at("b"), &b), "b was forgotten");
        d.0.store(true, Ordering::Relaxed);
        for n in 0..10 {
            at(&format!("made-up-{n}"));
        }
        assert!(Arc::ptr_eq(&at("d"), &d), "what was good for something makes no room for what was not");
        assert_eq!(origins.kept.lock().unwrap().by_origin.len(), 3);
    }

    #[test]
    fn what_cannot_be_made_takes_no_room() {
        let origins = Origins::<Thing>::new(1);
        assert_eq!(origins.at("a", || Err(7)).err(), Some(7));
        assert!(!origins.has("a"));
    }
}
