//! A flow compiled to a flat list of instructions, and the cursor that walks along it.
//!
//! Loops, choices and conditions are jumps, so that where an iteration stands is a [`Cursor`]: a place in the list and
//! the turns of the loops around it. It can be put away for minutes and go on in any task. What conditions and values
//! mean is the [`Mind`]'s business; requests are sent elsewhere. No clock, no I/O.

use plimsoll_plan::{Action, Choice, Condition, Step, Template, ThinkTime, Times};

use crate::draw::Weights;

/// Instructions without a request among them after which an iteration is given up: no plan means it, and it would
/// keep a worker from everything else.
const ENDLESS: u32 = 100_000;

/// One instruction. Places are indices of [`Program::code`].
#[derive(Clone, Debug, PartialEq)]
enum Instruction {
    /// Sends the request of an operation.
    Request(u16),
    /// Sends it until something holds. The whole is the operation behind it.
    Poll(u16),
    Think(ThinkTime),
    /// One of [`Texts::sets`].
    Set(u16),
    /// Jumps when one of [`Texts::conditions`] does not hold.
    Unless {
        condition: u16,
        to: u32,
    },
    Jump(u32),
    /// Jumps to where one of [`Program::choices`] leads.
    Choose(u16),
    /// Begins a loop, or jumps over it.
    Repeat {
        times: Times,
        to: u32,
    },
    /// Begins the next turn of a `repeat`, or leaves it.
    Again {
        body: u32,
    },
    /// Begins a `while`.
    Enter {
        limit: u32,
    },
    /// Begins the next turn of a `while`, or leaves it and jumps.
    Test {
        condition: u16,
        to: u32,
    },
    /// One of [`Program::groups`].
    Group(u16),
    End,
}

/// A flow, compiled.
#[derive(Clone, Debug, Default)]
pub(crate) struct Program {
    code: Vec<Instruction>,
    choices: Vec<Choices>,
    groups: Vec<Group>,
}

#[derive(Clone, Debug)]
struct Choices {
    weights: Weights,
    to: Vec<u32>,
}

/// Steps that are done at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Group {
    /// Where each branch begins. Each ends with an instruction of its own.
    starts: Vec<u32>,
    /// How many copies of the only branch there are; `None` when branches stand beside each other.
    copies: Option<u16>,
    after: u32,
}

/// What programs of a plan refer to by index: to be compiled by those who understand it.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    pub(crate) conditions: Vec<Condition>,
    pub(crate) sets: Vec<Vec<(String, Template)>>,
    operations: u16,
}

/// Where an iteration stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cursor {
    at: u32,
    /// The loops it is in, the innermost last. No memory as long as there is none.
    loops: Vec<Loop>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Loop {
    turn: u32,
    /// The last turn.
    last: u32,
}

/// What an iteration stands before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// A request of this operation.
    Request(u16),
    /// A request of this operation, until something holds.
    Poll(u16),
    /// Steps that are done at once, by their index.
    Group(u16),
    /// Nothing more.
    End,
    /// It cannot go on.
    Failed(Failure),
}

/// Why an iteration could not go on, though no request failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// A `while` whose condition still holds after its last turn.
    Limit,
    /// A value that is made of one that nobody captured.
    Missing,
    /// A hundred thousand steps, none of them a request or a pause.
    Endless,
}

/// Who goes through a program: knows what its conditions and values mean, and draws what is random.
pub(crate) trait Mind {
    /// Whether a condition holds. `turn` is the innermost loop's, 0 outside of loops.
    fn holds(&mut self, condition: u16, turn: u32) -> bool;
    /// Gives variables their values; false when a value is missing.
    fn set(&mut self, set: u16, turn: u32) -> bool;
    /// A random number, evenly from [0, 1).
    fn draw(&mut self) -> f64;
    /// A pause in nanoseconds.
    fn think(&mut self, think: ThinkTime) -> i64;
}

impl Program {
    /// Compiles the steps of a flow. Operations get the indices of the plan's operation list, when flows are compiled
    /// in their order with the same `texts`.
    pub(crate) fn compile(steps: &[Step], texts: &mut Texts) -> Self {
        let mut program = Self::default();
        program.steps(steps, texts);
        program.code.push(Instruction::End);
        program
    }

    /// Only this: a request, or a poll.
    pub(crate) fn only(next: Next) -> Self {
        let code = match next {
            Next::Request(operation) => vec![Instruction::Request(operation), Instruction::End],
            Next::Poll(operation) => vec![Instruction::Poll(operation), Instruction::End],
            Next::Group(_) | Next::End | Next::Failed(_) => vec![Instruction::End],
        };
        Self { code, ..Self::default() }
    }

