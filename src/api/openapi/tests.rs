use serde_json::Value;

use super::*;
use crate::api::deprecation::DEPARTURES;

fn document() -> Value {
    serde_json::to_value(routes(DEPARTURES).1).unwrap()
}

/// After a change that is meant: `HERALD_WRITE_OPENAPI=1 cargo test openapi` writes the file anew.
#[test]
fn the_document_is_the_one_in_the_repository() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/api/openapi.json");
    let generated = serde_json::to_string_pretty(&routes(DEPARTURES).1).unwrap() + "\n";
    if option_env!("HERALD_WRITE_OPENAPI").is_some() {
        std::fs::write(path, &generated).unwrap();
    }
    let kept = std::fs::read_to_string(path).unwrap_or_default();
    assert!(kept == generated, "src/api/openapi.json is not what the routes say; if the change is meant, write it anew");
}

#[test]
fn it_is_complete() {
    let document = document();
    assert_eq!(document["openapi"], "3.1.0");
    assert!(document["components"]["securitySchemes"]["api_key"].is_object());
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let at = format!("{method} {path}");
            assert!(operation["summary"].is_string(), "{at} has no summary");
            assert!(operation["operationId"].is_string(), "{at} has no id");
            let responses = operation["responses"].as_object().unwrap();
            assert!(responses.keys().any(|status| status.starts_with('2')), "{at} never succeeds");
            if path.starts_with("/v1/") {
                assert!(operation["security"].is_array(), "{at} needs no key");
                let goes_without = operation["security"].as_array().unwrap().contains(&serde_json::json!({}));
                let of_callers: &[&str] = if goes_without { &[] } else { &["401", "403"] };
                let all = ["422", "500", "503"].iter().chain(of_callers);
                assert!(all.clone().all(|status| responses.contains_key(*status)), "{at} lacks an error");
            }
            for name in path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')) {
                let parameters = operation["parameters"].as_array().unwrap();
                assert!(parameters.iter().any(|one| one["in"] == "path" && one["name"] == name), "{at} does not describe {name}");
            }
        }
    }
}

#[test]
fn no_two_operations_have_one_name() {
    let document = document();
    let items = document["paths"].as_object().unwrap().values().flat_map(|item| item.as_object().unwrap().values());
    let mut ids: Vec<_> = items.map(|operation| operation["operationId"].as_str().unwrap().to_owned()).collect();
    let count = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), count, "{ids:?}");
}

#[test]
fn every_reference_leads_somewhere() {
    fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(members) => {
                found.extend(members.get("$ref").and_then(Value::as_str));
                members.values().for_each(|member| references(member, found));
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }

    let document = document();
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 50);
    for reference in found {
        assert!(document.pointer(reference.strip_prefix('#').unwrap()).is_some(), "{reference} leads nowhere");
    }
}

#[test]
fn what_is_on_its_way_out_is_described_so() {
    let departure = Departure { operation: "get_device", deprecated_at: 0, sunset_at: None, page: None };
    let (_, document) = routes(&[departure]);
    let marked: Vec<_> = all(&document).filter(|(_, _, one)| one.deprecated.is_some()).map(|(path, method, _)| (path, method)).collect();
    assert_eq!(marked, [("/v1/devices/{device_id}", Method::GET)]);
}

#[test]
fn what_is_for_phones_alone_tells_of_the_version() {
    for (path, item) in document()["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let takes = operation["parameters"].as_array().is_some_and(|all| all.iter().any(|one| one["name"] == "X-App-Version"));
            let is_refused = operation["responses"].get("426").is_some();
            assert_eq!((takes, is_refused), (path.starts_with("/v1/me/"), path.starts_with("/v1/me/")), "{method} {path}");
        }
    }
}
