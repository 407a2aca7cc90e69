//! How `[target]` is connected to: the HTTP version, streams, TLS, local addresses. Nothing here reads a file.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;

use crate::model::{AddressRange, HttpVersion, Identity, Tls};
use crate::reader::{Field, Reader};

/// Enough to show multiplexing, few enough that one lost packet does not hold up a crowd.
pub(super) const STREAMS: NonZeroU32 = NonZeroU32::new(8).expect("a constant above zero");

const VERSIONS: [(&str, HttpVersion); 3] =
    [("auto", HttpVersion::Auto), ("1.1", HttpVersion::One), ("2", HttpVersion::Two)];
const ADDRESSES: &str = "write IP addresses or ranges: `[\"127.0.0.2..127.0.0.9\", \"10.0.0.5\"]`";

/// The words of `http`.
pub(crate) fn word(version: HttpVersion) -> &'static str {
    let found = VERSIONS.iter().find(|(_, other)| *other == version);
    found.map_or("auto", |(word, _)| word)
}

pub(super) fn http(field: &Field<'_>) -> Option<HttpVersion> {
    field.choice(&VERSIONS)
}

/// Reads `streams`.
pub(super) fn streams(reader: &Reader<'_>) -> Option<NonZeroU32> {
    reader.optional("streams", Field::positive)
}

/// Reads `tls`, which makes sense only where TLS is spoken: where the url has this scheme.
pub(super) fn tls(reader: &Reader<'_>, spoken: bool, scheme: &str) -> Tls {
    let Some(field) = reader.field("tls") else { return Tls::default() };
    if !spoken && !field.context.recorded {
        field.reject("`tls` for a url without TLS", format!("write the url with `{scheme}`, or take `tls` out"));
    }
    let table = field.table("`tls`");
    let path = |key, example: &str| {
        let text = table.optional(key, |field| field.text(&format!("the path of a PEM file, for example `{example}`")));
        text.map(|text| PathBuf::from(text.content))
    };
    let ca = path("ca", "\"ca.pem\"");
    let identity = match (path("certificate", "\"client.pem\""), path("key", "\"client.key\"")) {
        (Some(certificate), Some(key)) => Some(Identity { certificate, key }),
        (None, None) => None,
        _ => {
            table.reject("`certificate` and `key` belong together", "give both, or neither");
            None
        }
    };
    let server_name = table.optional("server_name", |field| field.text("the name in the server's certificate"));
    let insecure = table.optional("insecure", Field::boolean).unwrap_or(false);
    if insecure && ca.is_some() {
        table.reject("`insecure` checks nothing, so `ca` has no use", "keep one of them");
    }
    let resume = table.optional("resume", Field::boolean).unwrap_or(true);
    table.finish();
    Tls { ca, identity, server_name: server_name.map(|text| text.content), insecure, resume }
}

/// Reads `local_addresses`.
pub(super) fn addresses(field: &Field<'_>) -> Vec<AddressRange> {
    field.items().iter().filter_map(range).collect()
}

/// `127.0.0.2..127.0.0.9`, or one address.
fn range(field: &Field<'_>) -> Option<AddressRange> {
    let text = field.text("an IP address or a range of them")?;
    let (first, last) = text.content.split_once("..").unwrap_or((&text.content, &text.content));
    let parse = |end: &str| end.trim().parse::<IpAddr>().ok();
    let (Some(first), Some(last)) = (parse(first), parse(last)) else {
        text.reject(format!("`{}` is neither an IP address nor a range", text.content), None, ADDRESSES);
        return None;
    };
    let range = AddressRange::new(first, last);
    if range.is_none() {
        let help =
            format!("the last must be of the first's family, not below it, and at most {} on", AddressRange::MOST);
        text.reject(format!("`{}` is not a range of addresses", text.content), None, help);
    }
    range
}
