//! Testing: guests of a few lines, and a sandbox to run them in, for the tests of this crate.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};

use async_trait::async_trait;
use bytes::Bytes;
use jackfield_core::artifact::Digest;
use jackfield_core::event::Event;
use jackfield_core::grant::{Capability, Grants};
use jackfield_core::hatch::Hatch;
use jackfield_core::hatch::testing::{self, Rig};
use jackfield_core::limits::Limits;
use jackfield_core::logs::LogLine;
use jackfield_core::ports::sandbox::{HostFault, Report, Sandbox, Work};
use tokio_util::sync::CancellationToken;
use wasmtime::component::Component;
use wit_component::{ComponentEncoder, StringEncoding};
use wit_parser::Resolve;

use crate::code::Executable;
use crate::engine::{Engine, EngineOptions};
use crate::invoke::{Code, WasmSandbox};

/// What of WASI the guests here import. The host offers later versions of the same.
const WASI: &[&str] = &[
    "package wasi:io@0.2.6;
     interface poll {
       resource pollable { ready: func() -> bool; block: func(); }
       poll: func(in: list<borrow<pollable>>) -> list<u32>;
     }
     interface error { resource error; }
     interface streams {
       use error.{error};
       variant stream-error { last-operation-failed(error), closed }
       resource output-stream {
         check-write: func() -> result<u64, stream-error>;
         write: func(contents: list<u8>) -> result<_, stream-error>;
       }
     }",
    "package wasi:clocks@0.2.6;
     interface monotonic-clock {
       use wasi:io/poll@0.2.6.{pollable};
       now: func() -> u64;
       resolution: func() -> u64;
       subscribe-duration: func(when: u64) -> pollable;
     }
     interface wall-clock {
       record datetime { seconds: u64, nanoseconds: u32 }
       now: func() -> datetime;
       resolution: func() -> datetime;
     }",
    "package wasi:random@0.2.6;
     interface random { get-random-bytes: func(len: u64) -> list<u8>; get-random-u64: func() -> u64; }
     interface insecure { get-insecure-random-u64: func() -> u64; }
     interface insecure-seed { insecure-seed: func() -> tuple<u64, u64>; }",
    "package wasi:cli@0.2.6;
     interface environment {
       get-environment: func() -> list<tuple<string, string>>;
       get-arguments: func() -> list<string>;
     }
     interface exit { exit: func(status: result); }
     interface stdout { use wasi:io/streams@0.2.6.{output-stream}; get-stdout: func() -> output-stream; }
     interface stderr { use wasi:io/streams@0.2.6.{output-stream}; get-stderr: func() -> output-stream; }",
    "package wasi:filesystem@0.2.6;
     interface types { resource descriptor; }
     interface preopens {
       use types.{descriptor};
       get-directories: func() -> list<tuple<descriptor, string>>;
     }",
    "package wasi:http@0.2.6;
     interface types {
       use wasi:io/poll@0.2.6.{pollable};
       use wasi:io/streams@0.2.6.{output-stream};
       record DNS-error-payload { rcode: option<string>, info-code: option<u16> }
       record TLS-alert-received-payload { alert-id: option<u8>, alert-message: option<string> }
       record field-size-payload { field-name: option<string>, field-size: option<u32> }
       variant error-code {
         DNS-timeout, DNS-error(DNS-error-payload), destination-not-found, destination-unavailable,
         destination-IP-prohibited, destination-IP-unroutable, connection-refused, connection-terminated,
         connection-timeout, connection-read-timeout, connection-write-timeout, connection-limit-reached,
         TLS-protocol-error, TLS-certificate-error, TLS-alert-received(TLS-alert-received-payload),
         HTTP-request-denied, HTTP-request-length-required, HTTP-request-body-size(option<u64>),
         HTTP-request-method-invalid, HTTP-request-URI-invalid, HTTP-request-URI-too-long,
         HTTP-request-header-section-size(option<u32>), HTTP-request-header-size(option<field-size-payload>),
         HTTP-request-trailer-section-size(option<u32>), HTTP-request-trailer-size(field-size-payload),
         HTTP-response-incomplete, HTTP-response-header-section-size(option<u32>),
         HTTP-response-header-size(field-size-payload), HTTP-response-body-size(option<u64>),
         HTTP-response-trailer-section-size(option<u32>), HTTP-response-trailer-size(field-size-payload),
         HTTP-response-transfer-coding(option<string>), HTTP-response-content-coding(option<string>),
         HTTP-response-timeout, HTTP-upgrade-failed, HTTP-protocol-error, loop-detected, configuration-error,
         internal-error(option<string>),
       }
       variant scheme { HTTP, HTTPS, other(string) }
       resource fields { constructor(); }
       resource outgoing-request {
         constructor(headers: fields);
         body: func() -> result<outgoing-body>;
         set-path-with-query: func(path-with-query: option<string>) -> result;
         set-scheme: func(scheme: option<scheme>) -> result;
         set-authority: func(authority: option<string>) -> result;
       }
       resource request-options;
       resource outgoing-body { write: func() -> result<output-stream>; }
       resource incoming-response { status: func() -> u16; }
       resource future-incoming-response {
         subscribe: func() -> pollable;
         get: func() -> option<result<result<incoming-response, error-code>>>;
       }
     }
     interface outgoing-handler {
       use types.{outgoing-request, request-options, future-incoming-response, error-code};
       handle: func(request: outgoing-request, options: option<request-options>)
         -> result<future-incoming-response, error-code>;
     }",
    "package test:guests;
     interface things { resource thing; }
     world guest {
       include jackfield:plugin/integration@0.1.0;
       import wasi:io/poll@0.2.6;
       import wasi:io/streams@0.2.6;
       import wasi:clocks/monotonic-clock@0.2.6;
       import wasi:clocks/wall-clock@0.2.6;
       import wasi:random/random@0.2.6;
       import wasi:random/insecure@0.2.6;
       import wasi:random/insecure-seed@0.2.6;
       import wasi:cli/environment@0.2.6;
       import wasi:cli/exit@0.2.6;
       import wasi:cli/stdout@0.2.6;
       import wasi:cli/stderr@0.2.6;
       import wasi:filesystem/preopens@0.2.6;
       import wasi:http/types@0.2.6;
       import wasi:http/outgoing-handler@0.2.6;
     }
     world maker { include guest; export things; }",
];

