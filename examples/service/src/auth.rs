//! Who may call: an API key for the assistant, a signed token (JWT, RFC 7519, HS256 only) for the harness.
//! There is no user store: every user name logs in with the one password of the service.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hyper::{
    HeaderMap, StatusCode,
    header::{AUTHORIZATION, HeaderValue, WWW_AUTHENTICATE},
};
use ring::hmac;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    clock::UnixMillis,
    replies::{self, Answer, Failure, Reply},
    routes::Call,
};

const API_KEY: &str = "X-API-Key";
const MAX_NAME_BYTES: usize = 128;

/// What callers are checked against. Keys and passwords are kept as their tags under the signing key, so
/// they can be compared in constant time, and printing this shows none of them.
#[derive(Debug)]
pub(crate) struct Gate {
    signing: hmac::Key,
    api_key: Option<hmac::Tag>,
    password: hmac::Tag,
    lifetime: Duration,
}

/// The claims that are issued, and looked at.
#[derive(Debug, PartialEq, Eq, Deserialize, Serialize)]
struct Claims {
    sub: String,
    /// Unix seconds.
    exp: u64,
}

#[derive(Deserialize, Serialize)]
struct Header {
    alg: String,
    typ: Option<String>,
}

#[derive(Deserialize)]
struct LoginRequest {
    username: String,
    password: String,
}

#[derive(Serialize)]
struct LoginBody {
    token: String,
    token_type: &'static str,
    expires_in: u64,
}

/// Why a caller is not let in. The words never repeat what the caller sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Denied {
    #[error("this endpoint needs the header X-API-Key")]
    NoApiKey,
    #[error("the X-API-Key is not the one the service was started with")]
    WrongApiKey,
    #[error("this endpoint needs the header Authorization: Bearer TOKEN; POST /api/auth/login issues one")]
    NoToken,
    #[error("the token is not a JWT signed with HS256")]
    Malformed,
    #[error("the token's signature does not fit; it was signed with another --jwt-secret")]
    WrongSignature,
    #[error("the token has expired; POST /api/auth/login issues a new one")]
    Expired,
    #[error("wrong password; it is the one given with --password")]
    WrongPassword,
}

impl Gate {
    pub(crate) fn new(jwt_secret: &str, api_key: Option<&str>, password: &str, lifetime: Duration) -> Self {
        let signing = hmac::Key::new(hmac::HMAC_SHA256, jwt_secret.as_bytes());
        let api_key = api_key.map(|key| hmac::sign(&signing, key.as_bytes()));
        let password = hmac::sign(&signing, password.as_bytes());
        Self { signing, api_key, password, lifetime }
    }

    /// Passes everybody when the service was started without a key.
    pub(crate) fn check_api_key(&self, headers: &HeaderMap) -> Result<(), Denied> {
        let Some(expected) = &self.api_key else {
            return Ok(());
        };
        let sent = headers.get(API_KEY).ok_or(Denied::NoApiKey)?;
        self.is(expected, sent.as_bytes()).ok_or(Denied::WrongApiKey)
    }

    /// The user named by a valid bearer token.
    pub(crate) fn check_token(&self, headers: &HeaderMap, now: UnixMillis) -> Result<String, Denied> {
        let sent = headers.get(AUTHORIZATION).ok_or(Denied::NoToken)?.to_str().map_err(|_| Denied::NoToken)?;
        let (scheme, token) = sent.split_once(' ').ok_or(Denied::NoToken)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(Denied::NoToken);
        }
        Ok(self.verify(token.trim(), now)?.sub)
    }

    fn issue(&self, user: &str, now: UnixMillis) -> String {
        let header = Header { alg: "HS256".to_owned(), typ: Some("JWT".to_owned()) };
        let claims = Claims { sub: user.to_owned(), exp: now.0 / 1000 + self.lifetime.as_secs() };
        let signed = format!("{}.{}", encode(&header), encode(&claims));
        let signature = URL_SAFE_NO_PAD.encode(hmac::sign(&self.signing, signed.as_bytes()));
        format!("{signed}.{signature}")
    }

    /// The signature first: nothing of an unsigned token is looked at.
    fn verify(&self, token: &str, now: UnixMillis) -> Result<Claims, Denied> {
        let (signed, signature) = token.rsplit_once('.').ok_or(Denied::Malformed)?;
        let (header, claims) = signed.split_once('.').ok_or(Denied::Malformed)?;
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| Denied::Malformed)?;
        hmac::verify(&self.signing, signed.as_bytes(), &signature).map_err(|_| Denied::WrongSignature)?;
        let header: Header = decode(header).ok_or(Denied::Malformed)?;
        if header.alg != "HS256" {
            return Err(Denied::Malformed);
        }
        let claims: Claims = decode(claims).ok_or(Denied::Malformed)?;
        if claims.exp <= now.0 / 1000 { Err(Denied::Expired) } else { Ok(claims) }
    }

    fn is(&self, expected: &hmac::Tag, sent: &[u8]) -> Option<()> {
        hmac::verify(&self.signing, sent, expected.as_ref()).ok()
    }
}

