//! `loadgen import`: a plan from an Artillery script of the common subset. Everything else is named as left out.

mod answers;
mod flow;
mod phases;
mod requests;
mod templates;

use std::path::Path;
use std::process::ExitCode;

use crate::args::ImportArguments;
use crate::document::Document;
use crate::draft::{self, Draft, Flow, Line};
use crate::exit::{Failure, USAGE};
use crate::toml_text::{dollars, name, raw, table};
use templates::{Names, Scope};

/// Keys of the script and of its `config` that become something.
const KNOWN: [&str; 2] = ["config", "scenarios"];
const KNOWN_CONFIG: [&str; 8] = ["target", "phases", "variables", "payload", "defaults", "ensure", "http", "tls"];

/// `loadgen import`.
pub(crate) fn run(arguments: &ImportArguments) -> Result<ExitCode, Failure> {
    let path = &arguments.script;
    let failure = |error| {
        let message = format!("error: {} is not YAML\n  because: {error}", path.display());
        Failure::new(USAGE, message)
    };
    let script = Document::yaml(&draft::read(path)?).map_err(failure)?;
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    let draft = import(&script, &file).map_err(|message| Failure::new(USAGE, format!("error: {message}")))?;
    let output = arguments.output.output.as_deref().unwrap_or(path);
    draft.write(&arguments.output, output.parent().unwrap_or(Path::new("")))
}

fn import(script: &Document, file: &str) -> Result<Draft, String> {
    let (config, scenarios) = (script.get("config"), script.get("scenarios").items());
    if config.entries().is_empty() || scenarios.is_empty() {
        return Err(format!("{file} has no `config` and `scenarios`; it is not an Artillery script"));
    }
    let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
    let mut draft = Draft { name: name(stem), ..Draft::default() };
    draft.origin = format!(
        "Made from the Artillery script {file}. There any status is fine unless `expect` says so; here 4xx and 5xx fail."
    );
    unknown(script, &KNOWN, "", &mut draft);
    unknown(config, &KNOWN_CONFIG, "config.", &mut draft);
    let names = Names::of(config, &mut draft);
    target(config, &names, &mut draft);
    phases::phases(config, &mut draft)?;
    for (n, scenario) in scenarios.iter().enumerate() {
        add_flow(scenario, n, &names, &mut draft);
    }
    if draft.flows.is_empty() {
        return Err(format!("no scenario of {file} makes an HTTP request: {}", draft.left_out.join("; ")));
    }
    phases::criteria(config, &mut draft);
    Ok(draft)
}

/// Notes the keys that become nothing.
fn unknown(table: &Document, known: &[&str], place: &str, draft: &mut Draft) {
    for (key, _) in table.entries().iter().filter(|(key, _)| !known.contains(&key.as_str())) {
        draft.leave_out(format!("`{place}{key}`"));
    }
}

fn target(config: &Document, names: &Names, draft: &mut Draft) {
    let url = config.get("target").text().unwrap_or("http://127.0.0.1:8080");
    let usable = url.starts_with("http://") || url.starts_with("https://");
    let default = if usable && !url.contains("{{") { url } else { "http://127.0.0.1:8080" };
    if default != url {
        draft.leave_out(format!("the target `{url}`: set TARGET_URL"));
    }
    draft.target.push(Line::new("url", raw(&format!("${{TARGET_URL:-{}}}", dollars(default)))));
    if let Some(seconds) = config.at(&["http", "timeout"]).number().filter(|seconds| *seconds > 0.0) {
        draft.target.push(Line::new("timeout", raw(&format!("{seconds}s"))));
    } else {
        draft.target.push(Line::new("timeout", raw("10s")).with("what Artillery waits"));
    }
    unknown(config.get("http"), &["timeout"], "config.http.", draft);
    if config.at(&["tls", "rejectUnauthorized"]) == &Document::Boolean(false) {
        draft.target.push(Line::new("tls", "{ insecure = true }").with("no certificate is checked"));
    }
    let mut scope = Scope::new(names);
    let headers = config.at(&["defaults", "headers"]).entries().iter();
    let headers: Vec<(String, String)> =
        headers.filter_map(|(name, value)| Some((name.clone(), scope.text(&value.scalar()?, draft)))).collect();
    if !headers.is_empty() {
        draft.target.push(Line::new("headers", table(headers)));
    }
    unknown(config.get("defaults"), &["headers"], "config.defaults.", draft);
    // Each virtual user of Artillery has a jar of its own.
    draft.users =
        vec![Line::new("count", "1000").with("identities, which arrivals take in turn"), Line::new("cookies", "true")];
}

