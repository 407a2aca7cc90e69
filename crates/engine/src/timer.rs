//! Sleeping until a point of the run's clock, as exactly as the platform can.
//!
//! The runtime's own timer counts in milliseconds, too coarse for a schedule of thousands per second: on Linux a
//! timerfd wakes a worker to within tens of microseconds. Elsewhere the runtime's timer has to do. Both modules have
//! the same signatures.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
pub(crate) use linux::Timer;

#[cfg(not(target_os = "linux"))]
mod portable;
#[cfg(not(target_os = "linux"))]
pub(crate) use portable::Timer;

#[cfg(test)]
mod tests {
    use super::*;
    use plimsoll_record::RunClock;
    use std::time::Duration;

    #[test]
    fn wakes_after_the_time_and_soon() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let clock = RunClock::start();
        let lateness = runtime.block_on(async {
            let timer = Timer::new().unwrap();
            let mut best = u64::MAX;
            for _ in 0..20 {
                let at = clock.now().after(Duration::from_millis(2));
                timer.sleep_until(&clock, at).await;
                assert!(clock.now() >= at, "woke too early");
                best = best.min(clock.now().since(at));
            }
            best
        });
        assert!(lateness < 5_000_000, "the best of twenty was {lateness} ns late");
    }

    #[test]
    fn a_time_in_the_past_is_over_at_once() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let clock = RunClock::start();
        runtime.block_on(async {
            let timer = Timer::new().unwrap();
            timer.sleep_until(&clock, plimsoll_record::Offset(-5)).await;
        });
    }
}
