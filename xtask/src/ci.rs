//! `cargo xtask ci`: the rules a change has to keep. All are checked, so that one call shows all there is to mend.

use std::process::Command;

use crate::cargo;
use crate::outcome::{FAIL, PASS};
use crate::say;
use crate::tidy;
use crate::workspace::Workspace;

pub(crate) fn run(workspace: &Workspace) -> anyhow::Result<u8> {
    let mut broken = Vec::new();
    for (name, mut command) in cargo_checks(workspace) {
        say::step(name);
        if cargo::run(name, &mut command)? != 0 {
            broken.push(name);
        }
    }
    say::step("tidy");
    if tidy::run(workspace)? != PASS {
        broken.push("tidy");
    }
    if broken.is_empty() {
        say::result("ci: all rules are kept");
        return Ok(PASS);
    }
    say::result(format!("ci: broken: {}", broken.join(", ")));
    Ok(FAIL)
}

fn cargo_checks(workspace: &Workspace) -> [(&'static str, Command); 3] {
    let cargo = |words: &[&str]| {
        let mut command = cargo::command(workspace);
        command.args(words);
        command
    };
    let format = cargo(&["fmt", "--all", "--", "--check"]);
    let clippy = cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]);
    let mut doc = cargo(&["doc", "--workspace", "--no-deps"]);
    doc.env("RUSTDOCFLAGS", "-D warnings");
    [("fmt", format), ("clippy", clippy), ("doc", doc)]
}
