//! What has had its time: idempotency keys, what was shown, receipts that never found their send, places under caps, families of client
//! tokens.

use super::super::Result;
use super::batch::execute;
use super::writer::Tx;
use crate::domain::notification::MAX_TTL_SECONDS;

/// For how long an idempotency key is remembered, in microseconds.
pub(super) const KEY_LIFE: i64 = 24 * 3_600 * 1_000_000;
/// For how long a receipt waits for its send, in microseconds.
pub(super) const EARLY_LIFE: i64 = 3_600 * 1_000_000;
/// For how long a collapse key is remembered at a device, in microseconds.
const SHOWN_LIFE: i64 = MAX_TTL_SECONDS as i64 * 1_000_000;

/// Rows that one commit forgets of each table, so that others need not wait long.
const AT_ONCE: i64 = 2_000;

pub(super) const KEYS: &str = "DELETE FROM idempotency WHERE (app, route, key) IN \
                    (SELECT app, route, key FROM idempotency WHERE at <= ?1 ORDER BY at LIMIT ?2)";
pub(super) const SHOWN: &str = "DELETE FROM shown WHERE (device_pk, key_hash) IN \
                     (SELECT device_pk, key_hash FROM shown WHERE at <= ?1 ORDER BY at LIMIT ?2)";
pub(super) const EARLY: &str = "DELETE FROM receipt_early WHERE (notification_id, device_pk, kind) IN \
                     (SELECT notification_id, device_pk, kind FROM receipt_early WHERE seen_at <= ?1 ORDER BY seen_at LIMIT ?2)";
pub(super) const CAPS: &str = "DELETE FROM cap WHERE (holder, category) IN \
                     (SELECT holder, category FROM cap WHERE over_at <= ?1 ORDER BY over_at LIMIT ?2)";
pub(super) const FAMILIES: &str = "DELETE FROM token_family WHERE id IN (SELECT id FROM token_family WHERE expires_at <= ?1 \
                                   ORDER BY expires_at LIMIT ?2)";

/// Forgets some of each; whether nothing is left to forget.
pub(super) async fn prune(tx: Tx<'_>) -> Result<bool> {
    let mut over = true;
    for (text, life) in [(KEYS, KEY_LIFE), (SHOWN, SHOWN_LIFE), (EARLY, EARLY_LIFE), (CAPS, 0), (FAMILIES, 0)] {
        let gone = execute(tx.conn, text, |binds| {
            binds.push(tx.now.saturating_sub(life)).push(AT_ONCE);
        });
        over &= gone.await? < AT_ONCE.unsigned_abs();
    }
    Ok(over)
}
