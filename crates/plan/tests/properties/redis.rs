//! Redis to watch, of every kind.

use std::path::PathBuf;

use plimsoll_plan::{
    FieldPath, HostPort, JsonPath, Login, RedisEndpoint, RedisPlace, RedisServer, RedisSource, Secret, Tls,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use url::Url;

/// One source, or several with names of their own.
pub(crate) fn sources() -> impl Strategy<Value = RedisSource> {
    let several = vec(one(), 2..4).prop_map(|sources| {
        let named = sources.into_iter().enumerate().map(|(i, source)| named(source, format!("node-{i}")));
        RedisSource::Several(named.collect())
    });
    prop_oneof![3 => one(), 1 => several]
}

fn named(source: RedisSource, name: String) -> RedisSource {
    match source {
        RedisSource::Server(server) => RedisSource::Server(RedisServer { name: Some(name), ..server }),
        RedisSource::Endpoint(endpoint) => RedisSource::Endpoint(RedisEndpoint { name: Some(name), ..endpoint }),
        several @ RedisSource::Several(_) => several,
    }
}

fn one() -> impl Strategy<Value = RedisSource> {
    prop_oneof![server().prop_map(RedisSource::Server), endpoint().prop_map(RedisSource::Endpoint)]
}

fn name() -> impl Strategy<Value = Option<String>> {
    option::of("[a-zA-Z0-9_-]{1,6}")
}

fn login() -> impl Strategy<Value = Login> {
    let password = option::of(Just(Secret::new("***".to_owned())));
    (option::of(".{1,6}"), password).prop_map(|(user, password)| Login { user, password })
}

fn host() -> impl Strategy<Value = HostPort> {
    let host = prop_oneof![Just("::1".to_owned()), "[a-z][a-z0-9.-]{0,6}"];
    (host, 1..u16::MAX).prop_map(|(host, port)| HostPort { host, port })
}

fn tls() -> impl Strategy<Value = Tls> {
    (any::<bool>(), option::of("[a-z]{1,5}")).prop_map(|(insecure, server_name)| Tls {
        insecure,
        server_name,
        ..Tls::default()
    })
}

fn server() -> impl Strategy<Value = RedisServer> {
    let place = prop_oneof![
        host().prop_map(RedisPlace::Tcp),
        vec(host(), 1..4).prop_map(RedisPlace::Cluster),
        "[a-z./ ]{0,9}".prop_map(|path| RedisPlace::Socket(PathBuf::from(format!("/r{path}x")))),
        (vec(host(), 1..3), "[a-z]{1,6}", login()).prop_map(|(sentinels, service, login)| RedisPlace::Sentinel {
            sentinels,
            service,
            login
        }),
    ];
    (name(), place, 0..99_u16, login(), option::of(tls()), any::<bool>()).prop_map(
        |(name, place, database, login, tls, replicas)| {
            let numbered = matches!(place, RedisPlace::Tcp(_) | RedisPlace::Cluster(_));
            let encrypted = !matches!(place, RedisPlace::Socket(_));
            let (database, tls) = (if numbered { database } else { 0 }, tls.filter(|_| encrypted));
            RedisServer { name, place, database, login, tls, replicas }
        },
    )
}

fn endpoint() -> impl Strategy<Value = RedisEndpoint> {
    let path = prop_oneof![
        "[a-z]{1,5}".prop_map(FieldPath::Name),
        Just(FieldPath::Path(JsonPath::new("$.a['b c'][0]").expect("a sound query"))),
    ];
    let fields = option::of(path).prop_map(|path| path.map(|path| ("used_memory".to_owned(), path)));
    (name(), "[a-z]{0,8}", fields).prop_map(|(name, path, fields)| RedisEndpoint {
        name,
        url: Url::parse(&format!("http://10.0.0.1/{path}")).expect("a URL"),
        tls: Tls::default(),
        fields: fields.into_iter().collect(),
    })
}
