//! The parts of requests' time: waiting for a connection, opening one, the first byte of the answer.
//!
//! Each is a histogram of those requests that had the part: most find an open connection that is free, and have the
//! last one only. How long the target's name took to be looked up, once per run, stands in the header of the traffic.

use serde::{Deserialize, Serialize};

use crate::latency::Histogram;

/// How long parts of requests took.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Timings {
    /// From the intended send time until a connection was free, of requests that found all of them in use.
    #[serde(default, skip_serializing_if = "Histogram::is_empty")]
    pub wait: Histogram,
    /// Opening a TCP connection, of requests that opened one.
    #[serde(default, skip_serializing_if = "Histogram::is_empty")]
    pub connect: Histogram,
    /// The TLS handshake on it.
    #[serde(default, skip_serializing_if = "Histogram::is_empty")]
    pub tls: Histogram,
    /// From the actual write of the request to the head of the answer, of complete answers that were not
    /// rate-limited. With redirects, to the head of the last answer.
    #[serde(default, skip_serializing_if = "Histogram::is_empty")]
    pub first_byte: Histogram,
}

/// How a connection was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Opening {
    /// How long TCP took, in nanoseconds.
    pub connect_ns: u64,
    /// How long the TLS handshake took; `None` without TLS.
    pub tls_ns: Option<u64>,
}

impl Timings {
    /// The parts in the order in which a request goes through them, each with its name.
    #[must_use]
    pub fn parts(&self) -> [(&'static str, &Histogram); 4] {
        let Self { wait, connect, tls, first_byte } = self;
        [("wait", wait), ("connect", connect), ("tls", tls), ("first_byte", first_byte)]
    }

    /// Counts a connection that was opened for a request.
    pub fn open(&mut self, opening: Opening) {
        self.connect.record(opening.connect_ns);
        if let Some(tls_ns) = opening.tls_ns {
            self.tls.record(tls_ns);
        }
    }

    /// Adds every count of `other`.
    pub fn merge(&mut self, other: &Self) {
        self.wait.merge(&other.wait);
        self.connect.merge(&other.connect);
        self.tls.merge(&other.tls);
        self.first_byte.merge(&other.first_byte);
    }

    /// True when nothing was counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.parts().iter().all(|(_, histogram)| histogram.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_parts_that_requests_had_are_stored() {
        let mut timings = Timings::default();
        assert_eq!(serde_json::to_string(&timings).unwrap(), "{}");
        timings.open(Opening { connect_ns: 200_000, tls_ns: None });
        timings.first_byte.record(3_000_000);
        let text = serde_json::to_string(&timings).unwrap();
        assert!(text.contains("connect") && text.contains("first_byte") && !text.contains("tls"), "{text}");
        assert_eq!(serde_json::from_str::<Timings>(&text).unwrap(), timings);
    }

    #[test]
    fn merged_parts_stay_apart() {
        let mut a = Timings::default();
        a.wait.record(1_000_000);
        let mut b = Timings::default();
        b.open(Opening { connect_ns: 2_000_000, tls_ns: Some(5_000_000) });
        a.merge(&b);
        let counts = a.parts().map(|(name, histogram)| (name, histogram.count()));
        assert_eq!(counts, [("wait", 1), ("connect", 1), ("tls", 1), ("first_byte", 0)]);
        assert!(!a.is_empty() && Timings::default().is_empty());
    }
}
