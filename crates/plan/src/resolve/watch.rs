//! `[watch]`: the table as a whole, Redis, alerts.

use std::time::Duration;

use plimsoll_record::events::Level;
use plimsoll_record::units::Unit;

use crate::quantities;
use crate::reader::{Field, Reader};
use crate::watch::{Alert, Watch};

use super::{around, logs, redis};

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
    let alerts = reader.field("alerts").map(|field| alerts(&field, redis.is_some())).unwrap_or_default();
    reader.finish();
    Watch { every, redis, postgres, pool, host, process, containers, engine, probes, logs, alerts }
}

fn alerts(field: &Field<'_>, has_redis: bool) -> Vec<Alert> {
    let readers = field.tables("an alert");
    if !has_redis && !readers.is_empty() {
        let help = "add `redis = \"redis://127.0.0.1:6379\"` to [watch], or leave the alerts out";
        field.reject("alerts on growth need a Redis to watch", help);
    }
    let mut alerts: Vec<Alert> = Vec::new();
    for reader in readers {
        let alert = alert(&reader);
        if alerts.iter().any(|other| other.level == alert.level) && reader.table.get("level").is_some() {
            reader.reject("two alerts have the same level", "the lower growth decides: keep that one");
        }
        reader.finish();
        alerts.push(alert);
    }
    alerts
}

fn alert(reader: &Reader<'_>) -> Alert {
    let growth = reader.required("growth", "\"10MB/min\"", growth).unwrap_or(1.0);
    let words = [("warn", Level::Warn), ("critical", Level::Critical)];
    let level = reader.required("level", "\"warn\"", |field| field.choice(&words)).unwrap_or(Level::Critical);
    let stop = reader.field("stop");
    let stops = stop.as_ref().and_then(Field::boolean).unwrap_or(false);
    if let (Some(field), true, Level::Warn) = (stop, stops, level) {
        field.reject("a warning does not stop the run", "write `level = \"critical\"`, or leave `stop` out");
    }
    Alert { growth, level, stop: stops }
}

fn growth(field: &Field<'_>) -> Option<f64> {
    let text = field.quantity_text("10MB/min")?;
    let growth = quantities::number(&text, field.key, Unit::BytesPerSecond, "10MB/min")?;
    if growth <= 0.0 {
        text.reject("`growth` must be above zero", None, "write for example `10MB/min`");
    }
    Some(growth)
}
