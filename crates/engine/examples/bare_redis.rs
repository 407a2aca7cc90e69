//! The client library of Redis by itself: so many users who SET and GET by turns, on one thread, nothing counted but
//! operations and CPU time. What `loadgen` costs beyond it is what honest books cost; see `docs/stores.md`.
//!
//! `cargo run --release -p plimsoll-engine --example bare_redis -- 127.0.0.1:6379 50 10`
#![expect(clippy::print_stdout, reason = "an example shows what it found")]

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use fred::clients::Client;
use fred::interfaces::{ClientLike, KeysInterface};
use fred::types::Builder;
use fred::types::config::{Config, ServerConfig};
use rustix::time::{ClockId, clock_gettime};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:6379".to_owned());
    let users: u32 = arguments.next().map_or(Ok(50), |text| text.parse())?;
    let seconds: u64 = arguments.next().map_or(Ok(10), |text| text.parse())?;
    let (host, port) = address.split_once(':').ok_or("the address is HOST:PORT")?;
    let server = ServerConfig::new_centralized(host, port.parse()?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let local = tokio::task::LocalSet::new();
    let (operations, cpu) = local.block_on(&runtime, load(server, users, Duration::from_secs(seconds)))?;
    let each = cpu.as_nanos() as f64 / operations as f64;
    println!("{operations} operations, {} per second, {each:.0} ns of CPU each", operations / seconds);
    Ok(())
}

/// How many operations were done, and the CPU time of this process for them.
async fn load(server: ServerConfig, users: u32, length: Duration) -> Result<(u64, Duration), fred::error::Error> {
    let client = Builder::from_config(Config { server, ..Config::default() }).build()?;
    client.init().await?;
    let (done, over) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(false)));
    let began = cpu();
    let tasks: Vec<_> = (0..users)
        .map(|user| tokio::task::spawn_local(user_loop(client.clone(), user, Rc::clone(&done), Rc::clone(&over))))
        .collect();
    tokio::time::sleep(length).await;
    over.set(true);
    for task in tasks {
        task.await.expect("a user ends by itself")?;
    }
    let spent = cpu().saturating_sub(began);
    client.quit().await?;
    Ok((done.get(), spent))
}

async fn user_loop(
    client: Client,
    user: u32,
    done: Rc<Cell<u64>>,
    over: Rc<Cell<bool>>,
) -> Result<(), fred::error::Error> {
    let (key, value) = (format!("agent:{user}:state"), "x".repeat(100));
    while !over.get() {
        let () = client.set(&key, value.as_str(), None, None, false).await?;
        let _: String = client.get(&key).await?;
        done.set(done.get() + 2);
    }
    Ok(())
}

fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}
