//! A load recorded whole and in parts: the parts merged must be the whole, and what is no whole is refused.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::files::EndReason;
use crate::latency::Latency;
use crate::ledger::{Ledger, Outcome};
use crate::requests::{Kept, RequestRow};
use crate::series::{Redis, Sample, SeriesFact, SeriesHeader};
use crate::summary::{Facts, Scope};
use crate::traffic::{Interval, PhaseFact, TrafficFact, TrafficHeader, TrafficWriter};

const SECOND: i64 = 1_000_000_000;

/// One request of a load: the second in which it was sent, how many seconds later it ended, its latency.
type Request = (i64, i64, u64);

fn header(start: Offset, segment: Option<SegmentFact>, planned: u64) -> TrafficHeader {
    TrafficHeader {
        start_ns: start,
        every_ns: SECOND.unsigned_abs(),
        phases: vec![PhaseFact {
            name: "steady".into(),
            start_ns: start,
            end_ns: Some(Offset(start.0 + 10 * SECOND)),
            planned_arrivals: Some(planned),
        }],
        operations: vec!["get".into()],
        checks: Vec::new(),
        workers: 1,
        segment,
        tick_ns: None,
        max_send_lag_ns: 1,
        lookup_ns: None,
    }
}

/// Records a load as one generator would have: a row for each second in which something happened.
fn record(dir: &Path, start: Offset, segment: Option<SegmentFact>, requests: &[Request]) {
    let run = RunDir::create_or_join(dir, "merge", "test").unwrap();
    run.store_plan("the same plan\n").unwrap();
    let header = header(start, segment, requests.len() as u64);
    let mut writer = TrafficWriter::create(dir, "test", start, header).unwrap();
    let mut pending = 0;
    for second in 0..20 {
        let mut ledger = Ledger::default();
        let mut served = Latency::default();
        for (sent, took, nanos) in requests {
            if *sent == second {
                ledger.schedule(1);
            }
            if sent + took == second {
                ledger.finish(Outcome::Ok);
                served.record(*nanos, nanos / 2);
            }
        }
        pending = pending + ledger.scheduled() - ledger.finished();
        if ledger.scheduled() + ledger.finished() == 0 {
            continue;
        }
        let row = Interval {
            at_ns: Offset(start.0 + second * SECOND),
            len_ns: SECOND.unsigned_abs(),
            phase: 0,
            operation: 0,
            statuses: BTreeMap::from([(200, ledger.finished())]),
            ledger,
            pending,
            served,
            limited: Latency::default(),
            censored: Latency::default(),
            timings: crate::timings::Timings::default(),
            checks: BTreeMap::new(),
            body_bytes: 1,
            retries: 0,
            worst: None,
        };
        writer.write(&TrafficFact::Interval(Box::new(row))).unwrap();
    }
    writer.finish(Offset(start.0 + 20 * SECOND), EndReason::Completed).unwrap();
}

fn segment(number: u64, of: u64) -> Option<SegmentFact> {
    Some(SegmentFact { number, of })
}

/// Records one load as a whole and in parts, whose clocks began at different moments.
fn recorded(requests: &[Request], of: usize) -> (tempfile::TempDir, Vec<PathBuf>, Facts) {
    let dir = tempfile::tempdir().unwrap();
    record(&dir.path().join("whole"), Offset(0), None, requests);
    let parts = (0..of).map(|part| {
        let mine: Vec<Request> = requests.iter().skip(part).step_by(of).copied().collect();
        let path = dir.path().join(format!("part-{part}"));
        record(&path, Offset(part as i64 * 77), segment(part as u64 + 1, of as u64), &mine);
        path
    });
    let parts = parts.collect();
    let whole = Facts::load(&dir.path().join("whole")).unwrap();
    (dir, parts, whole)
}

fn a_few() -> Vec<Request> {
    (0..40_i64).map(|i| (i % 10, i % 3, 1_000_000 + 37_000 * i.unsigned_abs())).collect()
}

