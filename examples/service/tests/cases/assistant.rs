//! The assistant: its answers, its cache and its key.

use fred::interfaces::KeysInterface as _;
use hyper::Method;
use serde_json::json;

use crate::{
    fixture::{Answer, Http, Redis, Service, eventually},
    redis_keys,
};

const QUICK: [&str; 2] = ["--model-time", "2ms"];

async fn chat(http: &mut Http, user: &str, message: &str) -> Answer {
    http.post("/api/v1/chat", &json!({ "user_id": user, "message": message }).to_string()).await
}

async fn food(http: &mut Http, user: &str, food: &str, quantity: f64) -> Answer {
    let body = json!({ "user_id": user, "food_name": food, "quantity": quantity });
    http.post("/api/v1/food", &body.to_string()).await
}

fn cached(answer: &Answer) -> bool {
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()["cached"].as_bool().unwrap()
}

#[tokio::test]
async fn a_question_asked_again_by_the_same_user_is_answered_from_the_cache() {
    let redis = Redis::start().await;
    let service = Service::start(&redis, &QUICK);
    let mut http = service.http().await;
    let first = chat(&mut http, "ada", "How did I sleep?").await;
    assert!(!cached(&first));
    let again = chat(&mut http, "ada", "how did I sleep").await;
    assert!(cached(&again));
    assert_eq!(first.json()["reply"], again.json()["reply"]);
    assert!(first.json()["reply"].as_str().unwrap().contains("how did i sleep"), "{}", first.text);
    assert!(!cached(&chat(&mut http, "bob", "How did I sleep?").await));
    assert!(!cached(&chat(&mut http, "ada", "What shall I eat?").await));
    let mut keys = redis_keys(&redis, "cache:*").await;
    keys.sort();
    let expected =
        ["cache:chat:ada:how-did-i-sleep", "cache:chat:ada:what-shall-i-eat", "cache:chat:bob:how-did-i-sleep"];
    assert_eq!(keys, expected);
}

#[tokio::test]
async fn a_logged_meal_is_worth_points_and_the_next_reader_sees_them() {
    let redis = Redis::start().await;
    let service = Service::start(&redis, &QUICK);
    let mut http = service.http().await;
    let xp = "/api/v1/gamification/xp?user_id=ada";
    let none = http.get(xp).await.json();
    assert_eq!((&none["xp"], &none["level"], &none["cached"]), (&json!(0), &json!(1), &json!(false)));
    assert!(cached(&http.get(xp).await));
    let one = food(&mut http, "ada", "Apple", 1.0).await.json();
    assert_eq!((&one["logged"], &one["xp_gained"], &one["xp"]), (&json!(true), &json!(10), &json!(10)));
    let three = food(&mut http, "ada", "apple", 3.0).await.json();
    assert_eq!((&three["xp"], &three["cached"]), (&json!(20), &json!(true)));
    assert_eq!(three["calories"].as_f64().unwrap(), one["calories"].as_f64().unwrap() * 3.0);
    let seen = http.get(xp).await.json();
    assert_eq!((&seen["xp"], &seen["cached"]), (&json!(20), &json!(false)));
    assert!(cached(&food(&mut http, "bob", "apple", 1.0).await), "foods are the same for everybody");
}

#[tokio::test]
async fn reminders_belong_to_their_user() {
    let redis = Redis::start().await;
    let service = Service::start(&redis, &QUICK);
    let mut http = service.http().await;
    let path = "/api/v1/reminders?user_id=gr%C3%BC%C3%9Fe%20an%20ada";
    let first = http.get(path).await;
    assert!(!cached(&first));
    let body = first.json();
    assert_eq!(body["user_id"], "grüße an ada");
    assert_eq!(body["count"].as_u64().unwrap(), body["reminders"].as_array().unwrap().len() as u64);
    let again = http.get(path).await;
    assert!(cached(&again));
    assert_eq!(again.json()["reminders"], body["reminders"]);
}

