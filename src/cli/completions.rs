//! `herald completions`: what a shell needs to complete the command line.

use clap::Args;
use clap_complete::Shell;

use super::ending::Ending;

/// Print completions for a shell, as `herald completions bash > /etc/bash_completion.d/herald`.
#[derive(Args)]
pub(super) struct Arguments {
    /// Which one.
    shell: Shell,
}

pub(super) fn run(arguments: &Arguments) -> Ending {
    clap_complete::generate(arguments.shell, &mut super::command(), "herald", &mut std::io::stdout().lock());
    Ending::Done
}
