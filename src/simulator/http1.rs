//! HTTP/1.1, which Google's endpoints speak as well. It has no streams: every fault but a stall
//! closes the connection.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::body::MAX_BODY;
use super::look_alike::{Arrived, Ending, LookAlike, Verdict};

/// Serves a connection until it ends.
pub(super) async fn serve<L: LookAlike>(look_alike: Arc<L>, io: TlsStream<TcpStream>) -> Result<(), hyper::Error> {
    let memory = Mutex::new(L::Connection::default());
    let service = service_fn(|request| answer(&*look_alike, &memory, request));
    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(io), service).await
}

/// The connection is to be closed without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the connection is closed on purpose")]
struct Cut;

async fn answer<L: LookAlike>(
    look_alike: &L,
    memory: &Mutex<L::Connection>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Cut> {
    let (parts, body) = request.into_parts();
    let body = Limited::new(body, MAX_BODY).collect().await;
    let arrived = Arrived { parts, body: body.map_err(|_| Cut)?.to_bytes(), received_ms: look_alike.now_ms() };
    let verdict = {
        let mut memory = memory.lock().unwrap_or_else(PoisonError::into_inner);
        look_alike.receive(&mut memory, arrived)
    };
    tokio::time::sleep(verdict.delay).await;
    end(look_alike, verdict).await
}

async fn end<L: LookAlike>(look_alike: &L, verdict: Verdict) -> Result<Response<Full<Bytes>>, Cut> {
    if let Some(booking) = verdict.booking {
        look_alike.book().enter(booking);
    }
    match verdict.ending {
        Ending::Answer(answer) => Ok(answer.head.map(|()| Full::new(answer.body))),
        Ending::Goaway | Ending::Reset | Ending::ResetConnection => Err(Cut),
        Ending::Stall => match std::future::pending::<Infallible>().await {},
    }
}
