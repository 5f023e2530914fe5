use std::collections::BTreeMap;

use chrono::TimeDelta;
use proptest::prelude::*;

use super::super::category::Category;
use super::super::decision::{AppDefaults, DeviceFacts, Push};
use super::super::explain::{Explanation, Verdict, explain};
use super::super::local_time::tests::{at, zone_and_instant};
use super::super::notification::{IfPast, Lifetime, When};
use super::super::preferences::{Preferences, Switches};
use super::super::quiet_hours::tests::{covered, intervals, some_intervals};
use super::*;

/// 23:30 in Paris, in the middle of the quiet hours of [`Scene::night`].
const NOW: &str = "2026-01-15T22:30:00Z";
/// The end of those quiet hours.
const MORNING: &str = "2026-01-16T06:00:00Z";

/// A question of which every part can be changed.
#[derive(Clone)]
struct Scene {
    declared: Option<Category>,
    push: Push<'static>,
    preferences: Preferences,
    device: DeviceFacts<'static>,
    defaults: AppDefaults,
    now: Timestamp,
}

impl Scene {
    /// A message with a day to live, accepted now, to a person in Paris who has no wishes.
    fn day() -> Self {
        let now = at(NOW);
        Self {
            declared: Some(Category::default()),
            push: Push {
                category: Some("messages"),
                declared: None,
                priority: Priority::High,
                silent: false,
                in_quiet_hours: InQuietHours::Defer,
                when: When::At(now),
                lifetime: Lifetime::Seconds(86_400),
                start_at: now,
            },
            preferences: Preferences::default(),
            device: DeviceFacts {
                platform: Platform::Ios,
                provider: ProviderKind::Apns,
                permission: Permission::Granted,
                timezone: Some("Europe/Paris"),
            },
            defaults: AppDefaults::default(),
            now,
        }
    }

    /// The same to one who is in quiet hours.
    fn night() -> Self {
        Self::day().with(|scene| scene.preferences.quiet_hours = Some(intervals("22:00-07:00")))
    }

    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    fn choice(&mut self) -> &mut CategoryChoice {
        self.preferences.categories.entry("messages".to_owned()).or_default()
    }

    fn declare(&mut self) -> &mut Category {
        self.declared.get_or_insert_default()
    }

