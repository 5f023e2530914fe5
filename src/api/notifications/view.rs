//! A notification as callers read it.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::api::instant::Instant;
use crate::api::schema;
use crate::domain::delivery::State;
use crate::store::notification::{Counts, LeftOut, NotificationStatus, NotificationView};

/// A notification and what became of it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Notification)]
pub(super) struct NotificationResponse {
    /// Its id.
    id: Uuid,
    /// `done`: nothing waits any more.
    #[schema(value_type = schema::NotificationStatus)]
    status: NotificationStatus,
    /// Its category.
    category: Option<String>,
    /// The caller's own.
    labels: BTreeMap<String, String>,
    /// When it was accepted.
    #[schema(value_type = schema::Instant)]
    accepted_at: Instant,
    /// Targets by state, and receipts.
    counts: CountsResponse,
    /// Targets by reason.
    reasons: ReasonsResponse,
    /// Devices of its audience that are no targets, and so not among `counts`.
    left_out: LeftOutResponse,
    /// Messages by other channels, counted apart.
    fallback: FallbackResponse,
}

/// Devices that an audience which is not named (`all`) left out, by why. Grows while a large audience is being taken.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LeftOut)]
pub(in crate::api) struct LeftOutResponse {
    /// Nobody has seen them for longer than the app's `stale_after_days`.
    stale: u64,
}

impl From<LeftOut> for LeftOutResponse {
    fn from(LeftOut { stale }: LeftOut) -> Self {
        Self { stale }
    }
}

/// How many went another way, by channel. This version has no other way yet.
#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(as = FallbackCounts)]
struct FallbackResponse {
    /// E-mails.
    email: FallbackCountsResponse,
    /// Text messages.
    sms: FallbackCountsResponse,
}

/// How many of one channel.
#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(as = FallbackChannelCounts)]
struct FallbackCountsResponse {
    /// Handed on.
    sent: u64,
    /// Failed for good.
    failed: u64,
}

/// How many. `targeted` = `waiting` + `sent` + `suppressed` + `failed` + `expired` + `cancelled`, at any instant.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Counts)]
pub(in crate::api) struct CountsResponse {
    /// Devices, and one for each addressed user or id without an active one. Grows while a large audience is being taken.
    targeted: u64,
    /// Not yet decided.
    waiting: u64,
    /// The provider accepted it.
    sent: u64,
    /// Herald decided against it.
    suppressed: u64,
    /// It failed for good.
    failed: u64,
    /// Its time ran out.
    expired: u64,
    /// Cancelled before it was sent.
    cancelled: u64,
    /// The app said that it arrived.
    delivered: u64,
    /// The person opened it.
    opened: u64,
    /// The person dismissed it.
    dismissed: u64,
}

/// How many for which reason.
#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(as = Reasons)]
struct ReasonsResponse {
    /// Why they wait.
    waiting: BTreeMap<String, u64>,
    /// Why Herald decided against them.
    suppressed: BTreeMap<String, u64>,
    /// Why they failed.
    failed: BTreeMap<String, u64>,
    /// The last outcome of those whose time ran out.
    expired: BTreeMap<String, u64>,
}

impl From<NotificationView> for NotificationResponse {
    fn from(view: NotificationView) -> Self {
        let mut by_state = view.reasons;
        let mut reasons = |state| by_state.remove(&state).unwrap_or_default();
        Self {
            id: view.id.0,
            status: view.status,
            category: view.category,
            labels: view.labels,
            accepted_at: Instant(view.accepted_at),
            counts: view.counts.into(),
            reasons: ReasonsResponse {
                waiting: reasons(State::Waiting),
                suppressed: reasons(State::Suppressed),
                failed: reasons(State::Failed),
                expired: reasons(State::Expired),
            },
            left_out: view.left_out.into(),
            fallback: FallbackResponse::default(),
        }
    }
}

impl From<Counts> for CountsResponse {
    fn from(counts: Counts) -> Self {
        let Counts { waiting, sent, suppressed, failed, expired, cancelled, delivered, opened, dismissed } = counts;
        let targeted = waiting + sent + suppressed + failed + expired + cancelled;
        Self { targeted, waiting, sent, suppressed, failed, expired, cancelled, delivered, opened, dismissed }
    }
}
