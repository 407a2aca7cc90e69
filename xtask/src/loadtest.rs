//! `cargo xtask loadtest`: a fresh stack, the three tools chained on it as one would in a shell, the stack taken
//! down, the verdict's exit code. Nothing is measured or judged here.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;

use crate::args::LoadtestOptions;
use crate::cargo::{self, Binaries, Profile};
use crate::interrupt;
use crate::outcome::{self, Usage};
use crate::plans::{self, Plan};
use crate::process::{self, Running};
use crate::say;
use crate::stack::{Choice, Endpoints, Stack, Wishes};
use crate::wait::Deadline;
use crate::workspace::Workspace;

const TOOLS: [&str; 3] = ["loadgen", "memwatch", "verdict"];
const EXAMPLE_SERVICE: &str = "example-service";
const ALL: &str = "all";
/// The tools have their own time to finish a record; this is for one that hangs.
const TOOL_GRACE: Duration = Duration::from_secs(30);

pub(crate) fn run(workspace: &Workspace, options: &LoadtestOptions) -> anyhow::Result<u8> {
    let plans = plans::resolve(&workspace.path("examples/plans"), &options.plan)?;
    let runs = planned_runs(workspace, options, plans)?;
    let wishes = Wishes { kind: options.stack, compose_file: options.compose_file.as_deref(), faults: &options.faults };
    let choice = Choice::make(workspace, &wishes)?;
    let binaries = binaries(workspace, options, &choice)?;
    let test = Loadtest { workspace, options, choice, binaries };

    let mut rows = Vec::new();
    for run in &runs {
        rows.push(test.run_plan(run)?);
    }
    if options.plan == ALL {
        say::result(summary(&rows));
    }
    Ok(outcome::worst(rows.iter().map(|row| row.code)))
}

/// A plan and the directory its record goes to.
#[derive(Debug)]
struct PlannedRun {
    plan: Plan,
    dir: PathBuf,
}

/// Run directories are settled, and found to be free, before anything is built or started.
fn planned_runs(workspace: &Workspace, options: &LoadtestOptions, plans: Vec<Plan>) -> anyhow::Result<Vec<PlannedRun>> {
    let stamp = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
    let dir_of = |plan: &Plan| match &options.run_dir {
        Some(dir) if options.plan == ALL => dir.join(&plan.name),
        Some(dir) => dir.clone(),
        None => workspace.path("runs").join(format!("{stamp}-{}", plan.name)),
    };
    let mut runs = Vec::new();
    for plan in plans {
        let dir = std::path::absolute(dir_of(&plan))?;
        let file = std::path::absolute(&plan.file)?;
        refuse_used(&dir)?;
        runs.push(PlannedRun { plan: Plan { file, ..plan }, dir });
    }
    Ok(runs)
}

fn refuse_used(dir: &Path) -> Result<(), Usage> {
    if dir.join("run.json").exists() {
        return Err(Usage(format!("{} already holds a run: name another --run-dir", dir.display())));
    }
    Ok(())
}

fn binaries(workspace: &Workspace, options: &LoadtestOptions, choice: &Choice) -> anyhow::Result<Binaries> {
    let service = choice.needs_example_service().then_some(EXAMPLE_SERVICE);
    let packages: Vec<&str> = TOOLS.into_iter().chain(service).collect();
    if let Some(dir) = &options.bin_dir {
        return Binaries::in_dir(dir, &packages);
    }
    say::step(format!("building {} for release", packages.join(", ")));
    cargo::build(workspace, Profile::Release, &packages)
}

#[derive(Debug)]
struct Loadtest<'a> {
    workspace: &'a Workspace,
    options: &'a LoadtestOptions,
    choice: Choice,
    binaries: Binaries,
}

