//! Addresses that are registered with the wrong one of Apple's services.

use super::super::Result;
use super::super::engine::Correction;
use super::batch::execute;
use super::device_token;
use super::writer::Tx;

const CORRECT: &str = "UPDATE device SET environment = ?3, updated_at = ?4, version = version + 1 \
                       WHERE pk = ?1 AND token_hash = ?2 AND token IS NOT NULL AND environment <> ?3";

/// Sets right those that still have the token that was used.
pub(super) async fn write(tx: &mut Tx<'_>, corrections: &[Correction]) -> Result<()> {
    for correction in corrections {
        if let Some(kind) = &correction.token_kind {
            device_token::correct(tx, kind, correction).await?;
            continue;
        }
        let Correction { device, token_hash, environment, .. } = correction;
        execute(tx.conn, CORRECT, |binds| {
            binds.push(device.0).push(token_hash.0.as_slice()).push(environment.as_str()).push(tx.now);
        })
        .await?;
    }
    Ok(())
}
