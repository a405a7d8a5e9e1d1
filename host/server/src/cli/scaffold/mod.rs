//! Scaffolds: what `new` and `add` write, out of the templates that this binary carries.
//!
//! A template says what starts the handler and what it does; the files around it are the language's.

pub(super) mod add;
pub(super) mod new;

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use jackfield_core::release::Language;

use super::error::CliError;

#[derive(rust_embed::Embed)]
#[folder = "../../sdk/templates"]
struct Templates;

/// A language as people type it.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Lang {
    /// TypeScript
    #[value(alias = "typescript", alias = "js", alias = "javascript")]
    Ts,
    /// Python
    #[value(alias = "py")]
    Python,
    /// Rust
    #[value(alias = "rs")]
    Rust,
    /// Go
    #[value(alias = "golang")]
    Go,
}

impl From<Lang> for Language {
    fn from(lang: Lang) -> Self {
        match lang {
            Lang::Ts => Self::TypeScript,
            Lang::Python => Self::Python,
            Lang::Rust => Self::Rust,
            Lang::Go => Self::Go,
        }
    }
}

/// What a handler is to begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Template {
    /// Answers a webhook, and counts in the key-value store
    Webhook,
    /// Runs by a schedule
    Cron,
    /// Answers a webhook with what another system knows
    Http,
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Webhook => "webhook",
            Self::Cron => "cron",
            Self::Http => "http",
        })
    }
}

/// A component to be written.
pub(super) struct Scaffold<'a> {
    pub(super) integration: &'a str,
    pub(super) name: &'a str,
    pub(super) trigger: &'a str,
    pub(super) language: Language,
    pub(super) template: Template,
    /// The component's folder, relative to the project's; `None` if it is the project's own.
    pub(super) folder: Option<&'a str>,
}

/// A file to be written, by its path in the project.
pub(super) struct File {
    pub(super) path: PathBuf,
    pub(super) text: String,
}

/// What differs between languages.
struct Shape {
    /// Their folder among the templates, and that of the SDK.
    folder: &'static str,
    sdk: &'static str,
    /// Where the handler lies.
    source: &'static str,
    /// The ending of a template's handler.
    ending: &'static str,
    /// The files around it: as they are called among the templates, and in the project.
    files: &'static [(&'static str, &'static str)],
    command: &'static str,
    watch: &'static [&'static str],
    memory: &'static str,
    needs: &'static str,
}

const fn shape(language: Language) -> Shape {
    match language {
        Language::TypeScript => Shape {
            folder: "typescript",
            sdk: "js",
            source: "src/handler.ts",
            ending: "ts",
            files: &[
                ("package.json.in", "package.json"),
                ("package-lock.json.in", "package-lock.json"),
                ("tsconfig.json", "tsconfig.json"),
            ],
            command: "npx --no-install jackfield-build src/handler.ts",
            watch: &["src/**", "package.json", "package-lock.json", "tsconfig.json"],
            memory: "64MiB",
            needs: "Node 20 or later, with npm",
        },
        Language::Python => Shape {
            folder: "python",
            sdk: "python",
            source: "src/handler.py",
            ending: "py",
            files: &[("requirements.txt", "requirements.txt")],
            command: ".venv/bin/jackfield-build src/handler.py",
            watch: &["src/**", "requirements.txt"],
            memory: "64MiB",
            needs: "Python 3.11 or later, with venv",
        },
        Language::Rust => Shape {
            folder: "rust",
            sdk: "rust",
            source: "src/lib.rs",
            ending: "rs",
            files: &[("Cargo.toml.in", "Cargo.toml"), ("Cargo.lock.in", "Cargo.lock")],
            command: "cargo build --release --target wasm32-wasip2 && \
                      cp ${CARGO_TARGET_DIR:-target}/wasm32-wasip2/release/{{crate}}.wasm $JACKFIELD_OUT",
            watch: &["src/**", "Cargo.toml", "Cargo.lock"],
            memory: "32MiB",
            needs: "Rust, by rustup",
        },
        Language::Go => Shape {
            folder: "go",
            sdk: "go",
            source: "handler.go",
            ending: "go",
            files: &[("go.mod.in", "go.mod")],
            command: "GOOS=wasip1 GOARCH=wasm go build -trimpath -buildvcs=false -buildmode=c-shared -ldflags='-s -w' -o $JACKFIELD_OUT .",
            watch: &["**/*.go", "go.mod", "go.sum"],
            memory: "64MiB",
            needs: "Go 1.26 or later",
        },
    }
}

