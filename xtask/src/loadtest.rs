//! `cargo xtask loadtest`: for every plan a fresh stack, the three tools chained on it as one would in a shell, the stack taken
//! down, the verdict's exit code. Nothing is measured or judged here.

mod reports;
mod summary;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;

use crate::args::LoadtestOptions;
use crate::cargo::{self, Binaries, Profile};
use crate::credentials;
use crate::interrupt;
use crate::outcome::{self, Usage};
use crate::plans::{self, Parts, Plan};
use crate::process::{self, Running};
use crate::say;
use crate::stack::{Choice, Endpoints, Stack, Wishes};
use crate::wait::Deadline;
use crate::workspace::Workspace;
use summary::Row;

const TOOLS: [&str; 3] = ["loadgen", "memwatch", "verdict"];
const EXAMPLE_SERVICE: &str = "example-service";
/// The tools have their own time to finish a record; this is for one that hangs.
const TOOL_GRACE: Duration = Duration::from_secs(30);

pub(crate) fn run(workspace: &Workspace, options: &LoadtestOptions) -> anyhow::Result<u8> {
    let plans = chosen_plans(workspace, options)?;
    let runs = planned_runs(workspace, options, &plans)?;
    let parts = runs.iter().map(|run| run.parts).reduce(Parts::and).expect("there is at least one plan");
    let compose_file = options.compose_file.as_deref();
    let wishes = Wishes { kind: options.stack, compose_file, faults: &options.faults, parts };
    let choice = Choice::make(workspace, &wishes)?;
    let binaries = binaries(workspace, options, &choice, parts)?;
    let test = Loadtest { workspace, options, choice, binaries };
    let rows = if plans.is_several() { test.run_all(&runs) } else { vec![test.run_plan(&runs[0])?] };
    if plans.is_several() {
        say::result(format!("\n{}", summary::table(&rows)));
    }
    if let Some(dir) = &options.report_dir {
        reports::write(dir, &rows)?;
    }
    Ok(outcome::worst(rows.iter().map(|row| row.code)))
}

fn chosen_plans(workspace: &Workspace, options: &LoadtestOptions) -> Result<plans::Choice, Usage> {
    let plans = plans::resolve(&workspace.path("examples/plans"), &options.plan)?.only(&options.only)?;
    if !options.quick {
        return Ok(plans);
    }
    let (plans, others) = plans.with_quick_forms();
    if !others.is_empty() {
        say::step(format!("left out, for there is no quick form of it: {}", others.join(", ")));
    }
    if plans.plans().is_empty() {
        return Err(Usage(format!("no plan of `{}` has a quick form: leave --quick out", options.plan)));
    }
    Ok(plans)
}

/// A plan and the directory its record goes to.
#[derive(Debug)]
struct PlannedRun {
    plan: Plan,
    dir: PathBuf,
    parts: Parts,
}

/// Run directories are settled, and found to be free, before anything is built or started.
fn planned_runs(
    workspace: &Workspace,
    options: &LoadtestOptions,
    plans: &plans::Choice,
) -> anyhow::Result<Vec<PlannedRun>> {
    let stamp = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
    let dir_of = |plan: &Plan| match &options.run_dir {
        Some(dir) if plans.is_several() => dir.join(&plan.name),
        Some(dir) => dir.clone(),
        None => workspace.path("runs").join(format!("{stamp}-{}", plan.name.replace('/', "-"))),
    };
    let mut runs = Vec::new();
    for plan in plans.plans() {
        let dir = std::path::absolute(dir_of(plan))?;
        let file = std::path::absolute(&plan.file)?;
        refuse_used(&dir)?;
        let parts = plan.parts().and(Parts::named_in(&options.overrides.join("\n")));
        runs.push(PlannedRun { plan: Plan { file, name: plan.name.clone() }, dir, parts });
    }
    Ok(runs)
}

fn refuse_used(dir: &Path) -> Result<(), Usage> {
    if dir.join("run.json").exists() {
        return Err(Usage(format!("{} already holds a run: name another --run-dir", dir.display())));
    }
    Ok(())
}

