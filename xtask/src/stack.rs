//! What is put under load: which kind of stack, and why, and what every kind offers while it stands. How each kind
//! comes up and goes down is in its own module.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::args::StackKind;
use crate::compose::ComposeStack;
use crate::engine::Engine;
use crate::external::ExternalStack;
use crate::native::NativeStack;
use crate::outcome::{self, Usage};
use crate::plans::Parts;
use crate::say;
use crate::workspace::Workspace;

/// More than enough for an error with its hints, and too little to bury it.
const LAST_WORDS_LINES: usize = 12;

/// Where the stack can be reached, in the words of the plans' variables.
#[derive(Debug, Clone)]
pub(crate) struct Endpoints {
    /// None where no plan asks a service, so that none was started.
    pub(crate) target_url: Option<String>,
    pub(crate) redis_url: String,
    /// None where it is not ours to say: then the environment or the plan does.
    pub(crate) postgres_url: Option<String>,
    /// None where the logs are not ours to place: then the plan's own default counts.
    pub(crate) log_dir: Option<PathBuf>,
}

/// What the user asked for.
#[derive(Debug)]
pub(crate) struct Wishes<'a> {
    pub(crate) kind: Option<StackKind>,
    pub(crate) compose_file: Option<&'a Path>,
    pub(crate) faults: &'a [String],
    /// What any of the plans asks.
    pub(crate) parts: Parts,
}

/// The decision, made once; a stack is then brought up from it for every plan.
#[derive(Debug)]
pub(crate) enum Choice {
    Compose(Engine, PathBuf),
    Native,
    External(ExternalStack),
}

impl Choice {
    /// Compose where an engine runs, else native. It says which and why.
    pub(crate) fn make(workspace: &Workspace, wishes: &Wishes<'_>) -> anyhow::Result<Choice> {
        let kind =
            if wishes.compose_file.is_some() { Some(wishes.kind.unwrap_or(StackKind::Compose)) } else { wishes.kind };
        refuse_contradictions(kind, wishes)?;
        let file = wishes.compose_file.map_or_else(|| workspace.path("examples/compose.yaml"), Path::to_owned);
        let (choice, why) = match kind {
            Some(StackKind::Native) => (Choice::Native, "as asked".to_owned()),
            Some(StackKind::External) => {
                (Choice::External(ExternalStack::from_environment(wishes.parts)?), "as asked".to_owned())
            }
            Some(StackKind::Compose) => compose_or_error(file)?,
            None if wishes.parts.postgres => (Choice::Native, "for PostgreSQL is asked".to_owned()),
            None => compose_or_native(file)?,
        };
        say::step(format!("stack: {}, {why}", choice.name()));
        Ok(choice)
    }

    pub(crate) fn name(&self) -> &'static str {
        match self {
            Choice::Compose(..) => "compose",
            Choice::Native => "native",
            Choice::External(_) => "external",
        }
    }

    /// Whether the example service runs in it, and so has to be built. A compose file has it whatever the plans ask.
    pub(crate) fn needs_example_service(&self, parts: Parts) -> bool {
        match self {
            Choice::Compose(..) => true,
            Choice::Native => parts.service,
            Choice::External(_) => false,
        }
    }

    pub(crate) fn bring_up(
        &self,
        workspace: &Workspace,
        parts: Parts,
        example_service: &Path,
        faults: &[String],
    ) -> anyhow::Result<Stack> {
        Ok(match self {
            Choice::Compose(engine, file) => {
                Stack::Compose(ComposeStack::bring_up(workspace, engine, file, example_service, faults)?)
            }
            Choice::Native => Stack::Native(NativeStack::bring_up(workspace, parts, example_service, faults)?),
            Choice::External(stack) => Stack::External(stack.clone()),
        })
    }
}

fn refuse_contradictions(kind: Option<StackKind>, wishes: &Wishes<'_>) -> Result<(), Usage> {
    if wishes.compose_file.is_some() && kind != Some(StackKind::Compose) {
        return Err(Usage("--compose-file goes with --stack compose only".to_owned()));
    }
    if kind == Some(StackKind::External) && !wishes.faults.is_empty() {
        return Err(Usage("--fault is for the example service, which --stack external does not start".to_owned()));
    }
    if kind != Some(StackKind::External) && !wishes.faults.is_empty() && !wishes.parts.service {
        return Err(Usage("--fault is for the example service, which the plan does not ask".to_owned()));
    }
    if kind == Some(StackKind::Compose) && wishes.parts.postgres {
        return Err(Usage("the compose stack has no PostgreSQL, which the plan asks: say --stack native".to_owned()));
    }
    if let Some(file) = wishes.compose_file.filter(|file| !file.is_file()) {
        return Err(Usage(format!("there is no compose file {}", file.display())));
    }
    Ok(())
}

fn compose_or_error(file: PathBuf) -> anyhow::Result<(Choice, String)> {
    match Engine::find()? {
        Ok(engine) => Ok((Choice::Compose(engine, file), "as asked".to_owned())),
        Err(reasons) => anyhow::bail!("--stack compose needs a running container engine: {reasons}"),
    }
}

