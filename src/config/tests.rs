use std::os::unix::ffi::OsStringExt;
use std::time::Duration;

use super::*;

const FILE: &str = "/etc/herald/herald.toml";

fn read(text: &str, variables: &[(&str, &str)]) -> Result<Settings, Error> {
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), OsString::from(value))).collect();
    Source { file: Some(PathBuf::from(FILE)), text, variables }.settings()
}

/// The problems, one a line, without the file's folder.
fn problems(text: &str, variables: &[(&str, &str)]) -> Vec<String> {
    match read(text, variables) {
        Ok(_) => Vec::new(),
        Err(Error::Invalid(problems)) => problems.iter().map(|problem| problem.to_string().replace("/etc/herald/", "")).collect(),
        Err(error) => panic!("{error}"),
    }
}

fn shown(settings: &Settings) -> String {
    format!("{settings:#?}")
}

#[test]
fn nothing_at_all_is_the_embedded_default() {
    let settings = read("", &[]).unwrap();
    assert_eq!(shown(&settings), shown(&Settings::default()));
    assert_eq!(settings.server.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(settings.database.url, DatabaseUrl::Sqlite("herald.db".into()));
    assert_eq!(settings.queue, Queue { url: QueueUrl::Embedded, password_file: None, ca_file: None, window: 10_000 });
}

#[test]
fn the_file_is_read_and_the_environment_goes_over_it() {
    let text = "[server]\nlisten = '0.0.0.0:80'\n[dispatch]\npermits = 7\n[apps.demo]\ndefault_timezone = 'Asia/Tokyo'\n";
    let settings = read(text, &[("HERALD__DISPATCH__PERMITS", "9"), ("HERALD__RETRY__PROVIDER_FLOORS", "false")]).unwrap();
    assert_eq!(settings.server.listen.to_string(), "0.0.0.0:80");
    assert_eq!(settings.dispatch.permits, 9);
    assert!(!settings.retry.provider_floors);
    assert_eq!(settings.apps["demo"].default_timezone, chrono_tz::Asia::Tokyo);
}

#[test]
fn the_environment_alone_can_name_an_app() {
    let settings = read("", &[("HERALD__APPS__DEMO__DEFAULT_TIMEZONE", "Europe/Paris")]).unwrap();
    assert_eq!(settings.apps["demo"].default_timezone, chrono_tz::Europe::Paris);
}

#[test]
fn quiet_hours_are_a_list_in_both() {
    let text = "[apps.a]\ndefault_quiet_hours = [{ start = '22:00', end = '07:00', days = ['fri'] }]\n";
    let from_file = read(text, &[]).unwrap();
    let variable = [("HERALD__APPS__A__DEFAULT_QUIET_HOURS", "[{start='22:00',end='07:00',days=['fri']}]")];
    assert_eq!(shown(&read("", &variable).unwrap()), shown(&from_file));
    assert_eq!(from_file.apps["a"].default_quiet_hours.len(), 1);
}

#[test]
fn rust_log_is_a_level_unless_herald_has_one_of_its_own() {
    assert_eq!(read("[log]\nlevel = 'warn'", &[("RUST_LOG", "debug")]).unwrap().log.level, "debug");
    assert_eq!(read("", &[("HERALD__LOG__LEVEL", "error"), ("RUST_LOG", "debug")]).unwrap().log.level, "error");
}

/// A file, variables, and the one problem that they make.
type Case = (&'static str, &'static [(&'static str, &'static str)], &'static str);

fn check(cases: &[Case]) {
    for (text, variables, expected) in cases {
        assert_eq!(problems(text, variables), [*expected], "{text} {variables:?}");
    }
}

const WRONG_TYPES: &[Case] = &[
    ("[dispatch]\npermits = '100'", &[], "herald.toml:2: dispatch.permits is text, must be a whole number that is not negative"),
    (
        "[dispatch]\npermits = 1.5",
        &[],
        "herald.toml:2: dispatch.permits is a number with a fraction, must be a whole number that is not negative",
    ),
    ("[dispatch]\npermits = -1", &[], "herald.toml:2: dispatch.permits must be a whole number that is not negative"),
    ("[retry]\nprovider_floors = 1", &[], "herald.toml:2: retry.provider_floors is a whole number, must be true or false"),
    ("[log]\nlevel = 3", &[], "herald.toml:2: log.level is a whole number, must be text"),
    ("server = 3", &[], "herald.toml:1: server is a whole number, must be a table"),
    ("[apps]\ndemo = []", &[], "herald.toml:2: apps.demo is a list, must be a table"),
    ("[apps.demo]\ndefault_quiet_hours = 'night'", &[], "herald.toml:2: apps.demo.default_quiet_hours is text, must be a list"),
];

#[test]
fn a_wrong_type_is_named_with_its_line() {
    check(WRONG_TYPES);
}

const WRONG_VALUES: &[Case] = &[
    ("[server]\nlisten = 'here'", &[], "herald.toml:2: server.listen must be an address and a port, as 127.0.0.1:8080 or [::1]:8080"),
    (
        "[log]\nlevel = 'lou=d=er'",
        &[],
        "herald.toml:2: log.level must be error, warn, info, debug or trace, or directives as info,herald::dispatch=debug",
    ),
    (
        "[apps.demo]\n\ndefault_timezone = 'Mars/Base'",
        &[],
        "herald.toml:3: apps.demo.default_timezone is not the IANA name of a timezone, as Europe/Paris is",
    ),
    ("[limits]\nper_key = '0/s'", &[], "herald.toml:2: limits.per_key must be written as 2000/s, 30/m or 100/h, at least one"),
    ("[apps.A]", &[], "herald.toml:1: apps.A must be named with 1 to 64 of a-z, 0-9, - and _, without __"),
];

#[test]
fn a_wrong_value_is_named_with_its_line() {
    check(WRONG_VALUES);
}

const RANGES: &[Case] = &[
    ("[dispatch]\npermits = 0", &[], "herald.toml:2: dispatch.permits must be 1 to 100000"),
    (
        "[dispatch]\nlease_seconds = 10",
        &[],
        "herald.toml:1: dispatch.send_timeout_seconds must be at most half of dispatch.lease_seconds (10)",
    ),
    ("[retry]\nfirst_seconds = 1000", &[], "herald.toml:1: retry.max_seconds must be at least retry.first_seconds (1000)"),
];

#[test]
fn a_number_out_of_range_is_named_with_its_line() {
    check(RANGES);
}

const QUIET_HOURS: &[Case] = &[
    ("[apps.a]\ndefault_quiet_hours = [{ start = '22:00' }]", &[], "herald.toml:2: apps.a.default_quiet_hours[0].end is missing"),
    (
        "[apps.a]\ndefault_quiet_hours = [{ start = '7', end = '08:00' }]",
        &[],
        "herald.toml:2: apps.a.default_quiet_hours[0].start a time is written HH:MM, 00:00 to 23:59",
    ),
    (
        "[apps.a]\ndefault_quiet_hours = [\n{ start = '07:00', end = '07:00' }]",
        &[],
        "herald.toml:3: apps.a.default_quiet_hours[0] must not end when it starts",
    ),
    (
        "[apps.a]\ndefault_quiet_hours = [{ start = '07:00', end = '08:00', days = ['someday'] }]",
        &[],
        "herald.toml:2: apps.a.default_quiet_hours[0].days[0] must be one of mon, tue, wed, thu, fri, sat, sun",
    ),
];

#[test]
fn a_mistake_in_quiet_hours_is_named_with_its_interval() {
    check(QUIET_HOURS);
}

const UNKNOWN: &[Case] = &[
    (
        "[dispatch]\npermitts = 4",
        &[],
        "herald.toml:2: dispatch.permitts is not a setting; here are lease_seconds, permits, send_timeout_seconds, grace_seconds",
    ),
    (
        "[dispach]\npermits = 4",
        &[],
        "herald.toml:1: dispach is not a setting; here are server, log, database, queue, dispatch, retry, analytics, audit, limits, client_tokens, webhooks, apps, fallback",
    ),
];

#[test]
fn an_unknown_key_is_named_with_its_line() {
    check(UNKNOWN);
}

const PROVIDERS: &[Case] = &[
    (
        "[apps.a.apns]\nbundle_id = 'com.example'\nkey_file = '/dev/null'\nkey_id = 'short'\nteam_id = 'DEF123GHIJ'",
        &[],
        "herald.toml:4: apps.a.apns.key_id must be 10 letters or digits",
    ),
    (
        "[apps.a.fcm]\nservice_account_file = '/dev/null'\nendpoint = 'here'",
        &[],
        "herald.toml:3: apps.a.fcm.endpoint is not an absolute URL",
    ),
    (
        "[apps.a.webpush]\nvapid_key_file = '/dev/null'\nsubject = 'ops'",
        &[],
        "herald.toml:3: apps.a.webpush.subject must be a contact for push services: mailto: with an address, or an https: URL",
    ),
    (
        "[apps.a.webpush]\nvapid_key_file = '/dev/null'\nsubject = 'mailto:ops@example.com'\nallowed_hosts = ['10.0.0.1']",
        &[],
        "herald.toml:4: apps.a.webpush.allowed_hosts must be hosts by name, as push.example.com, *.push.example.com or push.example.com:8443",
    ),
    ("[apps.a.webpush]\nsubject = 'mailto:ops@example.com'", &[], "herald.toml:1: apps.a.webpush.vapid_key_file is missing"),
    ("[apps.a.fcm]\ndisplay = 'app'", &[], "herald.toml:1: apps.a.fcm.service_account_file is missing"),
    ("[apps.a.fcm]\nservice_account_file = ''", &[], "herald.toml:1: apps.a.fcm.service_account_file is missing"),
    (
        "[apps.a.fcm]\nservice_account_file = 'gone.json'",
        &[],
        "herald.toml:2: apps.a.fcm.service_account_file names gone.json, which cannot be read: No such file or directory (os error 2)",
    ),
];

#[test]
fn a_mistake_in_a_provider_is_named_with_its_line() {
    check(PROVIDERS);
}

#[test]
fn all_that_a_provider_lacks_is_listed() {
    let found = problems("[apps.a.apns]\nkey_file = '/dev/null'\n", &[]);
    let keys: Vec<&str> = found.iter().map(|problem| problem.split_whitespace().nth(1).unwrap()).collect();
    assert_eq!(keys, ["apps.a.apns.bundle_id", "apps.a.apns.key_id", "apps.a.apns.team_id"], "{found:?}");
}

#[test]
fn the_environment_can_give_a_provider_whole() {
    let variables = [
        ("HERALD__APPS__DEMO__APNS__BUNDLE_ID", "com.example.demo"),
        ("HERALD__APPS__DEMO__APNS__KEY_ID", "1234567890"),
        ("HERALD__APPS__DEMO__APNS__TEAM_ID", "0123456789"),
        ("HERALD__APPS__DEMO__APNS__KEY_FILE", "/dev/null"),
    ];
    let settings = read("", &variables).unwrap();
    let apns = settings.apps["demo"].apns.as_ref().unwrap();
    assert_eq!((apns.key_id.as_str(), apns.team_id.as_str()), ("1234567890", "0123456789"), "digits stay text");
}

const SIGN_IN: &str = "[apps.a.sign_in]\nissuer = 'https://id.example.com'\naudience = 'demo'\njwks_file = '/dev/null'\n";

#[test]
fn whose_a_token_is_must_be_told() {
    let sign_in = read(SIGN_IN, &[]).unwrap().apps["a"].sign_in.clone().unwrap();
    assert_eq!((sign_in.user_claim.as_str(), sign_in.device_claim), ("sub", None));
    let same = SIGN_IN.replace("apps.a", "apps.b");
    for (text, expected) in [
        (
            SIGN_IN.replace("https://id.example.com", ""),
            "herald.toml:2: apps.a.sign_in.issuer must have 1 to 256 characters, none of them a control character",
        ),
        (
            SIGN_IN.replace("https://id.example.com", "herald"),
            "herald.toml:2: apps.a.sign_in.issuer is that of client tokens, see client_tokens.issuer",
        ),
        (
            SIGN_IN.replace("issuer", "isuer"),
            "herald.toml:2: apps.a.sign_in.isuer is not a setting; here are issuer, audience, jwks_file, user_claim, device_claim",
        ),
        (
            SIGN_IN.to_owned() + "user_claim = ''",
            "herald.toml:5: apps.a.sign_in.user_claim must have 1 to 256 characters, none of them a control character",
        ),
        (
            SIGN_IN.to_owned() + &same,
            "herald.toml:7: apps.b.sign_in.audience is that of apps.a.sign_in with the same issuer: a token would be for both",
        ),
        ("[client_tokens]\naccess_seconds = 86401".to_owned(), "herald.toml:2: client_tokens.access_seconds must be 1 to 86400"),
        ("[client_tokens]\nrefresh_days = 0".to_owned(), "herald.toml:2: client_tokens.refresh_days must be 1 to 365"),
        (
            "[client_tokens]\nissuer = ''".to_owned(),
            "herald.toml:2: client_tokens.issuer must have 1 to 256 characters, none of them a control character",
        ),
    ] {
        assert!(problems(&text, &[]).contains(&expected.to_owned()), "{text}: {:?}", problems(&text, &[]));
    }
}

const SHARED: &str = "queue.url names Redis, which does not go with SQLite: nodes share PostgreSQL, see database.url";
const FORM: &str = "queue.url must be \"embedded\", or be written redis://HOST:PORT, or rediss://HOST:PORT for TLS; \
                    several nodes of a cluster with commas between them";

#[test]
fn a_queue_is_embedded_or_in_redis() {
    let cases = [
        ("[queue]\nurl = 'rediss://:secret@cache'", SHARED),
        ("[queue]\nurl = 'redis://one:7000,two:7000'", SHARED),
        ("[queue]\nurl = ['redis://one:7000', 'redis://two:7000']", SHARED),
        ("[queue]\nurl = 'http://secret'", FORM),
        ("[queue]\nurl = ''", FORM),
        ("[queue]\nurl = 3", "queue.url is a whole number, must be text, or a list of a cluster's nodes"),
        ("[queue]\nurl = 'redis://cache/?secret'", "queue.url takes a user, a password, hosts, ports and a database only"),
        ("[queue]\npassword_file = '/dev/null'", "queue.password_file goes with a queue.url that names Redis without a password"),
        ("[queue]\nca_file = '/dev/null'", "queue.ca_file goes with a queue.url of rediss:// only"),
    ];
    for (text, expected) in cases {
        assert_eq!(problems(text, &[]), [format!("herald.toml:2: {expected}")], "{text}");
    }
    let variable = [("HERALD__QUEUE__URL", "redis://one,two")];
    assert_eq!(problems("", &variable), [format!("HERALD__QUEUE__URL: {SHARED}")]);
}

const LATER: &[Case] = &[("[fallback]\nemail = { from = 'x' }", &[], "herald.toml:2: fallback.email is not available in this version")];

#[test]
fn what_phones_are_told_is_checked_by_platform() {
    let text = "[apps.a]\nmin_app_version = { ios = '3.10', web = 'v1' }\nupgrade_url = { android = 'https://example.com/app' }\npoll = { inbox_seconds = 10 }";
    let variables = [("HERALD__APPS__A__MIN_APP_VERSION__ANDROID", "1.10")];
    let app = read(text, &variables).unwrap().apps["a"].clone();
    let minima: Vec<_> = app.min_app_version.all().map(|(platform, version)| (platform.as_str(), version)).collect();
    assert_eq!(minima, [("ios", "3.10"), ("android", "1.10"), ("web", "v1")]);
    assert_eq!((app.upgrade_url.android.as_deref(), app.upgrade_url.ios), (Some("https://example.com/app"), None));
    assert_eq!((app.poll.inbox_seconds, app.poll.preferences_seconds), (10, 3600));
    for (setting, expected) in [
        ("min_app_version = { ios = 'latest' }", "min_app_version.ios must be a version, as 3.10.2"),
        ("min_app_version = { android = '' }", "min_app_version.android must be a version, as 3.10.2"),
        ("min_app_version = { ios = 1.0 }", "min_app_version.ios is a number with a fraction, must be text"),
        ("min_app_version = { windows = '1' }", "min_app_version.windows is not a setting; here are ios, android, web"),
        ("min_app_version = '1.0'", "min_app_version is text, must be a table"),
        ("upgrade_url = { ios = 'http://example.com' }", "upgrade_url.ios must be an https: URL"),
        ("upgrade_url = { web = 'javascript:alert(1)' }", "upgrade_url.web must be an https: URL"),
        ("upgrade_url = { android = 'https:///' }", "upgrade_url.android must be an https: URL"),
        ("poll = { inbox_seconds = 9 }", "poll.inbox_seconds must be 10 to 86400"),
        ("poll = { preferences_seconds = 86401 }", "poll.preferences_seconds must be 10 to 86400"),
    ] {
        assert_eq!(problems(&format!("[apps.a]\n{setting}"), &[]), [format!("herald.toml:2: apps.a.{expected}")], "{setting}");
    }
    let both = "[apps.a]\nmin_app_version = { ios = 'x' }\nupgrade_url = { ios = 'x' }";
    assert_eq!(problems(both, &[]).len(), 2);
}

#[test]
fn origins_are_written_as_browsers_send_them() {
    for origin in ["https://app.example.com", "http://localhost:3000", "https://app.example.com:8443"] {
        let settings = read(&format!("[apps.a]\nallowed_origins = ['{origin}']"), &[]).unwrap();
        assert_eq!(settings.apps["a"].allowed_origins, [origin]);
    }
    let expected = "herald.toml:2: apps.a.allowed_origins must be origins as browsers send them, as https://app.example.com";
    for wrong in [
        "*",
        "null",
        "app.example.com",
        "https://app.example.com/",
        "https://App.example.com",
        "https://a.example:443",
        "ftp://a",
        "https://u@a",
    ] {
        assert_eq!(problems(&format!("[apps.a]\nallowed_origins = ['{wrong}']"), &[]), [expected], "{wrong}");
    }
}

#[test]
fn what_is_before_the_api_is_named_with_its_line() {
    let settings = read("[server]\ntrusted_proxies = ['10.0.0.0/8', '::1']\nadmin_listen = '127.0.0.1:9090'", &[]).unwrap();
    assert_eq!(settings.server.trusted_proxies.iter().map(ToString::to_string).collect::<Vec<_>>(), ["10.0.0.0/8", "::1/128"]);
    assert_eq!(settings.server.admin_listen.map(|address| address.port()), Some(9090));
    for (text, expected) in [
        ("trusted_proxies = ['10.0.0.0/33']", "server.trusted_proxies must be networks or addresses, as 10.0.0.0/8 or ::1"),
        ("admin_listen = 'here'", "server.admin_listen must be an address and a port, as 127.0.0.1:9090 or [::1]:9090"),
        ("admin_listen = '127.0.0.1:8080'", "server.admin_listen must be another address than server.listen"),
        ("max_connections = 5", "server.max_connections must be 10 to 1000000"),
        ("max_connections_per_address = 10001", "server.max_connections_per_address must be 1 to server.max_connections (10000)"),
        ("max_requests = 0", "server.max_requests must be 10 to 100000"),
        ("tls = { cert_file = '/dev/null' }", "server.tls.key_file is missing"),
    ] {
        assert_eq!(problems(&format!("[server]\n{text}"), &[]), [format!("herald.toml:2: {expected}")], "{text}");
    }
}

#[test]
fn a_server_is_named_with_its_user_and_database() {
    for url in ["postgres://herald@db/herald", "postgresql://herald:p%40ss@db.example:6432/herald?sslmode=verify-full"] {
        let settings = read(&format!("[database]\nurl = '{url}'"), &[]).unwrap();
        assert_eq!(settings.database.url, DatabaseUrl::Postgres(url.to_owned()));
        assert!(!format!("{settings:?}").contains("p%40ss"), "a password is never shown");
    }
    for (url, problem) in [
        ("postgres://db/herald", "names no user; write postgres://USER@HOST/DATABASE"),
        ("postgres://:hush@db/herald", "must be written postgres://USER@HOST/DATABASE"),
        ("postgres://herald:hush@db", "must be written postgres://USER@HOST/DATABASE"),
        ("mysql://herald:hush@db/herald", "must be written sqlite://PATH or postgres://USER@HOST/DATABASE"),
    ] {
        assert_eq!(problems(&format!("[database]\nurl = '{url}'"), &[]), [format!("herald.toml:2: database.url {problem}")]);
    }
}

#[test]
fn stale_devices_are_inactive_later_than_they_are_left_out() {
    let app = "[apps.demo]\n";
    let both = read(&format!("{app}stale_after_days = 7\ndeactivate_after_days = 3650"), &[]).unwrap();
    assert_eq!((both.apps["demo"].stale_after_days, both.apps["demo"].deactivate_after_days), (Some(7), Some(3650)));
    let neither = read(app, &[]).unwrap();
    assert_eq!((neither.apps["demo"].stale_after_days, neither.apps["demo"].deactivate_after_days), (None, None));
    for (text, problem) in [
        ("stale_after_days = 6", "herald.toml:2: apps.demo.stale_after_days must be 7 to 3650"),
        ("stale_after_days = 3651", "herald.toml:2: apps.demo.stale_after_days must be 7 to 3650"),
        ("deactivate_after_days = 29", "herald.toml:2: apps.demo.deactivate_after_days must be 30 to 3650"),
        (
            "stale_after_days = 90\ndeactivate_after_days = 90",
            "herald.toml:2: apps.demo.stale_after_days must be less than deactivate_after_days (90)",
        ),
    ] {
        assert_eq!(problems(&format!("{app}{text}"), &[]), [problem]);
    }
}

#[test]
fn what_is_coarser_is_kept_as_long_at_least() {
    let section = "[analytics]\n";
    let kept = read(&format!("{section}minute_days = 366\nhour_days = 366\nday_days = 3650"), &[]).unwrap().analytics;
    assert_eq!((kept.minute_days, kept.hour_days, kept.day_days), (366, 366, 3650));
    let kept = read(section, &[]).unwrap().analytics;
    assert_eq!((kept.minute_days, kept.hour_days, kept.day_days), (7, 90, 1100));
    for (text, problem) in [
        ("minute_days = 0", "herald.toml:2: analytics.minute_days must be 1 to 366"),
        ("day_days = 3651", "herald.toml:2: analytics.day_days must be 1 to 3650"),
        ("hour_days = 6", "herald.toml:2: analytics.hour_days must be at least analytics.minute_days (7)"),
        ("day_days = 89", "herald.toml:2: analytics.day_days must be at least analytics.hour_days (90)"),
    ] {
        assert_eq!(problems(&format!("{section}{text}"), &[]), [problem]);
    }
}

#[test]
fn the_audit_log_is_kept_for_a_year_unless_something_else_is_said() {
    assert_eq!(read("", &[]).unwrap().audit.kept(), Duration::from_hours(365 * 24));
    assert_eq!(read("[audit]\nretention_days = 1", &[]).unwrap().audit.kept(), Duration::from_hours(24));
    for days in [0, 3651] {
        assert_eq!(problems(&format!("[audit]\nretention_days = {days}"), &[]), ["herald.toml:2: audit.retention_days must be 1 to 3650"]);
    }
}

#[test]
fn only_a_server_forgets_after_days() {
    let url = "[database]\nurl = 'postgres://herald@db/herald'\nretention_days = ";
    assert_eq!(read(&format!("{url}90"), &[]).unwrap().database.retention_days, Some(90));
    assert_eq!(problems(&format!("{url}28"), &[]), ["herald.toml:3: database.retention_days must be 29 to 3650"]);
    assert_eq!(read("[database]\nretention_days = 90", &[]).unwrap().database.retention_days, Some(90), "of either store");
    assert_eq!(problems("[database]\nretention_days = 3651", &[]), ["herald.toml:2: database.retention_days must be 29 to 3650"]);
}

#[test]
fn what_comes_later_is_refused_by_name() {
    check(LATER);
}

const FILES: &[Case] = &[(
    "[database]\nencryption_key_file = 'no/such.key'",
    &[],
    "herald.toml:2: database.encryption_key_file names no/such.key, which cannot be read: No such file or directory (os error 2)",
)];

#[test]
fn a_file_that_cannot_be_read_is_named() {
    check(FILES);
}

const VARIABLES: &[Case] = &[
    (
        "[dispatch]\npermits = 4",
        &[("HERALD__DISPATCH__PERMITS", "many")],
        "HERALD__DISPATCH__PERMITS: dispatch.permits is text, must be a whole number that is not negative",
    ),
    (
        "",
        &[("HERALD__DISPATCH__PERMITS", "\"4\"")],
        "HERALD__DISPATCH__PERMITS: dispatch.permits is text, must be a whole number that is not negative",
    ),
    (
        "",
        &[("HERALD__SERVR__LISTEN", "[::1]:80")],
        "HERALD__SERVR__LISTEN: servr is not a setting; here are server, log, database, queue, dispatch, retry, analytics, audit, limits, client_tokens, webhooks, apps, fallback",
    ),
    ("", &[("HERALD__SERVER", "x")], "HERALD__SERVER: server must be a table as TOML writes it: { key = \"value\" }"),
    (
        "",
        &[("HERALD__SERVER", "{}"), ("HERALD__SERVER__LISTEN", "x")],
        "HERALD__SERVER__LISTEN: server.listen contradicts HERALD__SERVER, which gives the whole of it a value",
    ),
    ("", &[("HERALD__RETRY__PROVIDER_FLOORS", "yes")], "HERALD__RETRY__PROVIDER_FLOORS: retry.provider_floors must be true or false"),
];

#[test]
fn a_mistake_in_the_environment_is_named_with_its_variable() {
    check(VARIABLES);
}

#[test]
fn all_mistakes_are_listed_in_the_order_of_the_file() {
    let text = "
[server]
listen = 4
colour = 'red'
[database]
url = 'mysql://'
[queue]
window = 'wide'
[apps.demo]
default_timezone = 'UTC+1'
default_quiet_hours = [{ start = '22:00', end = 7, day = 'mon' }, { end = '06:00' }]
";
    let found = problems(text, &[("HERALD__RETRY__MAX_SECONDS", "never")]);
    let keys: Vec<&str> = found.iter().map(|problem| problem.split_whitespace().nth(1).unwrap()).collect();
    let expected = [
        "server.listen",
        "server.colour",
        "database.url",
        "queue.window",
        "apps.demo.default_timezone",
        "apps.demo.default_quiet_hours[0].day",
        "apps.demo.default_quiet_hours[0].end",
        "apps.demo.default_quiet_hours[1].start",
        "retry.max_seconds",
    ];
    let sorted = |mut keys: Vec<&'static str>| {
        keys.sort_unstable();
        keys
    };
    let mut actual = keys.clone();
    actual.sort_unstable();
    assert_eq!(actual, sorted(expected.to_vec()), "{found:#?}");
    assert_eq!(keys.last(), Some(&"retry.max_seconds"), "what has no line comes last");
}

#[test]
fn a_file_that_is_not_toml_is_named_with_its_lines() {
    let found = problems("[server\nlisten = '127.0.0.1:80'\n[log]\nlevel = \n", &[]);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].starts_with("herald.toml:1: is not TOML: "), "{found:?}");
    assert!(found[1].starts_with("herald.toml:4: is not TOML: "), "{found:?}");
}

