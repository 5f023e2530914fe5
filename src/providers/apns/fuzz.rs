//! Refusals, in fuzzing.

use http::StatusCode;

use super::reason::classify;
use crate::domain::outcome::Outcome;
use crate::providers::fault::Patience;

pub(in crate::providers) fn outcome(status: StatusCode, body: &[u8], patience: Patience) -> Outcome {
    classify(status, body, patience).outcome
}
