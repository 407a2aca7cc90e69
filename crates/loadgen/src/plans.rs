//! Where a plan comes from: a file, or the arguments of `quick`.

use std::io::IsTerminal;
use std::num::{NonZeroU32, NonZeroU64};
use std::path::Path;
use std::time::Duration;

use plimsoll_engine::quick_plan;
use plimsoll_plan::{
    Arrivals, Body, HttpVersion, Iterations, Load, Method, Override, Part, Plan, Rate, RateShape, Secret, SourceText,
    Surroundings, Target, Template, ThinkTime, Tls, Users,
};
use plimsoll_record::units::{Quantity, Unit};
use url::Url;

use crate::args::{self, Http, PlanArguments, QuickArguments};
use crate::exit::{Failure, USAGE};

/// Reads the plan file; all its problems at once when it has some.
pub(crate) fn from_file(arguments: &PlanArguments) -> Result<Plan, Failure> {
    let path = arguments.file.as_path();
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::new(USAGE, format!("error: cannot read the plan {name}\n  because: {error}")))?;
    let overrides: Result<Vec<Override>, _> = arguments.overrides.iter().map(|text| Override::parse(text)).collect();
    let overrides = overrides.map_err(|error| Failure::from_error(USAGE, &error))?;
    let directory = path.parent().unwrap_or(Path::new(""));
    let file = |name: &str| std::fs::read(directory.join(name));
    let surroundings = Surroundings { environment: &environment, file: &file };
    let parse = if arguments.quick { plimsoll_plan::parse_quick } else { plimsoll_plan::parse };
    parse(&SourceText { name, text }, &overrides, &surroundings)
        .map_err(|problems| Failure::new(USAGE, problems.render(wants_color())))
}

