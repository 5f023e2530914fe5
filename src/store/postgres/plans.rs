//! No statement of the hot path may read a whole table, also when its plan was made while the table was empty: with an empty table that
//! costs nothing, with a backlog it stops everything.

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection, Row};

use super::open::{Options, SESSION};
use super::{
    accept, allot, analytics, app, audit, campaign, campaign_run, campaign_stats, cancel, cap, claim, client_token, corrections, counts,
    dead_letter, deaths, delivery_list, device, device_preferences, device_token, engine, enroll, erase, expand, fact_reading, facts,
    history, idempotency, naming, notification, open, paced, person, receipt, recipients, record, register, release, retention, schedule,
    sealing, select, sighting, stale, tally, targets, topic, user_deliveries, version_keys, waiting, webhook, webhook_erase, webhook_items,
    webhook_message, webhook_replay, work,
};

const TEXTS: &[&str] = &[
    accept::NOTIFICATION,
    accept::RUN,
    accept::THERE,
    allot::LOCK,
    allot::NEXT,
    allot::PUT_OFF,
    allot::RIPE,
    allot::TAKE,
    analytics::READ,
    app::ADD,
    app::NUMBERS,
    audit::BEGIN,
    audit::END,
    audit::FORGET,
    audit::LIST,
    campaign::DELETE,
    campaign::DUE,
    campaign::LIST,
    campaign::LOCKED,
    campaign::ONE,
    campaign::PUT,
    campaign::SETTLE,
    campaign::STOP,
    campaign::TURN,
    campaign_run::ADD,
    campaign_run::BEGIN,
    campaign_run::EXCEED,
    campaign_run::FIRE,
    campaign_run::LIST,
    campaign_run::OPEN,
    campaign_stats::LATENCY,
    campaign_stats::PARTS,
    campaign_stats::RUN,
    campaign_stats::RUNS,
    cancel::CANCEL,
    cancel::CHANGES,
    cancel::DUE,
    cancel::DUE_UNLEASED,
    cancel::FIND,
    cancel::PAUSE,
    cancel::RESUME,
    cancel::STATUS,
    cancel::STOP_EXPANDING,
    cancel::UNTAKEN,
    cap::FIND,
    cap::LOCK,
    cap::WRITE,
    claim::BURY,
    claim::HAND_BACK,
    claim::PACED,
    claim::PUT_OFF,
    claim::RENEW,
    claim::SUSPECTS,
    claim::TAKE,
    client_token::CROWD_OF_DEVICE,
    client_token::CROWD_OF_PERSON,
    client_token::DEVICE,
    client_token::LOCKED,
    client_token::RENEW,
    client_token::REVOKE,
    client_token::REVOKE_DEVICE,
    client_token::REVOKE_PERSON,
    client_token::REVOKE_USER_OF_DEVICE,
    client_token::SEEN,
    client_token::STAND,
    corrections::CORRECT,
    counts::COUNT,
    counts::LATENCY,
    counts::ROLL_UP,
    dead_letter::LIST,
    dead_letter::NAMES,
    dead_letter::ONE,
    dead_letter::RETRY,
    deaths::DEACTIVATE,
    deaths::TOKENS,
    delivery_list::NAMES,
    delivery_list::OVER,
    delivery_list::ROWS,
    delivery_list::USER,
    delivery_list::USERS,
    device::BY_NAME,
    device::LIST,
    device::LIST_OF_USER,
    device_preferences::GET,
    device_token::ADDRESSES,
    device_token::CHANGED,
    device_token::CORRECT,
    device_token::FORGET,
    device_token::FORGET_ALL,
    device_token::FORGET_DEAD,
    device_token::OF_DEVICE,
    device_token::OF_NAME,
    device_token::SEEN,
    device_token::TAKE,
    engine::NOTIFICATIONS,
    enroll::ACTIVE,
    enroll::CHANGE,
    enroll::HELD,
    enroll::OWNERS,
    enroll::THERE,
    expand::CAMPAIGN,
    expand::LOCK,
    erase::CAPS,
    erase::DEVICES,
    erase::FORGET,
    erase::LOCKED,
    erase::OF_DEVICES[0],
    erase::OF_DEVICES[1],
    erase::OF_DEVICES[2],
    erase::OF_DEVICES[3],
    erase::OF_DEVICES[4],
    erase::TOPICS,
    expand::MOVE,
    expand::OVER,
    expand::PAGE,
    expand::PROGRESS,
    expand::STAND,
    fact_reading::FACTS,
    facts::CAREFUL,
    facts::PLAIN,
    history::DELIVERED,
    history::REACHED,
    history::SHOWN,
    idempotency::FIND,
    idempotency::REMEMBER,
    naming::DEVICES,
    naming::SEIZE,
    naming::WALK,
    notification::LIST,
    notification::LIST_OF_CAMPAIGN,
    notification::ONE,
    notification::SOME,
    paced::DUE,
    paced::HELD,
    paced::RELEASE,
    person::ADD,
    person::NUMBER,
    receipt::BOOK,
    receipt::EARLY,
    receipt::FORGET,
    receipt::FORGET_OLD,
    receipt::REPORTED,
    receipt::STAMPS,
    recipients::NAMED,
    recipients::NUMBERED,
    recipients::OF_USERS,
    record::END,
    record::HASTEN,
    record::SHOWN,
    register::ACTIVE,
    register::CROWD,
    register::HOLDER,
    register::LOCKED,
    register::MOVE,
    register::UPDATE,
    release::DUE,
    release::END,
    release::LOCK,
    release::SERVED,
    release::START,
    release::TURN,
    retention::COUNTS,
    retention::DELIVERIES_OF_IDS,
    retention::LATENCIES,
    retention::RUNS,
    retention::WORK_OF_DAY,
    retention::WORK_OF_IDS,
    schedule::DUE,
    sighting::LAST,
    sighting::NOTE,
    stale::DEACTIVATE,
    stale::END,
    tally::DIRECT,
    tally::EXPANDED,
    tally::FAN_OUT,
    tally::WORK,
    targets::ADD_DEVICES,
    targets::RUNS,
    user_deliveries::END,
    user_deliveries::FOUND,
    sealing::ADDRESS,
    sealing::ADDRESSES,
    sealing::DEVICE,
    sealing::DEVICES,
    sealing::PEOPLE,
    sealing::PERSON,
    select::END,
    select::FOLLOWERS,
    select::FOLLOWING,
    topic::OF_DEVICE,
    topic::OF_PERSON,
    topic::DELETE,
    topic::EMPTY_OF_DEVICES,
    topic::EMPTY_OF_PEOPLE,
    topic::FORGET_DEVICE,
    topic::KEPT,
    topic::LIST,
    topic::LOCKED,
    topic::NUMBER,
    topic::ONE,
    topic::PERSON,
    topic::REMOVE_DEVICE,
    topic::REMOVE_PERSON,
    version_keys::FILL,
    version_keys::WITHOUT,
    waiting::DEVICES,
    waiting::USERS,
    webhook::ADD,
    webhook::ATTEMPTS,
    webhook::FORGET[0].0,
    webhook::FORGET[1].0,
    webhook::LIST,
    webhook::LOCKED,
    webhook::OF_WEBHOOK[0].0,
    webhook::OF_WEBHOOK[1].0,
    webhook::OF_WEBHOOK[2].0,
    webhook::ONE,
    webhook_erase::ITEMS,
    webhook_erase::ITEM_LISTS,
    webhook_erase::LOCKED,
    webhook_erase::MESSAGES,
    webhook_erase::MESSAGE_LISTS,
    webhook_erase::WEBHOOKS,
    webhook_items::DEVICES,
    webhook_items::LISTENERS,
    webhook_items::PEOPLE,
    webhook_message::CLAIM,
    webhook_message::CLAIM_TESTS,
    webhook_message::HELD,
    webhook_message::ITEMS,
    webhook_message::ORPHANS,
    webhook_message::READY,
    webhook_message::USED,
    webhook_replay::LAST,
    webhook_replay::REPLAY,
    work::INSERT,
];

