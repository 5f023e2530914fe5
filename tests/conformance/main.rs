//! What every store and every queue must do, written against the traits and run against each adapter.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may panic")]
#![expect(unreachable_pub, reason = "a test has no outside")]

mod kit;
mod path;
mod world;

/// Runs every case against every store, each in a world of its own.
macro_rules! stores {
    ($($module:ident: $($case:ident),+ $(,)?;)+) => {
        mod sqlite {
            $($(
                #[tokio::test]
                async fn $case() {
                    let mut world = crate::world::World::sqlite().await;
                    crate::$module::$case(&mut world).await;
                    world.close().await;
                }
            )+)+
        }
    };
}

stores! {
    path: a_notification_goes_all_the_way;
}
