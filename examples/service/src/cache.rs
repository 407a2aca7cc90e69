//! Answers kept in Redis for a while under readable keys, `cache:<area>:<what>`: a hit saves the model's
//! time. A cache that starts empty fills as users come back, so the hit rate of Redis rises with the run.

use std::time::Duration;

use fred::{interfaces::KeysInterface as _, types::Expiration};
use serde::{Serialize, de::DeserializeOwned};
use tokio::time;

use crate::{
    link::CallError,
    state::{Shared, Worker},
};

/// The longest part of a key that is written out; longer texts end in a hash of the whole.
const MAX_SLUG_BYTES: usize = 60;

/// What is cached, and so what the key names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Area {
    /// The reply to a message, per user: the assistant knows whom it talks to.
    Chat,
    /// The facts about a food, for all users.
    Food,
    /// The reminders of a user.
    Reminders,
    /// The points of a user; dropped when points are added.
    Xp,
    /// The library, for all.
    Library,
}

/// A value, and whether it was in the cache.
pub(crate) struct Found<T> {
    pub(crate) value: T,
    pub(crate) cached: bool,
}

impl Area {
    pub(crate) const ALL: [Self; 5] = [Self::Chat, Self::Food, Self::Reminders, Self::Xp, Self::Library];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Food => "food",
            Self::Reminders => "reminders",
            Self::Xp => "xp",
            Self::Library => "library",
        }
    }

    /// What part of the model's time a miss costs: a chat is a conversation, the others are look-ups.
    fn cost(self) -> f64 {
        match self {
            Self::Chat => 1.0,
            Self::Food => 0.1,
            Self::Reminders | Self::Library => 0.05,
            Self::Xp => 0.025,
        }
    }

    pub(crate) fn key(self, what: &str) -> String {
        format!("cache:{}:{what}", self.name())
    }
}

/// The cached value of `key`, or what `make` makes after the model has thought about it.
pub(crate) async fn through<T>(
    worker: &Worker,
    area: Area,
    key: &str,
    make: impl AsyncFnOnce() -> Result<T, CallError>,
) -> Result<Found<T>, CallError>
where
    T: Serialize + DeserializeOwned,
{
    let client = worker.link.session()?.client;
    let stored: Option<String> = client.get(key).await.map_err(|error| worker.link.failed(error))?;
    // An entry that cannot be read, of another version perhaps, is a miss and is written anew.
    let value = stored.and_then(|text| serde_json::from_str(&text).ok());
    worker.meter.cache(area, value.is_some());
    if let Some(value) = value {
        return Ok(Found { value, cached: true });
    }
    think(&worker.shared, area).await;
    let value = make().await?;
    let text = serde_json::to_string(&value).expect("cached values are plain structs");
    let lifetime = Some(expiry(worker.shared.settings.cache_ttl));
    let kept = client.set::<(), _, _>(key, text, lifetime, None, false).await;
    kept.map_err(|error| worker.link.failed(error))?;
    Ok(Found { value, cached: false })
}

/// Words of a free text as they stand in a key: small letters and digits, joined by dashes. Texts that differ only in
/// punctuation and case share an entry.
pub(crate) fn slug(text: &str) -> String {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    let slug = words.collect::<Vec<_>>().join("-").to_lowercase();
    if slug.len() <= MAX_SLUG_BYTES {
        return slug;
    }
    let cut = slug.floor_char_boundary(MAX_SLUG_BYTES);
    format!("{}~{:016x}", &slug[..cut], hash(&slug))
}

/// FNV-1a: the same in every process and version, which a key shared between services must be.
pub(crate) fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Lifetimes are whole milliseconds in Redis, and never zero, which it refuses.
pub(crate) fn expiry(lifetime: Duration) -> Expiration {
    let millis = i64::try_from(lifetime.as_millis()).unwrap_or(i64::MAX);
    Expiration::PX(millis.max(1))
}

async fn think(shared: &Shared, area: Area) {
    let median = shared.settings.model_time.mul_f64(area.cost());
    time::sleep(shared.spread.around(median)).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_readable_and_texts_that_mean_the_same_share_it() {
        assert_eq!(Area::Chat.key(&slug("  How did I sleep?")), "cache:chat:how-did-i-sleep");
        assert_eq!(slug("Äpfel & Birnen"), slug("äpfel, birnen!"));
    }

    #[test]
    fn long_texts_that_begin_alike_have_different_keys() {
        let long = "é".repeat(200);
        let (one, two) = (slug(&format!("{long} one")), slug(&format!("{long} two")));
        assert_ne!(one, two);
        assert!(one.len() < 80, "{one}");
    }
}
