//! An import under way: a part of the body is read and judged while the one before is being written, so memory does not grow with the file.

use std::collections::HashSet;

use bytes::Bytes;
use futures_util::future::try_join_all;
use futures_util::{Stream, future, stream};

use super::answer::{Counts, LineError, Progress};
use super::decode::{Decoder, Format};
use super::line::registration;
use super::source::Source;
use crate::api::Api;
use crate::api::devices::change::{device_of_another_user, names_user, token_of_other_provider};
use crate::api::load::{Held, Permit};
use crate::api::problem::Problem;
use crate::domain::Timestamp;
use crate::domain::device::{DeviceChange, ProviderKind};
use crate::domain::id::AppId;
use crate::domain::records::Record;
use crate::store::device::Registered;

/// Records that are written in one transaction: enough to make its cost small, few enough that others do not wait long for SQLite's
/// writer, for which it is the length of its longest statement.
const PART: usize = 256;
/// A part has no more bytes than this and one record, so that memory is bounded whatever the records are.
const PART_BYTES: usize = 1024 * 1024;
/// What an import holds at most: the part that is read, the one that is written, and the piece of the body that is cut.
pub(super) const ROOM: usize = 3 * PART_BYTES;
/// After so many records others get their turn.
const TURN: usize = 50;
/// Devices that a dry run reads at one time.
const LOOKS: usize = 16;

/// What an import is of, and to.
#[derive(Clone)]
pub(super) struct Import {
    pub(super) api: Api,
    pub(super) app: AppId,
    pub(super) format: Format,
    pub(super) now: Timestamp,
    /// Nothing is written.
    pub(super) dry_run: bool,
}

/// What happened.
pub(super) enum Step {
    /// A part is written.
    Part {
        /// What was wrong in it, in the order of the lines.
        errors: Vec<LineError>,
        /// How far it is now.
        progress: Progress,
    },
    /// The end of the body.
    Done {
        /// What it came to.
        counts: Counts,
        /// What is not taken over.
        ignored: Vec<String>,
    },
    /// It broke off; what the parts before tell was written.
    Broken(Problem),
}

/// The steps of an import. An error is of the whole body, and nothing was written.
pub(super) async fn steps(
    import: Import,
    permit: &Permit,
    source: Source,
    decoder: Decoder,
) -> Result<impl Stream<Item = Step> + Send + use<>, Problem> {
    let room = permit.hold(ROOM)?;
    let mut reader = Reader { import: import.clone(), source, decoder };
    reader.header().await?;
    let first = reader.part().await;
    let writer = Writer { import, progress: Progress::default() };
    let under_way = UnderWay { writer, reader, next: Next::Part(first), _room: room };
    Ok(stream::unfold(under_way, UnderWay::step))
}

struct UnderWay {
    reader: Reader,
    writer: Writer,
    next: Next,
    _room: Held,
}

enum Next {
    Part(Part),
    End(End),
    Nothing,
}

enum End {
    Whole,
    Broken(Problem),
}

/// Some records, judged.
#[derive(Default)]
struct Part {
    good: Vec<(u64, String, DeviceChange)>,
    bad: Vec<LineError>,
    lines: u64,
    failed: u64,
    /// The last line in it.
    line: u64,
    end: Option<End>,
}

impl UnderWay {
    async fn step(mut self) -> Option<(Step, Self)> {
        let mut part = match std::mem::replace(&mut self.next, Next::Nothing) {
            Next::Part(part) => part,
            Next::End(End::Whole) => {
                let ignored = self.reader.decoder.left().map(str::to_owned).collect();
                return Some((Step::Done { counts: self.writer.progress.counts, ignored }, self));
            }
            Next::End(End::Broken(problem)) => return Some((Step::Broken(problem), self)),
            Next::Nothing => return None,
        };
        let (written, next) = if let Some(end) = part.end.take() {
            (self.writer.write(part).await, Next::End(end))
        } else {
            let (written, next) = future::join(self.writer.write(part), self.reader.part()).await;
            (written, Next::Part(next))
        };
        match written {
            Ok(step) => {
                self.next = next;
                Some((step, self))
            }
            Err(problem) => Some((Step::Broken(problem), self)),
        }
    }
}

struct Reader {
    import: Import,
    source: Source,
    decoder: Decoder,
}

impl Reader {
    /// Reads the header, where there is to be one.
    async fn header(&mut self) -> Result<(), Problem> {
        if !self.decoder.wants_header() {
            return Ok(());
        }
        let absent = || Problem::invalid_field("header", "required", "is required");
        let record = self.source.next().await?.ok_or_else(absent)?;
        let text = record.text.map_err(|fault| Problem::invalid_field("header", fault.code(), fault.to_string()))?;
        self.decoder.take_header(&text)
    }

