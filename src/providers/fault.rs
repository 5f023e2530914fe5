//! What a request without an answer comes to, and how long a provider asks to wait: alike for all who use HTTP/2.

use std::time::Duration;

use super::http2::{Answer, ConnectError, Error, retry_after};
use super::{Context, Outcome};
use crate::domain::outcome::{Fault, Reason};

/// The outcome of a request that got no answer.
pub(super) fn outcome(error: &Error) -> Outcome {
    let reason = Reason::new(error.word());
    match error {
        Error::Withheld => Outcome::Withheld,
        Error::Malformed => Outcome::MessageRejected { reason, too_large: false },
        // nobody is connected to there, now or later: that costs no retries, and no device for what a resolver said
        Error::Connect(cause) | Error::BackingOff { cause, .. } if matches!(**cause, ConnectError::Forbidden) => {
            Outcome::MessageRejected { reason, too_large: false }
        }
        // ours: the provider is not what is slow, or it shows by what was sent
        Error::NoStream => Outcome::Unavailable { retry_after: None, reason, fault: Fault::Elsewhere },
        Error::BackingOff { left, .. } => Outcome::Unavailable { retry_after: Some(*left), reason, fault: Fault::Silent },
        Error::Connect(_)
        | Error::NoConnection
        | Error::Refused
        | Error::ShuttingDown
        | Error::TimedOut
        | Error::Reset(_)
        | Error::Lost
        | Error::AnswerTooLarge(_) => Outcome::Unavailable { retry_after: None, reason, fault: Fault::Silent },
    }
}

/// How long an answer asks to wait.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Patience {
    /// `Retry-After`: always kept.
    pub(super) retry_after: Option<Duration>,
    /// Whether the provider's own rules hold where there is none.
    pub(super) floors: bool,
}

impl Patience {
    /// What `answer` asks for.
    pub(super) fn of(answer: &Answer, context: &Context) -> Self {
        Self { retry_after: retry_after(&answer.headers, context.clock.now()), floors: context.provider_floors }
    }

    /// What was asked for, else `floor` if such rules hold.
    pub(super) fn or(self, floor: Duration) -> Option<Duration> {
        self.retry_after.or(self.floors.then_some(floor))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_stream_of_our_own_that_was_not_free_is_not_the_provider_s_fault() {
        let lost = ConnectError::TimedOut(Duration::from_secs(5));
        for (error, expected) in [
            (Error::NoStream, Fault::Elsewhere),
            (Error::NoConnection, Fault::Silent),
            (Error::Connect(lost.into()), Fault::Silent),
            (Error::Refused, Fault::Silent),
            (Error::ShuttingDown, Fault::Silent),
            (Error::TimedOut, Fault::Silent),
            (Error::Reset(h2::Reason::INTERNAL_ERROR), Fault::Silent),
            (Error::Lost, Fault::Silent),
            (Error::AnswerTooLarge(9), Fault::Silent),
        ] {
            let Outcome::Unavailable { fault, .. } = outcome(&error) else { panic!("{error}") };
            assert_eq!(fault, expected, "{error}");
        }
    }
}
