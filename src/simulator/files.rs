//! What a daemon needs to send to the simulator: its keys as files, and the part of the
//! configuration that names them.

use std::path::Path;

use serde::Serialize;

use super::{Error, Simulator};

const CA_FILE: &str = "ca.pem";
const CERTIFICATE_FILE: &str = "push-certificate.pem";
const SERVICE_ACCOUNT_FILE: &str = "service-account.json";
const VAPID_KEY_FILE: &str = "vapid.pem";
/// Whom the push service may turn to: nobody.
const SUBJECT: &str = "mailto:ops@example.com";

#[derive(Serialize)]
struct Apns<'a> {
    bundle_id: &'a str,
    key_file: String,
    key_id: &'a str,
    team_id: &'a str,
    endpoint: &'a str,
    sandbox_endpoint: &'a str,
    ca_file: String,
}

#[derive(Serialize)]
struct Fcm<'a> {
    service_account_file: String,
    endpoint: &'a str,
    ca_file: String,
}

#[derive(Serialize)]
struct Webpush<'a> {
    vapid_key_file: String,
    subject: &'a str,
    allowed_hosts: [&'a str; 1],
    allow_private_addresses: bool,
    ca_file: String,
}

#[derive(Serialize)]
struct App<'a> {
    apns: Apns<'a>,
    fcm: Fcm<'a>,
    webpush: Webpush<'a>,
}

#[derive(Serialize)]
struct Config<'a> {
    apps: std::collections::BTreeMap<&'a str, App<'a>>,
}

impl Simulator {
    /// The name of the APNs key's file, as Apple names it.
    pub fn apns_key_file_name(&self) -> String {
        format!("AuthKey_{}.p8", self.key_id())
    }

    /// Writes `ca.pem`, `AuthKey_<key id>.p8`, `push-certificate.pem`, `service-account.json` and
    /// `vapid.pem` into `dir`, which is made if need be. The configuration names the key; the
    /// certificate may take its place. Private keys can be read by their owner only.
    pub async fn write_files(&self, dir: &Path) -> Result<(), Error> {
        tokio::fs::create_dir_all(dir).await.map_err(Error::Files)?;
        write(&dir.join(CA_FILE), self.ca_pem()).await?;
        let key = dir.join(self.apns_key_file_name());
        write(&key, self.apns_key_pem()).await?;
        write(&dir.join(CERTIFICATE_FILE), self.apns_certificate_pem()).await?;
        let account = dir.join(SERVICE_ACCOUNT_FILE);
        write(&account, self.service_account_json()).await?;
        write(&dir.join(VAPID_KEY_FILE), self.vapid_key_pem()).await
    }

    /// The `apns`, `fcm` and `webpush` parts of `[apps.<app_name>]` in a configuration that sends
    /// to this simulator with the files of `write_files(dir)`.
    pub fn config_toml(&self, app_name: &str, dir: &Path) -> Result<String, Error> {
        let path = |name: &str| dir.join(name).to_string_lossy().into_owned();
        let endpoints = self.endpoints();
        let app = App {
            apns: Apns {
                bundle_id: self.bundle_id(),
                key_file: path(&self.apns_key_file_name()),
                key_id: self.key_id(),
                team_id: self.team_id(),
                endpoint: &endpoints.apns,
                sandbox_endpoint: &endpoints.apns_sandbox,
                ca_file: path(CA_FILE),
            },
            fcm: Fcm { service_account_file: path(SERVICE_ACCOUNT_FILE), endpoint: &endpoints.fcm, ca_file: path(CA_FILE) },
            webpush: Webpush {
                vapid_key_file: path(VAPID_KEY_FILE),
                subject: SUBJECT,
                allowed_hosts: [endpoints.webpush.trim_start_matches("https://")],
                allow_private_addresses: true,
                ca_file: path(CA_FILE),
            },
        };
        let apps = std::iter::once((app_name, app)).collect();
        toml::to_string(&Config { apps }).map_err(Error::Config)
    }
}

async fn write(path: &Path, text: &str) -> Result<(), Error> {
    let mut options = tokio::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    options.mode(0o600);
    let mut file = options.open(path).await.map_err(Error::Files)?;
    tokio::io::AsyncWriteExt::write_all(&mut file, text.as_bytes()).await.map_err(Error::Files)?;
    tokio::io::AsyncWriteExt::flush(&mut file).await.map_err(Error::Files)
}
