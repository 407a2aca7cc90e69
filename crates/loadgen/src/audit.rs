//! `loadgen audit`: reads back what a run had acknowledged, also one that was killed before it could do so itself.

use std::process::ExitCode;

use plimsoll_engine::{AuditError, Audited, audit};
use plimsoll_record::RunDir;

use crate::args::{AuditArguments, Format};
use crate::exit::{ENVIRONMENT, FAILED, Failure, INCONCLUSIVE, USAGE};
use crate::{plans, session};

/// `loadgen audit`.
pub(crate) fn run(arguments: &AuditArguments) -> Result<ExitCode, Failure> {
    let plan = plans::from_file(&arguments.plan)?;
    let directory = RunDir::open(&arguments.run_dir).map_err(|error| Failure::from_error(ENVIRONMENT, &error))?;
    let audited = audit(&plan, &directory, &session::listen_for_signals()?).map_err(|error| failure(&error))?;
    match arguments.format {
        Format::Text => audited.iter().for_each(show),
        Format::Json => println(&json(&audited)),
    }
    Ok(exit_code(&audited))
}

fn failure(error: &AuditError) -> Failure {
    let code = match error {
        AuditError::NoWrites | AuditError::OtherPlan { .. } | AuditError::Prepare(_) => USAGE,
        AuditError::Read(_) | AuditError::Damaged(_) | AuditError::Start(_) => ENVIRONMENT,
    };
    Failure::from_error(code, error)
}

/// Lost, corrupted or doubled is a failure; what could not be read leaves it open.
fn exit_code(audited: &[Audited]) -> ExitCode {
    let backs = || audited.iter().map(|one| &one.back);
    if backs().any(|back| back.lost() + back.corrupted + back.duplicated > 0) {
        return ExitCode::from(FAILED);
    }
    let unknown = audited.is_empty() || backs().any(|back| back.unreadable > 0 || back.keys == 0);
    if unknown { ExitCode::from(INCONCLUSIVE) } else { ExitCode::SUCCESS }
}

fn show(audited: &Audited) {
    let Audited { name, back, examples } = audited;
    let what = [
        ("lost", back.lost()),
        ("corrupted", back.corrupted),
        ("duplicated", back.duplicated),
        ("unreadable", back.unreadable),
    ];
    let what: Vec<String> = what.iter().map(|(word, count)| format!("{count} {word}")).collect();
    println(&format!(
        "{name}: {} keys with acknowledged writes, {} intact, {}",
        back.keys,
        back.intact,
        what.join(", ")
    ));
    for bad in examples {
        let found = bad.found.map_or("nothing".to_owned(), |write| format!("write {write}"));
        println(&format!("  key {} is {}: {found} instead of write {}", bad.key, bad.defect.name(), bad.at_least));
    }
}

fn json(audited: &[Audited]) -> String {
    let sets: Vec<_> = audited
        .iter()
        .map(|one| serde_json::json!({ "set": one.name, "back": one.back, "lost": one.back.lost(), "examples": one.examples }))
        .collect();
    serde_json::json!({ "sets": sets }).to_string()
}

#[expect(clippy::print_stdout, reason = "results go to standard output")]
fn println(text: &str) {
    println!("{text}");
}
