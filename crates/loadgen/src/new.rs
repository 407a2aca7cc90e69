//! `loadgen new`: a commented plan from a URL, a HAR file or an OpenAPI document, to be run as it is and then changed.

mod entry;
mod har;
mod openapi;
mod operation;
mod schema;
pub(crate) mod secrets;
mod url;

use std::path::Path;
use std::process::ExitCode;

use crate::args::NewArguments;
use crate::document::Document;
use crate::draft::{self, Line};
use crate::exit::{Failure, USAGE};
use crate::plans;
use crate::toml_text::{dollars, raw};

/// `loadgen new`.
pub(crate) fn run(arguments: &NewArguments) -> Result<ExitCode, Failure> {
    let draft = match (&arguments.url, &arguments.har, &arguments.openapi) {
        (_, Some(path), _) => {
            let document = read(path, Document::json, "a HAR file: save one with the developer tools of a browser")?;
            har::draft(&document, &file_name(path), arguments.host.as_deref(), arguments.all)
        }
        (_, _, Some(path)) => {
            let document = read(path, Document::yaml, "an OpenAPI document in JSON or YAML")?;
            openapi::draft(&document, &file_name(path))
        }
        (url, _, _) => Ok(url::draft(&plans::url(url.as_deref().unwrap_or_default())?)),
    };
    draft.map_err(|message| Failure::new(USAGE, format!("error: {message}")))?.write(&arguments.output, Path::new(""))
}

fn read(path: &Path, parse: fn(&str) -> Result<Document, String>, what: &str) -> Result<Document, Failure> {
    let failure = |error| Failure::new(USAGE, format!("error: {} is not {what}\n  because: {error}", path.display()));
    parse(&draft::read(path)?).map_err(failure)
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The target's URL, to be replaced by the environment.
fn target(url: &str) -> Line {
    Line::new("url", raw(&format!("${{TARGET_URL:-{}}}", dollars(url.trim_end_matches('/')))))
}

/// An open phase with just enough requests to judge a 99th percentile.
fn steady() -> Vec<Line> {
    vec![
        Line::new("name", raw("steady")),
        Line::new("duration", raw("30s")),
        Line::new("rate", raw("10/s")).with("300 requests, just enough to judge a p99"),
        Line::new("arrivals", raw("poisson")).with("independent users; the default is \"uniform\""),
    ]
}

fn criteria(phase: &str) -> Vec<Line> {
    vec![
        Line::new("phase", raw(phase)),
        Line::new("require", "[\"error_rate < 1%\"]"),
        Line::new("prefer", "[\"p95 < 500ms\"]"),
    ]
}

/// A name that is not among those already given, which it joins.
pub(crate) fn unique(wanted: &str, names: &mut Vec<String>) -> String {
    let numbered = (2..).map(|n| format!("{wanted}-{n}"));
    let mut candidates = std::iter::once(wanted.to_owned()).chain(numbered);
    let name = candidates.find(|name| !names.contains(name)).expect("numbers never end");
    names.push(name.clone());
    name
}

/// The plan is read without a complaint: every test that makes one asks.
#[cfg(test)]
#[track_caller]
pub(crate) fn parsed(draft: &draft::Draft) -> String {
    let text = draft.text();
    if let Some(problems) = draft::problems(&text, Path::new("")) {
        panic!("{problems}\n{text}");
    }
    text
}
