//! Redis seen through an HTTP endpoint of the service that answers with fields of INFO as JSON.
//!
//! For services whose Redis cannot be reached from here.

use std::collections::BTreeMap;

use plimsoll_plan::{FieldPath, RedisEndpoint};
use plimsoll_record::series::GapReason;
use serde_json::Value;

use super::interpret::Interpreter;
use crate::http::Endpoint;
use crate::info::Info;
use crate::probe::{Failure, Probe, ReadingFuture};

/// Samples Redis through an HTTP endpoint.
pub struct EndpointProbe {
    endpoint: Endpoint,
    fields: Vec<(String, FieldPath)>,
    interpreter: Interpreter,
}

impl EndpointProbe {
    /// A probe of the endpoint.
    #[must_use]
    pub fn new(endpoint: &RedisEndpoint) -> Self {
        let (fields, interpreter) = (endpoint.fields.clone(), Interpreter::default());
        Self { endpoint: Endpoint::new(&endpoint.url, &endpoint.tls), fields, interpreter }
    }

    pub(super) async fn fields(&mut self) -> Result<Info, Failure> {
        let body = self.endpoint.get().await?.success()?;
        let json = serde_json::from_slice(&body)
            .map_err(|error| Failure::new(GapReason::Malformed, format!("the answer is not JSON: {error}")))?;
        let mut info = Info::from_json(&json);
        for (name, path) in &self.fields {
            // What the plan names is what counts: another value of that name is not it, found or not.
            info.replace(name, found(&json, &info, path));
        }
        Ok(info)
    }
}

/// The value a path of the plan leads to, as text.
fn found(json: &Value, info: &Info, path: &FieldPath) -> Option<String> {
    let query = match path {
        FieldPath::Name(name) => return info.any_case(name).map(str::to_owned),
        FieldPath::Path(query) => serde_json_path::JsonPath::parse(query.as_str()).ok()?,
    };
    match query.query(json).first()? {
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) => Some(text.clone()),
        _ => None,
    }
}

impl Probe for EndpointProbe {
    fn source(&self) -> String {
        self.endpoint.shown()
    }

    fn identity(&self) -> BTreeMap<String, String> {
        self.interpreter.identity()
    }

    fn read(&mut self) -> ReadingFuture<'_> {
        Box::pin(async {
            let fields = self.fields().await.inspect_err(|failure| self.interpreter.refused(failure))?;
            self.interpreter.reading(&fields)
        })
    }
}
