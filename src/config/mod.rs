//! One typed [`Settings`], composed of what each module owns, read from a file with the environment over it.
//!
//! It is checked whole before anything starts: every wrong, missing or unknown key is named with the line or the variable
//! that it came from. Nothing but this module reads the environment.

mod check;
mod environment;
mod failure;
mod problem;
mod queue;
mod read;
mod sections;
mod server;
#[cfg(test)]
mod tests;
mod tree;
mod typed;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::de::DeTable;

use crate::dispatch;
use crate::domain::client_token::ClientTokenSettings;
use crate::providers::webhook;
use crate::store::analytics::Retention;

pub use environment::Remote;
pub use problem::{Error, Place, Problem};
pub use queue::{Queue, QueueUrl};
pub use sections::{App, Apps, Audit, Database, DatabaseUrl, Fallback, Limits, Log, Rate};
pub use server::{Server, Tls};

use read::Found;
use tree::{Node, Origin, Way};

/// The file that is read where none is named, if it is there.
pub const DEFAULT_FILE: &str = "config/herald.toml";

/// Settings that are taken from the environment only, and what to do instead.
const SECRETS: [(&str, &str); 1] =
    [("database.encryption_key", "name its file with encryption_key_file, or set the variable HERALD__DATABASE__ENCRYPTION_KEY")];

/// Everything that can be set.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The HTTP side.
    pub server: Server,
    /// The log.
    pub log: Log,
    /// The store.
    pub database: Database,
    /// The ready window.
    pub queue: Queue,
    /// How a node works.
    pub dispatch: dispatch::Settings,
    /// How failed sends are repeated.
    pub retry: dispatch::RetrySettings,
    /// For how long analytics are kept.
    pub analytics: Retention,
    /// Who changed what.
    pub audit: Audit,
    /// How often callers may call.
    pub limits: Limits,
    /// What the tokens of phones are like.
    pub client_tokens: ClientTokenSettings,
    /// How webhooks are sent to.
    pub webhooks: webhook::Settings,
    /// The apps, by name.
    pub apps: Apps,
    /// E-mail and SMS.
    pub fallback: Fallback,
}

/// Loads the settings of a daemon: from `file`, else from [`DEFAULT_FILE`] if it is there, with the environment over it.
pub fn load(file: Option<&Path>) -> Result<Settings, Error> {
    let file = match file {
        Some(file) => Some(file),
        None => Some(Path::new(DEFAULT_FILE)).filter(|file| file.exists()),
    };
    let text = match file {
        Some(path) => std::fs::read_to_string(path).map_err(|source| Error::Unreadable { path: path.to_owned(), source })?,
        None => String::new(),
    };
    Source { file: file.map(Path::to_owned), text: &text, variables: environment::variables() }.settings()
}

/// Reads settings from text, with relative paths in `folder` and the environment over it: for commands that make their own.
pub fn from_text(text: &str, folder: &Path) -> Result<Settings, Error> {
    Source { file: Some(folder.join("herald.toml")), text, variables: environment::variables() }.settings()
}

/// A configuration before it is read.
struct Source<'a> {
    file: Option<PathBuf>,
    text: &'a str,
    variables: Vec<(String, OsString)>,
}

impl Source<'_> {
    fn settings(self) -> Result<Settings, Error> {
        let mut tree = self.parse()?;
        let mut found = Vec::new();
        let mut problems = self.refuse_secrets(&mut tree);
        problems.extend(self.lay_environment(&mut tree));
        let folder = self.file.as_deref().and_then(Path::parent).unwrap_or(Path::new(""));
        tree.resolve_files(folder, &mut |way, path| {
            if let Err(error) = File::open(path) {
                found.push((way, format!("names {path}, which cannot be read: {error}")));
            }
        });
        let settings = read::read::<Settings>(&tree, &mut found);
        if let Some(settings) = &settings {
            let broken: Vec<Way> = found.iter().map(|(way, _)| way.clone()).collect();
            check::check(settings, &mut |key, message| {
                let way = Way::of(key);
                if !broken.iter().any(|other| way.is_within(other) || other.is_within(&way)) {
                    found.push((way, message));
                }
            });
        }
        problems.extend(self.place(&tree, found));
        match settings {
            Some(settings) if problems.is_empty() => Ok(settings),
            _ => Err(Error::Invalid(problems)),
        }
    }

    /// The file as a tree; where it is not TOML, every such place is a problem and nothing more can be said.
    fn parse(&self) -> Result<Node, Error> {
        let line = |offset: usize| 1 + self.text.bytes().take(offset).filter(|byte| *byte == b'\n').count();
        let (table, errors) = DeTable::parse_recoverable(self.text);
        if errors.is_empty() {
            return Ok(Node::from_table(table.get_ref(), Origin::Nowhere, &|offset| Origin::Line(line(offset))));
        }
        let problems = errors.iter().map(|error| {
            let origin = error.span().map_or(Origin::Nowhere, |span| Origin::Line(line(span.start)));
            Problem {
                place: Place::new(self.file.as_deref(), &origin),
                key: String::new(),
                message: format!("is not TOML: {}", error.message()),
            }
        });
        Err(Error::Invalid(problems.collect()))
    }

    /// Takes out what a file must not hold: it is copied, checked in and shown around.
    fn refuse_secrets(&self, tree: &mut Node) -> Vec<Problem> {
        let refused = SECRETS.iter().filter_map(|(key, advice)| {
            let taken = tree.remove(&Way::of(key))?;
            let place = Place::new(self.file.as_deref(), &taken.origin);
            Some(Problem { place, key: (*key).to_owned(), message: format!("is a secret, which does not belong here: {advice}") })
        });
        refused.collect()
    }

    fn lay_environment(&self, tree: &mut Node) -> Vec<Problem> {
        let mut variables = self.variables.clone();
        // RUST_LOG goes first, so that a setting of Herald's own goes before it.
        variables.sort_by_key(|(name, _)| (name != "RUST_LOG", name.clone()));
        let mut problems = Vec::new();
        for (name, value) in variables {
            let key = match name.strip_prefix(environment::PREFIX) {
                Some(rest) => rest.to_ascii_lowercase().replace("__", "."),
                None => "log.level".to_owned(),
            };
            let outcome = match value.into_string() {
                Ok(text) => tree.overlay(&Way::of(&key), &name, text),
                Err(_) => Err("is not UTF-8".to_owned()),
            };
            if let Err(message) = outcome {
                problems.push(Problem { place: Place::Variable(name), key, message });
            }
        }
        problems
    }

    /// Adds to each problem the place of the nearest thing that was written; in the order of the file, each key once.
    fn place(&self, tree: &Node, found: Vec<Found>) -> Vec<Problem> {
        let mut seen = BTreeSet::new();
        let mut placed: Vec<(usize, Problem)> = found
            .into_iter()
            .filter(|(way, _)| seen.insert(way.clone()))
            .map(|(way, message)| {
                let origin = &tree.nearest(&way).origin;
                let line = if let Origin::Line(line) = origin { *line } else { usize::MAX };
                (line, Problem { place: Place::new(self.file.as_deref(), origin), key: way.to_string(), message })
            })
            .collect();
        placed.sort_by_key(|(line, _)| *line);
        placed.into_iter().map(|(_, problem)| problem).collect()
    }
}
