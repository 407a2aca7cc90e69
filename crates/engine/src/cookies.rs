//! The cookies of one user (RFC 6265): what answers set, and what goes back with the next request.
//!
//! Domain, path, `Secure` and expiry are the `cookie_store` crate's affair. A jar is bounded, so that a service that
//! sets a new cookie with every answer does not fill the generator's memory.

use cookie_store::{CookieStore, RawCookie};
use hyper::header::{HeaderMap, SET_COOKIE};
use url::Url;

/// More than these are not kept, as browsers do.
const MOST: usize = 180;
/// The longest `Set-Cookie` that is kept (RFC 6265, section 6.1).
const LONGEST: usize = 4096;

/// A user's cookies.
#[derive(Clone, Debug, Default)]
pub(crate) struct Jar {
    store: CookieStore,
}

impl Jar {
    /// Keeps what an answer from `url` sets. What is no cookie, or none for this URL, is passed over.
    pub(crate) fn receive(&mut self, headers: &HeaderMap, url: &Url) {
        for value in headers.get_all(SET_COOKIE) {
            let text = value.to_str().ok().filter(|text| text.len() <= LONGEST);
            let cookie = text.and_then(|text| RawCookie::parse(text.to_owned()).ok());
            let Some(cookie) = cookie else { continue };
            let full = self.store.iter_any().count() >= MOST;
            if !full || self.store.iter_any().any(|kept| kept.name() == cookie.name()) {
                // A cookie of another domain is refused, and that is all there is to do about it.
                let _ = self.store.insert_raw(&cookie, url);
            }
        }
    }

    /// Appends the value of `Cookie` for a request to `url`; nothing when there is none. Cookies of longer paths come
    /// first (RFC 6265, section 5.4), others by name, so that a request is always the same.
    pub(crate) fn write(&self, url: &Url, out: &mut Vec<u8>) {
        let mut cookies = self.store.matches(url);
        cookies.sort_by_cached_key(|cookie| {
            let path: &str = cookie.path.as_ref();
            (std::cmp::Reverse(path.len()), cookie.name().to_owned())
        });
        for cookie in cookies {
            if !out.is_empty() {
                out.extend_from_slice(b"; ");
            }
            out.extend_from_slice(cookie.name().as_bytes());
            out.push(b'=');
            out.extend_from_slice(cookie.value().as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    fn jar(set: &[&str], from: &str) -> Jar {
        let mut headers = HeaderMap::new();
        for value in set {
            headers.append(SET_COOKIE, HeaderValue::from_str(value).unwrap());
        }
        let mut jar = Jar::default();
        jar.receive(&headers, &url(from));
        jar
    }

    fn sent(jar: &Jar, to: &str) -> String {
        let mut out = Vec::new();
        jar.write(&url(to), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn cookies_go_back_to_their_path_the_longest_first() {
        let jar = jar(&["a=1; Path=/", "b=2; Path=/deep", "c=3; Path=/else"], "http://example.test/deep/x");
        assert_eq!(sent(&jar, "http://example.test/deep/y?q"), "b=2; a=1");
        assert_eq!(sent(&jar, "http://example.test/"), "a=1");
        assert_eq!(sent(&jar, "http://other.test/"), "");
    }

    #[test]
    fn secure_foreign_and_expired_cookies_stay_here() {
        let set = ["a=1; Secure", "b=2; Domain=other.test", "c=3; Max-Age=0", "d=4; HttpOnly", "no cookie"];
        assert_eq!(sent(&jar(&set, "https://example.test/"), "http://example.test/"), "d=4");
    }

    #[test]
    fn a_later_cookie_replaces_one_of_its_name_and_max_age_0_takes_it_away() {
        let mut jar = jar(&["a=1", "b=2"], "http://example.test/");
        let mut headers = HeaderMap::new();
        headers.append(SET_COOKIE, HeaderValue::from_static("a=9"));
        headers.append(SET_COOKIE, HeaderValue::from_static("b=; Max-Age=0"));
        jar.receive(&headers, &url("http://example.test/"));
        assert_eq!(sent(&jar, "http://example.test/"), "a=9");
    }

    #[test]
    fn a_jar_does_not_grow_without_end() {
        let set: Vec<String> = (0..500).map(|n| format!("c{n}=1")).collect();
        let mut list: Vec<&str> = set.iter().map(String::as_str).collect();
        let long = format!("long={}", "x".repeat(LONGEST));
        list.insert(0, &long);
        list.push("c7=new");
        let sent = sent(&jar(&list, "http://example.test/"), "http://example.test/");
        assert_eq!(sent.split("; ").count(), MOST);
        assert!(sent.contains("c7=new") && !sent.contains("long"));
    }
}
