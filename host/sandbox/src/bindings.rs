//! Bindings: the world `integration` of `wit/` in Rust, generated.
//!
//! Imports that wait for the outside are async; every import may trap, because any may find that the
//! attempt must end. Arguments are never traced: they hold what guests and people keep private.

mod generated {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "integration",
        imports: {
            "jackfield:plugin/http": async | trappable,
            "jackfield:plugin/kv": async | trappable,
            "jackfield:plugin/config": async | trappable,
            "jackfield:plugin/events": async | trappable,
            "jackfield:plugin/sql": async | trappable,
            "jackfield:plugin/messaging": async | trappable,
            "jackfield:plugin/blob": async | trappable,
            "jackfield:plugin/email": async | trappable,
            default: trappable,
        },
        exports: { default: async },
        // The event is borrowed: its data is copied once, into the guest.
        ownership: Borrowing { duplicate_if_necessary: true },
    });
}

/// What is not of the world that handlers are written in, but of the runtimes that run them.
mod runtime {
    wasmtime::component::bindgen!({
        inline: "package jackfield:runtime; world runtime { import jackfield:plugin/program@0.1.0; }",
        path: "../../wit",
        imports: { default: trappable },
    });
}

pub(crate) use runtime::jackfield::plugin::program;

pub(crate) use generated::IntegrationPre;
pub(crate) use generated::exports::jackfield::plugin::handler;
pub(crate) use generated::jackfield::plugin;
