//! Every way in which a device may be taken over: who asks, with which token, for what device; and who is reached where afterwards.

use herald::domain::device::{Change, Device, DeviceChange, DeviceStatus, Imported, InactiveReason, Platform, ProviderKind, PushToken};
use herald::domain::principal::Principal;
use herald::store::PageRequest;
use herald::store::device::{DeviceFilter, Registered};

use crate::kit::iphone;
use crate::world::World;

/// What the device is before.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Before {
    Anns,
    /// Hers, and inactive.
    Asleep,
    Nobodys,
    /// A name that was addressed before it registered.
    Name,
    None,
}

/// With which client token.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Who {
    Ann,
    AnnHere,
    AnnElsewhere,
    Bob,
    BobHere,
    BobElsewhere,
    /// Nobody is signed in, and the token is for the device.
    Here,
    Elsewhere,
}

/// Which token it carries.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Brings {
    Nothing,
    /// The one that the device has.
    Stored,
    /// One that nobody has.
    Fresh,
    /// The stored one's text, as a token of another provider.
    OtherProvider,
    /// That of a device of Carl's.
    Carls,
}

/// What is needed to register a device.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Needs {
    Nothing,
    /// The token that the device has.
    Proof,
    /// The token is bound to another device.
    Never,
}

/// Who may register a device that is there: with PUT, with PATCH.
const RULES: &[(Before, Who, Needs, Needs)] = &[
    (Before::Anns, Who::Ann, Needs::Nothing, Needs::Nothing),
    (Before::Anns, Who::AnnHere, Needs::Nothing, Needs::Nothing),
    (Before::Anns, Who::AnnElsewhere, Needs::Never, Needs::Never),
    (Before::Anns, Who::Bob, Needs::Proof, Needs::Proof),
    (Before::Anns, Who::BobHere, Needs::Proof, Needs::Proof),
    (Before::Anns, Who::BobElsewhere, Needs::Never, Needs::Never),
    (Before::Anns, Who::Here, Needs::Nothing, Needs::Proof),
    (Before::Anns, Who::Elsewhere, Needs::Never, Needs::Never),
    (Before::Nobodys, Who::Ann, Needs::Proof, Needs::Proof),
    (Before::Nobodys, Who::AnnHere, Needs::Proof, Needs::Proof),
    (Before::Nobodys, Who::AnnElsewhere, Needs::Never, Needs::Never),
    (Before::Nobodys, Who::Bob, Needs::Proof, Needs::Proof),
    (Before::Nobodys, Who::BobHere, Needs::Proof, Needs::Proof),
    (Before::Nobodys, Who::BobElsewhere, Needs::Never, Needs::Never),
    (Before::Nobodys, Who::Here, Needs::Nothing, Needs::Nothing),
    (Before::Nobodys, Who::Elsewhere, Needs::Never, Needs::Never),
];
pub const ALL_WHO: [Who; 8] =
    [Who::Ann, Who::AnnHere, Who::AnnElsewhere, Who::Bob, Who::BobHere, Who::BobElsewhere, Who::Here, Who::Elsewhere];
const ALL_BRINGS: [Brings; 5] = [Brings::Nothing, Brings::Stored, Brings::Fresh, Brings::OtherProvider, Brings::Carls];

impl Before {
    pub fn is_there(self) -> bool {
        !matches!(self, Self::Name | Self::None)
    }
}

impl Who {
    fn user(self) -> Option<&'static str> {
        match self {
            Self::Ann | Self::AnnHere | Self::AnnElsewhere => Some("ann"),
            Self::Bob | Self::BobHere | Self::BobElsewhere => Some("bob"),
            Self::Here | Self::Elsewhere => None,
        }
    }
}

/// The people and devices of one case; no other has any of the same name.
pub struct Scene {
    n: usize,
}

impl Scene {
    pub fn named(&self, what: &str) -> String {
        format!("{what}-{}", self.n)
    }

    /// Ann has a pad besides, and Carl a phone.
    pub async fn set(world: &World, n: usize, before: Before) -> Self {
        let scene = Self { n };
        let ann = scene.named("ann");
        let own = iphone(Some(&ann), &scene.named("stored"));
        scene.backend(world, "pad", iphone(Some(&ann), &scene.named("pads"))).await;
        scene.backend(world, "carls", iphone(Some(&scene.named("carl")), &scene.named("carls"))).await;
        match before {
            Before::Anns => scene.backend(world, "phone", own).await,
            Before::Asleep => {
                let imported = Some(Imported { inactive: true, ..Imported::default() });
                scene.backend(world, "phone", DeviceChange { imported, ..own }).await;
            }
            Before::Nobodys => scene.backend(world, "phone", DeviceChange { user: Change::Clear, ..own }).await,
            Before::Name => world.begin(&world.family(None, Some(&scene.named("phone")))).await,
            Before::None => {}
        }
        scene
    }

    async fn backend(&self, world: &World, device: &str, change: DeviceChange) {
        let registered = world.store().put_device(world.app, &self.named(device), change, None).await.unwrap();
        assert!(matches!(registered, Registered::Created(_)), "{registered:?}");
    }

    pub fn principal(&self, who: Who) -> Principal {
        let (here, elsewhere) = (self.named("phone"), self.named("pad"));
        let user = |user: &str, device| Principal::User { user: self.named(user), device };
        match who {
            Who::Ann => user("ann", None),
            Who::AnnHere => user("ann", Some(here)),
            Who::AnnElsewhere => user("ann", Some(elsewhere)),
            Who::Bob => user("bob", None),
            Who::BobHere => user("bob", Some(here)),
            Who::BobElsewhere => user("bob", Some(elsewhere)),
            Who::Here => Principal::Installation { device: here },
            Who::Elsewhere => Principal::Installation { device: elsewhere },
        }
    }

