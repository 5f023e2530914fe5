//! The pool against a peer that writes its own frames. Nothing here waits for time to pass but the deadlines themselves.

mod connecting;
mod older;
mod peer;
mod proxying;
mod storm;
mod streams;

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Version};
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use self::peer::{Link, Peer};
use super::*;
use crate::providers::Context;
use crate::providers::testing::{Authority, TestClock, context};

/// Longer than any test takes.
const LONG: Duration = Duration::from_secs(20);
/// Shorter than anybody waits.
const SHORT: Duration = Duration::from_millis(250);

struct Setup {
    authority: Authority,
    context: Context,
}

/// A request under way.
type Sending = AbortOnDropHandle<Result<Answer, Error>>;

impl Setup {
    fn new() -> Self {
        Self { authority: Authority::new(), context: context(&TestClock::new()) }
    }

    /// For a peer that may speak HTTP/1.1.
    fn older_pool(&self, url: &str, limits: Limits) -> Pool {
        Pool::new(Origin::parse(url).unwrap(), client_config_with_http1(Some(self.authority.path())).unwrap(), limits, &self.context)
    }

    fn pool(&self, url: &str, limits: Limits) -> Pool {
        Pool::new(Origin::parse(url).unwrap(), client_config(Some(self.authority.path())).unwrap(), limits, &self.context)
    }

    fn send(&self, pool: &Pool) -> Sending {
        self.send_within(pool, Want::any(), LONG)
    }

    /// A connection that has carried stream 1 already.
    async fn warm(&self, peer: &Peer, pool: &Pool, streams: u32) -> Link {
        let sending = self.send(pool);
        let mut link = peer.accept(streams).await;
        assert_eq!(link.request().await, 1);
        link.answer(1).await;
        ok(sending).await;
        link
    }

    fn send_within(&self, pool: &Pool, want: Want, within: Duration) -> Sending {
        let pool = pool.clone();
        let uri = pool.origin().uri("/3/device/ab".parse().unwrap()).unwrap();
        let head = move || {
            let request = Request::builder().method(Method::POST).version(Version::HTTP_2).uri(uri.clone());
            Some(request.body(()).unwrap())
        };
        let deadline = Instant::now() + within;
        let send = async move { pool.send(head, Bytes::from_static(b"{}"), want, deadline).await };
        AbortOnDropHandle::new(self.context.tasks.spawn(send))
    }
}

fn one_connection() -> Limits {
    Limits { connections: 1, ..Limits::default() }
}

async fn ok(sending: Sending) -> Answer {
    sending.await.unwrap().unwrap()
}

async fn failed(sending: Sending) -> Error {
    sending.await.unwrap().unwrap_err()
}
