//! What a typed reading can object to. Values are never part of a message: any of them may be a secret.

use std::fmt;

use serde::de::{self, Unexpected};

use super::tree::{Step, Way};

/// What is wrong, and where.
#[derive(Debug)]
pub(super) struct Failure {
    /// From the inside out while it rises.
    steps: Vec<Step>,
    pub(super) kind: Kind,
}

/// What is wrong.
#[derive(Debug)]
pub(super) enum Kind {
    /// No such setting; these are.
    Unknown(&'static [&'static str]),
    /// A setting without a default is not given.
    Missing,
    /// Anything else.
    Wrong(String),
}

impl Failure {
    pub(super) fn unknown() -> Self {
        Self { steps: Vec::new(), kind: Kind::Unknown(&[]) }
    }

    pub(super) fn wrong(message: impl Into<String>) -> Self {
        Self { steps: Vec::new(), kind: Kind::Wrong(message.into()) }
    }

    pub(super) fn under(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    pub(super) fn way(&self) -> Way {
        Way(self.steps.iter().rev().cloned().collect())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Unknown([]) => f.write_str("is not a setting"),
            Kind::Unknown(known) => write!(f, "is not a setting; here are {}", known.join(", ")),
            Kind::Missing => f.write_str("is missing"),
            Kind::Wrong(message) => f.write_str(message),
        }
    }
}

impl std::error::Error for Failure {}

impl de::Error for Failure {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::wrong(message.to_string())
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::wrong(format!("is {}, must be {}", kind_of(&found), in_words(&expected.to_string())))
    }

    fn invalid_value(_: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::wrong(format!("must be {}", in_words(&expected.to_string())))
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Self::wrong(format!("must be one of {}", expected.join(", ")))
    }

    fn unknown_field(_: &str, expected: &'static [&'static str]) -> Self {
        Self { steps: Vec::new(), kind: Kind::Unknown(expected) }
    }

    fn missing_field(field: &'static str) -> Self {
        Self { steps: vec![Step::Key(field.to_owned())], kind: Kind::Missing }
    }
}

fn kind_of<'a>(found: &Unexpected<'a>) -> &'a str {
    match *found {
        Unexpected::Other(text) => text,
        Unexpected::Bool(_) => "true or false",
        Unexpected::Unsigned(_) | Unexpected::Signed(_) => "a whole number",
        Unexpected::Float(_) => "a number with a fraction",
        Unexpected::Str(_) | Unexpected::Char(_) => "text",
        Unexpected::Seq => "a list",
        Unexpected::Map => "a table",
        _ => "something else",
    }
}

fn in_words(expected: &str) -> String {
    match expected {
        "a string" => "text".to_owned(),
        "path string" => "a path".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number that is not negative".to_owned(),
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number".to_owned(),
        "f32" | "f64" => "a number".to_owned(),
        "a sequence" => "a list".to_owned(),
        "a map" => "a table".to_owned(),
        text if text.starts_with("struct ") => "a table".to_owned(),
        text => text.to_owned(),
    }
}
