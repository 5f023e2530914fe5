//! That the servers which tests start do what those tests count on.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may panic")]
#![expect(dead_code, reason = "what is tested here by being used elsewhere")]

mod child;
mod clock;
mod postgres;
mod redis;

use std::process::Command;

use clock::Clock;
use postgres::Postgres;
use redis::Redis;

const NOW: &str = "SELECT extract(epoch FROM now())::bigint";

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

/// How many seconds this instant, in seconds since 1970, is ahead of the test's own clock.
fn ahead(instant: &str) -> i64 {
    #[expect(clippy::disallowed_methods, reason = "a test has the machine's clock")]
    let now = chrono::Utc::now().timestamp();
    instant.parse::<i64>().unwrap() - now
}

#[test]
fn a_clock_steps_for_those_who_have_it_and_at_once() {
    let clock = Clock::new();
    let (stepped, other) = (Postgres::start_in(clock.environment_of_one_thread()), Postgres::start());
    let redis = Redis::start_in(&[], clock.environment_without_allocator());
    for seconds in [0, 3600, -3600, 0] {
        clock.step_to(seconds);
        assert!((ahead(&query(&stepped, NOW)) - seconds).abs() < 30, "{seconds}");
        assert!(ahead(&query(&other, NOW)).abs() < 30, "{seconds}");
        let time = redis.run(&["TIME"]);
        assert!((ahead(time.lines().nth(2).unwrap()) - seconds).abs() < 30, "{seconds}");
    }
}
