//! A campaign's file: TOML or YAML with exactly the fields of `POST /v1/campaigns`.

use std::path::Path;

use anyhow::Context;
use clap::ValueEnum;

use super::shape::{Fault, Shape};
use super::tree::{Node, Unreadable};
use crate::cli::client::Problem;
use crate::cli::ending::WrongUsage;

/// Standard input in the place of a file.
const STDIN: &str = "-";

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    Toml,
    /// And so JSON.
    Yaml,
}

impl Format {
    fn of(file: &Path) -> Option<Self> {
        match file.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "toml" => Some(Self::Toml),
            "yaml" | "yml" | "json" => Some(Self::Yaml),
            _ => None,
        }
    }
}

/// What a campaign says, and the name of the file that most of it is from.
#[derive(Debug)]
pub(super) struct Document {
    name: Option<String>,
    pub(super) root: Node,
}

impl Document {
    /// One that is in no file.
    pub(super) fn unwritten(root: Node) -> Self {
        Self { name: None, root }
    }

    /// Reads a file and sees that it has known fields only, of their types. All that is wrong is told at once, by line.
    pub(super) fn read(file: &Path, format: Option<Format>, shape: &Shape) -> anyhow::Result<Self> {
        let is_stdin = file.as_os_str() == STDIN;
        let Some(format) = format.or_else(|| Format::of(file)) else {
            let told = if is_stdin {
                "--format says what standard input is: toml or yaml"
            } else {
                "a campaign is .toml, .yaml or .json, or --format says so"
            };
            return Err(WrongUsage(told.to_owned()).into());
        };
        let name = if is_stdin { "standard input".to_owned() } else { file.display().to_string() };
        let text = if is_stdin { std::io::read_to_string(std::io::stdin()) } else { std::fs::read_to_string(file) };
        Self::parse(name.clone(), &text.with_context(|| format!("{name} cannot be read"))?, format, shape)
    }

    fn parse(name: String, text: &str, format: Format, shape: &Shape) -> anyhow::Result<Self> {
        let root = match format {
            Format::Toml => Node::from_toml(text),
            Format::Yaml => Node::from_yaml(text),
        };
        let root = root.map_err(|Unreadable { line, message }| anyhow::anyhow!("{}: {message}", place(&name, line)))?;
        let faults = shape.faults(&root);
        if !faults.is_empty() {
            let tell = |fault: &Fault| format!("\n  {}: {} {}", place(&name, fault.line), fault.field, fault.message);
            anyhow::bail!("{name} is no campaign{}", faults.iter().map(tell).collect::<String>());
        }
        Ok(Self { name: Some(name), root })
    }

    /// What the daemon did not like, with the lines that it is in.
    pub(super) fn placed(&self, error: anyhow::Error) -> anyhow::Error {
        let Some(name) = &self.name else { return error };
        match error.downcast::<Problem>() {
            Ok(problem) => problem.placed(|field| Some(place(name, Some(self.root.line_of(field)?)))).into(),
            Err(error) => error,
        }
    }
}

fn place(name: &str, line: Option<usize>) -> String {
    line.map_or_else(|| name.to_owned(), |line| format!("{name}:{line}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_are_campaigns() {
        let shape = Shape::of_campaigns().unwrap();
        for (file, name) in [("spring-sale.toml", "Spring sale"), ("weekly-digest.yaml", "Weekly digest")] {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/campaigns").join(file);
            let said = Document::read(&path, None, &shape).unwrap().root.to_json();
            assert_eq!(said["name"], name);
            assert!(["notification", "segment", "schedule"].iter().all(|part| said[part].is_object()), "{said}");
        }
    }

    #[test]
    fn a_file_is_what_its_name_says() {
        for (name, format) in [
            ("a.toml", Some(Format::Toml)),
            ("a.YAML", Some(Format::Yaml)),
            ("a.yml", Some(Format::Yaml)),
            ("a.json", Some(Format::Yaml)),
            ("a", None),
            ("a.txt", None),
        ] {
            assert_eq!(Format::of(Path::new(name)), format, "{name}");
        }
    }
}
