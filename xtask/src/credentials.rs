//! What the plans' requests have to show the example service: the key it is started with, and a token that it issues.
//! What stands in the environment is taken as it is; a service of somebody else gets nothing from here.

use std::env;

use serde::Deserialize;

use crate::probe;

/// The defaults of the example service and of its compose file.
const FOR_TESTS: &str = "for-tests-only";
pub(crate) const API_KEY: &str = "API_KEY";
const TOKEN: &str = "TEST_JWT_TOKEN";

/// The key that the service is started with, and that plans send.
pub(crate) fn api_key() -> String {
    given(API_KEY).unwrap_or_else(|| FOR_TESTS.to_owned())
}

/// The variables of the plans that say who sends. A service without a log-in issues no token: then a plan that wants one
/// says so itself.
pub(crate) fn variables(service_url: &str) -> Vec<(&'static str, String)> {
    let token = given(TOKEN).or_else(|| log_in(service_url).ok());
    let token = token.map(|token| (TOKEN, token));
    [(API_KEY, api_key())].into_iter().chain(token).collect()
}

fn given(name: &str) -> Option<String> {
    env::var_os(name)?.into_string().ok().filter(|value| !value.is_empty())
}

#[derive(Deserialize)]
struct LoggedIn {
    token: String,
}

fn log_in(service_url: &str) -> anyhow::Result<String> {
    let user = serde_json::json!({ "username": "loadtest", "password": FOR_TESTS });
    let answer = probe::post_json(probe::address_of(service_url)?, "/api/auth/login", &user.to_string())?;
    let LoggedIn { token } = serde_json::from_str(&answer)?;
    Ok(token)
}
