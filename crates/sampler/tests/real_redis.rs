//! The watcher against a real Redis: what is sampled, and what happens when the server is refused, gone, hung, full.

#![expect(clippy::unwrap_used, reason = "what a test sets up is there, or the test fails")]

mod kinds;
mod support;

use std::path::Path;
use std::time::Duration;

use plimsoll_plan::{LogWatch, ProcessWatch, RedisSource, Surroundings, Watch};
use plimsoll_record::RunDir;
use plimsoll_record::events::{Event, Level};
use plimsoll_record::files::{EndReason, WriteError};
use plimsoll_record::logs::LogFact;
use plimsoll_record::metric::{Metric, Source};
use plimsoll_record::series::{GapReason, MarkKind, Sample, SeriesFact};
use plimsoll_record::summary::Facts;
use plimsoll_sampler::{StartError, Update, Watcher};
use rustix::process::Signal;
use support::{RedisServer, watch};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

const PRODUCER: &str = "test 0";
/// Longer than anything here should take.
const PATIENCE: Duration = Duration::from_secs(8);

/// A watcher at work, and what it tells.
struct Session {
    watcher: Watcher,
    updates: mpsc::Receiver<Update>,
}

impl Session {
    async fn start(watch: &Watch, run: Option<&RunDir>) -> Result<Self, StartError> {
        let (sender, updates) = mpsc::channel(1024);
        Ok(Self { watcher: Watcher::start(watch, run, PRODUCER, sender).await?, updates })
    }

    /// The next update that `found` recognises.
    async fn until<T>(&mut self, what: &str, mut found: impl FnMut(&Update) -> Option<T>) -> T {
        let search = async {
            while let Some(update) = self.updates.recv().await {
                if let Some(found) = found(&update) {
                    return found;
                }
            }
            panic!("the watcher ended before: {what}");
        };
        tokio::time::timeout(PATIENCE, search).await.unwrap_or_else(|_| panic!("not seen in time: {what}"))
    }

    async fn sample(&mut self) -> Sample {
        self.until("a sample", sample).await
    }

    async fn gap(&mut self) -> GapReason {
        self.until("a gap", |update| match update {
            Update::Fact { fact: SeriesFact::Gap(gap), .. } => Some(gap.reason),
            _ => None,
        })
        .await
    }

    async fn mark(&mut self) -> MarkKind {
        self.until("a mark", |update| match update {
            Update::Fact { fact: SeriesFact::Mark(mark), .. } => Some(mark.kind),
            _ => None,
        })
        .await
    }

    async fn finish(self) {
        self.watcher.finish(EndReason::Completed).await.unwrap();
    }
}

fn sample(update: &Update) -> Option<Sample> {
    match update {
        Update::Fact { fact: SeriesFact::Sample(sample), source: Source::Redis, .. } => Some(sample.clone()),
        _ => None,
    }
}

/// A source as a plan names it.
fn named(text: &str) -> RedisSource {
    plimsoll_plan::parse_redis(text, &Surroundings::NONE).unwrap()
}

fn run_in(dir: &Path) -> RunDir {
    RunDir::create_or_join(dir, "test", PRODUCER).unwrap()
}

#[tokio::test]
async fn a_watch_leaves_a_complete_record_of_redis_host_and_process() {
    let server = RedisServer::start(&["--maxmemory", "64mb"]);
    let dir = tempfile::tempdir().unwrap();
    let process = Some(ProcessWatch::Pid(std::process::id()));
    let watch = Watch { host: true, process, ..watch(server.source("", None)) };
    let mut session = Session::start(&watch, Some(&run_in(dir.path()))).await.unwrap();
    server.fill(500, 1000);
    session.until("the keys", |update| sample(update).filter(|sample| sample.values["keys"] == 500.0)).await;
    session.finish().await;

    let facts = Facts::load(dir.path()).unwrap();
    let redis = facts.redis.unwrap();
    // A busy machine may keep the sampler itself from running; Redis answers whenever it is asked.
    let unanswered = redis.gaps.iter().filter(|gap| gap.reason != GapReason::Late).count();
    assert!(!redis.partial && unanswered == 0, "{:?}", redis.gaps);
    assert_eq!(redis.header.identity["maxmemory_policy"], "noeviction");
    let used = redis.values(Metric::find("redis.used_memory").unwrap(), None);
    assert!(used.windows(2).all(|pair| pair[0].0 < pair[1].0), "times rise");
    assert!(used.last().unwrap().1 > used[0].1 + 500_000.0, "{used:?}");
    assert_eq!(redis.samples[0].values["maxmemory"], 64.0 * 1024.0 * 1024.0);
    assert!(facts.host.unwrap().samples[0].values["memory_used"] > 0.0);
    assert!(facts.process.unwrap().samples[0].values["rss"] > 0.0);
}

