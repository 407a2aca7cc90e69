//! Exports of a small record with hostile names, each read as its own tools read it.

use std::collections::BTreeMap;
use std::path::Path;

use hdrhistogram::serialization::Deserializer;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

use super::*;
use crate::files::{EndReason, FactWriter};
use crate::latency::Latency;
use crate::ledger::{Ledger, Outcome};
use crate::logs::{EventCount, FollowedLog, LogCounts, LogFact, Logs, LogsHeader};
use crate::requests::{Kept, RequestRow, RequestWriter};
use crate::run::{Machine, RunDir, RunInfo};
use crate::series::{Redis, Sample, SeriesFact, SeriesHeader};
use crate::summary::Scope;
use crate::traffic::{Interval, PhaseFact, TrafficFact, TrafficWriter};

const SECOND: i64 = 1_000_000_000;
const HOSTILE: &str = "=a, \"b\"\\\nc";

/// Two seconds of two operations at a known time, one of them with a name that breaks everything.
fn recorded(dir: &Path) -> Facts {
    let anchor = crate::clock::Anchor { monotonic_ns: 0, unix_ns: 1_800_000_000 * SECOND };
    let info =
        RunInfo { format: 1, id: "a-run".into(), created_by: "test".into(), anchor, machine: Machine::default() };
    RunDir::create_as(dir, info).unwrap();
    let phase = PhaseFact { name: "steady".into(), start_ns: Offset(SECOND), end_ns: None, planned_arrivals: None };
    let header = TrafficHeader {
        start_ns: Offset(SECOND),
        every_ns: SECOND.unsigned_abs(),
        phases: vec![phase],
        operations: vec!["get".into(), HOSTILE.into()],
        checks: Vec::new(),
        workers: 1,
        segment: None,
        tick_ns: None,
        max_send_lag_ns: 1,
        lookup_ns: None,
    };
    let mut writer = TrafficWriter::create(dir, "test", Offset(SECOND), header).unwrap();
    for second in 1..3 {
        for operation in 0..2 {
            writer.write(&TrafficFact::Interval(Box::new(row(second, operation)))).unwrap();
        }
    }
    writer.finish(Offset(3 * SECOND), EndReason::Completed).unwrap();
    let header = SeriesHeader { source: "redis".into(), identity: BTreeMap::new(), every_ns: 1 };
    let mut redis = FactWriter::<Redis>::create(dir, "test", Offset(0), header).unwrap();
    for (second, values) in [(1, vec![("used_memory", 5e6), ("keys", 3.0)]), (2, vec![("used_memory", 6e6)])] {
        let values = values.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        redis.write(&SeriesFact::Sample(Sample { at_ns: Offset(second * SECOND), took_ns: 1, values })).unwrap();
    }
    redis.finish(Offset(3 * SECOND), EndReason::Completed).unwrap();
    let logs = vec![FollowedLog { name: "errors".into(), path: "e.log".into() }];
    let mut log = FactWriter::<Logs>::create(dir, "test", Offset(0), LogsHeader { logs }).unwrap();
    let events = vec![EventCount { event: "oom".into(), value: Some(HOSTILE.into()), count: 2 }];
    log.write(&LogFact::Counts(LogCounts { at_ns: Offset(2 * SECOND), log: "errors".into(), lines: 9, events }))
        .unwrap();
    log.finish(Offset(3 * SECOND), EndReason::Completed).unwrap();
    Facts::load(dir).unwrap()
}

fn row(second: i64, operation: u32) -> Interval {
    let mut ledger = Ledger::default();
    let mut served = Latency::default();
    ledger.schedule(3);
    ledger.finish_many(Outcome::Ok, 2);
    ledger.finish(Outcome::TimedOut);
    served.record(20_000_000, 10_000_000);
    served.record(40_000_000, 30_000_000);
    Interval {
        at_ns: Offset(second * SECOND),
        len_ns: SECOND.unsigned_abs(),
        phase: 0,
        operation,
        ledger,
        pending: 0,
        served,
        limited: Latency::default(),
        censored: Latency::default(),
        timings: crate::timings::Timings::default(),
        statuses: BTreeMap::new(),
        checks: BTreeMap::new(),
        body_bytes: 7,
        retries: 0,
        worst: None,
    }
}

fn log_requests(dir: &Path) {
    let request = |operation, outcome, status| RequestRow {
        intended: Offset(SECOND + 5_000_000),
        send_lag_ns: 3_000_000,
        service_ns: 20_000_000,
        user: 4,
        iteration: 1,
        body_bytes: 70,
        phase: 0,
        operation,
        status,
        outcome,
    };
    let rows = [request(0, Outcome::Ok, 200), request(1, Outcome::Limited, 429), request(0, Outcome::Refused, 0)];
    let mut log = RequestWriter::create(dir, Kept::All).unwrap();
    log.write(&rows).unwrap();
    log.finish().unwrap();
}

