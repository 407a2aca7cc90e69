//! Reads the keys of one database within a budget: whole when it is small, random draws of it when it is not.

use std::collections::HashMap;
use std::time::Duration;

use fred::prelude::Value;
use plimsoll_record::keys::DatabaseKeys;

use super::Options;
use super::estimate::Draws;
use super::link::{Metered, malformed, number, text};
use super::tally::{self, KeyRead};
use crate::info::Database;
use crate::probe::Failure;
use crate::redis::Ask;

/// Keys asked about at once. Redis works on a batch for about half a millisecond, which is what others wait at most.
const BATCH: u64 = 128;
/// Above this a collection's memory is projected from more of its elements than Redis's five.
const WORTH_A_SECOND_LOOK: u64 = 4096;
/// A collection of up to this many elements is measured whole: some 0.1 us per element.
const MEASURED_WHOLE: u64 = 1000;
/// Of a larger one this many elements are measured.
const MEASURED: i64 = 100;
/// Draws in a row that may find nothing before the database is taken to be empty by now.
const FRUITLESS_BATCHES: u32 = 3;

/// One database being read.
pub(super) struct Reading<'a> {
    link: &'a mut Metered,
    options: &'a Options,
    budget: Duration,
    began: Duration,
    known: HashMap<Vec<u8>, Option<KeyRead>>,
    keys: Vec<KeyRead>,
}

impl<'a> Reading<'a> {
    pub(super) fn new(link: &'a mut Metered, options: &'a Options, budget: Duration) -> Self {
        let began = link.waited();
        Self { link, options, budget, began, known: HashMap::new(), keys: Vec::new() }
    }

    /// What the database is made of; `None` when it is empty by now.
    pub(super) async fn database(mut self, database: &Database) -> Result<Option<DatabaseKeys>, Failure> {
        self.link.ask(Ask::new("SELECT").with(i64::from(database.number))).await?;
        let size = self.size().await?;
        let whole = size <= self.options.samples.saturating_mul(2);
        let complete = if whole { self.scan().await? } else { self.draw().await.map(|()| false)? };
        if self.keys.is_empty() {
            return Ok(None);
        }
        let drawn = self.keys.len() as u64;
        // A scan that ran out of its budget saw keys in the order of their hashes, which is as good as drawn by chance.
        let population = if complete { drawn } else { self.size().await?.max(drawn.min(1)) };
        let draws = Draws { drawn, population, exact: complete };
        Ok(Some(tally::database(database, &self.keys, draws, self.options)))
    }

    async fn size(&mut self) -> Result<u64, Failure> {
        number(&self.link.ask(Ask::new("DBSIZE")).await?).ok_or_else(|| malformed("DBSIZE"))
    }

    /// Reads every key; false when the budget ended before.
    async fn scan(&mut self) -> Result<bool, Failure> {
        let mut cursor = "0".to_owned();
        loop {
            let before = self.link.waited();
            let scan = Ask::new("SCAN").with(cursor).with("COUNT").with(BATCH as i64);
            let (next, names) = page(self.link.ask(scan).await?).ok_or_else(|| malformed("SCAN"))?;
            // A key may come twice while the table grows.
            let new: Vec<Vec<u8>> = names.into_iter().filter(|name| !self.known.contains_key(name)).collect();
            self.look(&new).await?;
            for name in new {
                // A page may name a key twice as well.
                if let Some(Some(key)) = self.known.insert(name, None) {
                    self.keys.push(key);
                }
            }
            if next == "0" {
                return Ok(true);
            }
            if !self.may_go_on(before).await {
                return Ok(false);
            }
            cursor = next;
        }
    }

    /// Draws keys by chance, as many as wanted or as the budget allows.
    async fn draw(&mut self) -> Result<(), Failure> {
        let mut fruitless = 0;
        while (self.keys.len() as u64) < self.options.samples && fruitless < FRUITLESS_BATCHES {
            let before = self.link.waited();
            let count = BATCH.min(self.options.samples - self.keys.len() as u64);
            let answers = self.link.all((0..count).map(|_| Ask::new("RANDOMKEY")).collect()).await?;
            let mut names = Vec::new();
            for answer in answers {
                names.extend(answer?.as_bytes().map(<[u8]>::to_vec));
            }
            let mut new: Vec<Vec<u8>> = names.iter().filter(|name| !self.known.contains_key(*name)).cloned().collect();
            new.sort_unstable();
            new.dedup();
            self.look(&new).await?;
            let found = self.keys.len();
            self.keys.extend(names.iter().filter_map(|name| self.known.get(name).cloned().flatten()));
            fruitless = if self.keys.len() == found { fruitless + 1 } else { 0 };
            if !self.may_go_on(before).await {
                break;
            }
        }
        Ok(())
    }

