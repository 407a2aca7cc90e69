//! The summary on standard output. Every number comes from the record; here it only gets its form.

use std::io::Write as _;
use std::time::Duration;

use plimsoll_record::latency::Histogram;
use plimsoll_record::ledger::Class;
use plimsoll_record::summary::{CheckTotal, Facts, Percentile, Scope, Totals};
use plimsoll_record::timings::Timings;
use plimsoll_record::traffic::SegmentFact;
use plimsoll_record::units::{Unit, show_count, show_duration};
use serde_json::{Map, Value, json};

use crate::args::Format;
use crate::exit::{ENVIRONMENT, Failure};

const QUANTILES: [(&str, f64); 5] = [("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99), ("p99.9", 0.999)];

/// Prints the run's numbers.
///
/// # Errors
/// When standard output cannot be written; that its reader has seen enough is no error.
pub(crate) fn print(facts: &Facts, format: Format) -> Result<(), Failure> {
    write(&match format {
        Format::Text => text(facts),
        Format::Json => format!("{}\n", json(facts)),
    })
}

/// Writes to standard output.
///
/// # Errors
/// As of [`print()`].
pub(crate) fn write(text: &str) -> Result<(), Failure> {
    let mut out = anstream::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::new(ENVIRONMENT, format!("error: cannot write to standard output\n  because: {error}")))
        }
        _ => Ok(()),
    }
}

fn text(facts: &Facts) -> String {
    let mut out = String::new();
    let phases = phase_names(facts);
    for (index, name) in phases.iter().enumerate() {
        let scope = Scope { phase: Some(index as u32), ..Scope::default() };
        out.push_str(&block(&format!("phase {name}"), &facts.totals(&scope)));
    }
    if phases.len() > 1 {
        out.push_str(&block("whole run", &facts.totals(&Scope::default())));
    }
    out.push_str(&check_lines(&facts.checks(&Scope::default())));
    out.push_str(&integrity_lines(facts));
    out.push_str(&generator_lines(facts));
    out
}

/// What became of acknowledged writes; nothing when the plan numbers none.
fn integrity_lines(facts: &Facts) -> String {
    let Some(shown) = facts.integrity_summary() else { return String::new() };
    let (counts, back) = (&shown.counts, &shown.back);
    let mut out = format!(
        "integrity:\n  writes      acknowledged {}, rejected {}, ambiguous {}\n  reads       compared {}, stale {}\n",
        count(counts.acknowledged),
        count(counts.rejected),
        count(counts.ambiguous),
        count(shown.reads()),
        count(shown.stale()),
    );
    out.push_str(&format!(
        "  read back   {}: intact {}, lost {}, corrupted {}, unreadable {}\n",
        plural(back.keys, "key"),
        count(back.intact),
        count(back.lost()),
        count(back.corrupted),
        count(back.unreadable),
    ));
    out
}

fn phase_names(facts: &Facts) -> Vec<String> {
    let traffic = facts.traffic.as_ref();
    traffic.map_or_else(Vec::new, |file| file.header.body.phases.iter().map(|phase| phase.name.clone()).collect())
}

fn block(title: &str, totals: &Totals) -> String {
    let rate = |rate: Option<f64>| rate.map_or_else(|| "-".to_owned(), |rate| Unit::PerSecond.show(rate));
    let mut out = format!(
        "{title}: {} in {}\n  rate        offered {}, achieved {}\n  ended       ",
        plural(totals.ledger.scheduled(), "arrival"),
        Unit::Seconds.show(totals.seconds),
        rate(totals.offered()),
        rate(totals.throughput()),
    );
    let outcomes = totals.ledger.outcomes().map(|(outcome, n)| format!("{} {}", outcome.name(), count(n)));
    let outcomes = outcomes.collect::<Vec<_>>().join(", ");
    out.push_str(if outcomes.is_empty() { "nothing" } else { &outcomes });
    out.push('\n');
    let statuses = totals.statuses.iter().map(|(status, n)| format!("{status}: {}", count(*n)));
    let statuses = statuses.collect::<Vec<_>>().join(", ");
    if !statuses.is_empty() {
        out.push_str(&format!("  status      {statuses}; {} of bodies\n", Unit::Bytes.show(totals.body_bytes as f64)));
    }
    if totals.retries > 0 {
        out.push_str(&format!("  retries     {} were begun anew\n", plural(totals.retries, "transaction")));
    }
    out.push_str(&latency_line("response", totals, Totals::response, &totals.served.response));
    out.push_str(&latency_line("service", totals, Totals::service, &totals.served.service));
    out.push_str(&part_lines(&totals.timings));
    out
}

/// A line for each part of requests' time that some request had.
fn part_lines(timings: &Timings) -> String {
    let mut out = String::new();
    for (name, histogram) in timings.parts().into_iter().filter(|(_, histogram)| !histogram.is_empty()) {
        let parts = QUANTILES.iter().filter_map(|(name, q)| Some(format!("{name} {}", nanos(histogram.quantile(*q)?))));
        let mut parts: Vec<String> = parts.collect();
        parts.extend(histogram.max().map(|max| format!("max {}", nanos(max))));
        // Every answer has a first byte; of the others it matters how many requests had them.
        parts.extend((name != "first_byte").then(|| format!("({})", count(histogram.count()))));
        out.push_str(&format!("  {:<11} {}\n", name.replace('_', " "), parts.join("  ")));
    }
    out
}