#[test]
fn a_key_that_is_given_twice_is_named() {
    let found = problems("[log]\nlevel = 'info'\nlevel = 'warn'\n", &[]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("herald.toml:3: is not TOML: duplicate key"), "{found:?}");
}

#[test]
fn a_variable_that_is_not_text_is_named() {
    let variables = vec![("HERALD__LOG__LEVEL".to_owned(), OsString::from_vec(vec![0xff]))];
    let error = Source { file: None, text: "", variables }.settings().unwrap_err();
    assert_eq!(error.to_string(), "the configuration is not valid\n  HERALD__LOG__LEVEL: log.level is not UTF-8");
}

#[test]
fn values_are_never_part_of_a_message() {
    let secret = "hunter2";
    let text =
        format!("[database]\nurl = '{secret}'\n[queue]\nurl = '{secret}'\n[limits]\nper_key = '{secret}'\n[log]\nlevel = ['{secret}']\n");
    let found = problems(&text, &[("HERALD__RETRY__MAX_SECONDS", secret), ("HERALD__SERVER__LISTEN", secret)]);
    assert_eq!(found.len(), 6, "{found:?}");
    assert!(!found.concat().contains(secret), "{found:?}");
}

#[test]
fn a_file_that_is_not_there_is_an_error_where_it_was_named() {
    let error = load(Some(Path::new("/no/such/herald.toml"))).unwrap_err();
    assert_eq!(error.to_string(), "/no/such/herald.toml cannot be read");
}

