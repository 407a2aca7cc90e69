//! `verdict export`: a run in the formats of other tools.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use plimsoll_record::export::{self, ExportError};
use plimsoll_record::requests::RequestNames;
use plimsoll_record::summary::Facts;

use crate::args::{Export, ExportForm};
use crate::judging::Trouble;
use crate::{outcome, output};

type Writer = fn(&Facts, &RequestNames, &mut dyn Write) -> Result<(), ExportError>;

pub(crate) fn run(args: &Export) -> anyhow::Result<ExitCode> {
    let facts = Facts::load(&args.run).map_err(Trouble::Load)?;
    let plan = facts.plan.as_deref().and_then(|text| plimsoll_plan::parse_recorded(text).ok());
    let names = export::names(&facts, plan.map(|plan| (plan.users.id.prefix, plan.users.id.suffix)));
    let writer: Writer = match args.form {
        ExportForm::Csv => return tables(args, &facts, &names),
        ExportForm::Jtl => export::jtl,
        ExportForm::Hlog => |facts, _, out| export::hlog(facts, out),
        ExportForm::Openmetrics => |facts, _, out| export::openmetrics(facts, out),
    };
    let written = match &args.out {
        Some(path) => writer(&facts, &names, &mut create(path)?),
        None => writer(&facts, &names, &mut std::io::stdout().lock()),
    };
    match written {
        // Whoever reads has seen enough.
        Err(ExportError::Write(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => {}
        written => written.map_err(Trouble::Export)?,
    }
    if let Some(path) = &args.out {
        output::print(&format!("{}\n", path.display()))?;
    }
    Ok(outcome::done())
}

fn tables(args: &Export, facts: &Facts, names: &RequestNames) -> anyhow::Result<ExitCode> {
    let dir = args.out.as_deref().unwrap_or(&args.run);
    std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}; choose another --out", dir.display()))?;
    for (name, content) in export::tables(facts, names).map_err(Trouble::Export)? {
        let path = dir.join(name);
        std::fs::write(&path, content)
            .with_context(|| format!("cannot write {}; choose another --out", path.display()))?;
        output::print(&format!("{}\n", path.display()))?;
    }
    Ok(outcome::done())
}

fn create(path: &Path) -> anyhow::Result<BufWriter<File>> {
    let file = File::create(path).with_context(|| format!("cannot write {}; choose another --out", path.display()))?;
    Ok(BufWriter::new(file))
}
