//! The HTTP client of the commands that act on a running daemon.

use std::time::Duration;

use anyhow::Context;
use bytes::{Bytes, BytesMut};
use clap::Args;
use reqwest::header::{ETAG, IF_MATCH};
use reqwest::{Body, Method, RequestBuilder, Response, Url};
use serde_json::Value;

use super::ending::WrongUsage;
use crate::config::Remote;

pub(super) use super::problem::Problem;

/// How long the daemon may take to answer.
const TIMEOUT: Duration = Duration::from_mins(1);
/// And for what looks at much: previews, answers of many lines, what is deleted.
const LONG_TIMEOUT: Duration = Duration::from_mins(5);

/// A page, at most.
const PAGE: usize = 500;

/// Flags of every command that speaks to a daemon.
#[derive(Args)]
pub(super) struct Daemon {
    /// The app that `HERALD_API_KEY` must be of: a guard, the key alone names it.
    #[arg(long, value_name = "NAME", global = true, display_order = 900)]
    pub(super) app: Option<String>,
}

impl Daemon {
    /// The client for `HERALD_URL` and `HERALD_API_KEY`, once `--app` is known to be the key's own.
    pub(super) async fn client(&self) -> anyhow::Result<Client> {
        let client = Client::new(Remote::from_environment())?;
        if let Some(named) = &self.app {
            let answer = client.get(&["v1", "app"], &[]).await?;
            let own = answer.get("name").and_then(Value::as_str).context("the daemon does not say which app the key is of")?;
            if own != named {
                return Err(WrongUsage(format!("HERALD_API_KEY is of the app {own}, not of {named}")).into());
            }
        }
        Ok(client)
    }
}

/// A daemon and the key to it.
pub(super) struct Client {
    http: reqwest::Client,
    base: Url,
    api_key: String,
}