#[tokio::test]
async fn the_hit_rate_rises_as_users_come_back() {
    let redis = Redis::start().await;
    let service = Service::start(&redis, &["--model-time", "1ms"]);
    let mut http = service.http().await;
    let mut shares = Vec::new();
    for round in 0..8 {
        let mut hits = 0;
        for number in 0..20 {
            let user = format!("loadtest_user_{number}");
            let question = format!("question {}", (round * 7 + number * 3) % 5);
            hits += u32::from(cached(&chat(&mut http, &user, &question).await));
        }
        shares.push(hits);
    }
    assert_eq!(shares, [0, 0, 0, 0, 0, 20, 20, 20]);
    let metrics = http.get("/metrics").await.text;
    assert!(metrics.contains("cache_hits_total{cache=\"chat\"} 60\n"), "{metrics}");
    assert!(metrics.contains("cache_misses_total{cache=\"chat\"} 100\n"), "{metrics}");
}

#[tokio::test]
async fn an_answer_leaves_the_cache_after_its_time() {
    let redis = Redis::start().await;
    let service = Service::start(&redis, &["--model-time", "1ms", "--cache-ttl", "150ms"]);
    let mut http = service.http().await;
    assert!(!cached(&chat(&mut http, "ada", "hello").await));
    let left: i64 = redis.client().await.pttl("cache:chat:ada:hello").await.unwrap();
    // -2: it has just expired, which is as good.
    assert!((1..=150).contains(&left) || left == -2, "{left}");
    eventually("the answer to leave the cache", async || {
        (!cached(&chat(&mut http, "ada", "hello").await)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_service_with_a_key_asks_for_it() {
    let redis = Redis::start().await;
    let service = Service::start(&redis, &["--model-time", "1ms", "--api-key", "s3cret"]);
    let mut http = service.http().await;
    let path = "/api/v1/reminders?user_id=ada";
    for (headers, words) in [
        (&[][..], "needs the header X-API-Key"),
        (&[("X-API-Key", "s3cre")], "is not the one"),
        (&[("X-API-Key", "s3crets")], "is not the one"),
    ] {
        let refused = http.send_with(headers, Method::GET, path, String::new()).await;
        assert_eq!(refused.status, 401);
        assert!(refused.json()["error"].as_str().unwrap().contains(words), "{}", refused.text);
        assert!(refused.headers.contains_key("www-authenticate"));
    }
    let let_in = http.send_with(&[("x-api-key", "s3cret")], Method::GET, path, String::new()).await;
    assert_eq!(let_in.status, 200);
    assert_eq!(http.check("ada").await.status, 200, "the limiter asks for no key");
}

#[tokio::test]
async fn a_bad_body_is_answered_with_the_reason() {
    let redis = Redis::start().await;
    let service = Service::start(&redis, &QUICK);
    let mut http = service.http().await;
    for (path, body, words) in [
        ("/api/v1/chat", "", "the body must be JSON like"),
        ("/api/v1/chat", r#"{"user_id":"ada"}"#, "missing field `message`"),
        ("/api/v1/chat", r#"{"user_id":"ada","message":"  "}"#, "message must have a word"),
        ("/api/v1/chat", r#"{"user_id":"","message":"hi"}"#, "user_id must have 1 to 128 bytes"),
        ("/api/v1/food", r#"{"user_id":"ada","food_name":"apple","quantity":"two"}"#, "invalid type: string"),
        ("/api/v1/food", r#"{"user_id":"ada","food_name":"apple","quantity":0}"#, "quantity must be above 0"),
    ] {
        let answer = http.post(path, body).await;
        assert_eq!(answer.status, 400, "{path} {body}");
        assert!(answer.json()["error"].as_str().unwrap().contains(words), "{}", answer.text);
    }
    let answer = http.get("/api/v1/gamification/xp").await;
    assert_eq!((answer.status, answer.text.contains("?user_id=")), (400, true), "{}", answer.text);
}
