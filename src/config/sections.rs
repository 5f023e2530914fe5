//! The sections that no module below owns.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use chrono_tz::Tz;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};

use crate::domain::phone_settings::{ByPlatform, Poll};
use crate::domain::quiet_hours::QuietInterval;
use crate::domain::sign_in::SignInSettings;
use crate::providers::{Secret, apns, fcm, webpush};
use crate::store::seal::{KeysError, Seal};

/// `[log]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// A level, or directives as `RUST_LOG` takes them: `info,herald::dispatch=debug`.
    pub level: String,
}

impl Default for Log {
    fn default() -> Self {
        Self { level: "info".to_owned() }
    }
}

/// `[database]`: the store.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Database {
    /// Which store.
    pub url: DatabaseUrl,
    /// Connections of this node to PostgreSQL, at most; 4 to 500.
    pub connections: u32,
    /// Notifications and deliveries are forgotten so many days after theirs, 29 to 3650; without it they are kept.
    pub retention_days: Option<u32>,
    /// A file with the keys that seal device tokens, contacts and Herald's own secrets at rest, as [`Seal::parse`] takes them.
    pub encryption_key_file: Option<PathBuf>,
    /// The same text in the place of a file; from the environment only.
    pub encryption_key: Option<Secret>,
}

impl Default for Database {
    fn default() -> Self {
        Self { url: DatabaseUrl::default(), connections: 16, retention_days: None, encryption_key_file: None, encryption_key: None }
    }
}

impl Database {
    /// The keys for what is sealed at rest; none where none is named.
    pub fn seal(&self) -> Result<Seal, KeysError> {
        match (&self.encryption_key, &self.encryption_key_file) {
            (Some(keys), _) => Seal::parse(keys.expose()),
            (None, Some(path)) => Seal::load(path),
            (None, None) => Ok(Seal::default()),
        }
    }
}

/// Which store.
#[derive(Clone, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// One file; `sqlite://herald.db` is relative to the working directory, `sqlite:///var/lib/herald.db` is not.
    Sqlite(PathBuf),
    /// A database of a server, with the whole URL; it may hold a password.
    Postgres(String),
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => f.debug_tuple("Sqlite").field(path).finish(),
            Self::Postgres(_) => f.write_str("Postgres"),
        }
    }
}

impl Default for DatabaseUrl {
    fn default() -> Self {
        Self::Sqlite(PathBuf::from("herald.db"))
    }
}

impl<'de> Deserialize<'de> for DatabaseUrl {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let url = String::deserialize(from)?;
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return postgres(&url).map_err(D::Error::custom);
        }
        match url.strip_prefix("sqlite://") {
            Some("") => Err(D::Error::custom("names no file; write sqlite://PATH")),
            Some(path) if path.contains('?') => Err(D::Error::custom("takes no parameters; write sqlite://PATH")),
            Some(path) => Ok(Self::Sqlite(PathBuf::from(path))),
            None => Err(D::Error::custom("must be written sqlite://PATH or postgres://USER@HOST/DATABASE")),
        }
    }
}

/// A user has to be named: the library would take another one for granted.
fn postgres(url: &str) -> Result<DatabaseUrl, &'static str> {
    const FORM: &str = "must be written postgres://USER@HOST/DATABASE";
    let uri: http::Uri = url.parse().map_err(|_| FORM)?;
    let authority = uri.authority().ok_or(FORM)?.as_str();
    let (user, _) = authority.rsplit_once('@').ok_or("names no user; write postgres://USER@HOST/DATABASE")?;
    let is_whole = !user.is_empty() && !user.starts_with(':') && !authority.ends_with('@') && uri.path().len() > 1;
    if is_whole { Ok(DatabaseUrl::Postgres(url.to_owned())) } else { Err(FORM) }
}

/// `[audit]`: who changed what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Audit {
    /// For how many days an act is kept; 1 to 3650.
    pub retention_days: u32,
}

impl Default for Audit {
    fn default() -> Self {
        Self { retention_days: 365 }
    }
}

impl Audit {
    /// [`Audit::retention_days`] as a duration.
    pub fn kept(self) -> Duration {
        Duration::from_hours(24) * self.retention_days
    }
}

