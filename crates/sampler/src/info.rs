//! The answer of Redis's INFO, parsed: `field:value` lines under `# Section` headings.
//!
//! Made for answers that are not what they should be: whatever does not look like a field is passed over, a value that
//! is not a number reads as missing, nothing panics. What the fields mean is not decided here.

use std::collections::BTreeMap;

use plimsoll_plan::HostPort;
use serde_json::Value;

/// The most fields kept of one answer; a server has some 300 and one per database.
const MAX_FIELDS: usize = 20_000;

/// Fields of INFO by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Info {
    fields: BTreeMap<String, String>,
    sections: Vec<String>,
}

/// One database of the keyspace.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Database {
    /// Its number.
    pub number: u32,
    /// Its keys.
    pub keys: f64,
    /// Its keys with a time to live; `None` where the source does not say.
    pub expires: Option<f64>,
    /// The mean time left of those, in seconds; `None` where the source does not know.
    pub avg_ttl_s: Option<f64>,
}

/// A replica as its primary sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Replica {
    /// Where it is.
    pub address: Option<HostPort>,
    /// How far it has come.
    pub offset: Option<f64>,
}

impl Replica {
    /// Reads `ip=10.0.0.2,port=6379,state=online,offset=14,lag=0`.
    fn parse(text: &str) -> Self {
        let word = |name: &str| text.split(',').find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
        let port = word("port").and_then(|port| port.parse().ok());
        let host = word("ip").filter(|host| !host.is_empty()).map(str::to_owned);
        Self { address: host.zip(port).map(|(host, port)| HostPort { host, port }), offset: part(text, "offset") }
    }
}

impl Info {
    /// Reads the text of an INFO answer.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut info = Self::default();
        for line in text.lines().map(str::trim) {
            if let Some(section) = line.strip_prefix('#') {
                info.sections.push(section.trim().to_ascii_lowercase());
            } else if let Some((name, value)) = line.split_once(':') {
                info.insert(name, value);
            }
            if info.fields.len() >= MAX_FIELDS {
                break;
            }
        }
        info
    }

    /// Reads fields from JSON: flat or grouped in objects, values as numbers or as text. `usedMemory`,
    /// `used-memory` and `used_memory_bytes` all mean `used_memory`. The first of several fields of one name counts.
    #[must_use]
    pub fn from_json(value: &Value) -> Self {
        let mut info = Self::default();
        info.flatten("", value, 0);
        info
    }

    /// The value of a field, as text.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(String::as_str)
    }

    /// The value of a field, if it is a finite number.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<f64> {
        number(self.text(name)?)
    }

    /// True when the answer had this section, so that what it does not list is known to be absent.
    #[must_use]
    pub fn has_section(&self, section: &str) -> bool {
        self.sections.iter().any(|name| name == section)
    }

    /// True when no field was understood.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// The databases that hold keys, by number. `None` when the answer does not say.
    #[must_use]
    pub fn databases(&self) -> Option<Vec<Database>> {
        let mut databases: Vec<Database> = self.fields.iter().filter_map(database).collect();
        databases.sort_by_key(|database| database.number);
        (!databases.is_empty() || self.has_section("keyspace")).then_some(databases)
    }

    /// Every field that is a number.
    pub fn numbers(&self) -> impl Iterator<Item = (&str, f64)> {
        self.fields.iter().filter_map(|(name, value)| Some((name.as_str(), number(value)?)))
    }

    /// Fields that are lists such as `calls=3,usec=7`, under the names that `named` gives them; `None` passes a field
    /// over.
    #[must_use]
    pub fn rows(&self, named: impl Fn(&str) -> Option<String>) -> BTreeMap<String, BTreeMap<String, f64>> {
        let row = |(name, value): (&String, &String)| Some((named(name)?, parts(value)));
        self.fields.iter().filter_map(row).filter(|(_, row)| !row.is_empty()).collect()
    }

    /// The replicas that a primary lists.
    #[must_use]
    pub fn replicas(&self) -> Vec<Replica> {
        let is_replica = |name: &str| {
            name.strip_prefix("slave")
                .is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
        };
        let listed = self.fields.iter().filter(|(name, _)| is_replica(name));
        listed.map(|(_, value)| Replica::parse(value)).collect()
    }

    /// The value of a field that may be written in another case.
    #[must_use]
    pub fn any_case(&self, name: &str) -> Option<&str> {
        self.text(name).or_else(|| self.text(&snake_case(name)))
    }

    /// Gives a field another value, or takes it away.
    pub fn replace(&mut self, name: &str, value: Option<String>) {
        match value {
            Some(value) => drop(self.fields.insert(name.to_owned(), value)),
            None => drop(self.fields.remove(name)),
        }
    }

    /// True for the name of a database's field: `db0`.
    #[must_use]
    pub fn is_database(name: &str) -> bool {
        is_database(name)
    }

    /// Errors answered since the start, by their first word, e.g. `OOM`. `None` when the answer does not say.
    #[must_use]
    pub fn errors(&self) -> Option<BTreeMap<String, f64>> {
        let count = |(name, value): (&String, &String)| {
            Some((name.strip_prefix("errorstat_")?.to_owned(), part(value, "count")?))
        };
        let errors: BTreeMap<String, f64> = self.fields.iter().filter_map(count).collect();
        (!errors.is_empty() || self.has_section("errorstats")).then_some(errors)
    }

    fn insert(&mut self, name: &str, value: &str) {
        self.fields.insert(name.trim().to_owned(), value.trim().to_owned());
    }

    fn flatten(&mut self, name: &str, value: &Value, depth: usize) {
        if depth > 8 || self.fields.len() >= MAX_FIELDS {
            return;
        }
        match value {
            Value::Object(fields) if is_database(name) => self.insert(name, &database_text(fields)),
            Value::Object(fields) => {
                if !name.is_empty() {
                    self.sections.push(name.to_owned());
                }
                for (name, value) in fields {
                    self.flatten(&snake_case(name), value, depth + 1);
                }
            }
            Value::Number(number) => self.insert_first(name, &number.to_string()),
            Value::String(text) => self.insert_first(name, text),
            Value::Null | Value::Bool(_) | Value::Array(_) => {}
        }
    }

    fn insert_first(&mut self, name: &str, value: &str) {
        let known = match name.strip_suffix("_bytes").unwrap_or(name) {
            "fragmentation_ratio" | "memory_fragmentation_ratio" => "mem_fragmentation_ratio",
            "max_memory" => "maxmemory",
            name => name,
        };
        if self.text(known).is_none() {
            self.insert(known, value);
        }
    }
}

