//! How many pushes were received when, whatever was answered: what a pace is held against.

use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;

use super::record::Source;

/// The length of a slice of time, in milliseconds.
const SLICE_MS: i64 = 100;
/// Slices with pushes in them that are kept: an hour of them.
const KEPT: usize = 36_000;

/// Pushes by the slice of time in which they had been read.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    /// By the slice's number since the epoch.
    slices: BTreeMap<i64, Counts>,
}

/// The pushes of a slice, by provider.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
struct Counts {
    apns: u64,
    fcm: u64,
    webpush: u64,
}

/// What `GET /simulator/arrivals` shows.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct View {
    /// The length of each slice, in milliseconds.
    slice_ms: i64,
    /// Those with pushes in them, oldest first.
    items: Vec<Slice>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Slice {
    /// When it began.
    at: String,
    #[serde(flatten)]
    counts: Counts,
}

impl Arrivals {
    /// Counts a push that had been read at this instant, in milliseconds since the epoch. The oldest slice makes room for one too many.
    pub(super) fn count(&mut self, source: Source, received_ms: i64) {
        let counts = self.slices.entry(received_ms.div_euclid(SLICE_MS)).or_default();
        match source {
            Source::ApnsProduction | Source::ApnsSandbox => counts.apns += 1,
            Source::Fcm => counts.fcm += 1,
            Source::Webpush => counts.webpush += 1,
        }
        if self.slices.len() > KEPT {
            self.slices.pop_first();
        }
    }

    pub(super) fn view(&self) -> View {
        let slice = |(number, counts): (&i64, &Counts)| Slice {
            at: DateTime::<Utc>::from_timestamp_millis(number * SLICE_MS).unwrap_or_default().to_rfc3339_opts(SecondsFormat::Millis, true),
            counts: *counts,
        };
        View { slice_ms: SLICE_MS, items: self.slices.iter().map(slice).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pushes_are_counted_where_they_were_read() {
        let mut arrivals = Arrivals::default();
        for (source, at) in [
            (Source::Fcm, 1_250),
            (Source::ApnsProduction, 1_199),
            (Source::ApnsSandbox, 1_100),
            (Source::Webpush, 1_200),
            (Source::Fcm, 1_299),
        ] {
            arrivals.count(source, at);
        }
        let slice = |at: &str, apns, fcm, webpush| Slice { at: at.to_owned(), counts: Counts { apns, fcm, webpush } };
        let items = vec![slice("1970-01-01T00:00:01.100Z", 2, 0, 0), slice("1970-01-01T00:00:01.200Z", 0, 2, 1)];
        assert_eq!(arrivals.view(), View { slice_ms: 100, items });
    }

    #[test]
    fn the_oldest_slices_are_forgotten() {
        let mut arrivals = Arrivals::default();
        for slice in 0..=i64::try_from(KEPT).unwrap() {
            arrivals.count(Source::Fcm, slice * SLICE_MS);
        }
        let view = arrivals.view();
        assert_eq!(view.items.len(), KEPT);
        assert_eq!(view.items[0].at, "1970-01-01T00:00:00.100Z");
    }
}
