use super::*;

fn options(component_async: bool, source_lines: bool) -> EngineOptions {
    EngineOptions { pool_instances: 4, component_async, source_lines, ..EngineOptions::default() }
}

#[test]
fn code_of_the_compile_process_fits_the_running_engine() {
    let mut seen = Vec::new();
    for component_async in [false, true] {
        for source_lines in [false, true] {
            let options = options(component_async, source_lines);
            let running = Engine::new(options).unwrap();
            let told = EngineOptions::from_compile_word(&options.compile_word()).unwrap();
            let compiling = compiling(&told, None).unwrap();
            assert_eq!(running.compatibility(), Compatibility::of(&compiling), "{options:?}");
            seen.push(running.compatibility().0);
        }
    }
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 4, "settings that change the code must change the number");
}

#[test]
fn the_gate_and_the_engine_allow_the_same() {
    for component_async in [false, true] {
        let config = shared_config(&options(component_async, true));
        let engine = wasmtime::Engine::new(&config).unwrap();
        assert_eq!(engine.get_wasm_features(), features(component_async));
    }
}

#[test]
fn the_version_shown_is_the_version_built_in() {
    let lock = include_str!("../../../../Cargo.lock");
    let wanted = format!("name = \"{NAME}\"\nversion = \"{VERSION}\"\n");
    assert!(lock.contains(&wanted), "Cargo.lock has another {NAME}: correct engine::VERSION");
}

#[test]
fn the_ticker_ticks_and_stops() {
    let engine = Engine::new(options(true, true)).unwrap();
    let weak = Arc::downgrade(&engine.0);
    let mut store = wasmtime::Store::new(engine.raw(), ());
    store.set_epoch_deadline(1);
    let spin = wat::parse_str(r#"(module (func (export "spin") (loop br 0)))"#).unwrap();
    let module = wasmtime::Module::new(engine.raw(), spin).unwrap();
    let instance = wasmtime::Instance::new(&mut store, &module, &[]).unwrap();
    let spin = instance.get_typed_func::<(), ()>(&mut store, "spin").unwrap();
    let started = Instant::now();
    let trap = spin.call(&mut store, ()).unwrap_err();
    assert_eq!(trap.downcast_ref::<wasmtime::Trap>(), Some(&wasmtime::Trap::Interrupt));
    assert!(started.elapsed() < Duration::from_secs(5));
    drop((store, engine));
    assert!(weak.upgrade().is_none(), "the ticker keeps no engine alive");
}
