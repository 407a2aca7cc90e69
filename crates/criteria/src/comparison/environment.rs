//! What else differs between two runs: a change of the machine explains a change of the numbers.

use plimsoll_record::summary::Facts;

/// What differs between the environments of two runs, in sentences; empty when nothing known does.
#[must_use]
pub fn differences(base: &Facts, candidate: &Facts) -> Vec<String> {
    let (a, b) = (&base.run.info().machine, &candidate.run.info().machine);
    let mut list = Vec::new();
    let mut compare = |what: &str, before: &str, after: &str| {
        if before != after {
            list.push(format!("{what}: {} -> {}", or_unknown(before), or_unknown(after)));
        }
    };
    compare("platform", &a.platform, &b.platform);
    compare("kernel", &a.kernel, &b.kernel);
    compare("cores", &a.cores.to_string(), &b.cores.to_string());
    compare("CPU", &a.cpu, &b.cpu);
    let producer = |facts: &Facts| facts.traffic.as_ref().map(|file| file.header.producer.clone()).unwrap_or_default();
    compare("generator", &producer(base), &producer(candidate));
    let workers = |facts: &Facts| facts.traffic.as_ref().map_or(0, |file| file.header.body.workers).to_string();
    compare("workers of the generator", &workers(base), &workers(candidate));
    let identity = |facts: &Facts| facts.redis.as_ref().map(|redis| redis.header.identity.clone()).unwrap_or_default();
    let (before, after) = (identity(base), identity(candidate));
    let keys: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    for key in keys.into_iter().filter(|key| !changes_by_itself(key)) {
        let of = |of: &std::collections::BTreeMap<String, String>| of.get(key).cloned().unwrap_or_default();
        compare(&format!("Redis {key}"), &of(&before), &of(&after));
    }
    list.extend(plans(base, candidate));
    list
}

/// Facts of a server that differ from start to start.
fn changes_by_itself(key: &str) -> bool {
    ["run_id", "process_id", "pid", "port", "tcp_port"].contains(&key)
}

fn or_unknown(text: &str) -> &str {
    if text.is_empty() { "unknown" } else { text }
}

/// Lines that only one of the two plans has.
fn plans(base: &Facts, candidate: &Facts) -> Option<String> {
    let lines = |facts: &Facts| -> Vec<String> {
        let text = facts.plan.as_deref().unwrap_or_default();
        text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
    };
    let (before, after) = (lines(base), lines(candidate));
    let only = |of: &[String], other: &[String]| of.iter().filter(|line| !other.contains(line)).cloned().collect();
    let (gone, new): (Vec<String>, Vec<String>) = (only(&before, &after), only(&after, &before));
    let example = new.first().or(gone.first())?;
    let n = gone.len().max(new.len());
    let lines = if n == 1 { "line" } else { "lines" };
    Some(format!("plan: {n} {lines} differ, the first is `{example}`"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Script;

    #[test]
    fn runs_of_one_machine_and_plan_differ_in_nothing() {
        let (a, b) = (Script::healthy(10).record(), Script::healthy(10).record());
        assert_eq!(differences(&a.facts, &b.facts), Vec::<String>::new());
    }

    #[test]
    fn a_machine_and_a_plan_that_changed_are_named() {
        let (a, b) = (Script::healthy(10).record(), Script::healthy(10).record());
        let path = b.dir.path().join("run.json");
        let mut info: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        info["machine"]["cores"] = 777.into();
        std::fs::write(&path, info.to_string()).unwrap();
        std::fs::write(a.dir.path().join("plan.toml"), "rate = \"10/s\"\nname = \"x\"\n").unwrap();
        std::fs::write(b.dir.path().join("plan.toml"), "rate = \"20/s\"\nname = \"x\"\n").unwrap();
        let load = |recorded: &crate::testing::Recorded| Facts::load(recorded.dir.path()).unwrap();
        let list = differences(&load(&a), &load(&b)).join("\n");
        assert!(
            list.contains("-> 777") && list.contains("plan: 1 line differ, the first is `rate = \"20/s\"`"),
            "{list}"
        );
    }
}
