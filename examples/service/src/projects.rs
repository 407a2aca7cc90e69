//! `/api/projects` and `/api/library`: what a task harness reads beside its tasks. The newest projects
//! are a list in Redis; the library is the same for everybody and cached.

use fred::{
    interfaces::{KeysInterface as _, ListInterface as _},
    types::Value,
};
use hyper::StatusCode;
use serde::{Deserialize, Serialize};

use crate::{
    cache::{self, Area, Found},
    clock::UnixMillis,
    replies::{self, Answer, Failure},
    routes::Call,
};

const KEY: &str = "projects";
/// Older projects are forgotten, so that a long load does not grow the list.
const REMEMBERED: i64 = 200;
const SHOWN: i64 = 50;
const MAX_NAME_BYTES: usize = 200;
const LIBRARY: [(&str, &str); 4] = [
    ("summary", "Summarise a document"),
    ("review", "Review a change"),
    ("translation", "Translate a text"),
    ("research", "Collect sources on a question"),
];

#[derive(Deserialize)]
struct CreateRequest {
    name: String,
}

#[derive(Deserialize, Serialize)]
struct Project {
    name: String,
    owner: String,
    created_at_ms: u64,
}

#[derive(Serialize)]
struct ListBody {
    projects: Vec<Project>,
}

#[derive(Deserialize, Serialize)]
struct Template {
    id: String,
    title: String,
}

#[derive(Serialize)]
struct LibraryBody {
    templates: Vec<Template>,
    cached: bool,
}

/// `POST /api/projects`
pub(crate) async fn create(call: &Call<'_>) -> Answer {
    let asked: CreateRequest = call.body_like(r#"{"name": "Annual report"}"#)?;
    if !(1..=MAX_NAME_BYTES).contains(&asked.name.len()) {
        return Err(Failure::bad_request(&format!("name must have 1 to {MAX_NAME_BYTES} bytes")));
    }
    let project = Project { name: asked.name, owner: call.caller.clone(), created_at_ms: UnixMillis::now().0 };
    let text = serde_json::to_string(&project).expect("a project is a plain struct");
    let pipeline = call.worker.link.session()?.client.pipeline();
    let stored = async {
        let () = pipeline.lpush(KEY, text).await?;
        let () = pipeline.ltrim(KEY, 0, REMEMBERED - 1).await?;
        let () = pipeline.expire(KEY, call.worker.shared.settings.state_seconds(), None).await?;
        pipeline.all::<Vec<Value>>().await
    };
    stored.await.map_err(|error| call.worker.link.failed(error))?;
    Ok(replies::json(StatusCode::CREATED, &project))
}

/// `GET /api/projects`: the newest first.
pub(crate) async fn list(call: &Call<'_>) -> Answer {
    let client = call.worker.link.session()?.client;
    let stored: Vec<String> = client.lrange(KEY, 0, SHOWN - 1).await.map_err(|error| call.worker.link.failed(error))?;
    let projects = stored.iter().filter_map(|text| serde_json::from_str(text).ok()).collect();
    Ok(replies::json(StatusCode::OK, &ListBody { projects }))
}

/// `GET /api/library`
pub(crate) async fn library(call: &Call<'_>) -> Answer {
    let key = Area::Library.key("all");
    let Found { value: templates, cached } =
        cache::through(call.worker, Area::Library, &key, async || Ok(templates())).await?;
    Ok(replies::json(StatusCode::OK, &LibraryBody { templates, cached }))
}

fn templates() -> Vec<Template> {
    LIBRARY.map(|(id, title)| Template { id: id.to_owned(), title: title.to_owned() }).into()
}
