//! The endpoints: which request gets which reply, and what is asked of a request before that. How
//! replies look and fail is in `replies`, and how connections are served is in `server`.

use std::convert::Infallible;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Limited};
use hyper::{
    Method, Request, StatusCode,
    body::{Body as _, Incoming},
    header::{ALLOW, HeaderValue},
    http::request::Parts,
};
use serde::de::DeserializeOwned;
use url::form_urlencoded;

use crate::{
    admin, assistant, auth, check,
    clock::{Tick, UnixMillis},
    faults::Faults,
    health, metrics, projects,
    replies::{self, Answer, Failure, Reply},
    state::Worker,
    tasks, tools,
};

const MAX_BODY_BYTES: usize = 16 * 1024;

/// The map of the service. Where two paths fit a request, the first counts.
pub(crate) const ENDPOINTS: [Endpoint; 29] = [
    on("GET", "/", Kind::Plain, Route::Root),
    on("POST", "/api/check", Kind::Plain, Route::Check),
    on("POST", "/api/v1/chat", Kind::Assistant, Route::Chat),
    on("POST", "/api/v1/food", Kind::Assistant, Route::Food),
    on("GET", "/api/v1/reminders", Kind::Assistant, Route::Reminders),
    on("GET", "/api/v1/gamification/xp", Kind::Assistant, Route::Xp),
    on("POST", "/api/auth/login", Kind::Plain, Route::Login),
    on("POST", "/api/tasks", Kind::Harness, Route::CreateTask),
    on("GET", "/api/tasks", Kind::Harness, Route::ListTasks),
    on("GET", "/api/tasks/{id}", Kind::Harness, Route::ShowTask),
    on("POST", "/api/tasks/{id}/execute", Kind::Harness, Route::ExecuteTask),
    on("POST", "/api/tasks/{id}/approval", Kind::Harness, Route::ApproveTask),
    on("GET", "/api/projects", Kind::Harness, Route::ListProjects),
    on("POST", "/api/projects", Kind::Harness, Route::CreateProject),
    on("GET", "/api/library", Kind::Harness, Route::Library),
    on("GET", "/health", Kind::Watch, Route::Health),
    on("GET", "/redis-info", Kind::Watch, Route::RedisInfo),
    on("GET", "/metrics", Kind::Watch, Route::Metrics),
    on("GET", "/pool", Kind::Watch, Route::Pool),
    on("GET", "/admin/faults", Kind::Admin, Route::ShowFaults),
    on("POST", "/admin/faults", Kind::Admin, Route::ChangeFaults),
    on(ANY, "/echo", Kind::Tool, Route::Echo),
    on("GET", "/redirect/loop", Kind::Tool, Route::RedirectLoop),
    on("GET", "/redirect/{n}", Kind::Tool, Route::Redirect),
    on("GET", "/cookies/set", Kind::Tool, Route::SetCookies),
    on("GET", "/cookies", Kind::Tool, Route::Cookies),
    on("GET", "/bytes/{n}", Kind::Tool, Route::Bytes),
    on("GET", "/gzip", Kind::Tool, Route::Gzip),
    on(ANY, "/status/{code}", Kind::Tool, Route::Status),
];
const ANY: &str = "*";

/// One line of the map.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Endpoint {
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    kind: Kind,
    route: Route,
}

/// Who an endpoint is for, and so what strikes it and what it asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Users who need not say who they are.
    Plain,
    /// Users with an API key, if the service has one.
    Assistant,
    /// Users with a token.
    Harness,
    /// Watchers.
    Watch,
    /// Tests of clients.
    Tool,
    /// Whoever sets faults.
    Admin,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Route {
    Root,
    Check,
    Chat,
    Food,
    Reminders,
    Xp,
    Login,
    CreateTask,
    ListTasks,
    ShowTask,
    ExecuteTask,
    ApproveTask,
    ListProjects,
    CreateProject,
    Library,
    Health,
    RedisInfo,
    Metrics,
    Pool,
    ShowFaults,
    ChangeFaults,
    Echo,
    RedirectLoop,
    Redirect,
    SetCookies,
    Cookies,
    Bytes,
    Gzip,
    Status,
}

/// A request that met an endpoint, as its handler sees it.
pub(crate) struct Call<'a> {
    pub(crate) worker: &'a Worker,
    pub(crate) faults: &'a Faults,
    pub(crate) head: &'a Parts,
    pub(crate) body: &'a [u8],
    /// What stands in the place of the path's `{...}`.
    pub(crate) param: &'a str,
    /// The user of the token; empty where none is asked for.
    pub(crate) caller: String,
}

/// The endpoint a request met, and the variable part of its path.
#[derive(Clone, Copy, Debug)]
struct Met<'a> {
    index: usize,
    endpoint: Endpoint,
    param: &'a str,
}