    async fn part(&mut self) -> Part {
        let mut part = Part::default();
        let mut bytes = 0;
        for number in 1..=PART {
            match self.source.next().await {
                Ok(Some(record)) => {
                    bytes += record.text.as_ref().map_or(0, Bytes::len);
                    self.judge(record, &mut part);
                }
                Ok(None) => part.end = Some(End::Whole),
                Err(problem) => part.end = Some(End::Broken(problem)),
            }
            if part.end.is_some() || bytes >= PART_BYTES {
                break;
            }
            if number % TURN == 0 {
                tokio::task::yield_now().await;
            }
        }
        part
    }

    fn judge(&mut self, record: Record, part: &mut Part) {
        let Import { api, app, now, format, .. } = &self.import;
        let allows = |endpoint: &_| api.path.allows(*app, endpoint);
        let judged = match record.text {
            Ok(text) => self.decoder.read(&text).and_then(|reading| registration(reading, *now, &allows)),
            Err(fault) => Err(Problem::invalid_field("", fault.code(), fault.to_string())),
        };
        (part.lines, part.line) = (part.lines + 1, record.line);
        match judged {
            Ok((name, change)) => part.good.push((record.line, name, change)),
            Err(problem) => {
                part.failed += 1;
                part.bad.extend(told(record.line, &problem, *format));
            }
        }
    }
}

fn told(line: u64, problem: &Problem, format: Format) -> Vec<LineError> {
    LineError::of(line, problem, |field| format.name_of(field).to_owned())
}

struct Writer {
    import: Import,
    progress: Progress,
}

impl Writer {
    async fn write(&mut self, part: Part) -> Result<Step, Problem> {
        let Part { good, bad: mut errors, lines, failed, line, .. } = part;
        let of: Vec<u64> = good.iter().map(|(line, ..)| *line).collect();
        let registered = if self.import.dry_run { self.look(&good).await? } else { self.put(good).await? };
        let counts = &mut self.progress.counts;
        counts.lines += lines;
        counts.failed += failed;
        for (line, became) in of.into_iter().zip(registered) {
            match became {
                Ok(true) => counts.created += 1,
                Ok(false) => counts.updated += 1,
                Err(problem) => {
                    counts.failed += 1;
                    errors.extend(told(line, &problem, self.import.format));
                }
            }
        }
        // writing judges a line after those behind it were read
        errors.sort_by_key(LineError::line);
        self.progress.line = self.progress.line.max(line);
        Ok(Step::Part { errors, progress: self.progress })
    }

    /// Writes the registrations; for each, whether its device is new.
    async fn put(&self, good: Vec<(u64, String, DeviceChange)>) -> Result<Vec<Result<bool, Problem>>, Problem> {
        if good.is_empty() {
            return Ok(Vec::new());
        }
        let changes = good.into_iter().map(|(_, name, change)| (name, change)).collect();
        let Import { api, app, .. } = &self.import;
        let registered = api.store.put_devices(*app, changes).await?;
        let became = |registered| match registered {
            Registered::Created(_) => Ok(true),
            Registered::Updated(device) => {
                api.issuer.forget_device(*app, &device.name);
                Ok(false)
            }
            Registered::Missing(field) => Err(missing(field)),
            Registered::TokenOfOtherProvider => Err(token_of_other_provider()),
            Registered::Stale => Err(Problem::stale()),
            Registered::OfAnotherUser => Err(device_of_another_user()),
            Registered::OfAnotherDevice => Err(Problem::not_found("device")),
        };
        Ok(registered.into_iter().map(became).collect())
    }

    /// What writing would come to, as far as reading tells.
    async fn look(&self, good: &[(u64, String, DeviceChange)]) -> Result<Vec<Result<bool, Problem>>, Problem> {
        let Import { api, app, .. } = &self.import;
        let mut created = HashSet::new();
        let mut became = Vec::with_capacity(good.len());
        for some in good.chunks(LOOKS) {
            let stored = try_join_all(some.iter().map(|(_, name, _)| api.store.device(*app, name))).await?;
            for ((_, name, change), stored) in some.iter().zip(stored) {
                let provider = stored.as_ref().map(|stored| stored.provider);
                let is_new = provider.is_none() && !created.contains(name.as_str());
                let judged = if is_new { can_be_new(change) } else { can_be_changed(change, provider) };
                if is_new && judged.is_ok() {
                    created.insert(name.as_str());
                }
                became.push(judged.map(|()| is_new));
            }
        }
        Ok(became)
    }
}

fn missing(field: &str) -> Problem {
    Problem::invalid_field(field, "required", "is required when the device is new")
}

fn can_be_new(change: &DeviceChange) -> Result<(), Problem> {
    if !names_user(change) {
        Err(missing("user_id"))
    } else if change.platform.is_none() {
        Err(missing("platform"))
    } else if change.token.is_none() {
        Err(missing("token"))
    } else {
        Ok(())
    }
}

fn can_be_changed(change: &DeviceChange, stored: Option<ProviderKind>) -> Result<(), Problem> {
    let provider = change.provider.or(stored);
    let fits = change.token.as_ref().zip(provider).is_none_or(|(token, provider)| token.provider() == provider);
    if fits { Ok(()) } else { Err(token_of_other_provider()) }
}
