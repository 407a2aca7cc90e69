//! What a watcher reads: metrics and the pool.

use tokio::task::JoinSet;

use crate::fixture::{Redis, Service, eventually};

#[tokio::test]
async fn metrics_count_requests_and_durations_of_all_threads() {
    let redis = Redis::start().await;
    let service = Service::start(&redis, &[]);
    // Connections go to the two threads in turn.
    for _ in 0..4 {
        service.http().await.get("/").await;
    }
    let mut http = service.http().await;
    http.get("/api/tasks/7f").await;
    http.get("/nowhere").await;
    let answer = http.get("/metrics").await;
    let kind = answer.headers["content-type"].to_str().unwrap();
    assert!(kind.starts_with("application/openmetrics-text; version=1.0.0"), "{kind}");
    let expected = [
        "http_requests_total{method=\"GET\",path=\"/\",status=\"2xx\"} 4",
        "http_requests_total{method=\"GET\",path=\"/api/tasks/{id}\",status=\"4xx\"} 1",
        "http_requests_total{method=\"other\",path=\"other\",status=\"4xx\"} 1",
        "http_request_duration_seconds_bucket{method=\"GET\",path=\"/\",le=\"+Inf\"} 4",
        "http_request_duration_seconds_count{method=\"GET\",path=\"/\"} 4",
        "redis_pool_size 100",
        "redis_pool_available 100",
        "redis_pool_active 0",
    ];
    let lines: Vec<&str> = answer.text.lines().collect();
    for line in expected {
        assert!(lines.contains(&line), "{line} is not in\n{}", answer.text);
    }
    assert_eq!(lines.last(), Some(&"# EOF"));
    let buckets: Vec<u64> = lines
        .iter()
        .filter(|line| line.starts_with("http_request_duration_seconds_bucket{method=\"GET\",path=\"/\""))
        .map(|line| line.rsplit_once(' ').unwrap().1.parse().unwrap())
        .collect();
    assert!(buckets.is_sorted() && buckets.len() == 13, "{buckets:?}");
}

#[tokio::test]
async fn the_pool_shows_who_holds_a_place_and_who_waits_for_one() {
    let redis = Redis::start().await;
    let service = Service::start(&redis, &["--pool-size", "1", "--model-time", "600ms"]);
    let mut asking = JoinSet::new();
    for number in 0..2 {
        let mut http = service.http().await;
        let body = format!(r#"{{"user_id":"user-{number}","message":"hello"}}"#);
        asking.spawn(async move { http.post("/api/v1/chat", &body).await.status });
    }
    let mut http = service.http().await;
    let level = eventually("one place taken and one request waiting", async || {
        let level = http.get("/pool").await.json();
        (level["db_pool_waiting"] == 1).then_some(level)
    })
    .await;
    assert_eq!((&level["db_pool_size"], &level["db_pool_active"]), (&1.into(), &1.into()));
    assert_eq!(level["db_pool_available"], 0);
    assert_eq!(asking.join_all().await, [200, 200]);
    let level = http.get("/pool").await.json();
    assert_eq!((&level["db_pool_available"], &level["db_pool_waiting"]), (&1.into(), &0.into()));
}
