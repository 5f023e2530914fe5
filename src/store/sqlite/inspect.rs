//! A look at a database from outside: nothing is made, migrated or voided, and a daemon may have it at the same time.

use std::fs::OpenOptions;
use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection};

use super::super::seal::SEALING_SINCE;
use super::{OpenError, Options, migrations, sealing};

/// How a database stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// There is none yet; opening makes it.
    Absent,
    /// Opening brings it up to date.
    Older {
        /// The schema version it has.
        version: i64,
        /// The version it will have.
        known: i64,
    },
    /// It is as this version wants it.
    Current,
}

/// See [`super::SqliteStore::inspect`].
pub(super) async fn inspect(options: &Options) -> Result<Condition, OpenError> {
    let path = options.path.as_path();
    let not_writable = |source| OpenError::Folder { path: path.to_owned(), source };
    if !path.exists() {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        drop(tempfile::tempfile_in(folder).map_err(not_writable)?);
        return Ok(Condition::Absent);
    }
    drop(OpenOptions::new().append(true).open(path).map_err(not_writable)?);
    let database = |error| OpenError::Database { path: path.to_owned(), source: Box::new(error) };
    // the lock is left alone: it would be in the way of a daemon that starts just now, and readers are in nobody's way
    let reading = SqliteConnectOptions::new()
        .filename(path)
        .read_only(true)
        .immutable(!has_log(path))
        .busy_timeout(Duration::from_secs(5))
        .disable_statement_logging();
    let mut conn = reading.connect().await.map_err(database)?;
    let condition = look(&mut conn, options).await;
    conn.close().await.map_err(database)?;
    condition
}

async fn look(conn: &mut SqliteConnection, options: &Options) -> Result<Condition, OpenError> {
    let condition = migrations::condition(conn).await?;
    if matches!(condition, Condition::Current | Condition::Older { version: SEALING_SINCE.., .. }) {
        let refused = |error| OpenError::Database { path: options.path.clone(), source: Box::new(error) };
        sealing::check(conn, &options.seal).await.map_err(refused)??;
    }
    Ok(condition)
}

/// Whether someone has the database open, or was killed while they had it. Otherwise a reader would be the one who makes the log, and
/// leave it behind as a file of their own.
fn has_log(database: &Path) -> bool {
    let mut name = database.as_os_str().to_owned();
    name.push("-wal");
    Path::new(&name).exists()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use tempfile::TempDir;

    use super::super::SqliteStore;
    use super::*;

    async fn inspected(text: Option<&str>) -> (TempDir, PathBuf, Result<Condition, OpenError>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("herald.db");
        if let Some(text) = text {
            std::fs::write(&path, text).unwrap();
        }
        let condition = inspect(&Options::new(&path)).await;
        (folder, path, condition)
    }

    #[tokio::test]
    async fn what_is_absent_or_empty_is_left_so() {
        let (folder, path, condition) = inspected(None).await;
        assert_eq!(condition.unwrap(), Condition::Absent);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        let missing = inspect(&Options::new(folder.path().join("nowhere").join("herald.db"))).await;
        assert!(matches!(missing, Err(OpenError::Folder { .. })), "{missing:?}");
        std::fs::write(&path, "").unwrap();
        assert!(matches!(inspect(&Options::new(&path)).await.unwrap(), Condition::Older { version: 0, known: 1.. }));
        assert_eq!(std::fs::read(&path).unwrap(), b"");
    }

    #[tokio::test]
    async fn what_is_no_database_is_said_to_be_none() {
        let (_folder, _, condition) = inspected(Some(&"not a database, but long enough to look at. ".repeat(40))).await;
        assert!(matches!(condition, Err(OpenError::Database { .. } | OpenError::Migration(_))), "{condition:?}");
    }

    #[tokio::test]
    async fn a_newer_schema_is_refused_and_a_changed_one_too() {
        let (_folder, path, _) = inspected(None).await;
        SqliteStore::migrate(&path).await.unwrap();
        let files = || std::fs::read_dir(path.parent().unwrap()).unwrap().count();
        let before = files();
        assert_eq!(inspect(&Options::new(&path)).await.unwrap(), Condition::Current);
        assert_eq!(files(), before, "a look leaves nothing behind");
        let change = async |text: &'static str| {
            let mut conn = SqliteConnectOptions::new().filename(&path).connect().await.unwrap();
            sqlx::query(text).execute(&mut conn).await.unwrap();
            conn.close().await.unwrap();
        };
        change("UPDATE _sqlx_migrations SET checksum = x'00'").await;
        assert!(matches!(inspect(&Options::new(&path)).await, Err(OpenError::Migration(_))));
        change("UPDATE _sqlx_migrations SET version = 9999 WHERE version = 1").await;
        assert!(matches!(inspect(&Options::new(&path)).await, Err(OpenError::Newer { version: 9999, .. })));
    }
}
