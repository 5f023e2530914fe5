//! A request and its answer between hyper and the routes, with what must be known of them until the last byte is gone.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::Router;
use axum::body::Body;
use axum::response::IntoResponse;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::header::{CONNECTION, HOST, TRANSFER_ENCODING};
use http::{HeaderValue, Request, Response, Version};
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::service::Service;
use tower::Service as _;

use super::link::{Link, Piece, Running, Timeouts};
use crate::api::load::{Held, Permit};
use crate::api::peer::Peer;
use crate::api::problem::{Code, Problem};

/// Asks the routes for the requests of one connection.
pub(super) struct Asking {
    pub(super) router: Router,
    pub(super) link: Arc<Link>,
    pub(super) peer: Peer,
    pub(super) timeouts: Timeouts,
    /// Whether the peer brings the requests of many.
    pub(super) is_proxy: bool,
}

/// Whether it is clear to whom it goes: HTTP/1.1 names one host (RFC 9112, 3.2).
fn has_host<T>(request: &Request<T>) -> bool {
    request.version() != Version::HTTP_11 || request.headers().get_all(HOST).iter().count() == 1
}

impl Service<Request<Incoming>> for Asking {
    type Response = Response<Answer>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let running = self.link.begin();
        let ends = self.is_proxy && request.headers().contains_key(TRANSFER_ENCODING);
        let has_host = has_host(&request);
        let link = Arc::clone(&self.link);
        let mut request = request.map(|body| Body::new(Counted { body, link }));
        request.extensions_mut().insert(self.peer);
        let asked = self.router.clone().call(request);
        let (link, timeouts) = (Arc::clone(&self.link), self.timeouts);
        Box::pin(async move {
            let mut response = if has_host {
                asked.await.unwrap_or_else(|never| match never {})
            } else {
                Problem::new(Code::BadRequest, "a request names one host").into_response()
            };
            if ends {
                // hyper hides a Content-Length that came beside it: what a proxy took for the body may be told apart otherwise here, and
                // must not become somebody else's request (RFC 9112, 6.1)
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            running.answers();
            let permit = response.extensions_mut().remove::<Permit>();
            let until_sent = Arc::new(UntilSent { link, permit, timeouts, _running: running });
            let waiting = Some(until_sent.wait(0));
            Ok(response.map(|body| Answer { body, until_sent, waiting }))
        })
    }
}

/// A request's body whose bytes are counted.
struct Counted {
    body: Incoming,
    link: Arc<Link>,
}

impl HttpBody for Counted {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if let Some(Ok(frame)) = &frame {
            self.link.delivers(frame.data_ref().map_or(0, Bytes::len));
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// What lives as long as there is something to send.
struct UntilSent {
    link: Arc<Link>,
    permit: Option<Permit>,
    timeouts: Timeouts,
    _running: Running,
}

/// An answer's body, whose pieces know when they were sent.
pub(super) struct Answer {
    body: Body,
    until_sent: Arc<UntilSent>,
    /// While it is the peer that is waited for: with HTTP/2 nothing is asked of the body before there is room in its window.
    waiting: Option<Piece>,
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.waiting = None;
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if let Some(Ok(frame)) = &frame {
            self.waiting = Some(self.until_sent.wait(frame.data_ref().map_or(0, Bytes::len)));
        }
        Poll::Ready(frame.map(|frame| frame.map(|frame| frame.map_data(|bytes| self.until_sent.watch(bytes)))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl UntilSent {
    /// The peer is to take so many bytes.
    fn wait(&self, bytes: usize) -> Piece {
        self.link.owe(bytes, self.timeouts)
    }

    fn watch(self: &Arc<Self>, bytes: Bytes) -> Bytes {
        if bytes.is_empty() {
            return bytes;
        }
        let piece = self.wait(bytes.len());
        let held = self.permit.as_ref().map(|permit| permit.answers(bytes.len()));
        Bytes::from_owner(Watched { bytes, _piece: piece, _held: held, _until_sent: Arc::clone(self) })
    }
}

/// A piece of an answer.
struct Watched {
    bytes: Bytes,
    _piece: Piece,
    _held: Option<Held>,
    _until_sent: Arc<UntilSent>,
}

impl AsRef<[u8]> for Watched {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}
