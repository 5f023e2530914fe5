//! A body, cut into records while it comes.

use std::pin::Pin;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::{Stream, StreamExt};

use crate::api::body::{Patience, unreadable};
use crate::api::problem::Problem;
use crate::domain::records::{Record, Records, Shape};

/// A body under way.
pub(super) struct Source {
    body: Pin<Box<dyn Stream<Item = Result<Bytes, axum::Error>> + Send>>,
    patience: Patience,
    records: Records,
}

impl Source {
    /// A body that comes slowly is waited for with so much patience.
    pub(super) fn new(body: Body, shape: Shape, patience: Duration) -> Self {
        Self { body: Box::pin(body.into_data_stream()), patience: Patience::new(patience), records: Records::new(shape) }
    }

    /// The next record that is not blank; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Record>, Problem> {
        let mut ended = false;
        loop {
            while let Some(record) = self.records.next_record() {
                if !record.is_blank() {
                    return Ok(Some(record));
                }
            }
            if ended {
                return Ok(None);
            }
            match self.patience.wait(self.body.next(), length).await? {
                Some(Err(_)) => return Err(unreadable()),
                Some(Ok(piece)) => self.records.push(&piece),
                None => {
                    self.records.end();
                    ended = true;
                }
            }
        }
    }
}

fn length(piece: &Result<Bytes, axum::Error>) -> usize {
    piece.as_ref().map_or(0, Bytes::len)
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;
    use crate::api::problem::Code;

    fn source(body: Body) -> Source {
        Source::new(body, Shape::Lines, Duration::from_millis(5))
    }

    #[tokio::test]
    async fn records_do_not_end_where_pieces_do() {
        let pieces = [b"a".as_slice(), b"b\nc", b"", b"\n \n\nd"].map(|piece| Ok::<_, std::io::Error>(Bytes::from_static(piece)));
        let mut source = source(Body::from_stream(stream::iter(pieces)));
        for (line, text) in [(1, "ab"), (2, "c"), (5, "d")] {
            assert_eq!(source.next().await.unwrap(), Some(Record { line, text: Ok(Bytes::from_static(text.as_bytes())) }));
        }
        assert_eq!(source.next().await.unwrap(), None);
        assert_eq!(source.next().await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_is_an_error() {
        let mut broken = source(Body::from_stream(stream::iter([Ok(Bytes::from_static(b"a\nb")), Err(std::io::Error::other("gone"))])));
        assert!(broken.next().await.unwrap().is_some());
        assert_eq!(broken.next().await.err().map(|problem| problem.code()), Some(Code::BadRequest));
        let stalled = Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>());
        assert_eq!(source(stalled).next().await.err().map(|problem| problem.code()), Some(Code::RequestTimeout));
    }
}