fn number(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|number: &f64| number.is_finite())
}

fn is_database(name: &str) -> bool {
    name.strip_prefix("db").is_some_and(|number| number.parse::<u32>().is_ok())
}

fn database((name, value): (&String, &String)) -> Option<Database> {
    let number = name.strip_prefix("db")?.parse().ok()?;
    let avg_ttl_s = part(value, "avg_ttl").filter(|millis| *millis > 0.0).map(|millis| millis / 1000.0);
    Some(Database { number, keys: part(value, "keys")?, expires: part(value, "expires"), avg_ttl_s })
}

/// One value of `keys=3,expires=1,avg_ttl=0`.
fn part(list: &str, name: &str) -> Option<f64> {
    let parts = list.split(',').filter_map(|part| part.split_once('='));
    parts.into_iter().find(|(key, _)| key.trim() == name).and_then(|(_, value)| number(value))
}

/// Every value of such a list that is a number.
fn parts(list: &str) -> BTreeMap<String, f64> {
    let parts = list.split(',').filter_map(|part| part.split_once('='));
    parts.filter_map(|(name, value)| Some((name.trim().to_owned(), number(value)?))).collect()
}

fn database_text(fields: &serde_json::Map<String, Value>) -> String {
    let parts = fields.iter().map(|(name, value)| match value {
        Value::String(text) => format!("{name}={text}"),
        other => format!("{name}={other}"),
    });
    parts.collect::<Vec<_>>().join(",")
}