    fn ask<T>(&self, ask: impl FnOnce(&Question<'_>) -> T) -> T {
        ask(&Question {
            push: Push { declared: self.declared.as_ref(), ..self.push },
            preferences: Some(&self.preferences),
            device: self.device,
            defaults: &self.defaults,
        })
    }

    fn decide(&self) -> Decision {
        self.ask(|question| decide(self.now, question))
    }

    fn explain(&self) -> Explanation {
        self.ask(|question| explain(self.now, question))
    }
}

type Change = fn(&mut Scene);

fn check(start: &Scene, cases: &[(&str, Change, Decision)]) {
    for (name, change, expected) in cases {
        assert_eq!(start.clone().with(*change).decide(), *expected, "{name}");
    }
}

fn suppress(reason: SuppressReason) -> Decision {
    Decision::Suppress(reason)
}

fn defer(until: &str, reason: WaitReason) -> Decision {
    Decision::Defer { until: at(until), reason }
}

const SEND: Decision = Decision::Send { until: None };

fn local(time: &str, if_past: IfPast) -> When {
    When::Local { time: time.parse().unwrap(), if_past }
}

#[test]
fn every_reason_not_to_send_has_a_case() {
    use SuppressReason::*;
    check(
        &Scene::day(),
        &[
            ("nothing against it", |_| (), SEND),
            ("pushes are off", |s| s.preferences.channels.push = Some(false), suppress(PushOff)),
            ("pushes are on", |s| s.preferences.channels.push = Some(true), SEND),
            ("e-mail is off", |s| s.preferences.channels = Switches { email: Some(false), ..Switches::default() }, SEND),
            ("the category is off", |s| s.choice().push = Some(false), suppress(CategoryOff)),
            ("its e-mail is off", |s| s.choice().email = Some(false), SEND),
            ("off by default", |s| s.declare().default_on = false, suppress(CategoryOff)),
            ("another category is off", |s| s.push.category = Some("other"), SEND),
            ("denied", |s| s.device.permission = Permission::Denied, suppress(PermissionDenied)),
            ("provisional", |s| s.device.permission = Permission::Provisional, SEND),
            ("nobody asked", |s| s.device.permission = Permission::Unknown, SEND),
            ("over", |s| s.push.lifetime = Lifetime::Until(s.now), Decision::Expire),
            ("nearly over", |s| s.push.lifetime = Lifetime::Until(s.now + TimeDelta::microseconds(1)), SEND),
        ],
    );
    check(
        &Scene::night(),
        &[
            ("it waits", |_| (), defer(MORNING, WaitReason::QuietHours)),
            ("it is dropped", |s| s.push.in_quiet_hours = InQuietHours::Drop, suppress(QuietHours)),
            ("it would expire", |s| s.push.lifetime = Lifetime::Seconds(3600), suppress(WouldExpire)),
            ("it would expire at their end", |s| s.push.lifetime = Lifetime::Until(at(MORNING)), suppress(WouldExpire)),
            ("it just lives", |s| s.push.lifetime = Lifetime::Seconds(27_001), defer(MORNING, WaitReason::QuietHours)),
            ("they have no end", |s| s.preferences.quiet_hours = Some(intervals("00:00-12:00; 12:00-00:00")), suppress(WouldExpire)),
        ],
    );
}

#[test]
fn a_send_holds_until_the_next_quiet_hours() {
    let day = Scene::night().with(|scene| scene.now = at("2026-01-16T06:00:00Z"));
    assert_eq!(day.decide(), Decision::Send { until: Some(at("2026-01-16T21:00:00Z")) });
    // what is not held by them is not cut short by them either
    assert_eq!(day.with(|scene| scene.push.priority = Priority::Critical).decide(), SEND);
}

#[test]
fn some_pushes_are_not_held() {
    let held = defer(MORNING, WaitReason::QuietHours);
    check(
        &Scene::night(),
        &[
            ("critical", |s| s.push.priority = Priority::Critical, SEND),
            ("silent", |s| s.push.silent = true, SEND),
            ("ignored by the sender", |s| s.push.in_quiet_hours = InQuietHours::Ignore, SEND),
            ("passed by the category", |s| s.declare().bypass_quiet_hours = true, SEND),
            ("let through by the person", |s| s.choice().in_quiet_hours = Some(true), SEND),
            ("let through, but dropped", |s| (s.choice().in_quiet_hours, s.push.in_quiet_hours) = (Some(true), InQuietHours::Drop), SEND),
            ("not let through", |s| s.choice().in_quiet_hours = Some(false), held),
            ("high", |s| s.push.priority = Priority::High, held),
            ("required", |s| s.declare().required = true, held),
            ("without a category", |s| (s.push.category, s.declared) = (None, None), held),
        ],
    );
}

#[test]
fn what_is_not_held_still_asks_for_the_switches() {
    use SuppressReason::*;
    check(
        &Scene::day(),
        &[
            (
                "critical, pushes off",
                |s| (s.push.priority, s.preferences.channels.push) = (Priority::Critical, Some(false)),
                suppress(PushOff),
            ),
            ("critical, category off", |s| (s.push.priority, s.choice().push) = (Priority::Critical, Some(false)), suppress(CategoryOff)),
            (
                "critical, denied",
                |s| (s.push.priority, s.device.permission) = (Priority::Critical, Permission::Denied),
                suppress(PermissionDenied),
            ),
            ("silent, pushes off", |s| (s.push.silent, s.preferences.channels.push) = (true, Some(false)), SEND),
            ("silent, category off", |s| (s.push.silent, s.choice().push) = (true, Some(false)), suppress(CategoryOff)),
            ("silent, denied", |s| (s.push.silent, s.device.permission) = (true, Permission::Denied), SEND),
            ("silent, no category", |s| (s.push.silent, s.push.category, s.declared) = (true, None, None), SEND),
            (
                "ignored, pushes off",
                |s| (s.push.in_quiet_hours, s.preferences.channels.push) = (InQuietHours::Ignore, Some(false)),
                suppress(PushOff),
            ),
        ],
    );
}

#[test]
fn a_required_category_cannot_be_switched_off() {
    let required = Scene::day().with(|scene| scene.declare().required = true);
    check(
        &required,
        &[
            ("the person says no", |s| s.choice().push = Some(false), SEND),
            ("off by default", |s| s.declare().default_on = false, SEND),
            ("but the channel can", |s| s.preferences.channels.push = Some(false), suppress(SuppressReason::PushOff)),
        ],
    );
    let opt_in = Scene::day().with(|scene| scene.declare().default_on = false);
    check(
        &opt_in,
        &[("the person says yes", |s| s.choice().push = Some(true), SEND), ("the declaration is gone", |s| s.declared = None, SEND)],
    );
}

#[test]
fn silent_pushes_never_go_to_browsers() {
    let silent = Scene::day().with(|scene| scene.push.silent = true);
    check(
        &silent,
        &[
            ("a browser", |s| s.device.platform = Platform::Web, suppress(SuppressReason::Unsupported)),
            ("a web push subscription elsewhere", |s| s.device.provider = ProviderKind::Webpush, suppress(SuppressReason::Unsupported)),
            ("a phone", |s| s.device.platform = Platform::Android, SEND),
        ],
    );
    assert_eq!(Scene::day().with(|scene| scene.device.platform = Platform::Web).decide(), SEND);
}

#[test]
fn a_scheduled_push_waits_for_its_time() {
    let later = defer("2026-01-16T22:30:00Z", WaitReason::Scheduled);
    check(
        &Scene::day(),
        &[
            ("ahead", |s| s.push.when = When::At(at("2026-01-16T22:30:00Z")), later),
            // until it is due, people may change their mind
            ("ahead and off", |s| (s.push.when, s.choice().push) = (When::At(at("2026-01-16T22:30:00Z")), Some(false)), later),
            (
                "ahead and denied",
                |s| (s.push.when, s.device.permission) = (When::At(at("2026-01-16T22:30:00Z")), Permission::Denied),
                later,
            ),
            (
                "ahead, now or never",
                |s| (s.push.when, s.push.lifetime) = (When::At(at("2026-01-16T22:30:00Z")), Lifetime::Seconds(0)),
                later,
            ),
            ("behind is now", |s| s.push.when = When::At(at("2026-01-10T22:30:00Z")), SEND),
            (
                "ahead of its end",
                |s| (s.push.when, s.push.lifetime) = (When::At(at("2026-01-16T22:30:00Z")), Lifetime::Until(at("2026-01-16T22:30:00Z"))),
                suppress(SuppressReason::WouldExpire),
            ),
            (
                "no browser ever takes it",
                |s| (s.push.when, s.push.silent, s.device.platform) = (When::At(at("2026-01-16T22:30:00Z")), true, Platform::Web),
                suppress(SuppressReason::Unsupported),
            ),
        ],
    );
    check(&Scene::night(), &[("ahead, and quiet now", |s| s.push.when = When::At(at("2026-01-16T22:30:00Z")), later)]);
}

#[test]
fn a_local_time_is_the_devices_own() {
    let skipped = suppress(SuppressReason::SkippedPastLocalTime);
    check(
        &Scene::day(),
        &[
            ("ahead", |s| s.push.when = local("2026-01-16T09:00:00", IfPast::Skip), defer("2026-01-16T08:00:00Z", WaitReason::Scheduled)),
            ("right now", |s| s.push.when = local("2026-01-15T23:30:00", IfPast::Skip), SEND),
            ("passed", |s| s.push.when = local("2026-01-15T23:29:59", IfPast::Skip), skipped),
            ("passed, sent all the same", |s| s.push.when = local("2026-01-15T09:00:00", IfPast::Send), SEND),
            ("passed and off", |s| (s.push.when, s.choice().push) = (local("2026-01-15T09:00:00", IfPast::Skip), Some(false)), skipped),
            (
                "passed here, ahead there",
                |s| (s.push.when, s.device.timezone) = (local("2026-01-15T18:00:00", IfPast::Skip), Some("America/New_York")),
                defer("2026-01-15T23:00:00Z", WaitReason::Scheduled),
            ),
            (
                "in the gap: the first instant after it",
                |s| s.push.when = local("2026-03-29T02:30:00", IfPast::Skip),
                defer("2026-03-29T01:00:00Z", WaitReason::Scheduled),
            ),
            (
                "twice: the earlier",
                |s| s.push.when = local("2026-10-25T02:30:00", IfPast::Skip),
                defer("2026-10-25T00:30:00Z", WaitReason::Scheduled),
            ),
        ],
    );
}

#[test]
fn our_own_lateness_is_never_a_skip() {
    let late = Scene::day().with(|scene| {
        scene.push.when = local("2026-01-16T09:00:00", IfPast::Skip);
        scene.now = at("2026-01-16T11:00:00Z");
    });
    assert_eq!(late.decide(), SEND);
    assert_eq!(late.with(|scene| scene.push.lifetime = Lifetime::Seconds(3 * 3600)).decide(), Decision::Expire);
}

/// What it waits for beyond that is latency.
#[test]
fn the_earliest_instant_is_when_it_is_due_or_the_end_of_quiet_hours() {
    let (due, tomorrow) = (Some(at(NOW)), Some(at("2026-01-16T22:30:00Z")));
    let morning = Some(at(MORNING));
    let cases: &[(&str, Scene, Change, Option<Timestamp>)] = &[
        ("at once", Scene::day(), |_| (), due),
        ("looked at late", Scene::day(), |s| s.now += TimeDelta::hours(3), due),
        ("scheduled", Scene::day(), |s| s.push.when = When::At(at("2026-01-16T22:30:00Z")), tomorrow),
        ("a run that began after its instant", Scene::day(), |s| s.push.when = When::At(at("2026-01-10T22:30:00Z")), due),
        ("its local time", Scene::day(), |s| s.push.when = local("2026-01-16T23:30:00", IfPast::Skip), tomorrow),
        ("passed, sent all the same", Scene::day(), |s| s.push.when = local("2026-01-15T09:00:00", IfPast::Send), due),
        ("passed and left out", Scene::day(), |s| s.push.when = local("2026-01-15T09:00:00", IfPast::Skip), None),
        ("in quiet hours", Scene::night(), |_| (), morning),
        ("in quiet hours, looked at late", Scene::night(), |s| s.now = at("2026-01-16T11:00:00Z"), morning),
        ("in quiet hours at its local time", Scene::night(), |s| s.push.when = local("2026-01-16T06:59:59", IfPast::Skip), morning),
        ("muted into quiet hours", Scene::night(), |s| s.preferences.muted_until = Some(at("2026-01-15T23:00:00Z")), morning),
        ("muted", Scene::day(), |s| s.preferences.muted_until = Some(at(MORNING)), morning),
        ("not held by quiet hours", Scene::night(), |s| s.push.priority = Priority::Critical, due),
        ("dropped in quiet hours then, let through by now", Scene::night(), |s| s.push.in_quiet_hours = InQuietHours::Drop, due),
    ];
    for (name, scene, change, expected) in cases {
        assert_eq!(scene.clone().with(*change).ask(earliest), *expected, "{name}");
    }
}

#[test]
fn the_life_counts_from_when_it_is_due() {
    let ends = |scene: &Scene| scene.ask(|question| expires_at(&question.push, zone_of(question)));
    let day = Scene::day();
    assert_eq!(ends(&day), at("2026-01-16T22:30:00Z"));
    let local_time = day.clone().with(|scene| scene.push.when = local("2026-01-16T09:00:00", IfPast::Skip));
    assert_eq!(ends(&local_time), at("2026-01-17T08:00:00Z"));
    // sent although its time has passed: it is due when the notification began
    let passed = day.clone().with(|scene| scene.push.when = local("2026-01-10T09:00:00", IfPast::Send));
    assert_eq!(ends(&passed), at("2026-01-16T22:30:00Z"));
    let absolute = day.clone().with(|scene| scene.push.lifetime = Lifetime::Until(at(MORNING)));
    assert_eq!(ends(&absolute), at(MORNING));
    let endless = day.with(|scene| (scene.push.start_at, scene.push.lifetime) = (Timestamp::MAX_UTC, Lifetime::Seconds(1)));
    assert_eq!(ends(&endless), Timestamp::MAX_UTC);
}

#[test]
fn now_or_never_is_now_or_never() {
    let never = Scene::day().with(|scene| scene.push.lifetime = Lifetime::Seconds(0));
    check(
        &never,
        &[
            ("now", |_| (), SEND),
            ("a little late", |s| s.now += TimeDelta::seconds(59), SEND),
            ("too late", |s| s.now += TimeDelta::seconds(60), Decision::Expire),
            ("muted", |s| s.preferences.muted_until = Some(s.now + TimeDelta::seconds(1)), suppress(SuppressReason::WouldExpire)),
        ],
    );
    let quiet = Scene::night().with(|scene| scene.push.lifetime = Lifetime::Seconds(0));
    check(
        &quiet,
        &[
            ("in quiet hours", |_| (), suppress(SuppressReason::WouldExpire)),
            ("dropped in quiet hours", |s| s.push.in_quiet_hours = InQuietHours::Drop, suppress(SuppressReason::QuietHours)),
            ("critical", |s| s.push.priority = Priority::Critical, SEND),
        ],
    );
}

#[test]
fn a_mute_is_like_quiet_hours() {
    check(
        &Scene::day(),
        &[
            (
                "muted",
                |s| s.preferences.muted_until = Some(at("2026-01-16T01:00:00Z")),
                defer("2026-01-16T01:00:00Z", WaitReason::QuietHours),
            ),
            ("no more", |s| s.preferences.muted_until = Some(s.now), SEND),
            ("critical", |s| (s.push.priority, s.preferences.muted_until) = (Priority::Critical, Some(Timestamp::MAX_UTC)), SEND),
            ("for ever", |s| s.preferences.muted_until = Some(Timestamp::MAX_UTC), suppress(SuppressReason::WouldExpire)),
            (
                "dropped",
                |s| (s.push.in_quiet_hours, s.preferences.muted_until) = (InQuietHours::Drop, Some(Timestamp::MAX_UTC)),
                suppress(SuppressReason::QuietHours),
            ),
        ],
    );
    check(
        &Scene::night(),
        &[
            ("into the night", |s| s.preferences.muted_until = Some(at("2026-01-16T01:00:00Z")), defer(MORNING, WaitReason::QuietHours)),
            (
                "past the night",
                |s| s.preferences.muted_until = Some(at("2026-01-16T09:00:00Z")),
                defer("2026-01-16T09:00:00Z", WaitReason::QuietHours),
            ),
            (
                "from the day into the night",
                |s| (s.now, s.preferences.muted_until) = (at("2026-01-16T12:00:00Z"), Some(at("2026-01-16T21:30:00Z"))),
                suppress(SuppressReason::WouldExpire),
            ),
        ],
    );
}

#[test]
fn switches_go_before_time_and_time_before_quiet_hours() {
    use SuppressReason::*;
    let everything: Change = |s| {
        s.preferences.channels.push = Some(false);
        s.choice().push = Some(false);
        s.device.permission = Permission::Denied;
        s.push.lifetime = Lifetime::Until(s.now);
    };
    let all = Scene::night().with(everything);
    check(
        &all,
        &[
            ("the channel first", |_| (), suppress(PushOff)),
            ("then the category", |s| s.preferences.channels.push = None, suppress(CategoryOff)),
            (
                "then the permission",
                |s| (s.preferences.channels.push, s.preferences.categories) = (None, BTreeMap::new()),
                suppress(PermissionDenied),
            ),
            (
                "then the life",
                |s| {
                    (s.preferences.channels.push, s.preferences.categories) = (None, BTreeMap::new());
                    s.device.permission = Permission::Granted;
                },
                Decision::Expire,
            ),
        ],
    );
}

#[test]
fn the_apps_defaults_hold_where_the_person_said_nothing() {
    let app = Scene::day().with(|scene| scene.defaults.quiet_hours = intervals("22:00-07:00"));
    check(
        &app,
        &[
            ("the app's", |_| (), defer(MORNING, WaitReason::QuietHours)),
            ("the person chose none", |s| s.preferences.quiet_hours = Some(Vec::new()), SEND),
            (
                "the person's zone",
                |s| (s.device.timezone, s.preferences.timezone) = (None, Some("Asia/Tokyo".to_owned())),
                Decision::Send { until: Some(at("2026-01-16T13:00:00Z")) },
            ),
            (
                "the app's zone",
                |s| (s.device.timezone, s.defaults.timezone) = (Some("Mars/Olympus"), Tz::Asia__Tokyo),
                Decision::Send { until: Some(at("2026-01-16T13:00:00Z")) },
            ),
            ("UTC", |s| s.device.timezone = None, defer("2026-01-16T07:00:00Z", WaitReason::QuietHours)),
        ],
    );
    let nobody = app.ask(|question| decide(app.now, &Question { preferences: None, ..*question }));
    assert_eq!(nobody, defer(MORNING, WaitReason::QuietHours));
}

#[test]
fn an_explanation_says_what_was_gone_by() {
    let night = Scene::night().explain();
    assert_eq!(
        night,
        Explanation {
            decision: Verdict::Defer,
            until: Some(at(MORNING)),
            reason: Some("quiet_hours"),
            timezone: Tz::Europe__Paris,
            local_time: "2026-01-15T23:30:00".parse().unwrap(),
        }
    );
    let day = Scene::day().explain();
    assert_eq!((day.decision, day.until, day.reason), (Verdict::Send, None, None));
    let off = Scene::day().with(|scene| scene.preferences.channels.push = Some(false)).explain();
    assert_eq!((off.decision, off.until, off.reason), (Verdict::Suppress, None, Some("push_off")));
    // a local time in quiet hours: it would be sent at their end
    let local = Scene::night().with(|scene| scene.push.when = local("2026-01-16T23:00:00", IfPast::Skip)).explain();
    assert_eq!((local.decision, local.until, local.reason), (Verdict::Defer, Some(at("2026-01-17T06:00:00Z")), Some("scheduled")));
    let over = Scene::day().with(|scene| scene.push.lifetime = Lifetime::Until(scene.now)).explain();
    assert_eq!((over.decision, over.reason), (Verdict::Suppress, Some("would_expire")));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// The promise of the whole: nothing goes to a provider in a person's quiet hours, and nothing waits longer than it must.
    #[test]
    fn nobody_is_woken_in_their_quiet_hours(
        (zone, now) in zone_and_instant(),
        quiet in some_intervals(),
        muted in prop::option::of(-3000..3000_i64),
        ttl in prop_oneof![Just(0_u32), 1..100_000_u32, Just(2_419_200_u32)],
        policy in prop::sample::select(vec![InQuietHours::Defer, InQuietHours::Drop]),
    ) {
        let muted_until = muted.map(|minutes| now + TimeDelta::minutes(minutes));
        let held = |instant| covered(instant, zone, &quiet) || muted_until.is_some_and(|until| instant < until);
        let scene = Scene::day().with(|scene| {
            scene.device.timezone = Some(zone.name());
            scene.preferences.quiet_hours = Some(quiet.clone());
            scene.preferences.muted_until = muted_until;
            scene.push.when = When::At(now);
            scene.push.start_at = now;
            scene.push.lifetime = Lifetime::Seconds(ttl);
            scene.push.in_quiet_hours = policy;
            scene.now = now;
        });
        match scene.decide() {
            Decision::Send { until } => {
                let until = until.unwrap_or(now + TimeDelta::days(1)).min(now + TimeDelta::days(1));
                let mut minutes = (0..(until - now).num_minutes()).map(|minute| now + TimeDelta::minutes(minute));
                prop_assert!(!minutes.any(held));
            }
            Decision::Defer { until, reason } => {
                prop_assert_eq!((reason, policy), (WaitReason::QuietHours, InQuietHours::Defer));
                prop_assert!(until > now && until < now + TimeDelta::seconds(ttl.into()));
                let then = scene.with(|scene| scene.now = until).decide();
                prop_assert!(matches!(then, Decision::Send { .. }), "{:?}", then);
            }
            Decision::Suppress(SuppressReason::QuietHours) => prop_assert_eq!(policy, InQuietHours::Drop),
            Decision::Suppress(SuppressReason::WouldExpire) => {
                prop_assert_eq!(policy, InQuietHours::Defer);
                prop_assert!(!quiet.is_empty() || muted_until.is_some_and(|until| until >= now + TimeDelta::seconds(ttl.into())));
            }
            other => prop_assert!(false, "{:?}", other),
        }
    }
}
