//! The plan: what a user states once for all three tools, checked and resolved.
//!
//! [`Plan`] is plain data. [`parse`] makes one from TOML and reports every problem at once, with file, line, column
//! and the valid words; Rust programs build one directly. Nothing here reads a file or the environment (callers hand
//! in the text and a lookup), makes traffic, samples or judges.

pub mod criteria;
pub mod model;
pub mod template;
pub mod watch;

pub use criteria::{Comparison, Criterion, Expression, Function, Metric, Scope};
pub use model::{
    Arrivals, Expect, Flow, Generator, HealthCheck, Limit, Limiter, Load, Method, Phase, Plan, Rate, RateShape,
    RequestLogging, Step, Target, ThinkTime, Users, WindowKind,
};
pub use template::{Part, Secret, Template, UserPattern};
pub use watch::{Alert, LogWatch, ProcessWatch, RedisSource, Watch};
