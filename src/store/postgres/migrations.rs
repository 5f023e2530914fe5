//! The schema, step by step, under a lock of the server: whoever starts first takes the steps, the others wait.
//!
//! Steps first add and only later take away, so that daemons of two versions work side by side while they are replaced one by one.
//! What a step takes away raises `schema_floor`: daemons that know only older versions are refused from then on.

use std::borrow::Cow;

use sqlx::migrate::{AppliedMigration, Migrate, MigrateError, Migration, MigrationType, Migrator};
use sqlx::{PgConnection, Row};

use super::open::OpenError;
use super::version_keys;

/// The steps, as `migrations/postgres` has them: number, name, text.
const STEPS: &[(i64, &str, &str)] = &[
    (1, "core", include_str!("../../../migrations/postgres/0001_core.sql")),
    (2, "dead_letters", include_str!("../../../migrations/postgres/0002_dead_letters.sql")),
    (3, "open_runs", include_str!("../../../migrations/postgres/0003_open_runs.sql")),
    (4, "device_tokens", include_str!("../../../migrations/postgres/0004_device_tokens.sql")),
    (5, "stale_devices", include_str!("../../../migrations/postgres/0005_stale_devices.sql")),
    (6, "lane_pauses", include_str!("../../../migrations/postgres/0006_lane_pauses.sql")),
    (7, "segments", include_str!("../../../migrations/postgres/0007_segments.sql")),
    (8, "analytics", include_str!("../../../migrations/postgres/0008_analytics.sql")),
    (9, "caps", include_str!("../../../migrations/postgres/0009_caps.sql")),
    (10, "templates", include_str!("../../../migrations/postgres/0010_templates.sql")),
    (11, "pace", include_str!("../../../migrations/postgres/0011_pace.sql")),
    (12, "campaigns", include_str!("../../../migrations/postgres/0012_campaigns.sql")),
    (13, "vault", include_str!("../../../migrations/postgres/0013_vault.sql")),
    (14, "client_tokens", include_str!("../../../migrations/postgres/0014_client_tokens.sql")),
    (15, "keys_and_audit", include_str!("../../../migrations/postgres/0015_keys_and_audit.sql")),
    (16, "webhooks", include_str!("../../../migrations/postgres/0016_webhooks.sql")),
    (17, "device_preferences", include_str!("../../../migrations/postgres/0017_device_preferences.sql")),
];
const TABLE: &str = "_sqlx_migrations";

/// How a database stands to this version's schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// It has this version's schema.
    Current,
    /// It is to be brought up to date; version 0: it is empty.
    Older {
        /// The version it has.
        version: i64,
        /// This binary's.
        known: i64,
    },
    /// A newer version of Herald brought it further, and this one can still work with it.
    Newer {
        /// The version it has.
        version: i64,
        /// This binary's.
        known: i64,
    },
}

fn known() -> i64 {
    STEPS.last().map_or(0, |(version, _, _)| *version)
}

fn migrator() -> Migrator {
    let steps = STEPS.iter().map(|(version, name, text)| {
        Migration::new(*version, Cow::Borrowed(name), MigrationType::Simple, sqlx::SqlStr::from_static(text), false)
    });
    let mut migrator = Migrator::with_migrations(steps.collect());
    migrator.set_ignore_missing(true);
    migrator
}

fn failed(error: impl Into<MigrateError>) -> OpenError {
    OpenError::Migration(Box::new(error.into()))
}

/// Brings the schema up to this version's, unless it is further already.
pub(super) async fn migrate(conn: &mut PgConnection) -> Result<i64, OpenError> {
    condition(conn).await?;
    migrator().run_direct(None, conn, false).await.map_err(failed)?;
    version_keys::fill(conn).await.map_err(|error| OpenError::Migration(Box::new(error)))?;
    let applied = conn.list_applied_migrations(TABLE).await.map_err(failed)?;
    Ok(newest(&applied))
}

fn newest(applied: &[AppliedMigration]) -> i64 {
    applied.iter().map(|step| step.version).max().unwrap_or_default()
}

/// How the database stands; it is only read.
pub(super) async fn condition(conn: &mut PgConnection) -> Result<Condition, OpenError> {
    let known = known();
    let begun = sqlx::query("SELECT to_regclass('_sqlx_migrations')::text").fetch_one(&mut *conn).await.map_err(failed)?;
    if begun.try_get::<Option<&str>, _>(0).map_err(failed)?.is_none() {
        return Ok(Condition::Older { version: 0, known });
    }
    let applied = conn.list_applied_migrations(TABLE).await.map_err(failed)?;
    for step in migrator().iter() {
        if applied.iter().any(|other| other.version == step.version && other.checksum != step.checksum) {
            return Err(failed(MigrateError::VersionMismatch(step.version)));
        }
    }
    let version = newest(&applied);
    if version == known {
        return Ok(Condition::Current);
    }
    if version < known {
        return Ok(Condition::Older { version, known });
    }
    let floor = sqlx::query("SELECT max(version) FROM schema_floor").fetch_one(conn).await.map_err(failed)?;
    let floor: Option<i64> = floor.try_get(0).map_err(failed)?;
    if floor.is_some_and(|floor| floor <= known) {
        Ok(Condition::Newer { version, known })
    } else {
        Err(OpenError::Newer { version, known })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps_of(folder: &str) -> Vec<String> {
        let folder = format!("{}/migrations/{folder}", env!("CARGO_MANIFEST_DIR"));
        let mut files: Vec<String> =
            std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        files.sort();
        files
    }

    #[test]
    fn every_file_of_the_folder_is_a_step_and_both_stores_have_the_same() {
        let steps: Vec<String> = STEPS.iter().map(|(version, name, _)| format!("{version:04}_{name}.sql")).collect();
        assert_eq!(steps_of("postgres"), steps);
        assert_eq!(steps_of("sqlite"), steps);
    }
}