    /// A registration that says nothing of the user.
    pub fn change(&self, who: Who, brings: Brings) -> DeviceChange {
        let by = self.principal(who);
        let apns = |what| Some(PushToken::Apns(self.named(what)));
        let ios = DeviceChange { by, platform: Some(Platform::Ios), ..DeviceChange::default() };
        match brings {
            Brings::Nothing => ios,
            Brings::Stored => DeviceChange { token: apns("stored"), ..ios },
            Brings::Fresh => DeviceChange { token: apns("fresh"), ..ios },
            Brings::Carls => DeviceChange { token: apns("carls"), ..ios },
            Brings::OtherProvider => {
                DeviceChange { provider: Some(ProviderKind::Fcm), token: Some(PushToken::Fcm(self.named("stored"))), ..ios }
            }
        }
    }

    pub async fn get(&self, world: &World, device: &str) -> Option<Device> {
        world.store().device(world.app, &self.named(device)).await.unwrap()
    }

    pub async fn all(&self, world: &World) -> [Option<Device>; 3] {
        [self.get(world, "phone").await, self.get(world, "pad").await, self.get(world, "carls").await]
    }

    /// The devices that a user's pushes go to.
    async fn reached(&self, world: &World, user: &str) -> Vec<String> {
        let filter = DeviceFilter { user: Some(self.named(user)), status: Some(DeviceStatus::Active), ..DeviceFilter::default() };
        let page = world.store().devices(world.app, &filter, &PageRequest { limit: 500, after: None }).await.unwrap();
        let mut names: Vec<String> = page.items.into_iter().map(|device| device.name).collect();
        names.sort();
        names
    }

    pub async fn ask(&self, world: &World, change: DeviceChange, is_patch: bool) -> Option<Registered> {
        let (store, name) = (world.store(), self.named("phone"));
        if is_patch {
            return store.patch_device(world.app, &name, change, None).await.unwrap();
        }
        Some(store.put_device(world.app, &name, change, None).await.unwrap())
    }
}

fn needs(before: Before, who: Who, is_patch: bool) -> Needs {
    let before = if before == Before::Asleep { Before::Anns } else { before };
    let rule = RULES.iter().find(|(is, asks, ..)| (*is, *asks) == (before, who));
    match rule {
        Some((.., put, patch)) => {
            if is_patch {
                *patch
            } else {
                *put
            }
        }
        None if matches!(who, Who::AnnElsewhere | Who::BobElsewhere | Who::Elsewhere) => Needs::Never,
        None => Needs::Nothing,
    }
}

pub async fn a_device_is_taken_with_its_token_only(world: &mut World) {
    let mut n = 0;
    for before in [Before::Anns, Before::Asleep, Before::Nobodys, Before::Name, Before::None] {
        for (who, brings) in ALL_WHO.into_iter().flat_map(|who| ALL_BRINGS.map(|brings| (who, brings))) {
            for is_patch in [false, true] {
                n += 1;
                one_case(world, n, (before, who, brings, is_patch)).await;
            }
        }
    }
}

async fn one_case(world: &World, n: usize, case: (Before, Who, Brings, bool)) {
    let (before, who, brings, is_patch) = case;
    let scene = Scene::set(world, n, before).await;
    let was = scene.all(world).await;
    let needs = needs(before, who, is_patch);
    let answer = scene.ask(world, scene.change(who, brings), is_patch).await;
    let refusal = match needs {
        _ if is_patch && !before.is_there() => Some(None),
        Needs::Never => Some(Some(Registered::OfAnotherDevice)),
        Needs::Proof if brings != Brings::Stored => Some(Some(Registered::OfAnotherUser)),
        _ if !before.is_there() && brings == Brings::Nothing => Some(Some(Registered::Missing("token"))),
        _ => None,
    };
    if let Some(refusal) = refusal {
        assert_eq!(answer, refusal, "{case:?}");
        assert_eq!(scene.all(world).await, was, "{case:?}: nothing is changed");
        return;
    }
    let Some(Registered::Created(device) | Registered::Updated(device)) = answer else { panic!("{case:?}: {answer:?}") };
    assert_eq!(device.user, who.user().map(|user| scene.named(user)), "{case:?}");
    assert_eq!(scene.get(world, "phone").await.as_ref(), Some(&*device), "{case:?}");
    let wakes = !is_patch || brings != Brings::Nothing;
    assert_eq!(device.status == DeviceStatus::Active, wakes || before != Before::Asleep, "{case:?}");
    let expected = match brings {
        Brings::Nothing | Brings::Stored => PushToken::Apns(scene.named("stored")),
        Brings::Fresh => PushToken::Apns(scene.named("fresh")),
        Brings::OtherProvider => PushToken::Fcm(scene.named("stored")),
        Brings::Carls => PushToken::Apns(scene.named("carls")),
    };
    assert!(device.token == expected, "{case:?}");
    // pushes of the one who asked go here, and nobody else's do; others are reached where they were, except by a token that was known
    let is_reached = device.status == DeviceStatus::Active;
    for user in ["ann", "bob", "carl"] {
        let mut expected = match user {
            "ann" => vec![scene.named("pad")],
            "carl" if brings != Brings::Carls => vec![scene.named("carls")],
            _ => Vec::new(),
        };
        if is_reached && who.user() == Some(user) {
            expected.push(scene.named("phone"));
        }
        assert_eq!(scene.reached(world, user).await, expected, "{case:?}: {user}");
    }
    let carls = scene.get(world, "carls").await.unwrap();
    assert_eq!(carls.inactive_reason, (brings == Brings::Carls).then_some(InactiveReason::TokenMoved), "{case:?}");
}
