//! What the black-box tests share: real servers on free ports, the binaries under test, and a way to run them.
//!
//! Nothing here knows the insides of plimsoll; it starts processes and reads what they leave behind.

mod chain;
mod command;
mod looking;
mod plain;
mod postgres;
mod servers;

pub use chain::{Chain, Plan};
pub use command::{Finished, Tool, binary};
pub use looking::{ends_soon, eventually, rows_of, signal};
pub use plain::plain_plan;
pub use postgres::{Postgres, Session};
pub use servers::{Redis, Service, free_port};
