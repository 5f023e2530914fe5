//! What is wrong with a configuration: all of it, each with its key and the place where it was written.

use std::fmt;
use std::path::{Path, PathBuf};

use super::tree::Origin;

/// Why there are no settings.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("{} cannot be read", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Keys are wrong, missing or unknown.
    #[error("{}", Listed(.0))]
    Invalid(Vec<Problem>),
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where it was written.
    pub place: Place,
    /// The key, as `apps.demo.apns.key_id`; empty where the file is not TOML.
    pub key: String,
    /// What is wrong with it. Never its value, which may be a secret.
    pub message: String,
}

/// Where a setting was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A line of a file, from 1.
    Line(PathBuf, usize),
    /// A file, but no line of it.
    File(PathBuf),
    /// An environment variable.
    Variable(String),
    /// Nowhere: there is no file.
    Defaults,
}

impl Place {
    pub(super) fn new(file: Option<&Path>, origin: &Origin) -> Self {
        match (origin, file) {
            (Origin::Variable(name), _) => Self::Variable(name.clone()),
            (Origin::Line(line), Some(file)) => Self::Line(file.to_owned(), *line),
            (_, Some(file)) => Self::File(file.to_owned()),
            (_, None) => Self::Defaults,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(file, line) => write!(f, "{}:{line}", file.display()),
            Self::File(file) => write!(f, "{}", file.display()),
            Self::Variable(name) => f.write_str(name),
            Self::Defaults => f.write_str("configuration"),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.key.is_empty() {
            write!(f, "{}: {}", self.place, self.message)
        } else {
            write!(f, "{}: {} {}", self.place, self.key, self.message)
        }
    }
}

struct Listed<'a>(&'a [Problem]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the configuration is not valid")?;
        self.0.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}
