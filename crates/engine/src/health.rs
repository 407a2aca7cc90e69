//! Is the target there? One plain request or, without a health check in the plan, one connection; tried again for a
//! few seconds, so that a service that is just starting gets its chance.

use std::io;
use std::time::Duration;

use plimsoll_plan::{HealthCheck, Plan, Store, Target};
use plimsoll_record::ledger::Outcome;

use crate::connection::{self, DialError, Route, RouteError, TlsFailure, address_of};
use crate::names::Names;
use crate::request::{Operation, method_of};
use crate::store::Fault;
use crate::visit::{Iteration, Origin, Visit};
use crate::workload::{WorkloadError, traffic_target};

const PAUSE: Duration = Duration::from_millis(200);

/// Why the target cannot be tested.
#[derive(Debug, thiserror::Error)]
pub enum HealthError {
    /// The plan has no target.
    #[error(transparent)]
    Plan(#[from] WorkloadError),
    /// There is no way to the target.
    #[error(transparent)]
    Route(#[from] RouteError),
    /// TLS does not come about.
    #[error("cannot speak TLS with {address}")]
    Tls {
        /// Host and port.
        address: String,
        /// The cause, and what to do about it.
        #[source]
        source: TlsFailure,
    },
    /// The other side does not seem to speak TLS.
    #[error(
        "the TLS handshake with {address} broke off; does this port speak TLS? if not, write the url with `http://`"
    )]
    Handshake {
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
    /// A store accepts no connection.
    #[error(
        "[targets.{name}] at {address} is not there within {patience:?}: {outcome}{reason}; is it running, and are url, \
         user and password right?"
    )]
    Store {
        /// Its name in the plan.
        name: String,
        /// Its URL without password.
        address: String,
        /// How long it was tried.
        patience: Duration,
        /// What came of it.
        outcome: &'static str,
        /// What it said.
        reason: String,
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
    let target = &*traffic_target(plan)?;
    let names = Names::compile(plan, &[])?;
    let route = Route::prepare(target)?;
    let request = target.health.as_ref().map(|check| Operation::health(check, target, &names));
    let request = request.transpose().map_err(WorkloadError::from)?;
    let visit = Origin::new(plan.seed, false).visit(Iteration { user: 1, phase: 0, number: 1, ordinal: 0 });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(HealthError::Runtime)?;
    let check = Check { target, route, request, visit, patience };
    for store in &plan.stores {
        runtime.block_on(store_is_there(store, patience))?;
    }
    if plan.target.is_none() {
        return Ok(());
    }
    runtime.block_on(async {
        let attempts = patience.as_nanos() / PAUSE.as_nanos();
        let mut last = Err(check.no_answer());
        let trying = async {
            for _ in 0..=attempts {
                last = check.attempt().await;
                // Certificates do not become right by waiting.
                if matches!(last, Ok(()) | Err(HealthError::Tls { .. })) {
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

/// Waits until a store accepts a connection. That it refuses the password is not changed by waiting.
async fn store_is_there(store: &Store, patience: Duration) -> Result<(), HealthError> {
    let attempts = patience.as_nanos() / PAUSE.as_nanos();
    let mut last = Fault::from(Outcome::ConnectTimedOut);
    let trying = async {
        for _ in 0..=attempts {
            match crate::store::is_there(store).await {
                Ok(()) => return true,
                Err(fault) => last = fault,
            }
            if last.outcome == Outcome::Denied {
                break;
            }
            tokio::time::sleep(PAUSE).await;
        }
        false
    };
    if tokio::time::timeout(patience, trying).await == Ok(true) {
        return Ok(());
    }
    let (name, address, outcome) = (store.name.clone(), store.url.to_string(), last.outcome.name());
    let reason = if last.text.is_empty() { String::new() } else { format!(" ({})", last.text) };
    Err(HealthError::Store { name, address, patience, outcome, reason })
}

/// What is asked, and of whom.
struct Check<'a> {
    target: &'a Target,
    route: Route,
    request: Option<Operation>,
    visit: Visit,
    patience: Duration,
}

impl Check<'_> {
    async fn attempt(&self) -> Result<(), HealthError> {
        let stream = self.route.open(0).await.map_err(|error| self.unreachable(error))?;
        let Some(request) = &self.request else { return Ok(()) };
        let protocol = self.route.protocol().unwrap_or_else(|| stream.negotiated());
        let answer = connection::ask(stream, protocol, request, &self.visit).await;
        let answer = answer.map_err(|_| self.tls_failure().unwrap_or_else(|| self.no_answer()))?;
        if (200..300).contains(&answer.status) {
            return Ok(());
        }
        let (address, request) = (address_of(self.target), self.show());
        Err(HealthError::Unhealthy { address, request, status: answer.status })
    }

    fn unreachable(&self, error: DialError) -> HealthError {
        let (address, patience) = (address_of(self.target), self.patience);
        match error {
            DialError::Connect(source) => HealthError::Connect { address, patience, source },
            DialError::Tls(source) => self.tls_failure().unwrap_or(HealthError::Handshake { address, source }),
            DialError::Version => self.tls_failure().unwrap_or_else(|| self.no_answer()),
        }
    }

    /// TLS 1.3 tells a client only after the handshake that its certificate will not do.
    fn tls_failure(&self) -> Option<HealthError> {
        let source = self.route.tls()?.failure()?.clone();
        Some(HealthError::Tls { address: address_of(self.target), source })
    }

    fn no_answer(&self) -> HealthError {
        let (address, patience) = (address_of(self.target), self.patience);
        HealthError::NoAnswer { address, request: self.show(), patience }
    }

    fn show(&self) -> String {
        let show = |check: &HealthCheck| format!("{} {}", method_of(check.method), check.path);
        self.target.health.as_ref().map_or_else(|| "connection".to_owned(), show)
    }
}
