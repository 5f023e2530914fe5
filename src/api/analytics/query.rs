//! What is asked of analytics: the range, how long a bucket is, and what is told apart.

use std::time::Duration;

use chrono::TimeDelta;
use http::Uri;

use crate::api::problem::Problem;
use crate::api::query::Params;
use crate::domain::Timestamp;
use crate::store::analytics::{AnalyticsQuestion, Groups, Resolution, Retention};

/// Buckets of one request, at most: two days of minutes, four months of hours, eight years of days.
const MAX_BUCKETS: u128 = 3_000;

/// By what counts are told apart, in the order of the answer's members.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Group {
    Category,
    Platform,
    Provider,
    Campaign,
    Variant,
}

impl Group {
    /// Every one there is.
    pub(super) const ALL: [Self; 5] = [Self::Category, Self::Platform, Self::Provider, Self::Campaign, Self::Variant];

    /// As callers name it, and the answer's member.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Category => "category",
            Self::Platform => "platform",
            Self::Provider => "provider",
            Self::Campaign => "campaign_id",
            Self::Variant => "variant",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|group| group.as_str() == text)
    }
}

/// A checked request.
#[derive(Debug)]
pub(super) struct Asked {
    resolution: Resolution,
    from: Timestamp,
    to: Timestamp,
    /// In the order of the answer's members.
    pub(super) groups: Vec<Group>,
}

impl Asked {
    /// Takes it out of the parameters, where what is wrong is noted.
    pub(super) fn take(params: &mut Params, now: Timestamp) -> Self {
        let words: Vec<_> = Resolution::ALL.iter().map(|resolution| (resolution.as_str(), *resolution)).collect();
        let resolution = params.word("interval", &words).unwrap_or(Resolution::Hour);
        let (from, to) = (params.instant("from"), params.instant("to").unwrap_or(now));
        let from = from.or_else(|| to.checked_sub_signed(usual_range(resolution))).unwrap_or(to);
        check_range(params, resolution, (from, to));
        let groups = groups(params);
        Self { resolution, from, to, groups }
    }

    /// As the store is asked: of buckets whose retention is over none, whether they were cleared away already or not.
    pub(super) fn question(&self, retention: &Retention, now: Timestamp) -> AnalyticsQuestion {
        let has = |group| self.groups.contains(&group);
        AnalyticsQuestion {
            resolution: self.resolution,
            from: self.from.max(retention.oldest(self.resolution, now)),
            to: self.to,
            groups: Groups {
                category: has(Group::Category),
                platform: has(Group::Platform),
                provider: has(Group::Provider),
                campaign: has(Group::Campaign),
                variant: has(Group::Variant),
            },
        }
    }
}

/// How long before its end a range begins that says nothing of it.
fn usual_range(resolution: Resolution) -> TimeDelta {
    match resolution {
        Resolution::Minute => TimeDelta::hours(1),
        Resolution::Hour => TimeDelta::hours(24),
        Resolution::Day => TimeDelta::days(30),
    }
}

fn check_range(params: &mut Params, resolution: Resolution, (from, to): (Timestamp, Timestamp)) {
    let length = (to - from).to_std().unwrap_or(Duration::ZERO);
    if length.is_zero() {
        params.invalid("to", "must be after from");
    }
    let buckets = length.as_nanos().div_ceil(resolution.length().as_nanos());
    if buckets > MAX_BUCKETS {
        params.invalid("from", format!("is {buckets} buckets of a {resolution} before to; at most {MAX_BUCKETS} are answered at once"));
    }
}

fn groups(params: &mut Params) -> Vec<Group> {
    let mut groups = Vec::new();
    for word in params.text("group_by").iter().flat_map(|text| text.split(',')) {
        match Group::parse(word.trim()) {
            Some(group) if groups.contains(&group) => params.invalid("group_by", format!("names {} more than once", group.as_str())),
            Some(group) => groups.push(group),
            None => {
                let known: Vec<&str> = Group::ALL.iter().map(|group| group.as_str()).collect();
                params.invalid("group_by", format!("there is no group {word:?}; there are {}", known.join(", ")));
            }
        }
    }
    groups.sort_unstable();
    groups
}

/// CSV has all rows at once.
pub(super) fn refuse_paging(uri: &Uri) -> Result<(), Problem> {
    let mut given = Params::of(uri);
    let mut refused = Params::default();
    for name in ["limit", "cursor"] {
        if given.text(name).is_some() {
            refused.invalid(name, "does not go with text/csv, which has all rows");
        }
    }
    refused.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(query: &str) -> Result<Asked, Vec<(String, String)>> {
        let mut params = Params::of(&format!("/v1/analytics?{query}").parse().unwrap());
        let asked = Asked::take(&mut params, "2026-11-22T10:20:30Z".parse().unwrap());
        match params.finish() {
            Ok(()) => Ok(asked),
            Err(problem) => Err(problem.errors().iter().map(|error| (error.field.clone(), error.message.clone())).collect()),
        }
    }

    #[test]
    fn a_range_has_a_usual_length() {
        for (query, from, to) in [
            ("", "2026-11-21T10:20:30Z", "2026-11-22T10:20:30Z"),
            ("interval=minute", "2026-11-22T09:20:30Z", "2026-11-22T10:20:30Z"),
            ("interval=day&to=2026-03-31T00:00:00%2B02:00", "2026-02-28T22:00:00Z", "2026-03-30T22:00:00Z"),
            ("from=2026-11-22T10:00:00Z", "2026-11-22T10:00:00Z", "2026-11-22T10:20:30Z"),
        ] {
            let asked = asked(query).unwrap();
            assert_eq!((asked.from, asked.to), (from.parse().unwrap(), to.parse().unwrap()), "{query}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (query, field, says) in [
            ("interval=week", "interval", "must be one of minute, hour, day"),
            ("from=2026-11-22T10:20:30Z", "to", "must be after from"),
            ("from=2026-11-22T00:00:00Z&to=2026-11-21T00:00:00Z", "to", "must be after from"),
            ("group_by=country", "group_by", "there is no group \"country\""),
            ("group_by=", "group_by", "there is no group \"\""),
            ("group_by=platform,,variant", "group_by", "there is no group \"\""),
            ("group_by=platform,platform", "group_by", "names platform more than once"),
            ("from=2026-11-20T08:20:29Z&interval=minute", "from", "is 3001 buckets of a minute before to"),
            ("from=0001-01-01T00:00:00Z&interval=day", "from", "at most 3000"),
            ("weekday=1", "weekday", "there is no such parameter"),
        ] {
            let errors = asked(query).unwrap_err();
            assert!(errors.len() == 1 && errors[0].0 == field && errors[0].1.contains(says), "{query}: {errors:?}");
        }
        assert!(asked("from=2026-11-20T08:20:30Z&interval=minute").is_ok());
    }

    #[test]
    fn groups_come_in_the_order_of_the_answer() {
        assert_eq!(asked("group_by=variant,%20category").unwrap().groups, [Group::Category, Group::Variant]);
    }

    #[test]
    fn buckets_beyond_the_retention_are_not_asked_for() {
        let now: Timestamp = "2026-11-22T10:20:30Z".parse().unwrap();
        let question = asked("interval=day&from=2020-01-01T00:00:00Z").unwrap().question(&Retention::default(), now);
        assert_eq!(question.from, "2023-11-18T00:00:00Z".parse::<Timestamp>().unwrap());
        let question = asked("interval=day").unwrap().question(&Retention::default(), now);
        assert_eq!(question.from, "2026-10-23T10:20:30Z".parse::<Timestamp>().unwrap());
    }
}
