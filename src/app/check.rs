//! `herald check`: whether a daemon of this configuration could start and send.

use anyhow::Context as _;

use super::apps::sign_in;
use super::{at, context, redis_options, server};
use crate::config::{DatabaseUrl, Settings};
use crate::lifecycle::Lifecycle;
use crate::providers::apns::{ApnsProvider, Signers};
use crate::providers::fcm::FcmProvider;
use crate::providers::webhook::client::HttpWebhooks;
use crate::providers::webpush::WebpushProvider;
use crate::providers::{self, Provider as _, webhook};
use crate::queue::redis::{Looked, RedisQueue};
use crate::store::postgres::{self, PostgresStore};
use crate::store::sealing::Inspected;
use crate::store::sqlite::{self, SqliteStore};

/// Something that `herald check` looked at.
#[derive(Debug)]
pub struct Finding {
    /// What: `store`, `queue`, `apps.demo.apns`.
    pub what: String,
    /// What is wrong with it; `None`: nothing.
    pub fault: Option<String>,
    /// What is to be known of it though nothing is wrong.
    pub note: Option<String>,
}

impl Finding {
    /// A look that succeeded, with what is to be known, or failed.
    pub fn of(what: impl Into<String>, looked: anyhow::Result<Option<String>>) -> Self {
        let (fault, note) = looked.map_or_else(|error| (Some(format!("{error:#}")), None), |note| (None, note));
        Self { what: what.into(), fault, note }
    }
}

/// Looks at the store, the queue and each credential of a configuration, without serving or sending.
pub async fn check(settings: &Settings) -> Vec<Finding> {
    let life = Lifecycle::new();
    let context = context(settings, &life);
    let mut findings = vec![Finding::of("store", check_store(settings).await), Finding::of("queue", check_queue(settings).await)];
    if settings.server.tls.is_some() {
        findings.push(Finding::of("server.tls", server::tls(&settings.server).map(|_| None)));
    }
    if settings.webhooks != webhook::Settings::default() {
        let loaded = HttpWebhooks::load(&settings.webhooks, &context).map(|_| None);
        findings.push(Finding::of("webhooks", loaded.map_err(Into::into)));
    }
    for (name, app) in &settings.apps {
        if let Some(settings) = &app.apns {
            findings.push(Finding::of(format!("apps.{name}.apns"), check_apns(settings, &context).await));
        }
        if let Some(settings) = &app.fcm {
            findings.push(Finding::of(format!("apps.{name}.fcm"), check_fcm(settings, &context).await));
        }
        if let Some(settings) = &app.webpush {
            findings.push(Finding::of(format!("apps.{name}.webpush"), check_webpush(settings, &context)));
        }
        if let Some(settings) = &app.sign_in {
            findings.push(Finding::of(format!("apps.{name}.sign_in"), sign_in(name, settings).map(|_| None)));
        }
    }
    life.abort();
    findings
}

/// Only looks: the daemon may be running on it, and what it will do to it when it starts is its own affair.
async fn check_store(settings: &Settings) -> anyhow::Result<Option<String>> {
    match &settings.database.url {
        DatabaseUrl::Sqlite(path) => {
            let Inspected { condition, behind } = SqliteStore::inspect(&super::sqlite(settings, path)?).await.with_context(|| at(path))?;
            Ok(with_behind(note_of_file(condition), behind))
        }
        DatabaseUrl::Postgres(url) => check_server(settings, url).await,
    }
}

fn note_of_file(condition: sqlite::Condition) -> Option<String> {
    match condition {
        sqlite::Condition::Current => None,
        sqlite::Condition::Absent => Some("there is none yet, the daemon will make it".to_owned()),
        sqlite::Condition::Older { version, known } => Some(older(version, known)),
    }
}

async fn check_server(settings: &Settings, url: &str) -> anyhow::Result<Option<String>> {
    let Inspected { condition, behind } = PostgresStore::inspect(&super::postgres(settings, url)?).await.context("database.url")?;
    let note = match condition {
        postgres::Condition::Current => None,
        postgres::Condition::Older { version: 0, .. } => Some("it is empty, the daemon will make its tables".to_owned()),
        postgres::Condition::Older { version, known } => Some(older(version, known)),
        postgres::Condition::Newer { version, known } => {
            Some(format!("it has schema version {version}, newer than this herald's {known}, which can still work with it"))
        }
    };
    Ok(with_behind(note, behind))
}

fn with_behind(note: Option<String>, behind: u64) -> Option<String> {
    if behind == 0 {
        return note;
    }
    let behind = format!("{behind} values are not under the first of database.encryption_key_file yet, the daemon will write them anew");
    Some(note.map_or(behind.clone(), |note| format!("{note}; {behind}")))
}

fn older(version: i64, known: i64) -> String {
    format!("it has schema version {version}, the daemon will bring it to {known} when it starts")
}

/// Only looks, as at the store.
async fn check_queue(settings: &Settings) -> anyhow::Result<Option<String>> {
    let Some(options) = redis_options(settings) else { return Ok(None) };
    Ok(match RedisQueue::inspect(&options).await.context("queue.url")? {
        Looked::Fit => None,
        Looked::Hidden => Some("it does not tell its maxmemory-policy, which must be noeviction".to_owned()),
    })
}

async fn check_apns(settings: &providers::apns::Settings, context: &providers::Context) -> anyhow::Result<Option<String>> {
    let provider = ApnsProvider::load(settings, &Signers::default(), context)?;
    let told = provider.prove().await?;
    let expiry = provider.credential_expires_at().map(|at| format!(", its certificate expires at {at}"));
    Ok(Some(told + &expiry.unwrap_or_default()))
}

/// The public key is said, since pages must subscribe with it.
fn check_webpush(settings: &providers::webpush::Settings, context: &providers::Context) -> anyhow::Result<Option<String>> {
    Ok(Some(WebpushProvider::load(settings, context)?.prove()?))
}

/// A project that takes the key says nothing more.
async fn check_fcm(settings: &providers::fcm::Settings, context: &providers::Context) -> anyhow::Result<Option<String>> {
    FcmProvider::load(settings, context)?.prove().await?;
    Ok(None)
}
