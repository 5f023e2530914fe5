//! `herald device import`: a file of devices, sent in parts, that goes on where it stopped.

mod errors;
mod parts;
mod send;
mod state;
mod tally;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use tokio::io::AsyncRead;

use self::errors::ErrorsFile;
use self::parts::{Part, Parts};
use self::send::Sender;
use self::state::{Place, State};
use self::tally::Tally;
use super::client::Client;
use super::ending::{Ending, WrongUsage};
use super::output::Output;
use crate::domain::records::Shape;

/// Standard input in the place of a file.
const STDIN: &str = "-";

/// Import devices from a file, as NDJSON or CSV.
///
/// Good lines are taken though others are bad; the exit status is 0 only if all were good. What was wrong is written to a file, line by
/// line. Importing again changes nothing twice, and never wakes a device that Herald deactivated. A lost connection is waited for; after
/// anything else `--resume` goes on where the import stopped, which a small file beside the file remembers.
#[derive(Args)]
pub(super) struct Arguments {
    /// The file; `-` is standard input, which cannot be resumed.
    file: PathBuf,
    /// Whose fields they are: Herald's own, or another system's export.
    #[arg(long, value_enum, default_value_t = Format::Herald)]
    format: Format,
    /// What the file is; by its name where absent: `.csv` is CSV, as is whatever `OneSignal` exports.
    #[arg(long = "type", value_enum, value_name = "TYPE")]
    kind: Option<Kind>,
    /// Where to write what was wrong, one JSON object a line; FILE.errors.ndjson where absent.
    #[arg(long, value_name = "FILE")]
    errors: Option<PathBuf>,
    /// Go on where the last import of the file stopped; from the beginning if none did.
    #[arg(long)]
    resume: bool,
    /// How long to wait for a daemon that does not answer, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    retry_for: u64,
    /// Check the lines and change nothing.
    #[arg(long)]
    dry_run: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Herald,
    Onesignal,
    Pinpoint,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    Ndjson,
    Csv,
}

impl Format {
    fn name(self) -> &'static str {
        match self {
            Self::Herald => "herald",
            Self::Onesignal => "onesignal",
            Self::Pinpoint => "pinpoint",
        }
    }
}

impl Arguments {
    fn shape(&self) -> Shape {
        let is_csv = || self.file.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv"));
        match self.kind {
            Some(Kind::Csv) => Shape::Csv,
            None if self.format == Format::Onesignal || is_csv() => Shape::Csv,
            Some(Kind::Ndjson) | None => Shape::Lines,
        }
    }

    fn is_stdin(&self) -> bool {
        self.file.as_os_str() == STDIN
    }

    fn errors_path(&self) -> PathBuf {
        let beside = || if self.is_stdin() { "import.errors.ndjson".into() } else { state::beside(&self.file, ".errors.ndjson") };
        self.errors.clone().unwrap_or_else(beside)
    }
}

