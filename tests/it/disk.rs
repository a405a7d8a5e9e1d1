//! A full disk: nothing is acknowledged that is not on disk, and work goes on when there is room again.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use jackfield_tests::host::{Host, post_hook};
use jackfield_tests::manifest::Manifest;
use jackfield_tests::{probe, wait};
use serde_json::json;

/// A small file system of its own. Unmounted when it is dropped.
struct Small(PathBuf);

impl Small {
    fn mount(folder: &Path, mib: u32) -> Result<Self, String> {
        fs::create_dir_all(folder).unwrap();
        let options = format!("size={mib}m,mode=0700");
        let output = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(folder).output();
        match output {
            Ok(output) if output.status.success() => Ok(Self(folder.to_owned())),
            Ok(output) => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
            Err(problem) => Err(problem.to_string()),
        }
    }

    fn free_bytes(&self) -> u64 {
        let now = rustix::fs::statvfs(&self.0).unwrap();
        now.f_bavail * now.f_frsize
    }

    /// Leaves no more than `left` bytes free.
    fn fill(&self, left: u64) {
        let free = self.free_bytes().saturating_sub(left);
        fs::write(self.0.join("filler"), vec![0xff; usize::try_from(free).unwrap()]).unwrap();
    }

    fn clear(&self) {
        fs::remove_file(self.0.join("filler")).unwrap();
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        // Lazily: the host in it may be about to end.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// Threat row 58: the disk fills up, during work and at the start, three times over.
#[tokio::test(flavor = "multi_thread")]
async fn threat_058_a_full_disk_answers_503_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let small = match Small::mount(&folder.path().join("small"), 48) {
        Ok(small) => small,
        Err(problem) => {
            eprintln!("SKIPPED threat_058: a tmpfs cannot be mounted here: {}", problem.trim());
            return;
        }
    };
    let mut host = Host::options().data(small.0.join("data")).start().await;
    let manifest = Manifest::probe().set_toml("trigger.0.rate", "{ per_second = 100000, burst = 100000 }");
    probe::deploy(&host, &manifest).await;
    let before = probe::run(&host, json!({ "do": "echo" })).await;
    assert_eq!(before["state"], "succeeded");

    let mut accepted = Vec::new();
    let body = |n: usize, bytes: usize| {
        json!([{ "do": "echo" }, { "do": "log", "level": "debug", "message": format!("{n} {}", "x".repeat(bytes)) }])
            .to_string()
    };
    for round in 0..3 {
        let url = host.hook("dev", "probe", "hook").await;
        small.fill(256 * 1024);
        // Large events until there is no room for one, then small ones until there is no room at all.
        for bytes in [40_000, 10] {
            let mut refused = 0;
            for n in 0..5_000 {
                let (status, headers, answer) = post_hook(&url, &[], body(n, bytes)).await.expect("the host answers");
                match status {
                    202 => accepted.push(answer["run"].as_str().unwrap().to_owned()),
                    503 => {
                        assert!(headers.contains_key("retry-after"), "{headers:?}");
                        refused += 1;
                    }
                    other => panic!("round {round}: {other} {answer:#}"),
                }
                if refused >= 5 {
                    break;
                }
            }
            assert!(refused >= 5, "round {round}: the disk never was full");
        }
        assert!(host.is_alive(), "the host ended:\n{}", host.printed());
        let unready = || async {
            let status = reqwest::get(format!("{}/readyz", host.metrics())).await.ok()?.status();
            (status == 503).then_some(())
        };
        wait::until("the host says that it is not ready", wait::LONG, unready).await;
        if round == 1 {
            // Started while there is no room.
            host.kill9().await;
            host.restart().await;
        }

        small.clear();
        let url = host.hook("dev", "probe", "hook").await;
        let resumed = || async {
            let (status, _, answer) = post_hook(&url, &[], r#"{"do":"echo"}"#).await.ok()?;
            (status == 202).then(|| answer["run"].as_str().unwrap().to_owned())
        };
        accepted.push(wait::until("hooks are accepted again", wait::LONG, resumed).await);
    }
    for id in &accepted {
        let run = host.api().wait_for(id, &["succeeded", "dead-lettered"]).await;
        assert_eq!(run["state"], "succeeded", "{}", jackfield_tests::api::Api::brief(&run));
    }
    assert!(accepted.len() > 3, "only {} were accepted", accepted.len());
    let status = host.stop().await;
    assert!(status.success(), "{status}");
}

/// Threat row 59: the disk says that it could not keep what it was given. Nothing is acknowledged after that.
#[tokio::test(flavor = "multi_thread")]
async fn threat_059_a_failed_sync_stops_the_host() {
    let strace = Command::new("strace").arg("--version").output();
    assert!(strace.is_ok_and(|o| o.status.success()), "strace is missing: apt-get install strace");
    let mut host = Host::start().await;
    probe::deploy(&host, &Manifest::probe()).await;
    let run = probe::run(&host, json!({ "do": "echo" })).await;
    assert_eq!(run["state"], "succeeded");
    host.stop().await;

    // Syncs fail from the fortieth on: the start itself is left in peace.
    let inject = "inject=fdatasync,fsync:error=EIO:when=40+";
    host.restart_under("strace", &["-f", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync,fsync", "-e", inject]).await;
    let url = host.hook("dev", "probe", "hook").await;
    let mut accepted = Vec::new();
    loop {
        assert!(accepted.len() < 500, "syncs fail, and it goes on");
        match post_hook(&url, &[], r#"{"do":"echo"}"#).await {
            Ok((202, _, answer)) => accepted.push(answer["run"].as_str().unwrap().to_owned()),
            Ok((503 | 500, ..)) | Err(_) => break,
            Ok((other, _, answer)) => panic!("{other} {answer:#}"),
        }
    }
    let status = host.ended().await;
    assert!(!status.success(), "a host that cannot keep what it is given must say so: {status}");

    host.restart().await;
    for id in &accepted {
        let run = host.api().wait_for(id, &["succeeded", "dead-lettered"]).await;
        assert_eq!(run["state"], "succeeded", "{}", jackfield_tests::api::Api::brief(&run));
    }
}
