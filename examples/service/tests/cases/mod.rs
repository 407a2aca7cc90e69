//! What the service promises, by topic.

mod assistant;
mod broken;
mod harness;
mod protocols;
mod tools;
mod watching;
