//! Addresses that are registered with the wrong one of Apple's services.

use std::collections::BTreeMap;

use super::super::Result;
use super::super::engine::Correction;
use super::batch::{Binds, execute};
use super::device_token;
use super::tx::Tx;

pub(super) const CORRECT: &str = "UPDATE device d SET environment = fix.environment, updated_at = $1, version = d.version + 1 \
                       FROM unnest($2::bigint[], $3::bytea[], $4::text[]) AS fix (pk, hash, environment) \
                       WHERE d.pk = fix.pk AND d.token_hash = fix.hash AND d.token IS NOT NULL AND d.environment <> fix.environment";

/// Sets right those that still have the token that was used. The devices are locked already.
pub(super) async fn write(tx: &mut Tx, corrections: &[Correction]) -> Result<()> {
    device_token::correct(tx, corrections).await?;
    // of several for one device the last counts
    let latest: BTreeMap<i64, &Correction> =
        corrections.iter().filter(|one| one.token_kind.is_none()).map(|correction| (correction.device.0, correction)).collect();
    if latest.is_empty() {
        return Ok(());
    }
    let now = tx.now;
    let bind = |binds: &mut Binds| {
        binds.push(now);
        binds.push(latest.keys().copied().collect::<Vec<i64>>());
        binds.push(latest.values().map(|correction| correction.token_hash.0.as_slice()).collect::<Vec<&[u8]>>());
        binds.push(latest.values().map(|correction| correction.environment.as_str()).collect::<Vec<&str>>());
    };
    execute(tx, CORRECT, bind).await?;
    Ok(())
}
