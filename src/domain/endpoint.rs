//! Where web push subscriptions may be, and what of it holds for every URL of a stranger of which we make requests. Behind an endpoint only a
//! push service may be that the operator trusts.

use std::fmt;

use http::Uri;

/// The port of https.
const HTTPS: u16 = 443;
/// A host's name and one of its labels, at most, in characters (RFC 1035, 2.3.4).
const MAX_NAME: usize = 253;
const MAX_LABEL: usize = 63;

/// The host and the port of an https URL. The path, which is the secret part, is not in it.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// In lower case.
    host: String,
    port: u16,
    has_user: bool,
}

impl Endpoint {
    /// Takes an https URL apart; `None` for what is none, or has no host.
    pub fn parse(url: &str) -> Option<Self> {
        let uri: Uri = url.parse().ok()?;
        let authority = uri.authority().filter(|_| uri.scheme_str() == Some("https"))?;
        let (user, place) = authority.as_str().rsplit_once('@').map_or((None, authority.as_str()), |(user, place)| (Some(user), place));
        let port = match place.strip_prefix(authority.host())? {
            "" => HTTPS,
            port => port.strip_prefix(':')?.parse().ok()?,
        };
        let host = authority.host().to_ascii_lowercase();
        (!host.is_empty()).then_some(Self { host, port, has_user: user.is_some() })
    }

    /// Whether it is at a host by name on port 443: all that can be asked where nobody said which push services there are.
    pub fn is_ordinary(&self) -> bool {
        self.port == HTTPS && self.is_by_name()
    }

    /// Whether it is at a host by a name that is not this machine's own, without user information. What addresses the name has is seen when it
    /// is resolved.
    pub fn is_by_name(&self) -> bool {
        let is_local = self.host == "localhost" || self.host.ends_with(".localhost");
        !self.has_user && is_name(&self.host) && !is_local
    }

    /// Whether it carries user information.
    pub fn has_user(&self) -> bool {
        self.has_user
    }

    /// The origin (RFC 6454), which is also the `aud` of a VAPID token: `https://host`, with the port where it is not 443.
    pub fn origin(&self) -> String {
        if self.port == HTTPS { format!("https://{}", self.host) } else { format!("https://{}:{}", self.host, self.port) }
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.origin())
    }
}

/// The push services that an app's subscriptions may be at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedHosts(Vec<AllowedHost>);

/// Why an entry of the list is none. The text is fit for operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be hosts by name, as push.example.com, *.push.example.com or push.example.com:8443")]
pub struct AllowedHostError;

#[derive(Clone, Debug, PartialEq, Eq)]
struct AllowedHost {
    /// Without the leading `*`, but with its dot: `.example.com` for `*.example.com`.
    name: String,
    port: u16,
}

impl AllowedHosts {
    /// Reads a list: names, `*.` before one for everything below it, `:port` behind one for another port than 443.
    pub fn parse(entries: &[String]) -> Result<Self, AllowedHostError> {
        entries.iter().map(|entry| AllowedHost::parse(entry).ok_or(AllowedHostError)).collect::<Result<_, _>>().map(Self)
    }

    /// Whether a subscription may be there.
    pub fn allows(&self, endpoint: &Endpoint) -> bool {
        !endpoint.has_user && is_name(&endpoint.host) && self.0.iter().any(|entry| entry.fits(endpoint))
    }
}

impl AllowedHost {
    fn parse(entry: &str) -> Option<Self> {
        let (name, port) = match entry.split_once(':') {
            Some((name, port)) => (name, port.parse().ok().filter(|port| *port > 0)?),
            None => (entry, HTTPS),
        };
        let name = name.to_ascii_lowercase();
        let plain = name.strip_prefix("*.").unwrap_or(&name);
        is_name(plain).then(|| Self { name: name.trim_start_matches('*').to_owned(), port })
    }

    fn fits(&self, endpoint: &Endpoint) -> bool {
        let is_host = if self.name.starts_with('.') { endpoint.host.ends_with(&self.name) } else { endpoint.host == self.name };
        is_host && endpoint.port == self.port
    }
}