impl Client {
    pub(super) fn new(remote: Remote) -> anyhow::Result<Self> {
        let api_key = remote.api_key.ok_or_else(|| WrongUsage("HERALD_API_KEY is not set".to_owned()))?;
        if !api_key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(WrongUsage("HERALD_API_KEY is not an API key".to_owned()).into());
        }
        let base = Url::parse(&remote.url).ok().filter(|url| matches!(url.scheme(), "http" | "https") && !url.cannot_be_a_base());
        let base = base.ok_or_else(|| WrongUsage("HERALD_URL is not an http or https address".to_owned()))?;
        let http = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(5))
            .user_agent(concat!("herald/", env!("CARGO_PKG_VERSION")))
            .build()
            .context("the HTTP client")?;
        Ok(Self { http, base, api_key })
    }

    pub(super) async fn get(&self, path: &[&str], query: &[(&str, String)]) -> anyhow::Result<Value> {
        self.answer(self.request(Method::GET, path)?.query(query).timeout(TIMEOUT)).await
    }

    pub(super) async fn post(&self, path: &[&str], body: &Value) -> anyhow::Result<Value> {
        self.answer(self.request(Method::POST, path)?.json(body).timeout(TIMEOUT)).await
    }

    /// A POST that may take long.
    pub(super) async fn post_patiently(&self, path: &[&str], body: &Value) -> anyhow::Result<Value> {
        self.answer(self.request(Method::POST, path)?.json(body).timeout(LONG_TIMEOUT)).await
    }

    /// A POST with parameters.
    pub(super) async fn post_with(&self, path: &[&str], query: &[(&str, &str)], body: &Value) -> anyhow::Result<Value> {
        self.answer(self.request(Method::POST, path)?.query(query).json(body).timeout(TIMEOUT)).await
    }

    /// A POST without a body.
    pub(super) async fn act(&self, path: &[&str]) -> anyhow::Result<Value> {
        self.answer(self.request(Method::POST, path)?.timeout(TIMEOUT)).await
    }

    pub(super) async fn put(&self, path: &[&str], body: &Value) -> anyhow::Result<Value> {
        self.answer(self.request(Method::PUT, path)?.json(body).timeout(TIMEOUT)).await
    }

    /// A GET, and the `ETag` of what it answers.
    pub(super) async fn get_tagged(&self, path: &[&str]) -> anyhow::Result<(Value, Option<String>)> {
        let response = self.sent(self.request(Method::GET, path)?.timeout(TIMEOUT)).await?;
        let tag = response.headers().get(ETAG).and_then(|tag| tag.to_str().ok()).map(str::to_owned);
        Ok((self.body(response).await?, tag))
    }

    /// A PUT, refused where a tag is given and what is there has another one by now.
    pub(super) async fn put_if(&self, path: &[&str], tag: Option<&str>, body: &Value) -> anyhow::Result<Value> {
        let request = self.request(Method::PUT, path)?.json(body).timeout(TIMEOUT);
        self.answer(tag.into_iter().fold(request, |request, tag| request.header(IF_MATCH, tag))).await
    }

    pub(super) async fn delete(&self, path: &[&str]) -> anyhow::Result<Value> {
        self.answer(self.request(Method::DELETE, path)?.timeout(LONG_TIMEOUT)).await
    }

    /// A POST of NDJSON.
    pub(super) async fn post_lines(&self, path: &[&str], body: impl Into<Body>) -> anyhow::Result<Value> {
        self.answer(self.request(Method::POST, path)?.header("content-type", "application/x-ndjson").body(body)).await
    }

    /// A POST whose answer comes line by line.
    pub(super) fn post_for_lines(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
        kind: &str,
        body: impl Into<Body>,
    ) -> anyhow::Result<RequestBuilder> {
        let request = self.request(Method::POST, path)?.query(query).header("accept", "application/x-ndjson");
        Ok(request.header("content-type", kind).timeout(LONG_TIMEOUT).body(body))
    }

    /// Sends a request and reads the lines of its answer.
    pub(super) async fn lines(&self, request: RequestBuilder) -> anyhow::Result<Lines> {
        let response = self.sent(request).await?;
        let status = response.status();
        if !status.is_success() {
            let body = response.bytes().await.map_err(reqwest::Error::without_url).with_context(|| self.unreachable())?;
            return Err(Problem::of(status, &body).into());
        }
        Ok(Lines { response, held: BytesMut::new() })
    }

    /// Where the daemon is.
    pub(super) fn address(&self) -> String {
        self.base.to_string()
    }

    fn unreachable(&self) -> String {
        format!("the daemon at {} cannot be reached", self.base)
    }

    /// The newest `limit` things of a list, page by page.
    pub(super) async fn list(&self, path: &[&str], filters: &[(&str, Option<String>)], limit: usize) -> anyhow::Result<Vec<Value>> {
        let filters: Vec<(&str, String)> = filters.iter().filter_map(|(name, value)| Some((*name, value.clone()?))).collect();
        let mut items = Vec::new();
        let mut cursor = None;
        while items.len() < limit {
            let mut query = filters.clone();
            query.push(("limit", (limit - items.len()).min(PAGE).to_string()));
            query.extend(cursor.map(|cursor| ("cursor", cursor)));
            let mut page = self.get(path, &query).await?;
            match page.get_mut("items").map(Value::take) {
                Some(Value::Array(more)) => items.extend(more),
                _ => anyhow::bail!("the daemon answered no list"),
            }
            cursor = page.get("next_cursor").and_then(Value::as_str).map(str::to_owned);
            if cursor.is_none() {
                break;
            }
        }
        Ok(items)
    }

    fn request(&self, method: Method, path: &[&str]) -> anyhow::Result<RequestBuilder> {
        let mut url = self.base.clone();
        match url.path_segments_mut() {
            Ok(mut segments) => drop(segments.pop_if_empty().extend(path)),
            Err(()) => anyhow::bail!("HERALD_URL cannot have a path"),
        }
        Ok(self.http.request(method, url).bearer_auth(&self.api_key))
    }

    async fn answer(&self, request: RequestBuilder) -> anyhow::Result<Value> {
        self.body(self.sent(request).await?).await
    }

    async fn sent(&self, request: RequestBuilder) -> anyhow::Result<Response> {
        request.send().await.map_err(reqwest::Error::without_url).with_context(|| self.unreachable())
    }

    async fn body(&self, response: Response) -> anyhow::Result<Value> {
        let status = response.status();
        let body = response.bytes().await.map_err(reqwest::Error::without_url).with_context(|| self.unreachable())?;
        if !status.is_success() {
            return Err(Problem::of(status, &body).into());
        }
        if body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&body).with_context(|| format!("what answers at {} is no Herald", self.base))
    }
}

/// An answer that comes line by line.
pub(super) struct Lines {
    response: Response,
    held: BytesMut,
}

impl Lines {
    /// The next line without its end; `None` after the last.
    pub(super) async fn next(&mut self) -> anyhow::Result<Option<Bytes>> {
        loop {
            if let Some(end) = self.held.iter().position(|byte| *byte == b'\n') {
                let mut line = self.held.split_to(end + 1);
                line.truncate(end);
                return Ok(Some(line.freeze()));
            }
            match self.response.chunk().await.map_err(reqwest::Error::without_url).context("the answer broke off")? {
                Some(piece) => self.held.extend_from_slice(&piece),
                None if self.held.is_empty() => return Ok(None),
                None => return Ok(Some(self.held.split().freeze())),
            }
        }
    }
}
