//! One request of a script as a step.

use super::answers;
use super::templates::Scope;
use crate::document::Document;
use crate::draft::{Draft, Step};
use crate::toml_text::{raw, table};

/// What becomes something; `gzip` is the header of the same meaning.
const KNOWN: [&str; 14] = [
    "url",
    "uri",
    "name",
    "json",
    "body",
    "form",
    "headers",
    "qs",
    "auth",
    "capture",
    "expect",
    "followRedirect",
    "timeout",
    "gzip",
];
/// Artillery follows so many redirects.
const REDIRECTS: &str = "10";

/// The step; `None` when it goes to another server.
pub(super) fn step(
    method: &str,
    name: &str,
    request: &Document,
    scope: &mut Scope<'_>,
    draft: &mut Draft,
) -> Option<Step> {
    let url = request.get("url").text().or_else(|| request.get("uri").text()).unwrap_or("/");
    let Some(path) = path(url) else {
        draft.leave_out(format!("`{name}`: it goes to another server, {url}"));
        return None;
    };
    for (key, _) in request.entries().iter().filter(|(key, _)| !KNOWN.contains(&key.as_str())) {
        draft.leave_out(format!("`{key}` of the request `{name}`"));
    }
    let mut step = Step::default();
    step.push("name", raw(name));
    step.push(method, scope.text(&path, draft));
    for (key, word) in [("qs", "query"), ("headers", "headers")] {
        let fields = fields(request.get(key), scope, draft);
        if !fields.is_empty() {
            step.push(word, table(fields));
        }
    }
    if let (Some(user), Some(password)) = (request.at(&["auth", "user"]).text(), request.at(&["auth", "pass"]).text()) {
        let (user, password) = (scope.text(user, draft), scope.text(password, draft));
        step.push("auth", format!("{{ basic = {{ user = {user}, password = {password} }} }}"));
    }
    step.entries.extend(body(request, scope, draft).map(|(key, value)| (key.to_owned(), value)));
    if let Some(seconds) = request.get("timeout").number().filter(|seconds| *seconds > 0.0) {
        step.push("timeout", raw(&format!("{seconds}s")));
    }
    if request.get("followRedirect") != &Document::Boolean(false) {
        step.push("redirects", REDIRECTS);
    }
    step.entries.extend(answers::expect(request, scope, draft).map(|expect| ("expect".to_owned(), expect)));
    step.entries.extend(answers::capture(request, name, scope, draft));
    Some(step)
}

/// The path below the target; `None` on another server.
fn path(url: &str) -> Option<String> {
    if url.starts_with("http://") || url.starts_with("https://") {
        return None;
    }
    // A template in front of the path is the target, as scripts write it.
    let path = url.strip_prefix("{{ target }}").or_else(|| url.strip_prefix("{{target}}")).unwrap_or(url);
    Some(if path.starts_with('/') { path.to_owned() } else { format!("/{path}") })
}

fn fields(stated: &Document, scope: &mut Scope<'_>, draft: &mut Draft) -> Vec<(String, String)> {
    let entries = stated.entries().iter();
    entries.filter_map(|(name, value)| Some((name.clone(), scope.text(&value.scalar()?, draft)))).collect()
}

fn body(request: &Document, scope: &mut Scope<'_>, draft: &mut Draft) -> Option<(&'static str, String)> {
    if !request.get("json").is_null() {
        // The closure of the writer cannot hand the draft on, so what is unknown is collected first.
        let noted = std::cell::RefCell::new(Draft::default());
        let body = request.get("json").body(&|text: &str| scope.json_content(text, &mut noted.borrow_mut()));
        noted.into_inner().left_out.into_iter().for_each(|what| draft.leave_out(what));
        return Some(body);
    }
    let form = fields(request.get("form"), scope, draft);
    if !form.is_empty() {
        return Some(("form", table(form)));
    }
    request.get("body").scalar().map(|text| ("body", scope.text(&text, draft)))
}