impl Scaffold<'_> {
    /// The component, relative to the project.
    fn out(&self) -> String {
        format!("dist/{}.wasm", self.name)
    }

    fn source(&self) -> String {
        let source = shape(self.language).source;
        self.folder.map_or_else(|| source.to_owned(), |folder| format!("{folder}/{source}"))
    }

    /// The part of the manifest that is about this component. `has_api`: a connection `api` is declared already.
    fn manifest(&self, has_api: bool) -> Result<String, CliError> {
        let mut text = read(&format!("manifest/{}.toml", self.template))?;
        if has_api && self.template == Template::Http {
            text = text.split_once("\n\n").map(|(_, rest)| rest.to_owned()).unwrap_or(text);
        }
        text.push_str(&read("manifest/build.toml")?);
        Ok(self.fill(&text))
    }

    /// The component's own files and its first test.
    fn files(&self) -> Result<Vec<File>, CliError> {
        let shape = shape(self.language);
        let own = |path: &str| self.folder.map_or_else(|| PathBuf::from(path), |folder| Path::new(folder).join(path));
        let mut files = Vec::new();
        for (from, to) in shape.files {
            files.push(File { path: own(to), text: self.fill(&read(&format!("{}/{from}", shape.folder))?) });
        }
        let handler = read(&format!("{}/src/{}.{}", shape.folder, self.template, shape.ending))?;
        files.push(File { path: own(shape.source), text: self.fill(&handler) });
        let test = read(&format!("tests/{}.json", self.template))?;
        let name = if self.folder.is_some() { self.name } else { "first" };
        files.push(File { path: format!("tests/{name}.json").into(), text: self.fill(&test) });
        Ok(files)
    }

    /// Puts the names into a template.
    fn fill(&self, template: &str) -> String {
        let shape = shape(self.language);
        let crate_name = self.name.replace('-', "_");
        let command = toml::Value::from(shape.command.replace("{{crate}}", &crate_name)).to_string();
        let watch = toml::Value::from(shape.watch.to_vec()).to_string();
        let about = match self.template {
            Template::Webhook => "it answers a webhook and counts what it has heard of.",
            Template::Cron => "it runs each minute and counts.",
            Template::Http => "it answers a webhook with what another system knows.",
        };
        let run = match self.template {
            Template::Cron => "The schedule starts a run each minute; `jackfield triggers list --host dev` says when the next one is due.".to_owned(),
            Template::Webhook | Template::Http => format!(
                "While `jackfield dev` runs, send it an event (it prints the hook's address):\n\n\
                 ```sh\ncurl -d '{{\"id\": 7}}' 'http://127.0.0.1:8080/hooks/…/{}/{}?wait=10s'\n```",
                self.integration, self.trigger
            ),
        };
        let connection = "\n\nThe connection `api` has no address yet: `jackfield connections set api base_url=https://… --host dev`.";
        let run = if self.template == Template::Http { run + connection } else { run };
        let language = match self.language {
            Language::TypeScript => "TypeScript or JavaScript",
            Language::Python => "Python",
            Language::Rust => "Rust",
            Language::Go => "Go",
        };
        let folder = self.folder.map(|folder| format!("folder = \"{folder}\"\n")).unwrap_or_default();
        [
            ("{{integration}}", self.integration),
            ("{{name}}", self.name),
            ("{{crate}}", &crate_name),
            ("{{trigger}}", self.trigger),
            ("{{out}}", &self.out()),
            ("{{source}}", &self.source()),
            ("{{memory}}", shape.memory),
            ("{{command}}", &command),
            ("{{watch}}", &watch),
            ("{{Language}}", language),
            ("{{language}}", self.language.label()),
            ("{{folder}}", &folder),
            ("{{needs}}", shape.needs),
            ("{{sdk}}", shape.sdk),
            ("{{about}}", about),
            ("{{try}}", &run),
            ("{{up}}", if self.folder.is_some() { "../" } else { "" }),
            ("{{version}}", crate::VERSION),
        ]
        .iter()
        .fold(template.to_owned(), |text, (mark, value)| text.replace(mark, value))
    }
}

/// A template's text.
fn read(path: &str) -> Result<String, CliError> {
    let file = Templates::get(path).ok_or_else(|| CliError::host(format!("this binary carries no template {path}")))?;
    String::from_utf8(file.data.into_owned()).map_err(|e| CliError::host(format!("template {path}: {e}")))
}

/// Writes files into a project; none that is there is touched.
fn write(project: &Path, files: &[File]) -> Result<(), CliError> {
    let there: Vec<_> = files.iter().filter(|file| project.join(&file.path).exists()).collect();
    if !there.is_empty() {
        let names: Vec<_> = there.iter().map(|file| file.path.display().to_string()).collect();
        return Err(CliError::input(format!("already there, and not touched: {}", names.join(", "))));
    }
    for file in files {
        let path = project.join(&file.path);
        let problem = |e: std::io::Error| CliError::input(format!("{}: {e}", path.display()));
        fs::create_dir_all(path.parent().unwrap_or(project)).map_err(problem)?;
        fs::write(&path, &file.text).map_err(problem)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use jackfield_core::manifest;

    const TEMPLATES: [Template; 3] = [Template::Webhook, Template::Cron, Template::Http];

    fn scaffold(language: Language, template: Template, folder: Option<&'static str>) -> Scaffold<'static> {
        Scaffold { integration: "demo", name: "sync-all", trigger: "incoming", language, template, folder }
    }

    #[test]
    fn every_scaffold_is_whole_and_its_manifest_checks() {
        for language in Language::ALL {
            for template in TEMPLATES {
                for folder in [None, Some("sync-all")] {
                    let scaffold = scaffold(language, template, folder);
                    let head = "manifest_version = 1\n\n[integration]\nname = \"demo\"\n\n";
                    let text = format!("{head}{}", scaffold.manifest(false).unwrap());
                    let manifest =
                        manifest::parse_toml(&text, "jackfield.toml").unwrap_or_else(|e| panic!("{e}\n{text}"));
                    let component = manifest.components.values().next().unwrap();
                    let build = component.build.as_ref().unwrap();
                    assert_eq!((build.language, build.folder.as_deref()), (Some(language), folder));
                    for file in scaffold.files().unwrap() {
                        assert!(
                            !file.text.contains("{{"),
                            "{language:?} {template}: {}\n{}",
                            file.path.display(),
                            file.text
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn a_connection_is_declared_once() {
        let scaffold = scaffold(Language::Python, Template::Http, Some("two"));
        let first = scaffold.manifest(false).unwrap();
        assert!(first.contains("[connections.api]"));
        let second = scaffold.manifest(true).unwrap();
        assert!(!second.contains("[connections.api]") && second.contains("[[trigger]]"), "{second}");
    }
}
