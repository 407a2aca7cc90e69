//! What to do when Redis cannot be sampled: the way out that fits what it said.

use plimsoll_record::series::GapReason;

use crate::probe::Failure;

/// The rights that suffice to sample a server.
pub const LEAST_RIGHTS: &str = "ACL SETUSER NAME on >PASSWORD +ping +info +client|id";

/// What each answer means, most telling first.
const ANSWERS: [(&[&str], &str); 10] = [
    (&["NOAUTH"], "it wants a password: use redis://:PASSWORD@HOST:PORT or redis://USER:PASSWORD@HOST:PORT"),
    (&["WRONGPASS", "invalid password"], "the user or the password is wrong"),
    (
        &["NOPERM"],
        "the user needs these rights: ACL SETUSER NAME on >PASSWORD +ping +info +client|id \
         (and for all that memwatch can tell: +slowlog|get +latency|latest +cluster|slots)",
    ),
    (&["BUSY"], "a script blocks it: SCRIPT KILL ends a script that has written nothing"),
    (&["LOADING"], "it is loading its data set: try again in a while"),
    (
        &["certificate not valid for name", "NotValidForName"],
        "give the name in the certificate: { url = \"rediss://...\", tls = { server_name = \"NAME\" } }",
    ),
    (
        &["AlertReceived", "CertificateRequired", "HandshakeFailure"],
        "it refuses what memwatch shows, and may want a client certificate of an authority it knows: { url = \"rediss://...\", tls = { certificate = \"c.pem\", key = \"c.key\" } }",
    ),
    (
        &["certificate", "Certificate"],
        "name its authority: { url = \"rediss://...\", tls = { ca = \"ca.pem\" } }, or SSL_CERT_FILE; \
         tls = { insecure = true } checks nothing",
    ),
    (&["the beginning of TLS"], "does this port speak TLS? If not, use redis://; if it does, is the server suspended?"),
    (
        &["InvalidMessage", "corrupt message", "InvalidContentType", "wrong version"],
        "it does not speak TLS on this port: use redis://, not rediss://",
    ),
];

/// What to do about this failure.
#[must_use]
pub fn advice(failure: &Failure) -> &'static str {
    let says = |words: &[&str]| words.iter().any(|word| failure.detail.contains(word));
    if let Some((_, advice)) = ANSWERS.iter().find(|(words, _)| says(words)) {
        return advice;
    }
    match failure.reason {
        GapReason::TimedOut => "it accepts connections and does not answer: is it suspended or blocked by a script?",
        GapReason::Malformed => {
            "is this a Redis server, or an endpoint that answers with fields of INFO as JSON? (rediss:// for TLS)"
        }
        GapReason::Unreachable if failure.detail.contains("closed") || failure.detail.contains("reset") => {
            "it hung up: use rediss:// if this port speaks TLS"
        }
        _ => "is it running there? Start it or give another URL (rediss:// for TLS)",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_names_its_way_out() {
        let fixed = |reason, detail: &str| advice(&Failure::new(reason, detail)).to_owned();
        assert!(fixed(GapReason::Refused, "NOAUTH Authentication required.").contains("PASSWORD@"));
        assert!(fixed(GapReason::Refused, "WRONGPASS invalid username-password pair").contains("wrong"));
        assert!(fixed(GapReason::Refused, "NOPERM this user has no permissions").contains(LEAST_RIGHTS));
        assert!(fixed(GapReason::Refused, "BUSY Redis is busy running a script").contains("SCRIPT KILL"));
        assert!(fixed(GapReason::Unreachable, "Connection refused").contains("running"));
        assert!(fixed(GapReason::Unreachable, "InvalidCertificate(UnknownIssuer)").contains("SSL_CERT_FILE"));
        assert!(fixed(GapReason::Unreachable, "received corrupt message").contains("redis://"));
        assert!(fixed(GapReason::Unreachable, "the connection was closed").contains("rediss://"));
    }
}
