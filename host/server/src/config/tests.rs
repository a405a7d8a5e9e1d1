use std::path::{Path, PathBuf};

use super::{Config, Flags, LogFormat, Machine, MasterKeySource, Problems};

fn machine() -> Machine {
    Machine { cores: 2, memory_bytes: 8 << 30, config_home: Some("/home/ada/.config".into()), here: "/srv".into() }
}

fn load(file: &str, variables: &[(&str, &str)], set: &[&str]) -> Result<Config, Problems> {
    let variables = variables.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    let flags = Flags { set: set.iter().map(|s| (*s).to_owned()).collect(), ..Flags::default() };
    Config::from_layers(Some((Path::new("/etc/jackfield/host.toml"), file)), variables, &flags, &machine())
}

#[track_caller]
fn complains(file: &str, variables: &[(&str, &str)], set: &[&str], expected: &str) {
    let problems = load(file, variables, set).expect_err("it was taken").to_string();
    let lines: Vec<&str> = problems.lines().map(|line| line.strip_prefix("  ").expect("set in")).collect();
    assert_eq!(lines.join("\n"), expected);
}

#[test]
fn the_defaults_are_a_configuration() {
    let config = load("", &[], &[]).unwrap();
    assert_eq!(config.data, PathBuf::from("/srv/./jackfield-data"));
    assert_eq!(config.ingress.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.executor.slots.get(), 8);
    assert_eq!(config.executor.memory_bytes, (8 << 30) / 100 * 60);
    assert!(
        matches!(&config.master_key, MasterKeySource::File(f) if f == Path::new("/home/ada/.config/jackfield/master.key"))
    );
}

#[test]
fn flags_win_over_variables_over_the_file_over_the_defaults() {
    let file = "executor.drain = '1s'\nexecutor.slots = 3\nqueue.runs = 7\n[log]\nformat = 'json'";
    let variables = [("JACKFIELD_EXECUTOR_DRAIN", "2s"), ("JACKFIELD_EXECUTOR_SLOTS", "5")];
    let config = load(file, &variables, &["executor.drain=3s"]).unwrap();
    assert_eq!(config.executor.drain.as_secs(), 3);
    assert_eq!(config.executor.slots.get(), 5);
    assert_eq!(config.queue.runs, 7);
    assert_eq!(config.log.format, LogFormat::Json);
}

#[test]
fn lists_flags_and_environments_as_variables() {
    let variables = [
        ("JACKFIELD_INGRESS_TRUSTED_PROXIES", "10.0.0.0/8, ::1"),
        ("JACKFIELD_ADMIN_PUBLIC", "true"),
        ("JACKFIELD_ADMIN_LISTEN", "0.0.0.0:81"),
        ("JACKFIELD_NETWORK_ENVIRONMENTS_PROD_EU", "deny"),
        ("JACKFIELD_LISTENERS_HEADRS", "4"),
        ("JACKFIELD_SERVICE_HOST", "10.0.0.1"),
    ];
    let config = load("network.environments.prod = 'deny'", &variables, &[]).unwrap();
    assert_eq!(config.ingress.trusted_proxies.len(), 2);
    assert!(config.network.private_by_default());
    let said: Vec<_> = config.network.environments().iter().map(|(name, allowed)| (name.as_str(), *allowed)).collect();
    assert_eq!(said, [("prod", false), ("prod-eu", false)]);
    assert_eq!(config.strange_variables, ["JACKFIELD_LISTENERS_HEADRS"]);
}