#[test]
fn relative_files_are_found_beside_the_configuration() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("some.key"), "hush").unwrap();
    let file = Some(folder.path().join("herald.toml"));
    let text = "[database]\nencryption_key_file = 'some.key'\n";
    let error = Source { file, text, variables: Vec::new() }.settings().unwrap_err().to_string();
    let path = folder.path().join("some.key");
    let expected = format!("herald.toml:2: database.encryption_key_file names {}, which must have 32 bytes in base64", path.display());
    assert!(error.contains(&expected) && !error.contains("hush"), "{error}");
}

/// 32 bytes.
const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

#[test]
fn an_encryption_key_comes_from_a_file_or_a_variable() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys");
    std::fs::write(&path, format!("# of today\n{KEY}\n")).unwrap();
    let from_file = read(&format!("[database]\nencryption_key_file = '{}'\n", path.display()), &[]).unwrap();
    let from_variable = read("", &[("HERALD__DATABASE__ENCRYPTION_KEY", KEY)]).unwrap();
    for settings in [from_file, from_variable] {
        assert!(!settings.database.seal().unwrap().is_empty());
        assert!(!shown(&settings).contains(KEY));
    }
    assert!(read("", &[]).unwrap().database.seal().unwrap().is_empty());
}

#[test]
fn an_encryption_key_is_refused_in_the_file_and_beside_one() {
    let text = format!("[database]\nencryption_key = '{KEY}'\n");
    let expected = "herald.toml:2: database.encryption_key is a secret, which does not belong here: \
                    name its file with encryption_key_file, or set the variable HERALD__DATABASE__ENCRYPTION_KEY";
    assert_eq!(problems(&text, &[]), [expected]);
    assert_eq!(problems(&text, &[("HERALD__DATABASE__ENCRYPTION_KEY", KEY)]), [expected], "also where the variable goes over it");
    let both = [("HERALD__DATABASE__ENCRYPTION_KEY", KEY), ("HERALD__DATABASE__ENCRYPTION_KEY_FILE", "/dev/null")];
    let expected = "HERALD__DATABASE__ENCRYPTION_KEY: database.encryption_key goes without database.encryption_key_file";
    assert_eq!(problems("", &both), [expected]);
    let expected = "HERALD__DATABASE__ENCRYPTION_KEY: database.encryption_key must have 32 bytes in base64 on each line, \
                    as `openssl rand -base64 32` makes them: line 1 is no such key";
    assert_eq!(problems("", &[("HERALD__DATABASE__ENCRYPTION_KEY", "hush")]), [expected]);
    let expected = "HERALD__DATABASE__ENCRYPTION_KEY_FILE: database.encryption_key_file names /dev/null, which holds no key";
    assert_eq!(problems("", &[("HERALD__DATABASE__ENCRYPTION_KEY_FILE", "/dev/null")]), [expected]);
}

