//! What an outcome says of the peer itself, whatever it says of the push.

use crate::domain::outcome::{Fault, Outcome, ThrottleScope};

/// Of a peer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    /// It works.
    Fine,
    /// It works, and asks for patience.
    Patience,
    /// It fails, and says so itself or does not.
    Failed { answered: bool },
}

impl Word {
    pub(super) fn of(outcome: &Outcome) -> Option<Self> {
        match outcome {
            Outcome::Unavailable { fault: Fault::Answered, .. } => Some(Self::Failed { answered: true }),
            Outcome::Unavailable { fault: Fault::Silent, .. } => Some(Self::Failed { answered: false }),
            Outcome::Throttled { scope: ThrottleScope::Lane, .. } => Some(Self::Patience),
            Outcome::Throttled { scope: ThrottleScope::Token, .. }
            | Outcome::Accepted { .. }
            | Outcome::TokenDead { .. }
            | Outcome::TokenMismatched { .. }
            | Outcome::MessageRejected { .. }
            | Outcome::CredentialRefused { .. } => Some(Self::Fine),
            Outcome::Unavailable { fault: Fault::Elsewhere, .. } | Outcome::Withheld => None,
        }
    }
}