fn add_flow(scenario: &Document, index: usize, names: &Names, draft: &mut Draft) {
    let stated = scenario.get("name").scalar();
    let mut wanted = stated.as_deref().map_or_else(|| format!("scenario-{}", index + 1), name);
    while draft.flows.iter().any(|flow| flow.name == wanted) {
        wanted.push_str("-x");
    }
    if let Some(engine) = scenario.get("engine").text().filter(|engine| *engine != "http") {
        draft.leave_out(format!("the scenario `{wanted}`: the engine {engine}"));
        return;
    }
    unknown(scenario, &["name", "weight", "flow", "engine"], &format!("{wanted}: "), draft);
    let mut builder = flow::Builder::new(&wanted, names);
    let steps = builder.steps(scenario.get("flow").items(), draft);
    if !builder.makes_requests() {
        draft.leave_out(format!("the scenario `{wanted}`: it makes no HTTP request"));
        return;
    }
    let mut lines = Vec::new();
    if let Some(weight) = scenario.get("weight").number().filter(|weight| *weight > 0.0) {
        lines.push(Line::new("weight", weight.to_string()));
    }
    let mut all = names.set_step(&steps);
    all.extend(steps);
    draft.flows.push(Flow { name: wanted, lines, steps: all });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::new::parsed;

    fn of(text: &str) -> Result<Draft, String> {
        import(&Document::yaml(text).unwrap(), "load.yml")
    }

    #[test]
    fn a_script_of_the_common_subset_becomes_a_plan() {
        let draft = of(include_str!("../fixtures/shop.artillery.yml")).unwrap();
        insta::assert_snapshot!(parsed(&draft));
    }

    #[test]
    fn what_is_left_out_is_named() {
        let draft =
            of("config:\n  target: http://h\n  phases: [{ duration: 5, arrivalRate: 1 }]\n  plugins: { x: {} }\n\
            scenarios:\n  - flow:\n      - get: { url: /, beforeRequest: sign, expect: [{ cdnHit: true }] }\n      \
            - function: other\n      - think: 1\n  - engine: ws\n    flow: []\n")
            .unwrap();
        let text = parsed(&draft);
        for what in ["config.plugins", "beforeRequest", "cdnHit", "function", "the engine ws"] {
            assert!(draft.left_out.iter().any(|one| one.contains(what)), "{what}: {:?}", draft.left_out);
            assert!(text.contains(what), "{what}: {text}");
        }
    }

    #[test]
    fn what_is_no_script_says_so() {
        for (text, words) in [
            ("a: 1\n", "not an Artillery script"),
            ("[]\n", "not an Artillery script"),
            ("config: { target: 'http://h' }\nscenarios: [{ engine: ws, flow: [] }]\n", "no `config.phases`"),
            (
                "config: { target: 'http://h', phases: [{ pause: 5 }] }\nscenarios: [{ flow: [{ get: { url: / } }] }]\n",
                "no phase",
            ),
            (
                "config: { target: 'http://h', phases: [{ duration: 5, arrivalRate: 1 }] }\nscenarios: [{ flow: [{ think: 1 }] }]\n",
                "makes no HTTP request",
            ),
        ] {
            let error = of(text).unwrap_err();
            assert!(error.contains(words), "{text}: {error}");
        }
    }
}
