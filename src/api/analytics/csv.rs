//! Analytics as CSV (RFC 4180), page by page from the store and never all in memory.

use std::borrow::Cow;
use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, HeaderValue, header};
use serde_json::Value;

use super::RowResponse;
use super::query::Group;
use crate::api::Api;
use crate::api::problem::Problem;
use crate::domain::id::AppId;
use crate::store::PageRequest;
use crate::store::analytics::AnalyticsQuestion;

/// Rows that are read at once.
const AT_ONCE: usize = 500;
/// The columns behind the groups.
const COUNTS: [&str; 12] = [
    "sent",
    "suppressed",
    "failed",
    "expired",
    "cancelled",
    "delivered",
    "opened",
    "dismissed",
    "delivery_rate",
    "open_rate",
    "confirmed_open_rate",
    "dismiss_rate",
];

/// Whether a caller prefers CSV: it is named, and nothing that JSON answers to is preferred (RFC 9110, 12.5.1).
pub(super) fn is_wanted(headers: &HeaderMap) -> bool {
    let ranges = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    let (mut csv, mut json) = (0.0, 0.0);
    for range in ranges {
        let mut parts = range.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default().to_ascii_lowercase();
        let weight = parts.find_map(|part| part.strip_prefix("q=")).map_or(1.0, |text| text.parse::<f32>().unwrap_or(0.0));
        match name.as_str() {
            "text/csv" => csv = weight,
            "application/json" => json = weight,
            _ => {}
        }
    }
    csv > 0.0 && csv >= json
}

/// The columns: the bucket, the groups, the counts; of them those that are wanted.
pub(super) fn columns(groups: &[Group], wanted: Option<&[String]>) -> Vec<&'static str> {
    let groups = groups.iter().map(|group| group.as_str());
    let all = std::iter::once("bucket").chain(groups).chain(COUNTS);
    all.filter(|column| wanted.is_none_or(|wanted| wanted.iter().any(|name| name == column))).collect()
}

/// All rows. The first are read before anything is answered, so that a store that is away is told as a problem.
pub(super) async fn answer(api: Api, app: AppId, question: AnalyticsQuestion, columns: Vec<&'static str>) -> Result<Response, Problem> {
    let rest = Rest { api, app, question, columns: columns.into(), after: None };
    let head = line(rest.columns.iter().map(|column| Cow::Borrowed(*column)))?;
    let (first, rest) = rest.next().await?;
    let pages = stream::try_unfold(rest, |rest| async {
        let Some(rest) = rest else { return Ok::<_, std::io::Error>(None) };
        let next = rest.next().await.map_err(|problem| {
            // the answer has begun: all that can be done is to break it off
            tracing::warn!(code = problem.code().as_str(), "analytics as CSV were broken off");
            std::io::Error::other("the rest cannot be read")
        })?;
        Ok(Some(next))
    });
    let begun = stream::iter([Ok(Bytes::from(head)), Ok(first)]);
    let body = Body::from_stream(futures_util::StreamExt::chain(begun, pages));
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8; header=present"));
    Ok(response)
}

/// What is still to be read.
struct Rest {
    api: Api,
    app: AppId,
    question: AnalyticsQuestion,
    columns: Arc<[&'static str]>,
    after: Option<String>,
}

impl Rest {
    /// The next rows as text, and what is to be read after them.
    async fn next(self) -> Result<(Bytes, Option<Self>), Problem> {
        let request = PageRequest { limit: AT_ONCE, after: self.after.clone() };
        let page = self.api.store.analytics(self.app, &self.question, &request).await?;
        let mut text = Vec::new();
        for row in page.items {
            let row = serde_json::to_value(RowResponse::of(row, &Group::ALL)).map_err(|error| Problem::internal(&error))?;
            text.extend(line(self.columns.iter().map(|column| cell(row.get(column))))?);
        }
        let rest = page.next.map(|after| Self { after: Some(after), ..self });
        Ok((text.into(), rest))
    }
}

/// A cell. What a spreadsheet would take for a formula is made text by an apostrophe, as OWASP advises ("CSV Injection"): ids may begin
/// with `-`. Nothing is empty.
fn cell(value: Option<&Value>) -> Cow<'static, str> {
    match value {
        None | Some(Value::Null) => Cow::Borrowed(""),
        Some(Value::String(text)) if text.starts_with(['=', '+', '-', '@', '\t', '\r']) => Cow::Owned(format!("'{text}")),
        Some(Value::String(text)) => Cow::Owned(text.clone()),
        Some(other) => Cow::Owned(other.to_string()),
    }
}

fn line<'c>(cells: impl Iterator<Item = Cow<'c, str>>) -> Result<Vec<u8>, Problem> {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    writer.write_record(cells.map(Cow::into_owned)).map_err(|error| Problem::internal(&error))?;
    writer.into_inner().map_err(|error| Problem::internal(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_is_answered_to_who_prefers_it() {
        for (accept, expected) in [
            ("", false),
            ("*/*", false),
            ("text/*", false),
            ("application/json", false),
            ("text/csv", true),
            ("Text/CSV; charset=utf-8", true),
            ("text/csv;q=0", false),
            ("text/csv;q=0.5, application/json;q=0.9", false),
            ("application/json;q=0.5, text/csv;q=0.9", true),
            ("text/csv, application/json", true),
            ("text/csv;q=x", false),
        ] {
            let headers = HeaderMap::from_iter([(header::ACCEPT, accept.parse().unwrap())]);
            assert_eq!(is_wanted(&headers), expected, "{accept}");
        }
        assert!(!is_wanted(&HeaderMap::new()));
    }

    #[test]
    fn cells_are_quoted_and_never_formulas() {
        for (value, expected) in [
            (Value::from("plain"), "plain\r\n"),
            (Value::from("-a"), "'-a\r\n"),
            (Value::from("=SUM(A1,\"x\")"), "\"'=SUM(A1,\"\"x\"\")\"\r\n"),
            (Value::from("two\r\nlines, and \"quotes\""), "\"two\r\nlines, and \"\"quotes\"\"\"\r\n"),
            (Value::from(0.25), "0.25\r\n"),
            (Value::from(7), "7\r\n"),
        ] {
            let text = line([cell(Some(&value))].into_iter()).unwrap();
            assert_eq!(String::from_utf8(text).unwrap(), expected);
        }
        let text = line([cell(None), cell(Some(&Value::Null))].into_iter()).unwrap();
        assert_eq!(text, b",\r\n");
    }
}