#[tokio::test]
async fn a_second_watcher_of_the_same_run_is_refused() {
    let server = RedisServer::start(&[]);
    let dir = tempfile::tempdir().unwrap();
    let run = run_in(dir.path());
    let first = Session::start(&watch(server.source("", None)), Some(&run)).await.unwrap();
    let second = Session::start(&watch(server.source("", None)), Some(&run)).await;
    assert!(matches!(second.err(), Some(StartError::Record(WriteError::Exists { .. }))));
    first.finish().await;
}

#[tokio::test]
async fn passwords_open_the_door_and_never_reach_a_file_or_a_message() {
    let server = RedisServer::start(&["--requirepass", "hunter2"]);
    let refused = Session::start(&watch(server.source("", None)), None).await.err().unwrap().to_string();
    assert!(refused.contains("127.0.0.1") && refused.contains("NOAUTH") && refused.contains("PASSWORD@"), "{refused}");
    let refused = Session::start(&watch(server.source("", Some("hunter3"))), None).await.err().unwrap().to_string();
    assert!(refused.contains("WRONGPASS") && refused.contains("is wrong"), "{refused}");
    assert!(!refused.contains("hunter3"), "{refused}");

    let dir = tempfile::tempdir().unwrap();
    let session = Session::start(&watch(server.source("", Some("hunter2"))), Some(&run_in(dir.path()))).await.unwrap();
    session.finish().await;
    for entry in std::fs::read_dir(dir.path()).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        assert!(!text.contains("hunter2"), "{text}");
    }
}

#[tokio::test]
async fn the_advised_rights_suffice_and_fewer_are_explained() {
    let server = RedisServer::start(&[]);
    assert_eq!(server.command("ACL SETUSER watcher on >secret +ping +info +client|id"), "+OK");
    assert_eq!(server.command("ACL SETUSER blind on >secret +ping"), "+OK");
    let session = Session::start(&watch(server.source("watcher@", Some("secret"))), None).await.unwrap();
    session.finish().await;
    let refused =
        Session::start(&watch(server.source("blind@", Some("secret"))), None).await.err().unwrap().to_string();
    assert!(refused.contains("NOPERM") && refused.contains("+info"), "{refused}");
}

#[tokio::test]
async fn a_missing_server_is_named_with_the_cause() {
    let mut server = RedisServer::start(&[]);
    server.kill();
    let error = Session::start(&watch(server.source("", None)), None).await.err().unwrap().to_string();
    assert!(error.contains(&server.port.to_string()) && error.contains("Connection refused"), "{error}");
}

#[tokio::test]
async fn a_killed_server_is_gaps_and_its_return_is_marked() {
    let mut server = RedisServer::start(&[]);
    let dir = tempfile::tempdir().unwrap();
    let mut session = Session::start(&watch(server.source("", None)), Some(&run_in(dir.path()))).await.unwrap();
    session.sample().await;
    server.kill();
    assert_eq!(session.gap().await, GapReason::Unreachable);
    server.start_again();
    assert_eq!(session.mark().await, MarkKind::Restarted);
    session.sample().await;
    session.finish().await;
    let redis = Facts::load(dir.path()).unwrap().redis.unwrap();
    assert!(!redis.gaps.is_empty() && redis.marks.len() == 1, "{:?} {:?}", redis.gaps, redis.marks);
    let (from, to) = (redis.gaps[0].at_ns, redis.gaps[redis.gaps.len() - 1].at_ns);
    assert!(!redis.samples.iter().any(|sample| sample.at_ns > from && sample.at_ns < to), "nothing is carried forward");
}

