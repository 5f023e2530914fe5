//! What has had its time: idempotency keys, what was shown, receipts that never found their send, places under caps, families of client
//! tokens.

use chrono::TimeDelta;

use super::super::Result;
use super::batch::{execute, nothing};
use super::idempotency::KEY_LIFE;
use super::receipt::FORGET_OLD;
use super::tx::Tx;
use crate::domain::notification::MAX_TTL_SECONDS;

/// For how long a receipt waits for its send.
pub(super) const EARLY_LIFE: TimeDelta = TimeDelta::hours(1);
/// For how long a collapse key is remembered at a device.
const SHOWN_LIFE: TimeDelta = TimeDelta::seconds(MAX_TTL_SECONDS as i64);

/// Rows that one commit forgets of each table, so that others need not wait long.
const AT_ONCE: i64 = 5_000;

/// The indexes by age of the large tables are of a kind that can only be read into a bitmap.
const WITH_BITMAPS: &str = "SET LOCAL enable_bitmapscan = on";
/// A row that another node forgets, or that is being used again, is left alone.
pub(super) const KEYS: &str = "DELETE FROM idempotency WHERE ctid = ANY (ARRAY (SELECT ctid FROM idempotency WHERE at <= $1 LIMIT $2 \
                               FOR UPDATE SKIP LOCKED))";
pub(super) const SHOWN: &str =
    "DELETE FROM shown WHERE ctid = ANY (ARRAY (SELECT ctid FROM shown WHERE at <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED))";
pub(super) const CAPS: &str =
    "DELETE FROM cap WHERE ctid = ANY (ARRAY (SELECT ctid FROM cap WHERE over_at <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED))";
const FAMILIES: &str = "DELETE FROM token_family WHERE ctid = ANY (ARRAY (SELECT ctid FROM token_family WHERE expires_at <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED))";

/// Forgets some of each; whether nothing is left to forget.
pub(super) async fn prune(tx: &mut Tx) -> Result<bool> {
    execute(tx, WITH_BITMAPS, nothing).await?;
    let now = tx.now;
    let mut over = true;
    let none = TimeDelta::zero();
    for (text, life) in [(KEYS, KEY_LIFE), (SHOWN, SHOWN_LIFE), (FORGET_OLD, EARLY_LIFE), (CAPS, none), (FAMILIES, none)] {
        let gone = execute(tx, text, |binds| {
            binds.push(now - life).push(AT_ONCE);
        });
        over &= gone.await? < AT_ONCE.unsigned_abs();
    }
    Ok(over)
}
