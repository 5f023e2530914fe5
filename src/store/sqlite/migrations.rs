//! The schema, step by step. A database that a newer version wrote is refused.

use std::borrow::Cow;

use sqlx::SqliteConnection;
use sqlx::migrate::{Migrate, MigrateError, Migration, MigrationType, Migrator};

use super::{Condition, OpenError, version_keys};

/// The steps, as `migrations/sqlite` has them: number, name, text.
pub(super) const STEPS: &[(i64, &str, &str)] = &[
    (1, "core", include_str!("../../../migrations/sqlite/0001_core.sql")),
    (2, "dead_letters", include_str!("../../../migrations/sqlite/0002_dead_letters.sql")),
    (3, "open_runs", include_str!("../../../migrations/sqlite/0003_open_runs.sql")),
    (4, "device_tokens", include_str!("../../../migrations/sqlite/0004_device_tokens.sql")),
    (5, "stale_devices", include_str!("../../../migrations/sqlite/0005_stale_devices.sql")),
    (6, "lane_pauses", include_str!("../../../migrations/sqlite/0006_lane_pauses.sql")),
    (7, "segments", include_str!("../../../migrations/sqlite/0007_segments.sql")),
    (8, "analytics", include_str!("../../../migrations/sqlite/0008_analytics.sql")),
    (9, "caps", include_str!("../../../migrations/sqlite/0009_caps.sql")),
    (10, "templates", include_str!("../../../migrations/sqlite/0010_templates.sql")),
    (11, "pace", include_str!("../../../migrations/sqlite/0011_pace.sql")),
    (12, "campaigns", include_str!("../../../migrations/sqlite/0012_campaigns.sql")),
    (13, "vault", include_str!("../../../migrations/sqlite/0013_vault.sql")),
    (14, "client_tokens", include_str!("../../../migrations/sqlite/0014_client_tokens.sql")),
    (15, "keys_and_audit", include_str!("../../../migrations/sqlite/0015_keys_and_audit.sql")),
    (16, "webhooks", include_str!("../../../migrations/sqlite/0016_webhooks.sql")),
    (17, "device_preferences", include_str!("../../../migrations/sqlite/0017_device_preferences.sql")),
];

fn migrator() -> Migrator {
    let steps = STEPS.iter().map(|(version, name, text)| {
        Migration::new(*version, Cow::Borrowed(name), MigrationType::Simple, sqlx::SqlStr::from_static(text), false)
    });
    Migrator::with_migrations(steps.collect())
}

/// Brings the schema up to this version's.
pub(super) async fn migrate(conn: &mut SqliteConnection) -> Result<(), OpenError> {
    let known = STEPS.last().map_or(0, |(version, _, _)| *version);
    match migrator().run_direct(None, conn, false).await {
        Ok(()) => version_keys::fill(conn).await.map_err(|error| OpenError::Migration(Box::new(error))),
        Err(MigrateError::VersionMissing(version)) if version > known => Err(OpenError::Newer { version, known }),
        Err(error) => Err(OpenError::Migration(Box::new(error))),
    }
}

/// How a database stands to this version's schema; it is only read.
pub(super) async fn condition(conn: &mut SqliteConnection) -> Result<Condition, OpenError> {
    let unreadable = |error: MigrateError| OpenError::Migration(Box::new(error));
    let known = STEPS.last().map_or(0, |(version, _, _)| *version);
    let begun = sqlx::query("SELECT 1 FROM sqlite_master WHERE name = '_sqlx_migrations'").fetch_optional(&mut *conn).await;
    if begun.map_err(|error| unreadable(error.into()))?.is_none() {
        return Ok(Condition::Older { version: 0, known });
    }
    let applied = conn.list_applied_migrations("_sqlx_migrations").await.map_err(unreadable)?;
    let version = applied.iter().map(|step| step.version).max().unwrap_or_default();
    if version > known {
        return Err(OpenError::Newer { version, known });
    }
    for step in migrator().iter() {
        if applied.iter().any(|other| other.version == step.version && other.checksum != step.checksum) {
            return Err(unreadable(MigrateError::VersionMismatch(step.version)));
        }
    }
    Ok(if version < known { Condition::Older { version, known } } else { Condition::Current })
}

/// The number of the newest step that the database has.
pub(super) async fn version(conn: &mut SqliteConnection) -> Result<i64, OpenError> {
    let applied = conn.list_applied_migrations("_sqlx_migrations").await.map_err(|error| OpenError::Migration(Box::new(error)))?;
    Ok(applied.iter().map(|step| step.version).max().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_folder_is_a_step() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/sqlite");
        let mut files: Vec<String> =
            std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        files.sort();
        let steps: Vec<String> = STEPS.iter().map(|(version, name, _)| format!("{version:04}_{name}.sql")).collect();
        assert_eq!(files, steps);
    }
}
