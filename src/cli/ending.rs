//! How a command ends, and what an error makes of it.

use std::process::ExitCode;

/// The end of a command that has said all there is to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// Status 0.
    Done,
    /// Status 1.
    Failed,
    /// Status 2.
    WrongUsage,
}

impl From<Ending> for ExitCode {
    fn from(ending: Ending) -> Self {
        match ending {
            Ending::Done => Self::SUCCESS,
            Ending::Failed => Self::FAILURE,
            Ending::WrongUsage => Self::from(2),
        }
    }
}

/// The command line, or the environment that goes with it, cannot be meant so.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct WrongUsage(pub(super) String);

/// The end that an error means.
pub(super) fn of(error: &anyhow::Error) -> Ending {
    if error.is::<WrongUsage>() { Ending::WrongUsage } else { Ending::Failed }
}
