//! The configuration before it has types: a tree whose every node knows the line or the variable that it came from.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Where a value was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// A line of the file, from 1.
    Line(usize),
    /// An environment variable.
    Variable(String),
    /// Nowhere: the tree's root, or a stand-in.
    Nowhere,
}

/// One value and its origin.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) origin: Origin,
    pub(super) value: Value,
}

/// What a node holds.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Text(String),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    List(Vec<Node>),
    Table(BTreeMap<String, Node>),
    /// TOML has it, no setting does: a date, a number beyond 64 bits.
    Foreign,
    /// An environment variable's text: its type is the one that is asked for.
    Untyped(String),
    /// Stands for what is missing or wrong and was reported, so that reading can go on.
    Blank,
}

/// One step down the tree.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    Key(String),
    Index(usize),
}

/// A way down the tree; printed as `apps.demo.default_quiet_hours[0].start`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Way(pub(super) Vec<Step>);

impl Way {
    /// The way to a key that is written with points, and brackets for places in a list.
    pub(super) fn of(keys: &str) -> Self {
        let mut steps = Vec::new();
        for part in keys.split('.') {
            let mut pieces = part.split('[');
            steps.extend(pieces.next().map(|key| Step::Key(key.to_owned())));
            steps.extend(pieces.filter_map(|piece| piece.strip_suffix(']')?.parse().ok()).map(Step::Index));
        }
        Self(steps)
    }

    pub(super) fn parent(&self) -> Option<Self> {
        let (_, parent) = self.0.split_last()?;
        Some(Self(parent.to_vec()))
    }

    pub(super) fn is_within(&self, other: &Self) -> bool {
        self.0.starts_with(&other.0)
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) if place == 0 => f.write_str(key)?,
                Step::Key(key) => write!(f, ".{key}")?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

impl Node {
    pub(super) fn table(origin: Origin) -> Self {
        Self { origin, value: Value::Table(BTreeMap::new()) }
    }

    pub(super) fn from_table(table: &DeTable<'_>, origin: Origin, origin_at: &dyn Fn(usize) -> Origin) -> Self {
        let entries = table
            .iter()
            .map(|(key, value)| (key.get_ref().to_string(), Self::from_value(value, origin_at(key.span().start), origin_at)))
            .collect();
        Self { origin, value: Value::Table(entries) }
    }

    fn from_value(value: &Spanned<DeValue<'_>>, origin: Origin, origin_at: &dyn Fn(usize) -> Origin) -> Self {
        let value = match value.get_ref() {
            DeValue::String(text) => Value::Text(text.to_string()),
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix()).map_or(Value::Foreign, Value::Integer),
            DeValue::Float(number) => number.as_str().parse().map_or(Value::Foreign, Value::Float),
            DeValue::Boolean(flag) => Value::Boolean(*flag),
            DeValue::Datetime(_) => Value::Foreign,
            DeValue::Array(items) => {
                Value::List(items.iter().map(|item| Self::from_value(item, origin_at(item.span().start), origin_at)).collect())
            }
            DeValue::Table(table) => return Self::from_table(table, origin, origin_at),
        };
        Self { origin, value }
    }

    /// Reads an environment variable's text as a TOML value, for lists and tables.
    pub(super) fn parse_untyped(text: &str, origin: &Origin) -> Option<Self> {
        let value = DeValue::parse(text).ok()?;
        Some(Self::from_value(&value, origin.clone(), &|_| origin.clone()))
    }

    /// The node at the end of a way, or the last one on it.
    pub(super) fn nearest(&self, way: &Way) -> &Self {
        way.0.iter().try_fold(self, |node, step| node.child(step).ok_or(node)).unwrap_or_else(|last| last)
    }

    fn child(&self, step: &Step) -> Option<&Self> {
        match (&self.value, step) {
            (Value::Table(entries), Step::Key(key)) => entries.get(key),
            (Value::List(items), Step::Index(index)) => items.get(*index),
            _ => None,
        }
    }

