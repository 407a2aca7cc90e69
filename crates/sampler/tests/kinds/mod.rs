//! Every kind of Redis there is, each of them real: clusters, sentinels, replicas, sockets, TLS.

mod groups;
mod secured;
mod told;
