//! `[limiter]`: the limits the service is supposed to keep.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::model::{Limit, Limiter, WindowKind};
use crate::quantities;
use crate::reader::{Field, Text};

/// The words of `window`.
const WINDOWS: [(&str, WindowKind); 3] =
    [("fixed", WindowKind::Fixed), ("sliding", WindowKind::Sliding), ("token-bucket", WindowKind::TokenBucket)];

/// Reads `[limiter]`.
pub(super) fn read(field: &Field<'_>) -> Limiter {
    let reader = field.table("[limiter]");
    // Limits by anything but the user have no oracle yet; the key is stated so that plans say what they mean.
    reader.optional("key", |field| field.choice(&[("user.id", ())]));
    let limits = reader.required("limits", "[\"5/s\", \"10/min\"]", |field| Some(limits(field))).unwrap_or_default();
    let window = reader.optional("window", |field| field.choice(&WINDOWS));
    reader.finish();
    Limiter { limits, window: window.unwrap_or(WindowKind::Fixed) }
}

fn limits(field: &Field<'_>) -> Vec<Limit> {
    let items = field.items();
    if items.is_empty() {
        field.reject("`limits` names no limit", "write for example `[\"5/s\", \"10/min\"]`, or leave [limiter] out");
    }
    let mut limits: Vec<Limit> = Vec::new();
    for item in &items {
        let Some(limit) = limit(item) else { continue };
        if limits.iter().any(|other| other.per == limit.per) {
            item.reject("two limits for the same length of time", "the lower one decides: keep that one");
        }
        limits.push(limit);
    }
    limits
}

/// `5/s`, `10/min`, `100/10s`.
fn limit(field: &Field<'_>) -> Option<Limit> {
    let text = field.quantity_text("5/s")?;
    let slash = text.content.find('/');
    let count = slash.and_then(|slash| text.part(0..slash).content.parse::<NonZeroU32>().ok());
    let (Some(slash), Some(count)) = (slash, count) else {
        let title = format!("`{}` is not a limit", text.content);
        text.reject(title, None, "a limit is a whole number above zero per time: `5/s`, `10/min`, `100/10s`");
        return None;
    };
    let per = per(&text.part(slash + 1..text.content.len()))?;
    Some(Limit { count, per })
}

/// A duration; its number may be left out when it is one.
fn per(text: &Text<'_>) -> Option<Duration> {
    match text.content.as_str() {
        "s" => Some(Duration::from_secs(1)),
        "m" | "min" => Some(Duration::from_secs(60)),
        "h" => Some(Duration::from_secs(3600)),
        other if !other.starts_with(|c: char| c.is_ascii_digit()) => {
            let help = "valid are `s`, `min`, `h`, or a duration: `5/s`, `10/min`, `100/10s`";
            text.reject(format!("unknown time `{other}`"), None, help);
            None
        }
        _ => quantities::duration(text, "limits", Duration::from_millis(1), "5/s"),
    }
}
