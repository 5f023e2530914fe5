//! Credentials that are replaced while sends are under way.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::provider::TestProvider;
use super::world::{World, until};
use crate::dispatch::directory::App;
use crate::dispatch::handle::Dispatch;
use crate::dispatch::role::Roles;
use crate::domain::device::ProviderKind;
use crate::domain::outcome::{Outcome, Reason, RefusalScope};
use crate::providers::Provider;

fn refused() -> Outcome {
    Outcome::CredentialRefused { reason: Reason::new("InvalidProviderToken"), scope: RefusalScope::Lane }
}

/// Has a running node take another provider with another credential.
fn replace(dispatch: &Dispatch, world: &World) -> Arc<TestProvider> {
    let provider = Arc::new(TestProvider::new());
    let providers = BTreeMap::from([(ProviderKind::Apns, Arc::clone(&provider) as Arc<dyn Provider>)]);
    let app = App { generation: 2, ..world.app_with(providers) };
    dispatch.replace_apps(vec![app], &[(world.app, ProviderKind::Apns)]);
    provider
}

fn is_paused(dispatch: &Dispatch, world: &World) -> bool {
    dispatch.lanes(world.app).iter().any(|lane| lane.paused)
}

#[tokio::test]
async fn what_is_said_of_a_replaced_credential_counts_for_nothing() {
    let mismatched = Outcome::TokenMismatched { reason: Reason::new("DeviceTokenNotForTopic") };
    for verdict in [refused(), mismatched] {
        let world = World::new().await;
        let dispatch = Dispatch::start(world.parts(), Roles::ALL);
        world.iphones(&["ann"]).await;
        world.provider.answers(false);
        world.provider.answer_with(verdict.clone());
        let id = world.accept(&["ann"]).await;
        until("it is under way", async || (world.provider.started().len() == 1).then_some(())).await;

        let provider = replace(&dispatch, &world);
        world.provider.answers(true);
        until("it is sent", async || world.is_done(id).await.then_some(())).await;
        assert_eq!((world.counts(id).await.sent, provider.started()), (1, world.provider.started()), "with the same id");
        assert!(!is_paused(&dispatch, &world), "{verdict:?}");
    }
}

#[tokio::test]
async fn a_paused_lane_goes_on_with_another_credential() {
    let world = World::new().await;
    let dispatch = Dispatch::start(world.parts(), Roles::ALL);
    world.iphones(&["ann"]).await;
    world.provider.answer_with(refused());
    world.accept(&["ann"]).await;
    until("the lane is paused", async || is_paused(&dispatch, &world).then_some(())).await;
    let provider = replace(&dispatch, &world);
    assert!(!is_paused(&dispatch, &world));
    let id = world.accept(&["ann"]).await;
    until("it is sent", async || world.is_done(id).await.then_some(())).await;
    assert_eq!(provider.started().len(), 1);
}
