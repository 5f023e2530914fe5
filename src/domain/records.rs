//! A stream cut into records: lines of NDJSON, or rows of CSV (RFC 4180), each with the line of the file at which it begins. What is held
//! at one time is bounded, whatever the stream.
//!
//! A quote that is never closed would swallow all that follows. So a row that has no end within [`MAX_RECORD`] costs its first line alone:
//! reading goes on at the next. Each such row costs another look at as many bytes, so after [`MAX_UNCLOSED`] of them no row goes on after its line.

use bytes::{Buf, Bytes, BytesMut};

/// A record, at most, in bytes.
pub const MAX_RECORD: usize = 64 * 1024;

/// After so many rows with a quote that is not closed, each line is a row.
pub const MAX_UNCLOSED: u32 = 100;

/// A record that has no end so far from its beginning is too long, in bytes.
const REACH: usize = MAX_RECORD + 2;

/// The mark that some programs put before UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Where a record ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// At the end of its line.
    Lines,
    /// At the end of a line that no quotes hold open.
    Csv,
}

/// What a record cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Its line has more than [`MAX_RECORD`] bytes.
    #[error("must have at most {MAX_RECORD} bytes")]
    TooLong,
    /// A quote opens in it, and none closes within [`MAX_RECORD`] bytes.
    #[error("has a quote that is not closed within {MAX_RECORD} bytes")]
    Unclosed,
}

impl Fault {
    /// Stable and machine-readable.
    pub fn code(self) -> &'static str {
        match self {
            Self::TooLong => "line_too_long",
            Self::Unclosed => "unclosed_quote",
        }
    }
}

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The line of the stream at which it begins, from 1; empty lines count.
    pub line: u64,
    /// It, without the end of its line.
    pub text: Result<Bytes, Fault>,
}

impl Record {
    /// Whether nothing is in it: such lines are passed over.
    pub fn is_blank(&self) -> bool {
        self.text.as_ref().is_ok_and(|text| text.iter().all(u8::is_ascii_whitespace))
    }
}

/// Inside a row of CSV.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Before the first byte of a cell: only here can a quote open.
    CellStart,
    /// In a cell without quotes, or behind its closing quote.
    Bare,
    /// Between quotes.
    Quoted,
    /// After a quote between quotes: closed, unless another follows.
    MaybeClosed,
}

/// A stream of which pieces come in, and records go out.
#[derive(Debug)]
pub struct Records {
    shape: Shape,
    held: BytesMut,
    /// Of what is held, so much was looked at.
    looked_at: usize,
    place: Place,
    /// Lines that end in what was looked at.
    line_ends: u64,
    /// The line is too long: what comes up to its end is passed over.
    skipping: bool,
    /// Rows with a quote that is not closed.
    unclosed: u32,
    /// The row that was looked at is one of them, and ends with its line.
    is_unclosed: bool,
    ended: bool,
    line: u64,
    consumed: u64,
}

impl Records {
    /// Before the first piece.
    pub fn new(shape: Shape) -> Self {
        Self {
            shape,
            held: BytesMut::new(),
            looked_at: 0,
            place: Place::CellStart,
            line_ends: 0,
            skipping: false,
            unclosed: 0,
            is_unclosed: false,
            ended: false,
            line: 1,
            consumed: 0,
        }
    }

    /// Goes on in the middle of a stream: so many bytes are behind, and the next begins this line.
    #[must_use]
    pub fn at(shape: Shape, consumed: u64, line: u64) -> Self {
        Self { line, consumed, ..Self::new(shape) }
    }

    /// Takes a piece.
    pub fn push(&mut self, piece: &[u8]) {
        self.held.extend_from_slice(piece);
    }

    /// Nothing follows: what is held is the last record.
    pub fn end(&mut self) {
        self.ended = true;
    }

    /// Bytes of the stream up to the end of the last record.
    pub fn consumed(&self) -> u64 {
        self.consumed
    }

    /// The line at which the next record begins.
    pub fn next_line(&self) -> u64 {
        self.line
    }

