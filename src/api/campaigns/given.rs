//! From a request to what the store keeps of a campaign: every check that can be made before it begins.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use chrono_tz::Tz;

use super::dto::{CampaignRequest, ScheduleRequest, VariantRequest};
use crate::api::Api;
use crate::api::checks::Checks;
use crate::api::json::{self, Reading};
use crate::api::notifications::{Given, NotificationRequest, check_words, draft_of_campaign};
use crate::api::problem::Problem;
use crate::api::segments;
use crate::dispatch::campaign::Plan;
use crate::dispatch::draft::{Draft, FieldError, OfCampaign, To};
use crate::domain::Timestamp;
use crate::domain::campaign::Schedule;
use crate::domain::content::{Content, Interruption};
use crate::domain::id::{AppId, CampaignId};
use crate::domain::name::check_category_id;
use crate::domain::pace::Pace;
use crate::domain::recurrence::{Recurrence, Unusable};
use crate::domain::segment::Segment;
use crate::domain::variant::{MAX_VARIANTS, MAX_WEIGHT, Variant};
use crate::domain::zone::parse_zone;
use crate::store::campaign::Definition;
use crate::store::key::Scope;

/// The longest name, in characters.
const MAX_NAME: usize = 200;
/// The largest bound of an audience.
const MAX_TARGETS: u64 = 1_000_000_000;
/// How far ahead a campaign may be scheduled.
const AHEAD: TimeDelta = TimeDelta::days(366);

/// What a request says of a campaign, checked.
pub(super) struct Wanted {
    pub(super) name: String,
    pub(super) given: serde_json::Value,
    pub(super) plan: Plan,
}

impl Wanted {
    /// As the store takes it.
    pub(super) fn definition(self) -> Result<Definition, Problem> {
        let plan = self.plan.write().map_err(|error| Problem::internal(&error))?;
        Ok(Definition { name: self.name, given: self.given, plan })
    }
}

/// Reads a campaign that is the whole body, and checks it wholly: 422 with all that is wrong with it, where its notification would be refused too.
pub(super) async fn read(api: &Api, (app, id): (AppId, CampaignId), body: &[u8], may_be_critical: bool) -> Result<Wanted, Problem> {
    let reading = json::read::<CampaignRequest>(body)?;
    let given = serde_json::from_slice(body).map_err(|_| Problem::bad_json("the body is not JSON"))?;
    let now = api.clock.now();
    let mut request = reading.value;
    let (below, own) = reading.errors.into_iter().partition(|error| strip(&error.field).is_some());
    let mut checks = Checks::with(own);
    checks.line("name", request.name.as_deref(), MAX_NAME);
    let name = request.name.take().unwrap_or_else(|| {
        checks.required("name");
        String::new()
    });
    let segment = take_segment(&request, &mut checks);
    let schedule = take_schedule(&request, (now, api.path.default_zone(app)), &mut checks);
    let pace = take_pace(&request, &mut checks);
    check_max_targets(request.max_targets, &mut checks);
    let variants = take_variants(request.variants.take(), &mut checks);
    if variants.iter().any(asks_for_critical) && !may_be_critical {
        return Err(Problem::scope_missing(Scope::Critical));
    }
    let campaign = OfCampaign { id, variants, max_targets: request.max_targets };
    let asked = Given { now, may_be_critical, has_words: has_words(&campaign.variants) };
    let Some(notification) = take_notification(request.notification.take(), &schedule, below, &mut checks) else {
        return Err(Problem::invalid(checks.into_errors()));
    };
    let draft = match draft_of_campaign(api, app, notification, asked).await {
        Ok(draft) => draft,
        Err(problem) => return Err(problem.within(within, checks.into_errors())),
    };
    check_beside(&draft, &campaign, &mut checks);
    let to = segment.map_or(To::Devices(Vec::new()), |segment| To::Segment(segment.into()));
    let draft = Draft { to, pace, campaign: Some(campaign), ..draft };
    let plan = checks.done(Plan { draft, schedule })?;
    check(api, app, &plan, now).await?;
    Ok(Wanted { name, given, plan })
}