    /// The operation it begins with, where that is known beforehand.
    pub(crate) fn first_operation(&self) -> Option<u16> {
        match self.code[0] {
            Instruction::Request(operation) => Some(operation),
            _ => None,
        }
    }

    /// A group of steps that are done at once.
    pub(crate) fn group(&self, index: u16) -> &Group {
        &self.groups[usize::from(index)]
    }

    /// Walks on to the next request or group, and says which. Pauses on the way there are added up in `pause`. Called
    /// again, it says the same: the cursor stays before what it found until it is told to [`Self::pass`] it.
    #[inline]
    pub(crate) fn advance(&self, cursor: &mut Cursor, mind: &mut impl Mind, pause: &mut Option<i64>) -> Next {
        match self.code[cursor.at as usize] {
            Instruction::Request(operation) => Next::Request(operation),
            Instruction::End => Next::End,
            _ => self.walk(cursor, mind, pause),
        }
    }

    /// Goes past the request or group that the cursor stands before.
    #[inline]
    pub(crate) fn pass(&self, cursor: &mut Cursor) {
        cursor.at = match self.code[cursor.at as usize] {
            Instruction::Group(index) => self.group(index).after,
            _ => cursor.at + 1,
        };
    }

    fn walk(&self, cursor: &mut Cursor, mind: &mut impl Mind, pause: &mut Option<i64>) -> Next {
        for _ in 0..ENDLESS {
            let instruction = &self.code[cursor.at as usize];
            cursor.at += 1;
            let found = match instruction {
                Instruction::Request(operation) => Next::Request(*operation),
                Instruction::Poll(operation) => Next::Poll(*operation),
                Instruction::Group(index) => Next::Group(*index),
                Instruction::End => Next::End,
                Instruction::Think(think) => {
                    *pause = Some(pause.unwrap_or(0).saturating_add(mind.think(*think)));
                    continue;
                }
                Instruction::Set(set) if !mind.set(*set, cursor.turn()) => Next::Failed(Failure::Missing),
                Instruction::Set(_) => continue,
                jump => match self.jump(jump, cursor, mind) {
                    Ok(()) => continue,
                    Err(failure) => Next::Failed(failure),
                },
            };
            cursor.at -= 1;
            return found;
        }
        Next::Failed(Failure::Endless)
    }

    fn jump(&self, instruction: &Instruction, cursor: &mut Cursor, mind: &mut impl Mind) -> Result<(), Failure> {
        match instruction {
            Instruction::Unless { condition, to } => {
                if !mind.holds(*condition, cursor.turn()) {
                    cursor.at = *to;
                }
            }
            Instruction::Jump(to) => cursor.at = *to,
            Instruction::Choose(index) => {
                let choices = &self.choices[usize::from(*index)];
                cursor.at = choices.to[usize::from(choices.weights.at(mind.draw()))];
            }
            Instruction::Repeat { times, to } => match how_often(*times, mind) {
                0 => cursor.at = *to,
                last => cursor.loops.push(Loop { turn: 1, last }),
            },
            Instruction::Again { body } => {
                if cursor.next_turn() {
                    cursor.at = *body;
                } else {
                    cursor.loops.pop();
                }
            }
            Instruction::Enter { limit } => cursor.loops.push(Loop { turn: 0, last: *limit }),
            Instruction::Test { condition, to } => {
                let within = cursor.next_turn();
                // The condition is about the turn that would begin.
                if !mind.holds(*condition, cursor.turn() + u32::from(!within)) {
                    cursor.loops.pop();
                    cursor.at = *to;
                } else if !within {
                    return Err(Failure::Limit);
                }
            }
            _ => unreachable!("not a jump: {instruction:?}"),
        }
        Ok(())
    }
}

fn how_often(times: Times, mind: &mut impl Mind) -> u32 {
    let (min, max) = (times.min, times.max.get());
    if min == max {
        return min;
    }
    let choices = f64::from(max - min) + 1.0;
    min.saturating_add((mind.draw() * choices) as u32).min(max)
}

impl Cursor {
    /// Which turn of the innermost loop, or which copy of the innermost group, from 1; 0 outside of them.
    pub(crate) fn turn(&self) -> u32 {
        self.loops.last().map_or(0, |inner| inner.turn)
    }

    /// Begins the next turn, unless the last one is over.
    fn next_turn(&mut self) -> bool {
        let inner = self.loops.last_mut().expect("turns are counted inside of loops only");
        let more = inner.turn < inner.last;
        inner.turn += u32::from(more);
        more
    }
}

