//! What templates may show of people and devices: the one statement more that such work costs.

use std::sync::Arc;

use sqlx::PgConnection;
use sqlx::postgres::PgRow;

use super::super::Result;
use super::super::engine::{Answer, Ask, Facts};
use super::super::rules::facts::{asked, put};
use super::batch::fetch;
use super::row::Cells;
use crate::domain::id::DevicePk;

pub(super) const FACTS: &str = "SELECT d.pk, p.name, p.tags::text, d.tags::text FROM unnest($1::bigint[]) AS ask (pk) \
                                CROSS JOIN LATERAL (SELECT pk, person_pk, tags FROM device d WHERE d.pk = ask.pk LIMIT 1) d \
                                LEFT JOIN LATERAL (SELECT name, tags FROM person p WHERE p.pk = d.person_pk LIMIT 1) p ON true";

/// Fills it in where it was asked for.
pub(super) async fn fill_in(conn: &mut PgConnection, asks: &[Ask], answers: &mut [Answer]) -> Result<()> {
    let devices = asked(asks, answers);
    if devices.is_empty() {
        return Ok(());
    }
    let rows = fetch(conn, FACTS, |binds| {
        binds.push(devices.iter().map(|device| device.0).collect::<Vec<i64>>());
    });
    let read = |row: &PgRow| {
        let cells = Cells::new(row, "device", 0);
        let user_tags = cells.maybe_document(2, "tags")?.unwrap_or_default();
        let facts = Facts { user: cells.get(1, "name")?, user_tags, device_tags: cells.document(3, "tags")? };
        Ok((DevicePk(cells.get(0, "pk")?), Arc::new(facts)))
    };
    let found = rows.await?.iter().map(read).collect::<Result<_>>()?;
    put(asks, answers, &found);
    Ok(())
}
