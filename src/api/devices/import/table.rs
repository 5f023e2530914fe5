//! Rows of CSV (RFC 4180) under a header.

use csv_core::{ReadRecordResult, Reader};

use crate::api::problem::Problem;
use crate::dispatch::draft::FieldError;

/// Columns, at most.
const MAX_COLUMNS: usize = 1000;

/// What names the cells of a row.
pub(super) struct Table {
    names: Vec<String>,
    cells: Vec<u8>,
    ends: Vec<usize>,
}

/// A row: its cells by the names of their columns. An empty cell is absent.
pub(super) struct Row<'t> {
    names: &'t [String],
    cells: Vec<&'t str>,
}

impl Table {
    /// The table that a header begins. An error is of the whole body.
    pub(super) fn under(header: &[u8]) -> Result<Self, Problem> {
        let mut table = Self { names: Vec::new(), cells: Vec::new(), ends: Vec::new() };
        let names: Vec<String> =
            table.cells(header).map_err(|problem| in_header(&problem))?.into_iter().map(|name| name.trim().to_owned()).collect();
        for (place, name) in names.iter().enumerate() {
            if name.is_empty() {
                return Err(in_header(&Problem::invalid_field("", "bad_csv", format!("has no name for column {}", place + 1))));
            }
            if names.iter().take(place).any(|other| other == name) {
                return Err(in_header(&Problem::invalid_field("", "bad_csv", format!("names column {} as one before it", place + 1))));
            }
        }
        Ok(Self { names, ..table })
    }

    /// The names of its columns.
    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    /// Reads a row.
    pub(super) fn row(&mut self, text: &[u8]) -> Result<Row<'_>, Problem> {
        let columns = self.names.len();
        let found = self.read(text)?;
        if found != columns {
            return Err(bad_csv(format!("has {found} cells, where the header has {columns}")));
        }
        Ok(Row { names: &self.names, cells: self.held(found)? })
    }

    fn cells(&mut self, text: &[u8]) -> Result<Vec<&str>, Problem> {
        let found = self.read(text)?;
        self.held(found)
    }

    /// Takes a row apart; how many cells it has.
    fn read(&mut self, text: &[u8]) -> Result<usize, Problem> {
        self.cells.resize(text.len(), 0);
        self.ends.resize(MAX_COLUMNS, 0);
        let mut reader = Reader::new();
        let (result, taken, written, ends) = reader.read_record(text, &mut self.cells, &mut self.ends);
        let (rest, free) = (self.cells.get_mut(written..), self.ends.get_mut(ends..));
        let (Some(rest), Some(free)) = (rest, free) else { return Err(bad_csv("cannot be read")) };
        match result {
            // an empty piece tells that nothing follows
            ReadRecordResult::InputEmpty => match reader.read_record(&[], rest, free) {
                (ReadRecordResult::Record, _, _, more) => Ok(ends + more),
                _ => Err(bad_csv(format!("has more than {MAX_COLUMNS} cells"))),
            },
            ReadRecordResult::OutputEndsFull => Err(bad_csv(format!("has more than {MAX_COLUMNS} cells"))),
            ReadRecordResult::Record if taken == text.len() => Ok(ends),
            ReadRecordResult::Record | ReadRecordResult::OutputFull | ReadRecordResult::End => {
                Err(bad_csv("has a carriage return outside of quotes"))
            }
        }
    }

    /// The cells of the row that was read last.
    fn held(&self, cells: usize) -> Result<Vec<&str>, Problem> {
        let ends = self.ends.get(..cells).unwrap_or_default();
        let begins = std::iter::once(0).chain(ends.iter().copied());
        let cell = |(begin, end): (usize, &usize)| std::str::from_utf8(self.cells.get(begin..*end)?).ok();
        begins.zip(ends).map(cell).collect::<Option<_>>().ok_or_else(|| bad_csv("is not UTF-8"))
    }
}

impl<'t> Row<'t> {
    /// A cell by its column's name.
    pub(super) fn get(&self, name: &str) -> Option<&'t str> {
        let place = self.names.iter().position(|other| other == name)?;
        self.cells.get(place).copied().filter(|cell| !cell.is_empty())
    }

    /// The cells that are not empty, each with its column's name.
    pub(super) fn cells(&self) -> impl Iterator<Item = (&'t str, &'t str)> {
        self.names.iter().map(String::as_str).zip(self.cells.iter().copied()).filter(|(_, cell)| !cell.is_empty())
    }
}

fn bad_csv(message: impl Into<String>) -> Problem {
    Problem::invalid_field("", "bad_csv", message)
}

/// The same problem, of the header.
pub(super) fn in_header(problem: &Problem) -> Problem {
    let of_header = |error: &FieldError| {
        let field = if error.field.is_empty() { "header".to_owned() } else { format!("header.{}", error.field) };
        FieldError { field, ..error.clone() }
    };
    Problem::invalid(problem.errors().iter().map(of_header).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(header: &str, row: &[u8]) -> Result<Vec<(String, String)>, String> {
        let mut table = Table::under(header.as_bytes()).map_err(|problem| problem.detail().to_owned())?;
        let row = table.row(row).map_err(|problem| problem.detail().to_owned())?;
        Ok(row.cells().map(|(name, cell)| (name.to_owned(), cell.to_owned())).collect())
    }

    #[test]
    fn a_row_is_taken_apart() {
        let cells = |pairs: &[(&str, &str)]| Ok(pairs.iter().map(|(name, cell)| ((*name).to_owned(), (*cell).to_owned())).collect());
        assert_eq!(rows("a, b ,c", b"1,,3"), cells(&[("a", "1"), ("c", "3")]));
        assert_eq!(rows("a,b", b"\"x\ny\",\"say \"\"hi\"\", then\""), cells(&[("a", "x\ny"), ("b", "say \"hi\", then")]));
        assert_eq!(rows("\"a\"", "é".as_bytes()), cells(&[("a", "é")]));
        assert_eq!(rows("a,b", b"\"\",x\"y"), cells(&[("b", "x\"y")]));
    }

    #[test]
    fn what_is_no_row_is_told() {
        for (header, row, expected) in [
            ("a,b", b"1".as_slice(), "the body has 1 cells, where the header has 2"),
            ("a,b", b"1,2,3", "the body has 3 cells, where the header has 2"),
            ("a,b", b"\xc3,\xa9", "the body is not UTF-8"),
            ("a,b", b"1,2\r3", "the body has a carriage return outside of quotes"),
            ("a", &b",".repeat(2000), "the body has more than 1000 cells"),
            ("a,a", b"1,2", "header: names column 2 as one before it"),
            ("a,,b", b"1,2,3", "header: has no name for column 2"),
        ] {
            assert_eq!(rows(header, row).unwrap_err(), expected);
        }
    }
}
