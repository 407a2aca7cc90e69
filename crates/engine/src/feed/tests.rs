//! What every feed keeps to: nothing early, nothing lost, the earliest first, and parts that make the whole.

use super::*;
use crate::fixtures::{closed_phase, open_phase, plan_for, replay_phase};
use plimsoll_plan::{Iterations, Load, Phase, ThinkTime};
use proptest::prelude::*;
use std::num::{NonZeroU32, NonZeroU64};
use std::time::Duration;

const SECOND: i64 = 1_000_000_000;

fn workload(phases: Vec<Phase>, users: u64) -> Arc<Workload> {
    segment(phases, users, Share::WHOLE)
}

fn segment(phases: Vec<Phase>, users: u64, segment: Share) -> Arc<Workload> {
    let mut plan = plan_for("http://127.0.0.1:1");
    plan.phases = phases;
    plan.users.count = NonZeroU64::new(users).unwrap();
    Arc::new(Workload::compile(&plan, segment).unwrap())
}

fn feed(phases: Vec<Phase>, users: u64) -> Feed {
    Feed::new(&workload(phases, users), Share::WHOLE)
}

fn scheduled(feed: &mut Feed, before: i64) -> u64 {
    let mut sum = 0;
    feed.take_scheduled(before, |_, n| sum += n);
    sum
}

#[test]
fn nothing_is_handed_out_before_its_time() {
    let mut feed = feed(vec![open_phase("a", 10.0, Duration::from_secs(1))], 1);
    assert_eq!(feed.next_due(), Some(50_000_000));
    assert_eq!(feed.pop_arrival(49_999_999), None);
    assert_eq!(feed.pop_arrival(50_000_000).unwrap().intended, 50_000_000);
}

#[test]
fn a_backlog_keeps_its_intended_times_into_the_next_phase() {
    let second = Duration::from_secs(1);
    let mut feed = feed(vec![open_phase("a", 2.0, second), open_phase("b", 2.0, second)], 1);
    let late = 3 * SECOND;
    let arrivals: Vec<_> = std::iter::from_fn(|| feed.pop_arrival(late)).map(|a| (a.phase, a.intended)).collect();
    let half = SECOND / 2;
    assert_eq!(arrivals, [(0, half / 2), (0, 3 * half / 2), (1, 5 * half / 2), (1, 7 * half / 2)]);
    assert!(feed.is_over(late));
}

#[test]
fn users_take_turns_across_phases() {
    let second = Duration::from_secs(1);
    let mut feed = feed(vec![open_phase("a", 4.0, second), open_phase("b", 4.0, second)], 3);
    let users: Vec<_> = std::iter::from_fn(|| feed.pop_arrival(9 * SECOND)).map(|arrival| arrival.user).collect();
    assert_eq!(users, [1, 2, 3, 1, 2, 3, 1, 2]);
}

#[test]
fn a_closed_user_comes_again_after_its_think_time() {
    let think = ThinkTime::Constant(Duration::from_millis(100));
    let mut feed = feed(vec![closed_phase("a", 1, think, None, Some(Duration::from_secs(1)))], 1);
    let first = feed.pop_arrival(0).unwrap();
    assert_eq!(feed.pop_arrival(SECOND / 2), None);
    feed.give_back(&first, SECOND / 2);
    assert_eq!(feed.next_due(), Some(600_000_000));
    assert_eq!(feed.pop_arrival(700_000_000).unwrap().intended, 600_000_000);
}

#[test]
fn a_closed_user_starts_nothing_after_the_end_of_its_phase() {
    let think = ThinkTime::Constant(Duration::from_millis(600));
    let mut feed = feed(vec![closed_phase("a", 1, think, None, Some(Duration::from_secs(1)))], 1);
    let first = feed.pop_arrival(0).unwrap();
    feed.give_back(&first, SECOND / 2);
    assert_eq!(feed.next_due(), None);
    assert!(feed.is_over(SECOND));
}

#[test]
fn closed_users_without_a_connection_wait_with_their_own_time() {
    let mut feed = feed(vec![closed_phase("a", 3, ThinkTime::None, None, Some(Duration::from_secs(1)))], 3);
    feed.pop_arrival(0).unwrap();
    assert_eq!((scheduled(&mut feed, SECOND), feed.backlog()), (3, 2));
    let late = feed.pop_arrival(2 * SECOND).unwrap();
    assert_eq!((late.intended, late.user), (0, 2));
}

