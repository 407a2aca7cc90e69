//! The task harness: tokens, and the life of a task.

use fred::interfaces::KeysInterface as _;
use hyper::Method;
use serde_json::{Value, json};

use crate::{
    fixture::{Answer, Http, Redis, Service, eventually},
    redis_keys,
};

/// A user of the harness, logged in.
struct User {
    http: Http,
    authorization: String,
}

impl User {
    async fn log_in(service: &Service) -> Self {
        let mut http = service.http().await;
        let answer = http.post("/api/auth/login", r#"{"username":"ada","password":"for-tests-only"}"#).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let authorization = format!("Bearer {}", answer.json()["token"].as_str().unwrap());
        Self { http, authorization }
    }

    async fn get(&mut self, path: &str) -> Answer {
        self.send(Method::GET, path, String::new()).await
    }

    async fn post(&mut self, path: &str, body: &Value) -> Answer {
        self.send(Method::POST, path, body.to_string()).await
    }

    async fn create(&mut self) -> String {
        let answer = self.post("/api/tasks", &json!({ "title": "Summarise" })).await;
        assert_eq!((answer.status, &answer.json()["status"]), (201, &json!("created")), "{}", answer.text);
        answer.json()["id"].as_str().unwrap().to_owned()
    }

    async fn execute(&mut self, id: &str) -> Answer {
        self.post(&format!("/api/tasks/{id}/execute"), &json!({})).await
    }

    async fn status(&mut self, id: &str) -> String {
        let answer = self.get(&format!("/api/tasks/{id}")).await;
        answer.json()["status"].as_str().unwrap().to_owned()
    }

    async fn send(&mut self, method: Method, path: &str, body: String) -> Answer {
        self.http.send_with(&[("authorization", &self.authorization)], method, path, body).await
    }
}

#[tokio::test]
async fn a_task_is_created_executed_and_polled_until_it_is_done() {
    let redis = Redis::start().await;
    let service = Service::start(&redis, &["--task-time", "60ms"]);
    let mut user = User::log_in(&service).await;
    let id = user.create().await;
    assert_eq!(user.status(&id).await, "created");
    let started = user.execute(&id).await;
    assert_eq!((started.status, started.json()), (202, json!({ "id": id, "status": "running" })));
    let mut seen = Vec::new();
    eventually("the task to be done", async || {
        seen.push(user.status(&id).await);
        (seen.last().unwrap() == "done").then_some(())
    })
    .await;
    assert!(seen.iter().all(|status| status == "running" || status == "done"), "{seen:?}");
    assert_eq!(user.execute(&id).await.status, 409);
    let task = user.get(&format!("/api/tasks/{id}")).await.json();
    assert_eq!((&task["title"], &task["owner"]), (&json!("Summarise"), &json!("ada")));
    assert!(task["ended_at_ms"].as_u64() > task["started_at_ms"].as_u64(), "{task}");
}

#[tokio::test]
async fn a_share_of_the_tasks_fails_when_told_so() {
    let redis = Redis::start().await;
    let service = Service::start(&redis, &["--task-time", "1ms", "--task-failures", "50%"]);
    let mut user = User::log_in(&service).await;
    let mut failed = 0;
    for _ in 0..10 {
        let id = user.create().await;
        assert_eq!(user.execute(&id).await.status, 202);
        let ended = eventually("the task to end", async || {
            let status = user.status(&id).await;
            (status != "running").then_some(status)
        })
        .await;
        failed += u32::from(ended == "failed");
    }
    assert_eq!(failed, 5);
}

#[tokio::test]
async fn services_on_one_redis_share_tasks_and_the_limit_of_those_that_run() {
    let redis = Redis::start().await;
    let flags = ["--task-time", "60m", "--max-running", "2"];
    let (one, other) = (Service::start(&redis, &flags), Service::start(&redis, &flags));
    let mut here = User::log_in(&one).await;
    let mut there = User { http: other.http().await, authorization: here.authorization.clone() };
    let ids = [here.create().await, here.create().await, there.create().await];
    assert_eq!(here.execute(&ids[0]).await.status, 202);
    assert_eq!(there.execute(&ids[1]).await.status, 202);
    assert_eq!(there.status(&ids[0]).await, "running");
    for user in [&mut here, &mut there] {
        let full = user.execute(&ids[2]).await;
        assert_eq!((full.status, &full.headers["retry-after"]), (429, &"1".parse().unwrap()));
        assert_eq!((&full.json()["running"], &full.json()["max_running"]), (&json!(2), &json!(2)));
    }
    assert_eq!(there.status(&ids[2]).await, "created", "a refused task can be started later");
    assert_eq!(there.http.get("/health").await.status, 200);
}

#[tokio::test]
async fn room_is_made_as_tasks_end() {
    let redis = Redis::start().await;
    let service = Service::start(&redis, &["--task-time", "30ms", "--max-running", "1"]);
    let mut user = User::log_in(&service).await;
    for _ in 0..3 {
        let id = user.create().await;
        eventually("a free place", async || (user.execute(&id).await.status == 202).then_some(())).await;
    }
}

#[tokio::test]
async fn an_approval_is_kept_with_its_task() {
    let redis = Redis::start().await;
    let service = Service::start(&redis, &[]);
    let mut user = User::log_in(&service).await;
    let id = user.create().await;
    let answer = user.post(&format!("/api/tasks/{id}/approval"), &json!({ "approved": false })).await;
    assert_eq!((answer.status, answer.json()), (200, json!({ "id": id, "approved": false })));
    assert_eq!(user.get(&format!("/api/tasks/{id}")).await.json()["approved"], false);
    for path in ["/api/tasks/0/approval", "/api/tasks/0/execute"] {
        assert_eq!(user.post(path, &json!({ "approved": true })).await.status, 404, "{path}");
    }
    assert_eq!(user.get("/api/tasks/0").await.status, 404);
    assert_eq!(redis_keys(&redis, "task:0").await, Vec::<String>::new());
}

#[tokio::test]
async fn lists_show_the_newest_first_and_the_library_is_cached() {
    let redis = Redis::start().await;
    let service = Service::start(&redis, &["--model-time", "1ms"]);
    let mut user = User::log_in(&service).await;
    assert_eq!(user.get("/api/tasks").await.json(), json!({ "tasks": [] }));
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(user.create().await);
        // Tasks of the same millisecond have no order.
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
    let listed = user.get("/api/tasks").await.json();
    let listed: Vec<_> = listed["tasks"].as_array().unwrap().iter().map(|task| task["id"].clone()).collect();
    assert_eq!(listed, [&*ids[2], &*ids[1], &*ids[0]]);
    for name in ["one", "two"] {
        assert_eq!(user.post("/api/projects", &json!({ "name": name })).await.status, 201);
    }
    let projects = user.get("/api/projects").await.json();
    assert_eq!((&projects["projects"][0]["name"], &projects["projects"][1]["name"]), (&json!("two"), &json!("one")));
    let cached = [user.get("/api/library").await, user.get("/api/library").await];
    assert_eq!(cached.map(|answer| answer.json()["cached"].clone()), [false, true]);
}

#[tokio::test]
async fn nothing_the_harness_or_the_assistant_stores_is_kept_for_ever() {
    let redis = Redis::start().await;
    let service = Service::start(&redis, &["--model-time", "1ms", "--state-ttl", "10m", "--cache-ttl", "10m"]);
    let mut user = User::log_in(&service).await;
    let id = user.create().await;
    user.execute(&id).await;
    user.post(&format!("/api/tasks/{id}/approval"), &json!({ "approved": true })).await;
    user.post("/api/projects", &json!({ "name": "one" })).await;
    user.get("/api/library").await;
    user.post("/api/v1/food", &json!({ "user_id": "ada", "food_name": "apple", "quantity": 1 })).await;
    user.post("/api/v1/chat", &json!({ "user_id": "ada", "message": "hi" })).await;
    let keys = redis_keys(&redis, "*").await;
    assert_eq!(keys.len(), 8, "{keys:?}");
    let client = redis.client().await;
    for key in keys {
        let left: i64 = client.ttl(&key).await.unwrap();
        assert!((1..=601).contains(&left), "{key} lives {left} s");
    }
}

#[tokio::test]
async fn whoever_has_no_valid_token_is_told_how_to_get_one() {
    let redis = Redis::start().await;
    let service = Service::start(&redis, &[]);
    let stranger = Service::start(&redis, &["--jwt-secret", "another"]);
    let foreign = User::log_in(&stranger).await.authorization;
    let mut http = service.http().await;
    for (headers, words) in [
        (&[][..], "POST /api/auth/login issues one"),
        (&[("authorization", "Basic YTpi")], "needs the header Authorization: Bearer"),
        (&[("authorization", "Bearer nonsense")], "is not a JWT"),
        (&[("authorization", &foreign)], "another --jwt-secret"),
    ] {
        let refused = http.send_with(headers, Method::GET, "/api/tasks", String::new()).await;
        assert_eq!((refused.status, &refused.headers["www-authenticate"]), (401, &"Bearer".parse().unwrap()));
        assert!(refused.json()["error"].as_str().unwrap().contains(words), "{}", refused.text);
    }
    let wrong = http.post("/api/auth/login", r#"{"username":"ada","password":"guess"}"#).await;
    assert_eq!((wrong.status, wrong.text.contains("wrong password")), (401, true), "{}", wrong.text);
    assert_eq!(http.post("/api/auth/login", r#"{"username":"ada"}"#).await.status, 400);
}
