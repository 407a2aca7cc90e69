//! `cargo xtask calibrate`: simulated runs of known truth through the code that judges runs, and how often the verdict
//! is right. The simulation is an example of `plimsoll-criteria`; it is built and run here, not linked.

use crate::args::CalibrateOptions;
use crate::cargo;
use crate::say;
use crate::workspace::Workspace;

pub(crate) fn run(workspace: &Workspace, options: &CalibrateOptions) -> anyhow::Result<u8> {
    let mut calibrate = cargo::command(workspace);
    calibrate.args(["run", "--quiet", "-p", "plimsoll-criteria", "--example", "calibrate", "--"]);
    calibrate.args(["--series", &options.series.to_string(), "--seed", &options.seed.to_string()]);
    if let Some(words) = &options.only {
        calibrate.args(["--only", words]);
    }
    say::step(format!("judging {} simulated series per row", options.series));
    cargo::run("calibrate", &mut calibrate)
}