#[expect(clippy::disallowed_methods, reason = "a binary reads the environment and hands the library a lookup")]
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn wants_color() -> bool {
    std::io::stderr().is_terminal() && environment("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Builds the plan of `quick`.
pub(crate) fn from_line(arguments: &QuickArguments) -> Result<Plan, Failure> {
    let url = url(&arguments.url)?;
    let mut plan = quick_plan(&url, arguments.connections.map_or(50, NonZeroU32::get), 1);
    plan.phases[0].duration =
        arguments.duration.as_deref().map(|text| positive_time("--duration", text)).transpose()?;
    plan.phases[0].load = load(arguments)?;
    plan.generator.workers = arguments.workers;
    plan.users = Users { count: NonZeroU64::MIN, ..plan.users };
    let step = plan.flows[0].steps[0].request_mut().expect("a quick plan makes one request");
    let default = if arguments.body.is_some() { Method::Post } else { Method::Get };
    step.method = arguments.method.map_or(default, method);
    step.body = arguments.body.as_deref().map(|body| Body::Text(Template::literal(body)));
    step.headers = arguments.headers.iter().map(|text| header(text)).collect::<Result<_, _>>()?;
    let timeout = positive_time("--timeout", &arguments.timeout)?;
    plan.generator.drain = timeout;
    let target = plan.target.as_mut().expect("a quick plan has a target");
    target.timeout = timeout;
    target.connect_timeout = target.connect_timeout.min(timeout);
    if arguments.rate.is_some() {
        let thousand = NonZeroU32::new(1000).expect("1000 is not 0");
        target.connections = arguments.connections.unwrap_or(thousand);
    }
    connect_as(arguments, target)?;
    Ok(plan)
}

fn connect_as(arguments: &QuickArguments, target: &mut Target) -> Result<(), Failure> {
    let secured = target.url.scheme() == "https";
    if !secured && (arguments.ca.is_some() || arguments.insecure) {
        return Err(usage("--ca and --insecure are about TLS; write the URL with https://"));
    }
    if arguments.streams.is_some() && (arguments.http == Http::One || (arguments.http == Http::Auto && !secured)) {
        return Err(usage("--streams is about HTTP/2, and this is HTTP/1.1; add `--http 2`"));
    }
    target.http = match arguments.http {
        Http::Auto => HttpVersion::Auto,
        Http::One => HttpVersion::One,
        Http::Two => HttpVersion::Two,
    };
    target.streams = arguments.streams.unwrap_or(NonZeroU32::MIN);
    target.tls = Tls { ca: arguments.ca.clone(), insecure: arguments.insecure, ..Tls::default() };
    Ok(())
}

/// A URL may hold a password, so no message quotes one in which there is room for it.
pub(crate) fn url(text: &str) -> Result<Url, Failure> {
    const EXAMPLE: &str = "write for example http://127.0.0.1:8080/";
    let quoted = if text.contains('@') { "this".to_owned() } else { format!("`{text}`") };
    let url: Url = text.parse().map_err(|error| usage(&format!("{quoted} is not a URL ({error}); {EXAMPLE}")))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(usage(&format!("{quoted} is neither an http:// nor an https:// URL; {EXAMPLE}")));
    }
    if !url.username().is_empty() || url.password().is_some() {
        let advice = "leave them out and add `-H 'authorization: Basic ...'`";
        return Err(usage(&format!("user and password in an http URL are not supported; {advice}")));
    }
    Ok(url)
}

fn load(arguments: &QuickArguments) -> Result<Load, Failure> {
    if let Some(text) = &arguments.rate {
        let rate = RateShape::Constant(positive_rate("--rate", text)?);
        return Ok(Load::Open { rate, arrivals: Arrivals::Uniform });
    }
    let fifty = NonZeroU32::new(50).expect("50 is not 0");
    let users = arguments.connections.unwrap_or(fifty);
    let users = users.saturating_mul(arguments.streams.unwrap_or(NonZeroU32::MIN));
    // A user without a request to send would be a connection for nothing.
    let needed = arguments.requests.and_then(|requests| u32::try_from(requests.get()).ok()).and_then(NonZeroU32::new);
    let users = needed.map_or(users, |needed| needed.min(users));
    let iterations = arguments.requests.map(Iterations::Shared);
    Ok(Load::Closed { users, spawn_rate: None, ramp_down: None, think: ThinkTime::None, pacing: None, iterations })
}

/// The rate an option gives, above zero.
pub(crate) fn positive_rate(option: &str, text: &str) -> Result<Rate, Failure> {
    let quantity = Quantity::parse(text).map_err(|error| usage(&format!("{option} {text}: {error}")))?;
    let fits = matches!(quantity.unit, Unit::PerSecond | Unit::Ratio);
    let positive = Some(quantity.value).filter(|value| fits && *value > 0.0);
    let rate = positive.and_then(Rate::per_second);
    rate.ok_or_else(|| usage(&format!("{option} {text} is not a positive rate; write for example `500/s`")))
}

/// The time an option gives, above zero.
pub(crate) fn positive_time(option: &str, text: &str) -> Result<Duration, Failure> {
    let quantity = Quantity::parse(text).map_err(|error| usage(&format!("{option} {text}: {error}")))?;
    let positive = Some(quantity.value).filter(|value| quantity.unit == Unit::Seconds && *value > 0.0);
    let duration = positive.and_then(|value| Duration::try_from_secs_f64(value).ok());
    duration.ok_or_else(|| usage(&format!("{option} {text} is not a positive time; write for example `30s`")))
}

/// A header's value may be a secret: it is sent, and recorded only as the name of a variable, `${AUTHORIZATION}`.
fn header(text: &str) -> Result<(String, Template), Failure> {
    let split = text.split_once(':').map(|(name, value)| (name.trim(), value.trim()));
    let whole = split.filter(|(name, _)| !name.is_empty());
    let (name, value) = whole.ok_or_else(|| usage("a header needs a name and a colon; write `-H 'name: value'`"))?;
    let variable = name.to_ascii_uppercase().replace(|c: char| !c.is_ascii_alphanumeric(), "_");
    let value = Part::Environment { name: variable, value: Secret::new(value.to_owned()) };
    Ok((name.to_owned(), Template { parts: vec![value] }))
}

fn method(method: args::Method) -> Method {
    match method {
        args::Method::Get => Method::Get,
        args::Method::Head => Method::Head,
        args::Method::Post => Method::Post,
        args::Method::Put => Method::Put,
        args::Method::Patch => Method::Patch,
        args::Method::Delete => Method::Delete,
        args::Method::Options => Method::Options,
    }
}

fn usage(message: &str) -> Failure {
    Failure::new(USAGE, format!("error: {message}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Arguments, Command};
    use clap::Parser;

    fn plan(words: &str) -> Result<Plan, Failure> {
        let words = ["loadgen", "quick", "http://127.0.0.1:8080/a?b=c"].into_iter().chain(words.split_whitespace());
        match Arguments::try_parse_from(words).unwrap().command {
            Command::Quick(quick) => from_line(&quick),
            _ => unreachable!("the words say quick"),
        }
    }

    #[test]
    fn a_rate_makes_an_open_model_with_room_for_connections() {
        let plan = plan("--rate 500/s --duration 30s").unwrap();
        assert!(matches!(plan.phases[0].load, Load::Open { .. }));
        assert_eq!(plan.phases[0].duration, Some(Duration::from_secs(30)));
        assert_eq!(plan.target.unwrap().connections.get(), 1000);
    }

    #[test]
    fn a_count_makes_a_closed_model_with_no_more_users_than_requests() {
        let plan = plan("-c 64 -n 10").unwrap();
        let Load::Closed { users, iterations, .. } = plan.phases[0].load else { panic!("{:?}", plan.phases) };
        assert_eq!((users.get(), iterations.unwrap().of(10)), (10, 10));
    }

    #[test]
    fn every_stream_of_every_connection_has_a_user() {
        let plan = plan("-c 8 --streams 8 --http 2 -n 1000").unwrap();
        let Load::Closed { users, .. } = plan.phases[0].load else { panic!("{:?}", plan.phases) };
        let target = plan.target.unwrap();
        assert_eq!((users.get(), target.connections.get(), target.streams.get()), (64, 8, 8));
        assert_eq!(target.http, HttpVersion::Two);
    }

    #[test]
    fn options_that_would_do_nothing_are_refused() {
        for (words, advice) in [("-n 1 --streams 8", "--http 2"), ("-n 1 --insecure", "https://")] {
            let error = format!("{:?}", plan(words).unwrap_err());
            assert!(error.contains(advice), "{error}");
        }
    }

    fn quick_method(words: &str) -> Method {
        plan(words).unwrap().flows[0].steps[0].request().unwrap().method
    }

    #[test]
    fn a_body_makes_a_post_unless_the_method_is_given() {
        assert_eq!(quick_method("-n 1 -d hello"), Method::Post);
        assert_eq!(quick_method("-n 1 -d hello -m put"), Method::Put);
        assert_eq!(quick_method("-n 1"), Method::Get);
    }

    #[test]
    fn the_recorded_plan_of_quick_can_be_read_again() {
        let plan = plan("-c 2 -n 10 -d hello").unwrap();
        assert_eq!(plimsoll_plan::parse_recorded(&plan.to_toml()).unwrap(), plan);
    }

    #[test]
    fn the_value_of_a_header_is_sent_and_not_recorded() {
        let recorded = plan("-n 1 -H authorization:s3cret").unwrap().to_toml();
        assert!(recorded.contains("${AUTHORIZATION}") && !recorded.contains("s3cret"), "{recorded}");
        assert!(plimsoll_plan::parse_recorded(&recorded).is_ok());
    }

    #[test]
    fn no_message_repeats_a_secret() {
        for text in ["http://u:s3cret@h/", "u:s3cret@h:1/", "https://u:s3cret@h/", "ht tp://u:s3cret@h/"] {
            let error = format!("{:?}", url(text).unwrap_err());
            assert!(!error.contains("s3cret"), "{error}");
        }
        assert!(!format!("{:?}", header("s3cret").unwrap_err()).contains("s3cret"));
    }

    #[test]
    fn nonsense_is_refused_with_an_example() {
        for (words, example) in [("-n 1 -H nonsense", "-H 'name: value'"), ("--rate 0 --duration 1s", "500/s")] {
            let error = format!("{:?}", plan(words).unwrap_err());
            assert!(error.contains(example), "{error}");
        }
    }
}
