//! HTTP/1.1 on one connection, for peers that speak nothing newer: one request at a time, kept alive between them.

use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::HOST;
use http::{HeaderValue, Request, Uri, Version};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::time::timeout;

use super::connection::{Connection, Pulse};
use super::error::{ConnectError, Error};
use super::exchange::{Answer, Failure};
use super::pool::Limits;
use super::shared::Shared;
use super::wire::Wire;

/// The peer's status line and header fields, in bytes.
const HEADER_BYTES: usize = 16 * 1024;

/// What drives the connection.
pub(super) type Link = http1::Connection<TokioIo<Wire>, Full<Bytes>>;

/// The way to the connection, where no request has it. One that was given up takes it along, and the connection ends: an answer
/// that comes too late must not be taken for the next one's.
pub(super) struct Turn(Mutex<Option<http1::SendRequest<Full<Bytes>>>>);

impl Turn {
    fn take(&self) -> Option<http1::SendRequest<Full<Bytes>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn give_back(&self, sender: http1::SendRequest<Full<Bytes>>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender);
    }
}

/// Begins to speak. Nothing is sent yet.
pub(super) async fn begin(wire: Wire) -> Result<(Turn, Link), ConnectError> {
    let made = http1::Builder::new().max_buf_size(HEADER_BYTES).handshake(TokioIo::new(wire)).await;
    let (sender, link) = made.map_err(ConnectError::Http1)?;
    Ok((Turn(Mutex::new(Some(sender))), link))
}

/// Sends and receives. Dropped early, the connection ends.
pub(super) async fn run(
    connection: &Connection,
    turn: &Turn,
    request: Request<()>,
    body: Bytes,
    limits: &Limits,
) -> Result<Answer, Failure> {
    let most = limits.answer_bytes;
    let request = origin_form(request, body).ok_or(Failure::Final(Error::Malformed))?;
    let Some(mut sender) = turn.take() else { return Err(Failure::GoingAway { sent: false }) };
    if sender.ready().await.is_err() {
        return Err(Failure::GoingAway { sent: false });
    }
    let sending = sender.try_send_request(request);
    let answered = sending.await.map_err(|mut error| match error.take_message() {
        Some(_) => Failure::GoingAway { sent: false },
        None => Failure::Gone(Error::Lost),
    });
    let (head, body) = answered?.into_parts();
    let body = match Limited::new(body, most).collect().await {
        Ok(body) => {
            turn.give_back(sender);
            body.to_bytes()
        }
        // what is left of it stays unread, so the connection ends
        Err(error) if error.is::<LengthLimitError>() && limits.cuts_answers => Bytes::new(),
        Err(error) if error.is::<LengthLimitError>() => return Err(Failure::Gone(Error::AnswerTooLarge(most))),
        Err(_) => return Err(Failure::Gone(Error::Lost)),
    };
    Ok(Answer { status: head.status, headers: head.headers, body, connection: connection.mark })
}

/// RFC 9112, 3.2.1: the path alone, with the host beside it.
fn origin_form(request: Request<()>, body: Bytes) -> Option<Request<Full<Bytes>>> {
    let (mut head, ()) = request.into_parts();
    let host = HeaderValue::try_from(head.uri.authority()?.as_str()).ok()?;
    head.uri = Uri::from(head.uri.path_and_query()?.clone());
    head.version = Version::HTTP_11;
    head.headers.insert(HOST, host);
    Some(Request::from_parts(head, Full::new(body)))
}

/// Runs a connection to its end. How it ended, where that was no ordinary end.
pub(super) async fn drive(shared: &Arc<Shared>, id: u64, link: Box<Link>, pulse: &Pulse) -> Option<String> {
    let mut run = pin!(link);
    let ended = tokio::select! {
        biased;
        ended = &mut run => ended,
        () = let_go(shared, id, pulse) => run.await,
    };
    ended.err().map(|error| error.to_string())
}

/// Returns once nothing new comes to the connection: it had nothing to do for long, or the pool is at its end.
async fn let_go(shared: &Arc<Shared>, id: u64, pulse: &Pulse) {
    let mut heard = pulse.beats();
    loop {
        // without a limit, for as long as the process can live
        let idle = shared.limits().idle.unwrap_or(Duration::MAX);
        if timeout(idle, shared.cancelled()).await.is_ok() {
            return shared.close();
        }
        if shared.under_way(id) == 0 && pulse.beats() == heard {
            return shared.retire(id);
        }
        heard = pulse.beats();
    }
}