/// Refuses what would be refused when it begins, as far as that is known.
pub(super) async fn check(api: &Api, app: AppId, plan: &Plan, now: Timestamp) -> Result<(), Problem> {
    let checked = api.path.check(app, plan.clone().foreseen(now)).await;
    checked.map_err(|rejected| Problem::from(rejected).within(within, Vec::new()))
}

const NOTIFICATION: &str = "notification";

fn strip(field: &str) -> Option<&str> {
    let rest = field.strip_prefix(NOTIFICATION)?;
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix('.') }
}

/// Where a field of the notification is in the body. What is said of variants says where that is.
fn within(field: &str) -> String {
    if field.is_empty() {
        NOTIFICATION.to_owned()
    } else if field.starts_with("variants") {
        field.to_owned()
    } else {
        format!("{NOTIFICATION}.{field}")
    }
}

fn take_segment(request: &CampaignRequest, checks: &mut Checks) -> Option<Segment> {
    if request.segment.is_none() {
        checks.required("segment");
    }
    request.segment.as_ref().and_then(|value| segments::take(value, "segment", checks))
}

fn take_pace(request: &CampaignRequest, checks: &mut Checks) -> Option<Pace> {
    let pace = request.per_second.map(Pace::new);
    if pace == Some(None) {
        checks.invalid("per_second", format_args!("must be a whole number from 1 to {}", Pace::MAX));
    }
    pace.flatten()
}

fn check_max_targets(max: Option<u64>, checks: &mut Checks) {
    if max.is_some_and(|max| !(1..=MAX_TARGETS).contains(&max)) {
        checks.invalid("max_targets", format_args!("must be a whole number from 1 to {MAX_TARGETS}"));
    }
}

fn take_notification(
    request: Option<NotificationRequest>,
    schedule: &Schedule,
    mut errors: Vec<FieldError>,
    checks: &mut Checks,
) -> Option<Reading<NotificationRequest>> {
    let Some(request) = request else {
        if errors.is_empty() {
            checks.required(NOTIFICATION);
        }
        for FieldError { field, code, message } in errors {
            checks.refuse(field, code, message);
        }
        return None;
    };
    for error in &mut errors {
        error.field = strip(&error.field).unwrap_or_default().to_owned();
    }
    for field in request.left_to_the_campaign() {
        checks.refuse(format_args!("{NOTIFICATION}.{field}"), "unknown_field", "is said by the campaign itself");
    }
    if request.has_no_category() && !errors.iter().any(|error| error.field == "category") {
        checks.required("notification.category");
    }
    if request.has_end() && matches!(schedule, Schedule::Recurring(_)) {
        checks.invalid("notification.expires_at", "cannot stand beside schedule.cron: say ttl_seconds");
    }
    Some(Reading { value: request, errors })
}

fn take_schedule(request: &CampaignRequest, (now, default_zone): (Timestamp, Tz), checks: &mut Checks) -> Schedule {
    let if_past = request.if_past;
    let is_local = request.schedule.as_ref().is_some_and(|schedule| schedule.at_local.is_some());
    if if_past.is_some() && !is_local {
        checks.invalid("if_past", "is only for schedule.at_local");
    }
    let Some(schedule) = &request.schedule else { return Schedule::AtOnce };
    let given = [schedule.at.is_some(), schedule.at_local.is_some(), schedule.cron.is_some()];
    let count = given.into_iter().filter(|given| *given).count();
    if count > 1 || (count == 0 && !checks.has_below("schedule")) {
        checks.invalid("schedule", "must have exactly one of at, at_local, cron");
    }
    if schedule.cron.is_none() {
        for (field, is_given) in [("schedule.timezone", schedule.timezone.is_some()), ("schedule.until", schedule.until.is_some())] {
            if is_given {
                checks.invalid(field, "is only for cron");
            }
        }
    }
    if let Some(at) = schedule.at {
        check_ahead("schedule.at", at.0, now + AHEAD, checks);
        return Schedule::At(at.0);
    }
    if let Some(time) = schedule.at_local {
        // no zone is more than a day from UTC
        check_ahead("schedule.at_local", time.0.and_utc(), now + AHEAD + TimeDelta::days(1), checks);
        return Schedule::Local { time: time.0, if_past: if_past.unwrap_or_default() };
    }
    take_recurrence(schedule, (now, default_zone), checks).map_or(Schedule::AtOnce, Schedule::Recurring)
}

