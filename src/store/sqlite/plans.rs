//! No statement of the hot path may read a whole table: with an empty table it costs nothing, with a backlog it stops everything.

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Row, SqliteConnection};

use super::batch::Tuples;
use super::{
    accept, allot, analytics, audit, campaign, campaign_run, campaign_stats, cancel, cap, claim, client_token, counts, dead_letter, deaths,
    delivery_list, device_token, engine, enroll, erase, expand, fact_reading, facts, history, idempotency, migrations, notification, pause,
    prune, receipt, recipients, record, register, release, retention, schedule, select, sighting, stale, tally, targets, topic,
    user_deliveries,
};

const LISTS: &[Tuples] = &[
    accept::THERE,
    cap::FIND,
    cap::WRITE,
    claim::BURY,
    claim::HAND_BACK,
    claim::RENEW,
    claim::TAKE,
    claim::TAKEABLE,
    counts::COUNT,
    counts::LATENCY,
    counts::ROLL_UP,
    engine::NOTIFICATIONS,
    enroll::CHANGE,
    facts::CAREFUL,
    idempotency::FIND,
    idempotency::REMEMBER,
    allot::PUT_OFF,
    allot::TAKE,
    receipt::BOOK,
    receipt::FORGET,
    record::END,
    record::END_CAREFUL,
    schedule::GUARD,
    schedule::HELD,
];
const TEXTS: &[&str] = &[
    analytics::FORGET,
    analytics::READ,
    audit::FORGET,
    audit::LIST,
    campaign::DELETE,
    campaign::DUE,
    campaign::LIST,
    campaign::ONE,
    campaign::PUT,
    campaign::SETTLE,
    campaign::STOP,
    campaign::TURN,
    campaign_run::BEGIN,
    campaign_run::EXCEED,
    campaign_run::FIRE,
    campaign_run::LIST,
    campaign_run::OPEN,
    campaign_stats::LATENCY,
    campaign_stats::PARTS,
    campaign_stats::RUN,
    campaign_stats::RUNS,
    cancel::CHANGES,
    cancel::DUE,
    cancel::DUE_UNLEASED,
    cancel::FIND,
    client_token::CROWD_OF_DEVICE,
    client_token::CROWD_OF_PERSON,
    client_token::ONE,
    client_token::REVOKE_DEVICE,
    client_token::REVOKE_PERSON,
    client_token::REVOKE_USER_OF_DEVICE,
    client_token::STAND,
    dead_letter::LIST,
    dead_letter::NAMES,
    dead_letter::ONE,
    dead_letter::RETRY,
    deaths::TOKENS,
    delivery_list::OVER,
    delivery_list::ROWS,
    device_token::ADDRESSES,
    device_token::LOSERS,
    device_token::MOVE,
    device_token::OF_DEVICE,
    device_token::OF_NAME,
    enroll::HELD,
    enroll::NUMBERS,
    enroll::OWNERS,
    enroll::THERE,
    erase::CAPS,
    erase::DEVICES,
    erase::OF_DEVICES[0],
    erase::OF_DEVICES[1],
    erase::OF_DEVICES[2],
    erase::OF_DEVICES[3],
    erase::OF_DEVICES[4],
    erase::PERSON,
    erase::TOPICS,
    expand::MOVE,
    expand::PAGE,
    expand::STAND,
    fact_reading::FACTS,
    history::DELIVERED,
    history::REACHED,
    history::SHOWN,
    notification::LIST,
    notification::LIST_OF_CAMPAIGN,
    notification::SOME,
    pause::PAUSE,
    pause::RESUME,
    pause::UNTAKEN,
    prune::CAPS,
    prune::EARLY,
    prune::FAMILIES,
    prune::KEYS,
    prune::SHOWN,
    receipt::REPORTED,
    recipients::NAMED,
    recipients::NUMBERED,
    recipients::OF_USERS,
    record::HASTEN,
    register::CROWD,
    register::HOLDER,
    register::MOVE,
    release::DUE,
    release::TURN,
    retention::DELIVERIES,
    retention::FORGET_DELIVERIES,
    retention::FORGET_NOTIFICATIONS[0],
    retention::FORGET_NOTIFICATIONS[1],
    retention::FORGET_NOTIFICATIONS[2],
    retention::FORGET_NOTIFICATIONS[3],
    retention::NOTIFICATIONS,
    schedule::DUE,
    select::END,
    select::FOLLOWERS,
    select::FOLLOWING,
    sighting::LAST,
    stale::DEACTIVATE,
    stale::END,
    tally::DIRECT,
    tally::EXPANDED,
    tally::FAN_OUT,
    tally::WORK,
    targets::RUNS,
    user_deliveries::END,
    topic::OF_DEVICE,
    topic::OF_PERSON,
    topic::DEVICE,
    topic::EMPTY_OF_DEVICES,
    topic::EMPTY_OF_PEOPLE,
    topic::FORGET_DEVICE,
    topic::LIST,
    topic::NUMBER,
    topic::ONE,
    topic::PERSON,
    user_deliveries::FOUND,
];
/// Tables that grow, with the names under which statements know them.
const LARGE: [&str; 26] = [
    "campaign",
    "campaign_run",
    "notification_count",
    "c",
    "latency",
    "cap",
    "work",
    "w",
    "delivery",
    "d",
    "notification",
    "n",
    "person",
    "p",
    "device",
    "v",
    "idempotency",
    "shown",
    "s",
    "device_token",
    "k",
    "topic_device",
    "topic_person",
    "f",
    "token_family",
    "family",
];

async fn plan(conn: &mut SqliteConnection, text: &str) -> Vec<String> {
    let rows = sqlx::query(AssertSqlSafe(format!("EXPLAIN QUERY PLAN {text}"))).fetch_all(conn).await.unwrap();
    rows.iter().map(|row| row.get(3)).collect()
}

/// Reads all of a large table, or all of one of its indexes.
fn is_scan(step: &str) -> bool {
    let mut words = step.split_whitespace();
    words.next() == Some("SCAN") && words.next().is_some_and(|table| LARGE.contains(&table))
}

#[tokio::test]
async fn no_statement_reads_a_whole_table() {
    let mut conn = SqliteConnectOptions::new().in_memory(true).connect().await.unwrap();
    migrations::migrate(&mut conn).await.unwrap();
    let mut bad = Vec::new();
    let lists = LISTS.iter().flat_map(|list| [1, 4, 64, 256].map(|rows| list.text(rows)));
    for text in lists.chain(TEXTS.iter().map(|text| (*text).to_owned())) {
        let steps = plan(&mut conn, &text).await;
        if steps.iter().any(|step| is_scan(step)) {
            bad.push(format!("{text:.300}\n{steps:#?}"));
        }
    }
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}
