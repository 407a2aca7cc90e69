//! Whole runs against a server whose behaviour is known: the truth of the numbers, and every way a request can end.
#![expect(clippy::unwrap_used, reason = "a test that cannot set its stage has failed")]

mod server;
mod service;
mod support;

mod coded;
mod http2;
mod loads;
mod local;
mod outcomes;
mod people;
mod singles;
mod timings;
mod tls;
mod truth;