/// Answers one request, faults included, counts it, and notes it when it was slow.
pub(crate) async fn serve(worker: Worker, request: Request<Incoming>) -> Result<Reply, Infallible> {
    let started = Tick::now();
    let (head, body) = request.into_parts();
    let path = head.uri.path();
    let met = Met::by(&head.method, path);
    let faults = worker.shared.faults();
    let answered = match met {
        Some(met) => answer(&worker, met, &head, body, &faults).await,
        None => Err(nowhere(path).into()),
    };
    let mut reply = answered.unwrap_or_else(|failure| failure.into_reply(&worker.shared, path));
    if met.is_some_and(|met| met.endpoint.kind.is_traffic()) {
        reply = replies::broken(reply, &worker.shared, &faults);
    }
    if met.is_none_or(|met| met.endpoint.kind != Kind::Admin) {
        replies::hold(&faults).await;
    }
    let (took, status) = (started.elapsed(), reply.status());
    worker.meter.request(met.map(|met| met.index), status, took);
    if took > worker.shared.settings.slow {
        worker.shared.logs.slow(head.method.as_str(), path, status.as_u16(), took);
    }
    Ok(reply)
}

async fn answer(worker: &Worker, met: Met<'_>, head: &Parts, body: Incoming, faults: &Faults) -> Answer {
    let kind = met.endpoint.kind;
    if kind.is_traffic()
        && let Some(reply) = replies::injected_error(&worker.shared, faults, head.uri.path())
    {
        return Ok(reply);
    }
    let gate = &worker.shared.gate;
    let caller = match kind {
        Kind::Harness => gate.check_token(&head.headers, UnixMillis::now())?,
        Kind::Assistant => gate.check_api_key(&head.headers).map(|()| String::new())?,
        Kind::Plain | Kind::Watch | Kind::Tool | Kind::Admin => String::new(),
    };
    let body = read(body).await?;
    let _place = match kind {
        Kind::Assistant | Kind::Harness => Some(worker.shared.pool.enter().await?),
        Kind::Plain | Kind::Watch | Kind::Tool | Kind::Admin => None,
    };
    let call = Call { worker, faults, head, body: &body, param: met.param, caller };
    dispatch(met.endpoint.route, &call).await
}

async fn dispatch(route: Route, call: &Call<'_>) -> Answer {
    match route {
        Route::Root => Ok(replies::text("hello\n")),
        Route::Check => check::check(call).await,
        Route::Chat => assistant::chat(call).await,
        Route::Food => assistant::food(call).await,
        Route::Reminders => assistant::reminders(call).await,
        Route::Xp => assistant::xp(call).await,
        Route::Login => auth::login(call),
        Route::CreateTask => tasks::create(call).await,
        Route::ListTasks => tasks::list(call).await,
        Route::ShowTask => tasks::show(call).await,
        Route::ExecuteTask => tasks::execute(call).await,
        Route::ApproveTask => tasks::approve(call).await,
        Route::ListProjects => projects::list(call).await,
        Route::CreateProject => projects::create(call).await,
        Route::Library => projects::library(call).await,
        Route::Health => Ok(health::health(call.worker).await),
        Route::RedisInfo => health::redis_info(call.worker).await,
        Route::Metrics => Ok(metrics::show(&call.worker.shared)),
        Route::Pool => Ok(replies::json(StatusCode::OK, &call.worker.shared.pool.level())),
        Route::ShowFaults => Ok(admin::show(call.worker)),
        Route::ChangeFaults => Ok(admin::change(call.worker, call.body).await?),
        Route::Echo => Ok(tools::echo(call)),
        Route::RedirectLoop => tools::redirect_loop(),
        Route::Redirect => tools::redirect(call),
        Route::SetCookies => tools::set_cookies(call),
        Route::Cookies => Ok(tools::cookies(call)),
        Route::Bytes => tools::bytes(call),
        Route::Gzip => Ok(tools::gzip()),
        Route::Status => tools::status(call),
    }
}

const fn on(method: &'static str, path: &'static str, kind: Kind, route: Route) -> Endpoint {
    Endpoint { method, path, kind, route }
}

impl Endpoint {
    /// What stands for `{...}` if `path` fits; empty when the endpoint has no such part.
    fn fits<'p>(&self, path: &'p str) -> Option<&'p str> {
        let Some((before, rest)) = self.path.split_once('{') else {
            return (self.path == path).then_some("");
        };
        let (_name, after) = rest.split_once('}')?;
        let param = path.strip_prefix(before)?.strip_suffix(after)?;
        (!param.is_empty() && !param.contains('/')).then_some(param)
    }

    fn takes(&self, method: &Method) -> bool {
        self.method == ANY || self.method == method.as_str()
    }
}

