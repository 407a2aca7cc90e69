//! memwatch in a program of one's own: a probe of what only this program knows, beside the host, into a sink of choice.
//!
//! `cargo run -p embedding --bin own_probe` watches a queue for a second and says how deep it was.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use plimsoll_plan::Watch;
use plimsoll_record::files::EndReason;
use plimsoll_record::metric::Source;
use plimsoll_record::series::SeriesFact;
use plimsoll_sampler::probe::{Probe, Reading, ReadingFuture};
use plimsoll_sampler::{Update, Watcher};
use tokio::sync::mpsc;

/// The depth of a queue that this program holds.
struct QueueDepth(Arc<AtomicU32>);

impl Probe for QueueDepth {
    fn source(&self) -> String {
        "work queue".to_owned()
    }

    fn read(&mut self) -> ReadingFuture<'_> {
        let depth = self.0.load(Ordering::Relaxed);
        Box::pin(async move { Ok(Reading::of([("depth", f64::from(depth))])) })
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let depth = Arc::new(AtomicU32::new(0));
    let probe: Box<dyn Probe> = Box::new(QueueDepth(Arc::clone(&depth)));
    let watch = Watch { every: Duration::from_millis(100), ..Watch::default() };
    // Any sink: what arrives here can be shown, sent on, or kept. With a run directory it is recorded as well.
    let (updates, mut sink) = mpsc::channel(256);
    let watcher = Watcher::start_with(&watch, None, "own_probe", vec![("queue".to_owned(), probe)], updates).await?;
    for n in 1..=10 {
        depth.store(n, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    watcher.finish(EndReason::Completed).await?;
    let (mut deepest, mut host) = (0.0_f64, 0);
    while let Some(update) = sink.recv().await {
        let Update::Fact { source, fact: SeriesFact::Sample(sample), .. } = update else { continue };
        match source {
            Source::Probe => deepest = deepest.max(sample.values["depth"]),
            _ => host += 1,
        }
    }
    #[expect(clippy::print_stdout, reason = "this is what the program is for")]
    {
        println!("deepest {deepest}\nhost samples {host}");
    }
    Ok(())
}
