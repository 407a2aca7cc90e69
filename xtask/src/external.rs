//! A stack that somebody else runs: only its addresses are ours to know.

use std::env;

use crate::outcome::Usage;
use crate::stack::Endpoints;

#[derive(Debug, Clone)]
pub(crate) struct ExternalStack {
    endpoints: Endpoints,
}

impl ExternalStack {
    pub(crate) fn from_environment() -> Result<ExternalStack, Usage> {
        ExternalStack::from_variables(|name| env::var_os(name)?.into_string().ok())
    }

    fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<ExternalStack, Usage> {
        let given = |name: &str| variable(name).filter(|value| !value.is_empty());
        let (Some(target_url), Some(redis_url)) = (given("TARGET_URL"), given("REDIS_URL")) else {
            let missing = ["TARGET_URL", "REDIS_URL"].into_iter().filter(|name| given(name).is_none());
            let names = missing.collect::<Vec<_>>().join(" and ");
            return Err(Usage(format!("--stack external needs {names} in the environment")));
        };
        let log_dir = given("LOG_DIR").map(Into::into);
        Ok(ExternalStack { endpoints: Endpoints { target_url, redis_url, log_dir } })
    }

    pub(crate) fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_missing_variable_is_named_at_once() {
        let error = ExternalStack::from_variables(|_| None).unwrap_err();
        assert!(error.to_string().contains("TARGET_URL and REDIS_URL"), "{error}");
    }

    #[test]
    fn an_empty_variable_is_a_missing_one() {
        let error =
            ExternalStack::from_variables(|name| Some(if name == "REDIS_URL" { "" } else { "http://h" }.to_owned()));
        assert!(error.unwrap_err().to_string().contains("needs REDIS_URL in"));
    }

    #[test]
    fn without_a_log_directory_the_plan_decides() {
        let stack = ExternalStack::from_variables(|name| (name != "LOG_DIR").then(|| "x://h".to_owned())).unwrap();
        assert_eq!(stack.endpoints().log_dir, None);
    }
}
