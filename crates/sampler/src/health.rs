//! An endpoint asked at each interval, on a new connection each time: how fast it answers, with which status, how
//! often it failed.
//!
//! That an endpoint fails is no hole in the record: it is what was seen. So a failure is a sample with `up` at 0, without
//! the latency and status it has not, and a mark where it goes down or comes up again, with the reason.

use std::collections::BTreeMap;
use std::time::Duration;

use plimsoll_plan::ProbeWatch;
use plimsoll_record::RunClock;
use plimsoll_record::series::MarkKind;

use crate::http::{Answer, Endpoint};
use crate::probe::{Failure, Probe, Reading, ReadingFuture};

/// Of the patience the watcher has, so that it is the probe that gives up, and says so in its sample.
const SHARE_OF_PATIENCE: f64 = 0.9;

/// Asks an endpoint.
pub struct HealthProbe {
    endpoint: Endpoint,
    status: Option<u16>,
    timeout: Duration,
    clock: RunClock,
    errors: u64,
    was_up: Option<bool>,
}

impl HealthProbe {
    /// A probe of the endpoint that `watch` names, which waits less than `patience` for the answer.
    #[must_use]
    pub fn new(watch: &ProbeWatch, clock: RunClock, patience: Duration) -> Self {
        let most = patience.mul_f64(SHARE_OF_PATIENCE);
        let timeout = watch.timeout.map_or(most, |timeout| timeout.min(most));
        let endpoint = Endpoint::new(&watch.url, &watch.tls);
        Self { endpoint, status: watch.status, timeout, clock, errors: 0, was_up: None }
    }

    async fn ask(&mut self) -> Reading {
        let asked = self.clock.now();
        let answer = tokio::time::timeout(self.timeout, self.endpoint.get()).await;
        let seconds = self.clock.now().since(asked) as f64 / 1e9;
        match answer {
            Ok(Ok(answer)) => self.answered(&answer, seconds),
            Ok(Err(Failure { detail, .. })) => self.reading(Some(detail)),
            Err(_) => self.reading(Some(format!("no answer within {} ms", self.timeout.as_millis()))),
        }
    }

    fn answered(&mut self, answer: &Answer, seconds: f64) -> Reading {
        let is_right = self.status.map_or(answer.status < 400, |status| status == answer.status);
        let mut reading = self.reading((!is_right).then(|| format!("it answered {}", answer.status)));
        reading.set("latency", Some(seconds));
        reading.set("status", Some(f64::from(answer.status)));
        reading
    }

    /// What every reading says, whether something is wrong or not.
    fn reading(&mut self, wrong: Option<String>) -> Reading {
        let up = wrong.is_none();
        self.errors += u64::from(!up);
        let mut reading = Reading::of([("up", f64::from(u8::from(up))), ("errors", self.errors as f64)]);
        match (self.was_up.replace(up), wrong) {
            (Some(true) | None, Some(why)) => reading.marks.push((MarkKind::Down, why)),
            (Some(false), None) => {
                let detail = format!("after {} answers that failed or were wrong", self.errors);
                reading.marks.push((MarkKind::Up, detail));
            }
            (_, _) => {}
        }
        reading
    }
}

impl Probe for HealthProbe {
    fn source(&self) -> String {
        self.endpoint.shown()
    }

    fn identity(&self) -> BTreeMap<String, String> {
        let right = self.status.map_or_else(|| "below 400".to_owned(), |status| status.to_string());
        BTreeMap::from([("expected_status".to_owned(), right)])
    }

    fn read(&mut self) -> ReadingFuture<'_> {
        Box::pin(async { Ok(self.ask().await) })
    }
}

#[cfg(test)]
mod tests {
    use plimsoll_plan::Tls;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use url::Url;

    use super::*;

    /// Answers each connection with the next of these, then no more.
    async fn server(answers: &'static [&'static str]) -> Url {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = Url::parse(&format!("http://{}/health?token=1", listener.local_addr().unwrap())).unwrap();
        tokio::spawn(async move {
            for answer in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = [0; 1024];
                let _ = stream.read(&mut request).await.unwrap();
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        url
    }

    fn probe(url: &Url, status: Option<u16>) -> HealthProbe {
        let watch =
            ProbeWatch { name: "health".to_owned(), url: url.clone(), tls: Tls::default(), status, timeout: None };
        HealthProbe::new(&watch, RunClock::start(), Duration::from_secs(5))
    }

    const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    const BUSY: &str = "HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n";

    fn kinds(reading: &Reading) -> Vec<MarkKind> {
        reading.marks.iter().map(|(kind, _)| *kind).collect()
    }

    #[tokio::test]
    async fn failures_are_counted_and_marked_where_they_begin_and_end() {
        let mut probe = probe(&server(&[OK, BUSY, BUSY, OK]).await, None);
        let first = probe.ask().await;
        assert_eq!((first.values["up"], first.values["status"], first.values["errors"]), (1.0, 200.0, 0.0));
        assert!(first.values["latency"] > 0.0 && first.marks.is_empty(), "{first:?}");
        let busy = probe.ask().await;
        assert_eq!((busy.values["up"], busy.values["status"]), (0.0, 503.0));
        assert_eq!((kinds(&busy), busy.marks[0].1.as_str()), (vec![MarkKind::Down], "it answered 503"));
        assert_eq!((kinds(&probe.ask().await), kinds(&probe.ask().await)), (vec![], vec![MarkKind::Up]));
        let gone = probe.ask().await;
        assert_eq!((gone.values.get("status"), gone.values.get("latency"), gone.values["errors"]), (None, None, 3.0));
        assert!(gone.marks[0].1.contains("refused"), "{gone:?}");
    }

    #[tokio::test]
    async fn the_status_that_is_right_may_be_any() {
        let reading = probe(&server(&[BUSY]).await, Some(503)).ask().await;
        assert_eq!(reading.values["up"], 1.0);
    }

    #[tokio::test]
    async fn an_endpoint_that_never_answers_is_given_up() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
        let mut probe = probe(&url, None);
        probe.timeout = Duration::from_millis(20);
        assert!(probe.ask().await.marks[0].1.contains("no answer within 20 ms"));
        assert!(!probe.source().contains("token"));
    }
}
