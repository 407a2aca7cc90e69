//! Judges thousands of simulated runs whose truth is known, and shows how often the verdict is right.
//!
//! `cargo xtask calibrate` runs this. Every series comes from a seed, so the same `--seed` gives the same table on every
//! machine. The exit code is 1 when a target is missed. It is no benchmark: nothing is timed.

#![expect(clippy::print_stdout, reason = "the tables are what this program is for")]

mod noise;

mod latency;
mod memory;

mod cells;
mod targets;

use std::process::ExitCode;

use self::cells::Cell;
use self::targets::Target;

/// The seed of the published table. Methods are tuned with other seeds.
const SEED: u64 = 7;
const SERIES: u64 = 1_000;
const USAGE: &str = "usage: calibrate [--series N] [--seed N] [--only WORDS]";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let Some(options) = Options::parse(&words) else {
        println!("{USAGE}");
        return ExitCode::from(2);
    };
    let memory = cells::memory(&options.only, options.seed, options.series);
    let latency = cells::latency(&options.only, options.seed, options.series);
    println!("{} series per row, seed {}\n\n{}", options.series, options.seed, memory_table(&memory));
    println!("{}", latency_table(&latency));
    let targets = targets::all(&memory, &latency);
    targets.iter().for_each(|target| println!("{target}"));
    if targets.iter().all(Target::is_met) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

struct Options {
    series: u64,
    seed: u64,
    /// Only families whose name holds these words.
    only: String,
}

impl Options {
    fn parse(words: &[String]) -> Option<Self> {
        let mut options = Self { series: SERIES, seed: SEED, only: String::new() };
        for pair in words.chunks(2) {
            let [name, value] = pair else { return None };
            match name.as_str() {
                "--series" => options.series = value.parse().ok().filter(|series| *series > 0)?,
                "--seed" => options.seed = value.parse().ok()?,
                "--only" => options.only.clone_from(value),
                _ => return None,
            }
        }
        Some(options)
    }
}

fn memory_table(cells: &[Cell<memory::Family, memory::Tally>]) -> String {
    let mut table = "| memory | run | pass | fail | leaking | growing | filling | settling | neither |\n|---|---|---|---|---|---|---|---|---|\n".to_owned();
    for Cell { family, minutes, tally } in cells {
        let shown = |count| format!("{:.1} %", 100.0 * tally.share(count));
        let decided = tally.passed + tally.leaking + tally.growing + tally.filling + tally.settling;
        let row = [
            family.name(),
            format!("{minutes} min"),
            shown(tally.passed),
            shown(tally.failed),
            shown(tally.leaking),
            shown(tally.growing),
            shown(tally.filling),
            shown(tally.settling),
            shown(tally.runs.saturating_sub(decided)),
        ];
        table += &format!("| {} |\n", row.join(" | "));
    }
    table
}

fn latency_table(cells: &[Cell<latency::Load, latency::Tally>]) -> String {
    let mut table = "| criterion | run | wrong pass | wrong fail | undecided |\n|---|---|---|---|---|\n".to_owned();
    for Cell { family, minutes, tally } in cells {
        let shown = |share: f64| format!("{:.1} %", 100.0 * share);
        let (pass, fail) = (tally.wrong_pass(), tally.wrong_fail());
        let row = [family.name(), format!("{minutes} min"), shown(pass), shown(fail), shown(tally.undecided())];
        table += &format!("| {} |\n", row.join(" | "));
    }
    table
}