#[track_caller]
fn refused(parts: &[PathBuf], words: &[&str]) {
    let out = tempfile::tempdir().unwrap();
    let error = merge(parts, &out.path().join("whole"), "test").unwrap_err().to_string();
    for word in words {
        assert!(error.contains(word), "`{word}` is not in `{error}`");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn parts_merged_are_the_whole_bin_for_bin(
        requests in prop::collection::vec((0i64..10, 0i64..8, 1_000u64..4_000_000_000), 1..60), of in 2usize..4
    ) {
        let (dir, parts, whole) = recorded(&requests, of);
        merge(&parts, &dir.path().join("merged"), "test").unwrap();
        let merged = Facts::load(&dir.path().join("merged")).unwrap();
        let (mine, theirs) = (merged.totals(&Scope::default()), whole.totals(&Scope::default()));
        prop_assert_eq!(&mine.served, &theirs.served);
        prop_assert_eq!((mine.ledger, mine.statuses), (theirs.ledger, theirs.statuses));
        let rows = |facts: &Facts| -> Vec<(Offset, Ledger, u64, Latency)> {
            let rows = facts.intervals(&Scope::default());
            rows.map(|row| (row.at_ns, row.ledger, row.pending, row.served.clone())).collect()
        };
        prop_assert_eq!(rows(&merged), rows(&whole));
        let header = &merged.traffic.as_ref().unwrap().header.body;
        prop_assert_eq!((header.segment, header.phases[0].planned_arrivals), (None, Some(requests.len() as u64)));
    }
}

#[test]
fn what_was_watched_and_logged_moves_onto_the_whole_s_clock() {
    let (dir, parts, _) = recorded(&a_few(), 2);
    let sample = |at| SeriesFact::Sample(Sample { at_ns: Offset(at), took_ns: 1, values: BTreeMap::new() });
    let header = SeriesHeader { source: "redis".into(), identity: BTreeMap::new(), every_ns: 1 };
    let mut redis = crate::files::FactWriter::<Redis>::create(&parts[1], "memwatch", Offset(0), header).unwrap();
    redis.write(&sample(1_077)).unwrap();
    redis.finish(Offset(2_077), EndReason::Completed).unwrap();
    for (part, intended) in parts.iter().zip([500, 577]) {
        let row = RequestRow {
            intended: Offset(intended),
            send_lag_ns: 0,
            service_ns: 9,
            user: 1,
            iteration: 1,
            body_bytes: 0,
            phase: 0,
            operation: 0,
            status: 200,
            outcome: Outcome::Ok,
        };
        let mut log = RequestWriter::create(part, Kept::All).unwrap();
        log.write(&[row]).unwrap();
        log.finish().unwrap();
    }
    merge(&parts, &dir.path().join("merged"), "test").unwrap();
    let merged = Facts::load(&dir.path().join("merged")).unwrap();
    assert_eq!(merged.redis.as_ref().unwrap().samples[0].at_ns, Offset(1_000));
    let log = merged.requests().unwrap().unwrap();
    assert_eq!(log.rows.iter().map(|row| row.intended).collect::<Vec<_>>(), [Offset(500), Offset(500)]);
}

#[test]
fn only_all_segments_of_one_load_become_a_whole() {
    let (dir, parts, _) = recorded(&a_few(), 3);
    refused(&[], &["nothing to merge"]);
    refused(&parts[..2], &["of 3 segments these are missing: 3"]);
    refused(&[parts[0].clone(), parts[1].clone(), parts[1].clone()], &["both segment 2", "leave one out"]);
    refused(&[dir.path().join("whole"), parts[0].clone()], &["is a whole run and no segment", "--segment"]);
    let other = dir.path().join("other");
    record(&other, Offset(0), segment(3, 4), &a_few());
    refused(&[parts[0].clone(), parts[1].clone(), other.clone()], &["the number of segments"]);
    let changed = std::fs::read_to_string(parts[2].join("plan.toml")).unwrap() + "another\n";
    std::fs::write(parts[2].join("plan.toml"), changed).unwrap();
    refused(&parts, &["their plans", "--set"]);
}

#[test]
fn parts_that_ran_one_after_the_other_never_made_one_load() {
    let (_dir, parts, _) = recorded(&a_few(), 2);
    let path = parts[1].join("run.json");
    let mut info: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let later = info["anchor"]["unix_ns"].as_i64().unwrap() + 3_600 * SECOND;
    info["anchor"]["unix_ns"] = later.into();
    std::fs::write(&path, info.to_string()).unwrap();
    refused(&parts, &["began after", "at the same time"]);
}

#[test]
fn a_directory_that_holds_a_run_is_left_alone() {
    let (_dir, parts, _) = recorded(&a_few(), 2);
    let error = merge(&parts, &parts[0], "test").unwrap_err().to_string();
    assert!(error.contains("holds a run already"), "{error}");
}
