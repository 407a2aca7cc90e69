//! `limiter.effectiveness > 80%`, `limiter.false_rejects < 1%`: does the service's rate limiter do what it should?
//!
//! Every request of the log is replayed, user by user, through an oracle of the plan's limits. In each of a user's
//! windows (the shortest limit's, so that errors in different windows don't cancel) the oracle allows A*, the service
//! allowed A of n: excess E = n - A*, false accepts max(0, A - A*), false rejects max(0, A* - A). Effectiveness is
//! 1 - false accepts / excess: the share of 429s alone would reward a limiter that refuses everybody.
//!
//! When the service decided is not known, only that it was between sending and answer, so everything is replayed at
//! both ends. Nor is it known whether a request that timed out, broke or got another error was counted: it is
//! replayed once as never made, once as made and allowed. The value is the replay at the send time without those
//! requests, the interval spans all four.

use std::collections::BTreeMap;

use plimsoll_plan::Limiter;
use plimsoll_record::ledger::Outcome;
use plimsoll_record::requests::RequestRow;
use plimsoll_record::summary::Scope;
use plimsoll_record::units::show_count;
use plimsoll_record::verdict::Interval;

use super::oracle::{Oracle, window_ns};
use crate::goal::{Finding, Goal, Standing};
use crate::judge::JudgeError;
use crate::place::Place;
use crate::run::JudgedRun;
use crate::statistics::Range;

/// With fewer requests to judge by, one more or less changes the answer too much.
const FEWEST: u64 = 30;

pub(super) fn effectiveness(run: &JudgedRun<'_>, place: &Place, goal: &Goal) -> Result<Finding, JudgeError> {
    let replays = match Replays::of(run, place)? {
        Ok(replays) => replays,
        Err(missing) => return Ok(Finding::missing(missing)),
    };
    let tally = replays.likely();
    let passed = |tally: &Tally| 1.0 - tally.false_accepts as f64 / (tally.excess as f64).max(1.0);
    let what = format!(
        "of {} requests beyond the limits, {} got through",
        show_count(tally.excess as f64),
        show_count(tally.false_accepts as f64)
    );
    let too_few = format!(
        "only {} requests went beyond the limits, {FEWEST} are needed; raise the rate or lower the number of users",
        tally.excess
    );
    Ok(replays.finding(goal, passed, |tally| tally.excess, &what, too_few))
}

pub(super) fn false_rejects(run: &JudgedRun<'_>, place: &Place, goal: &Goal) -> Result<Finding, JudgeError> {
    let replays = match Replays::of(run, place)? {
        Ok(replays) => replays,
        Err(missing) => return Ok(Finding::missing(missing)),
    };
    let tally = replays.likely();
    let wrongly = |tally: &Tally| tally.false_rejects as f64 / (tally.refused as f64).max(1.0);
    let what = format!(
        "of {} refused requests, {} were within the limits",
        show_count(tally.refused as f64),
        show_count(tally.false_rejects as f64)
    );
    let too_few = format!("only {} requests were refused, {FEWEST} are needed", tally.refused);
    Ok(replays.finding(goal, wrongly, |tally| tally.refused, &what, too_few))
}

/// What one replay counted inside the scope.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tally {
    excess: u64,
    false_accepts: u64,
    false_rejects: u64,
    refused: u64,
}

/// The replays; the first is the likely one.
#[derive(Debug)]
struct Replays([Tally; 4]);

/// When the service is taken to have decided.
#[derive(Clone, Copy, Debug)]
enum Decided {
    WhenSent,
    WhenAnswered,
}

/// What became of requests whose fate is unknown.
#[derive(Clone, Copy, Debug)]
enum Unclear {
    NeverMade,
    Allowed,
}

/// What the service said to a request, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Allowed,
    Refused,
    Unknown,
    NeverArrived,
}

impl Replays {
    /// The replays, or why there are none.
    fn of(run: &JudgedRun<'_>, place: &Place) -> Result<Result<Self, String>, JudgeError> {
        let Some(limiter) = &run.plan.limiter else {
            return Ok(Err("the plan has no [limiter] to judge by".to_owned()));
        };
        let Some(log) = run.requests()? else {
            return Ok(Err("there is no request log; set `requests = \"all\"` under [generator]".to_owned()));
        };
        if let Some(incomplete) = incomplete(run, log.partial, &log.rows) {
            return Ok(Err(incomplete));
        }
        let limited = limited_operations(run);
        let rows: Vec<&RequestRow> =
            log.rows.iter().filter(|row| limited.get(usize::from(row.operation)) != Some(&false)).collect();
        let anchor = run.facts.run.info().anchor.unix_ns;
        let replay = |decided, unclear| replay(&rows, &place.scope, limiter, anchor, decided, unclear);
        Ok(Ok(Self([
            replay(Decided::WhenSent, Unclear::NeverMade),
            replay(Decided::WhenAnswered, Unclear::NeverMade),
            replay(Decided::WhenSent, Unclear::Allowed),
            replay(Decided::WhenAnswered, Unclear::Allowed),
        ])))
    }

    fn likely(&self) -> Tally {
        self.0[0]
    }