impl Kind {
    /// What users call: the faults `errors`, `close` and `stall` strike here, and leave the rest readable.
    fn is_traffic(self) -> bool {
        matches!(self, Self::Plain | Self::Assistant | Self::Harness)
    }
}

impl<'a> Met<'a> {
    fn by(method: &Method, path: &'a str) -> Option<Self> {
        ENDPOINTS.iter().enumerate().find_map(|(index, endpoint)| {
            let param = endpoint.takes(method).then(|| endpoint.fits(path))??;
            Some(Self { index, endpoint: *endpoint, param })
        })
    }
}

impl Call<'_> {
    /// The body as JSON of this shape; `example` is shown to whoever sends another.
    pub(crate) fn body_like<T: DeserializeOwned>(&self, example: &str) -> Result<T, Failure> {
        serde_json::from_slice(self.body)
            .map_err(|error| Failure::bad_request(&format!("the body must be JSON like {example}: {error}")))
    }

    pub(crate) fn query_pairs(&self) -> impl Iterator<Item = (String, String)> {
        form_urlencoded::parse(self.head.uri.query().unwrap_or("").as_bytes()).into_owned()
    }

    pub(crate) fn query(&self, name: &str) -> Result<String, Failure> {
        let value = self.query_pairs().find_map(|(found, value)| (found == name).then_some(value));
        value.ok_or_else(|| Failure::bad_request(&format!("the query must name a {name}: ?{name}=...")))
    }

    /// The variable part of the path as a whole number in this range.
    pub(crate) fn number<T>(&self, least: T, most: T) -> Result<T, Failure>
    where
        T: Copy + PartialOrd + std::fmt::Display + std::str::FromStr,
    {
        let number = self.param.parse().ok().filter(|number| (least..=most).contains(number));
        number.ok_or_else(|| {
            let message = format!("`{}` must be a whole number from {least} to {most}", self.param);
            Failure::bad_request(&message)
        })
    }
}

async fn read(body: Incoming) -> Result<Bytes, Reply> {
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    match Limited::new(body, MAX_BODY_BYTES).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(problem) => Err(replies::error(
            StatusCode::PAYLOAD_TOO_LARGE,
            &format!("the body must be whole and at most {MAX_BODY_BYTES} bytes: {problem}"),
        )),
    }
}

/// The reply to a request that met no endpoint: a wrong method where the path is known, or a wrong path.
fn nowhere(path: &str) -> Reply {
    let known = ENDPOINTS.iter().filter(|endpoint| endpoint.fits(path).is_some());
    let allowed = known.map(|endpoint| endpoint.method).collect::<Vec<_>>().join(", ");
    if allowed.is_empty() {
        let all = ENDPOINTS.map(|endpoint| format!("{} {}", endpoint.method, endpoint.path)).join(", ");
        return replies::error(StatusCode::NOT_FOUND, &format!("no such endpoint; there are {all}"));
    }
    let mut reply = replies::error(StatusCode::METHOD_NOT_ALLOWED, &format!("this endpoint takes {allowed}"));
    let allowed = HeaderValue::from_str(&allowed).expect("methods are plain words");
    reply.headers_mut().insert(ALLOW, allowed);
    reply
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(method: &Method, path: &'static str) -> Option<(Route, &'static str)> {
        Met::by(method, path).map(|met| (met.endpoint.route, met.param))
    }

    #[test]
    fn every_endpoint_is_reached_by_its_own_path() {
        for (index, endpoint) in ENDPOINTS.iter().enumerate() {
            let path = endpoint.path.replace("{id}", "7f").replace("{n}", "3").replace("{code}", "404");
            let method = if endpoint.method == ANY { "PUT" } else { endpoint.method };
            let met = Met::by(&method.parse().unwrap(), &path).unwrap();
            assert_eq!(met.index, index, "{path}");
        }
    }

    #[test]
    fn the_variable_part_of_a_path_is_one_segment() {
        assert_eq!(route(&Method::GET, "/api/tasks/7f"), Some((Route::ShowTask, "7f")));
        assert_eq!(route(&Method::POST, "/api/tasks/7f/execute"), Some((Route::ExecuteTask, "7f")));
        assert_eq!(route(&Method::GET, "/redirect/loop"), Some((Route::RedirectLoop, "")));
        for path in ["/api/tasks/", "/api/tasks/7f/", "/api/tasks/7f/9", "/api/tasks//execute", "/api"] {
            assert_eq!(route(&Method::GET, path), None, "{path}");
        }
    }

    #[test]
    fn a_known_path_with_the_wrong_method_is_not_an_unknown_path() {
        let reply = nowhere("/admin/faults");
        assert_eq!(reply.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(reply.headers()[ALLOW], "GET, POST");
        assert_eq!(nowhere("/api").status(), StatusCode::NOT_FOUND);
    }
}
