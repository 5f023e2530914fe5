//! What Herald renders, held against what independent clients make of the same words: `a2` for Apple's form, `fcm_v1` for Google's.
//!
//! Neither sends anything here. What one of them does not know is listed by name where it is compared.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test says what went wrong by panicking")]

mod apple;
mod google;
mod ours;
mod words;
