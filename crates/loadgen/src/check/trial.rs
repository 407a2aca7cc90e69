//! `loadgen check --try`: each step once, and what came of it, for people and for programs.
//!
//! Values of the environment never get here. What answers give is starred out where its name says that it is secret,
//! and wherever such a captured value stands again.

use plimsoll_engine::{Received, Sent, TrialError, TriedStep, try_steps};
use plimsoll_plan::Plan;
use plimsoll_record::ledger::Outcome;
use plimsoll_record::units::{Unit, show_duration};
use serde_json::{Value, json};

use crate::exit::{ENVIRONMENT, Failure, USAGE};
use crate::new::secrets::is_secret;
use crate::session;

/// So much of a body is shown to people.
const MOST_BODY: usize = 2_000;
/// Shorter values are no secrets, and would star out half of what is shown.
const SHORTEST_SECRET: usize = 6;
const STARS: &str = "***";

/// Tries every step of a plan.
pub(super) fn run(plan: &Plan) -> Result<Vec<TriedStep>, Failure> {
    session::check_target(plan)?;
    let mut tried = Vec::new();
    try_steps(plan, &mut |step| tried.push(step)).map_err(|error| {
        let code = match &error {
            TrialError::Plan(_) => USAGE,
            TrialError::Route(error) => session::route_code(error),
            TrialError::Runtime(_) => ENVIRONMENT,
        };
        Failure::from_error(code, &error)
    })?;
    Ok(tried)
}

/// Whether a run would count it as failed.
pub(super) fn failed(step: &TriedStep) -> bool {
    step.outcome.is_some_and(Outcome::is_failure)
}

pub(super) fn text(tried: &[TriedStep]) -> String {
    let veil = Veil::of(tried);
    let mut out = "\ntried, each step once\n".to_owned();
    out.extend(tried.iter().map(|step| veil.over(&block(step))));
    let failures = tried.iter().filter(|step| failed(step)).count();
    let left_out = tried.iter().filter(|step| step.outcome.is_none() && step.reason.is_some()).count();
    out + &match (failures, left_out) {
        (0, _) => "\n  every step went as the plan expects\n".to_owned(),
        (_, 0) => format!("\n  {failures} of {} steps did not go as the plan expects\n", tried.len()),
        _ => format!(
            "\n  {failures} of {} steps did not go as the plan expects, {left_out} could not be tried for that\n",
            tried.len()
        ),
    }
}

fn block(step: &TriedStep) -> String {
    let mut out = format!("\n  {}.{}: {}\n", step.place, step.name, ended(step));
    if let Some(sent) = &step.sent {
        out += &format!("    > {} {}\n", sent.method, sent.path);
        out += &message(">", &sent.headers, &sent.body);
    }
    if let Some(received) = &step.received {
        let redirects = match received.redirects {
            0 => String::new(),
            1 => ", after a redirect".to_owned(),
            n => format!(", after {n} redirects"),
        };
        let (size, took) = (Unit::Bytes.show(received.body_bytes as f64), show_duration(received.took));
        out += &format!("    < {}, {size} in {took}{redirects}\n", received.status);
        out += &message("<", &received.headers, &received.body);
    }
    for (name, held) in &step.checks {
        out += &format!("    check    {} {}\n", if *held { "held  " } else { "FAILED" }, plain(name));
    }
    for (name, value) in &step.captures {
        out += &format!("    captured {name} = {}\n", captured(name, value.as_ref()));
    }
    out
}

fn ended(step: &TriedStep) -> String {
    match (step.outcome, &step.reason) {
        (None, None) => "left out, its `when` does not hold".to_owned(),
        (None, Some(reason)) => format!("left out, {reason}"),
        (Some(outcome), reason) => {
            let tries = if step.tries > 1 { format!(" after {} tries", step.tries) } else { String::new() };
            let reason = reason.as_ref().map_or_else(String::new, |reason| format!(": {reason}"));
            format!("{}{tries}{reason}", outcome.name())
        }
    }
}

