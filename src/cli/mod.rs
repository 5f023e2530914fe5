//! The command line: one file per command, none with a logic of its own.
//!
//! `serve`, `dev`, `migrate`, `check` and `key --config` run Herald in this process; all others speak HTTP to a running daemon.
//! Exit status: 0 done, 1 failed, 2 wrong usage.

mod bench;
mod campaign;
mod check;
mod client;
mod completions;
mod counts;
mod dead_letter;
mod demo;
mod dev;
mod device;
mod ending;
mod explain;
mod import;
mod key;
mod lane;
mod migrate;
mod notification;
mod output;
mod problem;
mod send;
mod serve;
mod simulate;
mod user;
mod watch;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use ending::Ending;
use output::{Form, Output};

const ENVIRONMENT: &str = "\
Environment:
  HERALD_URL        where the daemon is [default: http://127.0.0.1:8080]
  HERALD_API_KEY    the API key; it names the app
  HERALD_ASK_ABOVE  `campaign` asks before sending to more devices [default: 1000]
  HERALD__…         settings of `serve`, `migrate`, `check` and `key --config`, over their file

Exit status: 0 done, 1 failed, 2 wrong usage.";

/// A push-notification dispatch daemon for APNs and FCM, and the commands to work with it.
#[derive(Parser)]
#[command(name = "herald", version, after_help = ENVIRONMENT, max_term_width = 120, disable_help_subcommand = true)]
struct Cli {
    /// How answers are printed.
    #[arg(long, global = true, display_order = 901, value_enum, default_value_t = Form::Human, hide_possible_values = true, value_name = "human|json")]
    output: Form,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Serve(serve::Arguments),
    Dev(dev::Arguments),
    Send(send::Arguments),
    Notification(notification::Arguments),
    Campaign(campaign::Arguments),
    Device(device::Arguments),
    User(user::Arguments),
    Key(key::Arguments),
    Lane(lane::Arguments),
    DeadLetter(dead_letter::Arguments),
    Explain(explain::Arguments),
    Migrate(migrate::Arguments),
    Check(check::Arguments),
    Simulate(simulate::Arguments),
    Bench(bench::Arguments),
    Completions(completions::Arguments),
}

/// Parses the command line and runs the command.
pub async fn run() -> ExitCode {
    let Cli { output, command } = Cli::parse();
    let output = Output::new(output);
    match command.run(output).await {
        Ok(ending) => ending.into(),
        Err(error) => {
            output.error(&error);
            ending::of(&error).into()
        }
    }
}

impl Command {
    async fn run(self, output: Output) -> anyhow::Result<Ending> {
        match self {
            Self::Serve(arguments) => Box::pin(serve::run(arguments, output)).await,
            Self::Dev(arguments) => Box::pin(dev::run(arguments, output)).await,
            Self::Send(arguments) => Box::pin(send::run(arguments, output)).await,
            Self::Notification(arguments) => Box::pin(notification::run(arguments, output)).await,
            Self::Campaign(arguments) => Box::pin(campaign::run(arguments, output)).await,
            Self::Device(arguments) => Box::pin(device::run(arguments, output)).await,
            Self::User(arguments) => Box::pin(user::run(arguments, output)).await,
            Self::Key(arguments) => Box::pin(key::run(arguments, output)).await,
            Self::Lane(arguments) => Box::pin(lane::run(arguments, output)).await,
            Self::DeadLetter(arguments) => Box::pin(dead_letter::run(arguments, output)).await,
            Self::Explain(arguments) => Box::pin(explain::run(arguments, output)).await,
            Self::Migrate(arguments) => Box::pin(migrate::run(arguments, output)).await,
            Self::Check(arguments) => Box::pin(check::run(arguments, output)).await,
            Self::Simulate(arguments) => Box::pin(simulate::run(arguments, output)).await,
            Self::Bench(arguments) => Box::pin(bench::run(arguments, output)).await,
            Self::Completions(arguments) => Ok(completions::run(&arguments)),
        }
    }
}

/// The command line as clap knows it, for completions and for the tests of its help.
fn command() -> clap::Command {
    <Cli as clap::CommandFactory>::command()
}

#[cfg(test)]
mod tests;
