//! From a record to a device object of the API, whatever form it has.

use std::collections::BTreeSet;

use super::members::Members;
use super::table::{Row, Table, in_header};
use super::{herald_csv, onesignal, pinpoint};
use crate::api::devices::dto::ImportLine;
use crate::api::json::{self, AnyValue, Reading};
use crate::api::problem::Problem;
use crate::domain::records::Shape;

/// Whose fields they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// Herald's own.
    Herald,
    /// An export of `OneSignal`, which is CSV.
    Onesignal,
    /// An export of Amazon Pinpoint.
    Pinpoint,
}

impl Format {
    /// Whether its exports come so.
    pub(super) fn comes_as(self, shape: Shape) -> bool {
        self != Self::Onesignal || shape == Shape::Csv
    }

    /// What one of Herald's fields is called there.
    pub(super) fn name_of(self, field: &str) -> &str {
        let names: &[(&str, &'static str)] = match self {
            Self::Herald => return field,
            Self::Onesignal => &onesignal::COLUMNS,
            Self::Pinpoint => &pinpoint::PATHS,
        };
        let is_at = |ours: &str| field.strip_prefix(ours).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
        names.iter().find(|(ours, _)| is_at(ours)).map_or(field, |(_, theirs)| *theirs)
    }
}

/// Reads the records of one body.
pub(super) struct Decoder {
    format: Format,
    form: Form,
    left: BTreeSet<String>,
}

enum Form {
    Lines,
    /// The header is still to come.
    Headless,
    Rows(Table),
}

impl Decoder {
    pub(super) fn new(format: Format, shape: Shape) -> Self {
        let form = if shape == Shape::Csv { Form::Headless } else { Form::Lines };
        Self { format, form, left: BTreeSet::new() }
    }

    /// Whether the next record is the header.
    pub(super) fn wants_header(&self) -> bool {
        matches!(self.form, Form::Headless)
    }

    /// Takes the header. An error is of the whole body.
    pub(super) fn take_header(&mut self, text: &[u8]) -> Result<(), Problem> {
        let table = Table::under(text)?;
        let names = table.names();
        match self.format {
            Format::Herald => herald_csv::check(names).map_err(|problem| in_header(&problem))?,
            Format::Onesignal => self.check(names, &onesignal::NEEDED, onesignal::takes)?,
            Format::Pinpoint => self.check(names, &pinpoint::NEEDED, pinpoint::takes)?,
        }
        self.form = Form::Rows(table);
        Ok(())
    }

    /// The columns of another system: those that are needed must be there, and what is not taken over is told.
    fn check(&mut self, names: &[String], needed: &[&str], takes: fn(&str) -> bool) -> Result<(), Problem> {
        if let Some(absent) = needed.iter().find(|needed| !names.iter().any(|name| name == *needed)) {
            return Err(in_header(&Problem::invalid_field(absent, "required", "is required")));
        }
        let is_in = |inner: &str, outer: &str| inner.strip_prefix(outer).is_some_and(|rest| rest.starts_with('.'));
        if let Some(outer) = names.iter().find(|outer| names.iter().any(|inner| is_in(inner, outer))) {
            return Err(in_header(&Problem::invalid_field(outer, "invalid", "cannot stand beside columns for its parts")));
        }
        self.left = names.iter().filter(|name| !takes(name)).cloned().collect();
        Ok(())
    }

    /// Reads a record that is not the header.
    pub(super) fn read(&mut self, text: &[u8]) -> Result<Reading<ImportLine>, Problem> {
        let members = match (&mut self.form, self.format) {
            (Form::Rows(table), format) => {
                let row = table.row(text)?;
                from_row(&row, format, &mut self.left)?
            }
            (_, Format::Pinpoint) => {
                let AnyValue(endpoint) = serde_json::from_slice(text).map_err(|error| Problem::bad_json(error.to_string()))?;
                pinpoint::members(&endpoint, &mut self.left)?
            }
            (_, Format::Herald | Format::Onesignal) => return json::read(text),
        };
        json::read(&members.to_json())
    }

    /// What was there and is not taken over.
    pub(super) fn left(&self) -> impl Iterator<Item = &str> {
        self.left.iter().map(String::as_str)
    }
}

fn from_row(row: &Row<'_>, format: Format, left: &mut BTreeSet<String>) -> Result<Members, Problem> {
    match format {
        Format::Herald => herald_csv::members(row),
        Format::Onesignal => onesignal::members(row),
        Format::Pinpoint => pinpoint::members(&pinpoint::endpoint(row), left),
    }
}