/// Whether both names lead to one file that is there.
fn are_the_same(one: &Path, other: &Path) -> bool {
    matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

pub(super) async fn run(arguments: Arguments, client: &Client, output: Output) -> anyhow::Result<Ending> {
    if are_the_same(&arguments.file, &arguments.errors_path()) {
        return Err(WrongUsage("the file of errors must not be the file that is imported".to_owned()).into());
    }
    let importing = async {
        if arguments.is_stdin() {
            if arguments.resume {
                return Err(WrongUsage("standard input cannot be resumed".to_owned()).into());
            }
            let parts = Parts::new(tokio::io::stdin(), arguments.shape()).await.context("standard input cannot be read")?;
            let errors = ErrorsFile::begin(arguments.errors_path()).await?;
            return Import::new(&arguments, client, output, errors).all(parts).await;
        }
        from_file(&arguments, client, output).await
    };
    tokio::select! {
        ended = importing => ended,
        interrupted = tokio::signal::ctrl_c() => {
            interrupted?;
            output.note("herald: interrupted; what was sent is written, and --resume goes on from there");
            Ok(Ending::Failed)
        }
    }
}

async fn from_file(arguments: &Arguments, client: &Client, output: Output) -> anyhow::Result<Ending> {
    let unreadable = || format!("{} cannot be read", arguments.file.display());
    let (mut file, identity) = state::open(&arguments.file).await.with_context(unreadable)?;
    let bytes = identity.bytes();
    // a dry run has no place to come back to
    let mut place = if arguments.dry_run { None } else { Some(Place::of(arguments, client, identity)) };
    let before = match &place {
        Some(place) if arguments.resume => place.load().await?,
        _ => None,
    };
    let errors = match &before {
        Some(state) => ErrorsFile::go_on(state.errors_path.clone(), state.errors_bytes).await?,
        None => ErrorsFile::begin(arguments.errors_path()).await?,
    };
    let at = before.as_ref().map_or((0, 1), |state| (state.offset, state.line));
    let parts = Parts::from_file(&mut file, arguments.shape(), at).await.with_context(unreadable)?;
    let mut import = Import::new(arguments, client, output, errors);
    import.tally = before.map(|state| state.tally).unwrap_or_default();
    import.bar = progress(bytes, at.0, output);
    import.place = place.take();
    import.all(parts).await
}

struct Import<'a> {
    sender: Sender<'a>,
    output: Output,
    errors: ErrorsFile,
    tally: Tally,
    place: Option<Place>,
    bar: ProgressBar,
}

impl<'a> Import<'a> {
    fn new(arguments: &Arguments, client: &'a Client, output: Output, errors: ErrorsFile) -> Self {
        let mut query = vec![("format", arguments.format.name())];
        if arguments.dry_run {
            query.push(("dry_run", "true"));
        }
        let patience = Duration::from_secs(arguments.retry_for);
        let sender = Sender { client, query, shape: arguments.shape(), patience, output };
        Self { sender, output, errors, tally: Tally::default(), place: None, bar: ProgressBar::hidden() }
    }

    /// Sends part after part; the next one is read meanwhile.
    async fn all<R: AsyncRead + Unpin>(mut self, mut parts: Parts<R>) -> anyhow::Result<Ending> {
        let mut next = parts.next().await.context("the file cannot be read")?;
        while let Some(part) = next {
            let (sent, following) = futures_util::join!(self.sender.send(&part), parts.next());
            match sent {
                Ok(sent) => self.settle(part, sent).await?,
                Err(error) => return Err(self.told_how_far(error)),
            }
            next = following.context("the file cannot be read")?;
        }
        if let Some(place) = &self.place {
            place.forget().await?;
        }
        self.bar.finish_and_clear();
        Ok(self.tally.show(&self.errors, self.output))
    }

    /// Books a part: first what was wrong, then how far it is, so that a part that is done twice is told once.
    async fn settle(&mut self, part: Part, sent: Tally) -> anyhow::Result<()> {
        let errors = self.tally.take(sent, &part);
        self.errors.write(&errors).await?;
        if let Some(place) = &self.place {
            let (errors_path, errors_bytes) = self.errors.place();
            let state = State { offset: part.offset, line: part.next_line, tally: self.tally.clone(), errors_path, errors_bytes };
            place.save(state).await?;
        }
        self.bar.set_position(part.offset);
        self.bar.set_message(self.tally.in_short());
        Ok(())
    }

    fn told_how_far(&self, error: anyhow::Error) -> anyhow::Error {
        self.bar.finish_and_clear();
        if self.place.is_some() {
            self.output.note(&format!("herald: stopped after {} lines; --resume goes on from there", self.tally.lines()));
        }
        error
    }
}

fn progress(length: u64, at: u64, output: Output) -> ProgressBar {
    if !output.draws_progress() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(length).with_position(at);
    if let Ok(style) = ProgressStyle::with_template("{elapsed_precise} [{bar:30}] {bytes}/{total_bytes} {eta} left  {msg}") {
        bar.set_style(style);
    }
    bar
}
