//! The built host, driven from outside: deploys, runs, kills, full disks, and what nobody may see.

#![expect(clippy::unwrap_used, reason = "this is a test: what is not there fails it")]

mod canary;
mod deploy;
mod disk;
mod durability;
mod flood;
mod gauntlet;
mod house_rules;
mod keys;
mod limits;
mod metrics;
mod polyglot;
mod polyglot_durability;
mod replay;
mod retries;
mod schedules;
mod standard_http;
mod upgrade;
mod versions;
mod webhooks;
