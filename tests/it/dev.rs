//! The developer's loop, as a newcomer types it: a project from nothing, a host for it, an event, a change, the next event.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use jackfield_tests::host::post_hook;
use jackfield_tests::{env, wait};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Packages are fetched and engines built on the way.
const LONG: Duration = Duration::from_secs(400);

/// A command of ours, away from the settings of whoever runs the test.
fn jackfield(home: &Path, folder: &Path) -> Command {
    let mut command = Command::new(env::host_binary());
    command
        .current_dir(folder)
        .env("XDG_CONFIG_HOME", home.join("config"))
        .env_remove("JACKFIELD_HOST")
        .env_remove("JACKFIELD_TOKEN")
        // Warm from an earlier run of the tests: what is looked at is the loop, not the registry.
        .env("CARGO_TARGET_DIR", target().join("guests/dev-loop"))
        .stdin(Stdio::null());
    command
}

fn target() -> PathBuf {
    env::host_binary().ancestors().nth(2).unwrap().to_owned()
}

#[track_caller]
fn done(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {}\n{said}", output.status);
    said
}

/// A running `jackfield dev`.
struct Dev {
    child: Child,
    log: PathBuf,
    home: TempDir,
    project: PathBuf,
}

impl Dev {
    fn start(home: TempDir, project: PathBuf) -> Self {
        let log = home.path().join("dev.log");
        let said = std::fs::File::create(&log).unwrap();
        let mut command = jackfield(home.path(), &project);
        let child = command.arg("dev").stdout(said.try_clone().unwrap()).stderr(said).spawn().unwrap();
        Self { child, log, home, project }
    }

    fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    async fn says(&mut self, what: &str) -> String {
        let until = Instant::now() + LONG;
        loop {
            let said = self.said();
            if said.contains(what) {
                return said;
            }
            assert!(self.child.try_wait().unwrap().is_none(), "`dev` ended:\n{said}");
            assert!(Instant::now() < until, "`{what}` is not said:\n{said}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The hook that a session announces.
    async fn hook(&mut self) -> String {
        let said = self.says("watching ").await;
        let hook = said.split_whitespace().find(|word| word.contains("/hooks/"));
        hook.unwrap_or_else(|| panic!("no hook:\n{said}")).to_owned()
    }

    fn edit(&self, file: &str, from: &str, to: &str) {
        let path = self.project.join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{file} has no `{from}`");
        std::fs::write(&path, text.replacen(from, to, 1)).unwrap();
    }
}

impl Drop for Dev {
    #[expect(clippy::print_stderr, reason = "what it said tells why a test failed")]
    fn drop(&mut self) {
        #[expect(clippy::cast_possible_wrap, reason = "a process id is positive")]
        let pid = rustix::process::Pid::from_raw(self.child.id() as i32);
        if let Some(pid) = pid {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::INT);
        }
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("{}", self.said());
        }
    }
}

async fn ask(hook: &str, data: Value) -> (u16, Value) {
    let (status, _, body) = post_hook(&format!("{hook}?wait=60s"), &[], data.to_string()).await.unwrap();
    (status, body)
}

/// `file` holds the handler; `answer` is what it answers with, and `more` the same with an edition; `oops` makes it fail.
struct Language {
    word: &'static str,
    file: &'static str,
    answer: &'static str,
    more: &'static str,
    oops: (&'static str, &'static str),
    /// The line that the failure is told with.
    place: &'static str,
}

#[expect(clippy::print_stdout, reason = "the figures are what a reader wants")]
async fn the_loop(language: Language) {
    let home = tempfile::tempdir().unwrap();
    let begin = Instant::now();
    done(jackfield(home.path(), home.path()).args(["new", "first-one", "--lang", language.word]));
    let project = home.path().join("first-one");
    let mut dev = Dev::start(home, project);
    let hook = dev.hook().await;
    let (status, answer) = ask(&hook, json!({ "id": 7 })).await;
    assert_eq!((status, &answer), (200, &json!({ "id": 7, "times": 1 })));
    let first = begin.elapsed();

    // A save, with events arriving all the while: none is lost, and in the end the new code answers.
    dev.edit(language.file, language.answer, language.more);
    let saved = Instant::now();
    let mut times = 1;
    let live = loop {
        let (status, answer) = ask(&hook, json!({ "id": 7 })).await;
        times += 1;
        assert_eq!((status, &answer["times"]), (200, &json!(times)), "{answer:#}\n{}", dev.said());
        if answer["edition"] == 2 {
            break saved.elapsed();
        }
        assert!(saved.elapsed() < LONG, "the change does not go live:\n{}", dev.said());
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    println!(
        "{}: {:.1} s from nothing to the first answer, {:.1} s from a save to the new one",
        language.word,
        first.as_secs_f64(),
        live.as_secs_f64()
    );

    // What is thrown says where, in the file as it was written.
    dev.edit(language.file, language.oops.0, language.oops.1);
    dev.says("saved").await;
    wait::until("the failing code is live", LONG, || async {
        (dev.said().matches("live in").count() >= 2).then_some(())
    })
    .await;
    done(jackfield(dev.home.path(), &dev.project).args(["run", "first-one", "--input", "{\"id\": 9}"]));
    let said = dev.says(language.place).await;
    assert!(said.contains("failed") || said.contains("trapped"), "{said}");

    // Other commands find the host of the project.
    let runs = done(jackfield(dev.home.path(), &dev.project).args(["runs", "list", "--host", "dev", "--json"]));
    assert!(
        runs.contains("\"dead-lettered\"") || runs.contains("\"waiting\"") || runs.contains("\"running\""),
        "{runs}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_loop_of_a_developer_in_typescript() {
    the_loop(Language {
        word: "ts",
        file: "src/handler.ts",
        answer: "times: Number(times) }",
        more: "times: Number(times), edition: 2 }",
        oops: (
            "  const { id } = event.data;",
            "  const { id } = event.data;\n  if (id === 9) throw new TypeError(\"nine\");",
        ),
        place: "src/handler.ts:11:",
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_loop_of_a_developer_in_python() {
    the_loop(Language {
        word: "python",
        file: "src/handler.py",
        answer: "\"times\": times}",
        more: "\"times\": times, \"edition\": 2}",
        oops: ("    item = event.data\n", "    item = event.data\n    assert item.id != 9, \"nine\"\n"),
        place: "src/handler.py:20",
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_loop_of_a_developer_in_rust() {
    the_loop(Language {
        word: "rust",
        file: "src/lib.rs",
        answer: "\"times\": times }",
        more: "\"times\": times, \"edition\": 2 }",
        oops: ("    let id = event.data.id;\n", "    let id = event.data.id;\n    assert_ne!(id, 9, \"nine\");\n"),
        place: "src/lib.rs:13:",
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_loop_of_a_developer_in_go() {
    the_loop(Language {
        word: "go",
        file: "handler.go",
        answer: "\"times\": times}",
        more: "\"times\": times, \"edition\": 2}",
        oops: ("\tid := *event.Data.ID\n", "\tid := *event.Data.ID\n\tif id == 9 {\n\t\tpanic(\"nine\")\n\t}\n"),
        place: "handler.go:27",
    })
    .await;
}

/// A change that does not build is told with its place, and the code before goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_does_not_build_leaves_what_runs() {
    let home = tempfile::tempdir().unwrap();
    done(jackfield(home.path(), home.path()).args(["new", "broken", "--lang", "rust"]));
    let project = home.path().join("broken");
    let mut dev = Dev::start(home, project);
    let hook = dev.hook().await;
    dev.edit("src/lib.rs", "event.data.id;", "event.data.idea;");
    let said = dev.says("the version before goes on").await;
    assert!(said.contains("src/lib.rs:12:") && said.contains("no field `idea`"), "{said}");
    assert_eq!(ask(&hook, json!({ "id": 1 })).await.0, 200);
    // A manifest that does not check is no end either.
    dev.edit("jackfield.toml", "kv = [", "kw = [");
    let until = || async { (dev.said().matches("the version before goes on").count() >= 2).then_some(()) };
    wait::until("the manifest is refused", LONG, until).await;
    assert!(dev.said().contains("grants.kw is not a key"), "{}", dev.said());
    dev.edit("jackfield.toml", "kw = [", "kv = [");
    dev.edit("src/lib.rs", "event.data.idea;", "event.data.id;");
    dev.says("live in").await;
}

/// One host a project: the second says which the first is.
#[tokio::test(flavor = "multi_thread")]
async fn a_project_has_one_host() {
    let home = tempfile::tempdir().unwrap();
    done(jackfield(home.path(), home.path()).args(["new", "one-host", "--lang", "rust"]));
    let project = home.path().join("one-host");
    let mut dev = Dev::start(home, project);
    dev.says("host at").await;
    let second = jackfield(dev.home.path(), &dev.project).arg("dev").output().unwrap();
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert_eq!(second.status.code(), Some(2), "{said}");
    assert!(said.contains("has a host already: http://127.0.0.1:"), "{said}");
}