#[tokio::test]
async fn a_suspended_server_is_timed_out_gaps_and_hangs_nothing() {
    let server = RedisServer::start(&[]);
    let watch = Watch { host: true, ..watch(server.source("", None)) };
    let mut session = Session::start(&watch, None).await.unwrap();
    server.signal(Signal::STOP);
    assert_eq!(session.gap().await, GapReason::TimedOut);
    let mut host_samples = 0;
    session
        .until("the host meanwhile", |update| {
            host_samples += u32::from(matches!(update, Update::Fact { source: Source::Host, .. }));
            (host_samples == 3).then_some(())
        })
        .await;
    server.signal(Signal::CONT);
    let later = session.until("a sample", sample).await;
    assert!(later.values["connected_clients"] <= 3.0, "connections given up don't pile up: {later:?}");
    server.signal(Signal::STOP);
    tokio::time::timeout(Duration::from_secs(3), session.finish()).await.expect("finishing is bounded");
    server.signal(Signal::CONT);
}

#[tokio::test]
async fn a_flush_is_marked() {
    let server = RedisServer::start(&[]);
    server.fill(100, 10);
    let mut session = Session::start(&watch(server.source("", None)), None).await.unwrap();
    session.sample().await;
    assert_eq!(server.command("FLUSHALL"), "+OK");
    assert_eq!(session.mark().await, MarkKind::Flushed);
    session.finish().await;
}

#[tokio::test]
async fn refused_writes_stop_the_load() {
    let server = RedisServer::start(&["--maxmemory", "4mb"]);
    let mut session = Session::start(&watch(server.source("", None)), None).await.unwrap();
    server.fill(6000, 1000);
    let mut seen = Vec::new();
    session
        .until("both alarms", |update| {
            if let Update::Alarm(alarm) = update {
                let Event::Alert { level, metric, .. } = &alarm.event else { panic!("{alarm:?}") };
                assert!(*level == Level::Critical && alarm.stop, "{alarm:?}");
                seen.push(metric.clone());
            }
            (seen.len() == 2).then_some(())
        })
        .await;
    assert_eq!(seen, ["redis.used_memory", "redis.oom_errors"]);
    session.finish().await;
}

#[tokio::test]
async fn a_log_that_its_service_overwrites_on_start_is_counted_from_there() {
    let server = RedisServer::start(&[]);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("service.log");
    let limited = "{\"event\":\"RATE_LIMITED\",\"limit_type\":\"per_minute\"}\n";
    std::fs::write(&path, limited.repeat(50)).unwrap();
    let log = LogWatch {
        name: "service".to_owned(),
        path: path.clone(),
        event: Some("RATE_LIMITED".to_owned()),
        count_by: Some("limit_type".to_owned()),
        ..LogWatch::default()
    };
    let watch = Watch { logs: vec![log], ..watch(server.source("", None)) };
    let mut session = Session::start(&watch, Some(&run_in(&dir.path().join("run")))).await.unwrap();
    std::fs::write(&path, format!("{limited}OOM command not allowed\n")).unwrap();
    session.until("the alarm", |update| matches!(update, Update::Alarm(_)).then_some(())).await;
    std::fs::write(&path, format!("{limited}{limited}half a line")).unwrap();
    session.finish().await;

    let logs = Facts::load(&dir.path().join("run")).unwrap().logs.unwrap();
    let counts =
        logs.facts.iter().filter_map(|fact| if let LogFact::Counts(counts) = fact { Some(counts) } else { None });
    let events: Vec<_> = counts.clone().flat_map(|counts| counts.events.clone()).collect();
    let total = |event: &str| events.iter().filter(|e| e.event == event).map(|e| e.count).sum::<u64>();
    assert_eq!((total("RATE_LIMITED"), total("oom")), (3, 1));
    assert_eq!(counts.map(|counts| counts.lines).sum::<u64>(), 4, "neither old nor half lines count");
    assert!(events.iter().any(|event| event.value.as_deref() == Some("per_minute")));
}