fn snake_case(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    let mut previous_lower = false;
    for c in name.chars() {
        if c.is_ascii_uppercase() && previous_lower {
            snake.push('_');
        }
        previous_lower = c.is_ascii_lowercase() || c.is_ascii_digit();
        snake.push(if matches!(c, '-' | ' ' | '.') { '_' } else { c.to_ascii_lowercase() });
    }
    snake
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;
    use serde_json::json;

    use super::*;

    const ANSWER: &str = "# Server\r\nredis_version:7.0.15\r\nexecutable:/a:b/redis-server\r\n\r\n# Memory\r\n\
        used_memory:1048576\r\nused_memory_human:1.00M\r\nmem_fragmentation_ratio:nan\r\n# Errorstats\r\n\
        errorstat_OOM:count=17\r\n# Keyspace\r\ndb0:keys=3,expires=1,avg_ttl=0\r\ndb12:keys=40,expires=9,avg_ttl=2500\r\n";

    #[test]
    fn a_servers_answer_is_understood() {
        let info = Info::parse(ANSWER);
        assert_eq!(info.number("used_memory"), Some(1_048_576.0));
        assert_eq!(info.text("executable"), Some("/a:b/redis-server"));
        assert_eq!(info.errors().unwrap()["OOM"], 17.0);
        let databases = info.databases().unwrap();
        assert_eq!(databases.iter().map(|database| database.number).collect::<Vec<_>>(), [0, 12]);
        assert_eq!(databases[0].expires, Some(1.0));
        assert_eq!((databases[0].avg_ttl_s, databases[1].avg_ttl_s), (None, Some(2.5)));
    }

    #[test]
    fn what_is_not_a_number_is_missing() {
        let info = Info::parse(ANSWER);
        assert_eq!(info.number("used_memory_human"), None);
        assert_eq!(info.number("mem_fragmentation_ratio"), None, "nan is no value");
        assert_eq!(info.number("used_memory_rss"), None);
    }

    #[test]
    fn an_empty_keyspace_is_known_and_an_unasked_one_is_not() {
        assert_eq!(Info::parse("# Keyspace\n").databases(), Some(Vec::new()));
        assert_eq!(Info::parse("used_memory:1\n").databases(), None);
        assert_eq!(Info::parse("used_memory:1\n").errors(), None);
    }

    #[test]
    fn json_fields_are_found_flat_or_nested_as_numbers_or_text() {
        let nested = json!({"redis": {"memory": {"usedMemory": "2048", "used_memory_rss_bytes": 4096}},
            "fragmentation_ratio": 1.5, "db0": {"keys": 7, "expires": 2}, "ok": true});
        let info = Info::from_json(&nested);
        assert_eq!(info.number("used_memory"), Some(2048.0));
        assert_eq!(info.number("used_memory_rss"), Some(4096.0));
        assert_eq!(info.number("mem_fragmentation_ratio"), Some(1.5));
        assert_eq!(
            info.databases().unwrap()[0],
            Database { number: 0, keys: 7.0, expires: Some(2.0), avg_ttl_s: None }
        );
        assert_eq!(Info::from_json(&json!({"used_memory": 1})).number("used_memory"), Some(1.0));
    }

    #[test]
    fn lists_are_rows_and_replicas_are_found() {
        let info = Info::parse(
            "cmdstat_get:calls=3,usec=9,usec_per_call=3.00,junk=x\nslave0:ip=10.0.0.2,port=6380,state=online,offset=14\n\
             slave_read_only:1\n",
        );
        let rows = info.rows(|name| name.strip_prefix("cmdstat_").map(str::to_owned));
        assert_eq!(
            rows["get"],
            BTreeMap::from([("calls".into(), 3.0), ("usec".into(), 9.0), ("usec_per_call".into(), 3.0)])
        );
        let address = Some(HostPort { host: "10.0.0.2".to_owned(), port: 6380 });
        assert_eq!(info.replicas(), [Replica { address, offset: Some(14.0) }]);
    }

    #[test]
    fn junk_of_10_000_databases_is_read_within_bounds() {
        let junk: String = (0..10_000).map(|n| format!("db{n}:keys={n},expires=x,avg_ttl=,=,,=3\r\n")).collect();
        let info = Info::parse(&format!("# Memory\r\nused_memory:1\r\n# Keyspace\r\n{junk}"));
        let databases = info.databases().unwrap();
        assert_eq!((databases.len(), databases[9_999].keys, databases[1].expires), (10_000, 9_999.0, None));
        let endless: String = (0..100_000).map(|n| format!("field{n}:1\n")).collect();
        assert_eq!(Info::parse(&endless).numbers().count(), MAX_FIELDS);
    }

    proptest! {
        #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(7), ..ProptestConfig::default() })]
        #[test]
        fn junk_never_panics_and_never_makes_a_number(text in "(?s).{0,400}") {
            let info = Info::parse(&text);
            let _ = (info.databases(), info.errors(), info.replicas(), info.rows(|name| Some(name.to_owned())));
            prop_assert!(info.number("used_memory").is_none() || text.contains("used_memory"));
        }

        #[test]
        fn any_bytes_between_the_fields_leave_the_values_finite(
            bytes in proptest::collection::vec(any::<u8>(), 0..300),
            at in 0..ANSWER.len(),
        ) {
            let mut answer = ANSWER.as_bytes().to_vec();
            answer.splice(at..at, bytes);
            let info = Info::parse(&String::from_utf8_lossy(&answer));
            let values = crate::redis::values(&info);
            prop_assert!(values.values().all(|value| value.is_finite()));
            prop_assert!(info.numbers().all(|(_, value)| value.is_finite()));
        }

        #[test]
        fn a_damaged_answer_keeps_its_whole_lines(cut in 0..ANSWER.len(), noise in "[a-z:=,#\\r\\n0-9]{0,40}") {
            let info = Info::parse(&format!("{noise}\r\n{}", &ANSWER[..cut]));
            if cut > 120 {
                prop_assert_eq!(info.number("used_memory"), Some(1_048_576.0));
            }
            if let Some(databases) = info.databases() {
                prop_assert!(databases.iter().all(|database| database.keys.is_finite()));
            }
        }
    }
}
