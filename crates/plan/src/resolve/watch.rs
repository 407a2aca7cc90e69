//! `[watch]`: the table as a whole, Redis, alerts.

use std::time::Duration;

use crate::reader::Field;
use crate::watch::{KeysWatch, Watch};

use super::{alerts, around, logs, redis};

const EVERY: Duration = Duration::from_secs(1);
const SHORTEST: Duration = Duration::from_millis(100);

/// Reads `[watch]`.
pub(super) fn read(field: &Field<'_>) -> Watch {
    let reader = field.table("[watch]");
    let every = reader.optional("every", |field| field.duration(SHORTEST, "1s")).unwrap_or(EVERY);
    let redis = reader.field("redis").map(|field| redis::read(&field));
    let host = reader.optional("host", Field::boolean).unwrap_or(true);
    let postgres = reader.field("postgres").map(|field| around::postgres(&field));
    let pool = reader.field("pool").map(|field| around::pool(&field, postgres.as_ref()));
    let process = reader.field("process").map(|field| around::process(&field));
    let containers = reader.field("containers").map(|field| around::containers(&field)).unwrap_or_default();
    let engine = reader.optional("container_engine", around::engine);
    let probes = reader.field("probes").map(|field| around::probes(&field)).unwrap_or_default();
    let logs = reader.field("logs").map(|field| logs::read(&field)).unwrap_or_default();
    let alerts = reader.field("alerts").map(|field| alerts::alerts(&field, redis.is_some())).unwrap_or_default();
    let keys = reader.field("keys").map_or_else(|| Some(KeysWatch::default()), |field| alerts::keys(&field));
    let databases = reader.field("databases").map(|field| alerts::databases(&field)).unwrap_or_default();
    reader.finish();
    Watch { every, redis, postgres, pool, host, process, containers, engine, probes, logs, alerts, keys, databases }
}
