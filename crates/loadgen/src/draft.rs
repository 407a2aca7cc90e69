//! A plan being made from something else: its tables with comments, what they need and what was left out.
//!
//! Text in, text out: whether it is a right plan is for `plimsoll-plan` to say, and asked before anything is written.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use plimsoll_plan::{SourceText, Surroundings};

use crate::args::PlanOutput;
use crate::exit::{ENVIRONMENT, Failure, USAGE};
use crate::summary;
use crate::toml_text::{key, raw};

/// The longest line of a comment.
const WIDTH: usize = 116;
/// What stands for variables that are not set when a new plan is checked.
const ANY_VALUE: &str = "x";

const PHASES: &str = "Open phases have a `rate`: requests are due on a schedule, however slowly the service answers. Closed ones \
    have `users`, who wait for each answer.";
const CRITERIA: &str =
    "What must hold (missed: FAIL). What should hold goes into `prefer` (missed: WARN). Set limits of your own.";

/// A plan being made.
#[derive(Clone, Debug, Default)]
pub(crate) struct Draft {
    pub(crate) name: String,
    /// What it was made from, in a sentence.
    pub(crate) origin: String,
    pub(crate) target: Vec<Line>,
    pub(crate) users: Vec<Line>,
    pub(crate) phases: Vec<Vec<Line>>,
    pub(crate) data: Vec<(String, Vec<Line>)>,
    pub(crate) flows: Vec<Flow>,
    pub(crate) criteria: Vec<Line>,
    /// Variables of the environment that must be set, and what they are.
    pub(crate) variables: BTreeMap<String, String>,
    /// What the plan does not say of what it was made from.
    pub(crate) left_out: Vec<String>,
}

/// `key = value   # comment`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Line {
    key: String,
    value: String,
    comment: String,
}

/// A flow being made.
#[derive(Clone, Debug, Default)]
pub(crate) struct Flow {
    pub(crate) name: String,
    pub(crate) lines: Vec<Line>,
    pub(crate) steps: Vec<Step>,
}

/// A step being made.
#[derive(Clone, Debug, Default)]
pub(crate) struct Step {
    /// Above it.
    pub(crate) comments: Vec<String>,
    /// Keys and their values as TOML.
    pub(crate) entries: Vec<(String, String)>,
    /// Steps inside it.
    pub(crate) inside: Vec<Step>,
}

impl Line {
    /// A key and its value as TOML.
    pub(crate) fn new(key: &str, value: impl Into<String>) -> Self {
        Self { key: key.to_owned(), value: value.into(), comment: String::new() }
    }

    /// A comment alone.
    pub(crate) fn note(comment: &str) -> Self {
        Self { comment: format!("# {comment}"), ..Self::default() }
    }

    /// With a comment behind it.
    pub(crate) fn with(mut self, comment: &str) -> Self {
        self.comment = format!("   # {comment}");
        self
    }

    fn text(&self) -> String {
        let Self { key, value, comment } = self;
        if key.is_empty() { format!("{comment}\n") } else { format!("{key} = {value}{comment}\n") }
    }
}

impl Step {
    pub(crate) fn push(&mut self, key: &str, value: impl Into<String>) {
        self.entries.push((key.to_owned(), value.into()));
    }

    /// A pause, as a plan writes think times.
    pub(crate) fn think(pause: &str) -> Self {
        Self { entries: vec![("think".to_owned(), raw(pause))], ..Self::default() }
    }

    fn table(&self, flow: &str) -> String {
        let mut out = String::from("\n");
        self.comments.iter().for_each(|comment| out.push_str(&wrapped(comment)));
        out.push_str(&format!("[[flows.{}.steps]]\n", key(flow)));
        self.entries.iter().for_each(|(key, value)| out.push_str(&format!("{key} = {value}\n")));
        if !self.inside.is_empty() {
            out.push_str(&format!("steps = [\n{}]\n", self.inside.iter().map(Self::row).collect::<String>()));
        }
        out
    }

    fn row(&self) -> String {
        let comments: String = self.comments.iter().map(|comment| format!("  {}", wrapped(comment))).collect();
        format!("{comments}  {},\n", self.inline())
    }

    /// In one line.
    pub(crate) fn inline(&self) -> String {
        let mut entries: Vec<String> = self.entries.iter().map(|(key, value)| format!("{key} = {value}")).collect();
        if !self.inside.is_empty() {
            entries.push(format!("steps = [{}]", self.inside.iter().map(Self::inline).collect::<Vec<_>>().join(", ")));
        }
        format!("{{ {} }}", entries.join(", "))
    }
}

impl Draft {
    /// Notes what the plan does not say, once.
    pub(crate) fn leave_out(&mut self, what: impl Into<String>) {
        let what = what.into();
        if !self.left_out.contains(&what) {
            self.left_out.push(what);
        }
    }

    /// Notes a variable that must be set; `${NAME}`.
    pub(crate) fn variable(&mut self, name: &str, what: &str) -> String {
        self.variables.entry(name.to_owned()).or_insert_with(|| what.to_owned());
        format!("${{{name}}}")
    }

