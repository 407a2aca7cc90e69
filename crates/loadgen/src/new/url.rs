//! From a URL: one flow with one request at a steady rate.

use url::{Position, Url};

use super::{criteria, steady, target};
use crate::draft::{Draft, Flow, Line, Step};
use crate::toml_text::{name, quote, raw};

pub(super) fn draft(url: &Url) -> Draft {
    let path = &url[Position::BeforePath..Position::AfterQuery];
    let step = name(url.path());
    let mut get = Step::default();
    get.push("name", raw(if url.path() == "/" { "home" } else { &step }));
    get.push("get", quote(path));
    Draft {
        name: name(url.host_str().unwrap_or_default()),
        origin: format!("A plan for {url}"),
        target: vec![
            target(&url[..Position::BeforePath]),
            Line::note("health = \"GET /health\"   # a request that must succeed before the load starts"),
            Line::note("headers = { \"x-api-key\" = \"${API_KEY}\" }   # values from the environment are never shown"),
            Line::new("timeout", raw("30s")),
        ],
        phases: vec![steady()],
        flows: vec![Flow { name: "visit".to_owned(), lines: vec![Line::new("weight", "1")], steps: vec![get] }],
        criteria: criteria("steady"),
        ..Draft::default()
    }
}

#[cfg(test)]
mod tests {
    use super::super::parsed;
    use super::*;

    #[test]
    fn a_url_becomes_a_plan_that_is_understood() {
        let text = parsed(&draft(&"http://127.0.0.1:8080/search?q=tea%20pot&max={5}&price=$3#top".parse().unwrap()));
        assert!(text.contains("url = \"${TARGET_URL:-http://127.0.0.1:8080}\""), "{text}");
        assert!(text.contains("get = \"/search?q=tea%20pot&max={5}&price=$3\""), "{text}");
        insta::assert_snapshot!(parsed(&draft(&"https://shop.example/".parse().unwrap())));
    }
}
