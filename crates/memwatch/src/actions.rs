//! What an alarm sets off beside being told: a program, a post to an address of this machine.
//!
//! Nothing here can hold up the watch: each is bounded in time, only a few run at once, and one that fails is told of and
//! not repeated.

use std::process::Stdio;
use std::time::Duration;

use plimsoll_record::events::Event;
use plimsoll_sampler::alarms::Alarm;
use plimsoll_sampler::webhook;
use serde_json::json;
use tokio::process::Command;
use tokio::task::JoinSet;

use crate::table::word_for;

/// What a program or a post gets, before it is given up.
const PATIENCE: Duration = Duration::from_secs(10);
/// More at once would be a flood.
const AT_ONCE: usize = 8;

/// The actions under way.
#[derive(Debug, Default)]
pub(crate) struct Actions {
    running: JoinSet<()>,
}

impl Actions {
    /// Sets off what the alarm asks for.
    pub(crate) fn set_off(&mut self, alarm: &Alarm) {
        while self.running.try_join_next().is_some() {}
        if self.running.len() >= AT_ONCE {
            return complain("an alarm's actions were left out: too many are still running");
        }
        let Event::Alert { level, metric, value, limit, message, .. } = &alarm.event else { return };
        if !alarm.actions.run.is_empty() {
            let mut command = Command::new(&alarm.actions.run[0]);
            command.args(&alarm.actions.run[1..]);
            command.env("MEMWATCH_LEVEL", word_for(*level).to_lowercase()).env("MEMWATCH_METRIC", metric);
            command.env("MEMWATCH_VALUE", value.to_string()).env("MEMWATCH_LIMIT", limit.to_string());
            command.env("MEMWATCH_MESSAGE", message);
            self.running.spawn(run(command, alarm.actions.run[0].clone()));
        }
        if let Some(url) = alarm.actions.webhook.clone() {
            let level = word_for(*level).to_lowercase();
            let alarm = json!({"level": level, "metric": metric, "value": value, "limit": limit, "message": message});
            self.running.spawn(async move {
                if let Err(error) = webhook::post(&url, alarm.to_string(), PATIENCE).await {
                    complain(&format!("an alarm could not be posted: {error}"));
                }
            });
        }
    }

    /// Waits for those that are still under way; each has its own bound.
    pub(crate) async fn finish(&mut self) {
        while self.running.join_next().await.is_some() {}
    }
}

async fn run(mut command: Command, name: String) {
    // It must neither take the command's input nor write between its lines.
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let problem = match command.spawn() {
        Err(error) => error.to_string(),
        Ok(mut child) => match tokio::time::timeout(PATIENCE, child.wait()).await {
            Ok(Ok(status)) if status.success() => return,
            Ok(Ok(status)) => status.to_string(),
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("it did not end within {} s and was killed", PATIENCE.as_secs()),
        },
    };
    complain(&format!("the alarm's program `{name}` failed: {problem}"));
}

fn complain(message: &str) {
    anstream::eprintln!("memwatch: warning: {message}");
}

#[cfg(test)]
mod tests {
    use plimsoll_record::Offset;
    use plimsoll_record::events::Level;

    use super::*;

    #[tokio::test]
    async fn a_program_is_told_what_happened_through_its_environment() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("said");
        let script = format!("echo \"$MEMWATCH_LEVEL $MEMWATCH_METRIC: $MEMWATCH_MESSAGE\" > {}", file.display());
        let event = Event::Alert {
            at_ns: Offset::ZERO,
            level: Level::Critical,
            metric: "redis.used_memory".to_owned(),
            value: 2.0,
            limit: 1.0,
            message: "full; `rm -rf` is not run: there is no shell".to_owned(),
        };
        let run = vec!["sh".to_owned(), "-c".to_owned(), script];
        let actions = plimsoll_plan::Actions { run, webhook: None };
        let mut set_off = Actions::default();
        set_off.set_off(&Alarm { event, stop: true, actions });
        set_off.finish().await;
        let said = std::fs::read_to_string(file).unwrap();
        assert_eq!(said, "critical redis.used_memory: full; `rm -rf` is not run: there is no shell\n");
    }
}
