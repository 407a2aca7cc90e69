//! What the request log costs off the request path, per row: as it is written, and as it would be as text.

use criterion::{BatchSize, BenchmarkGroup, Criterion, Throughput, measurement::WallTime};
use plimsoll_record::Offset;
use plimsoll_record::clock::Anchor;
use plimsoll_record::ledger::Outcome;
use plimsoll_record::requests::{self, Kept, RequestNames, RequestRow, RequestWriter, TextForm, TextWriter};

/// One busy second; a million rows are ten of them.
const ROWS: u64 = 100_000;
/// As the request log compresses.
const LEVEL: i32 = 1;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let rows: Vec<RequestRow> = (0..ROWS).map(row).collect();
    let mut group = criterion.benchmark_group("request log");
    group.throughput(Throughput::Elements(ROWS)).sample_size(20);
    write(&mut group, &rows);
    text(&mut group, "write as compressed CSV", TextForm::Csv, &rows);
    text(&mut group, "write as compressed JSON Lines", TextForm::JsonLines, &rows);
    read(&mut group, &rows);
    group.finish();
    criterion.final_summary();
}

fn write(group: &mut BenchmarkGroup<'_, WallTime>, rows: &[RequestRow]) {
    let size = written(rows).1;
    group.bench_function(format!("write as it is ({} bytes per row)", size / ROWS), |bencher| {
        let setup = || {
            let dir = tempfile::tempdir().expect("a temporary directory");
            let writer = RequestWriter::create(dir.path(), Kept::All).expect("a new file");
            (dir, writer)
        };
        let work = |(dir, mut writer): (tempfile::TempDir, RequestWriter)| {
            writer.write(rows).expect("rows can be written");
            (dir, writer)
        };
        bencher.iter_batched(setup, work, BatchSize::PerIteration);
    });
}

fn text(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, form: TextForm, rows: &[RequestRow]) {
    let names = RequestNames {
        phases: vec!["steady".to_owned()],
        operations: ["chat", "food", "reminders"].map(str::to_owned).to_vec(),
        user: ("loadtest_user_".to_owned(), String::new()),
    };
    let anchor = Anchor { monotonic_ns: 0, unix_ns: 1_772_366_400_000_000_000 };
    let compressed = || {
        let (mut writer, mut out) = (TextWriter::new(form, &names, anchor), Vec::new());
        rows.iter().for_each(|row| writer.row(row, &mut out));
        zstd::bulk::compress(&out, LEVEL).expect("text can be compressed")
    };
    let size = compressed().len() as u64;
    group.bench_function(format!("{name} ({} bytes per row)", size / ROWS), |bencher| bencher.iter(compressed));
}

fn read(group: &mut BenchmarkGroup<'_, WallTime>, rows: &[RequestRow]) {
    let (dir, _) = written(rows);
    group.bench_function("read", |bencher| {
        bencher.iter(|| requests::read(dir.path()).expect("what was written can be read"));
    });
}

/// A log, and how large it is.
fn written(rows: &[RequestRow]) -> (tempfile::TempDir, u64) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut writer = RequestWriter::create(dir.path(), Kept::All).expect("a new file");
    writer.write(rows).expect("rows can be written");
    writer.finish().expect("the log can be ended");
    let size = std::fs::metadata(dir.path().join(requests::FILE)).expect("the file exists").len();
    (dir, size)
}

/// Poisson-like gaps and latencies of 50 us to 2 ms, spread without a random number.
fn row(number: u64) -> RequestRow {
    let noise = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
    RequestRow {
        intended: Offset((number * 10_000 + noise % 9_000).cast_signed()),
        send_lag_ns: 15_000 + noise % 40_000,
        service_ns: 50_000 + noise.wrapping_mul(7_919) % 1_950_000,
        user: 1 + noise % 1_000,
        iteration: (number / 1_000) as u32,
        body_bytes: 6 + (noise % 50) as u32,
        phase: 0,
        operation: (number % 3) as u16,
        status: 200,
        outcome: Outcome::Ok,
    }
}
