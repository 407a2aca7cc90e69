//! A stack that somebody else runs: only its addresses are ours to know.

use std::env;

use crate::outcome::Usage;
use crate::plans::Parts;
use crate::stack::Endpoints;

#[derive(Debug, Clone)]
pub(crate) struct ExternalStack {
    endpoints: Endpoints,
}

impl ExternalStack {
    pub(crate) fn from_environment(parts: Parts) -> Result<ExternalStack, Usage> {
        ExternalStack::from_variables(parts, |name| env::var_os(name)?.into_string().ok())
    }

    /// What no plan asks may be missing.
    fn from_variables(parts: Parts, variable: impl Fn(&str) -> Option<String>) -> Result<ExternalStack, Usage> {
        let given = |name: &str| variable(name).filter(|value| !value.is_empty());
        let asked = [("TARGET_URL", parts.service), ("REDIS_URL", true), ("POSTGRES_URL", parts.postgres)];
        let missing = asked.iter().filter(|(name, asked)| *asked && given(name).is_none());
        let missing: Vec<&str> = missing.map(|(name, _)| *name).collect();
        let (Some(redis_url), []) = (given("REDIS_URL"), &missing[..]) else {
            return Err(Usage(format!("--stack external needs {} in the environment", missing.join(" and "))));
        };
        let (target_url, postgres_url) = (given("TARGET_URL"), given("POSTGRES_URL"));
        let log_dir = given("LOG_DIR").map(Into::into);
        Ok(ExternalStack { endpoints: Endpoints { target_url, redis_url, postgres_url, log_dir } })
    }

    pub(crate) fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVICE: Parts = Parts { service: true, postgres: false };

    #[test]
    fn every_missing_variable_is_named_at_once() {
        let error = ExternalStack::from_variables(SERVICE, |_| None).unwrap_err();
        assert!(error.to_string().contains("TARGET_URL and REDIS_URL"), "{error}");
        let stores = Parts { service: false, postgres: true };
        let error = ExternalStack::from_variables(stores, |_| None).unwrap_err();
        assert!(error.to_string().contains("needs REDIS_URL and POSTGRES_URL in"), "{error}");
    }

    #[test]
    fn an_empty_variable_is_a_missing_one() {
        let error = ExternalStack::from_variables(SERVICE, |name| {
            Some(if name == "REDIS_URL" { "" } else { "http://h" }.to_owned())
        });
        assert!(error.unwrap_err().to_string().contains("needs REDIS_URL in"));
    }

    #[test]
    fn without_a_log_directory_the_plan_decides() {
        let stack =
            ExternalStack::from_variables(SERVICE, |name| (name != "LOG_DIR").then(|| "x://h".to_owned())).unwrap();
        assert_eq!(stack.endpoints().log_dir, None);
    }
}
