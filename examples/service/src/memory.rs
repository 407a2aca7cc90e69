//! The `maxmemory` fault: Redis gets a small memory limit without eviction, so that writes fail with
//! OOM. What was configured before is kept, and put back when the fault is cleared or the service ends.

use fred::{
    clients::Client,
    error::Error,
    interfaces::ClientLike as _,
    types::{ClusterHash, CustomCommand, FromValue},
};

use crate::{state::Shared, units::ByteSize};

/// Redis' own settings, as found before the fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Original {
    maxmemory: String,
    policy: String,
}

/// Limits Redis' memory to `size`, remembering what it was.
pub(crate) async fn limit(client: &Client, shared: &Shared, size: ByteSize) -> Result<(), Error> {
    let original =
        Original { maxmemory: read(client, "maxmemory").await?, policy: read(client, "maxmemory-policy").await? };
    // Only the first finding counts: later ones would find the fault itself.
    shared.keep_original_memory(original);
    write(client, &size.0.to_string(), "noeviction").await
}

/// Puts back what was found, if the fault ever was on.
pub(crate) async fn restore(client: &Client, shared: &Shared) -> Result<(), Error> {
    let Some(original) = shared.original_memory() else {
        return Ok(());
    };
    write(client, &original.maxmemory, &original.policy).await?;
    shared.forget_original_memory();
    Ok(())
}

async fn read(client: &Client, name: &str) -> Result<String, Error> {
    let (_name, value): (String, String) = config(client, vec!["GET", name]).await?;
    Ok(value)
}

async fn write(client: &Client, maxmemory: &str, policy: &str) -> Result<(), Error> {
    config::<()>(client, vec!["SET", "maxmemory-policy", policy]).await?;
    config(client, vec!["SET", "maxmemory", maxmemory]).await
}

async fn config<R: FromValue>(client: &Client, words: Vec<&str>) -> Result<R, Error> {
    let command = CustomCommand::new_static("CONFIG", ClusterHash::FirstKey, false);
    let words: Vec<String> = words.into_iter().map(str::to_owned).collect();
    client.custom(command, words).await
}
