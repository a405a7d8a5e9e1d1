//! The built host, driven from outside: deploys, runs, kills, full disks, and what nobody may see.

#![expect(clippy::unwrap_used, reason = "this is a test: what is not there fails it")]

mod canary;
mod dead_letters;
mod decide;
mod deploy;
mod dev;
mod disk;
mod durability;
mod events;
mod fixtures;
mod flood;
mod gauntlet;
mod go;
mod house_rules;
mod keys;
mod languages;
mod limits;
mod metrics;
mod outage;
mod polyglot;
mod polyglot_cases;
mod polyglot_durability;
mod replay;
mod retries;
mod scenarios;
mod schedules;
mod servers;
mod source_lines;
mod sources;
mod standard_http;
mod upgrade;
mod versions;
mod webhooks;
