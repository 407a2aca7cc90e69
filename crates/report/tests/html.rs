//! What must hold of the HTML page, whatever the run: it loads nothing, hostile text is inert, gaps stay open,
//! missing numbers are words, and it stays small.

#![expect(clippy::unwrap_used, reason = "a test may panic; what it panics with says why")]

mod fixture;
mod markup;

use std::collections::BTreeSet;

use fixture::Shape;
use markup::{Tag, tags};
use plimsoll_record::RunDir;
use plimsoll_record::checks::CheckFact;
use plimsoll_record::summary::Facts;
use plimsoll_record::units::Unit;
use plimsoll_record::verdict::Skipped;
use plimsoll_report::html;

const HOSTILE: &str = r#""><script>alert(1)</script><img src=http://evil.example/x onerror='alert(2)'>"#;
const ALSO_HOSTILE: &str = "</style></script></title></textarea><svg onload=alert(3)>\u{202e}\u{1b}[31m";

fn page_of(shape: &Shape) -> String {
    let dir = tempfile::tempdir().unwrap();
    html(&fixture::run(dir.path(), shape), &fixture::verdict())
}

fn curve(page: &str, name: &str) -> Tag {
    let all = tags(page);
    let found = all.iter().find(|tag| tag.get("data-name") == Some(name));
    found.unwrap_or_else(|| panic!("no curve called {name}")).clone()
}

#[test]
fn the_page_loads_nothing() {
    for tag in tags(&page_of(&Shape::eventful())) {
        for (name, value) in &tag.attributes {
            if matches!(name.as_str(), "href" | "src" | "srcset" | "action" | "xlink:href" | "poster" | "data") {
                assert!(value.starts_with('#') || value == "data:,", "{} {name}={value}", tag.name);
            }
            assert!(!name.starts_with("on"), "{} {name}={value}", tag.name);
        }
        assert!(!matches!(tag.name.as_str(), "img" | "iframe" | "object" | "embed" | "base" | "form"), "{tag:?}");
    }
}