fn latency_line(
    title: &str,
    totals: &Totals,
    quantile: impl Fn(&Totals, f64) -> Option<Percentile>,
    histogram: &Histogram,
) -> String {
    let parts = QUANTILES.iter().filter_map(|(name, q)| Some(format!("{name} {}", show(quantile(totals, *q)?))));
    let mut parts: Vec<String> = parts.collect();
    if parts.is_empty() {
        return String::new();
    }
    parts.extend(histogram.max().map(|max| format!("max {}", nanos(max))));
    format!("  {title:<11} {}\n", parts.join("  "))
}

/// A line for each check, what failed first; nothing when the plan has none.
fn check_lines(checks: &[CheckTotal]) -> String {
    let mut out = String::new();
    for check in checks {
        if out.is_empty() {
            out.push_str("checks:\n  passed        failed        share    check\n");
        }
        let share = check.count.passed_share().map_or_else(|| "-".to_owned(), |share| Unit::Share.show(share));
        let soft = if check.soft { " (soft)" } else { "" };
        out.push_str(&format!(
            "  {:<12}  {:<12}  {share:<7}  {}: {}{soft}\n",
            count(check.count.passed),
            count(check.count.failed),
            check.operation,
            one_line(&check.name),
        ));
    }
    out
}

/// A name may hold anything: what could steer a terminal, or begin a line of its own, is made visible.
fn one_line(name: &str) -> String {
    name.chars().map(|c| if c.is_control() { c.escape_default().to_string() } else { c.to_string() }).collect()
}

fn generator_lines(facts: &Facts) -> String {
    let lag = facts.generator().map(|row| row.send_lag_max_ns).max().unwrap_or(0);
    let p99 = facts.generator().map(|row| row.send_lag_p99_ns).max().unwrap_or(0);
    let cpu: f64 = facts.generator().map(|row| row.cpu_s).sum();
    let late: u64 = facts.generator().map(|row| row.sent_late).sum();
    let sent: u64 = facts.generator().map(|row| row.sent).sum();
    let waited: u64 = facts.generator().map(|row| row.waited_for_connection).sum();
    let mut out = format!(
        "generator: sent {}; its own send lag at worst p99 {} in an interval, max {}; CPU {}\n",
        count(sent),
        nanos(p99),
        nanos(lag),
        Unit::Seconds.show(cpu),
    );
    if let Some(segment) = segment(facts) {
        out.push_str(&format!("note: this is segment {} of {} of the load\n", segment.number, segment.of));
    }
    if let Some(lookup) = lookup_ns(facts) {
        out.push_str(&format!("note: the target's name was looked up once, in {}\n", nanos(lookup)));
    }
    if let Some(tick) = tick_ns(facts) {
        out.push_str(&format!("note: precision coarse: arrivals were sent at multiples of {}\n", nanos(tick)));
    }
    if waited > 0 {
        out.push_str(&format!(
            "note: {} waited for a connection because all were in use; their wait is in the response time\n",
            plural(waited, "arrival")
        ));
    }
    if late > 0 {
        out.push_str(&format!(
            "warning: the generator itself was late for {}: the response times of those moments are partly its own; \
             give it more cores (generator.workers), less load, or a machine of its own\n",
            plural(late, "request")
        ));
    }
    out
}

fn tick_ns(facts: &Facts) -> Option<u64> {
    facts.traffic.as_ref()?.header.body.tick_ns
}

fn lookup_ns(facts: &Facts) -> Option<u64> {
    facts.traffic.as_ref()?.header.body.lookup_ns
}

fn segment(facts: &Facts) -> Option<SegmentFact> {
    facts.traffic.as_ref()?.header.body.segment
}

fn json(facts: &Facts) -> Value {
    let phases = phase_names(facts).into_iter().enumerate().map(|(index, name)| {
        let scope = Scope { phase: Some(index as u32), ..Scope::default() };
        let mut phase = totals_json(&facts.totals(&scope));
        phase.insert("name".to_owned(), json!(name));
        Value::Object(phase)
    });
    let phases: Vec<Value> = phases.collect();
    json!({
        "run": facts.run.info().id,
        "segment": segment(facts).map(|segment| json!({ "number": segment.number, "of": segment.of })),
        "phases": phases,
        "total": totals_json(&facts.totals(&Scope::default())),
        "checks": facts.checks(&Scope::default()).iter().map(check_json).collect::<Vec<_>>(),
        "lookup_ns": lookup_ns(facts),
        "generator": {
            "sent": facts.generator().map(|row| row.sent).sum::<u64>(),
            "tick_ns": tick_ns(facts),
            "sent_late": facts.generator().map(|row| row.sent_late).sum::<u64>(),
            "send_lag_max_ns": facts.generator().map(|row| row.send_lag_max_ns).max(),
            "send_lag_p99_max_ns": facts.generator().map(|row| row.send_lag_p99_ns).max(),
            "waited_for_connection": facts.generator().map(|row| row.waited_for_connection).sum::<u64>(),
            "cpu_s": facts.generator().map(|row| row.cpu_s).sum::<f64>(),
        },
    })
}

