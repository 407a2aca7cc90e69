//! Synthetic runs.
