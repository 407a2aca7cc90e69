//! The table on standard output.

use plimsoll_record::calibration::{Calibration, Compared, Trial, TrustedRate};
use plimsoll_record::units::{Unit, show_count};

const WIDTH: usize = 11;

/// The calibration for people: truth and measurement side by side, trial by trial.
pub(super) fn text(calibration: &Calibration) -> String {
    let mut out = String::new();
    for found in &calibration.trials {
        out.push_str(&trial(found));
        out.push('\n');
    }
    if let Some(rate) = &calibration.rate {
        out.push_str(&rates(rate));
        out.push('\n');
    }
    out.push_str(&format!("{}: {}\n", calibration.judgement.word(), calibration.sentence(None)));
    out
}

fn trial(trial: &Trial) -> String {
    let mut out = format!("{}: {}\n  {}\n", trial.name, trial.judgement.word(), trial.setting);
    line(&mut out, "", &trial.values, |value| value.what.clone());
    line(&mut out, "truth", &trial.values, |value| Unit::Seconds.show(value.truth_s));
    line(&mut out, "measured", &trial.values, measured);
    line(&mut out, "error", &trial.values, |value| {
        let share = value.error().map_or_else(|| "-".to_owned(), |error| Unit::Share.show(error));
        if value.holds() { share } else { format!("{share} !") }
    });
    let counts = &trial.counts;
    out.push_str(&format!(
        "  distance    {:.4} of at most {:.4}\n  arrivals    {} planned, {} scheduled, {} answered, {} unfinished; {} seen by the server\n  {}\n",
        trial.distance,
        trial.allowed_distance,
        count(counts.planned),
        count(counts.scheduled),
        count(counts.answered),
        count(counts.unfinished),
        count(counts.seen_by_server),
        trial.reason,
    ));
    out
}

fn line(out: &mut String, title: &str, values: &[Compared], cell: impl Fn(&Compared) -> String) {
    let cells: String = values.iter().map(|value| format!("{:>WIDTH$}", cell(value))).collect();
    out.push_str(&format!("  {title:<9}{cells}\n"));
}

fn measured(value: &Compared) -> String {
    let bound = if value.at_least { ">= " } else { "" };
    value.measured_s.map_or_else(|| "-".to_owned(), |seconds| format!("{bound}{}", Unit::Seconds.show(seconds)))
}

fn rates(rate: &TrustedRate) -> String {
    let mut out = "rate: arrivals on time, against a server that answers at once\n".to_owned();
    out.push_str(&format!(
        "  {:>WIDTH$}{:>WIDTH$}{:>WIDTH$}{:>WIDTH$}{:>WIDTH$}\n",
        "rate", "offered", "lag mean", "lag p99", "busiest"
    ));
    for step in &rate.steps {
        let nanos = |nanos: u64| Unit::Seconds.show(nanos as f64 / 1e9);
        out.push_str(&format!(
            "  {:>WIDTH$}{:>WIDTH$}{:>WIDTH$}{:>WIDTH$}{:>WIDTH$}  {}\n",
            format!("{}/s", show_count(step.rate)),
            Unit::Share.show(step.offered_share),
            nanos(step.lag_mean_ns),
            nanos(step.lag_p99_ns),
            Unit::Share.show(step.busiest_worker),
            if step.trouble.is_empty() { "ok" } else { &step.trouble },
        ));
    }
    out
}

fn count(n: u64) -> String {
    show_count(n as f64)
}
