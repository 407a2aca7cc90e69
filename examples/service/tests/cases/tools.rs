//! The tools: each gives exactly what it is asked for.

use std::io::Read as _;

use flate2::read::GzDecoder;
use hyper::Method;
use serde_json::{Value, json};

use crate::fixture::{Redis, Service};

#[tokio::test]
async fn echo_shows_what_came() {
    let redis = Redis::reserved();
    let service = Service::start(&redis, &[]);
    let mut http = service.http().await;
    let headers = [("x-trace", "7"), ("accept", "text/html")];
    let answer = http.send_with(&headers, Method::PUT, "/echo?a=1&b=two%20words", r#"{"n":[1]}"#.to_owned()).await;
    let body = answer.json();
    assert_eq!(
        (&body["method"], &body["path"], &body["version"]),
        (&json!("PUT"), &json!("/echo"), &json!("HTTP/1.1"))
    );
    assert_eq!(body["query"], json!({ "a": "1", "b": "two words" }));
    assert_eq!((&body["headers"]["x-trace"], &body["headers"]["accept"]), (&json!("7"), &json!("text/html")));
    assert_eq!(
        (&body["body"], &body["json"], &body["body_bytes"]),
        (&json!(r#"{"n":[1]}"#), &json!({"n":[1]}), &json!(9))
    );
    assert_eq!(http.post("/echo", "not json").await.json()["json"], Value::Null);
}

#[tokio::test]
async fn redirects_lead_to_the_end_or_round_in_a_circle() {
    let redis = Redis::reserved();
    let service = Service::start(&redis, &[]);
    let mut http = service.http().await;
    for (path, to) in
        [("/redirect/2", "/redirect/1"), ("/redirect/1", "/redirect/0"), ("/redirect/loop", "/redirect/loop")]
    {
        let answer = http.get(path).await;
        assert_eq!((answer.status, &answer.headers["location"]), (302, &to.parse().unwrap()));
    }
    assert_eq!(http.get("/redirect/0").await.json(), json!({ "arrived": true }));
    assert_eq!(http.get("/redirect/1001").await.status, 400);
}

#[tokio::test]
async fn cookies_are_set_and_shown() {
    let redis = Redis::reserved();
    let service = Service::start(&redis, &[]);
    let mut http = service.http().await;
    let set = http.get("/cookies/set?session=7f&theme=dark").await;
    let lines: Vec<_> = set.headers.get_all("set-cookie").iter().collect();
    assert_eq!(lines, ["session=7f; Path=/", "theme=dark; Path=/"]);
    let headers = [("cookie", "session=7f; theme=dark")];
    let shown = http.send_with(&headers, Method::GET, "/cookies", String::new()).await;
    assert_eq!(shown.json(), json!({ "cookies": { "session": "7f", "theme": "dark" } }));
    let refused = http.get("/cookies/set?session=a%0D%0Ab").await;
    assert_eq!((refused.status, refused.headers.contains_key("set-cookie")), (400, false));
}

#[tokio::test]
async fn bytes_come_in_the_number_asked_for() {
    let redis = Redis::reserved();
    let service = Service::start(&redis, &[]);
    let mut http = service.http().await;
    for length in [0usize, 1, 3_000_000] {
        let answer = http.get(&format!("/bytes/{length}")).await;
        assert_eq!(answer.bytes.len(), length);
        assert_eq!(answer.headers["content-length"], length.to_string().as_str());
    }
    for wrong in ["-1", "x", "1073741825"] {
        assert_eq!(http.get(&format!("/bytes/{wrong}")).await.status, 400, "{wrong}");
    }
}

#[tokio::test]
async fn a_compressed_reply_unpacks_to_json() {
    let redis = Redis::reserved();
    let service = Service::start(&redis, &[]);
    let answer = service.http().await.get("/gzip").await;
    assert_eq!(answer.headers["content-encoding"], "gzip");
    let mut text = String::new();
    GzDecoder::new(&answer.bytes[..]).read_to_string(&mut text).unwrap();
    let body: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(body["gzipped"], true);
    assert!(answer.bytes.len() < text.len() / 2);
}

#[tokio::test]
async fn any_status_can_be_had_from_200_to_599() {
    let redis = Redis::reserved();
    let service = Service::start(&redis, &[]);
    let mut http = service.http().await;
    for code in [200u16, 204, 304, 404, 418, 429, 503, 599] {
        let answer = http.send(Method::POST, &format!("/status/{code}"), String::new()).await;
        assert_eq!(answer.status, code);
        assert_eq!(answer.headers.contains_key("retry-after"), matches!(code, 429 | 503));
    }
    for wrong in ["100", "600", "ok"] {
        let answer = http.get(&format!("/status/{wrong}")).await;
        assert_eq!((answer.status, answer.text.contains("from 200 to 599")), (400, true), "{}", answer.text);
    }
}