#[test]
fn csv_has_a_table_per_file_and_an_empty_cell_where_nothing_was_measured() {
    let dir = tempfile::tempdir().unwrap();
    let facts = recorded(dir.path());
    let tables: BTreeMap<_, _> = tables(&facts, &names(&facts, None)).unwrap().into_iter().collect();
    assert_eq!(tables.keys().copied().collect::<Vec<_>>(), ["logs.csv", "redis.csv", "traffic.csv"]);
    let text = |file: &str| String::from_utf8(tables[file].clone()).unwrap();
    assert_eq!(
        text("redis.csv"),
        "time,offset_s,keys,used_memory\n2027-01-15T08:00:01.000Z,0.000,3,5000000\n2027-01-15T08:00:02.000Z,1.000,,6000000\n"
    );
    let traffic = text("traffic.csv");
    let first: Vec<&str> = traffic.lines().nth(1).unwrap().split(',').collect();
    assert_eq!(first[..9], ["2027-01-15T08:00:01.000Z", "0.000", "1.000", "steady", "get", "3", "3", "2", "0"]);
    assert_eq!(first.len(), traffic.lines().next().unwrap().split(',').count());
    assert!(traffic.contains("\"'=a, \"\"b\"\"\\\nc\""), "{traffic}");
    assert!(text("logs.csv").contains("errors,,,9\n") && text("logs.csv").contains("\"'=a"), "{}", text("logs.csv"));
}

#[test]
fn jtl_has_jmeters_columns_and_a_line_per_request() {
    let dir = tempfile::tempdir().unwrap();
    let facts = recorded(dir.path());
    let user = names(&facts, Some(("user-".into(), String::new())));
    let refused = jtl(&facts, &user, &mut Vec::new()).unwrap_err().to_string();
    assert!(refused.contains("requests = \"all\""), "{refused}");
    log_requests(dir.path());
    let mut out = Vec::new();
    jtl(&facts, &user, &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    let expected = "1800000001005,23,get,200,OK,steady user-4,text,true,,70,0,1,1,null,0,3,0";
    assert_eq!(text.lines().nth(1), Some(expected));
    assert!(text.contains("Non HTTP response code: refused,refused,steady user-4,text,false,refused"), "{text}");
    assert!(text.contains(",429,limited,"), "{text}");
}

#[test]
fn hlog_is_read_back_by_the_librarys_own_reader() {
    let dir = tempfile::tempdir().unwrap();
    let facts = recorded(dir.path());
    let mut out = Vec::new();
    hlog(&facts, &mut out).unwrap();
    let (mut tags, mut starts, mut merged) = (Vec::new(), Vec::new(), None::<hdrhistogram::Histogram<u64>>);
    for entry in IntervalLogIterator::new(&out) {
        let LogEntry::Interval(interval) = entry.unwrap() else { continue };
        let tag = interval.tag().unwrap().as_str().to_owned();
        starts.push(interval.start_timestamp().as_secs());
        use base64::Engine as _;
        let bytes = base64::engine::general_purpose::STANDARD.decode(interval.encoded_histogram()).unwrap();
        let histogram: hdrhistogram::Histogram<u64> = Deserializer::new().deserialize(&mut bytes.as_slice()).unwrap();
        if tag == "get" {
            match &mut merged {
                Some(all) => all.add(&histogram).unwrap(),
                None => merged = Some(histogram),
            }
        }
        tags.push(tag);
    }
    assert_eq!(tags[..4], ["get", "get:service", "=a__\"b\"\\_c", "=a__\"b\"\\_c:service"]);
    assert_eq!((starts[0], starts[7]), (0, 1));
    let whole = facts.totals(&Scope { operation: Some(0), ..Scope::default() }).served.response;
    let merged = merged.unwrap();
    assert_eq!((merged.len(), Some(merged.value_at_quantile(0.5))), (whole.count(), whole.quantile(0.5)));
}

#[test]
fn openmetrics_keeps_families_together_escapes_labels_and_ends_with_eof() {
    let dir = tempfile::tempdir().unwrap();
    let facts = recorded(dir.path());
    let mut out = Vec::new();
    openmetrics(&facts, &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert!(text.ends_with("\n# EOF\n") && text.matches("# EOF").count() == 1, "{text}");
    let get = "run=\"a-run\",phase=\"steady\",operation=\"get\"";
    assert!(text.contains(&format!("plimsoll_arrivals_total{{{get}}} 3 1800000002.000\n")), "{text}");
    assert!(text.contains(&format!("plimsoll_arrivals_total{{{get}}} 6 1800000003.000\n")), "{text}");
    assert!(
        text.contains(&format!("plimsoll_requests_total{{{get},outcome=\"timed_out\"}} 2 1800000003.000\n")),
        "{text}"
    );
    assert!(text.contains(r#"operation="=a, \"b\"\\\nc""#), "{text}");
    assert!(text.contains("plimsoll_redis_used_memory_bytes{run=\"a-run\"} 6000000 1800000002.000\n"), "{text}");
    let mut families: Vec<&str> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    let all = families.len();
    families.sort_unstable();
    families.dedup();
    assert_eq!(families.len(), all, "a family stands in one place");
    let times = |family: &str| -> Vec<f64> {
        let of = text.lines().filter(|line| line.starts_with(family) && line.contains("operation=\"get\""));
        of.map(|line| line.rsplit(' ').next().unwrap().parse().unwrap()).collect()
    };
    assert!(times("plimsoll_response_seconds").is_sorted(), "{text}");
    let samples: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    assert!(samples.iter().all(|line| line.rsplit(' ').nth(1).is_some_and(|value| value.parse::<f64>().is_ok())));
}
