//! Which values of a plan must never be shown: those it took from the environment, and passwords of its URLs.
//!
//! For those who write down what a service answered: it may send back what it was sent.

use crate::flow::{Action, Auth, Body, FormContent, Request, Step};
use crate::model::Plan;
use crate::redis::RedisSource;
use crate::template::{Part, Secret, Template};

impl Plan {
    /// Every secret value, in the order of the plan; some may be there more than once. A plan read back from a run
    /// directory has only their names.
    #[must_use]
    pub fn secrets(&self) -> Vec<&Secret> {
        let target = self.target.iter();
        let of_target = target.flat_map(|target| headers(&target.headers).chain(auth(target.auth.as_ref())));
        let flows = self.flows.iter().flat_map(|flow| headers(&flow.headers).chain(of_steps(&flow.steps)));
        let around = of_steps(&self.setup).into_iter().chain(of_steps(&self.teardown));
        let templates = of_target.chain(flows).chain(around);
        let watched = self.passwords().chain(self.postgres_password());
        templates.flat_map(|template| &template.parts).filter_map(secret).chain(watched).collect()
    }

    /// What HTTP makes of user and password (RFC 7617) wherever the plan gives both as they are: `user:password`. The
    /// service gets them in base64 and may send them back so.
    #[must_use]
    pub fn basic_credentials(&self) -> Vec<Secret> {
        let steps = self.flows.iter().map(|flow| &flow.steps).chain([&self.setup, &self.teardown]);
        let requests = steps.flat_map(|steps| crate::flow::requests(steps));
        let of_requests = requests.filter_map(|request| request.auth.as_ref());
        let auths = self.target.iter().filter_map(|target| target.auth.as_ref()).chain(of_requests);
        let basic = auths.filter_map(|auth| match auth {
            Auth::Basic { user, password } => Some(Secret::new(format!("{}:{}", plain(user)?, plain(password)?))),
            Auth::None | Auth::Bearer(_) => None,
        });
        basic.collect()
    }

    /// Of the stores, and of the Redis that is watched.
    fn passwords(&self) -> impl Iterator<Item = &Secret> {
        let redis = self.watch.as_ref().and_then(|watch| watch.redis.as_ref());
        let watched = redis.map(RedisSource::passwords).unwrap_or_default();
        self.stores.iter().filter_map(|store| store.password.as_ref()).chain(watched)
    }

    fn postgres_password(&self) -> Option<&Secret> {
        self.watch.as_ref()?.postgres.as_ref()?.password.as_ref()
    }
}

fn secret(part: &Part) -> Option<&Secret> {
    match part {
        Part::Environment { value, .. } => Some(value),
        Part::Literal(_) | Part::Hole(..) => None,
    }
}

/// The text of a template that is the same for all users.
fn plain(template: &Template) -> Option<String> {
    let parts = template.parts.iter().map(|part| match part {
        Part::Literal(text) => Some(text.as_str()),
        Part::Environment { value, .. } => Some(value.reveal()),
        Part::Hole(..) => None,
    });
    parts.collect()
}

fn headers(headers: &[(String, Template)]) -> impl Iterator<Item = &Template> {
    headers.iter().map(|(_, value)| value)
}

fn auth(auth: Option<&Auth>) -> impl Iterator<Item = &Template> {
    let templates = match auth {
        None | Some(Auth::None) => Vec::new(),
        Some(Auth::Basic { user, password }) => vec![user, password],
        Some(Auth::Bearer(token)) => vec![token],
    };
    templates.into_iter()
}

fn of_steps(steps: &[Step]) -> Vec<&Template> {
    steps.iter().flat_map(of_step).collect()
}

fn of_step(step: &Step) -> Vec<&Template> {
    match &step.action {
        Action::Request(request) => of_request(request),
        Action::Set(values) => headers(values).collect(),
        Action::Think(_)
        | Action::Repeat { .. }
        | Action::While { .. }
        | Action::Copies { .. }
        | Action::Branches(_)
        | Action::Choose(_) => step.inside().into_iter().flat_map(of_steps).collect(),
    }
}

fn of_request(request: &Request) -> Vec<&Template> {
    let body = match &request.body {
        None | Some(Body::File(_)) => Vec::new(),
        Some(Body::Json(text) | Body::Text(text)) => vec![text],
        Some(Body::Form(fields)) => headers(fields).collect(),
        Some(Body::Multipart(parts)) => {
            let values = parts.iter().filter_map(|part| match &part.content {
                FormContent::Value(value) => Some(value),
                FormContent::File { .. } => None,
            });
            values.collect()
        }
    };
    let asked = request.store.iter().flat_map(|call| call.templates());
    let path = std::iter::once(&request.path).chain(asked);
    path.chain(headers(&request.headers)).chain(auth(request.auth.as_ref())).chain(body).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::{SourceText, Surroundings, parse};

    const PLAN: &str = r#"
name = "all"
[target]
url = "http://127.0.0.1:1"
headers = { a = "${S1}" }
auth = { basic = { user = "ann", password = "${S2}" } }
[watch]
redis = "redis://:${S3}@127.0.0.1:6379"
postgres = "postgresql://me:${S13}@127.0.0.1/app"
[[phases]]
name = "load"
duration = "1s"
users = 1
[setup]
steps = [{ name = "in", get = "/", auth = { bearer = "${S4}" } }]
[teardown]
steps = [{ name = "out", get = "/", headers = { b = "${S5}" } }]
[flows.all]
headers = { c = "x${S6}y" }
steps = [
  { name = "path", get = "/${S7}" },
  { set = { key = "${S8}" } },
  { repeat = 2, steps = [{ name = "json", post = "/", json = { k = ["${S9}"] } }] },
  { name = "text", post = "/", body = "${S10}" },
  { name = "form", post = "/", form = { k = "${S11}" } },
  { parallel = [[{ name = "parts", post = "/", multipart = [{ name = "k", value = "${S12}" }] }], [{ name = "z", get = "/" }]] },
]
"#;

    fn plan() -> Plan {
        let environment = |name: &str| Some(format!("value-of-{name}"));
        let file = |_: &str| Err(std::io::Error::other("no files here"));
        let surroundings = Surroundings { environment: &environment, file: &file };
        let source = SourceText { name: "plan.toml".to_owned(), text: PLAN.to_owned() };
        parse(&source, &[], &surroundings).unwrap_or_else(|problems| panic!("{}", problems.render(false)))
    }

    #[test]
    fn a_value_of_the_environment_is_found_wherever_it_is_sent() {
        let plan = plan();
        let found: BTreeSet<String> = plan.secrets().into_iter().map(|secret| secret.reveal().to_owned()).collect();
        let expected: BTreeSet<String> = (1..=13).map(|n| format!("value-of-S{n}")).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn user_and_password_are_also_known_as_one() {
        let credentials = plan().basic_credentials();
        assert_eq!(credentials.iter().map(Secret::reveal).collect::<Vec<_>>(), ["ann:value-of-S2"]);
    }
}
