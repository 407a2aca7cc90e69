//! Redis: where its numbers come from.
//!
//! [One server](ServerProbe), [a group of them](FleetProbe) that is a cluster or stands under sentinels, [an HTTP
//! endpoint](EndpointProbe) of the service, or [several](SeveralProbe) of these. What the fields of INFO mean is the
//! same for all, and stands in one place.

mod advice;
mod interpret;

mod link;

mod memory;
mod server;

mod fleet;
mod whole;

mod endpoint;

use std::time::Duration;

use plimsoll_plan::{RedisPlace, RedisSource};
use plimsoll_record::series::GapReason;

pub use self::advice::{LEAST_RIGHTS, advice};
pub use self::endpoint::EndpointProbe;
pub use self::fleet::FleetProbe;
pub use self::interpret::values;
pub(crate) use self::link::Ask;
pub use self::link::{Dial, Link};
pub use self::server::ServerProbe;
pub use self::whole::SeveralProbe;
use crate::info::Info;
use crate::probe::{Failure, Probe};

/// The probe for a source.
#[must_use]
pub fn probe(source: &RedisSource, patience: Duration) -> Box<dyn Probe> {
    match source {
        RedisSource::Server(server) => match server.place {
            RedisPlace::Tcp(_) | RedisPlace::Socket(_) if !server.replicas => {
                Box::new(ServerProbe::new(server, patience))
            }
            _ => Box::new(FleetProbe::new(server, patience)),
        },
        RedisSource::Endpoint(endpoint) => Box::new(EndpointProbe::new(endpoint)),
        RedisSource::Several(sources) => Box::new(SeveralProbe::new(sources, patience)),
    }
}

/// The servers that hold the keys of a source, by label, and the way to each: one, or every primary. Replicas are not
/// among them.
///
/// # Errors
/// [`Failure`] when a cluster or sentinels do not answer within `patience`, and for an endpoint, which cannot be asked.
pub async fn servers(source: &RedisSource, patience: Duration) -> Result<Vec<(String, Dial)>, Failure> {
    let mut servers = Vec::new();
    for source in source.each() {
        let RedisSource::Server(server) = source else {
            let detail = "an HTTP endpoint tells numbers only: name the Redis itself";
            return Err(Failure::new(GapReason::Refused, detail));
        };
        let found = tokio::time::timeout(patience, FleetProbe::new(server, patience).locate()).await;
        servers.extend(found.unwrap_or_else(|_| Err(no_answer(patience)))?);
    }
    Ok(servers)
}

/// Asks every server of a source once for everything it says, by label.
///
/// # Errors
/// [`Failure`] when one does not answer within `patience`, or not with INFO fields.
pub async fn inspect(source: &RedisSource, patience: Duration) -> Result<Vec<(String, Info)>, Failure> {
    let fields = async {
        if let RedisSource::Endpoint(endpoint) = source {
            return Ok(vec![(source.label(), EndpointProbe::new(endpoint).fields().await?)]);
        }
        let mut all = Vec::new();
        for (label, dial) in servers(source, patience).await? {
            let info = ServerProbe::by(label.clone(), dial).fields().await?;
            all.push((label, info));
        }
        Ok(all)
    };
    tokio::time::timeout(patience, fields).await.unwrap_or_else(|_| Err(no_answer(patience)))
}

fn no_answer(patience: Duration) -> Failure {
    Failure::new(GapReason::TimedOut, format!("no answer within {} ms", patience.as_millis()))
}
