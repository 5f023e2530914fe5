//! Rows to values, with an error that names what could not be read.

use chrono::DateTime;
use serde::de::DeserializeOwned;
use sqlx::postgres::PgRow;
use sqlx::{Postgres, Row, Type};
use uuid::Uuid;

use super::super::{Error, Result};
use crate::domain::Timestamp;
use crate::domain::id::{CampaignId, NotificationId};

/// The cells of one row, read with errors that name table, column and row.
#[derive(Clone, Copy)]
pub(super) struct Cells<'r> {
    row: &'r PgRow,
    table: &'static str,
    key: usize,
}

impl<'r> Cells<'r> {
    /// A row of `table` whose key stands in cell `key`.
    pub(super) fn new(row: &'r PgRow, table: &'static str, key: usize) -> Self {
        Self { row, table, key }
    }

    /// The error for one of its columns.
    pub(super) fn unreadable(&self, column: &'static str) -> Error {
        let row = match self.row.try_get::<i64, _>(self.key) {
            Ok(number) => number.to_string(),
            Err(_) => self.row.try_get::<Uuid, _>(self.key).map(|id| id.simple().to_string()).unwrap_or_default(),
        };
        Error::Unreadable { table: self.table, column, row }
    }

    /// A cell of any kind.
    pub(super) fn get<T: sqlx::Decode<'r, Postgres> + Type<Postgres>>(&self, index: usize, column: &'static str) -> Result<T> {
        self.row.try_get(index).map_err(|_| self.unreadable(column))
    }

    /// Whether a cell is null.
    pub(super) fn is_null(&self, index: usize) -> bool {
        use sqlx::ValueRef;
        self.row.try_get_raw(index).is_ok_and(|value| value.is_null())
    }

    /// A `bigint` that cannot be negative.
    pub(super) fn count<T: TryFrom<i64>>(&self, index: usize, column: &'static str) -> Result<T> {
        T::try_from(self.get::<i64>(index, column)?).map_err(|_| self.unreadable(column))
    }

    /// An `integer` that cannot be negative.
    pub(super) fn small<T: TryFrom<i32>>(&self, index: usize, column: &'static str) -> Result<T> {
        T::try_from(self.get::<i32>(index, column)?).map_err(|_| self.unreadable(column))
    }

    /// An instant.
    pub(super) fn instant(&self, index: usize, column: &'static str) -> Result<Timestamp> {
        self.get(index, column)
    }

    /// An instant or nothing.
    pub(super) fn maybe_instant(&self, index: usize, column: &'static str) -> Result<Option<Timestamp>> {
        self.get(index, column)
    }

    /// A notification's id.
    pub(super) fn notification(&self, index: usize, column: &'static str) -> Result<NotificationId> {
        self.get(index, column).map(NotificationId)
    }

    /// A campaign's id or nothing.
    pub(super) fn maybe_campaign(&self, index: usize, column: &'static str) -> Result<Option<CampaignId>> {
        Ok(self.get::<Option<Uuid>>(index, column)?.map(CampaignId))
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

    /// A document, selected as text.
    pub(super) fn document<T: DeserializeOwned>(&self, index: usize, column: &'static str) -> Result<T> {
        serde_json::from_str(self.get(index, column)?).map_err(|_| self.unreadable(column))
    }

    /// A document, selected as text, or nothing.
    pub(super) fn maybe_document<T: DeserializeOwned>(&self, index: usize, column: &'static str) -> Result<Option<T>> {
        self.get::<Option<&str>>(index, column)?.map(|text| serde_json::from_str(text).map_err(|_| self.unreadable(column))).transpose()
    }
}

/// The instant of a place in a list, from its microseconds since 1970. The server's calendar is not as long as ours.
pub(super) fn listed_at(micros: i64) -> Result<Timestamp> {
    DateTime::from_timestamp_micros(micros).filter(|_| micros >= 0).ok_or(Error::ForeignCursor)
}

/// A document as text, to be bound with a cast to `json` or `jsonb`.
pub(super) fn to_document<T: serde::Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|error| Error::Refused(Box::new(error)))
}
