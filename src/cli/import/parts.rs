//! A file, cut into requests of a bounded size. What is no record is not sent: the daemon would say the same of it.

use std::io::{Error, ErrorKind};

use bytes::{Bytes, BytesMut};
use tokio::fs::File;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncSeekExt};

use crate::domain::records::{Fault, Record, Records, Shape};

/// Records in a part, at most: what a lost connection costs to send again.
const RECORDS: usize = 10_000;
/// And bytes, at most.
const BYTES: usize = 8 * 1024 * 1024;
/// Bytes that are read at one time.
const PIECE: usize = 256 * 1024;

/// What is sent in one request.
#[derive(Debug)]
pub(super) struct Part {
    /// The request's body, with the header where there is one.
    pub(super) body: Bytes,
    /// Whether there is anything in it to send.
    pub(super) is_empty: bool,
    /// Records that are none, by the line of the file.
    pub(super) faults: Vec<(u64, Fault)>,
    /// Where it ends in the file, in bytes.
    pub(super) offset: u64,
    /// The line after it.
    pub(super) next_line: u64,
    /// Lines of the body at which records begin, with those of the file.
    lines: Vec<(u64, u64)>,
}

impl Part {
    /// The line of the file that a line of the body is.
    pub(super) fn line_of(&self, line: u64) -> u64 {
        let behind = self.lines.partition_point(|(of_body, _)| *of_body <= line);
        let before = behind.checked_sub(1).and_then(|place| self.lines.get(place));
        before.map_or(line, |(of_body, of_file)| of_file + (line - of_body))
    }
}

/// A file under way.
pub(super) struct Parts<R> {
    reader: R,
    records: Records,
    /// The header, which each part begins with.
    header: Option<Bytes>,
    ended: bool,
}

impl<R: AsyncRead + Unpin> Parts<R> {
    /// From the beginning.
    pub(super) async fn new(reader: R, shape: Shape) -> std::io::Result<Self> {
        let mut parts = Self { reader, records: Records::new(shape), header: None, ended: false };
        if shape == Shape::Csv {
            let header = parts.record().await?.map(|record| record.text).transpose();
            parts.header = header.map_err(|fault| Error::new(ErrorKind::InvalidData, format!("the header {fault}")))?;
        }
        Ok(parts)
    }

    /// The next part; `None` at the end.
    pub(super) async fn next(&mut self) -> std::io::Result<Option<Part>> {
        let mut body = BytesMut::new();
        body.extend(self.header.iter().flat_map(|header| header.iter().chain(b"\n")));
        let mut line = 1 + newlines(&body);
        let (mut lines, mut faults) = (Vec::new(), Vec::new());
        while lines.len() + faults.len() < RECORDS && body.len() < BYTES {
            let Some(record) = self.record().await? else { break };
            match record.text {
                Err(fault) => faults.push((record.line, fault)),
                Ok(text) => {
                    lines.push((line, record.line));
                    line += 1 + newlines(&text);
                    body.extend_from_slice(&text);
                    body.extend_from_slice(b"\n");
                }
            }
        }
        if lines.is_empty() && faults.is_empty() {
            return Ok(None);
        }
        let (offset, next_line) = (self.records.consumed(), self.records.next_line());
        Ok(Some(Part { body: body.freeze(), is_empty: lines.is_empty(), faults, offset, next_line, lines }))
    }

    /// The next record that is not blank.
    async fn record(&mut self) -> std::io::Result<Option<Record>> {
        loop {
            while let Some(record) = self.records.next_record() {
                if !record.is_blank() {
                    return Ok(Some(record));
                }
            }
            if self.ended {
                return Ok(None);
            }
            let mut piece = BytesMut::with_capacity(PIECE);
            if self.reader.read_buf(&mut piece).await? == 0 {
                self.ended = true;
                self.records.end();
            }
            self.records.push(&piece);
        }
    }
}

impl<'f> Parts<&'f mut File> {
    /// A file from this byte on, which begins this line; its header is at the beginning all the same.
    pub(super) async fn from_file(file: &'f mut File, shape: Shape, (offset, line): (u64, u64)) -> std::io::Result<Self> {
        let mut parts = Self::new(file, shape).await?;
        if offset > 0 {
            parts.reader.seek(std::io::SeekFrom::Start(offset)).await?;
            (parts.records, parts.ended) = (Records::at(shape, offset, line), false);
        }
        Ok(parts)
    }
}

fn newlines(text: &[u8]) -> u64 {
    text.iter().map(|byte| u64::from(*byte == b'\n')).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_of_a_part_are_found_in_the_file() {
        let text = "a,\"b\nc\"\n1,\"x\ny\"\n\n\n2,z\n\"open,\n3,w\n";
        let part = Parts::new(text.as_bytes(), Shape::Csv).await.unwrap().next().await.unwrap().unwrap();
        assert_eq!(part.body, "a,\"b\nc\"\n1,\"x\ny\"\n2,z\n3,w\n");
        assert_eq!([3, 5, 6].map(|line| part.line_of(line)), [3, 7, 9]);
        assert_eq!((part.faults.as_slice(), part.next_line), (&[(8, Fault::Unclosed)][..], 10));
        assert_eq!(usize::try_from(part.offset).unwrap(), text.len());
    }

    /// What follows it would be taken for the header.
    #[tokio::test]
    async fn a_faulty_header_is_an_error() {
        for (text, expected) in [("\"device_id,token\nd1,t1\n".to_owned(), "a quote"), (format!("{}\nd1\n", "x".repeat(70_000)), "at most")]
        {
            let error = Parts::new(text.as_bytes(), Shape::Csv).await.err().unwrap().to_string();
            assert!(error.starts_with("the header ") && error.contains(expected), "{error}");
        }
    }

    #[tokio::test]
    async fn parts_together_are_the_file() {
        let text: String = (0..25_000).map(|n| n.to_string() + "\n").collect();
        let mut parts = Parts::new(text.as_bytes(), Shape::Lines).await.unwrap();
        let mut sent = Vec::new();
        let mut ends = Vec::new();
        while let Some(part) = parts.next().await.unwrap() {
            sent.extend_from_slice(&part.body);
            ends.push((part.next_line, part.line_of(1)));
        }
        assert_eq!(ends, [(10_001, 1), (20_001, 10_001), (25_001, 20_001)]);
        assert!(sent == text.as_bytes());
    }
}
