//! Bindings: the contract in `wit/`, generated.
//!
//! The whole world is here; what a handler does not call, the linker leaves out of its component.

wit_bindgen::generate!({
    path: "../../wit",
    world: "integration",
    pub_export_macro: true,
    default_bindings_module: "jackfield::__rt::bindings",
});
