//! Values in text: `{{ name }}` of the script becomes `{name}`, wherever it comes from.

use std::collections::{BTreeMap, BTreeSet};

use crate::document::Document;
use crate::draft::{Draft, Line, Step};
use crate::toml_text::{escape, name, quote, raw, table};

/// What a value of the plan may not be named.
const RESERVED: [&str; 5] = ["user", "iteration", "turn", "random", "data"];

/// Names that the whole script knows.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// Columns of payload files and the hole of each.
    columns: BTreeMap<String, String>,
    /// Variables and the template of each.
    variables: BTreeMap<String, String>,
}

/// Names that one flow knows: also what it captures.
#[derive(Debug)]
pub(super) struct Scope<'a> {
    names: &'a Names,
    captured: BTreeSet<String>,
    /// How many loops are around.
    pub(super) loops: usize,
}

impl Names {
    pub(super) fn of(config: &Document, draft: &mut Draft) -> Self {
        let mut names = Self::default();
        for (variable, value) in config.get("variables").entries() {
            match template(value) {
                Some(template) => drop(names.variables.insert(variable.clone(), template)),
                None => draft.leave_out(format!("the variable `{variable}`: put its values into [data]")),
            }
        }
        let payload = config.get("payload");
        let files = if payload.items().is_empty() { std::slice::from_ref(payload) } else { payload.items() };
        files.iter().filter(|file| !file.is_null()).for_each(|file| names.add_payload(file, draft));
        names
    }

    fn add_payload(&mut self, payload: &Document, draft: &mut Draft) {
        let Some(path) = payload.get("path").text() else { return draft.leave_out("`config.payload` without a path") };
        let stem = path.rsplit('/').next().unwrap_or_default().split('.').next().unwrap_or_default();
        let set = name(stem);
        let fields: Vec<String> = payload.get("fields").items().iter().filter_map(Document::scalar).collect();
        for field in &fields {
            self.columns.insert(field.clone(), format!("{{data.{set}.{field}}}"));
        }
        let take = if payload.get("order").text() == Some("sequence") { "in_order" } else { "random" };
        let mut lines = vec![Line::new("file", quote(path)), Line::new("take", raw(take))];
        let header = fields.join(",");
        if payload.get("skipHeader") == &Document::Boolean(true) {
            lines.push(Line::note(&format!("Its first line must name the columns as the script does: {header}")));
        } else {
            draft.leave_out(format!("{path} has no line of column names: put `{header}` on top of it"));
        }
        super::unknown(payload, &["path", "fields", "order", "skipHeader", "cast"], "config.payload: ", draft);
        draft.data.push((set, lines));
    }

    /// Draws the variables that steps use, once for each iteration.
    pub(super) fn set_step(&self, steps: &[Step]) -> Vec<Step> {
        let used = |variable: &str| steps.iter().any(|step| uses(step, &format!("{{{}", word(variable))));
        let set = self.variables.iter().filter(|(variable, _)| used(variable));
        let entries: Vec<(String, String)> = set.map(|(name, template)| (word(name), raw(template))).collect();
        if entries.is_empty() {
            return Vec::new();
        }
        let mut step = Step::default();
        step.push("set", table(entries));
        vec![step]
    }
}

fn uses(step: &Step, hole: &str) -> bool {
    let ends = |rest: &str| rest.starts_with(['}', ':']);
    let here = |(_, value): &(String, String)| value.match_indices(hole).any(|(at, _)| ends(&value[at + hole.len()..]));
    step.entries.iter().any(here) || step.inside.iter().any(|inside| uses(inside, hole))
}

/// A value as a template; a list is one of its words at random.
fn template(value: &Document) -> Option<String> {
    let Document::List(items) = value else { return value.scalar().map(|text| escape(&text)) };
    let words: Option<Vec<String>> = items.iter().map(Document::scalar).collect();
    let words = words.filter(|words| !words.is_empty() && words.iter().all(|word| fits_choice(word)))?;
    if let [one] = words.as_slice() {
        Some(escape(one))
    } else {
        Some(format!("{{random.choice({})}}", words.join(", ")))
    }
}

fn fits_choice(word: &str) -> bool {
    !word.is_empty() && word.trim() == word && !word.contains([',', '(', ')', '{', '}', '$', '\n'])
}

/// A name of the plan for one of the script.
pub(super) fn word(text: &str) -> String {
    let word: String = text.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect();
    let letter = word.starts_with(|c: char| c.is_ascii_alphabetic());
    if RESERVED.contains(&word.as_str()) || !letter { format!("v_{word}") } else { word }
}

impl<'a> Scope<'a> {
    pub(super) fn new(names: &'a Names) -> Self {
        Self { names, captured: BTreeSet::new(), loops: 0 }
    }

    /// From here on this is captured; its name in the plan.
    pub(super) fn capture(&mut self, name: &str) -> String {
        self.captured.insert(name.to_owned());
        word(name)
    }

    /// Whether a step before captured it.
    pub(super) fn is_captured(&self, name: &str) -> bool {
        self.captured.contains(name)
    }

    /// A string with its values, in quotes.
    pub(super) fn text(&mut self, text: &str, draft: &mut Draft) -> String {
        raw(&self.content(text, draft))
    }

    /// The same without quotes. What is not known stays as it is.
    pub(super) fn content(&self, text: &str, draft: &mut Draft) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            let Some((inside, behind)) = after.split_once("}}") else { break };
            out.push_str(&escape(before));
            match self.hole(inside.trim()) {
                Some(hole) => out.push_str(&hole),
                None => {
                    draft.leave_out(format!("the value `{}`: it stands as text", inside.trim()));
                    out.push_str(&escape(inside.trim()));
                }
            }
            rest = behind;
        }
        out + &escape(rest)
    }

    /// A value of a JSON body: one that is nothing but a captured value keeps its kind.
    pub(super) fn json_content(&self, text: &str, draft: &mut Draft) -> String {
        let inside = text.trim().strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}")).map(str::trim);
        match inside.filter(|inside| self.is_captured(inside)) {
            Some(inside) => format!("{{{}:json}}", word(inside)),
            None => self.content(text, draft),
        }
    }

    fn hole(&self, inside: &str) -> Option<String> {
        if let Some(column) = self.names.columns.get(inside) {
            return Some(column.clone());
        }
        if self.is_captured(inside) || self.names.variables.contains_key(inside) {
            return Some(format!("{{{}}}", word(inside)));
        }
        let (function, arguments) = inside.split_once('(').unwrap_or((inside, ")"));
        let arguments: Vec<&str> = arguments.trim_end_matches(')').split(',').map(str::trim).collect();
        let whole = |n: usize| arguments.get(n).and_then(|text| text.parse::<i64>().ok());
        match function.trim() {
            "$uuid" => Some("{random.uuid}".to_owned()),
            "$loopCount" if self.loops > 0 => Some("{turn}".to_owned()),
            "$randomNumber" => {
                let (least, most) = (whole(0)?, whole(1)?);
                (least <= most).then(|| format!("{{random.int({least}, {most})}}"))
            }
            "$randomString" => {
                let length = whole(0).unwrap_or(10);
                (1..=10_000).contains(&length).then(|| format!("{{random.text({length})}}"))
            }
            other => {
                let variable = other.strip_prefix("$processEnvironment.").or_else(|| other.strip_prefix("$env."))?;
                let sound = variable.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
                sound.then(|| format!("${{{variable}}}"))
            }
        }
    }
}