impl Loadtest<'_> {
    fn run_plan(&self, run: &PlannedRun) -> anyhow::Result<Row> {
        let clock = Deadline::after(Duration::MAX);
        let service = self.binaries.program(EXAMPLE_SERVICE);
        let stack = self.choice.bring_up(self.workspace, &service, &self.options.faults)?;
        let code = self.load_and_judge(run, stack.endpoints());
        if let Err(error) = stack.collect_logs(&run.dir.join("logs")) {
            say::warn(format!("the logs of the stack could not be kept: {error:#}"));
        }
        self.let_go(stack);
        let code = if interrupt::count() == 0 { code? } else { outcome::INTERRUPTED };
        let seconds = clock.elapsed().as_secs();
        Ok(Row { plan: run.plan.name.clone(), code, seconds, report: report_in(&run.dir) })
    }

    /// The chain of the three tools: `memwatch exec ... -- loadgen run ...`, `verdict check`, `verdict report`.
    fn load_and_judge(&self, run: &PlannedRun, endpoints: &Endpoints) -> anyhow::Result<u8> {
        say::step(format!("target {}, Redis {}", endpoints.target_url, endpoints.redis_url));
        let producer = self.run_tool(self.producers(run).envs(variables(endpoints)))?;
        let verdict = if run.dir.join("run.json").is_file() { Some(self.judge(run)?) } else { None };
        Ok(outcome::of_chain(producer, verdict))
    }

    fn producers(&self, run: &PlannedRun) -> Command {
        let mut command = self.tool("memwatch");
        command.arg("exec").arg(&run.plan.file).arg("--run-dir").arg(&run.dir).arg("--");
        command.arg(self.binaries.program("loadgen"));
        command.arg("run").arg(&run.plan.file).arg("--run-dir").arg(&run.dir);
        command
    }

    /// Also after an interrupt: what was recorded until then deserves its verdict and report.
    fn judge(&self, run: &PlannedRun) -> anyhow::Result<u8> {
        let code = self.run_tool(self.tool("verdict").arg("check").arg(&run.dir))?;
        let reported = self.run_tool(self.tool("verdict").arg("report").arg(&run.dir))?;
        if reported != outcome::PASS {
            say::warn(format!("`verdict report` ended with exit code {reported}"));
        }
        if let Some(report) = report_in(&run.dir) {
            say::result(format!("report: {}", report.display()));
        }
        Ok(code)
    }

    fn tool(&self, name: &str) -> Command {
        Command::new(self.binaries.program(name))
    }

    fn run_tool(&self, command: &mut Command) -> anyhow::Result<u8> {
        say::step(format!("$ {}", process::line_of(command)));
        let running = Running::start("the tool", command)?.with_grace(TOOL_GRACE);
        Ok(process::exit_code(running.wait().context("cannot run the tool")?))
    }

    fn let_go(&self, stack: Stack) {
        if self.options.keep {
            say::step(format!("the stack is left running, as asked; to stop it: {}", stack.leave()));
        } else {
            say::step("taking the stack down");
            drop(stack);
        }
    }
}

fn variables(endpoints: &Endpoints) -> Vec<(&'static str, String)> {
    let log_dir = endpoints.log_dir.as_ref().map(|dir| ("LOG_DIR", dir.display().to_string()));
    let urls = [("TARGET_URL", endpoints.target_url.clone()), ("REDIS_URL", endpoints.redis_url.clone())];
    urls.into_iter().chain(log_dir).collect()
}

fn report_in(run_dir: &Path) -> Option<PathBuf> {
    Some(run_dir.join("report.html")).filter(|report| report.is_file())
}

/// What became of one plan.
#[derive(Debug)]
struct Row {
    plan: String,
    code: u8,
    seconds: u64,
    report: Option<PathBuf>,
}

fn summary(rows: &[Row]) -> String {
    let width = rows.iter().map(|row| row.plan.len()).max().unwrap_or(0).max("plan".len());
    let mut lines = vec![format!("{:width$}  {:>6}  {:>4}  {:<19}  report", "plan", "time", "exit", "result")];
    for row in rows {
        let report = row.report.as_ref().map_or_else(|| "none".to_owned(), |path| path.display().to_string());
        let (code, word) = (row.code, outcome::word(row.code));
        lines.push(format!("{:width$}  {:>4} s  {code:>4}  {word:<19}  {report}", row.plan, row.seconds));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_with_a_run_is_refused_before_anything_starts() {
        let dir = tempfile::tempdir().unwrap();
        assert!(refuse_used(dir.path()).is_ok());
        std::fs::write(dir.path().join("run.json"), "{}").unwrap();
        assert!(refuse_used(dir.path()).unwrap_err().to_string().contains("--run-dir"));
    }

    #[test]
    fn the_plans_variables_are_the_stacks_addresses() {
        let endpoints =
            Endpoints { target_url: "http://h".to_owned(), redis_url: "redis://r".to_owned(), log_dir: None };
        let expected = [("TARGET_URL", "http://h".to_owned()), ("REDIS_URL", "redis://r".to_owned())];
        assert_eq!(variables(&endpoints), expected);
    }

    #[test]
    fn the_summary_lines_up() {
        let row = |plan: &str, code| Row { plan: plan.to_owned(), code, seconds: 7, report: None };
        let table = summary(&[row("quick", 0), row("rate-limiter", 1)]);
        assert_eq!(
            table,
            "plan            time  exit  result               report\n\
             quick            7 s     0  pass                 none\n\
             rate-limiter     7 s     1  fail                 none"
        );
    }
}