fn check_json(check: &CheckTotal) -> Value {
    json!({
        "operation": check.operation,
        "name": check.name,
        "soft": check.soft,
        "passed": check.count.passed,
        "failed": check.count.failed,
        "passed_share": check.count.passed_share(),
    })
}

fn totals_json(totals: &Totals) -> Map<String, Value> {
    let outcomes = totals.ledger.outcomes().map(|(outcome, n)| (outcome.name().to_owned(), json!(n)));
    let statuses = totals.statuses.iter().map(|(status, n)| (status.to_string(), json!(n)));
    let value = json!({
        "seconds": totals.seconds,
        "scheduled": totals.ledger.scheduled(),
        "unfinished": totals.ledger.class(Class::Unfinished),
        "ended": outcomes.collect::<Map<_, _>>(),
        "statuses": statuses.collect::<Map<_, _>>(),
        "body_bytes": totals.body_bytes,
        "retries": totals.retries,
        "offered_per_s": totals.offered(),
        "achieved_per_s": totals.throughput(),
        "response_ns": quantiles_json(totals, Totals::response, &totals.served.response),
        "service_ns": quantiles_json(totals, Totals::service, &totals.served.service),
        "parts_ns": parts_json(&totals.timings),
    });
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

fn quantiles_json(
    totals: &Totals,
    quantile: impl Fn(&Totals, f64) -> Option<Percentile>,
    histogram: &Histogram,
) -> Value {
    let mut map = Map::new();
    for (name, q) in QUANTILES {
        let value = quantile(totals, q).map(|p| json!({ "value": p.nanos, "at_least": p.at_least }));
        map.insert(name.to_owned(), value.unwrap_or(Value::Null));
    }
    map.insert("mean".to_owned(), json!(histogram.mean()));
    map.insert("max".to_owned(), json!(histogram.max()));
    Value::Object(map)
}

/// The parts of requests' time, those that nobody had left out.
fn parts_json(timings: &Timings) -> Value {
    let parts = timings.parts().into_iter().filter(|(_, histogram)| !histogram.is_empty());
    let parts = parts.map(|(name, histogram)| {
        let mut map = Map::new();
        map.insert("count".to_owned(), json!(histogram.count()));
        for (name, q) in QUANTILES {
            map.insert(name.to_owned(), json!(histogram.quantile(q)));
        }
        map.insert("mean".to_owned(), json!(histogram.mean()));
        map.insert("max".to_owned(), json!(histogram.max()));
        (name.to_owned(), Value::Object(map))
    });
    Value::Object(parts.collect())
}

fn show(percentile: Percentile) -> String {
    let bound = if percentile.at_least { ">= " } else { "" };
    format!("{bound}{}", nanos(percentile.nanos))
}

fn nanos(nanos: u64) -> String {
    show_duration(Duration::from_nanos(nanos))
}

fn count(n: u64) -> String {
    show_count(n as f64)
}

fn plural(n: u64, word: &str) -> String {
    if n == 1 { format!("1 {word}") } else { format!("{} {word}s", count(n)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use plimsoll_record::checks::CheckCount;
    use plimsoll_record::timings::Opening;

    #[test]
    fn parts_of_time_are_a_line_each_as_far_as_requests_had_them() {
        let mut timings = Timings::default();
        assert_eq!((part_lines(&timings).as_str(), parts_json(&timings)), ("", json!({})));
        timings.open(Opening { connect_ns: 250_000, tls_ns: None });
        timings.first_byte.record(2_000_000);
        let lines = part_lines(&timings);
        let starts: Vec<&str> = lines.lines().map(|line| line[..14].trim()).collect();
        assert_eq!(starts, ["connect", "first byte"], "{lines}");
        assert!(lines.lines().next().is_some_and(|line| line.ends_with("(1)")), "{lines}");
        let json = parts_json(&timings);
        assert_eq!((&json["connect"]["count"], json["tls"].is_null()), (&json!(1), true));
        assert!(json["first_byte"]["p99"].as_u64().is_some_and(|p99| p99.abs_diff(2_000_000) < 2_000), "{json}");
    }

    #[test]
    fn checks_are_a_line_each_and_none_are_nothing() {
        let check = |name: &str, soft, passed, failed| CheckTotal {
            operation: "order".to_owned(),
            name: name.to_owned(),
            soft,
            count: CheckCount { passed, failed },
        };
        assert_eq!(check_lines(&[]), "");
        let lines = check_lines(&[check("$.state == 'done'", false, 1_998, 2), check("a\nb", true, 0, 0)]);
        let expected = "checks:\n  passed        failed        share    check\n  \
                        1,998         2             99.9 %   order: $.state == 'done'\n  \
                        0             0             -        order: a\\nb (soft)\n";
        assert_eq!(lines, expected);
    }
}
