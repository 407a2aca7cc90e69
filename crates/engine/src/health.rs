//! Is the target there? One plain request or, without a health check in the plan, one connection; tried again for a
//! few seconds, so that a service that is just starting gets its chance.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use hyper::header::{HOST, HeaderMap, HeaderName, HeaderValue};
use hyper::{Request, Uri};
use plimsoll_plan::{HealthCheck, Part, Plan, Target, Template};

use crate::connection::{self, Connection};
use crate::request::{RequestBody, host_of, method_of};
use crate::workload::{WorkloadError, traffic_target};

const PAUSE: Duration = Duration::from_millis(200);

/// Why the target cannot be tested.
#[derive(Debug, thiserror::Error)]
pub enum HealthError {
    /// The plan has no target.
    #[error(transparent)]
    Plan(#[from] WorkloadError),
    /// The host's name has no address.
    #[error("cannot find the address of {address}; is the host in the target's url right?")]
    Resolve {
        /// Host and port.
        address: String,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// Nobody accepts connections there.
    #[error("cannot connect to {address} within {patience:?}; is the service running, and is the target's url right?")]
    Connect {
        /// Host and port.
        address: String,
        /// How long it was tried.
        patience: Duration,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The health check's answer is not a success.
    #[error("the health check {request} at {address} answered {status}; a 2xx answer is needed before the load starts")]
    Unhealthy {
        /// Host and port.
        address: String,
        /// Method and path.
        request: String,
        /// The status code.
        status: u16,
    },
    /// The health check got no answer.
    #[error("the health check {request} at {address} got no complete answer within {patience:?}")]
    NoAnswer {
        /// Host and port.
        address: String,
        /// Method and path.
        request: String,
        /// How long it was tried.
        patience: Duration,
    },
    /// The runtime could not be made.
    #[error("cannot start a runtime; are there file descriptors left?")]
    Runtime(#[source] io::Error),
}

/// Waits up to `patience` until the plan's target is healthy.
///
/// # Errors
/// [`HealthError`] with the address and the cause of the last attempt.
pub fn health_check(plan: &Plan, patience: Duration) -> Result<(), HealthError> {
    let target = traffic_target(plan)?;
    let addresses = resolve(target)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(HealthError::Runtime)?;
    runtime.block_on(async {
        let attempts = patience.as_nanos() / PAUSE.as_nanos();
        let mut last = Err(no_answer(target, patience));
        let trying = async {
            for _ in 0..=attempts {
                last = attempt(target, &addresses, patience).await;
                if last.is_ok() {
                    return;
                }
                tokio::time::sleep(PAUSE).await;
            }
        };
        // When the time is over, the last attempt's answer stands.
        let _ = tokio::time::timeout(patience, trying).await;
        last
    })
}

/// The addresses of the target's host. Asked once per run.
pub(crate) fn resolve(target: &Target) -> Result<Vec<SocketAddr>, HealthError> {
    target.url.socket_addrs(|| None).map_err(|source| HealthError::Resolve { address: address_of(target), source })
}

fn address_of(target: &Target) -> String {
    let host = target.url.host_str().unwrap_or_default();
    target.url.port_or_known_default().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

async fn attempt(target: &Target, addresses: &[SocketAddr], patience: Duration) -> Result<(), HealthError> {
    let refused = |source| HealthError::Connect { address: address_of(target), patience, source };
    let stream = connection::connect(addresses).await.map_err(refused)?;
    let Some(check) = &target.health else { return Ok(()) };
    let mut connection = Connection::over(stream).await.map_err(|_| no_answer(target, patience))?;
    let answer = connection.exchange(request(target, check)).await.map_err(|_| no_answer(target, patience))?;
    if (200..300).contains(&answer.status) {
        return Ok(());
    }
    let (address, request) = (address_of(target), show(check));
    Err(HealthError::Unhealthy { address, request, status: answer.status })
}

fn no_answer(target: &Target, patience: Duration) -> HealthError {
    let request = target.health.as_ref().map_or_else(|| "connection".to_owned(), show);
    HealthError::NoAnswer { address: address_of(target), request, patience }
}

fn show(check: &HealthCheck) -> String {
    format!("{} {}", method_of(check.method), check.path)
}

/// The health check as a request: the target's fixed headers, no user.
fn request(target: &Target, check: &HealthCheck) -> Request<RequestBody> {
    let mut headers = HeaderMap::new();
    headers.insert(HOST, host_of(target));
    for (name, value) in &target.headers {
        let name = HeaderName::from_bytes(name.as_bytes());
        let value = HeaderValue::try_from(fixed_text(value));
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.insert(name, value);
        }
    }
    let base = target.url.path().trim_end_matches('/');
    let mut request = Request::new(RequestBody(None));
    *request.method_mut() = method_of(check.method);
    *request.uri_mut() = format!("{base}{}", check.path).parse().unwrap_or_else(|_| Uri::from_static("/"));
    *request.headers_mut() = headers;
    request
}

fn fixed_text(template: &Template) -> String {
    let text = template.parts.iter().map(|part| match part {
        Part::Literal(text) => text.as_str(),
        Part::Environment { value, .. } => value.reveal(),
        Part::UserId | Part::UserNumber => "1",
    });
    text.collect()
}
