//! From an OpenAPI 3 document: a flow for each operation, with example values, the statuses it documents and its
//! credentials.
//!
//! What an operation becomes is in [`super::operation`], example values are in [`super::schema`].

use super::operation::{self, Security};
use super::schema::Schemas;
use super::{criteria, steady, target, unique};
use crate::document::Document;
use crate::draft::{Draft, Flow, Line};
use crate::toml_text::name;

/// Methods a plan knows, as OpenAPI spells them.
const METHODS: [&str; 7] = ["get", "post", "put", "patch", "delete", "head", "options"];

/// An operation and where it stands.
pub(super) struct Operation<'a> {
    pub(super) method: &'static str,
    pub(super) path: &'a str,
    /// What all operations of the path have in common.
    pub(super) shared: &'a Document,
    pub(super) own: &'a Document,
}

pub(super) fn draft(document: &Document, file: &str) -> Result<Draft, String> {
    check_version(document, file)?;
    let schemas = Schemas { document };
    let title = document.at(&["info", "title"]).text().unwrap_or("api");
    let mut draft = Draft { name: name(title), ..Draft::default() };
    let operations = operations(document, &mut draft);
    if operations.is_empty() {
        return Err(format!("{file} has no paths with operations; there is nothing to ask"));
    }
    let count = operations.len();
    draft.origin = format!("{title}, from {file}: {count} operations, each a flow of its own; weights say how often");
    draft.target = vec![target(&server(document, &mut draft))];
    let securities: Vec<Security> =
        operations.iter().map(|operation| operation::security(operation, &schemas, &mut draft)).collect();
    let same = |first: &&Security| !first.has_query() && securities.iter().all(|other| other == *first);
    let common = securities.first().filter(same).cloned();
    draft.target.extend(common.iter().flat_map(Security::lines));
    let mut names = Vec::new();
    for (operation, security) in operations.iter().zip(&securities) {
        let stated = operation.own.get("operationId").text();
        let wanted = stated.map_or_else(|| format!("{} {}", operation.method, operation.path), str::to_owned);
        let name = unique(&name(&wanted), &mut names);
        let own = if common.is_some() { None } else { Some(security) };
        let Some(step) = operation::step(operation, &name, own, &schemas, &mut draft) else { continue };
        draft.flows.push(Flow { name, lines: vec![Line::new("weight", "1")], steps: vec![step] });
    }
    if draft.flows.is_empty() {
        return Err(format!("no operation of {file} can be asked: {}", draft.left_out.join("; ")));
    }
    draft.phases = vec![steady()];
    draft.criteria = criteria("steady");
    Ok(draft)
}

fn check_version(document: &Document, file: &str) -> Result<(), String> {
    let version = document.get("openapi").scalar();
    match version {
        Some(version) if version.starts_with("3.") => Ok(()),
        Some(version) => Err(format!("{file} is OpenAPI {version}; OpenAPI 3 is understood")),
        None if !document.get("swagger").is_null() => {
            Err(format!("{file} is Swagger 2; convert it to OpenAPI 3 first, which most editors of it do"))
        }
        None => Err(format!("{file} has no key `openapi`; it is not an OpenAPI document")),
    }
}

fn operations<'a>(document: &'a Document, draft: &mut Draft) -> Vec<Operation<'a>> {
    let mut list = Vec::new();
    for (path, item) in document.get("paths").entries() {
        if !item.get("$ref").is_null() {
            draft.leave_out(format!("{path}, which stands in another document"));
        }
        for (word, own) in item.entries() {
            if let Some(method) = METHODS.into_iter().find(|method| method == word) {
                list.push(Operation { method, path, shared: item, own });
            } else if word == "trace" {
                draft.leave_out(format!("{path}: the method TRACE"));
            }
        }
    }
    for (name, _) in document.get("webhooks").entries() {
        draft.leave_out(format!("the webhook {name}: the service sends it"));
    }
    list
}

/// The first server, with the defaults of its variables. A relative one stands on this machine.
fn server(document: &Document, draft: &mut Draft) -> String {
    let servers = document.get("servers").items();
    if servers.len() > 1 {
        draft.leave_out("the other servers: set TARGET_URL for one of them");
    }
    let Some(first) = servers.first() else { return "http://127.0.0.1:8080".to_owned() };
    let mut url = first.get("url").text().unwrap_or_default().to_owned();
    for (name, variable) in first.get("variables").entries() {
        url = url.replace(&format!("{{{name}}}"), &variable.get("default").scalar().unwrap_or_default());
    }
    let usable = url.parse::<url::Url>().is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
    if usable {
        return url;
    }
    let path = url.trim_start_matches('/');
    let path = if path.contains(['{', ':']) { "" } else { path };
    format!("http://127.0.0.1:8080/{path}")
}

#[cfg(test)]
mod tests {
    use super::super::parsed;
    use super::*;

    fn of(text: &str) -> Result<Draft, String> {
        draft(&Document::yaml(text).unwrap(), "api.yaml")
    }

    #[test]
    fn every_operation_becomes_a_flow() {
        let text = parsed(&of(include_str!("../../fixtures/todo.openapi.yaml")).unwrap());
        insta::assert_snapshot!(text);
    }

    #[test]
    fn json_and_relative_servers_are_understood() {
        let text = parsed(
            &of(r#"{"openapi": "3.1.0", "info": {"title": "A"}, "servers": [{"url": "/v1"}],
            "paths": {"/": {"get": {"responses": {}}}}}"#)
            .unwrap(),
        );
        assert!(text.contains("${TARGET_URL:-http://127.0.0.1:8080/v1}"), "{text}");
    }

    #[test]
    fn what_is_no_openapi_3_says_what_it_is() {
        for (text, words) in [
            ("swagger: '2.0'\n", "Swagger 2"),
            ("openapi: 4.0.0\n", "OpenAPI 4.0.0"),
            ("log: {}\n", "no key `openapi`"),
            ("openapi: 3.0.0\npaths: {}\n", "nothing to ask"),
        ] {
            assert!(of(text).unwrap_err().contains(words), "{text}");
        }
    }

    #[test]
    fn schemas_that_hold_themselves_end() {
        let text = parsed(&of("openapi: 3.0.0\npaths:\n  /a:\n    post:\n      requestBody:\n        content:\n          \
             application/json:\n            schema: { $ref: '#/components/schemas/Node' }\ncomponents:\n  schemas:\n    \
             Node: { type: object, properties: { name: { type: string }, next: { $ref: '#/components/schemas/Node' } } }\n")
        .unwrap());
        assert!(text.contains("json = { name ="), "{text}");
    }
}
