//! Keys and configuration for a daemon.

use super::*;

#[tokio::test]
async fn files_and_configuration_fit_each_other() {
    let bench = Bench::start().await;
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("keys");
    bench.simulator.write_files(&dir).await.unwrap();
    bench.simulator.write_files(&dir).await.unwrap();
    let text = bench.simulator.config_toml("demo", &dir).unwrap();
    let config: toml::Table = text.parse().unwrap();
    let (apns, fcm) = (&config["apps"]["demo"]["apns"], &config["apps"]["demo"]["fcm"]);
    let read = |value: &toml::Value| std::fs::read_to_string(value.as_str().unwrap()).unwrap();
    assert_eq!(read(&apns["key_file"]), bench.simulator.apns_key_pem());
    assert_eq!(read(&apns["ca_file"]), bench.simulator.ca_pem());
    assert_eq!(read(&fcm["ca_file"]), bench.simulator.ca_pem());
    assert_eq!(apns["key_id"].as_str().unwrap().len(), 10);
    assert_eq!(apns["team_id"].as_str().unwrap().len(), 10);
    let endpoints = bench.simulator.endpoints();
    assert_eq!(apns["endpoint"].as_str(), Some(endpoints.apns.as_str()));
    assert_eq!(apns["sandbox_endpoint"].as_str(), Some(endpoints.apns_sandbox.as_str()));
    assert_eq!(fcm["endpoint"].as_str(), Some(endpoints.fcm.as_str()));
    let account: Value = serde_json::from_str(&read(&fcm["service_account_file"])).unwrap();
    assert_eq!(account["token_uri"], json!(endpoints.token_uri));
    assert_eq!(account["project_id"], json!(bench.simulator.project_id()));
    let webpush = &config["apps"]["demo"]["webpush"];
    assert_eq!(read(&webpush["vapid_key_file"]), bench.simulator.vapid_key_pem());
    assert_eq!(read(&webpush["ca_file"]), bench.simulator.ca_pem());
    assert_eq!(format!("https://{}", webpush["allowed_hosts"][0].as_str().unwrap()), endpoints.webpush);
    assert!(endpoints.webpush.starts_with("https://localhost:"), "by name: {}", endpoints.webpush);
    assert!(apns["key_file"].as_str().unwrap().ends_with("AuthKey_HERALDKEY1.p8"));
    bench.stop().await;
}

#[tokio::test]
async fn an_address_in_use_is_named() {
    let bench = Bench::start().await;
    let taken = bench.simulator.endpoints().fcm.replace("https://", "");
    let mut options = bench.simulator.options.clone();
    options.fcm_listen = taken.parse().unwrap();
    let Err(error) = Simulator::start(options).await else {
        panic!("it started");
    };
    assert!(error.to_string().contains(&taken), "{error}");
    bench.stop().await;
}
