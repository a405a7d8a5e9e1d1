//! Events from one integration to another, by the real binary: heard once, wherever the host dies; chains end; runs of
//! one key follow one another; the end of a run is an event, too.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jackfield_tests::api::Api;
use jackfield_tests::host::{Host, post_hook};
use jackfield_tests::manifest::Manifest;
use jackfield_tests::stubs::echo::Echo;
use jackfield_tests::stubs::{Record, Stub};
use jackfield_tests::{env, probe, wait};
use serde_json::{Value, json};

/// The fixture as an integration that listens.
fn listener(name: &str, trigger: &str) -> Manifest {
    Manifest::probe()
        .named(name)
        .set_toml("trigger", &format!("[{{ name = \"heard\", component = \"probe\", {trigger} }}]"))
}

async fn deploy(host: &Host, manifest: &Manifest) {
    probe::deploy(host, manifest).await;
}

/// A step that emits one event; whoever hears it does `steps`.
fn emit(event_type: &str, steps: Value) -> Value {
    json!({ "do": "emit", "events": [{ "type": event_type, "json": steps }] })
}

/// All runs of an integration, each with its event.
async fn runs_of(host: &Host, integration: &str) -> Vec<Value> {
    let page = host.api().get(&format!("/v1/runs?environment=dev&integration={integration}&limit=1000")).await;
    let mut runs = Vec::new();
    for run in page["runs"].as_array().unwrap() {
        runs.push(host.api().run(run["id"].as_str().unwrap()).await);
    }
    runs
}

/// Waits until an integration has so many runs, all final.
async fn settled(host: &Host, integration: &str, count: usize) -> Vec<Value> {
    let look = || async {
        let runs = runs_of(host, integration).await;
        let is_final = |run: &Value| ["succeeded", "dead-lettered"].iter().any(|state| run["state"] == *state);
        (runs.len() >= count && runs.iter().all(is_final)).then_some(runs)
    };
    let runs = wait::until(&format!("{integration} has {count} runs that are over"), wait::LONG, look).await;
    assert_eq!(runs.len(), count, "{:#?}", runs.iter().map(Api::brief).collect::<Vec<_>>());
    runs
}

