//! `memwatch snapshot`: how Redis is doing right now.

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use anyhow::Context as _;
use plimsoll_sampler::info::Info;
use plimsoll_sampler::{StartError, redis};
use serde_json::{Value, json};

use crate::args::{Format, SnapshotArgs};
use crate::exit::Fatal;
use crate::judge::{Finding, Grade, findings};
use crate::setup::redis_or_default;

const PATIENCE: Duration = Duration::from_secs(5);

pub(crate) async fn run(args: &SnapshotArgs) -> Result<ExitCode, Fatal> {
    let source = redis_or_default(args.redis.as_deref())?;
    let servers = redis::inspect(&source, PATIENCE).await.map_err(|failure| StartError::redis(&source, failure))?;
    let findings = |info: &Info| findings(info, args.thresholds, &args.expect_db);
    let text = match args.format {
        Format::Text => {
            let blocks = servers.iter().map(|(address, info)| as_text(address, info, &findings(info)));
            blocks.collect::<Vec<_>>().join("\n")
        }
        Format::Json => {
            let mut servers: Vec<Value> =
                servers.iter().map(|(address, info)| as_json(address, info, &findings(info))).collect();
            let shown = if servers.len() == 1 { servers.remove(0) } else { json!({ "servers": servers }) };
            format!("{shown:#}\n")
        }
    };
    let written = anstream::stdout().write_all(text.as_bytes()).context("cannot write the status");
    written.map_err(Fatal::environment)?;
    Ok(ExitCode::SUCCESS)
}

fn style_of(grade: Grade) -> Style {
    match grade {
        Grade::Fine => AnsiColor::Green.on_default(),
        Grade::Watch => AnsiColor::Yellow.on_default().bold(),
        Grade::Act => AnsiColor::Red.on_default().bold(),
    }
}

fn as_text(address: &str, info: &Info, findings: &[Finding]) -> String {
    let field = |name| info.text(name).unwrap_or("unknown");
    let server = format!("Redis {} ({}, {})", field("redis_version"), field("redis_mode"), field("role"));
    let width = |text: fn(&Finding) -> &str| findings.iter().map(|finding| text(finding).len()).max().unwrap_or(0);
    let (name, value) = (width(|finding| &finding.name), width(|finding| &finding.value));
    let line = |finding: &Finding| {
        let style = style_of(finding.grade);
        let word = finding.grade.word();
        format!(
            "  {:<name$}  {:>value$}  {style}{word:<5}{style:#}  {}\n",
            finding.name, finding.value, finding.meaning
        )
    };
    let lines: String = findings.iter().map(line).collect();
    format!("{server} at {address}\n{lines}")
}

fn as_json(address: &str, info: &Info, findings: &[Finding]) -> Value {
    let finding = |finding: &Finding| json!({"name": finding.name, "value": finding.value, "grade": finding.grade.word(), "meaning": finding.meaning});
    let database = |database: &plimsoll_sampler::info::Database| json!({"number": database.number, "keys": database.keys, "expires": database.expires});
    json!({
        "address": address,
        "redis_version": info.text("redis_version"),
        "redis_mode": info.text("redis_mode"),
        "role": info.text("role"),
        "maxmemory_policy": info.text("maxmemory_policy"),
        "values": redis::values(info),
        "databases": info.databases().map(|databases| databases.iter().map(database).collect::<Vec<_>>()),
        "findings": findings.iter().map(finding).collect::<Vec<_>>(),
    })
}