/// Answers every request on a free port with what `answer` makes of it.
async fn serve(answer: fn(&str) -> String) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut buffer = vec![0; 4096];
                while let Ok(n) = stream.read(&mut buffer).await {
                    let request = String::from_utf8_lossy(&buffer[..n]).into_owned();
                    if n == 0 || stream.write_all(answer(&request).as_bytes()).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    port
}

#[tokio::test]
async fn an_http_endpoint_gives_the_same_values() {
    let port = serve(|request| {
        assert!(request.starts_with("GET /redis-info?token=s3cret HTTP/1.1\r\n"), "{request}");
        let body = r#"{"memory":{"used_memory":"1048576","used_memory_rss":2097152},"mem_fragmentation_ratio":2.0}"#;
        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
    })
    .await;
    let url = format!("http://127.0.0.1:{port}/redis-info?token=s3cret");
    let dir = tempfile::tempdir().unwrap();
    let mut session = Session::start(&watch(named(&url)), Some(&run_in(dir.path()))).await.unwrap();
    let values = session.sample().await.values;
    session.finish().await;
    assert_eq!((values["used_memory"], values["used_memory_rss"]), (1_048_576.0, 2_097_152.0));
    assert!(!values.contains_key("keys"), "what the endpoint does not say is missing");
    let source = Facts::load(dir.path()).unwrap().redis.unwrap().header.source;
    assert_eq!(source, format!("http://127.0.0.1:{port}/redis-info"), "the token is not recorded");
}

#[tokio::test]
async fn the_plan_says_which_value_of_an_endpoint_is_which() {
    let port = serve(|_| {
        let body = r#"{"redis":[{"mem":{"bytes":"2048"}}],"keyCount":7,"used_memory":1,"rss":"n/a"}"#;
        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
    })
    .await;
    let fields = "{ used_memory = \"$.redis[0].mem.bytes\", keys = \"keyCount\", used_memory_rss = \"rss\" }";
    let source = named(&format!("{{ url = \"http://127.0.0.1:{port}/redis-info\", fields = {fields} }}"));
    let mut session = Session::start(&watch(source), None).await.unwrap();
    let values = session.sample().await.values;
    session.finish().await;
    assert_eq!((values["used_memory"], values["keys"]), (2048.0, 7.0));
    assert!(!values.contains_key("used_memory_rss"), "what is no number is missing");
}

#[tokio::test]
async fn an_endpoint_that_answers_something_else_is_explained() {
    let port = serve(|_| "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello".to_owned()).await;
    let url = format!("http://127.0.0.1:{port}/");
    let error = Session::start(&watch(named(&url)), None).await.err().unwrap().to_string();
    assert!(error.contains("not JSON") && error.contains("fields of INFO"), "{error}");
}

#[tokio::test]
async fn a_server_that_knows_one_section_at_a_time_is_asked_for_all() {
    let port = serve(|request| {
        let info = "# Server\r\nredis_version:5.0.14\r\n# Memory\r\nused_memory:77\r\n# Keyspace\r\n";
        match request {
            request if request.contains("PING") => "+PONG\r\n".to_owned(),
            request if request.starts_with("*2") && request.contains("CLIENT") => ":1\r\n".to_owned(),
            request if request.starts_with("*1") || request.starts_with("*2") => {
                format!("${}\r\n{info}\r\n", info.len())
            }
            _ => "-ERR syntax error\r\n".to_owned(),
        }
    })
    .await;
    let url = format!("redis://127.0.0.1:{port}");
    let mut session = Session::start(&watch(named(&url)), None).await.unwrap();
    assert_eq!(session.sample().await.values["used_memory"], 77.0);
    session.finish().await;
}