    /// The next record; `None`: it is not whole yet, or there is none.
    pub fn next_record(&mut self) -> Option<Record> {
        if self.consumed == 0 && self.looked_at == 0 && !self.skip_mark() {
            return None;
        }
        if let Some(end) = self.find_end() {
            return Some(self.take(end));
        }
        if self.held.len() >= REACH {
            return self.give_up();
        }
        if !self.ended || (self.held.is_empty() && !self.skipping) {
            return None;
        }
        if self.place == Place::Quoted && !self.skipping {
            return self.give_up();
        }
        self.line_ends += 1;
        Some(self.take(self.held.len()))
    }

    /// Passes over a byte order mark; whether enough is held to know.
    fn skip_mark(&mut self) -> bool {
        if self.held.starts_with(BYTE_ORDER_MARK) {
            self.drop_front(BYTE_ORDER_MARK.len());
        }
        self.ended || self.held.len() >= BYTE_ORDER_MARK.len() || !BYTE_ORDER_MARK.starts_with(&self.held)
    }

    /// Behind the end of the record that is held, if it is whole.
    fn find_end(&mut self) -> Option<usize> {
        let fresh = self.held.get(self.looked_at..).unwrap_or_default();
        if self.shape == Shape::Lines || self.skipping {
            let end = fresh.iter().position(|byte| *byte == b'\n');
            self.line_ends += u64::from(end.is_some());
            let behind = end.map(|end| self.looked_at + end + 1);
            self.looked_at = behind.unwrap_or(self.held.len());
            return behind;
        }
        for (offset, byte) in fresh.iter().enumerate().take(REACH - self.looked_at) {
            let held_open = self.place == Place::Quoted;
            self.place = after(self.place, *byte);
            if *byte == b'\n' {
                self.line_ends += 1;
                if !held_open || self.unclosed >= MAX_UNCLOSED {
                    self.looked_at += offset + 1;
                    self.is_unclosed = held_open;
                    return Some(self.looked_at);
                }
            }
        }
        self.looked_at = self.held.len().min(REACH);
        None
    }

    /// The record up to `end`.
    fn take(&mut self, end: usize) -> Record {
        let line = self.line;
        let is_too_long = std::mem::take(&mut self.skipping);
        self.line += self.line_ends;
        self.consumed += length(end);
        let mut text = self.held.split_to(end).freeze();
        self.start_over();
        for byte in [b'\n', b'\r'] {
            if text.last() == Some(&byte) {
                text.truncate(text.len() - 1);
            }
        }
        let text = if std::mem::take(&mut self.is_unclosed) {
            Err(Fault::Unclosed)
        } else if is_too_long || text.len() > MAX_RECORD {
            Err(Fault::TooLong)
        } else {
            Ok(text)
        };
        Record { line, text }
    }

    /// What is held is no record: of a row the first line is left out, of a long line all of it.
    fn give_up(&mut self) -> Option<Record> {
        let first_line = self.held.iter().take(REACH).position(|byte| *byte == b'\n').filter(|_| !self.skipping);
        let is_last = self.ended && self.held.len() < REACH;
        let Some(end) = first_line.or_else(|| is_last.then(|| self.held.len())) else {
            self.skipping = true;
            let end_of_line = self.held.iter().position(|byte| *byte == b'\n').unwrap_or(self.held.len());
            self.drop_front(end_of_line);
            return if self.held.is_empty() { None } else { self.next_record() };
        };
        let line = self.line;
        self.line += 1;
        self.unclosed += 1;
        self.drop_front((end + 1).min(self.held.len()));
        Some(Record { line, text: Err(Fault::Unclosed) })
    }

    fn drop_front(&mut self, bytes: usize) {
        self.consumed += length(bytes);
        self.held.advance(bytes);
        self.start_over();
    }

    fn start_over(&mut self) {
        (self.looked_at, self.place, self.line_ends) = (0, Place::CellStart, 0);
    }
}

fn length(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

/// Where a byte leads. A quote within a cell that began without one is a character like others.
fn after(place: Place, byte: u8) -> Place {
    match (place, byte) {
        (Place::Quoted, b'"') => Place::MaybeClosed,
        (Place::CellStart | Place::MaybeClosed, b'"') | (Place::Quoted, _) => Place::Quoted,
        (_, b',' | b'\n') => Place::CellStart,
        _ => Place::Bare,
    }
}

#[cfg(test)]
mod tests;
