//! What a plan may ask for that the engine does not do yet: refused before the run, by name, never left out in silence.

use plimsoll_plan::Plan;

use crate::workload::WorkloadError;

/// Refuses what cannot be run.
pub(crate) fn check(plan: &Plan) -> Result<(), WorkloadError> {
    refuse(of_plan(plan), || "the plan".to_owned())?;
    for flow in &plan.flows {
        for request in plimsoll_plan::flow::requests(&flow.steps) {
            let slow = request.slow.map(|_| "`slow`");
            refuse(slow, || format!("the step `{}` of the flow `{}`", request.name, flow.name))?;
        }
    }
    Ok(())
}

fn refuse(what: Option<&'static str>, place: impl Fn() -> String) -> Result<(), WorkloadError> {
    what.map_or(Ok(()), |what| Err(WorkloadError::NotYet { place: place(), what }))
}

fn of_plan(plan: &Plan) -> Option<&'static str> {
    let asked = [
        (plan.generator.failed_bodies.is_some(), "a log of `bodies`"),
    ];
    asked.into_iter().find(|(asked, _)| *asked).map(|(_, what)| what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::plan_for;
    use std::time::Duration;

    #[test]
    fn what_cannot_be_run_is_named_with_its_place() {
        let mut plan = plan_for("http://example.test");
        check(&plan).unwrap();
        plan.flows[0].steps[0].request_mut().unwrap().slow = Some(Duration::from_secs(1));
        assert_eq!(
            check(&plan).unwrap_err().to_string(),
            "the step `request` of the flow `quick` has `slow`, which cannot be run yet; leave it out"
        );
    }
}