/// A guest: the body of its handler, and what else its module holds.
pub(crate) struct Guest {
    /// Imports, in text form.
    pub(crate) imports: &'static str,
    /// Functions, globals, tables, data.
    pub(crate) items: String,
    /// Pages of its memory at the start.
    pub(crate) pages: u32,
    /// Instructions of `handle`. `$event` points to the event; the answer is a pointer.
    pub(crate) body: String,
    realloc: &'static str,
    world: &'static str,
}

/// A bump allocator.
const REALLOC: &str = "(local.set $at (i32.and (i32.add (global.get $top) (i32.sub (local.get $align) (i32.const 1)))
                                (i32.sub (i32.const 0) (local.get $align))))
        (global.set $top (i32.add (local.get $at) (local.get $size)))
        (local.get $at)";

/// 1,024 zero bytes at the start of the memory read as `ok(none)`.
pub(crate) const DONE: &str = "(i32.const 0)";

/// `log.write` as a core module sees it.
pub(crate) const LOG: &str = r#"(import "jackfield:plugin/log@0.1.0" "write"
    (func $log (param i32 i32 i32 i32 i32)))"#;

impl Guest {
    /// A guest with this handler.
    pub(crate) fn new(imports: &'static str, body: impl Into<String>) -> Self {
        Self { imports, items: String::new(), pages: 2, body: body.into(), realloc: REALLOC, world: "guest" }
    }

    /// With more in its module.
    pub(crate) fn with(mut self, items: impl Into<String>) -> Self {
        self.items = items.into();
        self
    }

    /// With a larger memory at the start.
    pub(crate) fn pages(mut self, pages: u32) -> Self {
        self.pages = pages;
        self
    }

    /// With these instructions in place of an allocator.
    pub(crate) fn realloc(mut self, realloc: &'static str) -> Self {
        self.realloc = realloc;
        self
    }

    /// With a resource of its own, `things.thing`.
    pub(crate) fn maker(mut self) -> Self {
        self.world = "maker";
        self
    }

    /// Its bytes.
    #[track_caller]
    pub(crate) fn component(&self) -> Vec<u8> {
        let Self { imports, items, pages, body, realloc, .. } = self;
        let wat = format!(
            r#"(module
    {imports}
    (memory $memory (export "memory") {pages})
    (global $top (mut i32) (i32.const 4096))
    (func $alloc (export "cabi_realloc") (param $old i32) (param $was i32) (param $align i32) (param $size i32) (result i32)
        (local $at i32)
        {realloc})
    {items}
    (func $handle (export "jackfield:plugin/handler@0.1.0#handle") (param $event i32) (result i32)
        (local $i i32) (local $j i32) (local $n i64)
        {body}))"#
        );
        let mut module = wat::parse_str(&wat).unwrap_or_else(|e| panic!("the guest is WAT: {e}\n{wat}"));
        let (resolve, package) = worlds();
        let world = resolve.select_world(&[*package], Some(self.world)).expect("the world is there");
        wit_component::embed_component_metadata(&mut module, resolve, world, StringEncoding::UTF8)
            .expect("the world can be embedded");
        let mut encoder = ComponentEncoder::default().module(&module).expect("the module fits the world");
        encoder.encode().unwrap_or_else(|e| panic!("the module makes a component: {e:#}\n{wat}"))
    }
}

