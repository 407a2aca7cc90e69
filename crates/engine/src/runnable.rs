//! What a plan may ask for that the engine does not do yet: refused before the run, by name, never left out in silence.

use plimsoll_plan::{
    Action, Auth, Body, ConnectionUse, Flow, FormContent, Hole, Load, Part, Plan, Request, RequestLogging, Target,
    Template, ThinkTime,
};

use crate::workload::WorkloadError;

const HOLES: &str = "holes beyond `{user.id}` and `{user.n}`";

/// Refuses what cannot be run.
pub(crate) fn check(plan: &Plan, target: &Target) -> Result<(), WorkloadError> {
    refuse(of_plan(plan), || "the plan".to_owned())?;
    refuse(of_target(target), || "[target]".to_owned())?;
    for phase in &plan.phases {
        refuse(of_load(&phase.load), || format!("the phase `{}`", phase.name))?;
    }
    for flow in &plan.flows {
        refuse(of_flow(flow), || format!("the flow `{}`", flow.name))?;
        for request in plimsoll_plan::flow::requests(&flow.steps) {
            refuse(of_request(request), || format!("the step `{}` of the flow `{}`", request.name, flow.name))?;
        }
    }
    Ok(())
}

fn refuse(what: Option<&'static str>, place: impl Fn() -> String) -> Result<(), WorkloadError> {
    what.map_or(Ok(()), |what| Err(WorkloadError::NotYet { place: place(), what }))
}

/// The first that is asked for.
fn first(asked: &[(bool, &'static str)]) -> Option<&'static str> {
    asked.iter().find(|(asked, _)| *asked).map(|(_, what)| *what)
}

fn of_plan(plan: &Plan) -> Option<&'static str> {
    first(&[
        (!plan.setup.is_empty(), "[setup]"),
        (!plan.teardown.is_empty(), "[teardown]"),
        (plan.users.cookies, "`cookies`"),
        (plan.users.connections != ConnectionUse::Pool, "`connections` for its users"),
        (plan.users.session.is_some(), "a `session`"),
        (plan.generator.failed_bodies.is_some(), "a log of `bodies`"),
        (plan.generator.slow.is_some(), "`slow`"),
        (!matches!(plan.generator.requests, RequestLogging::All | RequestLogging::None), "a log of some requests"),
    ])
}

fn of_target(target: &Target) -> Option<&'static str> {
    first(&[
        (target.auth.as_ref().is_some_and(|auth| !is_plain_auth(auth)), HOLES),
        (!are_plain(&target.headers), HOLES),
    ])
}

fn of_load(load: &Load) -> Option<&'static str> {
    let Load::Closed { think, pacing, .. } = load else { return None };
    let drawn = matches!(think, ThinkTime::Normal { .. } | ThinkTime::LogNormal { .. } | ThinkTime::Exponential { .. });
    first(&[(pacing.is_some(), "`pacing`"), (drawn, "a think time of a distribution")])
}

fn of_flow(flow: &Flow) -> Option<&'static str> {
    let other = |action: &Action| !matches!(action, Action::Request(_));
    first(&[
        (flow.pacing.is_some(), "`pacing`"),
        (!are_plain(&flow.headers), HOLES),
        (flow.steps.iter().any(|step| other(&step.action)), "steps that are no requests"),
        (flow.steps.iter().any(|step| step.when.is_some()), "a step with `when`"),
    ])
}

fn of_request(request: &Request) -> Option<&'static str> {
    let plain =
        is_plain(&request.path) && are_plain(&request.headers) && request.body.as_ref().is_none_or(is_plain_body);
    let plain_auth = request.auth.as_ref().is_none_or(is_plain_auth);
    let checked = !request.expect.checks.is_empty() || !request.expect.soft.is_empty();
    first(&[
        (!plain || !plain_auth, HOLES),
        (request.redirects > 0, "`redirects`"),
        (request.slow.is_some(), "`slow`"),
        (checked, "checks beside the status"),
        (!request.captures.is_empty(), "`capture`"),
        (request.poll.is_some(), "`poll`"),
    ])
}

fn is_plain_body(body: &Body) -> bool {
    match body {
        Body::Json(text) | Body::Text(text) => is_plain(text),
        Body::Form(fields) => are_plain(fields),
        Body::Multipart(parts) => parts.iter().all(|part| match &part.content {
            FormContent::Value(value) => is_plain(value),
            FormContent::File { .. } => true,
        }),
        Body::File(_) => true,
    }
}

fn is_plain_auth(auth: &Auth) -> bool {
    match auth {
        Auth::None => true,
        Auth::Basic { user, password } => is_plain(user) && is_plain(password),
        Auth::Bearer(token) => is_plain(token),
    }
}

fn are_plain(named: &[(String, Template)]) -> bool {
    named.iter().all(|(_, value)| is_plain(value))
}

fn is_plain(template: &Template) -> bool {
    template.parts.iter().all(|part| match part {
        Part::Literal(_) | Part::Environment { .. } => true,
        Part::Hole(hole, _) => matches!(hole, Hole::UserId | Hole::UserNumber),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::plan_for;

    #[track_caller]
    fn refused(change: impl FnOnce(&mut Plan)) -> String {
        let mut plan = plan_for("http://example.test");
        let target = plan.target.clone().unwrap();
        change(&mut plan);
        check(&plan, &target).unwrap_err().to_string()
    }

    #[test]
    fn what_cannot_be_run_is_named_with_its_place() {
        let pause = plimsoll_plan::Step::new(Action::Think(ThinkTime::None));
        assert_eq!(
            refused(|plan| plan.flows[0].steps.push(pause)),
            "the flow `quick` has steps that are no requests, which cannot be run yet; leave it out"
        );
        let text = refused(|plan| plan.flows[0].steps[0].request_mut().unwrap().redirects = 3);
        assert!(text.starts_with("the step `request` of the flow `quick` has `redirects`"), "{text}");
        let hole = Hole::Captured("id".to_owned());
        let path = Template { parts: vec![Part::Literal("/".to_owned()), hole.into()] };
        assert!(refused(|plan| plan.flows[0].steps[0].request_mut().unwrap().path = path).contains("holes"));
    }

    #[test]
    fn what_cannot_be_run_is_refused_before_the_target_is_asked() {
        let mut plan = plan_for("http://nobody.invalid");
        let hole = Hole::Captured("token".to_owned());
        plan.target.as_mut().unwrap().headers = vec![("x-token".to_owned(), Template { parts: vec![hole.into()] })];
        let error = crate::health_check(&plan, std::time::Duration::ZERO).unwrap_err();
        assert!(matches!(error, crate::HealthError::Plan(WorkloadError::NotYet { .. })), "{error}");
    }

    #[test]
    fn a_plain_plan_is_run() {
        let plan = plan_for("http://example.test");
        check(&plan, plan.target.as_ref().unwrap()).unwrap();
    }
}