impl Group {
    /// Where the branches begin, for an iteration that stands before the group.
    pub(crate) fn branches(&self, cursor: &Cursor) -> impl Iterator<Item = Cursor> {
        let copies = u32::from(self.copies.unwrap_or(1));
        let begin = move |at: u32, turn: u32| {
            let mut branch = Cursor { at, loops: cursor.loops.clone() };
            if self.copies.is_some() {
                branch.loops.push(Loop { turn, last: turn });
            }
            branch
        };
        self.starts.iter().flat_map(move |at| (1..=copies).map(move |turn| begin(*at, turn)))
    }

    /// Whether what its branches capture is gone when they have ended.
    pub(crate) fn forgets(&self) -> bool {
        self.copies.is_some()
    }
}

/// Compiling.
impl Program {
    fn here(&self) -> u32 {
        u32::try_from(self.code.len()).expect("a flow has fewer than 2^32 steps")
    }

    fn push(&mut self, instruction: Instruction) -> usize {
        self.code.push(instruction);
        self.code.len() - 1
    }

    fn steps(&mut self, steps: &[Step], texts: &mut Texts) {
        for step in steps {
            let Some(when) = &step.when else {
                self.action(&step.action, texts);
                continue;
            };
            let condition = texts.condition(when);
            let unless = self.push(Instruction::Unless { condition, to: 0 });
            self.action(&step.action, texts);
            self.code[unless] = Instruction::Unless { condition, to: self.here() };
        }
    }

    fn action(&mut self, action: &Action, texts: &mut Texts) {
        match action {
            Action::Request(request) => {
                let operation = texts.operation(1 + u16::from(request.poll.is_some()));
                let polled = request.poll.is_some();
                self.push(if polled { Instruction::Poll(operation) } else { Instruction::Request(operation) });
            }
            Action::Think(think) => {
                self.push(Instruction::Think(*think));
            }
            Action::Set(values) => {
                texts.sets.push(values.clone());
                self.push(Instruction::Set(index(texts.sets.len() - 1)));
            }
            Action::Repeat { times, steps } => self.repeat(*times, steps, texts),
            Action::While { condition, limit, steps } => self.repeat_while(condition, limit.get(), steps, texts),
            Action::Copies { count, steps } => self.group_of(Some(count.get()), &[steps], texts),
            Action::Branches(branches) => {
                let branches: Vec<&[Step]> = branches.iter().map(Vec::as_slice).collect();
                self.group_of(None, &branches, texts);
            }
            Action::Choose(choices) => self.choose(choices, texts),
        }
    }

    fn repeat(&mut self, times: Times, steps: &[Step], texts: &mut Texts) {
        let begin = self.push(Instruction::Jump(0));
        let body = self.here();
        self.steps(steps, texts);
        self.push(Instruction::Again { body });
        self.code[begin] = Instruction::Repeat { times, to: self.here() };
    }

    fn repeat_while(&mut self, condition: &Condition, limit: u32, steps: &[Step], texts: &mut Texts) {
        let condition = texts.condition(condition);
        self.push(Instruction::Enter { limit });
        let test = self.push(Instruction::Jump(0));
        self.steps(steps, texts);
        self.push(Instruction::Jump(test as u32));
        self.code[test] = Instruction::Test { condition, to: self.here() };
    }

    fn group_of(&mut self, copies: Option<u16>, branches: &[&[Step]], texts: &mut Texts) {
        let number = self.groups.len();
        self.groups.push(Group { starts: Vec::new(), copies, after: 0 });
        self.push(Instruction::Group(index(number)));
        for steps in branches {
            let start = self.here();
            self.groups[number].starts.push(start);
            self.steps(steps, texts);
            self.push(Instruction::End);
        }
        self.groups[number].after = self.here();
    }

    fn choose(&mut self, choices: &[Choice], texts: &mut Texts) {
        let number = self.choices.len();
        let weights = Weights::new(choices.iter().map(|choice| choice.weight));
        self.choices.push(Choices { weights, to: Vec::new() });
        self.push(Instruction::Choose(index(number)));
        let mut ends = Vec::new();
        for choice in choices {
            let start = self.here();
            self.choices[number].to.push(start);
            self.steps(&choice.steps, texts);
            ends.push(self.push(Instruction::Jump(0)));
        }
        for end in ends {
            self.code[end] = Instruction::Jump(self.here());
        }
    }
}

impl Texts {
    fn condition(&mut self, condition: &Condition) -> u16 {
        self.conditions.push(condition.clone());
        index(self.conditions.len() - 1)
    }

    /// The first of the next `count` operations.
    fn operation(&mut self, count: u16) -> u16 {
        let first = self.operations;
        self.operations += count;
        first
    }
}

fn index(number: usize) -> u16 {
    u16::try_from(number).expect("a plan has fewer than 65,536 steps")
}

#[cfg(test)]
mod tests;