fn worlds() -> &'static (Resolve, wit_parser::PackageId) {
    static WORLDS: OnceLock<(Resolve, wit_parser::PackageId)> = OnceLock::new();
    WORLDS.get_or_init(|| {
        let mut resolve = Resolve::default();
        resolve.push_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit")).expect("wit/ parses");
        let mut last = None;
        for (number, text) in WASI.iter().enumerate() {
            last = Some(resolve.push_str(format!("wasi{number}.wit"), text).expect("the worlds of the tests parse"));
        }
        (resolve, last.expect("there are some"))
    })
}

/// Code that a test put there.
#[derive(Default)]
struct Shelf(Mutex<HashMap<Digest, Arc<Executable>>>);

#[async_trait]
impl Code for Shelf {
    async fn component(&self, artifact: Digest) -> Result<Arc<Executable>, HostFault> {
        let shelf = self.0.lock().unwrap();
        shelf.get(&artifact).cloned().ok_or_else(|| HostFault(format!("no artifact {artifact}")))
    }
}

/// A sandbox for tests, with an engine of its own.
pub(crate) struct Cell {
    engine: wasmtime::Engine,
    _ticking: Option<Engine>,
    shelf: Arc<Shelf>,
    pub(crate) sandbox: Arc<WasmSandbox>,
}

/// How an attempt went.
pub(crate) struct Ran {
    pub(crate) report: Result<Report, HostFault>,
    pub(crate) hatch: Arc<Hatch>,
    pub(crate) rig: Rig,
}

impl Ran {
    /// How it ended.
    #[track_caller]
    pub(crate) fn outcome(&self) -> &jackfield_core::outcome::Outcome {
        &self.report.as_ref().expect("the host is not to blame").outcome
    }

    /// What the guest logged.
    pub(crate) async fn log(&self) -> Vec<LogLine> {
        self.hatch.finish().await;
        self.rig.logs.flush();
        self.rig.logs.of_run(self.hatch.info().fence.run, 20_000)
    }
}

impl Cell {
    /// With instances from a pool, as the host has it.
    pub(crate) fn new() -> Self {
        Self::with(EngineOptions { pool_instances: 16, ..EngineOptions::default() })
    }

    pub(crate) fn with(options: EngineOptions) -> Self {
        let engine = Engine::new(options).expect("the engine starts");
        Self { _ticking: Some(engine.clone()), ..Self::of(engine.raw().clone()) }
    }

    /// With memory made for each instance, and nothing that interrupts a loop.
    pub(crate) fn on_demand() -> Self {
        Self::of(crate::engine::compiling(&EngineOptions::default(), None).expect("the engine starts"))
    }

    fn of(engine: wasmtime::Engine) -> Self {
        let shelf = Arc::<Shelf>::default();
        let sandbox = WasmSandbox::with_code(engine.clone(), Arc::clone(&shelf) as Arc<dyn Code>);
        Self { engine, _ticking: None, shelf, sandbox: Arc::new(sandbox) }
    }

    /// Compiles a guest and keeps it.
    #[track_caller]
    pub(crate) fn add(&self, guest: &Guest) -> Digest {
        self.add_bytes(&guest.component())
    }

    #[track_caller]
    pub(crate) fn add_bytes(&self, bytes: &[u8]) -> Digest {
        let digest = Digest::of(bytes);
        let component = Component::new(&self.engine, bytes).expect("the guest compiles");
        let executable = Executable { component, program: Bytes::new() };
        self.shelf.0.lock().unwrap().insert(digest, Arc::new(executable));
        digest
    }

    /// One attempt of a guest with these limits, all capabilities imported and denied.
    pub(crate) async fn run(&self, guest: &Guest, limits: Limits) -> Ran {
        let digest = self.add(guest);
        self.attempt(digest, limits, all_denied()).await
    }

    /// One attempt in a rig of its own.
    pub(crate) async fn attempt(&self, artifact: Digest, limits: Limits, grants: Grants) -> Ran {
        let (rig, hatch) = testing::hatch(limits, grants.clone()).await;
        let report = self.sandbox.invoke(work(artifact, limits, grants, &hatch, event())).await;
        Ran { report, hatch, rig }
    }
}

/// An attempt to be made.
pub(crate) fn work(artifact: Digest, limits: Limits, grants: Grants, hatch: &Arc<Hatch>, event: Event) -> Work {
    Work {
        artifact,
        event: Arc::new(event),
        limits,
        grants: Arc::new(grants),
        hatch: Arc::clone(hatch),
        stop: CancellationToken::new(),
    }
}

/// Everything may be imported and nothing done.
pub(crate) fn all_denied() -> Grants {
    Grants { deny: Capability::ALL.to_vec(), ..Grants::default() }
}

/// A small event.
pub(crate) fn event() -> Event {
    testing::event("hello")
}
