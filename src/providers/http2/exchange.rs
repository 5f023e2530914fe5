//! One request on one stream.

use bytes::{Bytes, BytesMut};
use h2::{Reason, RecvStream};
use http::{HeaderMap, Request, StatusCode};

use super::connection::{Connection, Mark, Way};
use super::error::Error;
use super::http1;
use super::pool::Limits;

/// A whole answer.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The header fields.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// The connection it came by.
    pub connection: Mark,
}

/// A stream without an answer.
pub(super) enum Failure {
    /// The peer did not look at it and takes no new streams on this connection; most find out before they are `sent`.
    GoingAway { sent: bool },
    /// The connection takes no such request, or has used up its 2^30 streams.
    Unsendable,
    /// The peer did not look at it.
    Refused,
    /// The connection is gone.
    Gone(Error),
    /// This stream only.
    Final(Error),
}

/// Sends and receives. Dropped early, the stream is reset with CANCEL and its connection goes on; one of HTTP/1.1 ends.
pub(super) async fn run(connection: &Connection, request: Request<()>, body: Bytes, limits: &Limits) -> Result<Answer, Failure> {
    let sender = match &connection.way {
        Way::Streams(sender) => sender,
        Way::Turns(turn) => return http1::run(connection, turn, request, body, limits).await,
    };
    let (response, _stream) = {
        // a handle remembers its last stream while that waits to be opened, and refuses the next: each request has its own
        let mut sender = sender.clone();
        let bare = body.is_empty();
        let (response, mut stream) = sender.send_request(request, bare).map_err(|error| not_sent(&error))?;
        if !bare && stream.send_data(body, true).is_err() {
            // the stream has just ended, and the response says why
        }
        (response, stream)
    };
    let (head, mut stream) = response.await.map_err(|error| broken(&error))?.into_parts();
    let body = if stream.is_end_stream() { Bytes::new() } else { read(&mut stream, limits).await? };
    Ok(Answer { status: head.status, headers: head.headers, body, connection: connection.mark })
}

async fn read(stream: &mut RecvStream, limits: &Limits) -> Result<Bytes, Failure> {
    let most = limits.answer_bytes;
    let mut body = Bytes::new();
    let mut more = BytesMut::new();
    while let Some(chunk) = stream.data().await {
        let chunk = chunk.map_err(|error| broken(&error))?;
        if stream.flow_control().release_capacity(chunk.len()).is_err() {
            return Err(Failure::Final(Error::Lost));
        }
        if body.len() + more.len() + chunk.len() > most {
            if limits.cuts_answers {
                break;
            }
            return Err(Failure::Final(Error::AnswerTooLarge(most)));
        }
        if body.is_empty() && more.is_empty() {
            body = chunk;
        } else {
            if more.is_empty() {
                more.extend_from_slice(&std::mem::take(&mut body));
            }
            more.extend_from_slice(&chunk);
        }
    }
    Ok(if more.is_empty() { body } else { more.freeze() })
}

/// The request never reached the wire.
fn not_sent(error: &h2::Error) -> Failure {
    if error.is_io() || error.is_go_away() { Failure::GoingAway { sent: false } } else { Failure::Unsendable }
}

/// RFC 9113, 6.8 and 8.7: a stream above GOAWAY's last one and a refused stream were not processed; of others nobody knows.
/// h2 gives a stream the peer's GOAWAY as its error only if it is above the last one.
fn broken(error: &h2::Error) -> Failure {
    if error.is_go_away() && error.is_remote() {
        return Failure::GoingAway { sent: true };
    }
    match error.reason() {
        Some(Reason::REFUSED_STREAM) if error.is_reset() && error.is_remote() => Failure::Refused,
        Some(reason) if error.is_reset() => Failure::Final(Error::Reset(reason)),
        _ => Failure::Gone(Error::Lost),
    }
}
