//! Cursors and parameters of lists, in fuzzing.

use http::Uri;
use serde::Serialize;
use utoipa::ToSchema;

use super::{Listed, listing};
use crate::domain::Timestamp;
use crate::domain::id::AppId;

#[derive(Serialize, ToSchema)]
struct Item {
    id: u32,
}

/// Whatever stands in a query: what is no cursor of this list is refused, and one made of it leads back to where it was made.
pub fn cursor(query: &[u8]) {
    let list = || Listed { app: AppId(1), route: "fuzz", subject: "", now: Timestamp::UNIX_EPOCH };
    let Ok(text) = std::str::from_utf8(query) else { return };
    for name in ["", "cursor="] {
        let Ok(uri) = format!("/v1/fuzz?{name}{text}").parse::<Uri>() else { continue };
        match listing::<Item>(&uri, list()) {
            Ok((params, listing)) => {
                drop(listing.request());
                drop(params.finish());
            }
            Err(problem) => assert!(problem.code().status().is_client_error(), "{problem:?}"),
        }
    }
    let filters = vec![("filter".to_owned(), text.to_owned())];
    let (read, inner) = list().open(&list().seal(&filters, text)).unwrap();
    assert_eq!((read, inner.as_str()), (filters, text));
    let elsewhere = Listed { app: AppId(2), ..list() };
    assert!(elsewhere.open(&list().seal(&[], text)).is_err(), "another app's cursor was taken");
}
