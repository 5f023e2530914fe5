//! Asking before many people are sent to.

use std::io::{self, BufRead, IsTerminal};

use clap::Args;

use crate::cli::output::Output;

/// From when on it is asked.
#[derive(Args)]
pub(super) struct Consent {
    /// Ask before sending to more devices than this. Without a terminal nothing is asked: it is told how many, and goes on.
    #[arg(long, value_name = "N", env = "HERALD_ASK_ABOVE", hide_env_values = true, default_value_t = 1000)]
    ask_above: u64,
    /// Ask nothing.
    #[arg(long)]
    pub(super) yes: bool,
}

impl Consent {
    /// Whether it may go to so many devices.
    pub(super) fn is_given(&self, targeted: u64, output: Output) -> io::Result<bool> {
        let told = format!("{targeted} {}", if targeted == 1 { "device" } else { "devices" });
        if self.yes || targeted <= self.ask_above {
            return Ok(true);
        }
        if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
            output.note(&format!("goes to {told}; without a terminal nothing is asked"));
            return Ok(true);
        }
        output.ask(&format!("Send to {told}? [y/N] "));
        is_yes(io::stdin().lock())
    }
}

fn is_yes(mut from: impl BufRead) -> io::Result<bool> {
    let mut line = String::new();
    from.read_line(&mut line)?;
    Ok(matches!(line.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_yes_is_one() {
        for (line, expected) in
            [("y\n", true), ("Yes\n", true), (" YES \r\n", true), ("\n", false), ("", false), ("no\n", false), ("yesterday\n", false)]
        {
            assert_eq!(is_yes(line.as_bytes()).unwrap(), expected, "{line:?}");
        }
    }
}
