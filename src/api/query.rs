//! Query parameters: each known, each once, every error named.

use std::str::FromStr;

use http::Uri;
use percent_encoding::percent_decode;

use super::instant::{Instant, expected_instant};
use super::problem::Problem;
use crate::dispatch::draft::FieldError;
use crate::domain::Timestamp;
use crate::domain::name::NameError;

/// The parameters of one request; what is not taken out by the end is unknown.
#[derive(Debug, Default)]
pub(super) struct Params {
    pairs: Vec<(String, String)>,
    errors: Vec<FieldError>,
}

impl Params {
    /// The parameters of a request.
    pub(super) fn of(uri: &Uri) -> Self {
        let mut params = Self::default();
        for pair in uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let Some((name, value)) = decode(name).zip(decode(value)) else {
                params.invalid("query", "must be percent-encoded UTF-8 without NUL characters");
                continue;
            };
            if params.pairs.iter().any(|(other, _)| *other == name) {
                params.invalid(&name, "is given more than once");
            } else {
                params.pairs.push((name, value));
            }
        }
        params
    }

    /// Notes an error.
    pub(super) fn invalid(&mut self, field: &str, message: impl Into<String>) {
        self.errors.push(FieldError::invalid(field, message));
    }

    /// Takes one out, as text.
    pub(super) fn text(&mut self, name: &str) -> Option<String> {
        let at = self.pairs.iter().position(|(other, _)| other == name)?;
        Some(self.pairs.swap_remove(at).1)
    }

    /// Takes one out that is one of fixed words.
    pub(super) fn word<T>(&mut self, name: &str, words: &[(&str, T)]) -> Option<T>
    where
        T: Copy,
    {
        let text = self.text(name)?;
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        if found.is_none() {
            let words: Vec<_> = words.iter().map(|(word, _)| *word).collect();
            self.invalid(name, format!("must be one of {}", words.join(", ")));
        }
        found
    }

    /// Takes one out that is a name of the caller's.
    pub(super) fn name(&mut self, name: &str, check: fn(&str) -> Result<(), NameError>) -> Option<String> {
        let text = self.text(name)?;
        match check(&text) {
            Ok(()) => Some(text),
            Err(error) => {
                self.invalid(name, error.to_string());
                None
            }
        }
    }

    /// Takes one out that is the id of one of `whose`: "a campaign".
    pub(super) fn id<T: FromStr>(&mut self, name: &str, whose: &str) -> Option<T> {
        let id = self.text(name)?.parse().ok();
        if id.is_none() {
            self.invalid(name, format!("must be the id of {whose}"));
        }
        id
    }

    /// Takes one out that is an instant.
    pub(super) fn instant(&mut self, name: &str) -> Option<Timestamp> {
        let text = self.text(name)?;
        // a bare + is a space in a query, and is meant as the sign of an offset
        let found = Instant::parse(&text.replace(' ', "+"));
        if found.is_none() {
            self.invalid(name, expected_instant());
        }
        found.map(|Instant(at)| at)
    }

    /// Takes one out that is true or false; false where it is absent.
    pub(super) fn flag(&mut self, name: &str) -> bool {
        self.word(name, &[("true", true), ("false", false)]).unwrap_or_default()
    }

    /// Takes out all whose name begins so, without that beginning.
    pub(super) fn beginning(&mut self, prefix: &str) -> Vec<(String, String)> {
        let (taken, rest) = std::mem::take(&mut self.pairs).into_iter().partition(|(name, _)| name.starts_with(prefix));
        self.pairs = rest;
        let taken: Vec<(String, String)> = taken;
        taken.into_iter().map(|(name, value)| (name.strip_prefix(prefix).unwrap_or_default().to_owned(), value)).collect()
    }

    /// What is left, sorted.
    pub(super) fn rest(&mut self) -> &[(String, String)] {
        self.pairs.sort_unstable();
        &self.pairs
    }

    /// Other parameters instead of what is left.
    pub(super) fn replace(&mut self, pairs: Vec<(String, String)>) {
        self.pairs = pairs;
    }

    /// Refuses what was noted and what is left.
    pub(super) fn finish(mut self) -> Result<(), Problem> {
        for (name, _) in &self.pairs {
            self.errors.push(FieldError {
                field: name.clone(),
                code: "unknown_field",
                message: "there is no such parameter here".to_owned(),
            });
        }
        if self.errors.is_empty() { Ok(()) } else { Err(Problem::invalid(self.errors)) }
    }
}

/// Refuses every parameter, for routes that have none.
pub(super) fn none(uri: &Uri) -> Result<(), Problem> {
    if uri.query().is_none() { Ok(()) } else { Params::of(uri).finish() }
}

fn decode(text: &str) -> Option<String> {
    let spaced = text.replace('+', " ");
    let decoded = percent_decode(spaced.as_bytes()).decode_utf8().ok()?;
    (!decoded.contains('\0')).then(|| decoded.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::name::check_user_id;

    fn params(query: &str) -> Params {
        Params::of(&format!("/v1/x?{query}").parse().unwrap())
    }

    #[test]
    fn parameters_are_taken_once_each() {
        let mut params = params("a=1&user_id=ann%40example.com&from=2026-01-01T00:00:00+01:00&on=true&label.team=x&label.a.b=%20");
        assert_eq!(params.text("a").as_deref(), Some("1"));
        assert_eq!(params.text("a"), None);
        assert_eq!(params.name("user_id", check_user_id).as_deref(), Some("ann@example.com"));
        assert_eq!(params.instant("from").unwrap().to_rfc3339(), "2025-12-31T23:00:00+00:00");
        assert!(params.flag("on"));
        let mut labels = params.beginning("label.");
        labels.sort();
        assert_eq!(labels, [("a.b".to_owned(), " ".to_owned()), ("team".to_owned(), "x".to_owned())]);
        assert!(params.finish().is_ok());
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (query, field, code) in [
            ("b=1", "b", "unknown_field"),
            ("from=yesterday", "from", "invalid"),
            ("on=yes", "on", "invalid"),
            ("on=true&on=true", "on", "invalid"),
            ("user_id=", "user_id", "invalid"),
            ("user_id=a%00", "query", "invalid"),
            ("user_id=%ff", "query", "invalid"),
        ] {
            let mut params = params(query);
            params.instant("from");
            params.flag("on");
            params.name("user_id", check_user_id);
            let problem = params.finish().unwrap_err();
            assert_eq!((problem.errors()[0].field.as_str(), problem.errors()[0].code), (field, code), "{query}");
        }
    }
}