#[test]
fn the_policy_forbids_what_the_page_does_not_do() {
    let page = page_of(&Shape::calm(5));
    let all = tags(&page);
    let policy = all.iter().find(|tag| tag.get("http-equiv") == Some("Content-Security-Policy")).unwrap();
    assert!(policy.get("content").unwrap().starts_with("default-src 'none'; "), "{policy:?}");
    for forbidden in ["@import", "url(http", "fetch(", "XMLHttpRequest", "innerHTML", "eval("] {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
}

#[test]
fn checks_are_shown_with_what_failed_first_and_only_where_there_are_some() {
    assert!(!page_of(&Shape::calm(5)).contains("Checks of answers"));
    let check = |name: &str, soft| CheckFact { operation: 1, name: name.to_owned(), soft };
    let quick = CheckFact { operation: 0, name: "quick".to_owned(), soft: false };
    let checks = vec![quick, check("size <= 1MB", true), check("has items", false)];
    let page = page_of(&Shape { checks, operations: vec!["list".into(), "get".into()], ..Shape::calm(20) });
    let table = &page[page.find("Checks of answers with").unwrap()..];
    let at = |text: &str| table.find(text).unwrap_or_else(|| panic!("no {text}"));
    assert!(at("size &lt;= 1MB") < at("quick") && at("quick") < at("has items"), "the worst stands first");
    assert!(at("only counts") < at("<td>80</td><td>20</td><td>80.0 %</td>"), "soft, and 20 of 100 failed");
    assert!(at("<td>80</td>") < at("fails the request"));
}

#[test]
fn hostile_text_is_inert_wherever_it_comes_from() {
    let shape = Shape {
        phases: vec![(HOSTILE.into(), 10, 10), (ALSO_HOSTILE.into(), 10, 10)],
        operations: vec![HOSTILE.into(), ALSO_HOSTILE.into()],
        checks: vec![CheckFact { operation: 1, name: format!("{HOSTILE}{ALSO_HOSTILE}"), soft: true }],
        plan: format!("name = '''\n</code></pre>{HOSTILE}{ALSO_HOSTILE}'''\n"),
        log_value: format!("{HOSTILE}{ALSO_HOSTILE}"),
        around: true,
        ..Shape::calm(20)
    };
    let mut verdict = fixture::verdict();
    verdict.plan = HOSTILE.into();
    verdict.sentence = ALSO_HOSTILE.into();
    verdict.generator.reason = HOSTILE.into();
    verdict.concerns = vec![HOSTILE.into()];
    verdict.recommendations = vec![ALSO_HOSTILE.into()];
    for result in &mut verdict.criteria {
        result.id = HOSTILE.into();
        result.reason = ALSO_HOSTILE.into();
        result.hint = Some(HOSTILE.into());
    }
    let memory = verdict.memory.as_mut().unwrap();
    memory.drain.as_mut().unwrap().sentence = HOSTILE.into();
    let growth = &mut memory.components[0];
    (growth.metric, growth.reason) = (HOSTILE.into(), ALSO_HOSTILE.into());
    growth.cause.as_mut().unwrap().sentence = format!("`{HOSTILE}`");
    let evidence = &mut verdict.criteria[1].evidence;
    (evidence.limit_from, evidence.recommendation) = (Some(HOSTILE.into()), Some(format!("`{HOSTILE}`")));
    let (id, expression, reason) = (HOSTILE.to_owned(), HOSTILE.to_owned(), ALSO_HOSTILE.to_owned());
    verdict.skipped = vec![Skipped { id, expression, reason }];
    verdict.criteria[0].expression = format!("p99 {HOSTILE} < 1");
    verdict.criteria[0].scope = format!("phase {HOSTILE}");
    let dir = tempfile::tempdir().unwrap();
    let page = html(&fixture::run(dir.path(), &shape), &verdict);

    let names: Vec<String> = tags(&page).into_iter().map(|tag| tag.name).collect();
    assert_eq!(names.iter().filter(|name| *name == "script").count(), 1, "only the page's own script");
    assert_eq!(names.iter().filter(|name| *name == "img").count(), 0);
    assert!(tags(&page).iter().all(|tag| tag.attributes.iter().all(|(name, _)| !name.starts_with("on"))));
    assert!(page.contains("&lt;script&gt;alert(1)"), "the text itself is shown");
    assert!(!page.contains('\u{202e}') && !page.contains('\u{1b}'), "steering characters are shown as escapes");
}

#[test]
fn every_tag_has_each_attribute_once_and_every_id_is_unique() {
    let mut ids = BTreeSet::new();
    for tag in tags(&page_of(&Shape::eventful())) {
        let names: BTreeSet<&String> = tag.attributes.iter().map(|(name, _)| name).collect();
        assert_eq!(names.len(), tag.attributes.len(), "{tag:?}");
        if let Some(id) = tag.get("id") {
            assert!(ids.insert(id.to_owned()), "{id} twice");
        }
    }
}

#[test]
fn gaps_in_redis_are_not_bridged() {
    let page = page_of(&Shape::eventful());
    let used = curve(&page, "used");
    assert_eq!(used.get("d").unwrap().matches('M').count(), 2, "one run before the gap and one after it");
    let places: Vec<f64> = used.get("data-places").unwrap().split(' ').map(|place| place.parse().unwrap()).collect();
    let widest = places.windows(2).map(|pair| pair[1] - pair[0]).fold(0.0, f64::max);
    let usual = places[1] - places[0];
    assert!(widest > 8.0 * usual, "eight seconds without a point: {widest} against {usual}");
    assert!(page.contains("No data: unreachable."));
}

#[test]
fn seconds_missing_from_the_traffic_are_not_bridged() {
    let page = page_of(&Shape::eventful());
    assert_eq!(curve(&page, "achieved").get("d").unwrap().matches('M').count(), 2);
    assert_eq!(curve(&page, "p99").get("d").unwrap().matches('M').count(), 2);
    assert_eq!(curve(&page_of(&Shape::calm(20)), "p99").get("d").unwrap().matches('M').count(), 1);
}

#[test]
fn phases_limits_and_contaminated_seconds_are_marked() {
    let page = page_of(&Shape::eventful());
    let all = tags(&page);
    let with_class = |name: &str| all.iter().filter(|tag| tag.get("class") == Some(name)).count();
    assert!(page.contains("p99 &lt; 500 ms</text>"), "the limit line says which criterion it is");
    assert!(page.contains("warm-up</span>") && page.contains("cool-down</span>"));
    assert!(with_class("suspect") >= 5, "on every chart over time");
    assert!(page.contains("≥ "), "percentiles among timeouts are lower bounds");
}

#[test]
fn a_limit_of_one_endpoint_is_not_drawn_among_all_of_them() {
    let mut verdict = fixture::verdict();
    verdict.criteria = vec![fixture::criterion("p99 < 500ms", Unit::Seconds, 0.5)];
    let drawn = |scope: &str| {
        let dir = tempfile::tempdir().unwrap();
        let facts = fixture::run(dir.path(), &Shape::calm(20));
        let mut verdict = verdict.clone();
        verdict.criteria[0].scope = scope.to_owned();
        html(&facts, &verdict).contains("p99 &lt; 500 ms</text>")
    };
    assert!(drawn("") && drawn("phase steady"));
    assert!(!drawn("phase steady, endpoint check"));
}

#[test]
fn a_criterion_shows_its_limit_and_what_would_change_the_judgement() {
    let page = page_of(&Shape::calm(20));
    let criteria = &page[page.find("id=\"criteria\"").unwrap()..page.find("id=\"advice\"").unwrap()];
    for words in [
        "would pass at &lt; 930 ms",
        "<dt>Too many</dt><dd>69 observations are beyond the limit that may not be</dd>",
        "<dt>Would decide</dt><dd>about 15 min",
        "see <code>memwatch keys</code>",
        "limit &lt; 500 ms</text>",
        "aria-label=\"measured 871 ms, 792 ms to 930 ms (95 %), limit &lt; 500 ms\"",
    ] {
        assert!(criteria.contains(words), "{words}: {criteria}");
    }
    let values: Vec<bool> =
        criteria.split("svg class=\"value\"").skip(1).map(|value| value[..60].contains("<path")).collect();
    assert_eq!(values, [true, true, false, false], "diamonds beyond the limit, dots within");
}

#[test]
fn steps_in_memory_are_listed_in_order_with_what_they_were() {
    let page = page_of(&Shape::calm(130));
    let ledger = &page[page.find("Steps in memory:").unwrap()..];
    let at = |text: &str| ledger.find(text).unwrap_or_else(|| panic!("no {text}"));
    assert!(at("the table of keys doubled") < at("unexplained") && at("+524 kB") < at("-262 kB"));
    for words in ["leaking", "12,000 keys without a time to live came", "5.64 kB per request", "12.0 MB were left"] {
        assert!(page.contains(words), "{words}");
    }
    let mut verdict = fixture::verdict();
    verdict.memory = None;
    let dir = tempfile::tempdir().unwrap();
    assert!(!html(&fixture::run(dir.path(), &Shape::calm(5)), &verdict).contains("Steps in memory"));
}

#[test]
fn what_was_watched_around_the_service_has_a_section_and_what_was_not_has_none() {
    let page = page_of(&Shape { around: true, ..Shape::calm(60) });
    let keys = &page[page.find("id=\"keys\"").unwrap()..];
    let at = |text: &str| keys.find(text).unwrap_or_else(|| panic!("no {text}"));
    assert!(at("per_minute:{n}") < at("session:{n}"), "what grew most stands first");
    assert!(at("+10,000") < at("session:{n}") && at("1.00 MB/min") < at("session:{n}"));
    for name in ["active", "in transaction", "waiting", "per_minute"] {
        let known = tags(&page).iter().any(|tag| tag.get("data-name") == Some(name));
        assert_eq!(known, name != "in transaction", "{name}: drawn exactly when it was sampled");
    }
    let limits = page.contains("max_connections 100") && page.contains("100 %</td><td>0</td>");
    assert!(limits, "the limit of connections, and the availability of the probe");
    let calm = page_of(&Shape::calm(5));
    for id in ["keys", "database", "containers", "probes"] {
        assert!(page.contains(&format!("section id=\"{id}\"")) && page.contains(&format!("href=\"#{id}\"")), "{id}");
        assert!(!calm.contains(&format!("section id=\"{id}\"")) && !calm.contains(&format!("href=\"#{id}\"")), "{id}");
    }
}

#[test]
fn every_chart_has_a_name_a_description_and_a_table() {
    let page = page_of(&Shape::eventful());
    let all = tags(&page);
    let ids: BTreeSet<&str> = all.iter().filter_map(|tag| tag.get("id")).collect();
    let areas: Vec<&Tag> = all.iter().filter(|tag| tag.get("class") == Some("area")).collect();
    assert!(areas.len() >= 7, "{}", areas.len());
    for area in &areas {
        assert_eq!(area.get("role"), Some("img"));
        assert!(area.get("aria-labelledby").unwrap().split(' ').all(|id| ids.contains(id)), "{area:?}");
    }
    let tables = all.iter().filter(|tag| tag.get("class") == Some("data")).count();
    assert_eq!(tables, areas.len());
}

#[test]
fn a_run_without_any_facts_says_so_in_words() {
    let dir = tempfile::tempdir().unwrap();
    RunDir::create_or_join(dir.path(), "empty", "test").unwrap();
    let mut verdict = fixture::verdict();
    verdict.criteria.clear();
    let page = html(&Facts::load(dir.path()).unwrap(), &verdict);
    for words in [
        "The plan states no criteria",
        "No traffic was recorded in this run.",
        "No latency was measured",
        "Redis was not watched in this run",
        "The host was not watched in this run",
        "No process was watched in this run.",
        "No log was followed in this run.",
        "No generator took part in this run.",
        "The run has no plan.",
    ] {
        assert!(page.contains(words), "{words}");
    }
    assert!(!page.contains("NaN") && !page.contains("inf "));
}

#[test]
fn the_generators_resources_are_shown_at_their_worst() {
    let page = page_of(&Shape::calm(20));
    for words in ["21 of 1,024", "28,205", "Fewest local ports left", "Longest delay of an event loop"] {
        assert!(page.contains(words), "{words}");
    }
    assert!(curve(&page, "waiting for a core").get("d").is_some_and(|path| path.contains('L')));
}

#[test]
fn the_same_run_gives_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let first = fixture::run(dir.path(), &Shape::eventful());
    let again = Facts::load(dir.path()).unwrap();
    assert_eq!(html(&first, &fixture::verdict()), html(&again, &fixture::verdict()));
}

#[test]
fn the_page_of_an_hour_stays_below_a_megabyte() {
    let hour = Shape { operations: vec!["check".into()], every: 15, ..Shape::calm(3600) };
    let page = page_of(&hour);
    assert!(page.len() < 600_000, "{} bytes", page.len());
    assert!(!page.contains("NaN"));
}

#[test]
fn slow_requests_are_listed_the_slowest_first_and_counted() {
    let page = page_of(&Shape::eventful());
    let section = page.split_once("id=\"slowest\"").unwrap().1;
    let (timed_out, answered) = (section.find("timed out").unwrap(), section.find("503, unexpected status").unwrap());
    assert!(timed_out < answered && section[..timed_out].contains("≥ 5.00 s"), "{section}");
    assert!(section.contains("400 requests were slower than the plan calls slow."));
    assert!(page_of(&Shape::calm(5)).contains("No request was answered, so none was slow."));
}
