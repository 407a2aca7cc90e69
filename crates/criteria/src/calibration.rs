//! What the calibration of the generator's machine says about a run, in a sentence. It decides nothing: whether this
//! run can be trusted is measured by the run itself.

use plimsoll_record::summary::Scope;

use crate::run::JudgedRun;

const NONE: &str = "not calibrated: run `loadgen calibrate`";

/// Empty when there was no traffic.
pub(crate) fn sentence(run: &JudgedRun<'_>) -> String {
    let Some(traffic) = &run.facts.traffic else { return String::new() };
    if run.totals(&Scope::default()).ledger.scheduled() == 0 {
        return String::new();
    }
    match run.facts.run.calibration() {
        Ok(None) => NONE.to_owned(),
        Ok(Some(found)) if found.fits(&run.facts.run.info().machine, &traffic.header.producer) => {
            found.sentence(peak(run))
        }
        Ok(Some(_)) => "the calibration beside this run is of another machine or version and does not count".to_owned(),
        Err(_) => "the calibration beside this run is damaged and does not count".to_owned(),
    }
}

/// The most arrivals per second of any interval. One that was cut short says little about a rate.
fn peak(run: &JudgedRun<'_>) -> Option<f64> {
    let every_s = run.facts.traffic.as_ref()?.header.body.every_ns as f64 / 1e9;
    let whole = run.facts.timeline().into_iter().filter(|point| point.totals.seconds > every_s / 2.0);
    whole.filter_map(|point| point.totals.offered()).reduce(f64::max)
}

#[cfg(test)]
mod tests {
    use plimsoll_record::calibration::{CALIBRATION_FILE, Calibration, TrustedRate};
    use plimsoll_record::run::Machine;
    use plimsoll_record::verdict::Judgement;

    use super::*;
    use crate::testing::Script;

    fn calibration(machine: Machine, per_second: f64) -> Calibration {
        Calibration {
            format: 1,
            by: "loadgen test".to_owned(),
            unix_ns: 1_769_860_800_000_000_000,
            machine,
            effort: "usual".to_owned(),
            judgement: Judgement::Pass,
            trials: Vec::new(),
            rate: Some(TrustedRate { per_second: Some(per_second), at_least: false, steps: Vec::new() }),
        }
    }

    #[track_caller]
    fn check(content: Option<String>, words: &[&str]) {
        let recorded = Script::healthy(10).criteria("require = [\"p99 < 1s\"]").record();
        if let Some(content) = content {
            std::fs::write(recorded.dir.path().join(CALIBRATION_FILE), content).unwrap();
        }
        let verdict = recorded.judge();
        for word in words {
            assert!(verdict.generator.calibration.contains(word), "`{word}` is not in `{:?}`", verdict.generator);
        }
        assert_eq!(verdict.generator.judgement, Judgement::Pass, "a calibration decides nothing");
    }

    #[test]
    fn it_is_quoted_and_a_peak_above_the_trusted_rate_is_said() {
        check(Some(calibration(Machine::this(), 40_000.0).to_json()), &["on 2026-01-31", "trusted up to 40,000/s"]);
        check(Some(calibration(Machine::this(), 50.0).to_json()), &["the peak of this run, 100/s, is above that"]);
    }

    #[test]
    fn without_one_of_its_own_a_run_is_not_calibrated() {
        check(None, &[NONE]);
        check(Some("{".to_owned()), &["damaged"]);
        let elsewhere = Machine { cores: 99, ..Machine::this() };
        check(Some(calibration(elsewhere, 50.0).to_json()), &["another machine"]);
    }
}