fn compose_or_native(file: PathBuf) -> anyhow::Result<(Choice, String)> {
    let others_have_no_linux_binary = std::env::consts::OS != "linux";
    if others_have_no_linux_binary {
        let why = "for the images are made of binaries of this machine, which is not Linux";
        return Ok((Choice::Native, why.to_owned()));
    }
    Ok(match Engine::find()? {
        Ok(engine) => {
            let why = format!("for a container engine runs ({})", engine.compose_name());
            (Choice::Compose(engine, file), why)
        }
        Err(reasons) => (Choice::Native, format!("for no container engine can be used: {reasons}")),
    })
}

/// A stack that stands and is healthy. Dropped, it is taken down.
#[derive(Debug)]
pub(crate) enum Stack {
    Compose(ComposeStack),
    Native(NativeStack),
    External(ExternalStack),
}

impl Stack {
    pub(crate) fn endpoints(&self) -> &Endpoints {
        match self {
            Stack::Compose(stack) => stack.endpoints(),
            Stack::Native(stack) => stack.endpoints(),
            Stack::External(stack) => stack.endpoints(),
        }
    }

    /// Copies what the stack wrote into the run directory, before it goes down.
    pub(crate) fn collect_logs(&self, into: &Path) -> anyhow::Result<()> {
        match self {
            Stack::Compose(stack) => stack.collect_logs(into),
            Stack::Native(stack) => stack.collect_logs(into),
            Stack::External(_) => Ok(()),
        }
    }

    /// Leaves it standing; the answer is how to stop it.
    pub(crate) fn leave(self) -> String {
        match self {
            Stack::Compose(stack) => stack.leave(),
            Stack::Native(stack) => stack.leave(),
            Stack::External(_) => "it was not started here, so it is not stopped here".to_owned(),
        }
    }
}

/// Why a part of the stack did not come up, in its own words. A refusal of what it was told is a usage error here too.
pub(crate) fn ended_while_starting(who: &str, code: Option<u8>, output: &str) -> anyhow::Error {
    let lines = output.lines().filter(|line| !line.trim().is_empty()).collect::<Vec<_>>();
    let last = lines[lines.len().saturating_sub(LAST_WORDS_LINES)..].join("\n  ");
    let message = format!("{who} ended while starting:\n  {last}");
    if code == Some(outcome::USAGE) { Usage(message).into() } else { anyhow::anyhow!(message) }
}

/// Copies the files of one directory, by name.
pub(crate) fn copy_files(from: &Path, into: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(into).with_context(|| format!("cannot create {}", into.display()))?;
    for entry in fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
        let path = entry?.path();
        if let (true, Some(name)) = (path.is_file(), path.file_name()) {
            fs::copy(&path, into.join(name)).with_context(|| format!("cannot copy {}", path.display()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(kind: Option<StackKind>, compose_file: Option<&Path>, faults: &[String]) -> Option<String> {
        let parts = Parts { service: true, postgres: false };
        let wishes = Wishes { kind, compose_file, faults, parts };
        refuse_contradictions(kind, &wishes).err().map(|error| error.to_string())
    }

    #[test]
    fn a_compose_file_with_another_stack_is_refused() {
        let message = refusal(Some(StackKind::Native), Some(Path::new("Cargo.toml")), &[]).unwrap();
        assert!(message.contains("--stack compose"), "{message}");
    }

    #[test]
    fn a_missing_compose_file_is_named() {
        let message = refusal(Some(StackKind::Compose), Some(Path::new("nowhere.yaml")), &[]).unwrap();
        assert!(message.contains("nowhere.yaml"), "{message}");
    }

    #[test]
    fn faults_need_a_service_of_our_own() {
        let faults = ["limiter=off".to_owned()];
        assert!(refusal(Some(StackKind::External), None, &faults).is_some());
        assert_eq!(refusal(Some(StackKind::Native), None, &faults), None);
    }

    #[test]
    fn a_part_that_refuses_its_flags_is_a_usage_error_in_its_own_words() {
        let error = ended_while_starting("the service", Some(outcome::USAGE), "error: no fault `x`\n\ntry --help\n");
        assert_eq!(error.to_string(), "the service ended while starting:\n  error: no fault `x`\n  try --help");
        assert_eq!(outcome::code_of(&error), outcome::USAGE);
        let error = ended_while_starting("Redis", Some(1), "out of memory\n");
        assert_eq!(outcome::code_of(&error), outcome::ENVIRONMENT);
    }

    #[test]
    fn plans_that_ask_postgres_and_no_service_get_neither_containers_nor_faults() {
        let parts = Parts { service: false, postgres: true };
        let refusal = |kind, faults: &[String]| {
            let wishes = Wishes { kind: Some(kind), compose_file: None, faults, parts };
            refuse_contradictions(Some(kind), &wishes).err().map(|error| error.to_string()).unwrap_or_default()
        };
        assert!(refusal(StackKind::Compose, &[]).contains("--stack native"));
        assert!(refusal(StackKind::Native, &["limiter=off".to_owned()]).contains("--fault"));
        assert_eq!(refusal(StackKind::Native, &[]), "");
        assert!(!Choice::Native.needs_example_service(parts));
    }

    #[test]
    fn files_are_copied_by_name() {
        let (from, into) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(from.path().join("errors.log"), "one\n").unwrap();
        fs::create_dir(from.path().join("redis")).unwrap();
        copy_files(from.path(), &into.path().join("logs")).unwrap();
        assert_eq!(fs::read_to_string(into.path().join("logs/errors.log")).unwrap(), "one\n");
        assert!(!into.path().join("logs/redis").exists());
    }
}
