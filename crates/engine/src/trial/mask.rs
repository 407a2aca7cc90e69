//! A plan as it may be shown: every value from the environment is `***`.
//!
//! Requests of the masked plan are built beside the real ones with the same draws, so that what is shown has the same
//! shape as what is sent, and no text has to be searched for secrets.

use plimsoll_plan::{Action, Auth, Body, FormContent, Part, Plan, Request, Secret, Step, Target, Template};

/// What stands in place of a secret.
pub(super) const STARS: &str = "***";

/// The same plan without its secrets.
pub(super) fn masked(plan: &Plan) -> Plan {
    let mut plan = plan.clone();
    if let Some(target) = &mut plan.target {
        mask_target(target);
    }
    mask_steps(&mut plan.setup);
    mask_steps(&mut plan.teardown);
    for flow in &mut plan.flows {
        mask_named(&mut flow.headers);
        mask_steps(&mut flow.steps);
    }
    plan
}

fn mask_target(target: &mut Target) {
    mask_named(&mut target.headers);
    target.auth.iter_mut().for_each(mask_auth);
}

fn mask_steps(steps: &mut [Step]) {
    for step in steps {
        match &mut step.action {
            Action::Request(request) => mask_request(request),
            Action::Set(values) => mask_named(values),
            Action::Repeat { steps, .. } | Action::While { steps, .. } | Action::Copies { steps, .. } => {
                mask_steps(steps);
            }
            Action::Branches(branches) => branches.iter_mut().for_each(|branch| mask_steps(branch)),
            Action::Choose(choices) => choices.iter_mut().for_each(|choice| mask_steps(&mut choice.steps)),
            Action::Think(_) => {}
        }
    }
}

fn mask_request(request: &mut Request) {
    mask(&mut request.path);
    request.store.iter_mut().flat_map(|call| call.templates_mut()).for_each(mask);
    mask_named(&mut request.headers);
    request.auth.iter_mut().for_each(mask_auth);
    match &mut request.body {
        Some(Body::Json(text) | Body::Text(text)) => mask(text),
        Some(Body::Form(fields)) => mask_named(fields),
        Some(Body::Multipart(parts)) => parts.iter_mut().for_each(|part| match &mut part.content {
            FormContent::Value(value) => mask(value),
            FormContent::File { .. } => {}
        }),
        Some(Body::File(_)) | None => {}
    }
}

fn mask_auth(auth: &mut Auth) {
    match auth {
        Auth::None => {}
        Auth::Basic { user, password } => {
            mask(user);
            mask(password);
        }
        Auth::Bearer(token) => mask(token),
    }
}

fn mask_named(named: &mut [(String, Template)]) {
    named.iter_mut().for_each(|(_, value)| mask(value));
}

fn mask(template: &mut Template) {
    for part in &mut template.parts {
        if let Part::Environment { value, .. } = part {
            *value = Secret::new(STARS.to_owned());
        }
    }
}