    /// Pauses for as long as the last batch took. False when the budget is used up.
    async fn may_go_on(&mut self, before: Duration) -> bool {
        let waited = self.link.waited();
        if waited - self.began >= self.budget {
            return false;
        }
        self.link.rest(waited - before).await;
        true
    }

    /// Asks about keys that are not known yet. One that is gone by now is known to be gone.
    async fn look(&mut self, names: &[Vec<u8>]) -> Result<(), Failure> {
        let key = |name: &Vec<u8>| Value::Bytes(name.clone().into());
        let asks = names.iter().flat_map(|name| {
            let usage = Ask::new("MEMORY").with("USAGE").with(key(name));
            [Ask::new("TYPE").with(key(name)), Ask::new("PTTL").with(key(name)), usage]
        });
        let mut answers = self.link.all(asks.collect()).await?.into_iter();
        let mut large = Vec::new();
        for name in names {
            let mut next = || answers.next().unwrap_or_else(|| Err(malformed("a batch")));
            let (kind, ttl, bytes) = (next()?, next()?, next()?);
            let read = key_read(name, &kind, &ttl, &bytes);
            large.extend(
                read.as_ref().filter(|key| key.bytes > WORTH_A_SECOND_LOOK && length(&key.kind).is_some()).cloned(),
            );
            self.known.insert(name.clone(), read);
        }
        self.look_closer(large).await
    }

    /// Measures large collections by more than five of their elements, yet never by so many that others wait for it.
    async fn look_closer(&mut self, keys: Vec<KeyRead>) -> Result<(), Failure> {
        if keys.is_empty() {
            return Ok(());
        }
        let name = |key: &KeyRead| Value::Bytes(key.name.clone().into());
        let lengths = keys.iter().filter_map(|key| Some(Ask::new(length(&key.kind)?).with(name(key)))).collect();
        let lengths = self.link.all(lengths).await?;
        let usage = |(key, length): (&KeyRead, &Result<Value, Failure>)| {
            let whole = length.as_ref().ok().and_then(number).is_some_and(|length| length <= MEASURED_WHOLE);
            let samples = if whole { 0 } else { MEASURED };
            Ask::new("MEMORY").with("USAGE").with(name(key)).with("SAMPLES").with(samples)
        };
        let answers = self.link.all(keys.iter().zip(&lengths).map(usage).collect()).await?;
        for (key, bytes) in keys.into_iter().zip(answers) {
            if let Some(bytes) = bytes.ok().as_ref().and_then(number) {
                self.known.insert(key.name.clone(), Some(KeyRead { bytes, ..key }));
            }
        }
        Ok(())
    }
}

/// The cursor and the names of one page of a SCAN.
fn page(answer: Value) -> Option<(String, Vec<Vec<u8>>)> {
    let mut halves = answer.into_array().into_iter();
    let cursor = text(&halves.next()?)?;
    let names = halves.next()?.into_array();
    Some((cursor, names.iter().filter_map(|name| name.as_bytes().map(<[u8]>::to_vec)).collect()))
}

/// `None` when the key was gone by the time it was asked about.
fn key_read(name: &[u8], kind: &Value, ttl: &Value, bytes: &Value) -> Option<KeyRead> {
    let kind = text(kind).filter(|kind| kind != "none")?;
    // -1 is a key that never expires, -2 one that is gone.
    let ttl = match ttl.as_i64()? {
        -2 => return None,
        ttl => u64::try_from(ttl).ok().map(Duration::from_millis),
    };
    Some(KeyRead { name: name.to_vec(), kind, bytes: number(bytes)?, ttl })
}

/// The command that gives the number of elements, for types that have any.
fn length(kind: &str) -> Option<&'static str> {
    Some(match kind {
        "list" => "LLEN",
        "hash" => "HLEN",
        "set" => "SCARD",
        "zset" => "ZCARD",
        "stream" => "XLEN",
        _ => return None,
    })
}
