//! Programs walked through with answers given beforehand: the order of what they meet, and that they end.

use std::collections::VecDeque;

use plimsoll_plan::{Plan, SourceText, Surroundings, parse};
use proptest::prelude::*;

use super::*;

/// Goes through a program with answers given beforehand, and writes down what it meets.
#[derive(Debug, Default)]
struct Script {
    /// Answers to conditions; when there are no more, nothing holds.
    holds: VecDeque<bool>,
    draws: VecDeque<f64>,
    log: Vec<String>,
}

impl Mind for Script {
    fn holds(&mut self, condition: u16, turn: u32) -> bool {
        let holds = self.holds.pop_front().unwrap_or(false);
        self.log.push(format!("{}{condition}@{turn}", if holds { "+" } else { "-" }));
        holds
    }

    fn set(&mut self, set: u16, turn: u32) -> bool {
        self.log.push(format!("set{set}@{turn}"));
        true
    }

    fn draw(&mut self) -> f64 {
        self.draws.pop_front().unwrap_or(0.0)
    }

    fn think(&mut self, think: ThinkTime) -> i64 {
        let ThinkTime::Constant(pause) = think else { unreachable!() };
        pause.as_nanos() as i64
    }
}

fn plan(steps: &str) -> Plan {
    let text = format!(
        "name = \"p\"\ntarget = {{ url = \"http://127.0.0.1:1\" }}\nphases = [{{ name = \"a\", duration = \"1s\", \
         rate = \"1/s\" }}]\nflows.f.steps = [{steps}]\n"
    );
    parse(&SourceText { name: "p.toml".to_owned(), text }, &[], &Surroundings::NONE).unwrap()
}

/// Runs the steps from begin to end, group after group, branch after branch.
fn run(steps: &str, script: Script) -> String {
    let plan = plan(steps);
    let names = plan.operations();
    let program = Program::compile(&plan.flows[0].steps, &mut Texts::default());
    let mut script = script;
    walk(&program, Cursor::default(), &names, &mut script);
    script.log.join(" ")
}

fn walk(program: &Program, mut cursor: Cursor, names: &[String], script: &mut Script) {
    loop {
        let mut pause = None;
        let next = program.advance(&mut cursor, script, &mut pause);
        if let Some(pause) = pause {
            script.log.push(format!("{}ms", pause / 1_000_000));
        }
        let name = |operation: u16| &names[usize::from(operation)];
        match next {
            Next::Request(operation) => script.log.push(format!("{}@{}", name(operation), cursor.turn())),
            Next::Poll(operation) => script.log.push(format!("{} until", name(operation + 1))),
            Next::Group(index) => {
                for branch in program.group(index).branches(&cursor) {
                    script.log.push("(".to_owned());
                    walk(program, branch, names, script);
                    script.log.push(")".to_owned());
                }
            }
            Next::End => return,
            Next::Failed(failure) => return script.log.push(format!("{failure:?}")),
        }
        program.pass(&mut cursor);
    }
}

fn holding(answers: &[bool]) -> Script {
    Script { holds: answers.iter().copied().collect(), ..Script::default() }
}

fn drawing(draws: &[f64]) -> Script {
    Script { draws: draws.iter().copied().collect(), ..Script::default() }
}

const A: &str = r#"{ name = "a", get = "/a" }"#;
const B: &str = r#"{ name = "b", get = "/b" }"#;
const C: &str = r#"{ name = "c", get = "/c" }"#;

#[test]
fn requests_follow_one_another() {
    assert_eq!(run(&format!("{A}, {B}"), Script::default()), "a@0 b@0");
}