    fn child_mut(&mut self, step: &Step) -> Option<&mut Self> {
        match (&mut self.value, step) {
            (Value::Table(entries), Step::Key(key)) => entries.get_mut(key),
            (Value::List(items), Step::Index(index)) => items.get_mut(*index),
            _ => None,
        }
    }

    /// Takes the node at the end of a way out of the tree; an item of a list becomes blank, so that the others keep their places.
    pub(super) fn remove(&mut self, way: &Way) -> Option<Self> {
        let (last, parents) = way.0.split_last()?;
        let parent = parents.iter().try_fold(self, |node, step| node.child_mut(step))?;
        match (&mut parent.value, last) {
            (Value::Table(entries), Step::Key(key)) => entries.remove(key),
            (Value::List(items), Step::Index(index)) => {
                let item = items.get_mut(*index)?;
                let taken = item.clone();
                item.value = Value::Blank;
                Some(taken)
            }
            _ => None,
        }
    }

    /// Puts a stand-in at the end of a way.
    pub(super) fn blank(&mut self, way: &Way) {
        let Some((last, parents)) = way.0.split_last() else { return };
        let Some(parent) = parents.iter().try_fold(self, |node, step| node.child_mut(step)) else { return };
        if let (Value::Table(entries), Step::Key(key)) = (&mut parent.value, last) {
            entries.insert(key.clone(), Self { origin: Origin::Nowhere, value: Value::Blank });
        }
    }

    /// Lays a variable's text over the tree; `Err` where another variable has given one of its parents a plain value.
    pub(super) fn overlay(&mut self, way: &Way, variable: &str, text: String) -> Result<(), String> {
        let Some((Step::Key(last), parents)) = way.0.split_last() else { return Ok(()) };
        let origin = Origin::Variable(variable.to_owned());
        let mut node = self;
        for step in parents {
            let Step::Key(key) = step else { return Ok(()) };
            let entries = node.entries_for(&origin)?;
            node = entries.entry(key.clone()).or_insert_with(|| Self::table(origin.clone()));
        }
        node.entries_for(&origin)?.insert(last.clone(), Self { origin, value: Value::Untyped(text) });
        Ok(())
    }

    fn entries_for(&mut self, origin: &Origin) -> Result<&mut BTreeMap<String, Self>, String> {
        if let (Value::Untyped(_), Origin::Variable(other)) = (&self.value, &self.origin) {
            return Err(format!("contradicts {other}, which gives the whole of it a value"));
        }
        if !matches!(self.value, Value::Table(_)) {
            *self = Self::table(origin.clone());
        }
        match &mut self.value {
            Value::Table(entries) => Ok(entries),
            _ => Err("is not a table".to_owned()),
        }
    }

    /// Visits every key that ends in `_file`: an empty one is taken out, a relative one of the file is joined to its folder.
    ///
    /// All paths to be read are named so. Those from the environment are relative to the working directory, as in a shell.
    pub(super) fn resolve_files(&mut self, folder: &Path, found: &mut dyn FnMut(Way, &str)) {
        self.resolve_within(&mut Way::default(), folder, found);
    }

    fn resolve_within(&mut self, way: &mut Way, folder: &Path, found: &mut dyn FnMut(Way, &str)) {
        let Value::Table(entries) = &mut self.value else { return };
        entries.retain(|key, node| !(key.ends_with("_file") && node.is_empty_text()));
        for (key, node) in entries.iter_mut() {
            way.0.push(Step::Key(key.clone()));
            match &mut node.value {
                Value::Text(path) if key.ends_with("_file") => {
                    *path = folder.join(&*path).to_string_lossy().into_owned();
                    found(way.clone(), path);
                }
                Value::Untyped(path) if key.ends_with("_file") => found(way.clone(), path),
                _ => node.resolve_within(way, folder, found),
            }
            way.0.pop();
        }
    }

    fn is_empty_text(&self) -> bool {
        matches!(&self.value, Value::Text(text) | Value::Untyped(text) if text.is_empty())
    }
}
