//! The examples do what they say.

use std::process::Command;

#[track_caller]
fn output_of(program: &str) -> String {
    let output = Command::new(program).output().expect("cargo has built the example");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("examples print text")
}

#[test]
fn a_fixed_rate_is_offered_and_answered() {
    let output = output_of(env!("CARGO_BIN_EXE_fixed_rate"));
    let number = |word: &str| -> u64 {
        let line = output.lines().find(|line| line.starts_with(word)).unwrap_or_else(|| panic!("{output}"));
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    // Poisson arrivals of a fixed seed: about 400, always as many.
    assert!((300..500).contains(&number("scheduled")), "{output}");
    assert_eq!(number("failures"), 0, "{output}");
    assert!(output.contains("p99 "), "{output}");
}

#[test]
fn people_bargain_as_their_function_says() {
    let output = output_of(env!("CARGO_BIN_EXE_bargain"));
    let count = |name: &str| -> u64 {
        let line = output.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
        line.unwrap_or_else(|| panic!("{output}")).parse().unwrap()
    };
    // Thirty iterations, each of up to five looks, most of which end with a bargain.
    assert!((30..=150).contains(&count("look")) && (1..=30).contains(&count("buy")), "{output}");
    assert!(output.contains(", 0 failures"), "{output}");
}

#[test]
fn people_go_through_their_flow() {
    let output = output_of(env!("CARGO_BIN_EXE_people"));
    let lines = [
        "log-in: 20",
        "order: 40",
        "wait: 40",
        "wait.poll: 40",
        "look: 120",
        "order: `$.ok == true` held 40 times, failed 0",
        "look: `$.id == {id}` held 120 times, failed 0",
    ];
    for line in lines {
        assert!(output.lines().any(|found| found == line), "no `{line}` in\n{output}");
    }
}

#[test]
fn a_probe_of_ones_own_is_sampled_beside_the_host() {
    let output = output_of(env!("CARGO_BIN_EXE_own_probe"));
    let number =
        |word: &str| -> f64 { output.lines().find_map(|line| line.strip_prefix(word)).unwrap().parse().unwrap() };
    assert_eq!(number("deepest "), 10.0, "the last reading is after the last change: {output}");
    assert!(number("host samples ") >= 2.0, "{output}");
}