#[test]
fn users_spawn_at_their_rate() {
    let mut phase = closed_phase("a", 3, ThinkTime::None, None, Some(Duration::from_secs(9)));
    let Load::Closed { spawn_rate, .. } = &mut phase.load else { unreachable!() };
    *spawn_rate = plimsoll_plan::Rate::per_second(2.0);
    let mut feed = feed(vec![phase], 3);
    let times: Vec<_> = std::iter::from_fn(|| feed.pop_arrival(9 * SECOND)).map(|arrival| arrival.intended).collect();
    assert_eq!(times, [0, SECOND / 2, SECOND]);
}

#[test]
fn iterations_are_shared_and_end_the_phase() {
    let work = workload(vec![closed_phase("a", 3, ThinkTime::None, Some(8), None)], 1);
    let mut begun = 0;
    for index in 0..2 {
        let mut feed = Feed::new(&work, Share::of(index, 2).unwrap());
        let mut now = 0;
        while let Some(arrival) = feed.pop_arrival(now) {
            now += 1;
            begun += 1;
            feed.give_back(&arrival, now);
        }
        assert!(feed.is_over(now));
        assert_eq!(feed.ended().collect::<Vec<_>>(), [(0, now)]);
    }
    assert_eq!(begun, 8);
}

#[test]
fn after_the_close_nothing_is_handed_out_and_what_was_due_is_counted() {
    let mut feed = feed(vec![open_phase("a", 10.0, Duration::from_secs(1))], 1);
    feed.pop_arrival(SECOND / 2).unwrap();
    feed.close(SECOND / 2);
    assert_eq!(feed.pop_arrival(SECOND), None);
    assert_eq!((scheduled(&mut feed, 9 * SECOND), feed.backlog()), (5, 4));
    assert!(feed.is_over(SECOND / 2));
}

/// Everything that `workers` hand out of a segment when each answer takes no time: (phase, intended, user, flow).
pub(super) fn all_arrivals(work: &Arc<Workload>, workers: u32) -> Vec<(u16, i64, u64, u16)> {
    let mut all = Vec::new();
    for index in 0..workers {
        let mut feed = Feed::new(work, Share::of(index, workers).unwrap());
        while let Some(due) = feed.next_due() {
            let arrival = feed.pop_arrival(due).expect("what is due is handed out");
            all.push((arrival.phase, arrival.intended, arrival.user, arrival.flow));
            feed.give_back(&arrival, due);
        }
    }
    all.sort_unstable();
    all
}

/// Every model, most of them one after the other and two beside them: both spacings, recorded arrivals, users who come
/// one by one, leave one by one, and finish.
fn mixed_phases(open: f64, crowd: u32, iterations: Iterations, last: Option<Duration>) -> Vec<Phase> {
    let second = Duration::from_secs(1);
    let think = ThinkTime::Uniform { min: Duration::from_millis(20), max: Duration::from_millis(90) };
    let mut poisson = open_phase("b", open, second);
    let Load::Open { arrivals, .. } = &mut poisson.load else { unreachable!() };
    *arrivals = plimsoll_plan::Arrivals::Poisson;
    let mut coming_and_going = closed_phase("d", crowd, think, None, Some(second));
    let Load::Closed { spawn_rate, ramp_down, .. } = &mut coming_and_going.load else { unreachable!() };
    (*spawn_rate, *ramp_down) = (plimsoll_plan::Rate::per_second(9.0), Some(second * 2 / 3));
    let replay = replay_phase("f", &[3, 400_000_000, 400_000_000, 1_500_000_000, 9_000_000_000], 2.0, second);
    let mut finishing = closed_phase("e", crowd, think, None, last);
    let Load::Closed { iterations: stated, .. } = &mut finishing.load else { unreachable!() };
    *stated = Some(iterations);
    let early = Phase { start: Some(second / 2), ..closed_phase("c", crowd, think, None, Some(second * 2)) };
    let late = Phase { start: Some(second * 7 / 4), ..open_phase("g", open / 2.0, second) };
    vec![open_phase("a", open, second), early, poisson, coming_and_going, replay, finishing, late]
}