fn binaries(
    workspace: &Workspace,
    options: &LoadtestOptions,
    choice: &Choice,
    parts: Parts,
) -> anyhow::Result<Binaries> {
    let service = choice.needs_example_service(parts).then_some(EXAMPLE_SERVICE);
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
    /// One after the other. A stack that fails is that plan's result, and no reason to leave the others out.
    fn run_all(&self, runs: &[PlannedRun]) -> Vec<Row> {
        let mut rows = Vec::new();
        for (number, run) in runs.iter().enumerate() {
            say::step(format!("plan {} of {}: {}", number + 1, runs.len(), run.plan.name));
            rows.push(self.run_plan(run).unwrap_or_else(|error| {
                say::error(&error);
                let code = outcome::code_of(&error);
                Row { plan: run.plan.name.clone(), dir: run.dir.clone(), code, seconds: 0, verdict: None, report: None }
            }));
            if interrupt::count() > 0 {
                break;
            }
        }
        rows
    }

    fn run_plan(&self, run: &PlannedRun) -> anyhow::Result<Row> {
        let clock = Deadline::after(Duration::MAX);
        let service = self.binaries.program(EXAMPLE_SERVICE);
        let stack = self.choice.bring_up(self.workspace, run.parts, &service, &self.options.faults)?;
        let code = self.load_and_judge(run, stack.endpoints());
        if let Err(error) = stack.collect_logs(&run.dir.join("logs")) {
            say::warn(format!("the logs of the stack could not be kept: {error:#}"));
        }
        self.let_go(stack);
        let code = if interrupt::count() == 0 { code? } else { outcome::INTERRUPTED };
        let seconds = clock.elapsed().as_secs();
        let verdict = summary::verdict_in(&run.dir);
        let (plan, dir, report) = (run.plan.name.clone(), run.dir.clone(), report_in(&run.dir));
        Ok(Row { plan, dir, code, seconds, verdict, report })
    }

    /// The chain of the three tools: `memwatch exec ... -- loadgen run ...`, `verdict check`, `verdict report`.
    fn load_and_judge(&self, run: &PlannedRun, endpoints: &Endpoints) -> anyhow::Result<u8> {
        let named = [
            ("target", endpoints.target_url.as_ref()),
            ("Redis", Some(&endpoints.redis_url)),
            ("PostgreSQL", endpoints.postgres_url.as_ref().filter(|_| !matches!(self.choice, Choice::External(_)))),
        ];
        let words: Vec<String> = named.iter().filter_map(|(name, url)| Some(format!("{name} {}", (*url)?))).collect();
        say::step(words.join(", "));
        let mut producers = self.producers(run);
        producers.envs(variables(endpoints));
        if let (true, Some(url)) = (self.choice.needs_example_service(run.parts), &endpoints.target_url) {
            producers.envs(credentials::variables(url));
        }
        let producer = self.run_tool(&mut producers)?;
        let verdict = if run.dir.join("run.json").is_file() { Some(self.judge(run)?) } else { None };
        Ok(outcome::of_chain(producer, verdict))
    }

    /// Both read the same plan in the same form: the first to come stores it, and the other has to agree.
    fn producers(&self, run: &PlannedRun) -> Command {
        let mut command = self.tool("memwatch");
        command.arg("exec").args(self.plan_of(run)).arg("--");
        command.arg(self.binaries.program("loadgen")).arg("run").args(self.plan_of(run));
        command
    }

    fn plan_of(&self, run: &PlannedRun) -> Vec<OsString> {
        let mut words = vec![run.plan.file.clone().into(), "--run-dir".into(), run.dir.clone().into()];
        words.extend(self.options.quick.then(|| "--quick".into()));
        words.extend(self.options.overrides.iter().flat_map(|change| ["--set".into(), change.into()]));
        words
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
    let target = endpoints.target_url.iter().flat_map(|url| ["TARGET_URL", "ORCHESTRATOR_URL"].map(|name| (name, url)));
    let redis = [("REDIS_URL", &endpoints.redis_url)];
    let postgres = endpoints.postgres_url.iter().map(|url| ("POSTGRES_URL", url));
    let urls = target.chain(redis).chain(postgres);
    urls.map(|(name, url)| (name, url.clone())).chain(log_dir).collect()
}

fn report_in(run_dir: &Path) -> Option<PathBuf> {
    Some(run_dir.join("report.html")).filter(|report| report.is_file())
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
        let service = Endpoints {
            target_url: Some("http://h".to_owned()),
            redis_url: "redis://r".to_owned(),
            postgres_url: None,
            log_dir: None,
        };
        let owned = |(name, value): (&'static str, &str)| (name, value.to_owned());
        let expected = [("TARGET_URL", "http://h"), ("ORCHESTRATOR_URL", "http://h"), ("REDIS_URL", "redis://r")];
        assert_eq!(variables(&service), expected.map(owned));
        let stores = Endpoints { target_url: None, postgres_url: Some("postgresql://p".to_owned()), ..service };
        let expected = [("REDIS_URL", "redis://r"), ("POSTGRES_URL", "postgresql://p")];
        assert_eq!(variables(&stores), expected.map(owned));
    }
}
