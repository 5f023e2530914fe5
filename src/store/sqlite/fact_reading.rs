//! What templates may show of people and devices: the one statement more that such work costs.

use std::sync::Arc;

use sqlx::SqliteConnection;

use super::super::engine::{Answer, Ask, Facts};
use super::super::rules::facts::{asked, put};
use super::super::{Error, Result};
use super::batch::fetch_list;
use super::json::List;
use crate::domain::id::DevicePk;

pub(super) const FACTS: &str = "SELECT json_group_array(json_array(d.pk, p.name, p.tags, d.tags)) \
                                FROM json_each(?1) j CROSS JOIN device d ON d.pk = j.value LEFT JOIN person p ON p.pk = d.person_pk";

/// Fills it in where it was asked for.
pub(super) async fn fill_in(conn: &mut SqliteConnection, asks: &[Ask], answers: &mut [Answer]) -> Result<()> {
    let devices = asked(asks, answers);
    if devices.is_empty() {
        return Ok(());
    }
    let list = List::of(devices.iter().map(|device| device.0));
    let rows = fetch_list::<(i64, Option<String>, Option<String>, String)>(conn, FACTS, "device", |binds| {
        binds.push(&list);
    });
    let read = |(device, user, user_tags, device_tags): (i64, Option<String>, Option<String>, String)| {
        let unreadable = |_| Error::Unreadable { table: "device", column: "tags", row: device.to_string() };
        let user_tags = user_tags.as_deref().map(serde_json::from_str).transpose().map_err(unreadable)?.unwrap_or_default();
        let device_tags = serde_json::from_str(&device_tags).map_err(unreadable)?;
        Ok((DevicePk(device), Arc::new(Facts { user, user_tags, device_tags })))
    };
    let found = rows.await?.into_iter().map(read).collect::<Result<_>>()?;
    put(asks, answers, &found);
    Ok(())
}
