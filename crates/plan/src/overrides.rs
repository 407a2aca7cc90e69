//! `--set key=value`: single values of a plan replaced from the command line.
//!
//! Overrides change the tree before it is read, so that an unknown word in one is reported like an unknown word in
//! the file. Items of a list are addressed by their `name`.

use crate::diagnostics::{Origin, Problem};
use crate::tree::{self, Entry, Node, Table, Value};
use crate::words;

/// One override: `phases.steady.duration=10s`.
#[derive(Clone, PartialEq, Eq)]
pub struct Override {
    /// The path of the value, with dots. Phases are addressed by name.
    pub key: String,
    /// The new value: TOML where it parses as TOML, else text.
    pub value: String,
}

/// The value may be a password: only the key is shown.
impl std::fmt::Debug for Override {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "--set {}=***", self.key)
    }
}

/// Why an argument of `--set` is not an override.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OverrideError {
    /// There is no `=`.
    #[error("`{0}` has no `=`; write for example `--set phases.steady.duration=10s`")]
    NoValue(String),
    /// There is nothing in front of the `=`.
    #[error("there is no key in front of the `=`; write for example `--set phases.steady.duration=10s`")]
    NoKey,
}

impl Override {
    /// Reads `key=value`.
    ///
    /// # Errors
    /// [`OverrideError`] when there is no key or no `=`.
    pub fn parse(text: &str) -> Result<Self, OverrideError> {
        match text.split_once('=') {
            None => Err(OverrideError::NoValue(text.to_owned())),
            Some((key, _)) if key.trim().is_empty() => Err(OverrideError::NoKey),
            Some((key, value)) => Ok(Self { key: key.trim().to_owned(), value: value.trim().to_owned() }),
        }
    }
}

/// Puts all overrides into the tree, the last one winning.
pub(crate) fn apply(root: &mut Table, overrides: &[Override]) -> Vec<Problem> {
    overrides.iter().filter_map(|change| apply_one(root, change).err()).collect()
}

fn apply_one(root: &mut Table, change: &Override) -> Result<(), Problem> {
    let words: Vec<&str> = change.key.split('.').collect();
    if words.iter().any(|word| word.is_empty()) {
        let origin = Origin::Set(change.key.clone());
        return Err(Problem::new(&origin, "a part of the key is empty").help("write for example `phases.steady.rate`"));
    }
    set(root, &words, "the plan", change)
}

fn set(table: &mut Table, words: &[&str], place: &str, change: &Override) -> Result<(), Problem> {
    let origin = Origin::Set(change.key.clone());
    let (word, rest) = words.split_first().expect("a split text has at least one part");
    let node = entry(table, word, &origin);
    if rest.is_empty() {
        *node = tree::parse_override(&change.key, &change.value);
        return Ok(());
    }
    match &mut node.value {
        Value::Table(table) => set(table, rest, word, change),
        Value::List(list) => set_in_list(list, rest, word, change),
        other => {
            let title = format!("`{word}` in {place} is {}; nothing can be set inside it", other.kind());
            Err(Problem::new(&origin, title).help(format!("set `{word}` itself")))
        }
    }
}

/// The value of a key; an empty table when there was none, which is reported where it makes no sense.
fn entry<'t>(table: &'t mut Table, key: &str, origin: &Origin) -> &'t mut Node {
    let at = table.entries.iter().position(|entry| entry.key == key).unwrap_or_else(|| {
        let node = Node { origin: origin.clone(), value: Value::Table(Table::default()), spelled: None };
        table.entries.push(Entry { key: key.to_owned(), origin: origin.clone(), node });
        table.entries.len() - 1
    });
    &mut table.entries[at].node
}

fn set_in_list(list: &mut [Node], words: &[&str], place: &str, change: &Override) -> Result<(), Problem> {
    let (word, rest) = words.split_first().expect("called with the rest of a path");
    let names: Vec<String> = list.iter().filter_map(Node::name).map(str::to_owned).collect();
    let item = list.iter_mut().find(|node| node.name() == Some(word));
    match item.map(|node| &mut node.value) {
        Some(Value::Table(table)) if !rest.is_empty() => set(table, rest, word, change),
        Some(_) => {
            Err(Problem::new(&Origin::Set(change.key.clone()), format!("`{word}` is a table of several values"))
                .help(format!("name one of them: `{}.KEY=VALUE`", change.key)))
        }
        None => Err(unknown_item(word, place, &names, change)),
    }
}

fn unknown_item(word: &str, place: &str, names: &[String], change: &Override) -> Problem {
    let names = || names.iter().map(String::as_str);
    let problem = Problem::new(&Origin::Set(change.key.clone()), format!("`{place}` has no item named `{word}`"));
    let problem = match words::nearest(word, names()) {
        Some(near) => problem.label(format!("did you mean `{near}`?")),
        None => problem,
    };
    problem.help(format!("its items are: {}", words::list(names())))
}
