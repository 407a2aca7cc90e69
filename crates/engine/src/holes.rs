//! Every hole of a flow, wherever it stands: what an iteration may ask for.

use plimsoll_plan::{
    Action, Auth, Body, Condition, Flow, FormContent, Hole, Operand, Request, Step, Target, Template, Value,
};

/// The holes of a flow and of what the target adds to its requests. Some may be there several times.
#[must_use]
pub fn of_flow<'p>(flow: &'p Flow, target: Option<&'p Target>) -> Vec<&'p Hole> {
    let mut holes = Holes::default();
    target.iter().for_each(|target| holes.named(&target.headers));
    holes.named(&flow.headers);
    target.iter().filter_map(|target| target.auth.as_ref()).for_each(|auth| holes.auth(auth));
    holes.steps(&flow.steps);
    holes.all
}

#[derive(Default)]
struct Holes<'p> {
    all: Vec<&'p Hole>,
}

impl<'p> Holes<'p> {
    fn steps(&mut self, steps: &'p [Step]) {
        for step in steps {
            step.when.iter().for_each(|condition| self.condition(condition));
            match &step.action {
                Action::Request(request) => self.request(request),
                Action::Set(values) => self.named(values),
                Action::While { condition, .. } => self.condition(condition),
                _ => {}
            }
            step.inside().into_iter().for_each(|inside| self.steps(inside));
        }
    }

    fn request(&mut self, request: &'p Request) {
        self.template(&request.path);
        request.store.iter().flat_map(|call| call.templates()).for_each(|template| self.template(template));
        self.named(&request.headers);
        request.auth.iter().for_each(|auth| self.auth(auth));
        request.body.iter().for_each(|body| self.body(body));
        let checks = request.expect.checks.iter().chain(&request.expect.soft);
        checks.for_each(|check| self.condition(&check.condition));
        request.poll.iter().for_each(|poll| self.condition(&poll.until));
    }

    fn auth(&mut self, auth: &'p Auth) {
        match auth {
            Auth::None => {}
            Auth::Basic { user, password } => {
                self.template(user);
                self.template(password);
            }
            Auth::Bearer(token) => self.template(token),
        }
    }

    fn body(&mut self, body: &'p Body) {
        match body {
            Body::Json(text) | Body::Text(text) => self.template(text),
            Body::Form(fields) => self.named(fields),
            Body::Multipart(parts) => parts.iter().for_each(|part| match &part.content {
                FormContent::Value(value) => self.template(value),
                FormContent::File { .. } => {}
            }),
            Body::File(_) => {}
        }
    }

    fn condition(&mut self, condition: &'p Condition) {
        match condition {
            Condition::Compare { left, right, .. } => {
                self.operand(left);
                if let Value::Hole(hole) = right {
                    self.all.push(hole);
                }
            }
            Condition::Matches(operand, _) | Condition::Exists(operand) => self.operand(operand),
            Condition::StatusIn(_) => {}
            Condition::Not(inner) => self.condition(inner),
            Condition::All(list) | Condition::Any(list) => list.iter().for_each(|inner| self.condition(inner)),
        }
    }

    fn operand(&mut self, operand: &'p Operand) {
        if let Operand::Hole(hole) = operand {
            self.all.push(hole);
        }
    }

    fn named(&mut self, named: &'p [(String, Template)]) {
        named.iter().for_each(|(_, template)| self.template(template));
    }

    fn template(&mut self, template: &'p Template) {
        self.all.extend(template.holes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use plimsoll_plan::{SourceText, Surroundings};

    const PLAN: &str = r#"
schema = 1
name = "holes"
[target]
url = "http://localhost:1"
headers = { x-a = "{data.d.a}" }
auth = { basic = { user = "{data.d.b}", password = "{data.d.c}" } }
[[phases]]
name = "p"
rate = "1/s"
duration = "1s"
[data.d]
rows = [{ a = 1, b = 1, c = 1, d = 1, e = 1, f = 1, g = 1, h = 1, i = 1, j = 1, k = 1, l = 1 }]
[flows.f]
headers = { x-d = "{data.d.d}" }
steps = [
    { set = { v = "{data.d.e}" }, when = "{data.d.f} == 1 and not {user.n} == {data.d.g}" },
    { repeat = 2, steps = [{ name = "one", post = "/{data.d.h}", form = { x = "{data.d.i}" }, expect = { that = ["$.x == {data.d.j}"] } }] },
    { while = "{data.d.k} exists", limit = 3, steps = [{ think = "1s" }] },
    { name = "two", post = "/two", multipart = [{ name = "n", value = "{data.d.l}" }] },
]
"#;

    #[test]
    fn a_hole_is_found_wherever_it_stands() {
        let source = SourceText { name: "plan.toml".to_owned(), text: PLAN.to_owned() };
        let plan = plimsoll_plan::parse(&source, &[], &Surroundings::NONE).unwrap();
        let mut columns: Vec<&str> = of_flow(&plan.flows[0], plan.target.as_ref())
            .into_iter()
            .filter_map(|hole| if let Hole::Data(_, column) = hole { Some(column.as_str()) } else { None })
            .collect();
        columns.sort_unstable();
        assert_eq!(columns, ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"]);
    }
}