impl Denied {
    /// 401, with the challenge that RFC 9110 (11.6.1) asks for.
    pub(crate) fn reply(self) -> Reply {
        let mut reply = replies::error(StatusCode::UNAUTHORIZED, &self.to_string());
        let challenge = match self {
            Self::NoApiKey | Self::WrongApiKey => "ApiKey",
            _ => "Bearer",
        };
        reply.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        reply
    }
}

impl From<Denied> for Failure {
    fn from(denied: Denied) -> Self {
        Self::from(denied.reply())
    }
}

/// `POST /api/auth/login`
pub(crate) fn login(call: &Call<'_>) -> Answer {
    let asked: LoginRequest = call.body_like(r#"{"username": "ada", "password": "..."}"#)?;
    if !(1..=MAX_NAME_BYTES).contains(&asked.username.len()) {
        return Err(Failure::bad_request(&format!("username must have 1 to {MAX_NAME_BYTES} bytes")));
    }
    let gate = &call.worker.shared.gate;
    gate.is(&gate.password, asked.password.as_bytes()).ok_or(Denied::WrongPassword)?;
    let token = gate.issue(&asked.username, UnixMillis::now());
    let expires_in = gate.lifetime.as_secs();
    Ok(replies::json(StatusCode::OK, &LoginBody { token, token_type: "Bearer", expires_in }))
}

fn encode(part: &impl Serialize) -> String {
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(part).expect("claims and header are plain structs"))
}

fn decode<T: DeserializeOwned>(part: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_000_000_000);

    fn gate() -> Gate {
        Gate::new("secret", Some("key"), "password", Duration::from_secs(60))
    }

    fn bearer(token: &str) -> HeaderMap {
        HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {token}")).unwrap())])
    }

    #[test]
    fn a_token_names_its_user_until_it_expires() {
        let gate = gate();
        let headers = bearer(&gate.issue("ada", NOW));
        assert_eq!(gate.check_token(&headers, UnixMillis(NOW.0 + 59_999)).as_deref(), Ok("ada"));
        assert_eq!(gate.check_token(&headers, UnixMillis(NOW.0 + 60_000)), Err(Denied::Expired));
    }

    #[test]
    fn a_token_of_another_service_is_read() {
        // Signed by openssl with the key `secret`:
        // {"typ":"JWT","alg":"HS256"} . {"iat":1,"exp":99999999999,"sub":"ci"}
        let signed = "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9.eyJpYXQiOjEsImV4cCI6OTk5OTk5OTk5OTksInN1YiI6ImNpIn0";
        let headers = bearer(&format!("{signed}.FSRF7AoPHwoE9THyY2_2mkZg0VQDmolMYr43MuHqS44"));
        assert_eq!(gate().check_token(&headers, NOW).as_deref(), Ok("ci"));
    }

    #[test]
    fn a_token_that_was_tampered_with_or_signed_otherwise_is_refused() {
        let gate = gate();
        let token = gate.issue("ada", NOW);
        let other = Gate::new("other", None, "", Duration::from_secs(60)).issue("ada", NOW);
        let (_, signature) = token.rsplit_once('.').unwrap();
        let unsigned = format!("{}.{}.", encode(&Header { alg: "none".to_owned(), typ: None }), encode(&"x"));
        for (sent, denied) in [
            (other.as_str(), Denied::WrongSignature),
            (&format!("e30.e30.{signature}"), Denied::WrongSignature),
            (&unsigned, Denied::WrongSignature),
            ("", Denied::Malformed),
            ("a.b", Denied::Malformed),
        ] {
            assert_eq!(gate.check_token(&bearer(sent), NOW), Err(denied), "{sent}");
        }
        assert_eq!(gate.check_token(&HeaderMap::new(), NOW), Err(Denied::NoToken));
    }

    #[test]
    fn an_algorithm_other_than_hs256_is_refused_even_with_a_fitting_signature() {
        let gate = gate();
        let signed = format!(
            "{}.{}",
            encode(&Header { alg: "HS512".to_owned(), typ: None }),
            encode(&Claims { sub: "ada".to_owned(), exp: u64::MAX })
        );
        let signature = URL_SAFE_NO_PAD.encode(hmac::sign(&gate.signing, signed.as_bytes()));
        let headers = bearer(&format!("{signed}.{signature}"));
        assert_eq!(gate.check_token(&headers, NOW), Err(Denied::Malformed));
    }

    #[test]
    fn printing_the_gate_shows_no_secret() {
        let shown = format!("{:?}", Gate::new("hunter1", Some("hunter2"), "hunter3", Duration::from_secs(1)));
        assert!(!shown.contains("hunter"), "{shown}");
    }
}
