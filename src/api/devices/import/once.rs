//! An import with an `Idempotency-Key`. Whether its body came before is known only at its end: so the key is looked up first, and where it is
//! used already the body is read without taking anything of it.

use std::sync::Arc;

use aws_lc_rs::digest::{Context, SHA256};
use axum::Json;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::StreamExt;
use http::header::CONTENT_TYPE;
use parking_lot::Mutex;

use super::answer::ImportResponse;
use super::source::Source;
use super::steps::ROOM;
use crate::api::load::Permit;
use crate::api::problem::Problem;
use crate::api::{Api, idempotency};
use crate::store::engine::{IdempotencyKey, Submission, Verdict};

/// The route in a key.
pub(super) const ROUTE: &str = "devices/import";

/// The hash of a body that is still being read.
#[derive(Clone)]
pub(super) struct Sum(Arc<Mutex<Context>>);

impl Sum {
    /// Of what this body will have been, and of how it is read: a look at a file is not the file's import.
    pub(super) fn of(body: Body, how: &str) -> (Self, Body) {
        let mut context = Context::new(&SHA256);
        context.update(how.as_bytes());
        context.update(b"\n");
        let sum = Self(Arc::new(Mutex::new(context)));
        let of_pieces = sum.clone();
        let pieces = body.into_data_stream().inspect(move |piece| {
            if let Ok(piece) = piece {
                of_pieces.0.lock().update(piece);
            }
        });
        (sum, Body::from_stream(pieces))
    }

    /// The key of this body, once it was read.
    fn key(&self, mut key: IdempotencyKey) -> IdempotencyKey {
        let hash = self.0.lock().clone().finish();
        key.body_hash.copy_from_slice(hash.as_ref());
        key
    }
}

/// What was answered under a key that is used already, if it was to this body.
pub(super) async fn again(api: &Api, key: IdempotencyKey, sum: &Sum, (permit, mut source): (&Permit, Source)) -> Result<Response, Problem> {
    let _room = permit.hold(ROOM)?;
    while source.next().await?.is_some() {}
    match idempotency::stands(api, &sum.key(key)).await? {
        idempotency::Stands::Same(answer) => Ok(replayed(answer)),
        idempotency::Stands::Other => Err(idempotency::reused()),
        // it was forgotten while the body came
        idempotency::Stands::New(_) => Err(idempotency::in_progress()),
    }
}

/// Remembers what is answered to the body under its key.
pub(super) async fn remember(api: &Api, key: IdempotencyKey, sum: &Sum, answer: ImportResponse) -> Result<Response, Problem> {
    let bytes = Bytes::from(serde_json::to_vec(&answer).map_err(|error| Problem::internal(&error))?);
    let submission = Submission { key: Some(sum.key(key)), items: Vec::new(), answer: Arc::new(move |_| bytes.clone()) };
    match api.path.submit(submission).await? {
        Verdict::New(_) => Ok(Json(answer).into_response()),
        // another node handled the same at the same time
        Verdict::Replayed(answer) => Ok(replayed(answer)),
        Verdict::Reused => Err(idempotency::reused()),
    }
}

fn replayed(answer: Bytes) -> Response {
    idempotency::replayed(([(CONTENT_TYPE, "application/json")], answer).into_response())
}