/// `[limits]`: how often a caller may call, each with a burst of twice as many.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// By API key.
    pub per_key: Rate,
    /// By client token.
    pub per_client_token: Rate,
    /// By address, for what needs no key.
    pub per_address: Rate,
}

impl Default for Limits {
    fn default() -> Self {
        Self { per_key: Rate::per_second(2000), per_client_token: Rate::per_second(20), per_address: Rate::per_second(20) }
    }
}

/// So many a second, a minute or an hour: `2000/s`, `30/m`, `100/h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many.
    pub count: NonZeroU32,
    /// In what time.
    pub per: Duration,
}

impl Rate {
    fn per_second(count: u32) -> Self {
        Self { count: NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN), per: Duration::from_secs(1) }
    }

    fn parse(text: &str) -> Option<Self> {
        let (count, unit) = text.split_once('/')?;
        let seconds = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            _ => return None,
        };
        Some(Self { count: count.parse().ok()?, per: Duration::from_secs(seconds) })
    }
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        Self::parse(&text).ok_or_else(|| D::Error::custom("must be written as 2000/s, 30/m or 100/h, at least one"))
    }
}

/// `[apps.NAME]`: one mobile application.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct App {
    /// The zone of devices and people that have none; UTC where absent.
    #[serde(deserialize_with = "zone")]
    pub default_timezone: Tz,
    /// The quiet hours of people who set none; at most 14.
    pub default_quiet_hours: Vec<QuietInterval>,
    /// Audiences that are not named leave out devices that nobody has seen for so many days, 7 to 3650; without it none.
    pub stale_after_days: Option<u32>,
    /// Such devices become inactive after so many days, 30 to 3650; without it never.
    pub deactivate_after_days: Option<u32>,
    /// Its way to APNs.
    pub apns: Option<apns::Settings>,
    /// Its way to FCM.
    pub fcm: Option<fcm::Settings>,
    /// Its way to browsers.
    pub webpush: Option<webpush::Settings>,
    /// Origins of pages that may call what a client token may.
    #[serde(deserialize_with = "origins")]
    pub allowed_origins: Vec<String>,
    /// Whose tokens are taken in the place of client tokens; without it nobody else's.
    pub sign_in: Option<SignInSettings>,
    /// The oldest versions of the app that are served, as `app_version` in segments is compared; older ones are told to upgrade.
    pub min_app_version: ByPlatform,
    /// Where newer ones are had: `https:` URLs.
    pub upgrade_url: ByPlatform,
    /// How often phones are asked to look for what is new, at most.
    pub poll: Poll,
}

fn zone<'de, D: Deserializer<'de>>(from: D) -> Result<Tz, D::Error> {
    String::deserialize(from)?.parse().map_err(|_| D::Error::custom("is not the IANA name of a timezone, as Europe/Paris is"))
}

/// As browsers write them (RFC 6454, 6.2): in small letters, without a path, and without the port that the scheme has anyway.
fn origins<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    let is_origin = |text: &String| {
        let uri = text.parse::<http::Uri>().ok().filter(|_| !text.ends_with('/') && !text.contains(['@', '?', '#']));
        let usual = if text.starts_with("https") { ":443" } else { ":80" };
        let is_plain =
            |uri: &http::Uri| uri.authority().is_some() && matches!(uri.scheme_str(), Some("https" | "http")) && uri.path() == "/";
        uri.is_some_and(|uri| is_plain(&uri)) && !text.ends_with(usual) && *text == text.to_ascii_lowercase()
    };
    let named = Vec::<String>::deserialize(from)?;
    if named.iter().all(is_origin) {
        Ok(named)
    } else {
        Err(D::Error::custom("must be origins as browsers send them, as https://app.example.com"))
    }
}

/// `[fallback]`: e-mail and SMS.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Fallback {
    email: Option<NotYet>,
    sms: Option<NotYet>,
}

/// A part of the contract that this version does not have. To name it is an error: a setting without effect would be a lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NotYet {}

impl<'de> Deserialize<'de> for NotYet {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(D::Error::custom("is not available in this version"))
    }
}

/// The apps by name.
pub type Apps = BTreeMap<String, App>;
