//! Any alerts, and any checkpoints of keys.

use std::time::Duration;

use plimsoll_plan::{Actions, Alert, KeysWatch, Trigger};
use plimsoll_record::events::Level;
use proptest::option;
use proptest::prelude::*;
use url::Url;

/// One of each kind at most per level, as a plan may state them.
pub(crate) fn alerts() -> impl Strategy<Value = Vec<Alert>> {
    let alert = (trigger(), any::<bool>(), any::<bool>(), actions()).prop_map(|(trigger, critical, stop, actions)| {
        let level = if critical { Level::Critical } else { Level::Warn };
        Alert { trigger, level, stop: stop && critical, actions }
    });
    prop::collection::vec(alert, 0..6).prop_map(|alerts| {
        let mut kept: Vec<Alert> = Vec::new();
        for alert in alerts {
            let same = |other: &Alert| other.level == alert.level && other.trigger.word() == alert.trigger.word();
            if !kept.iter().any(same) {
                kept.push(alert);
            }
        }
        kept
    })
}

fn trigger() -> impl Strategy<Value = Trigger> {
    let count = || (0_u32..1000).prop_map(f64::from);
    prop_oneof![
        (1e-3..1e12).prop_map(Trigger::Growth),
        (1e-3..1e15).prop_map(Trigger::Size),
        (1..200_u8).prop_map(|percent| Trigger::OfMaxmemory(f64::from(percent) * 0.01)),
        (0.0..1e6).prop_map(Trigger::Evictions),
        count().prop_map(Trigger::OomErrors),
        count().prop_map(Trigger::BlockedClients),
        count().prop_map(Trigger::RejectedClients),
    ]
}

fn actions() -> impl Strategy<Value = Actions> {
    let words = ("[a-z/]{1,9}", prop::collection::vec("(?s).{0,12}", 0..3));
    let run = option::of(words.prop_map(|(program, rest)| std::iter::once(program).chain(rest).collect()));
    let webhook =
        prop::sample::select(vec!["http://127.0.0.1:9000/alarm", "http://localhost/x?y=1", "http://[::1]:80/"]);
    let webhook = option::of(webhook.prop_map(|url| Url::parse(url).expect("a URL that is one")));
    (run, webhook).prop_map(|(run, webhook)| Actions { run: run.unwrap_or_default(), webhook })
}

pub(crate) fn keys() -> impl Strategy<Value = Option<KeysWatch>> {
    let every = option::of((10_000_u64..1 << 20).prop_map(Duration::from_millis));
    let keys = (every, 10_u64..1 << 40, (1_u64..1 << 20).prop_map(Duration::from_millis));
    option::of(keys.prop_map(|(every, samples, budget)| KeysWatch { every, samples, budget }))
}