#[test]
fn a_pause_stands_before_the_request_it_delays() {
    let steps = format!(r#"{A}, {{ think = "2s" }}, {{ think = "1s" }}, {B}, {{ think = "5s" }}"#);
    assert_eq!(run(&steps, Script::default()), "a@0 3000ms b@0 5000ms");
}

#[test]
fn a_step_is_left_out_unless_its_condition_holds() {
    let steps = format!(r#"{{ name = "a", get = "/a", when = "{{user.n}} == 1" }}, {B}"#);
    assert_eq!(run(&steps, holding(&[false])), "-0@0 b@0");
    assert_eq!(run(&steps, holding(&[true])), "+0@0 a@0 b@0");
}

#[test]
fn steps_are_repeated_as_often_as_drawn_and_know_their_turn() {
    let steps = format!(r#"{{ repeat = 2, steps = [{A}, {{ repeat = "0..2", steps = [{B}] }}] }}, {C}"#);
    assert_eq!(run(&steps, drawing(&[0.0, 0.99])), "a@1 a@2 b@1 b@2 c@0");
    assert_eq!(run(&steps, drawing(&[0.5, 0.0])), "a@1 b@1 a@2 c@0");
}

#[test]
fn a_loop_goes_on_while_its_condition_holds_which_is_about_the_turn_to_come() {
    let steps = format!(r#"{{ while = "{{turn}} <= 2", limit = 3, steps = [{A}] }}, {B}"#);
    assert_eq!(run(&steps, holding(&[true, true, false])), "+0@1 a@1 +0@2 a@2 -0@3 b@0");
    assert_eq!(run(&steps, holding(&[false])), "-0@1 b@0");
    assert_eq!(run(&steps, holding(&[true, true, true, false])), "+0@1 a@1 +0@2 a@2 +0@3 a@3 -0@4 b@0");
    assert_eq!(run(&steps, holding(&[true; 9])), "+0@1 a@1 +0@2 a@2 +0@3 a@3 +0@4 Limit");
}

#[test]
fn one_of_the_choices_is_taken() {
    let steps = format!("{{ choose = [{{ weight = 3, steps = [{A}] }}, {{ steps = [{B}] }}] }}, {C}");
    assert_eq!(run(&steps, drawing(&[0.74])), "a@0 c@0");
    assert_eq!(run(&steps, drawing(&[0.76])), "b@0 c@0");
}

#[test]
fn copies_know_their_number_and_branches_the_turn_around_them() {
    let steps = format!("{{ parallel = 2, steps = [{A}, {{ repeat = 2, steps = [{B}] }}] }}, {C}");
    assert_eq!(run(&steps, Script::default()), "( a@1 b@1 b@2 ) ( a@2 b@1 b@2 ) c@0");
    let steps = format!("{{ repeat = 2, steps = [{{ parallel = [[{A}], [{B}, {C}]] }}] }}");
    assert_eq!(run(&steps, Script::default()), "( a@1 ) ( b@1 c@1 ) ( a@2 ) ( b@2 c@2 )");
}

#[test]
fn a_poll_has_an_operation_for_the_whole_behind_its_own() {
    let poll = r#"{ name = "wait", get = "/w", poll = { until = "status == 200" } }"#;
    assert_eq!(run(&format!("{A}, {poll}, {B}"), Script::default()), "a@0 wait.poll until b@0");
}

#[test]
fn a_flow_without_a_request_in_reach_is_given_up() {
    let steps = format!(r#"{{ repeat = 4000000, steps = [{{ set = {{ x = "1" }} }}] }}, {A}"#);
    let log = run(&steps, Script::default());
    assert!(log.ends_with(" Endless"), "{}", &log[log.len() - 50..]);
}

#[test]
fn an_iteration_that_was_put_away_goes_on_as_if_it_had_not_been() {
    let plan = plan(&format!("{{ repeat = 3, steps = [{A}, {{ parallel = 2, steps = [{B}] }}] }}"));
    let program = Program::compile(&plan.flows[0].steps, &mut Texts::default());
    let (mut cursor, mut seen) = (Cursor::default(), Vec::new());
    loop {
        let next = program.advance(&mut cursor, &mut Script::default(), &mut None);
        let again = program.advance(&mut cursor.clone(), &mut Script::default(), &mut None);
        assert_eq!(next, again);
        seen.push((next, cursor.turn()));
        if next == Next::End {
            break;
        }
        program.pass(&mut cursor);
    }
    let turns = (1..=3).flat_map(|turn| [(Next::Request(0), turn), (Next::Group(0), turn)]);
    assert_eq!(seen, turns.chain([(Next::End, 0)]).collect::<Vec<_>>());
}

/// Random steps, nested a few levels deep.
fn steps(depth: u32) -> BoxedStrategy<String> {
    let request = (0..u32::MAX).prop_map(|n| format!(r#"{{ name = "r{n}", get = "/" }}"#)).boxed();
    if depth == 0 {
        return request;
    }
    let list = || prop::collection::vec(steps(depth - 1), 1..3).prop_map(|steps| steps.join(", "));
    let condition = r#""{user.n} == 1""#;
    prop_oneof![
        request,
        list().prop_map(|steps| format!(r#"{{ repeat = "0..3", steps = [{steps}] }}"#)),
        list().prop_map(move |steps| format!("{{ while = {condition}, limit = 2, steps = [{steps}] }}")),
        list().prop_map(|steps| format!("{{ parallel = 2, steps = [{steps}] }}")),
        (list(), list()).prop_map(|(a, b)| format!("{{ parallel = [[{a}], [{b}]] }}")),
        (list(), list()).prop_map(|(a, b)| format!("{{ choose = [{{ steps = [{a}] }}, {{ steps = [{b}] }}] }}")),
        Just(format!(r#"{{ think = "1s", when = {condition} }}"#)),
    ]
    .boxed()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_program_ends_and_leaves_its_loops(
        list in prop::collection::vec(steps(3), 1..3),
        holds in prop::collection::vec(any::<bool>(), 0..64),
        draws in prop::collection::vec(0.0..1.0, 0..64),
    ) {
        let plan = plan(&format!("{}, {A}", list.join(", ")));
        let mut texts = Texts::default();
        let program = Program::compile(&plan.flows[0].steps, &mut texts);
        prop_assert_eq!(usize::from(texts.operations), plan.operations().len());
        let mut script = Script { holds: holds.into(), draws: draws.into(), log: Vec::new() };
        walk(&program, Cursor::default(), &plan.operations(), &mut script);
        let end = script.log.last().unwrap();
        let failed = script.log.iter().any(|entry| entry == "Limit");
        prop_assert!(failed || end == "a@0", "{}", script.log.join(" "));
    }
}