/// Values that a text expects.
fn values(text: &str) -> usize {
    (1..100).take_while(|n| text.contains(&format!("${n}"))).count()
}

async fn plan(conn: &mut PgConnection, text: &str) -> Vec<String> {
    let nulls = vec!["NULL"; values(text)].join(", ");
    let nulls = if nulls.is_empty() { nulls } else { format!("({nulls})") };
    conn.execute(sqlx::raw_sql(AssertSqlSafe(format!("DEALLOCATE ALL; PREPARE p AS {text}"))))
        .await
        .unwrap_or_else(|e| panic!("{e}\n{text}"));
    let explain = format!("EXPLAIN EXECUTE p{nulls}");
    let rows = conn.fetch_all(sqlx::raw_sql(AssertSqlSafe(explain))).await.unwrap_or_else(|e| panic!("{e}\n{text}"));
    rows.iter().map(|row| row.get(0)).collect()
}

/// Reads all of a table or of an index, or joins without looking rows up by their key. Runs are few.
fn is_bad(steps: &[String], n: usize) -> bool {
    let step = steps[n].trim_start_matches([' ', '-', '>']);
    let index = step.starts_with("Index") && step.contains("Scan") && !step.contains(" on run ");
    let by_key = steps.get(n + 1).is_some_and(|next| next.trim_start().starts_with("Index Cond"));
    // of an app's many rows the others would only be passed over
    let of_app = steps.get(n + 1).is_some_and(|next| next.trim_start() == "Index Cond: (app = $1)")
        && steps.get(n + 2).is_some_and(|next| next.trim_start().starts_with("Filter:"));
    (index && (!by_key || of_app)) || ["Seq Scan", "Hash Join", "Merge Join", "Bitmap"].iter().any(|bad| step.starts_with(bad))
}

