//! A plan without a limiter and without a watch: plain requests to the example service's `/`.

/// The plan as text: one phase `steady` with these lines (`rate = "50/s"`), these `[criteria]` lines, and whatever else
/// belongs to the top or to tables of its own.
#[must_use]
pub fn plain_plan(phase: &str, criteria: &str, more: &str) -> String {
    format!(
        r#"schema = 1
name = "plain"

[target]
url = "${{TARGET_URL}}"

[[phases]]
name = "steady"
{phase}

[flows.hello]
[[flows.hello.steps]]
name = "hello"
get = "/"
expect = {{ status = 200 }}

{more}

[criteria]
phase = "steady"
{criteria}
"#
    )
}
