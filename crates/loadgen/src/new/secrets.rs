//! What must not stand in a plan: credentials that a recording holds. Each becomes a variable of the environment.

use crate::document::Document;
use crate::draft::Draft;

/// Parts of names whose values are secret.
const SECRET: [&str; 12] = [
    "authorization",
    "apikey",
    "token",
    "secret",
    "password",
    "passwd",
    "session",
    "credential",
    "signature",
    "csrf",
    "xsrf",
    "accesskey",
];

/// True for names of headers, parameters and fields that hold a secret.
pub(crate) fn is_secret(name: &str) -> bool {
    let letters: String = name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    SECRET.iter().any(|part| letters.contains(part))
}

/// The variable that stands for it, noted in the plan.
pub(super) fn variable(name: &str, what: &str, draft: &mut Draft) -> String {
    draft.variable(&variable_name(name), &format!("{what} `{name}`, not kept from the recording"))
}

fn variable_name(name: &str) -> String {
    let name: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect();
    if name.starts_with(|c: char| c.is_ascii_digit()) { format!("_{name}") } else { name }
}

/// Takes secrets out of a JSON body.
pub(super) fn take_out(body: &mut Document, draft: &mut Draft) {
    match body {
        Document::List(items) => items.iter_mut().for_each(|item| take_out(item, draft)),
        Document::Table(entries) => {
            for (name, value) in entries {
                match value {
                    Document::Text(_) if is_secret(name) => {
                        variable(name, "the field", draft);
                        *value = Document::Variable(variable_name(name));
                    }
                    _ => take_out(value, draft),
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_secrets_are_known_in_all_spellings() {
        for name in ["Authorization", "X-API-Key", "access_token", "userPassword", "sessionId", "x-csrf-token"] {
            assert!(is_secret(name), "{name}");
        }
        for name in ["accept", "page", "user", "q", "author"] {
            assert!(!is_secret(name), "{name}");
        }
    }

    #[test]
    fn a_password_in_a_body_becomes_a_variable() {
        let mut draft = Draft::default();
        let mut body = Document::json(r#"{"user": "ann", "deep": [{"password": "hunter2"}]}"#).unwrap();
        take_out(&mut body, &mut draft);
        let (_, toml) = body.body(&crate::toml_text::escape);
        assert_eq!(toml, r#"{ user = "ann", deep = [{ password = "${PASSWORD}" }] }"#);
        assert!(draft.variables.contains_key("PASSWORD"));
    }
}
