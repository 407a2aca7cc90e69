//! The PostgreSQL that other tests use: it comes up, wants its password over TCP, and comes back with its data.

use plimsoll_tests::Postgres;

#[test]
fn it_keeps_its_data_through_a_crash_and_takes_settings() {
    let mut postgres = Postgres::with(&[("application_name", "fixture")], &[]);
    postgres.run("CREATE TABLE kept (n int); INSERT INTO kept VALUES (7)");
    postgres.kill();
    postgres.restart();
    assert_eq!(postgres.ask("SELECT n FROM kept"), "7");
    assert_eq!(postgres.ask("SELECT setting FROM pg_settings WHERE name = 'max_connections'"), "40");
    assert!(postgres.url().contains(postgres.password()));
}
