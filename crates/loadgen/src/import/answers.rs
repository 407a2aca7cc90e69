//! What a script makes of answers: `capture` and `expect`.

use plimsoll_plan::{JsonPath, Pattern};

use super::templates::Scope;
use crate::document::Document;
use crate::draft::Draft;
use crate::toml_text::{dollars, escape, raw, table};

/// One, or a list of them.
fn each(stated: &Document) -> &[Document] {
    match stated {
        Document::Null => &[],
        Document::List(items) => items,
        one => std::slice::from_ref(one),
    }
}

/// The captures of a request, and what happens when one finds nothing.
pub(super) fn capture(
    request: &Document,
    step: &str,
    scope: &mut Scope<'_>,
    draft: &mut Draft,
) -> Option<(String, String)> {
    let mut captures = Vec::new();
    for stated in each(request.get("capture")) {
        let Some(name) = stated.get("as").text() else { continue };
        match source(stated) {
            Some(source) => {
                let source = if stated.get("strict") == &Document::Boolean(false) {
                    format!("{{ {source}, on_missing = \"continue\" }}")
                } else {
                    format!("{{ {source} }}")
                };
                let name = scope.capture(name);
                captures.retain(|(known, _)| *known != name);
                captures.push((name, source));
            }
            None => draft.leave_out(format!("the capture `{name}` of `{step}`: its kind or expression is not known")),
        }
    }
    (!captures.is_empty()).then(|| ("capture".to_owned(), table(captures)))
}

fn source(capture: &Document) -> Option<String> {
    let text = |key: &str| capture.get(key).text();
    if let Some(path) = text("json") {
        return JsonPath::new(path).ok().map(|_| format!("json = {}", raw(&dollars(path))));
    }
    if let Some(header) = text("header") {
        return Some(format!("header = {}", raw(&dollars(header))));
    }
    let stated = text("regexp")?;
    let flags = if text("flags").is_some_and(|flags| flags.contains('i')) { "(?i)" } else { "" };
    let pattern = Pattern::new(&format!("{flags}{stated}")).ok()?;
    let group = capture.get("group").number().map_or(usize::from(pattern.groups() > 0), |group| group as usize);
    (group <= pattern.groups()).then(|| format!("regex = {}, group = {group}", raw(&dollars(pattern.as_str()))))
}

/// The checks of a request.
pub(super) fn expect(request: &Document, scope: &mut Scope<'_>, draft: &mut Draft) -> Option<String> {
    let mut checks = Checks::default();
    for (key, value) in each(request.get("expect")).iter().flat_map(Document::entries) {
        if checks.add(key, value, request, scope).is_none() {
            draft.leave_out(format!("the check `{key}`"));
        }
    }
    checks.toml()
}

#[derive(Default)]
struct Checks {
    status: Vec<String>,
    headers: Vec<(String, String)>,
    json: Vec<(String, String)>,
    regex: Vec<String>,
    that: Vec<String>,
}

impl Checks {
    /// `None` when it is not known.
    fn add(&mut self, key: &str, value: &Document, request: &Document, scope: &Scope<'_>) -> Option<()> {
        match key {
            "statusCode" => {
                let codes = each(value).iter().map(|code| code.number().filter(|code| (100.0..600.0).contains(code)));
                self.status = codes.map(|code| code.map(|code| code.to_string())).collect::<Option<_>>()?;
            }
            "contentType" => self.headers.push(("content-type".to_owned(), raw(&escape(value.text()?)))),
            "hasHeader" => self.that.push(format!("header.{} exists", value.text()?.to_ascii_lowercase())),
            "hasProperty" => self.that.push(format!("{} exists", property(value)?)),
            "notHasProperty" => self.that.push(format!("not {} exists", property(value)?)),
            "matchesRegexp" => self.regex.push(Pattern::new(value.text()?).ok()?.as_str().to_owned()),
            "equals" => self.equals(value.items(), request, scope)?,
            _ => return None,
        }
        Some(())
    }

    /// Something captured and a value: from this answer, or from one before.
    fn equals(&mut self, values: &[Document], request: &Document, scope: &Scope<'_>) -> Option<()> {
        let [left, right] = values else { return None };
        let name = |value: &Document| {
            let inside = value.text()?.trim().strip_prefix("{{")?.strip_suffix("}}")?.trim().to_owned();
            Some(inside)
        };
        let (name, value) = match (name(left), name(right)) {
            (Some(name), None) => (name, right),
            (None, Some(name)) => (name, left),
            _ => return None,
        };
        let own = each(request.get("capture")).iter().find(|capture| capture.get("as").text() == Some(name.as_str()));
        let path = own.and_then(|capture| capture.get("json").text()).filter(|path| JsonPath::new(path).is_ok());
        if let Some(path) = path {
            self.json.push((path.to_owned(), value.toml(&escape)?));
            return Some(());
        }
        let known = own.is_none() && scope.is_captured(&name);
        let text = value.scalar()?.replace('\'', "''");
        known.then(|| self.that.push(format!("{{{}}} == '{text}'", super::templates::word(&name))))
    }

    fn toml(self) -> Option<String> {
        let list = |items: &[String]| {
            format!("[{}]", items.iter().map(|one| raw(&dollars(one))).collect::<Vec<_>>().join(", "))
        };
        let mut entries = Vec::new();
        match self.status.as_slice() {
            [] => {}
            [one] => entries.push(("status", one.clone())),
            several => entries.push(("status", format!("[{}]", several.join(", ")))),
        }
        if !self.headers.is_empty() {
            entries.push(("header", table(self.headers)));
        }
        if !self.json.is_empty() {
            entries.push(("json", table(self.json)));
        }
        if !self.regex.is_empty() {
            entries.push(("regex", list(&self.regex)));
        }
        if !self.that.is_empty() {
            entries.push(("that", list(&self.that)));
        }
        (!entries.is_empty()).then(|| table(entries.into_iter().map(|(key, value)| (key.to_owned(), value))))
    }
}

/// `a.b[0]`, or a JSONPath.
fn property(value: &Document) -> Option<String> {
    let text = value.text()?;
    let path = if text.starts_with('$') { text.to_owned() } else { format!("$.{text}") };
    JsonPath::new(&path).ok().map(|_| path)
}
