//! That the servers which tests start do what those tests count on.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may panic")]
#![expect(dead_code, reason = "what is tested here by being used elsewhere")]

mod child;
mod postgres;
mod redis;

use std::process::Command;

use postgres::Postgres;

/// What a query answers, or why there is no answer.
fn query(postgres: &Postgres, sql: &str) -> String {
    let told = Command::new("psql").args([&postgres.url(), "-Atc", sql]).output().unwrap();
    String::from_utf8_lossy(&told.stdout).trim().to_owned() + &String::from_utf8_lossy(&told.stderr)
}

#[test]
fn a_postgres_keeps_its_port_and_data() {
    let mut postgres = Postgres::start();
    query(&postgres, "CREATE TABLE kept (n int); INSERT INTO kept VALUES (7)");
    postgres.stop();
    assert!(query(&postgres, "SELECT n FROM kept").contains("refused"));
    postgres.start_again();
    assert_eq!(query(&postgres, "SELECT n FROM kept"), "7");
    postgres.kill();
    assert!(query(&postgres, "SELECT n FROM kept").contains("refused"));
    postgres.start_again();
    assert_eq!(query(&postgres, "SELECT n FROM kept"), "7");
}
