//! Earlier runs of the same command: how long it took then.
//!
//! They are found in the directories beside this run's. A command line may hold secrets, so it is known by its program and
//! a hash of its words.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::time::Duration;

use plimsoll_record::RunDir;
use plimsoll_record::events::{Event, Events};
use plimsoll_record::files::FactFile;
use plimsoll_record::units::show_duration;

/// So many of the latest are compared with.
const COMPARED: usize = 20;

/// What a command line is known by.
pub(crate) fn known_as(command: &[OsString]) -> String {
    // FNV-1a (Fowler, Noll, Vo), 64 bits: the same on every machine and in every version.
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    let word = |hash: u64, word: &OsString| step(word.as_bytes().iter().fold(hash, step), &0);
    let hash = command.iter().fold(0xcbf2_9ce4_8422_2325, word);
    let program = command.first().map(Path::new).and_then(Path::file_name).unwrap_or_default();
    format!("{} {hash:016x}", program.to_string_lossy())
}

/// How long the same command ran in the runs beside this one, where it ended well; oldest first.
pub(crate) fn durations(run: &RunDir, command: &str) -> Vec<Duration> {
    let Ok(own) = run.path().canonicalize() else { return Vec::new() };
    let Some(siblings) = own.parent().and_then(|parent| parent.read_dir().ok()) else { return Vec::new() };
    let mut found: Vec<(i64, Duration)> = siblings
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| *path != own)
        .filter_map(|path| Some((RunDir::open(&path).ok()?.info().anchor.unix_ns, duration(&path, command)?)))
        .collect();
    found.sort_unstable();
    let old = found.len().saturating_sub(COMPARED);
    found.into_iter().skip(old).map(|(_, duration)| duration).collect()
}

fn duration(run: &Path, wanted: &str) -> Option<Duration> {
    let events = FactFile::<Events>::read(run).ok().flatten()?;
    events.facts.iter().find_map(|event| match event {
        Event::CommandEnded { exit_code: Some(0), ran_ns, command: Some(command), .. } if command == wanted => {
            Some(Duration::from_nanos(*ran_ns))
        }
        _ => None,
    })
}

/// This run beside the earlier ones; nothing when there are none.
pub(crate) fn compared(ran: Duration, mut earlier: Vec<Duration>) -> Option<String> {
    earlier.sort_unstable();
    let (least, most) = (*earlier.first()?, *earlier.last()?);
    let middle = earlier[earlier.len() / 2];
    let change = (ran.as_secs_f64() / middle.as_secs_f64().max(1e-9) - 1.0) * 100.0;
    let change = match change {
        change if change.abs() < 0.5 => "as long".to_owned(),
        change if change > 0.0 => format!("{change:.0} % longer"),
        change => format!("{:.0} % shorter", -change),
    };
    let runs = if earlier.len() == 1 { "1 earlier run".to_owned() } else { format!("{} earlier runs", earlier.len()) };
    let range = if earlier.len() == 1 {
        String::new()
    } else {
        format!(" ({} to {})", show_duration(least), show_duration(most))
    };
    Some(format!("{runs} of this command: median {}{range}; this one {change}", show_duration(middle)))
}

#[cfg(test)]
mod tests {
    use plimsoll_record::Offset;
    use plimsoll_record::events::EventsHeader;
    use plimsoll_record::files::{EndReason, FactWriter};

    use super::*;

    fn words(command: &str) -> Vec<OsString> {
        command.split(' ').map(OsString::from).collect()
    }

    fn recorded(dir: &Path, name: &str, command: &str, seconds: u64, exit_code: i32) -> RunDir {
        let run = RunDir::create_or_join(&dir.join(name), "watch", "test").unwrap();
        let mut events =
            FactWriter::<Events>::create(run.path(), "test", Offset::ZERO, EventsHeader::default()).unwrap();
        let (ran_ns, command) = (seconds * 1_000_000_000, Some(known_as(&words(command))));
        let ended = Event::CommandEnded { at_ns: Offset::ZERO, exit_code: Some(exit_code), ran_ns, command };
        events.write(&ended).unwrap();
        events.finish(Offset::ZERO, EndReason::Completed).unwrap();
        run
    }

    #[test]
    fn only_runs_of_the_same_command_that_ended_well_are_compared() {
        let dir = tempfile::tempdir().unwrap();
        recorded(dir.path(), "1", "go test ./...", 10, 0);
        recorded(dir.path(), "2", "go test ./...", 14, 0);
        recorded(dir.path(), "3", "go test ./...", 1, 1);
        recorded(dir.path(), "4", "go test ./one", 3, 0);
        std::fs::write(dir.path().join("a-file"), "").unwrap();
        let own = recorded(dir.path(), "5", "go test ./...", 99, 0);
        let mut found = durations(&own, &known_as(&words("go test ./...")));
        found.sort_unstable();
        assert_eq!(found, [10, 14].map(Duration::from_secs));
    }

    #[test]
    fn a_command_is_known_by_its_program_and_no_argument_shows() {
        let known = known_as(&words("/usr/bin/curl -H secret"));
        assert!(known.starts_with("curl ") && !known.contains("secret"), "{known}");
        assert_ne!(known, known_as(&words("/usr/bin/curl -Hsecret")));
    }

    #[test]
    fn the_comparison_is_a_sentence() {
        let seconds = |seconds: &[u64]| seconds.iter().map(|s| Duration::from_secs(*s)).collect::<Vec<_>>();
        let told = compared(Duration::from_secs(15), seconds(&[12, 10, 13])).unwrap();
        assert_eq!(told, "3 earlier runs of this command: median 12.0 s (10.0 s to 13.0 s); this one 25 % longer");
        assert_eq!(compared(Duration::from_secs(1), Vec::new()), None);
    }
}
