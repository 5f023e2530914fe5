//! The floors and fences of `docs/architecture.md`, held by reading `src/`.
//!
//! `source.rs` finds out which paths a file names; `rules.rs` says which it may. Tests are exempt: they may look over any fence.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail")]

mod rules;
mod source;

use std::path::{Path, PathBuf};

use source::Source;

/// Lines of a file beside its tests and blank ones, at most.
const LONGEST: usize = 400;

/// Names that attract everything.
const NAMELESS: [&str; 4] = ["utils", "helpers", "common", "misc"];

/// Every file of `src/` that is not only for tests, by its path from there.
fn sources() -> Vec<(String, Source)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    walk(&root, &mut files);
    let mut sources: Vec<(String, Source)> = files
        .iter()
        .map(|file| {
            let name = file.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
            let source = Source::read(&name, &std::fs::read_to_string(file).unwrap());
            (name, source)
        })
        .collect();
    let only_tests: Vec<String> = sources.iter().flat_map(|(_, source)| source.test_modules.clone()).collect();
    sources.retain(|(name, _)| !only_tests.iter().any(|module| source::is_within(name, module)));
    assert!(sources.len() > 50, "src/ was not found");
    sources
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

fn assert_none(faults: &[String]) {
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn every_module_keeps_to_its_floor() {
    let faults: Vec<String> = sources().iter().flat_map(|(name, source)| rules::broken_floors(name, source)).collect();
    assert_none(&faults);
}

#[test]
fn every_library_stays_behind_its_fence() {
    let faults: Vec<String> = sources().iter().flat_map(|(name, source)| rules::broken_fences(name, source)).collect();
    assert_none(&faults);
}

#[test]
fn only_the_composition_root_names_an_adapter() {
    let faults: Vec<String> = sources().iter().flat_map(|(name, source)| rules::named_adapters(name, source)).collect();
    assert_none(&faults);
}

#[test]
fn the_domain_is_pure() {
    let faults: Vec<String> = sources().iter().flat_map(|(name, source)| rules::impurities(name, source)).collect();
    assert_none(&faults);
}

#[test]
fn every_module_has_a_name_of_its_own() {
    let faults: Vec<String> = sources()
        .iter()
        .filter(|(name, _)| name.split(['/', '.']).any(|part| NAMELESS.contains(&part)))
        .map(|(name, _)| format!("{name} says nothing of what is in it"))
        .collect();
    assert_none(&faults);
}

#[test]
fn no_file_grows_beyond_reading() {
    let faults: Vec<String> = sources()
        .iter()
        .filter(|(_, source)| source.lines > LONGEST)
        .map(|(name, source)| format!("{name} has {} lines, at most {LONGEST}: it has more than one idea", source.lines))
        .collect();
    assert_none(&faults);
}
