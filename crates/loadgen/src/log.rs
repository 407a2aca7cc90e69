//! `loadgen log`: the request log of a run as text. It stands here because loadgen wrote the log; nothing is judged.

use std::fs::OpenOptions;
use std::io::{BufWriter, ErrorKind, Write};
use std::path::Path;
use std::process::ExitCode;

use plimsoll_record::requests::{RequestNames, RequestReader, TextForm, TextWriter};
use plimsoll_record::summary::{Facts, LoadError};
use plimsoll_record::{RunError, requests};

use crate::args::{self, LogArguments};
use crate::exit::{ENVIRONMENT, Failure, USAGE};

/// Bytes of text that are handed over at once.
const CHUNK: usize = 1 << 16;

/// `loadgen log`.
pub(crate) fn export(arguments: &LogArguments) -> Result<ExitCode, Failure> {
    let facts = Facts::load(&arguments.run).map_err(|error| load_failure(&error))?;
    let reader = RequestReader::open(&arguments.run).map_err(|error| Failure::from_error(ENVIRONMENT, &error))?;
    let mut reader = reader.ok_or_else(|| no_log(&arguments.run))?;
    let form = match arguments.form {
        args::TextForm::Csv => TextForm::Csv,
        args::TextForm::Jsonl => TextForm::JsonLines,
    };
    let mut text = TextWriter::new(form, &names(&facts), facts.run.info().anchor);
    let written = match &arguments.out {
        Some(path) => write(&mut reader, &mut text, &mut create(path)?),
        None => write(&mut reader, &mut text, &mut std::io::stdout().lock()),
    };
    match written {
        Ok(()) => {}
        Err(Broken::Log(error)) => return Err(Failure::from_error(ENVIRONMENT, &error)),
        // Whoever reads has seen enough.
        Err(Broken::Out(error)) if error.kind() == ErrorKind::BrokenPipe => {}
        Err(Broken::Out(error)) => return Err(Failure::new(ENVIRONMENT, format!("error: cannot write: {error}"))),
    }
    if reader.is_partial() {
        anstream::eprintln!("warning: the log breaks off, its producer died; what it had written is here");
    }
    let dropped = facts.generator_peaks().log_rows_dropped;
    if dropped > 0 {
        anstream::eprintln!(
            "warning: {dropped} requests are missing from the log, which could not be written fast enough"
        );
    }
    Ok(ExitCode::SUCCESS)
}

enum Broken {
    Log(plimsoll_record::files::ReadError),
    Out(std::io::Error),
}

fn write(reader: &mut RequestReader, text: &mut TextWriter, out: &mut dyn Write) -> Result<(), Broken> {
    let mut chunk = Vec::with_capacity(CHUNK + 1024);
    text.head(&mut chunk);
    for row in reader {
        text.row(&row.map_err(Broken::Log)?, &mut chunk);
        if chunk.len() >= CHUNK {
            out.write_all(&chunk).map_err(Broken::Out)?;
            chunk.clear();
        }
    }
    out.write_all(&chunk).and_then(|()| out.flush()).map_err(Broken::Out)
}

fn create(path: &Path) -> Result<BufWriter<std::fs::File>, Failure> {
    let file = OpenOptions::new().write(true).create_new(true).open(path).map_err(|error| {
        let (code, advice) = match error.kind() {
            ErrorKind::AlreadyExists => (USAGE, "; choose another name for --out"),
            _ => (ENVIRONMENT, ""),
        };
        Failure::new(code, format!("error: cannot write {}: {error}{advice}", path.display()))
    })?;
    Ok(BufWriter::new(file))
}

/// What a record says of its indices. A plan that cannot be read leaves the users their numbers.
fn names(facts: &Facts) -> RequestNames {
    let header = facts.traffic.as_ref().map(|traffic| &traffic.header.body);
    let phases = header.map(|header| header.phases.iter().map(|phase| phase.name.clone()).collect());
    let users =
        facts.plan.as_deref().and_then(|text| plimsoll_plan::parse_recorded(text).ok()).map(|plan| plan.users.id);
    RequestNames {
        phases: phases.unwrap_or_default(),
        operations: header.map(|header| header.operations.clone()).unwrap_or_default(),
        user: users.map(|users| (users.prefix, users.suffix)).unwrap_or_default(),
    }
}

fn no_log(run: &Path) -> Failure {
    let message = format!(
        "error: {} holds no request log ({}); set `requests = \"all\"`, `\"bad\"` or a share under [generator]",
        run.display(),
        requests::FILE
    );
    Failure::new(USAGE, message)
}

fn load_failure(error: &LoadError) -> Failure {
    let code = if matches!(error, LoadError::Run(RunError::NotARun { .. })) { USAGE } else { ENVIRONMENT };
    Failure::from_error(code, error)
}