    fn finding(
        &self,
        goal: &Goal,
        value: impl Fn(&Tally) -> f64,
        basis: impl Fn(&Tally) -> u64,
        what: &str,
        too_few: String,
    ) -> Finding {
        let samples = basis(&self.likely());
        if samples < FEWEST {
            return Finding { samples, ..Finding::missing(too_few) };
        }
        let values = self.0.each_ref().map(value);
        let range = Range {
            low: values.iter().copied().fold(f64::MAX, f64::min),
            high: values.iter().copied().fold(f64::MIN, f64::max),
        };
        let standing = goal.compare_range(range);
        let mut reason =
            format!("is {} {}, limit {}: {what}", goal.show(values[0]), goal.show_range(range), goal.show_limit());
        if standing == Standing::Undecided {
            reason += "; it depends on when the service decided and on requests without a clear answer, so a faster or more stable service would decide";
        }
        Finding {
            standing,
            value: Some(values[0]),
            interval: Some(Interval { low: range.low, high: range.high, confidence: 1.0 }),
            samples,
            reason,
            ..Finding::missing("")
        }
    }
}

/// Why the log does not hold every request, if so: one missing request shifts all that follow it.
fn incomplete(run: &JudgedRun<'_>, partial: bool, rows: &[RequestRow]) -> Option<String> {
    let dropped: u64 = run.facts.generator().map(|interval| interval.log_rows_dropped).sum();
    let logged = rows.iter().filter(|row| row.outcome.is_answered()).count() as u64;
    let answered = run.facts.totals(&Scope::default()).ledger.answered();
    if partial {
        Some("the request log breaks off: loadgen died".to_owned())
    } else if dropped > 0 {
        Some(format!("{} requests are missing from the request log", show_count(dropped as f64)))
    } else if logged < answered {
        let (logged, answered) = (show_count(logged as f64), show_count(answered as f64));
        Some(format!("the request log holds {logged} of {answered} answers"))
    } else {
        None
    }
}

/// Which operations the limiter guards: those that expect to be limited, or all when none says so.
fn limited_operations(run: &JudgedRun<'_>) -> Vec<bool> {
    let steps = run.plan.flows.iter().flat_map(|flow| &flow.steps);
    let limited: Vec<bool> = steps.map(|step| step.expect.limited.is_some()).collect();
    if limited.contains(&true) { limited } else { Vec::new() }
}

fn replay(
    rows: &[&RequestRow],
    scope: &Scope,
    limiter: &Limiter,
    anchor_unix_ns: i64,
    decided: Decided,
    unclear: Unclear,
) -> Tally {
    let mut users: BTreeMap<u64, Vec<Request>> = BTreeMap::new();
    for row in rows {
        let allowed = match (answer(row.outcome), unclear) {
            (Answer::Allowed, _) | (Answer::Unknown, Unclear::Allowed) => true,
            (Answer::Refused, _) => false,
            (Answer::NeverArrived, _) | (Answer::Unknown, Unclear::NeverMade) => continue,
        };
        let at = match decided {
            Decided::WhenSent => row.sent(),
            Decided::WhenAnswered => row.done(),
        };
        let unix_ns = anchor_unix_ns.saturating_add(at.0);
        users.entry(row.user).or_default().push(Request { unix_ns, allowed, counts: in_scope(row, scope) });
    }
    let window = limiter.limits.iter().map(window_ns).min().unwrap_or(1);
    let mut tally = Tally::default();
    for mut requests in users.into_values() {
        requests.sort_by_key(|request| request.unix_ns);
        let mut oracle = Oracle::new(limiter.window, &limiter.limits);
        replay_user(&requests, window, &mut oracle, &mut tally);
    }
    tally
}

#[derive(Clone, Copy, Debug)]
struct Request {
    unix_ns: i64,
    allowed: bool,
    /// Inside the scope: requests before it only fill the oracle's counters.
    counts: bool,
}

fn replay_user(requests: &[Request], window_ns: i64, oracle: &mut Oracle, tally: &mut Tally) {
    for window in requests.chunk_by(|a, b| a.unix_ns.div_euclid(window_ns) == b.unix_ns.div_euclid(window_ns)) {
        let (mut made, mut by_oracle, mut by_service) = (0u64, 0u64, 0u64);
        for request in window {
            let allowed = oracle.allows(request.unix_ns);
            if request.counts {
                made += 1;
                by_oracle += u64::from(allowed);
                by_service += u64::from(request.allowed);
            }
        }
        tally.excess += made - by_oracle;
        tally.refused += made - by_service;
        tally.false_accepts += by_service.saturating_sub(by_oracle);
        tally.false_rejects += by_oracle.saturating_sub(by_service);
    }
}

fn in_scope(row: &RequestRow, scope: &Scope) -> bool {
    scope.phase.is_none_or(|phase| phase == u32::from(row.phase))
        && scope.operation.is_none_or(|operation| operation == u32::from(row.operation))
}

fn answer(outcome: Outcome) -> Answer {
    match outcome {
        Outcome::Ok => Answer::Allowed,
        Outcome::Limited => Answer::Refused,
        Outcome::UnexpectedStatus
        | Outcome::Reset
        | Outcome::Closed
        | Outcome::Protocol
        | Outcome::Io
        | Outcome::TimedOut
        | Outcome::Unfinished => Answer::Unknown,
        Outcome::Refused
        | Outcome::Unreachable
        | Outcome::Tls
        | Outcome::LocalResource
        | Outcome::ConnectTimedOut
        | Outcome::Dropped => Answer::NeverArrived,
    }
}