const FINISHING: u16 = 5;

fn per_user(each: u32) -> Iterations {
    Iterations::PerUser(NonZeroU32::new(each).unwrap())
}

#[test]
fn of_phases_that_overlap_the_earliest_arrival_comes_first() {
    let second = Duration::from_secs(1);
    let mut phases = vec![open_phase("a", 2.0, 2 * second), open_phase("b", 4.0, second), open_phase("c", 2.0, second)];
    phases[1].start = Some(second / 2);
    let mut feed = feed(phases, 99);
    let arrivals = |feed: &mut Feed, now| {
        std::iter::from_fn(|| feed.pop_arrival(now)).map(|a| (a.intended / 1_000_000, a.phase)).collect::<Vec<_>>()
    };
    assert_eq!(arrivals(&mut feed, SECOND), [(250, 0), (625, 1), (750, 0), (875, 1)]);
    // A backlog of both phases is worked off in the order in which it came about.
    assert_eq!(arrivals(&mut feed, 2 * SECOND), [(1125, 1), (1250, 0), (1375, 1), (1750, 0), (1750, 2)]);
    assert_eq!(arrivals(&mut feed, 9 * SECOND), [(2250, 2)]);
    assert!(feed.is_over(9 * SECOND));
}

#[test]
fn arrivals_of_phases_that_overlap_belong_to_their_own_phase_and_users_take_turns_in_each() {
    let second = Duration::from_secs(1);
    let mut phases = vec![open_phase("a", 4.0, second), open_phase("b", 4.0, second)];
    phases[1].start = Some(Duration::ZERO);
    let work = workload(phases, 3);
    let mut feed = Feed::new(&work, Share::WHOLE);
    let mut cells = Vec::new();
    feed.take_scheduled(SECOND, |cell, n| cells.push((work.place(cell).0, n)));
    assert_eq!(cells, [(0, 4), (1, 4)]);
    let mut users = [Vec::new(), Vec::new()];
    std::iter::from_fn(|| feed.pop_arrival(SECOND))
        .for_each(|arrival| users[usize::from(arrival.phase)].push(arrival.user));
    assert_eq!(users, [[1, 2, 3, 1], [2, 3, 1, 2]]);
}

#[test]
fn users_leave_one_after_another_and_the_last_at_the_end() {
    let think = ThinkTime::Constant(Duration::from_millis(100));
    let mut phase = closed_phase("a", 4, think, None, Some(Duration::from_secs(3)));
    let Load::Closed { ramp_down, .. } = &mut phase.load else { unreachable!() };
    *ramp_down = Some(Duration::from_secs(2));
    let arrivals = all_arrivals(&workload(vec![phase], 4), 1);
    let last = |user| arrivals.iter().filter(|(_, _, by, _)| *by == user).map(|(_, at, ..)| at / 1_000_000).max();
    assert_eq!([1, 2, 3, 4].map(last), [Some(1400), Some(1900), Some(2400), Some(2900)]);
}

#[test]
fn a_user_that_would_come_after_it_leaves_stays_away() {
    let mut phase =
        closed_phase("a", 10, ThinkTime::Constant(Duration::from_secs(9)), None, Some(Duration::from_secs(3)));
    let Load::Closed { ramp_down, spawn_rate, .. } = &mut phase.load else { unreachable!() };
    (*ramp_down, *spawn_rate) = (Some(Duration::from_secs(1)), plimsoll_plan::Rate::per_second(2.0));
    // User i comes at i / 2 s and leaves at 2 s and (i + 1) / 10 s.
    let comes: Vec<_> = all_arrivals(&workload(vec![phase], 10), 1).iter().map(|(_, at, ..)| at / 1_000_000).collect();
    assert_eq!(comes, [0, 500, 1000, 1500, 2000, 2500]);
}

