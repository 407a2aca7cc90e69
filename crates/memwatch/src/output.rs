//! What the wrapped command prints: passed through untouched, and looked through for Redis's refusals.
//!
//! Only where it does not go to a terminal: a terminal is the command's own, and programs that draw on it would notice
//! a pipe between.

use std::io::IsTerminal as _;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// What Redis answers when it has no memory left.
const REFUSAL: &[u8] = b"OOM command not allowed";
/// Lines are looked at up to this many bytes.
const LONGEST_LINE: usize = 4096;
/// And quoted up to this many characters.
const QUOTED: usize = 160;
/// What was printed is read to its end, unless something that was left behind holds it open for longer than this.
const PATIENCE: Duration = Duration::from_secs(1);

/// The first refusal in one of the streams.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// `output` or `error output`.
    pub(crate) stream: &'static str,
    /// The line.
    pub(crate) line: String,
}

/// The streams of a command that are read.
#[derive(Debug)]
pub(crate) struct Output {
    refusals: mpsc::Receiver<Refusal>,
    copies: Vec<JoinHandle<u64>>,
}

/// Lets memwatch read the streams that do not go to a terminal.
pub(crate) fn prepare(command: &mut Command) {
    if !std::io::stdout().is_terminal() {
        command.stdout(Stdio::piped());
    }
    if !std::io::stderr().is_terminal() {
        command.stderr(Stdio::piped());
    }
}

impl Output {
    /// Begins to pass on what the command prints.
    pub(crate) fn of(child: &mut Child) -> Self {
        let (found, refusals) = mpsc::channel(2);
        let stdout =
            child.stdout.take().map(|from| tokio::spawn(copy("output", from, tokio::io::stdout(), found.clone())));
        let stderr =
            child.stderr.take().map(|from| tokio::spawn(copy("error output", from, tokio::io::stderr(), found)));
        Self { refusals, copies: stdout.into_iter().chain(stderr).collect() }
    }

    /// The first refusal of a stream; waits for ever when there is none.
    pub(crate) async fn refusal(&mut self) -> Refusal {
        match self.refusals.recv().await {
            Some(refusal) => refusal,
            None => std::future::pending().await,
        }
    }

    /// Passes on the rest; gives the number of lines that speak of a refusal.
    pub(crate) async fn finish(&mut self) -> u64 {
        let mut lines = 0;
        for mut copy in self.copies.drain(..) {
            match tokio::time::timeout(PATIENCE, &mut copy).await {
                Ok(counted) => lines += counted.unwrap_or(0),
                Err(_) => copy.abort(),
            }
        }
        lines
    }
}

async fn copy(
    stream: &'static str,
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    found: mpsc::Sender<Refusal>,
) -> u64 {
    let mut lines = Lines::default();
    let mut chunk = vec![0; 32 << 10];
    loop {
        let read = match from.read(&mut chunk).await {
            Ok(0) | Err(_) => break,
            Ok(read) => &chunk[..read],
        };
        // A reader that has gone away is the command's to notice: dropping its pipe tells it.
        if to.write_all(read).await.is_err() || to.flush().await.is_err() {
            break;
        }
        lines.feed(read, |line| {
            let _ = found.try_send(Refusal { stream, line });
        });
    }
    lines.finish(|line| {
        let _ = found.try_send(Refusal { stream, line });
    });
    lines.refusals
}

/// Cuts what is printed into lines and counts those that speak of a refusal.
#[derive(Debug, Default)]
struct Lines {
    line: Vec<u8>,
    refusals: u64,
}

impl Lines {
    fn feed(&mut self, bytes: &[u8], mut first: impl FnMut(String)) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let room = LONGEST_LINE.saturating_sub(self.line.len());
            self.line.extend_from_slice(&piece[..piece.len().min(room)]);
            if piece.ends_with(b"\n") {
                self.finish(&mut first);
            }
        }
    }

    /// The end of a line.
    fn finish(&mut self, first: impl FnOnce(String)) {
        if self.line.windows(REFUSAL.len()).any(|window| window == REFUSAL) {
            self.refusals += 1;
            if self.refusals == 1 {
                let text = String::from_utf8_lossy(&self.line);
                first(text.trim().chars().filter(|c| !c.is_control()).take(QUOTED).collect());
            }
        }
        self.line.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_found_wherever_the_pieces_are_cut() {
        let text = b"ok\nerr: OOM command not allowed when used memory > 'maxmemory'.\nok\nOOM command not allowed";
        for size in 1..text.len() {
            let mut lines = Lines::default();
            let mut found = Vec::new();
            text.chunks(size).for_each(|piece| lines.feed(piece, |line| found.push(line)));
            lines.finish(|_| panic!("only the first is told"));
            assert_eq!(lines.refusals, 2, "in pieces of {size}");
            assert_eq!(found, ["err: OOM command not allowed when used memory > 'maxmemory'."]);
        }
    }

    #[tokio::test]
    async fn what_is_printed_arrives_as_it_was() {
        let printed = b"\x1b[1mbold\xff\x00 no end of line".repeat(5000);
        let (sender, _refusals) = mpsc::channel(1);
        let mut arrived = Vec::new();
        assert_eq!(copy("output", printed.as_slice(), &mut arrived, sender).await, 0);
        assert!(arrived == printed);
    }
}