#[test]
fn an_empty_file_name_is_none() {
    assert!(read("[database]\nencryption_key_file = ''\n", &[]).is_ok());
    assert!(read("", &[("HERALD__DATABASE__ENCRYPTION_KEY_FILE", "")]).is_ok());
}

#[test]
fn the_example_of_the_documented_file_is_valid() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["AuthKey_ABC123DEFG.p8", "service-account.json", "vapid.pem", "jwks.json"] {
        std::fs::write(folder.path().join(name), "").unwrap();
    }
    let text: String = include_str!("../../config/herald.toml")
        .lines()
        .skip_while(|line| !line.starts_with("# [apps.demo]"))
        .map(|line| line.trim_start_matches('#').trim_start().to_owned() + "\n")
        .filter(|line| line.starts_with('[') || line.contains(" = "))
        .collect();
    let settings = Source { file: Some(folder.path().join("herald.toml")), text: &text, variables: Vec::new() }.settings().unwrap();
    let demo = &settings.apps["demo"];
    assert!(demo.apns.is_some() && demo.fcm.is_some());
    let least = "[apps.demo.webpush]\nvapid_key_file = '/dev/null'\nsubject = 'mailto:ops@example.com'";
    let (shown, usual) = (demo.webpush.as_ref().unwrap(), read(least, &[]).unwrap().apps["demo"].webpush.clone().unwrap());
    assert_eq!((&shown.allowed_hosts, shown.allow_private_addresses), (&usual.allowed_hosts, usual.allow_private_addresses));
    assert_eq!(demo.sign_in.as_ref().unwrap().user_claim, "sub");
    assert_eq!(demo.apns.as_ref().unwrap().key_file, folder.path().join("AuthKey_ABC123DEFG.p8"));
}

#[test]
fn the_documented_file_is_the_default_in_full() {
    let text = include_str!("../../config/herald.toml");
    assert_eq!(shown(&read(text, &[]).unwrap()), shown(&Settings::default()));
    for key in [
        "header_timeout_seconds",
        "window",
        "lease_seconds",
        "grace_seconds",
        "provider_floors",
        "per_client_token",
        "max_requests",
        "access_seconds",
    ] {
        assert!(text.contains(&format!("\n{key} = ")), "{key} is not documented");
    }
}