    /// The plan's text.
    pub(crate) fn text(&self) -> String {
        let mut out = self.head();
        out.push_str(&format!("schema = 1\nname = \"{}\"\n", self.name));
        out.push_str(&block("", "[target]", &self.target));
        if !self.users.is_empty() {
            out.push_str(&block("", "[users]", &self.users));
        }
        for (n, phase) in self.phases.iter().enumerate() {
            out.push_str(&block(if n == 0 { PHASES } else { "" }, "[[phases]]", phase));
        }
        for (name, lines) in &self.data {
            out.push_str(&block(
                "Rows that users bring along: `{data.SET.column}`.",
                &format!("[data.{}]", key(name)),
                lines,
            ));
        }
        for flow in &self.flows {
            out.push_str(&block("", &format!("[flows.{}]", key(&flow.name)), &flow.lines));
            out.extend(flow.steps.iter().map(|step| step.table(&flow.name)));
        }
        out + &block(CRITERIA, "[criteria]", &self.criteria)
    }

    /// What it was made from, how it is used, what must be set and what is missing.
    fn head(&self) -> String {
        let mut out = wrapped(&self.origin);
        out.push_str(&wrapped("`loadgen check PLAN` shows what it will do, `loadgen run PLAN --run-dir run` does it, `verdict check run` judges."));
        if !self.variables.is_empty() {
            out.push_str("#\n# Set these variables first; their values are sent, and never shown or stored:\n");
            let line = |(name, what): (&String, &String)| format!("#   {name}: {what}\n");
            out.extend(self.variables.iter().map(line));
        }
        if !self.left_out.is_empty() {
            out.push_str("#\n# Left out:\n");
            out.extend(self.left_out.iter().map(|what| wrapped(&format!("- {what}"))));
        }
        out + "\n"
    }

    /// Writes the plan where it is wanted, and says on standard error what was left out and must be set. Relative
    /// paths of files start at `directory`.
    ///
    /// # Errors
    /// When it cannot be written, or something stands there already.
    pub(crate) fn write(&self, output: &PlanOutput, directory: &Path) -> Result<ExitCode, Failure> {
        let text = self.text();
        match &output.output {
            Some(path) => create(path, &text)?,
            None => summary::write(&text)?,
        }
        for what in &self.left_out {
            anstream::eprintln!("left out: {what}");
        }
        for (name, what) in &self.variables {
            anstream::eprintln!("set {name} before the run: {what}");
        }
        if let Some(problems) = problems(&text, directory) {
            anstream::eprintln!("this needs a hand before it runs:\n{problems}");
        }
        if let Some(path) = &output.output {
            anstream::eprintln!("written to {}; look at it with `loadgen check {0}`", path.display());
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// What is wrong with a plan, when all its variables are set.
pub(crate) fn problems(text: &str, directory: &Path) -> Option<String> {
    // The target has a default of its own.
    let environment = |name: &str| (name != "TARGET_URL").then(|| ANY_VALUE.to_owned());
    let file = |name: &str| std::fs::read(directory.join(name));
    let surroundings = Surroundings { environment: &environment, file: &file };
    let source = SourceText { name: "the new plan".to_owned(), text: text.to_owned() };
    plimsoll_plan::parse(&source, &[], &surroundings).err().map(|problems| problems.render(false))
}

fn create(path: &PathBuf, text: &str) -> Result<(), Failure> {
    use std::io::Write as _;
    let file = std::fs::File::create_new(path).and_then(|mut file| file.write_all(text.as_bytes()));
    file.map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => {
            let message = format!("error: {} exists already; choose another name for -o, or remove it", path.display());
            Failure::new(USAGE, message)
        }
        _ => Failure::new(ENVIRONMENT, format!("error: cannot write {}\n  because: {error}", path.display())),
    })
}

/// Reads what a plan is made from.
///
/// # Errors
/// When it cannot be read, or is no text.
pub(crate) fn read(path: &Path) -> Result<String, Failure> {
    let failure = |error: std::io::Error| {
        Failure::new(USAGE, format!("error: cannot read {}\n  because: {error}", path.display()))
    };
    std::fs::read_to_string(path).map_err(failure)
}

fn block(comment: &str, header: &str, lines: &[Line]) -> String {
    let comment = if comment.is_empty() { String::new() } else { wrapped(comment) };
    format!("\n{comment}{header}\n{}", lines.iter().map(Line::text).collect::<String>())
}

/// Lines of a comment; what comes from elsewhere cannot end it.
fn wrapped(text: &str) -> String {
    let mut lines = vec![String::from("#")];
    for word in text.split_whitespace() {
        let word: String = word.chars().filter(|c| !c.is_control()).collect();
        let line = lines.last_mut().expect("it begins with one line");
        if line.chars().count() + word.chars().count() >= WIDTH && line != "#" {
            lines.push(format!("#   {word}"));
        } else {
            line.push(' ');
            line.push_str(&word);
        }
    }
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_stays_one_whatever_it_holds() {
        assert_eq!(wrapped("a\nname = 1\u{1b}"), "# a name = 1\n");
        let long = wrapped(&"word ".repeat(40));
        assert!(long.lines().count() == 2 && long.lines().all(|line| line.starts_with('#') && line.len() <= WIDTH));
    }

    #[test]
    fn a_plan_is_never_written_over() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("plan.toml");
        create(&path, "a").unwrap();
        assert!(format!("{:?}", create(&path, "b").unwrap_err()).contains("exists already"));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "a");
    }
}
