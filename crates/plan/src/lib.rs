//! The plan: what a user states once for all three tools, checked and resolved.
//!
//! [`Plan`] is plain data. [`parse`] makes one from TOML and reports every problem at once, with file, line, column
//! and the valid words; Rust programs build one directly. Nothing here reads a file or the environment (callers hand
//! in the text and their [`Surroundings`]), makes traffic, samples or judges.

pub mod criteria;
pub mod model;
pub mod template;
pub mod watch;

mod diagnostics;
mod expression;
mod interpolate;
mod overrides;
mod quantities;
mod reader;
mod recording;
mod resolve;
mod surroundings;
mod tree;
mod words;
mod write;

pub use criteria::{Comparison, Criterion, Expression, Function, Metric, Scope};
pub use diagnostics::{Problems, SourceText};
pub use model::{
    AddressRange, Arrivals, Expect, Flow, Generator, HealthCheck, HttpVersion, Identity, Iterations, Limit, Limiter,
    Load, Method, Phase, Plan, Precision, Rate, RateShape, Recording, Replay, RequestLogging, Step, Target, ThinkTime,
    Tls, Users, WindowKind,
};
pub use overrides::{Override, OverrideError};
pub use resolve::{parse, parse_criteria, parse_recorded};
pub use surroundings::Surroundings;
pub use template::{Part, Secret, Template, UserPattern};
pub use watch::{Alert, LOG_EVENTS, LogEvent, LogWatch, ProcessWatch, RedisSource, Watch};
