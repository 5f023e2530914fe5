//! Rows to values and back: instants, ids, words and documents, with an error that names what could not be read.

use chrono::DateTime;
use serde::de::DeserializeOwned;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, Sqlite, Type};
use uuid::Uuid;

use super::super::{Error, Result};
use crate::domain::Timestamp;
use crate::domain::id::{CampaignId, NotificationId};

/// Microseconds since 1970.
pub(super) fn micros(at: Timestamp) -> i64 {
    at.timestamp_micros()
}

/// A length of time in microseconds; what no row will live to see is cut short.
pub(super) fn span(length: std::time::Duration) -> i64 {
    i64::try_from(length.as_micros()).unwrap_or(i64::MAX / 4)
}

/// The instant of so many microseconds, if a calendar has it.
pub(super) fn instant(micros: i64) -> Option<Timestamp> {
    DateTime::from_timestamp_micros(micros)
}

/// The cells of one row, read with errors that name table, column and row.
#[derive(Clone, Copy)]
pub(super) struct Cells<'r> {
    row: &'r SqliteRow,
    table: &'static str,
    key: usize,
}

impl<'r> Cells<'r> {
    /// A row of `table` whose key stands in cell `key`.
    pub(super) fn new(row: &'r SqliteRow, table: &'static str, key: usize) -> Self {
        Self { row, table, key }
    }

    /// The error for one of its columns.
    pub(super) fn unreadable(&self, column: &'static str) -> Error {
        let row = match self.row.try_get::<i64, _>(self.key) {
            Ok(number) => number.to_string(),
            Err(_) => self.row.try_get::<&[u8], _>(self.key).map(hex::encode).unwrap_or_default(),
        };
        Error::Unreadable { table: self.table, column, row }
    }

    /// A cell of any kind.
    pub(super) fn get<T: sqlx::Decode<'r, Sqlite> + Type<Sqlite>>(&self, index: usize, column: &'static str) -> Result<T> {
        self.row.try_get(index).map_err(|_| self.unreadable(column))
    }

    /// Whether a cell is null.
    pub(super) fn is_null(&self, index: usize) -> bool {
        use sqlx::ValueRef;
        self.row.try_get_raw(index).is_ok_and(|value| value.is_null())
    }

    /// A number that cannot be negative.
    pub(super) fn count<T: TryFrom<i64>>(&self, index: usize, column: &'static str) -> Result<T> {
        T::try_from(self.get::<i64>(index, column)?).map_err(|_| self.unreadable(column))
    }

    /// An instant.
    pub(super) fn instant(&self, index: usize, column: &'static str) -> Result<Timestamp> {
        instant(self.get(index, column)?).ok_or_else(|| self.unreadable(column))
    }

    /// An instant or nothing.
    pub(super) fn maybe_instant(&self, index: usize, column: &'static str) -> Result<Option<Timestamp>> {
        self.get::<Option<i64>>(index, column)?.map(|at| instant(at).ok_or_else(|| self.unreadable(column))).transpose()
    }

    /// An id.
    pub(super) fn id(&self, index: usize, column: &'static str) -> Result<Uuid> {
        let bytes: &[u8] = self.get(index, column)?;
        Uuid::from_slice(bytes).map_err(|_| self.unreadable(column))
    }

    /// An id or nothing.
    pub(super) fn maybe_id(&self, index: usize, column: &'static str) -> Result<Option<Uuid>> {
        let bytes = self.get::<Option<&[u8]>>(index, column)?;
        bytes.map(|bytes| Uuid::from_slice(bytes).map_err(|_| self.unreadable(column))).transpose()
    }

    /// A notification's id.
    pub(super) fn notification(&self, index: usize, column: &'static str) -> Result<NotificationId> {
        self.id(index, column).map(NotificationId)
    }

    /// A campaign's id or nothing.
    pub(super) fn maybe_campaign(&self, index: usize, column: &'static str) -> Result<Option<CampaignId>> {
        Ok(self.maybe_id(index, column)?.map(CampaignId))
    }

    /// A hash.
    pub(super) fn hash(&self, index: usize, column: &'static str) -> Result<[u8; 32]> {
        let bytes: &[u8] = self.get(index, column)?;
        bytes.try_into().map_err(|_| self.unreadable(column))
    }

    /// One of a set of words.
    pub(super) fn word<T>(&self, index: usize, column: &'static str, parse: fn(&str) -> Option<T>) -> Result<T> {
        parse(self.get(index, column)?).ok_or_else(|| self.unreadable(column))
    }

    /// One of a set of words, or nothing.
    pub(super) fn maybe_word<T>(&self, index: usize, column: &'static str, parse: fn(&str) -> Option<T>) -> Result<Option<T>> {
        self.get::<Option<&str>>(index, column)?.map(|text| parse(text).ok_or_else(|| self.unreadable(column))).transpose()
    }

    /// A document.
    pub(super) fn document<T: DeserializeOwned>(&self, index: usize, column: &'static str) -> Result<T> {
        serde_json::from_str(self.get(index, column)?).map_err(|_| self.unreadable(column))
    }

    /// A document, or nothing.
    pub(super) fn maybe_document<T: DeserializeOwned>(&self, index: usize, column: &'static str) -> Result<Option<T>> {
        self.get::<Option<&str>>(index, column)?.map(|text| serde_json::from_str(text).map_err(|_| self.unreadable(column))).transpose()
    }
}

/// A document as the store keeps it.
pub(super) fn to_document<T: serde::Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|error| Error::Refused(Box::new(error)))
}
