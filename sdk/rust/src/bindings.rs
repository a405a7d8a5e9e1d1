//! Bindings: the contract in `wit/`, generated.
//!
//! The whole world is here; what a handler does not call, the linker leaves out of its component.

#![expect(clippy::mem_forget, reason = "generated: the memory is handed to the host")]

wit_bindgen::generate!({
    path: "wit",
    world: "integration",
    pub_export_macro: true,
    default_bindings_module: "jackfield::__rt::bindings",
});