fn check_ahead(field: &str, at: Timestamp, last: Timestamp, checks: &mut Checks) {
    if at > last {
        checks.invalid(field, format_args!("must be at most {} days ahead", AHEAD.num_days()));
    }
}

fn take_recurrence(schedule: &ScheduleRequest, (now, default_zone): (Timestamp, Tz), checks: &mut Checks) -> Option<Recurrence> {
    let cron = schedule.cron.as_deref()?;
    let zone = match &schedule.timezone {
        Some(name) => {
            checks.zone("schedule.timezone", name);
            parse_zone(name)?
        }
        // what was unreadable is not held to be absent
        None if checks.has_below("schedule.timezone") => return None,
        None => default_zone,
    };
    let made = Recurrence::new(cron, zone, schedule.until.map(|until| until.0), now);
    let field = if schedule.until.is_some() && matches!(made, Err(Unusable::Never)) { "schedule.until" } else { "schedule.cron" };
    made.map_err(|error| checks.invalid(field, error)).ok()
}

fn take_variants(requests: Option<Vec<VariantRequest>>, checks: &mut Checks) -> Vec<Variant> {
    let Some(requests) = requests else { return Vec::new() };
    if requests.is_empty() || requests.len() > MAX_VARIANTS {
        checks.invalid("variants", format_args!("must have 1 to {MAX_VARIANTS} items"));
    }
    let variants: Vec<Variant> =
        requests.into_iter().take(MAX_VARIANTS).enumerate().map(|(index, request)| take_variant(index, request, checks)).collect();
    for (index, variant) in variants.iter().enumerate() {
        if variants.iter().take(index).any(|before| before.name == variant.name) && !variant.name.is_empty() {
            checks.invalid(format_args!("variants[{index}].name"), "is the name of another variant");
        }
    }
    if !variants.is_empty() && variants.iter().all(|variant| variant.weight == 0) && !checks.has_below("variants") {
        checks.invalid("variants", "must have a weight above 0");
    }
    variants
}

fn take_variant(index: usize, request: VariantRequest, checks: &mut Checks) -> Variant {
    let at = |field: &str| format!("variants[{index}].{field}");
    match &request.name {
        Some(name) => checks.name(at("name"), name, check_category_id),
        None => checks.required(&at("name")),
    }
    match request.weight {
        Some(weight) if weight > MAX_WEIGHT => {
            checks.invalid(at("weight"), format_args!("must be a whole number from 0 to {MAX_WEIGHT}"));
        }
        Some(_) => {}
        None => checks.required(&at("weight")),
    }
    let content = check_words(request.content.unwrap_or_default(), &at("content"), checks);
    let mut localized = BTreeMap::new();
    for (tag, content) in request.localized.map(|map| map.0).unwrap_or_default() {
        let at = at(&format!("localized.{tag}"));
        checks.locale(&at, &tag);
        let content = check_words(content, &at, checks);
        localized.insert(tag, content);
    }
    Variant { name: request.name.unwrap_or_default(), weight: request.weight.unwrap_or_default(), content, localized }
}

/// Whether each of them says something by itself.
fn has_words(variants: &[Variant]) -> bool {
    !variants.is_empty() && variants.iter().all(|variant| variant.content.is_visible())
}

fn asks_for_critical(variant: &Variant) -> bool {
    let mut all = std::iter::once(&variant.content).chain(variant.localized.values());
    all.any(|content| content.interruption == Some(Interruption::Critical))
}

/// Variants say something else to people, and a push that says nothing to people has none.
fn check_beside(draft: &Draft, campaign: &OfCampaign, checks: &mut Checks) {
    let speaks = |variant: &Variant| std::iter::once(&variant.content).chain(variant.localized.values()).any(Content::is_visible);
    if (draft.silent || !draft.push_type.is_usual()) && campaign.variants.iter().any(speaks) {
        checks.invalid("variants", "cannot have words beside a notification that shows none");
    }
}
