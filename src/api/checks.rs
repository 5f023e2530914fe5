//! The errors of one request as they are found, and the checks that several requests share.

use std::fmt::Display;

use super::json::Unknown;
use super::problem::Problem;
use crate::dispatch::draft::FieldError;
use crate::domain::name::NameError;
use crate::domain::zone::parse_zone;

/// The name of a zone, at most, in characters; IANA's longest has 32.
const MAX_ZONE: usize = 64;
/// Errors beyond this are not looked for.
const ENOUGH: usize = 100;

/// What is wrong with a request.
#[derive(Debug, Default)]
pub(super) struct Checks {
    errors: Vec<FieldError>,
}

impl Checks {
    /// With what was wrong already when it was read.
    pub(super) fn with(errors: Vec<FieldError>) -> Self {
        Self { errors }
    }

    /// Notes an error of a code of its own.
    pub(super) fn refuse(&mut self, field: impl Display, code: &'static str, message: impl Display) {
        if !self.is_full() {
            self.errors.push(FieldError { field: field.to_string(), code, message: message.to_string() });
        }
    }

    /// Notes an error.
    pub(super) fn invalid(&mut self, field: impl Display, message: impl Display) {
        self.refuse(field, "invalid", message);
    }

    /// Notes that a field is absent, unless what was there was wrong already.
    pub(super) fn required(&mut self, field: &str) {
        if !self.has_below(field) {
            self.refuse(field, "required", "is required");
        }
    }

    /// Whether something is wrong with a field, or with what is in it.
    pub(super) fn has_below(&self, field: &str) -> bool {
        let below =
            |error: &FieldError| error.field.strip_prefix(field).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']));
        self.errors.iter().any(below)
    }

    /// A name of the caller's.
    pub(super) fn name(&mut self, field: impl Display, name: &str, check: fn(&str) -> Result<(), NameError>) {
        if let Err(error) = check(name) {
            self.invalid(field, error);
        }
    }

    /// A list of names, each with its place.
    pub(super) fn names(&mut self, field: &str, names: &[String], check: fn(&str) -> Result<(), NameError>) {
        for (index, name) in names.iter().enumerate() {
            if let Err(error) = check(name) {
                self.invalid(format_args!("{field}[{index}]"), error);
            }
            if self.is_full() {
                return;
            }
        }
    }

    /// A line of text: not empty, not too long (in characters), no control characters.
    pub(super) fn line(&mut self, field: impl Display, text: Option<&str>, max: usize) {
        let Some(text) = text else { return };
        if text.is_empty() {
            self.invalid(field, "must not be empty");
        } else if text.len() > max && text.chars().count() > max {
            self.invalid(field, format_args!("must have at most {max} characters"));
        } else if text.chars().any(char::is_control) {
            self.invalid(field, "must not have control characters");
        }
    }

    /// A zone that is known here.
    pub(super) fn zone(&mut self, field: &str, name: &str) {
        if parse_zone(name).is_none() {
            self.refuse(field, "unknown_timezone", "must be an IANA timezone, such as Europe/Paris");
        }
    }

    /// The same, but a name that a phone gives may be unknown: its system may know zones that are younger than our tables.
    pub(super) fn zone_of(&mut self, field: &str, name: &str, unknown: Unknown) {
        match unknown {
            Unknown::Refused => self.zone(field, name),
            Unknown::Ignored => self.line(field, Some(name).filter(|name| !name.is_empty()), MAX_ZONE),
        }
    }

    /// A BCP 47 tag by its shape: subtags of 1 to 8 letters and digits, the first one of 2 to 8 letters.
    pub(super) fn locale(&mut self, field: impl Display, tag: &str) {
        if !is_locale(tag) {
            self.invalid(field, "must be a BCP 47 language tag, such as fr or fr-CA");
        }
    }

    /// Whether any more would be too many.
    pub(super) fn is_full(&self) -> bool {
        self.errors.len() >= ENOUGH
    }

    /// What was found, to be looked at with more.
    pub(super) fn into_errors(self) -> Vec<FieldError> {
        self.errors
    }

    /// The value, if nothing was found.
    pub(super) fn done<T>(self, value: T) -> Result<T, Problem> {
        if self.errors.is_empty() { Ok(value) } else { Err(Problem::invalid(self.errors)) }
    }
}

fn is_locale(tag: &str) -> bool {
    // Android and Java write an underscore; both are taken, and compared alike by the renderer
    let mut subtags = tag.split(['-', '_']);
    let first = subtags.next().unwrap_or_default();
    (2..=35).contains(&tag.len())
        && (2..=8).contains(&first.len())
        && first.bytes().all(|byte| byte.is_ascii_alphabetic())
        && subtags.all(|subtag| (1..=8).contains(&subtag.len()) && subtag.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locales_are_told_by_their_shape() {
        for tag in ["fr", "fr-CA", "zh-Hant-TW", "de-CH-1996", "en_US", "sr-Latn"] {
            assert!(is_locale(tag), "{tag}");
        }
        for tag in ["", "f", "fr-", "-fr", "fr--CA", "12", "fr CA", "français", "fr-abcdefghi", &"ab-".repeat(20)] {
            assert!(!is_locale(tag), "{tag}");
        }
    }

    #[test]
    fn lines_have_limits() {
        let wrong = |text: &str| {
            let mut checks = Checks::default();
            checks.line("x", Some(text), 3);
            !checks.errors.is_empty()
        };
        assert!(!wrong("abc") && !wrong("ééé"));
        assert!(wrong("") && wrong("abcd") && wrong("a\n"));
    }

    #[test]
    fn what_was_unreadable_is_not_called_absent() {
        let mut checks = Checks::with(vec![FieldError::invalid("to.user_ids[3]", "must be a string")]);
        checks.required("to");
        checks.required("token");
        let fields: Vec<_> = checks.errors.iter().map(|error| error.field.as_str()).collect();
        assert_eq!(fields, ["to.user_ids[3]", "token"]);
    }
}
