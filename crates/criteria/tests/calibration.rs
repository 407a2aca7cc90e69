//! A small calibration in every test run: simulated memory of known truth, through the code that judges runs. The
//! whole table comes from `cargo xtask calibrate`. The seed is another than that of the table and those of tuning.

#[path = "../examples/calibrate/memory.rs"]
mod memory;
#[path = "../examples/calibrate/noise.rs"]
mod noise;

use memory::{Bench, Family, Tally};

const SEED: u64 = 2;
const SERIES: u64 = 60;

fn tally(family: Family, minutes: u64) -> Tally {
    let dir = tempfile::tempdir().expect("a temporary directory can be made");
    Bench::in_dir(dir.path()).tally(family, minutes, SEED, SERIES)
}

#[test]
fn what_does_not_leak_is_not_called_leaking() {
    for family in memory::FAMILIES.into_iter().filter(|family| family.is_harmless()) {
        let tally = tally(family, 10);
        assert!(tally.share(tally.leaking) <= 0.02, "{}: {tally:?}", family.name());
    }
}

#[test]
fn two_megabytes_a_minute_are_called_leaking_after_ten_minutes() {
    for family in [Family::Leak(2.0), Family::Leak(50.0), Family::LeakWithGaps] {
        let tally = tally(family, 10);
        assert!(tally.share(tally.leaking) >= 0.96, "{}: {tally:?}", family.name());
    }
}

#[test]
fn two_minutes_are_inconclusive_rather_than_wrong() {
    for family in memory::FAMILIES {
        let tally = tally(family, 2);
        let (wrong, leaks) = match family.is_harmless() {
            true => (tally.failed, 0),
            false => (tally.passed, tally.leaking),
        };
        // A leak of just the limit may look like either.
        let allowed = if family == Family::Leak(1.0) { 6 } else { 1 };
        assert!(wrong <= allowed && leaks == 0, "{}: {tally:?}", family.name());
    }
    assert!(tally(Family::Autoregressive, 2).passed < SERIES / 2, "two minutes of noise prove little");
}

#[test]
fn stable_memory_passes_when_there_was_time_to_prove_it() {
    for family in [Family::Flat, Family::Autoregressive, Family::RandomWalk, Family::HashTable, Family::Clients] {
        assert!(tally(family, 10).passed >= SERIES - 2, "{}", family.name());
    }
    for family in [Family::Restart, Family::Gaps] {
        assert_eq!(tally(family, 10).passed, 0, "{}", family.name());
    }
}

#[test]
fn a_cache_that_has_not_lived_its_time_is_filling_and_nothing_else() {
    let young = tally(Family::FillingCache, 2);
    assert!(young.filling > SERIES / 2 && young.failed == 0, "{young:?}");
}
