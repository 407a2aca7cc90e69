//! The plan: what a user states once for all three tools, checked and resolved.
//!
//! [`Plan`] is plain data. [`parse`] makes one from TOML and reports every problem at once, with file, line, column
//! and the valid words, and [`parse_quick`] its quick form; Rust programs build one with [`Plan::builder`], by the same
//! rules. Nothing here reads a file or the environment (callers hand in the text and their [`Surroundings`]), makes
//! traffic, samples or judges.

pub mod build;
pub mod condition;
pub mod criteria;
pub mod data;
pub mod flow;
pub mod integrity;
pub mod model;
pub mod patterns;
pub mod redis;
pub mod store;
pub mod template;
pub mod watch;

mod diagnostics;
mod expression;
mod interpolate;
mod overrides;
mod quantities;
mod quick;
mod reader;
mod recording;
mod resolve;
mod secrets;
mod surroundings;
mod tree;
mod words;
mod write;

pub use build::PlanBuilder;
pub use condition::{Condition, Operand, Operator, Value};
pub use criteria::{
    Answers, Bound, Comparison, Criterion, Elsewhere, Every, Expression, Function, Integrity, Metric, OnInconclusive,
    Options, Reference, Scope, Tally, When,
};
pub use data::{AtEnd, Attachment, DataSet, DataSource, FileFact, Rows, Take};
pub use diagnostics::{Problems, SourceText};
pub use flow::{
    Action, Auth, Body, Capture, Check, Choice, Expect, Flow, FormContent, FormPart, Missing, Poll, Request, Source,
    Step, Times,
};
pub use integrity::{KeySet, MOST_KEYS, Touch};
pub use model::{
    AddressRange, Arrivals, ConnectionUse, Generator, HealthCheck, HttpVersion, Identity, Iterations, Limit, Limiter,
    Load, Method, Operation, Phase, Plan, Precision, Rate, RateShape, Recording, Replay, RequestLogging, Session,
    SessionLength, Target, ThinkTime, Tls, Users, WindowKind,
};
pub use overrides::{Override, OverrideError};
pub use patterns::{JsonPath, Pattern, PatternError};
pub use redis::{FieldPath, HostPort, Login, RedisEndpoint, RedisPlace, RedisServer, RedisSource};
pub use resolve::{parse, parse_criteria, parse_quick, parse_recorded, parse_redis};
pub use store::{Ask, Call, Isolation, Payload, Shape, Statement, Store, StoreConnections, StoreKind};
pub use surroundings::Surroundings;
pub use template::{Form, Hole, Part, Random, Secret, Template, UserPattern};
pub use watch::{
    Actions, Alert, ContainerPlace, ContainerWatch, KeysWatch, LOG_EVENTS, LogEvent, LogWatch, MetricPath,
    PoolEndpoint, PoolSource, PostgresSource, ProbeWatch, ProcessWatch, SlowLines, Trigger, Watch,
};
