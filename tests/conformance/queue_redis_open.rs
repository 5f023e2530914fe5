//! What a server must be like for the queue to be opened there, and how one logs in.

use std::path::PathBuf;

use herald::app;
use herald::config::{self, QueueUrl, Settings};
use herald::queue::redis::{Looked, OpenError, Options, RedisQueue};
use herald::queue::{Queue, RedisUrl};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::TempDir;

use crate::services::redis::Redis;

const SECRET: &str = "correct-horse";

fn options(url: &str) -> Options {
    Options::new(RedisUrl::parse(url).unwrap(), 100)
}

async fn refused(options: &Options) -> OpenError {
    let Err(error) = RedisQueue::open(options).await else { panic!("it was opened") };
    assert_eq!(RedisQueue::inspect(options).await.unwrap_err().to_string(), error.to_string());
    error
}

#[tokio::test]
async fn a_server_that_would_evict_is_refused() {
    let redis = Redis::start();
    redis.run(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
    let error = refused(&options(&redis.url())).await;
    assert!(matches!(&error, OpenError::Evicts { policy, .. } if policy == "allkeys-lru"));
    assert!(error.to_string().contains("CONFIG SET maxmemory-policy noeviction"), "{error}");
    redis.run(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
    assert_eq!(RedisQueue::inspect(&options(&redis.url())).await.unwrap(), Looked::Fit);
    assert_eq!(redis.run(&["DBSIZE"]), ":0\r\n", "who looks leaves nothing");
}

#[tokio::test]
async fn a_server_that_hides_its_settings_is_believed() {
    let redis = Redis::start();
    redis.run(&["ACL", "SETUSER", "herald", "on", "nopass", "~*", "&*", "+@all", "-info", "-config"]);
    let options = options(&format!("redis://herald:any@127.0.0.1:{}", redis.port()));
    assert_eq!(RedisQueue::inspect(&options).await.unwrap(), Looked::Hidden);
    RedisQueue::open(&options).await.unwrap().ping().await.unwrap();
    let renamed = Redis::start_with(&["--rename-command", "INFO", ""]);
    assert_eq!(RedisQueue::inspect(&self::options(&renamed.url())).await.unwrap(), Looked::Hidden);
}

/// What `herald check` says of the queue.
async fn finding(url: &str) -> app::Finding {
    let queue = config::Queue { url: QueueUrl::Redis(RedisUrl::parse(url).unwrap()), ..config::Queue::default() };
    let findings = Box::pin(app::check(&Settings { queue, ..Settings::default() })).await;
    findings.into_iter().find(|finding| finding.what == "queue").unwrap()
}

#[tokio::test]
async fn a_check_says_whether_the_queue_is_fit() {
    let redis = Redis::start();
    assert_eq!(finding(&redis.url()).await.fault, None);
    redis.run(&["CONFIG", "SET", "maxmemory-policy", "volatile-ttl"]);
    let fault = finding(&redis.url()).await.fault.unwrap();
    assert!(fault.starts_with("queue.url: redis://127.0.0.1") && fault.contains("set noeviction"), "{fault}");
    redis.run(&["ACL", "SETUSER", "herald", "on", "nopass", "~*", "+@all", "-info"]);
    let hidden = finding(&format!("redis://herald:any@127.0.0.1:{}", redis.port())).await;
    assert!(hidden.fault.is_none() && hidden.note.is_some_and(|note| note.contains("maxmemory-policy")));
}

#[tokio::test]
async fn a_password_comes_from_the_url_or_a_file_and_goes_nowhere() {
    let redis = Redis::start_with(&["--requirepass", SECRET]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, format!("{SECRET}\n")).unwrap();
    let from_file = Options { password_file: Some(file.clone()), ..options(&redis.url()) };
    RedisQueue::open(&from_file).await.unwrap().ping().await.unwrap();
    let with = |password: &str| options(&format!("redis://:{password}@127.0.0.1:{}", redis.port()));
    RedisQueue::open(&with(SECRET)).await.unwrap().ping().await.unwrap();
    std::fs::write(&file, "wrong-horse").unwrap();
    for options in [with("wrong-horse"), options(&redis.url()), from_file.clone()] {
        let error = refused(&options).await;
        let told = format!("{error} {error:?} {options:?}");
        assert!(told.contains(&redis.url()) && !told.contains("horse"), "{told}");
    }
    let missing = Options { password_file: Some(PathBuf::from("/nowhere")), ..from_file };
    assert_eq!(refused(&missing).await.to_string(), "/nowhere cannot be read");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named() {
    let mut redis = Redis::start();
    redis.stop();
    let error = refused(&options(&redis.url())).await;
    assert!(matches!(error, OpenError::Away(_)) && error.to_string().contains(&redis.url()), "{error}");
}

/// An authority and a server's certificate that it signed, as files.
fn certificates(folder: &TempDir) {
    let mut authority = CertificateParams::new([]).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let server = CertificateParams::new(["localhost".to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
    std::fs::write(folder.path().join("ca.pem"), authority.pem()).unwrap();
    std::fs::write(folder.path().join("server.pem"), server.pem()).unwrap();
    std::fs::write(folder.path().join("key.pem"), key.serialize_pem()).unwrap();
}

#[tokio::test]
async fn a_server_with_tls_is_known_by_its_certificate() {
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let folder = tempfile::tempdir().unwrap();
    certificates(&folder);
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let port = crate::services::redis::free_port().to_string();
    let (cert, key, ca) = (path("server.pem"), path("key.pem"), path("ca.pem"));
    let settings =
        ["--tls-port", &port, "--tls-cert-file", &cert, "--tls-key-file", &key, "--tls-ca-cert-file", &ca, "--tls-auth-clients", "no"];
    let _redis = Redis::start_with(&settings);
    let url = format!("rediss://localhost:{port}");
    let trusting = Options { ca_file: Some(ca.into()), ..options(&url) };
    let queue = RedisQueue::open(&trusting).await.unwrap();
    crate::queue::what_was_ended_is_not_found_again(&queue).await;
    crate::queue::a_take_waits_for_the_first(&queue).await;
    let error = refused(&options(&url)).await;
    assert!(error.to_string().contains("certificate"), "{error}");
}
