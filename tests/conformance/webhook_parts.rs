//! What webhooks' stores change in many rows is changed part by part: nobody else waits for all of it, and one that is cut short goes on.

use std::time::Duration;

use herald::domain::webhook::EventType;
use herald::store::webhook::{ClaimBounds, DueMessage};
use sqlx::Connection;
use uuid::Uuid;

use crate::backing::{Backing, Sqlite};
use crate::kit::DAY;
use crate::postgres_database::Postgres;
use crate::webhooks::items;
use crate::world::World;

/// More than one part of anything.
const ALL: ClaimBounds = ClaimBounds { limit: 10_000, of_webhook: 10_000, of_app: 10_000 };
const TOTAL: u64 = 1_900;
const LEASE: Duration = Duration::from_secs(30);

/// A store's words for what is done beside it.
struct Words {
    /// Messages that were delivered, for the only webhook, two of each second, which all name somebody.
    many: &'static str,
    /// The newest can be neither changed nor deleted.
    guard: &'static [&'static str],
    release: &'static str,
}

/// Both of the last second.
const MARK: &str = "UPDATE webhook_message SET attempts = 77 WHERE created_at = (SELECT max(created_at) FROM webhook_message)";
const SQLITE: Words = Words {
    many: "WITH RECURSIVE n (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM n WHERE n < 1899) \
           INSERT INTO webhook_message (id, webhook, event, status, next_at, until, created_at, data) \
           SELECT randomblob(16), w.id, 'receipt.opened', 'delivered', w.created_at, w.created_at, w.created_at + n.n / 2 * 1000000, \
           '[{\"device_id\":\"phone\",\"user_id\":\"ann\"}]' FROM webhook w CROSS JOIN n",
    guard: &[
        MARK,
        "CREATE TRIGGER kept BEFORE UPDATE ON webhook_message WHEN OLD.attempts = 77 BEGIN SELECT RAISE(ABORT, 'kept'); END",
        "CREATE TRIGGER kept_too BEFORE DELETE ON webhook_message WHEN OLD.attempts = 77 BEGIN SELECT RAISE(ABORT, 'kept'); END",
    ],
    release: "DROP TRIGGER kept; DROP TRIGGER kept_too",
};
const POSTGRES: Words = Words {
    many: "INSERT INTO webhook_message (id, webhook, event, status, next_at, until, created_at, data) \
           SELECT gen_random_uuid(), w.id, 'receipt.opened', 'delivered', w.created_at, w.created_at, \
           w.created_at + n / 2 * interval '1 second', '[{\"device_id\":\"phone\",\"user_id\":\"ann\"}]' \
           FROM webhook w CROSS JOIN generate_series(0, 1899) n",
    guard: &[
        MARK,
        "CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS \
         'BEGIN IF OLD.attempts = 77 THEN RAISE EXCEPTION ''kept''; END IF; RETURN coalesce(NEW, OLD); END'",
        "CREATE TRIGGER kept BEFORE UPDATE OR DELETE ON webhook_message FOR EACH ROW EXECUTE FUNCTION keep()",
    ],
    release: "DROP TRIGGER kept ON webhook_message",
};

/// Somebody with a device, a webhook, and all that it was told of them.
async fn told(backing: impl Backing + 'static, words: &Words) -> (World, Uuid) {
    let world = World::of(Box::new(backing)).await;
    world.device("phone", Some("ann")).await;
    let webhook = world.add_webhook(&[EventType::ReceiptOpened]).await.id;
    world.run(words.many).await;
    (world, webhook)
}

async fn guard(world: &World, words: &Words) {
    for text in words.guard {
        world.run(text).await;
    }
}

async fn replay(world: &World, webhook: Uuid) -> u64 {
    world.store().replay_webhook(world.app, webhook, World::start(), world.later(DAY)).await.unwrap().unwrap()
}

async fn due(world: &World) -> Vec<DueMessage> {
    world.store().claim_webhook_messages(ALL, LEASE).await.unwrap()
}

/// How many messages name somebody.
async fn naming(world: &World, webhook: Uuid) -> usize {
    world.pass(LEASE);
    replay(world, webhook).await;
    let names = |message: &DueMessage| items(message).iter().any(|item| !item["user_id"].is_null() || !item["device_id"].is_null());
    due(world).await.iter().filter(|message| names(message)).count()
}