#[test]
fn a_plan_that_reads_everything_is_bad() {
    let steps = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
    assert!(is_bad(&steps(&["Delete on work", "  ->  Seq Scan on work  (cost=0.00..1.00 rows=1 width=6)"]), 1));
    assert!(is_bad(&steps(&["Index Scan using work_pkey on work w  (cost=0.15..8.17)", "  Filter: (n = 1)"]), 0));
    assert!(!is_bad(&steps(&["Index Scan using work_pkey on work w  (cost=0.15..8.17)", "  Index Cond: (id = 1)"]), 0));
}

/// A database of this test's own, migrated.
async fn database(name: &str) -> (PgConnectOptions, Options) {
    #[expect(clippy::disallowed_methods, reason = "the server of the tests is named by the environment")]
    let server = std::env::var("HERALD_TEST_POSTGRES").expect("HERALD_TEST_POSTGRES names a PostgreSQL server: run scripts/with-services");
    let admin: PgConnectOptions = server.parse().unwrap();
    let mut conn = admin.connect().await.unwrap();
    conn.execute(sqlx::raw_sql(AssertSqlSafe(format!("DROP DATABASE IF EXISTS {name}")))).await.unwrap();
    conn.execute(sqlx::raw_sql(AssertSqlSafe(format!("CREATE DATABASE {name}")))).await.unwrap();
    conn.close().await.unwrap();
    let options = Options::new(admin.clone().database(name));
    open::migrate(&options).await.unwrap();
    (admin, options)
}

#[tokio::test]
async fn no_statement_reads_a_whole_table() {
    let name = format!("herald_plans_{}", std::process::id());
    let (admin, options) = database(&name).await;
    let mut conn = options.plain().options(SESSION).connect().await.unwrap();
    // partitions as they are after a few days
    for day in 0..3 {
        let text = format!(
            "CREATE TABLE n{day} PARTITION OF notification FOR VALUES FROM ('{day}0000000-0000-0000-0000-000000000000') \
             TO ('{}0000000-0000-0000-0000-000000000000'); CREATE TABLE d{day} PARTITION OF delivery FOR VALUES FROM ({day}) TO ({})",
            day + 1,
            day + 1
        );
        conn.execute(sqlx::raw_sql(AssertSqlSafe(text))).await.unwrap();
    }
    let mut bad = Vec::new();
    for text in TEXTS {
        let steps = plan(&mut conn, text).await;
        if (0..steps.len()).any(|n| is_bad(&steps, n)) {
            bad.push(format!("{text:.400}\n{}", steps.join("\n")));
        }
    }
    conn.close().await.unwrap();
    let mut conn = admin.connect().await.unwrap();
    conn.execute(sqlx::raw_sql(AssertSqlSafe(format!("DROP DATABASE {name}")))).await.unwrap();
    assert!(bad.is_empty(), "{}", bad.join("\n\n"));
}