#[test]
fn each_user_makes_its_own_iterations_and_the_last_one_ends_the_phase() {
    let mut phase = closed_phase("a", 3, ThinkTime::None, None, None);
    let Load::Closed { iterations, .. } = &mut phase.load else { unreachable!() };
    *iterations = Some(per_user(4));
    let work = workload(vec![phase], 3);
    assert_eq!(work.phases[0].planned, Some(12));
    let mut feed = Feed::new(&work, Share::WHOLE);
    let (mut now, mut begun) = (0, [0; 3]);
    while let Some(arrival) = feed.pop_arrival(now) {
        // The first user's answers take long.
        now += if arrival.user == 1 { 100 } else { 1 };
        begun[arrival.user as usize - 1] += 1;
        feed.give_back(&arrival, now);
    }
    assert_eq!(begun, [4; 3]);
    assert!(feed.is_over(now));
    assert_eq!(feed.ended().collect::<Vec<_>>(), [(0, now)]);
}

/// Whoever waits, whether it thinks, is due or has never come, is at most this many bytes.
#[test]
fn many_users_cost_36_bytes_each_at_most() {
    let think = ThinkTime::Uniform { min: Duration::from_secs(60), max: Duration::from_secs(120) };
    let phase = closed_phase("a", 100_000, think, None, Some(Duration::from_secs(600)));
    let mut feed = feed(vec![phase], 100_000);
    assert_eq!(scheduled(&mut feed, 1), 100_000);
    assert_eq!(feed.backlog(), 100_000);
    let newcomers: Vec<_> = std::iter::from_fn(|| feed.pop_arrival(1)).collect();
    assert!(newcomers.iter().zip(1..).all(|(arrival, user)| arrival.user == user));
    newcomers.iter().for_each(|arrival| feed.give_back(arrival, 1));
    assert_eq!(scheduled(&mut feed, 121 * SECOND), 100_000);
    let Source::Closed(users) = &feed.sources[0] else { unreachable!() };
    assert!(users.bytes() <= 3_600_000, "{}", users.bytes());
}

proptest! {
    #[test]
    fn segments_together_are_the_whole(
        open in 0.0..200.0, crowd in 1u32..12, each in 1u32..9, users in 1u64..20, segments in 1u32..6, workers in 1u32..4,
    ) {
        let phases = mixed_phases(open, crowd, per_user(each), None);
        let mut parts: Vec<_> = (0..segments)
            .flat_map(|index| all_arrivals(&segment(phases.clone(), users, Share::of(index, segments).unwrap()), workers))
            .collect();
        parts.sort_unstable();
        prop_assert_eq!(parts, all_arrivals(&workload(phases, users), 1));
    }

    /// Which user gets how many of them depends on how fast the answers come, their number does not.
    #[test]
    fn segments_split_iterations_exactly(crowd in 1u32..12, iterations in 1u64..200, segments in 1u32..9, workers in 1u32..5) {
        let phases = mixed_phases(1.0, crowd, Iterations::Shared(NonZeroU64::new(iterations).unwrap()), None);
        let mut begun = 0;
        for index in 0..segments {
            let work = segment(phases.clone(), 3, Share::of(index, segments).unwrap());
            let here = all_arrivals(&work, workers).iter().filter(|(phase, ..)| *phase == FINISHING).count() as u64;
            prop_assert_eq!(Some(here), work.phases[usize::from(FINISHING)].planned);
            begun += here;
        }
        prop_assert_eq!(begun, iterations);
    }

    #[test]
    fn what_is_scheduled_is_handed_out_or_in_the_backlog(
        steps in proptest::collection::vec((0i64..200_000_000, 0usize..20, any::<bool>()), 1..60),
        workers in 1u32..4,
        shared: bool,
    ) {
        let limit = if shared { Iterations::Shared(NonZeroU64::new(90).unwrap()) } else { per_user(13) };
        let work = workload(mixed_phases(100.0, 7, limit, Some(Duration::from_secs(1))), 5);
        let mut feed = Feed::new(&work, Share::of(0, workers).unwrap());
        let (mut now, mut counted, mut taken, mut out) = (0, 0, 0, Vec::new());
        for (pause, pops, give_back) in steps {
            now += pause;
            counted += scheduled(&mut feed, now);
            for _ in 0..pops {
                let Some(arrival) = feed.pop_arrival(now) else { break };
                prop_assert!(arrival.intended <= now);
                taken += 1;
                out.push(arrival);
            }
            if give_back {
                out.drain(..).for_each(|arrival| feed.give_back(&arrival, now));
            }
            counted += scheduled(&mut feed, now + 1);
            prop_assert_eq!(counted, taken + feed.backlog());
        }
    }
}