#[tokio::test(flavor = "multi_thread")]
async fn one_integration_emits_and_others_hear() {
    let host = Host::start().await;
    deploy(&host, &Manifest::probe()).await;
    deploy(&host, &listener("ear", r#"kind = "event", types = ["order.paid"], sources = ["/integrations/probe"]"#))
        .await;
    deploy(&host, &listener("eu", r#"kind = "event", types = ["order.*"], attributes = { region = "eu" }"#)).await;
    let events = json!([
        { "type": "order.paid", "subject": "orders/7", "json": { "do": "echo" } },
        { "type": "order.paid", "id": "mine", "extensions": { "region": "eu" }, "json": { "do": "echo" } },
        { "type": "order.paid", "id": "mine", "extensions": { "region": "eu" }, "json": { "do": "echo" } },
        { "type": "nobody.listens", "json": { "do": "echo" } },
    ]);
    let run = probe::run(&host, json!([{ "do": "emit", "events": events }])).await;
    let id = run["id"].as_str().unwrap();
    assert_eq!(probe::answers(&run)[0], json!([format!("{id}/1/0"), "mine", "mine", format!("{id}/1/3")]));
    let call = &run["attempts_made"][0]["calls"][0];
    assert_eq!((&call["what"], &call["result"]), (&json!("emit order.paid and 3 more"), &json!("accepted, 3 runs")));

    let ear = settled(&host, "ear", 2).await;
    let heard = ear.iter().find(|run| run["event"]["subject"] == "orders/7").expect("it was heard");
    let event = &probe::answers(heard)[0]["event"];
    assert_eq!((&event["type"], &event["source"]), (&json!("order.paid"), &json!("/integrations/probe")));
    assert_eq!(event["meta"], json!([["run", id], ["depth", "1"]]));
    assert_eq!(event["content_type"], "application/json");
    assert_eq!(settled(&host, "eu", 1).await[0]["event"]["id"], "mine");

    let samples = host.samples().await;
    let of = |part: &str| -> f64 {
        samples
            .iter()
            .filter(|(name, _)| name.starts_with("jackfield_events_emitted_total") && name.contains(part))
            .map(|(_, v)| v)
            .sum()
    };
    assert_eq!((of("heard\""), of("unheard\""), of("duplicate\"")), (3.0, 1.0, 1.0));

    let triggers = host.api().get("/v1/environments/dev/triggers").await;
    let shown = triggers.as_array().unwrap().iter().find(|trigger| trigger["integration"] == "eu").unwrap();
    let listens = json!({ "types": ["order.*"], "sources": [], "attributes": { "region": "eu" } });
    assert_eq!((&shown["kind"], &shown["listens"]), (&json!("event"), &listens));
}

#[tokio::test(flavor = "multi_thread")]
async fn p2_a_retried_run_does_not_emit_again_and_a_failed_one_takes_nothing_back() {
    let host = Host::start().await;
    deploy(&host, &Manifest::probe()).await;
    deploy(&host, &listener("ear", r#"kind = "event", types = ["**"]"#)).await;
    let run = probe::run(
        &host,
        json!([emit("a", json!({ "do": "echo" })), { "do": "fail", "until": 3 }, emit("b", json!({ "do": "echo" }))]),
    )
    .await;
    assert_eq!(run["attempts_made"].as_array().unwrap().len(), 3, "{}", Api::brief(&run));
    let run =
        probe::run(&host, json!([emit("c", json!({ "do": "echo" })), { "do": "fail", "retryable": false }])).await;
    assert_eq!(run["state"], "dead-lettered");
    let heard = settled(&host, "ear", 3).await;
    let types: BTreeSet<_> = heard.iter().map(|run| run["event"]["type"].as_str().unwrap()).collect();
    assert_eq!(types, BTreeSet::from(["a", "b", "c"]));
}

/// Promises 1 and 2 for events: each is heard once, wherever the host dies.
#[tokio::test(flavor = "multi_thread")]
async fn p1_p2_kills_neither_lose_an_event_nor_make_two_of_it() {
    let kills: u32 = if env::variable("JACKFIELD_LONG").is_some() { 60 } else { 8 };
    let mut host = Host::start().await;
    let emitter = Manifest::probe()
        .set_toml("trigger.0.rate", "{ per_second = 100000, burst = 100000 }")
        .set("trigger.0.id_header", "x-event-id")
        .set_toml("component.probe.retry", r#"{ first = "10ms", longest = "100ms", for = "1h" }"#);
    deploy(&host, &emitter).await;
    deploy(&host, &listener("ear", r#"kind = "event", types = ["count"]"#)).await;
    let count = |event: &str, step: u32| {
        emit("count", json!({ "do": "kv", "op": "increment", "key": format!("{event}/{step}"), "by": 1 }))
    };
    let mut open: BTreeSet<String> = BTreeSet::new();
    let mut all: Vec<String> = Vec::new();
    for kill in 0..=kills {
        for n in 0..6 {
            let event = format!("event-{kill}-{n}");
            open.insert(event.clone());
            all.push(event);
        }
        let url = host.hook("dev", "probe", "hook").await;
        let mut sending = tokio::task::JoinSet::new();
        for event in open.clone() {
            let url = url.clone();
            let steps = json!([count(&event, 1), { "do": "sleep", "ms": 1 }, count(&event, 2), { "do": "fail", "until": 2 }, count(&event, 3)]);
            sending.spawn(async move {
                let headers = [("x-event-id".to_owned(), event.clone())];
                let answered = post_hook(&url, &headers, steps.to_string()).await;
                matches!(answered, Ok((202, ..))).then_some(event)
            });
        }
        if kill == kills {
            for event in sending.join_all().await.into_iter().flatten() {
                open.remove(&event);
            }
            break;
        }
        // At another moment each time, measured by what the host has done by then.
        let wanted = (kill as usize % 6) * 3;
        let killing = async {
            let before = host.api().runs_in("succeeded").await.len();
            let come = || async { (host.api().runs_in("succeeded").await.len() >= before + wanted).then_some(()) };
            wait::until("runs are over", wait::LONG, come).await;
            tokio::time::sleep(Duration::from_millis(u64::from(kill * 7 % 13))).await;
            host.kill9().await;
        };
        let (acknowledged, ()) = tokio::join!(sending.join_all(), killing);
        for event in acknowledged.into_iter().flatten() {
            open.remove(&event);
        }
        host.restart().await;
    }
    assert!(open.is_empty(), "a host that lives acknowledges: {open:?}");
    let over = || async {
        for state in ["queued", "running", "waiting"] {
            if !host.api().runs_in(state).await.is_empty() {
                return None;
            }
        }
        Some(())
    };
    wait::until("every run is over", Duration::from_secs(180), over).await;
    // The listener's own keys are its integration's: it is asked by events, too.
    let dead = host.api().runs_in("dead-lettered").await;
    assert!(dead.is_empty(), "{dead:#?}");
    let mut wrong = Vec::new();
    for event in &all {
        let steps: Vec<Value> =
            (1..=3).map(|step| json!({ "do": "kv", "op": "get", "key": format!("{event}/{step}") })).collect();
        let run = host.api().run_to_end("dev", "ear", &json!(steps)).await;
        let counts: Vec<_> = probe::answers(&run).iter().map(|answer| answer["value"].clone()).collect();
        if counts != [json!(1), json!(1), json!(1)] {
            wrong.push(format!("{event}: {counts:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    println!("{kills} kills: {} events, each heard once", all.len() * 3);
}

/// Threat row 85: an integration that hears what it emits itself.
#[tokio::test(flavor = "multi_thread")]
async fn threat_085_a_loop_of_events_ends_and_says_why() {
    let host = Host::start().await;
    deploy(&host, &listener("probe", r#"kind = "event", types = ["loop"]"#)).await;
    let mut steps = json!([{ "do": "echo" }]);
    for _ in 0..30 {
        steps = json!([emit("loop", steps)]);
    }
    let begun = host.api().start("dev", "probe", &steps).await;
    let runs = settled(&host, "probe", 17).await;
    let mut depths = BTreeMap::new();
    for run in &runs {
        let meta = run["event"]["meta"].as_array().cloned().unwrap_or_default();
        let depth =
            meta.iter().find(|pair| pair["name"] == "depth").map_or("0", |pair| pair["value"].as_str().unwrap());
        depths.insert(depth.parse::<u32>().unwrap(), run);
    }
    assert_eq!(depths.keys().copied().collect::<Vec<_>>(), (0..=16).collect::<Vec<_>>());
    assert_eq!(depths[&0]["id"], begun.as_str());
    let last = depths.remove(&16).unwrap();
    assert_eq!(last["state"], "dead-lettered");
    assert!(last["reason"].as_str().unwrap().contains("the chain of events is 16 deep"), "{}", Api::brief(last));
    assert!(depths.values().all(|run| run["state"] == "succeeded"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_run_is_an_event_for_those_who_listen() {
    let host = Host::start().await;
    deploy(&host, &Manifest::probe()).await;
    let watch = r#"kind = "event", types = ["jackfield.run.dead-lettered", "jackfield.run.succeeded"], attributes = { integration = "probe", component = "probe" }"#;
    deploy(&host, &listener("watch", watch)).await;
    deploy(&host, &listener("wild", r#"kind = "event", types = ["**"]"#)).await;
    let dies = probe::run(&host, json!([{ "do": "reject", "message": "no such order" }])).await;
    assert_eq!(dies["state"], "dead-lettered");
    let lives = probe::run(&host, json!([{ "do": "fail", "until": 2 }])).await;
    assert_eq!(lives["state"], "succeeded");
    // The fixture makes nothing of such data, so its runs end badly: of that nobody hears.
    let runs = settled(&host, "watch", 2).await;
    let of = |event_type: &str| {
        runs.iter().find(|run| run["event"]["type"] == event_type).unwrap_or_else(|| panic!("{event_type}"))
    };
    let dead = &of("jackfield.run.dead-lettered")["event"];
    let data = &dead["data"];
    assert_eq!((&dead["subject"], &dead["source"]), (&dies["id"], &json!("/integrations/probe")));
    assert_eq!(
        (&data["run"], &data["state"], &data["outcome"]),
        (&dies["id"], &json!("dead-lettered"), &json!("failed"))
    );
    assert!(data["reason"].as_str().unwrap().contains("no such order"), "{data:#}");
    assert_eq!(
        (&data["integration"], &data["component"], &data["trigger"]),
        (&json!("probe"), &json!("probe"), &json!("manual"))
    );
    assert_eq!(of("jackfield.run.succeeded")["event"]["data"]["attempts"], 2);
    assert!(runs_of(&host, "wild").await.is_empty(), "a wildcard does not stand for what the host makes");
}

/// What the stub was asked, as `key/number/begin` and `key/number/end`.
fn paths(records: &[Record]) -> Vec<String> {
    records.iter().map(|record| record.path.trim_start_matches('/').to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_of_one_key_follow_one_another_and_others_go_by() {
    const KEYS: [&str; 3] = ["a", "b", "c"];
    const EACH: usize = 6;
    let host = Host::start().await;
    let stub = Stub::start(0, Echo).await.unwrap();
    probe::connect(&host, &stub).await;
    deploy(&host, &Manifest::probe()).await;
    deploy(&host, &listener("ear", r#"kind = "event", types = ["work"], order_by = "subject""#)).await;
    let mut events = Vec::new();
    for number in 0..EACH {
        for key in KEYS {
            let path = |end: &str| probe::call("POST", &format!("/{key}/{number}/{end}"));
            // One of them fails at first: its key waits for it.
            let until = if (key, number) == ("a", 1) { 2 } else { 1 };
            let steps =
                json!([path("begin"), { "do": "sleep", "ms": 10 }, { "do": "fail", "until": until }, path("end")]);
            events.push(json!({ "type": "work", "subject": key, "json": steps }));
        }
    }
    let emitted = probe::run(&host, json!([{ "do": "emit", "events": events }])).await;
    assert_eq!(emitted["state"], "succeeded", "{}", Api::brief(&emitted));
    let runs = settled(&host, "ear", KEYS.len() * EACH).await;
    assert!(runs.iter().all(|run| run["state"] == "succeeded"));
    let asked = paths(&stub.requests());
    for key in KEYS {
        let of: Vec<_> = asked.iter().filter(|path| path.starts_with(key)).cloned().collect();
        let expected: Vec<_> = (0..EACH).flat_map(|n| ["begin", "end"].map(|end| format!("{key}/{n}/{end}"))).collect();
        assert_eq!(of, expected, "in the order in which they were emitted, one at a time");
    }
    let overlap = asked.windows(2).any(|two| two[0].ends_with("begin") && two[1].ends_with("begin"));
    assert!(overlap, "keys do not wait for one another: {asked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_holds_up_its_key_where_the_trigger_says_so() {
    let host = Host::start().await;
    let order = r#"kind = "event", types = ["work"], order_by = "subject", on_dead_letter = "block""#;
    deploy(&host, &Manifest::probe()).await;
    deploy(&host, &listener("ear", order)).await;
    let work = |id: &str, steps: Value| json!({ "type": "work", "subject": "a", "id": id, "json": steps });
    let events =
        json!([work("first", json!({ "do": "reject", "message": "no" })), work("second", json!({ "do": "echo" }))]);
    let emitted = probe::run(&host, json!([{ "do": "emit", "events": events }])).await;
    assert_eq!(emitted["state"], "succeeded", "{}", Api::brief(&emitted));
    let find = async |id: &str| runs_of(&host, "ear").await.into_iter().find(|run| run["event"]["id"] == id);
    let dead = || async { find("first").await.filter(|run| run["state"] == "dead-lettered") };
    let first = wait::until("the first is dead", wait::LONG, dead).await;
    let second = find("second").await.unwrap();
    let expected =
        format!("waits for run {} of the same ordering key, which is dead-lettered", first["id"].as_str().unwrap());
    assert_eq!((&second["state"], &second["reason"]), (&json!("queued"), &json!(expected)));
    let discarded =
        host.api().post("/v1/dead-letters/discard", &json!({ "request": "r1", "runs": [first["id"]] })).await;
    assert_eq!(discarded.status, 200, "{:#}", discarded.body);
    host.api().wait_for(second["id"].as_str().unwrap(), &["succeeded"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn emitting_needs_a_grant() {
    let host = Host::start().await;
    let none = Manifest::probe().set_toml("component.probe.grants", r#"{ deny = ["http", "kv", "config"] }"#);
    let refused = host.api().try_deploy("dev", &none.text(), &[("probe", &probe::wasm())]).await;
    assert_eq!(refused.status, 422, "{:#}", refused.body);
    assert!(refused.told().contains("events = [\"order.paid\"]"), "the line to add: {}", refused.told());
    let narrow = Manifest::probe().set_toml("component.probe.grants.events", r#"["order.paid"]"#);
    deploy(&host, &narrow).await;
    let run = probe::run(&host, json!([emit("order.sent", Value::Null)])).await;
    assert_eq!(run["state"], "dead-lettered");
    assert!(run["reason"].as_str().unwrap().contains("events = [\"order.sent\"]"), "{}", Api::brief(&run));
    assert!(run["attempts_made"][0]["refused"].as_str().unwrap().starts_with("events emit order.sent"));
}