/// Whether a host is a name, and not an address in one of the spellings that some resolver or other takes for one: a last label of
/// digits, or of a hexadecimal number.
fn is_name(host: &str) -> bool {
    let is_label = |label: &str| {
        let is_plain = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
        (1..=MAX_LABEL).contains(&label.len()) && is_plain
    };
    let last = host.rsplit('.').next().unwrap_or_default();
    let is_number = last.bytes().all(|byte| byte.is_ascii_digit()) || last.starts_with("0x");
    host.len() <= MAX_NAME && host.split('.').all(is_label) && !is_number
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn list(entries: &[&str]) -> Result<AllowedHosts, AllowedHostError> {
        AllowedHosts::parse(&entries.iter().map(|entry| (*entry).to_owned()).collect::<Vec<_>>())
    }

    fn allows(entries: &[&str], url: &str) -> bool {
        Endpoint::parse(url).is_some_and(|endpoint| list(entries).unwrap().allows(&endpoint))
    }

    const USUAL: &[&str] =
        &["fcm.googleapis.com", "*.push.services.mozilla.com", "Web.Push.Apple.com", "localhost:8443", "*.push.example.com:8443"];

    #[test]
    fn what_the_list_names_is_allowed() {
        for url in [
            "https://fcm.googleapis.com/fcm/send/abc",
            "https://fcm.googleapis.com:443/fcm/send/abc",
            "https://FCM.GoogleApis.com/x",
            "https://fcm.googleapis.com",
            "https://updates.push.services.mozilla.com/wpush/v2/x",
            "https://a.b.push.services.mozilla.com/x",
            "https://web.push.apple.com/x",
            "https://localhost:8443/push/x",
            "https://eu.push.example.com:8443/x",
        ] {
            assert!(allows(USUAL, url), "{url}");
        }
    }

    #[test]
    fn everything_else_is_not() {
        for url in [
            "http://fcm.googleapis.com/x",
            "https://fcm.googleapis.com:8443/x",
            "https://fcm.googleapis.com:80/x",
            "https://fcm.googleapis.com:/x",
            "https://fcm.googleapis.com:99999/x",
            "https://fcm.googleapis.com:443:443/x",
            "https://fcm.googleapis.com:https/x",
            "https://fcm.googleapis.com./x",
            "https://fcm.googleapis.com.evil.example/x",
            "https://evilfcm.googleapis.com/x",
            "https://a.fcm.googleapis.com/x",
            "https://googleapis.com/x",
            "https://fcm.googleapis.com@evil.example/x",
            "https://evil.example@fcm.googleapis.com/x",
            "https://u:p@fcm.googleapis.com/x",
            "https://evil.example#@fcm.googleapis.com/x",
            "https://evil.example?@fcm.googleapis.com/x",
            "https://evil.example/fcm.googleapis.com",
            "https://push.services.mozilla.com/x",
            "https://.push.services.mozilla.com/x",
            "https://..push.services.mozilla.com/x",
            "https://a%00.push.services.mozilla.com/x",
            "https://evilpush.services.mozilla.com/x",
            "https://localhost/x",
            "https://localhost:8444/x",
            "https://push.example.com:8443/x",
            "https://eu.push.example.com/x",
            "https://127.0.0.1/x",
            "https://127.0.0.1:8443/x",
            "https://169.254.169.254/latest/meta-data",
            "https://[::1]/x",
            "https://[::ffff:127.0.0.1]:8443/x",
            "https://2130706433/x",
            "https://0x7f000001/x",
            "https://permanently-removed.invalid/fcm/send/x",
            "//fcm.googleapis.com/x",
            "fcm.googleapis.com",
            "",
        ] {
            assert!(!allows(USUAL, url), "{url}");
        }
    }

    #[test]
    fn an_entry_names_a_host() {
        for entry in
            ["", "*", "*.", "*.*.example.com", "a.*.com", "127.0.0.1", "[::1]", "*.0.0.1", "0x7f.1", "https://a.example", "a.example/"]
        {
            assert_eq!(list(&[entry]), Err(AllowedHostError), "{entry}");
        }
        for entry in ["a.example:", "a.example:0", "a.example:x", "a.example:65536", "a..example", "a.example.", "é.example", "u@a.example"]
        {
            assert_eq!(list(&[entry]), Err(AllowedHostError), "{entry}");
        }
        assert!(list(&["a.example", "*.b.example:1", "localhost:65535", "xn--bcher-kva.example"]).is_ok());
    }

    #[test]
    fn without_a_list_a_name_on_port_443_is_asked_for() {
        for (url, ordinary) in [
            ("https://push.example.com/x", true),
            ("https://push.example.com:443/x", true),
            ("https://push.example.com:8443/x", false),
            ("https://ann@push.example.com/x", false),
            ("https://127.0.0.1/x", false),
            ("https://127.1/x", false),
            ("https://[::1]/x", false),
            ("https://localhost/x", false),
            ("https://a.LOCALHOST/x", false),
            ("https://localhost./x", false),
        ] {
            assert_eq!(Endpoint::parse(url).unwrap().is_ordinary(), ordinary, "{url}");
        }
    }

    #[test]
    fn the_origin_is_written_as_browsers_do() {
        for (url, origin) in [
            ("https://Push.Example.com/secret", "https://push.example.com"),
            ("https://push.example.com:443", "https://push.example.com"),
            ("https://push.example.com:8443/secret?x", "https://push.example.com:8443"),
        ] {
            let endpoint = Endpoint::parse(url).unwrap();
            assert_eq!(endpoint.origin(), origin);
            assert_eq!(format!("{endpoint:?}"), origin, "the path is a secret");
        }
    }

    proptest! {
        /// Whatever is before it, a host is allowed only if it is the one that the list names or lies below it.
        #[test]
        fn nothing_slips_through(before in "[a-z0-9.@:/?#%\\\\-]{0,12}", host in "(fcm\\.googleapis\\.com|a\\.push\\.services\\.mozilla\\.com)", behind in "[a-z0-9.@:/?#%\\\\-]{0,12}") {
            let url = format!("https://{before}{host}{behind}");
            if let Some(endpoint) = Endpoint::parse(&url).filter(|endpoint| list(USUAL).unwrap().allows(endpoint)) {
                let connected_to = url.parse::<Uri>().unwrap().host().unwrap().to_owned();
                prop_assert_eq!(&connected_to, &endpoint.host);
                prop_assert!(connected_to == "fcm.googleapis.com" || connected_to.ends_with(".push.services.mozilla.com"), "{}", url);
            }
        }
    }
}