/// Whether it is some of all.
fn is_some(count: u64) -> bool {
    (1..TOTAL).contains(&count)
}

async fn a_replay_is_done_in_parts(backing: impl Backing + 'static, words: &Words) {
    let (mut world, webhook) = told(backing, words).await;
    guard(&world, words).await;
    let cut = world.store().replay_webhook(world.app, webhook, World::start(), world.later(DAY)).await;
    assert!(cut.is_err());
    let replayed = u64::try_from(due(&world).await.len()).unwrap();
    assert!(is_some(replayed), "{replayed}: what came before is done");
    world.run(words.release).await;
    assert_eq!(replay(&world, webhook).await, TOTAL, "each once, those of one instant too");
    world.pass(LEASE);
    assert_eq!(u64::try_from(due(&world).await.len()).unwrap(), TOTAL);
    world.close().await;
}

async fn an_erasure_is_done_in_parts(backing: impl Backing + 'static, words: &Words) {
    let (mut world, webhook) = told(backing, words).await;
    let (app, store) = (world.app, world.shared());
    guard(&world, words).await;
    assert!(store.erase_user(app, "ann").await.is_err());
    assert!(store.device(app, "phone").await.unwrap().is_some(), "nothing is forgotten before nobody is named");
    world.run(words.release).await;
    let named = u64::try_from(naming(&world, webhook).await).unwrap();
    assert!(is_some(named), "{named}: what came before is done");
    assert!(store.erase_user(app, "ann").await.unwrap(), "it goes on");
    assert_eq!((naming(&world, webhook).await, store.device(app, "phone").await.unwrap()), (0, None));
    assert!(!store.erase_user(app, "ann").await.unwrap());
    drop(store);
    world.close().await;
}

async fn a_deletion_is_done_in_parts(backing: impl Backing + 'static, words: &Words) {
    let (mut world, webhook) = told(backing, words).await;
    guard(&world, words).await;
    assert!(world.store().delete_webhook(world.app, webhook).await.is_err());
    world.run(words.release).await;
    let left = replay(&world, webhook).await;
    assert!(is_some(left), "{left}: what came before is done");
    assert!(world.store().delete_webhook(world.app, webhook).await.unwrap());
    world.close().await;
}

/// A message may be hundreds of kilobytes.
async fn few_messages_are_forgotten_at_once(backing: impl Backing + 'static, words: &Words) {
    let (mut world, webhook) = told(backing, words).await;
    world.store().prune_webhooks(world.later(DAY)).await.unwrap();
    let left = replay(&world, webhook).await;
    assert!((TOTAL - 100..TOTAL).contains(&left), "{left}");
    world.close().await;
}

/// Each against both stores.
macro_rules! both {
    ($($case:ident),+) => {
        mod sqlite {
            $(
                #[tokio::test]
                async fn $case() {
                    super::$case(super::Sqlite::new(), &super::SQLITE).await;
                }
            )+
        }

        mod postgres {
            $(
                #[tokio::test]
                async fn $case() {
                    super::$case(super::Postgres::new().await, &super::POSTGRES).await;
                }
            )+
        }
    };
}
both! { a_replay_is_done_in_parts, an_erasure_is_done_in_parts, a_deletion_is_done_in_parts, few_messages_are_forgotten_at_once }

/// Whoever looks for names holds nobody up who writes of them, registers their devices or sends to them.
#[tokio::test]
async fn who_is_erased_is_not_locked_while_names_are_looked_for() {
    let postgres = Postgres::new().await;
    let database = postgres.database.clone();
    let (mut world, webhook) = told(postgres, &POSTGRES).await;
    let locked = database.hold("BEGIN; SELECT 1 FROM webhook_message FOR UPDATE").await;
    let other = async {
        database.until("count(*) FILTER (WHERE wait_event_type = 'Lock') >= 1").await;
        database.run("SELECT 1 FROM device FOR UPDATE NOWAIT".to_owned()).await;
        database.run("SELECT 1 FROM person FOR UPDATE NOWAIT".to_owned()).await;
        locked.close().await.unwrap();
    };
    let (erased, ()) = tokio::join!(world.store().erase_user(world.app, "ann"), other);
    assert!(erased.unwrap());
    assert_eq!(naming(&world, webhook).await, 0);
    world.close().await;
}