fn message(sign: &str, headers: &[(String, String)], body: &[u8]) -> String {
    let mut out = String::new();
    for (name, value) in headers {
        out += &format!("    {sign} {name}: {}\n", header(name, value));
    }
    let text = String::from_utf8_lossy(&body[..body.len().min(MOST_BODY)]);
    if !text.is_empty() {
        out += &format!("    {sign}\n");
        text.lines().for_each(|line| out += &format!("    {sign} {}\n", plain(line)));
    }
    if body.len() > MOST_BODY {
        out += &format!("    {sign} ... cut after {}\n", Unit::Bytes.show(MOST_BODY as f64));
    }
    out
}

/// A header without its secret: of a cookie the name remains.
fn header(name: &str, value: &str) -> String {
    match name.to_ascii_lowercase().as_str() {
        "cookie" | "set-cookie" => {
            let pairs = value.split("; ").enumerate().map(|(n, pair)| match pair.split_once('=') {
                Some((cookie, _)) if n == 0 || name.eq_ignore_ascii_case("cookie") => format!("{cookie}={STARS}"),
                _ => pair.to_owned(),
            });
            plain(&pairs.collect::<Vec<_>>().join("; "))
        }
        name if is_secret(name) => STARS.to_owned(),
        _ => plain(value),
    }
}

fn captured(name: &str, value: Option<&Value>) -> String {
    match value {
        None => "nothing".to_owned(),
        Some(_) if is_secret(name) => STARS.to_owned(),
        Some(value) => plain(&value.to_string()),
    }
}

/// What a service answers must not move the cursor.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\t' { '\u{FFFD}' } else { c }).collect()
}

pub(super) fn json(tried: &[TriedStep]) -> Value {
    let veil = Veil::of(tried);
    let headers = |headers: &[(String, String)]| -> Vec<Value> {
        headers.iter().map(|(name, value)| json!([name, veil.over(&header(name, value))])).collect()
    };
    let body = |body: &[u8]| veil.over(&String::from_utf8_lossy(body));
    let sent = |sent: &Sent| {
        json!({ "method": sent.method, "path": veil.over(&sent.path), "headers": headers(&sent.headers),
            "body": body(&sent.body) })
    };
    let received = |received: &Received| {
        json!({ "status": received.status, "headers": headers(&received.headers), "body": body(&received.body),
            "body_bytes": received.body_bytes, "took_s": received.took.as_secs_f64(), "redirects": received.redirects })
    };
    let step = |step: &TriedStep| {
        let checks = step.checks.iter().map(|(name, held)| json!({ "name": name, "held": held }));
        let shown = |name: &str, value: &Option<Value>| match value {
            Some(_) if is_secret(name) => Value::from(STARS),
            Some(value) => Value::from(veil.over(&value.as_str().map_or_else(|| value.to_string(), str::to_owned))),
            None => Value::Null,
        };
        let captures = step.captures.iter().map(|(name, value)| json!({ "name": name, "value": shown(name, value) }));
        json!({
            "place": step.place,
            "step": step.name,
            "outcome": step.outcome.map(Outcome::name),
            "reason": step.reason,
            "tries": step.tries,
            "sent": step.sent.as_ref().map(sent),
            "received": step.received.as_ref().map(received),
            "checks": checks.collect::<Vec<_>>(),
            "captures": captures.collect::<Vec<_>>(),
        })
    };
    tried.iter().map(step).collect()
}

/// Captured values that are secret by their names: they are starred out wherever they stand.
struct Veil(Vec<String>);

impl Veil {
    fn of(tried: &[TriedStep]) -> Self {
        let captures = tried.iter().flat_map(|step| &step.captures).filter(|(name, _)| is_secret(name));
        let texts = captures.filter_map(|(_, value)| value.as_ref()?.as_str().map(str::to_owned));
        Self(texts.filter(|text| text.len() >= SHORTEST_SECRET).collect())
    }

    fn over(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), STARS))
    }
}
