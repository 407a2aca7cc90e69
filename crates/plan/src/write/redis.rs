//! `redis` of `[watch]`: a URL where that says it all, else a table; a list of several.

use crate::model::Tls;
use crate::redis::{FieldPath, Login, RedisEndpoint, RedisPlace, RedisServer, RedisSource};

use super::{key, list, quote, tls};

/// A source as it is read back; a password is `***`.
pub(super) fn source(source: &RedisSource) -> String {
    match source {
        RedisSource::Server(server) => with(quote(&server.to_string()), &server_fields(server)),
        RedisSource::Endpoint(endpoint) => with(quote(&endpoint_url(endpoint)), &endpoint_fields(endpoint)),
        RedisSource::Several(sources) => list(sources.iter().map(self::source)),
    }
}

fn with(url: String, fields: &[String]) -> String {
    if fields.is_empty() { url } else { format!("{{ url = {url}, {} }}", fields.join(", ")) }
}

fn server_fields(server: &RedisServer) -> Vec<String> {
    let RedisServer { name, place, login, tls: settings, replicas, database: _ } = server;
    let mut fields = Vec::new();
    fields.extend(name.as_deref().map(|name| format!("name = {}", quote(name))));
    who(&mut fields, "user", "password", login);
    if let RedisPlace::Sentinel { login, .. } = place {
        who(&mut fields, "sentinel_user", "sentinel_password", login);
    }
    fields.extend(settings.as_ref().and_then(tls_field));
    if *replicas {
        fields.push("replicas = true".to_owned());
    }
    fields
}

fn who(fields: &mut Vec<String>, user: &str, password: &str, login: &Login) {
    fields.extend(login.user.as_deref().map(|name| format!("{user} = {}", quote(name))));
    if login.password.is_some() {
        fields.push(format!("{password} = \"***\""));
    }
}

fn tls_field(settings: &Tls) -> Option<String> {
    (*settings != Tls::default()).then(|| format!("tls = {}", tls(settings)))
}

/// The values of a query may be secrets; its words are not.
fn endpoint_url(endpoint: &RedisEndpoint) -> String {
    let mut url = endpoint.url.clone();
    if let Some(query) = endpoint.url.query() {
        let starred = query.split('&').map(|pair| match pair.split_once('=') {
            Some((word, _)) => format!("{word}=***"),
            None => "***".to_owned(),
        });
        url.set_query(Some(&starred.collect::<Vec<_>>().join("&")));
    }
    url.to_string()
}

fn endpoint_fields(endpoint: &RedisEndpoint) -> Vec<String> {
    let mut fields = Vec::new();
    fields.extend(endpoint.name.as_deref().map(|name| format!("name = {}", quote(name))));
    fields.extend(tls_field(&endpoint.tls));
    if !endpoint.fields.is_empty() {
        let one = |(name, path): &(String, FieldPath)| match path {
            FieldPath::Name(path) => format!("{} = {}", key(name), quote(path)),
            FieldPath::Path(path) => format!("{} = {}", key(name), quote(path.as_str())),
        };
        fields.push(format!("fields = {{ {} }}", endpoint.fields.iter().map(one).collect::<Vec<_>>().join(", ")));
    }
    fields
}