#[test]
fn every_complaint_at_once_with_its_place_and_the_way_out() {
    complains(
        "\n[executor]\nslot = 4\ndrain = 'soon'\nmemory = '99%'\n\n[queue]\nruns = 'many'\n[retention]\nlogs = 3\n\
         [admin]\nlisten = 'localhost'\ntls = { cert = 'a.pem' }\n[network.environments]\nPROD = 'deny'\n",
        &[("JACKFIELD_LOG_FORMAT", "xml"), ("JACKFIELD_METRICS_MAX_SERIES", "-")],
        &["listeners.headers=4", "ingress=x"],
        "host.toml:3  executor.slot: is not a setting; did you mean `executor.slots`?\n\
         host.toml:4  executor.drain: `soon` is not a duration: write 500ms, 30s, 10m, 24h or 7d\n\
         host.toml:5  executor.memory: `99%` is not a share: 1% to 95%\n\
         host.toml:8  queue.runs: must be a whole number, not text\n\
         host.toml:10  retention.logs: is a table of settings, not a value\n\
         host.toml:12  admin.listen: `localhost` is not an address and port: write 127.0.0.1:8080, or [::]:8080 for all of this machine\n\
         host.toml:15  network.environments.PROD: `PROD` is not a environment name: use 1 to 63 lowercase letters, digits and `-`, starting with a letter\n\
         JACKFIELD_METRICS_MAX_SERIES  metrics.max_series: must be a whole number, not `-`\n\
         --set  ingress: is a table of settings: name one of them\n\
         default  admin.tls.key: is missing: TLS needs both cert and key, two PEM files\n\
         --set  listeners.headers: 4 is not possible: 16 to 1000\n\
         JACKFIELD_LOG_FORMAT  log.format: `xml` is neither \"text\" nor \"json\"",
    );
}

#[test]
fn a_file_that_is_no_toml_names_the_line() {
    let problems = load("data = 'x'\n[executor\nslots = 1", &[], &[]).unwrap_err().to_string();
    assert!(problems.starts_with("  host.toml:2  "), "{problems}");
}

#[test]
fn the_master_key_is_32_bytes_and_is_not_shown() {
    complains(
        "",
        &[("JACKFIELD_MASTER_KEY", "aGVsbG8=")],
        &[],
        "JACKFIELD_MASTER_KEY  is not 32 bytes as base64; `head -c 32 /dev/urandom | base64` makes a key",
    );
    let key = "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=";
    let config = load("", &[("JACKFIELD_MASTER_KEY", key)], &[]).unwrap();
    let debug = format!("{config:?}");
    assert!(matches!(config.master_key, MasterKeySource::Given(_)));
    assert!(!debug.contains("AAAAAAAA") && !debug.contains("65, 65") && !debug.contains("QUFB"), "{debug}");
}

#[test]
fn the_master_key_is_not_kept_with_the_data() {
    complains(
        "data = '/var/lib/jackfield'\nmaster_key_file = '/var/lib/jackfield/master.key'",
        &[],
        &[],
        "host.toml:2  master_key_file: /var/lib/jackfield/master.key lies in the data folder: whoever takes the data \
         would have the key too; name another place",
    );
}

/// The start matrix: there are always tokens, and a listener beyond this machine needs TLS or a declaration.
#[test]
fn threat_090_the_admin_listener_is_not_opened_to_the_network_by_accident() {
    let tls = "tls = { cert = '/c.pem', key = '/k.pem' }\n";
    for (listen, tls, public, starts) in [
        ("127.0.0.1:8081", "", false, true),
        ("[::1]:8081", "", false, true),
        ("127.8.8.8:0", "", false, true),
        ("0.0.0.0:8081", "", false, false),
        ("[::]:8081", "", false, false),
        ("192.168.1.4:8081", "", false, false),
        ("0.0.0.0:0", "", false, false),
        ("[::ffff:192.168.1.4]:8081", "", false, false),
        ("0.0.0.0:8081", tls, false, true),
        ("0.0.0.0:8081", "", true, true),
        ("0.0.0.0:8081", tls, true, true),
    ] {
        let file = format!("[admin]\n{tls}listen = '{listen}'\npublic = {public}");
        let got = load(&file, &[], &[]);
        assert_eq!(got.is_ok(), starts, "{file}");
        if let Err(problems) = got {
            let text = problems.to_string();
            for way_out in ["admin.tls", "127.0.0.1", "admin.public = true"] {
                assert!(text.contains(way_out), "{text}");
            }
        }
    }
}

#[test]
fn two_listeners_do_not_share_a_port() {
    complains(
        "admin.listen = '127.0.0.1:8080'",
        &[],
        &[],
        "host.toml:1  admin.listen: 127.0.0.1:8080 is taken by ingress.listen: give it another port, or 0 for a free one",
    );
    assert!(load("", &[], &["ingress.listen=127.0.0.1:0", "admin.listen=127.0.0.1:0"]).is_ok());
}
