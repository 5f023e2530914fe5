//! Lists page by page.

use herald::store::{Error, Page, PageRequest, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The page that was asked for, of rows in the order of their places.
pub fn page<P: Ord + Serialize + DeserializeOwned, T>(mut rows: Vec<(P, T)>, request: &PageRequest) -> Result<Page<T>> {
    if let Some(after) = &request.after {
        let after: P = serde_json::from_str(after).map_err(|_| Error::ForeignCursor)?;
        rows.retain(|(place, _)| *place > after);
    }
    let more = rows.len() > request.limit;
    rows.truncate(request.limit);
    let next = rows.last().filter(|_| more).map(|(place, _)| serde_json::to_string(place)).transpose();
    let next = next.map_err(|error| Error::Refused(Box::new(error)))?;
    Ok(Page { items: rows.into_iter().map(|(_, item)| item).collect(), next })
}
