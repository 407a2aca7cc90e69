//! Several servers that are one: clusters, sentinels, replicas, lists.

use std::time::Duration;

use plimsoll_record::metric::Metric;
use plimsoll_record::series::{GapReason, MarkKind, SeriesFact};
use plimsoll_record::summary::{Facts, Series};
use plimsoll_sampler::Update;

use super::super::{Session, named, run_in, sample};
use crate::support::{RedisServer, free_port, watch};

/// Asks until the answer is as wanted.
async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..400 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("not in time: {what}");
}

fn used(series: &Series) -> usize {
    series.values(Metric::find("redis.used_memory").unwrap(), None).len()
}

/// Two primaries that know each other, and a replica of the second.
async fn cluster() -> [RedisServer; 3] {
    let options = ["--cluster-enabled", "yes", "--cluster-node-timeout", "2000", "--repl-diskless-sync-delay", "0"];
    let nodes = [(); 3].map(|()| RedisServer::start_at(cluster_port(), &options));
    assert_eq!(nodes[0].command("CLUSTER ADDSLOTSRANGE 0 8191"), "+OK");
    assert_eq!(nodes[1].command("CLUSTER ADDSLOTSRANGE 8192 16383"), "+OK");
    // Epochs that differ from the start leave no doubt who took over last.
    for (epoch, node) in (1..).zip(&nodes) {
        assert_eq!(node.command(&format!("CLUSTER SET-CONFIG-EPOCH {epoch}")), "+OK");
    }
    for node in &nodes[1..] {
        assert_eq!(nodes[0].command(&format!("CLUSTER MEET 127.0.0.1 {}", node.port)), "+OK");
    }
    let second = nodes[1].text("CLUSTER MYID");
    until("the replica knows its primary", || nodes[2].command(&format!("CLUSTER REPLICATE {second}")) == "+OK").await;
    until("the cluster is whole", || {
        nodes[2].text("CLUSTER INFO").contains("cluster_state:ok") && nodes[2].text("INFO").contains("link_status:up")
    })
    .await;
    nodes
}

/// The cluster's own bus takes the port 10,000 above.
fn cluster_port() -> u16 {
    loop {
        let port = free_port();
        if port < 55_000 {
            return port;
        }
    }
}

#[tokio::test]
async fn each_primary_of_a_cluster_is_sampled_and_a_failover_is_followed() {
    let nodes = cluster().await;
    let dir = tempfile::tempdir().unwrap();
    let url = format!("redis-cluster://127.0.0.1:{}", nodes[0].port);
    let mut session = Session::start(&watch(named(&url)), Some(&run_in(dir.path()))).await.unwrap();
    session.sample().await;
    assert_eq!(nodes[2].command("CLUSTER FAILOVER TAKEOVER"), "+OK");
    assert_eq!(session.mark().await, MarkKind::RoleChanged);
    session.until("a sample of the whole after that", sample).await;
    session.finish().await;

    let redis = Facts::load(dir.path()).unwrap().redis.unwrap();
    let [first, second, third] = [0, 1, 2].map(|i| format!("127.0.0.1:{}", nodes[i].port));
    assert_eq!(redis.header.identity["primaries"].split(',').count(), 2);
    assert!(used(&redis.nodes[&first]) > used(&redis.nodes[&second]) && used(&redis.nodes[&third]) > 0);
    let whole = redis.samples[0].values["used_memory"];
    let parts = [&first, &second].map(|node| redis.nodes[node].samples[0].values["used_memory"]);
    assert_eq!(whole, parts[0] + parts[1]);
    assert!(redis.marks[0].detail.contains(&third), "{:?}", redis.marks);
}

#[tokio::test]
async fn the_primary_under_sentinels_is_found_again_after_a_failover() {
    let quick = ["--repl-diskless-sync-delay", "0"];
    let primary = RedisServer::start(&quick);
    let replica = RedisServer::start(&[&quick[..], &["--replicaof", "127.0.0.1", &primary.port.to_string()]].concat());
    until("the replica is in step", || replica.text("INFO").contains("link_status:up")).await;
    let sentinel = RedisServer::sentinel("main", primary.port);
    until("the sentinel knows the replica", || sentinel.text("INFO sentinel").contains("slaves=1")).await;
    let url = format!("{{ url = \"redis-sentinel://127.0.0.1:{}/main\", replicas = true }}", sentinel.port);
    let mut session = Session::start(&watch(named(&url)), None).await.unwrap();
    let node = session
        .until("the replica's row", |update| match update {
            Update::Fact { fact: SeriesFact::Node(row), .. } if row.node.ends_with(&replica.port.to_string()) => {
                Some(row.clone())
            }
            _ => None,
        })
        .await;
    assert!(matches!(*node.fact, SeriesFact::Sample(_)), "{node:?}");
    until("the sentinel finds the replica good", || sentinel.command("SENTINEL FAILOVER main") == "+OK").await;
    let mark = session
        .until("the change of the primary", |update| match update {
            Update::Fact { fact: SeriesFact::Mark(mark), .. } => Some(mark.clone()),
            _ => None,
        })
        .await;
    assert_eq!(mark.kind, MarkKind::RoleChanged);
    assert!(mark.detail.contains(&format!("is now 127.0.0.1:{}", replica.port)), "{}", mark.detail);
    session.until("a sample after that", sample).await;
    session.finish().await;

    let unknown = named(&format!("redis-sentinel://127.0.0.1:{}/other", sentinel.port));
    let refused = Session::start(&watch(unknown), None).await.err().unwrap().to_string();
    assert!(refused.contains("knows no group `other`"), "{refused}");
}

#[tokio::test]
async fn of_several_servers_one_may_be_lost_and_the_others_are_sampled_on() {
    let (mut cache, queue) = (RedisServer::start(&[]), RedisServer::start(&[]));
    queue.fill(100, 1000);
    let dir = tempfile::tempdir().unwrap();
    let server = |name: &str, port| format!("{{ url = \"redis://127.0.0.1:{port}\", name = \"{name}\" }}");
    let both = named(&format!("[{}, {}]", server("cache", cache.port), server("queue", queue.port)));
    let mut session = Session::start(&watch(both), Some(&run_in(dir.path()))).await.unwrap();
    assert_eq!(session.sample().await.values["keys"], 100.0);
    cache.kill();
    assert_eq!(session.gap().await, GapReason::Unreachable);
    session.gap().await;
    session.finish().await;
    let redis = Facts::load(dir.path()).unwrap().redis.unwrap();
    assert!(redis.gaps.iter().all(|gap| gap.detail.starts_with("cache: ")), "{:?}", redis.gaps);
    assert_eq!(redis.nodes["cache"].gaps.len(), redis.gaps.len());
    assert!(redis.nodes["queue"].gaps.is_empty());
    assert_eq!(redis.nodes["queue"].samples.len(), redis.samples.len() + redis.gaps.len());
}
