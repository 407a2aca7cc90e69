//! What is shown: medians over the runs, and the ratio of each pair with its spread.

use super::answers::Answer;
use super::usage::Metered;

/// One run of one generator.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample {
    pub(super) cpu_us_per_request: f64,
    pub(super) per_second: f64,
    pub(super) peak_rss_mib: Option<f64>,
}

impl Sample {
    pub(super) fn new(metered: &Metered, answer: Answer) -> Sample {
        Sample {
            cpu_us_per_request: metered.cpu_s * 1e6 / answer.requests,
            per_second: answer.per_second,
            peak_rss_mib: metered
                .peak_rss_kib
                .and_then(|kib| u32::try_from(kib).ok())
                .map(|kib| f64::from(kib) / 1024.0),
        }
    }
}

/// A run of loadgen and the run of a peer right after it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pair {
    pub(super) ours: Sample,
    pub(super) theirs: Sample,
}

impl Pair {
    /// Below 1 where loadgen costs less.
    fn ratio(&self) -> f64 {
        self.ours.cpu_us_per_request / self.theirs.cpu_us_per_request
    }
}

/// Two lines: what the columns mean, and on which side each value stands.
pub(super) fn head() -> String {
    let groups = ["CPU us per request", "ratio loadgen/peer", "requests/s", "peak RSS MiB"];
    let [cpu, ratio, rate, rss] = groups;
    let first = format!("{:22}{cpu:>18}  {ratio:>20}  {rate:>19}  {rss:>15}", "");
    let [us, peer, spread] = ["loadgen", "peer", "median [min, max]"];
    format!("{first}\n{peer:22}{us:>9}{peer:>9}  {spread:>20}  {us:>9} {peer:>9}  {us:>7} {peer:>7}")
}

pub(super) fn row(name: &str, pairs: &[Pair]) -> String {
    let ours = |value: fn(&Sample) -> f64| median(pairs.iter().map(|pair| value(&pair.ours)));
    let theirs = |value: fn(&Sample) -> f64| median(pairs.iter().map(|pair| value(&pair.theirs)));
    let [cpu, rate]: [fn(&Sample) -> f64; 2] = [|sample| sample.cpu_us_per_request, |sample| sample.per_second];
    let rss = |samples: Vec<Sample>| median(samples.iter().filter_map(|sample| sample.peak_rss_mib));
    let (our_rss, their_rss) =
        (rss(pairs.iter().map(|pair| pair.ours).collect()), rss(pairs.iter().map(|pair| pair.theirs).collect()));
    let (cpu_ours, cpu_theirs, rate_ours, rate_theirs) = (ours(cpu), theirs(cpu), ours(rate), theirs(rate));
    let ratio = spread(pairs);
    format!(
        "{name:22}{cpu_ours:>9.2}{cpu_theirs:>9.2}  {ratio:>20}  {rate_ours:>9.0} {rate_theirs:>9.0}  {our_rss:>7.1} {their_rss:>7.1}"
    )
}

fn spread(pairs: &[Pair]) -> String {
    let ratios = || pairs.iter().map(Pair::ratio);
    let (least, most) = (ratios().fold(f64::INFINITY, f64::min), ratios().fold(0.0, f64::max));
    format!("{:.2} [{least:.2}, {most:.2}]", median(ratios()))
}

/// The middle value, or the mean of the two in the middle; NaN where there is none.
fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    match (sorted.len(), sorted.len() / 2) {
        (0, _) => f64::NAN,
        (count, middle) if count % 2 == 1 => sorted[middle],
        (_, middle) => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(cpu_us_per_request: f64) -> Sample {
        Sample { cpu_us_per_request, per_second: 1000.0, peak_rss_mib: Some(8.0) }
    }

    fn pair(ours: f64, theirs: f64) -> Pair {
        Pair { ours: sample(ours), theirs: sample(theirs) }
    }

    #[test]
    fn cpu_per_request_is_of_the_whole_process() {
        let metered = Metered { stdout: String::new(), cpu_s: 2.0, peak_rss_kib: Some(2048) };
        let sample = Sample::new(&metered, Answer { requests: 200_000.0, per_second: 1.0 });
        assert_eq!((sample.cpu_us_per_request, sample.peak_rss_mib), (10.0, Some(2.0)));
    }

    #[test]
    fn the_median_of_an_even_number_lies_between_the_two_in_the_middle() {
        assert_eq!(median([4.0, 1.0, 3.0].into_iter()), 3.0);
        assert_eq!(median([4.0, 1.0, 3.0, 2.0].into_iter()), 2.5);
        assert!(median([].into_iter()).is_nan());
    }

    #[test]
    fn the_ratio_is_taken_within_each_pair() {
        // The medians of both sides are equal; the pairs say otherwise.
        assert_eq!(spread(&[pair(1.0, 2.0), pair(2.0, 4.0), pair(4.0, 1.0)]), "0.50 [0.50, 4.00]");
    }

    #[test]
    fn values_stand_under_their_heads() {
        let (head, row) = (head(), row("wrk 4.1.0", &[pair(9.0, 10.0)]));
        let ends = |line: &str, word: &str| line.find(word).unwrap() + word.len();
        let sides = head.lines().nth(1).unwrap();
        assert_eq!(ends(sides, "median [min, max]"), ends(&row, "0.90 [0.90, 0.90]"));
        assert_eq!(ends(sides, "loadgen"), ends(&row, "9.00"));
        assert_eq!(sides.len(), row.len());
    }
}
