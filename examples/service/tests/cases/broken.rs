//! Replies that break off in the middle: the `close` and `stall` faults.

use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::{Method, Request, client::conn::http1};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, time};

use crate::fixture::{Redis, Service};

#[tokio::test]
async fn a_closed_reply_announces_its_length_and_gives_half() {
    let redis = Redis::start().await;
    let service = Service::start(&redis, &["--fault", "close=100%"]);
    let mut response = begin(&service, "/").await;
    assert_eq!((response.status().as_u16(), &response.headers()["content-length"]), (200, &"6".parse().unwrap()));
    let half = response.frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(&half[..], b"hel");
    assert!(response.frame().await.unwrap().is_err());
}

#[tokio::test]
async fn a_stalled_reply_begins_and_never_ends() {
    let redis = Redis::start().await;
    let service = Service::start(&redis, &["--fault", "stall=100%"]);
    let mut response = begin(&service, "/").await;
    assert!(!response.headers().contains_key("content-length"));
    let half = response.frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(&half[..], b"hel");
    let more = time::timeout(Duration::from_millis(200), response.frame()).await;
    assert!(more.is_err(), "{more:?}");
}

#[tokio::test]
async fn only_the_share_of_users_replies_breaks_and_watchers_and_tools_are_spared() {
    let redis = Redis::start().await;
    let service = Service::start(&redis, &["--fault", "close=25%"]);
    let mut broken = 0;
    for _ in 0..20 {
        let mut http = service.http().await;
        let got = http.try_send_with(&[], Method::GET, "/api/v1/reminders?user_id=ada", String::new()).await;
        broken += u32::from(got.is_err());
    }
    assert_eq!(broken, 5);
    let mut http = service.http().await;
    http.set_fault("close", "100%").await;
    for path in ["/health", "/metrics", "/gzip", "/status/404"] {
        assert!(http.try_send_with(&[], Method::GET, path, String::new()).await.is_ok(), "{path}");
    }
}

#[tokio::test]
async fn errors_strike_the_new_endpoints_too() {
    let redis = Redis::start().await;
    let service = Service::start(&redis, &["--fault", "errors=100%"]);
    let mut http = service.http().await;
    for path in ["/api/v1/reminders?user_id=ada", "/api/tasks", "/"] {
        assert_eq!(http.get(path).await.status, 500, "{path}");
    }
    assert_eq!(http.get("/echo").await.status, 200);
}

async fn begin(service: &Service, path: &str) -> hyper::Response<hyper::body::Incoming> {
    let stream = TcpStream::connect(service.address()).await.unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = Request::get(path).header("host", "x").body(Full::<bytes::Bytes>::default()).unwrap();
    sender.send_request(request).await.unwrap()
}
